//! Exclude patterns that mean nothing are refused with the pattern that was meant.

use super::{accepted, refusal_of, refusal_of_source};

/// The message about one pattern of a source of `/home/clerk/app`, behind the key, and the hint.
fn told(pattern: &str) -> (String, String) {
    told_at("directory: /home/clerk/app", pattern)
}

fn told_at(source: &str, pattern: &str) -> (String, String) {
    let quoted = serde_json::to_string(pattern).expect("JSON, which is YAML");
    let told = refusal_of_source(&format!("{source}, exclude: [{quoted}]"));
    let column = "  s: { ".len() + source.len() + ", exclude: [".len() + 1;
    let told = told
        .strip_prefix(&format!("fleet.yaml:3:{column}: `exclude`: "))
        .unwrap_or_else(|| unreachable!("no such place: {told}"));
    let (what, hint) = told.split_once("\nhint: ").expect("a hint");
    (what.to_owned(), hint.to_owned())
}

fn is_accepted(roots: &str, patterns: &[&str]) {
    let patterns = serde_json::to_string(patterns).expect("JSON, which is YAML");
    accepted(&format!(
        "version: 1\nhosts: {{ a: {{ sources: {{ s: {{ directories: {roots}, exclude: {patterns} }} }} }} }}\n"
    ));
}

#[test]
fn paths_from_the_hosts_root_on_are_refused_with_the_relative_ones() {
    for (pattern, instead) in [
        ("/home/clerk/app/node_modules", "/node_modules"),
        ("/home/clerk/app/node_modules/", "/node_modules/"),
        ("!/home/clerk/app/a/keep", "!/a/keep"),
        ("/home/*/app/*.log", "/*.log"),
        ("/home/clerk/app/**/cache/", "/**/cache/"),
    ] {
        let (what, hint) = told(pattern);
        assert_eq!(
            what,
            format!(
                "`{pattern}` begins with the source's directory, and patterns are relative to it"
            )
        );
        let unanchored = pattern.replacen('/', "", 1);
        assert_eq!(
            hint,
            format!(
                "Write `{instead}`. If that path is really repeated inside the directory, write \
                 `{unanchored}`."
            )
        );
    }
    assert_eq!(
        told("/home/clerk/app/"),
        (
            "`/home/clerk/app/` is the source's directory, and patterns are relative to it"
                .to_owned(),
            "Remove the pattern, or the source.".to_owned()
        )
    );
    for pattern in [
        "/home/clerk/other",
        "/home/other/app/cache/",
        "/home/*/.cache",
    ] {
        assert_eq!(
            told(pattern),
            (
                format!(
                    "`{pattern}` leads out of the source's directory, and patterns are relative to it"
                ),
                format!(
                    "Remove it: nothing outside of the directory is captured. If such a path is \
                     really inside the directory, write `{}`.",
                    &pattern[1..]
                )
            )
        );
    }
    assert_eq!(
        told_at("directories: [/etc/app, /srv/app]", "/srv/app/cache").1,
        "Write `/cache`. If that path is really repeated inside the directory, write \
         `srv/app/cache`."
    );
}

#[test]
fn a_slash_in_front_still_means_the_sources_directory() {
    is_accepted(
        "[/home/clerk/app]",
        &[
            "/node_modules/",
            "/var/log/",
            "/home",
            "/srv/www/cache",
            "/*/cache",
            "/**/cache",
            "home/clerk/app",
            "/app",
            "/etc/ssl/private",
        ],
    );
    // `/data/data` may well be there, and beneath `/` all paths are the host's own.
    is_accepted("[/data]", &["/data", "/data/", "data/x"]);
    is_accepted("[/]", &["/home/clerk/app", "/proc", "/var/cache/"]);
    is_accepted("[/home/clerk/app, /srv/tree]", &["/home/other/cache"]);
    is_accepted("[/srv/chroot]", &["/home/clerk/.cache", "/root/.cache"]);
}

#[test]
fn what_no_path_holds_is_refused() {
    for (pattern, why, hint) in [
        (
            "./node_modules/",
            "no path holds `.` as a component",
            "Write `/node_modules/`.",
        ),
        (
            "!./keep",
            "no path holds `.` as a component",
            "Write `!/keep`.",
        ),
        ("a/./b", "no path holds `.` as a component", "Write `/a/b`."),
        ("a//b", "no path holds `//`", "Write `/a/b`."),
        ("//a", "no path holds `//`", "Write `/a`."),
        (
            ".",
            "no path holds `.` as a component",
            "Remove it: it would mean the source's directory itself.",
        ),
        (
            "../other/",
            "no path holds `..`",
            "Write the path from the source's directory on; nothing outside of it is captured.",
        ),
        (
            "/",
            "it matches nothing inside the directory",
            "Name what is to be left out, or remove it.",
        ),
        (
            "!",
            "it matches nothing inside the directory",
            "Name what is to be left out, or remove it.",
        ),
    ] {
        assert_eq!(
            told(pattern),
            (format!("`{pattern}` never matches: {why}"), hint.to_owned())
        );
    }
    assert_eq!(
        told("a\n*.log\n"),
        (
            "`a\\n*.log\\n` holds a line break".to_owned(),
            "Write a list with one pattern an entry, as in `[node_modules/, /build]`.".to_owned()
        )
    );
    assert_eq!(
        told("a\0").0,
        "`a\\u{0}` holds a NUL character, which no name has"
    );
}

#[test]
fn what_is_not_expanded_is_refused() {
    for (pattern, first, instead) in [
        ("~/.cache/", "~", "/~/.cache/"),
        ("~clerk/.cache", "~clerk", "/~clerk/.cache"),
        ("~/", "~", "/~/"),
        ("$HOME/.cache", "$HOME", "/$HOME/.cache"),
        ("!${HOME}/keep", "${HOME}", "!/${HOME}/keep"),
    ] {
        assert_eq!(
            told(pattern),
            (
                format!("`{pattern}` begins with `{first}`, which is not expanded"),
                format!(
                    "Write the path from the source's directory on, as in `/.cache`; if an entry is \
                     really called `{first}`, write `{instead}`."
                )
            )
        );
    }
    is_accepted(
        "[/a]",
        &["*~", "~", "~$*.docx", "/~/x", "$RECYCLE.BIN/", "~lock.x#"],
    );
}

#[test]
fn the_patterns_of_other_tools_are_refused() {
    for (pattern, mark, instead, escaped) in [
        (
            "sh:**/cache",
            "sh:",
            "Write `**/cache` alone",
            "\\sh:**/cache",
        ),
        ("fm:*.log", "fm:", "Write `*.log` alone", "\\fm:*.log"),
        (
            "!glob:*.log",
            "glob:",
            "Write `!*.log` alone",
            "!\\glob:*.log",
        ),
        ("- *.o", "-", "Write `*.o` alone", "\\- *.o"),
        (
            "re:\\.log$",
            "re:",
            "Write it as gitignore does, as in `*.log` or `build-[0-9]*`",
            "\\re:\\.log$",
        ),
    ] {
        assert_eq!(
            told(pattern),
            (
                format!("`{pattern}` begins with `{mark}`, the mark of another tool's patterns"),
                format!("{instead}; if a name really begins so, write `{escaped}`.")
            )
        );
    }
    for prefix in [
        "pf:",
        "pp:",
        "p:",
        "regex:",
        "regexp:",
        "path:",
        "rootglob:",
        "set:",
        ":(",
        ":!",
        "--exclude=",
    ] {
        let (what, _) = told(&format!("{prefix}x"));
        assert!(
            what.ends_with("the mark of another tool's patterns"),
            "{what}"
        );
    }
    is_accepted(
        "[/a]",
        &["\\sh:x", "/re:x", "Re: x", "share", "a:b", "-", "-x"],
    );
}

#[test]
fn brackets_that_mean_nothing_are_refused() {
    for (pattern, why, hint) in [
        (
            "[a",
            "`[` has no closing `]`",
            "Close it, or write `\\[` for the character itself.",
        ),
        (
            "a\\",
            "the `\\` at its end has nothing to escape",
            "Remove it, or write `\\\\` for the character itself.",
        ),
        (
            "a\\/",
            "the `\\` at its end has nothing to escape",
            "Remove it, or write `\\\\` for the character itself.",
        ),
        (
            "[:digit:]",
            "`[:digit:]` matches the letters in it, not the class",
            "Write `[[:digit:]]`.",
        ),
        (
            "[[.a.]]",
            "collating symbols and equivalence classes are not supported",
            "Write the characters themselves.",
        ),
        (
            "[é]",
            "`é` in brackets never matches, because brackets match a single byte",
            "Write `*` in its place, or one pattern for each character.",
        ),
    ] {
        assert_eq!(
            told(pattern),
            (
                format!("`{pattern}` is not a pattern: {why}"),
                hint.to_owned()
            )
        );
    }
    is_accepted(
        "[/a]",
        &["[[:digit:]]", "[![:alpha:]_]*", "[a\\]b]", "[!é]"],
    );
}

#[test]
fn taking_back_in_of_an_excluded_directory_is_refused() {
    assert_eq!(
        refusal_of(
            "hosts: { a: { sources: { s: { directory: /a, exclude: [data/, \"!/data/keep\"] } } } }"
        ),
        "fleet.yaml:2:63: `exclude`: `!/data/keep` takes nothing back in: `data/` excludes the \
         directory `data` as a whole\n\
         hint: Exclude what is in the directory instead: `/data/*`. Take back in each directory on \
         the way, as in `!/data/a/`."
    );
    for patterns in [
        &["data/*", "!/data/a/keep"][..],
        &["**/data", "!data/*.conf"],
        &["*", "!a/b"],
    ] {
        let patterns = serde_json::to_string(patterns).expect("JSON");
        let told = refusal_of_source(&format!("directory: /x, exclude: {patterns}"));
        assert!(told.contains("takes nothing back in"), "{told}");
    }
    is_accepted("[/x]", &["data/*", "!/data/keep"]);
    is_accepted("[/x]", &["*", "!*/", "!a/b"]);
    is_accepted("[/x]", &["data/", "!data/", "!data/keep"]);
    is_accepted("[/x]", &["data/", "!keep"]);
}

//! Tests of the keys of sources, and of the sources that a host may have.

use fleet::inventory::SourceKind;
use fleet::source::exclude::Exclude;

use super::{accepted, refusal_of, refusal_of_source};

#[test]
fn a_source_says_exactly_one_thing() {
    assert_eq!(
        refusal_of_source("optional: true"),
        "fleet.yaml:3:3: source `s` has no kind\n\
         hint: Add one of `directory`, `directories`, `files`, `postgres`, `command`, `shell` or \
         `http`."
    );
    assert_eq!(
        refusal_of_source("files: /a, directory: /b"),
        "fleet.yaml:3:30: source `s` can't be both `directory` and `files` (see also fleet.yaml:3:15)\n\
         hint: Split it into two sources."
    );
}

#[test]
fn keys_of_another_kind_are_refused() {
    assert_eq!(
        refusal_of_source("files: /a, exclude: [x]"),
        "fleet.yaml:3:28: `exclude` doesn't belong to a `files` source\n\
         hint: It belongs to `directory`, `directories`. Remove it, or move it to a source of its own."
    );
    for (body, key, kind) in [
        ("directory: /a, newest: 3", "newest", "directory"),
        (
            "directories: [/a], reads_only: true",
            "reads_only",
            "directories",
        ),
        ("postgres: x, lines: y", "lines", "postgres"),
        ("command: [x], url: y", "", ""),
        ("command: [x], dump: full", "dump", "command"),
        ("shell: x, headers: {}", "headers", "shell"),
        ("http: \"http://h/\", run_as: x", "run_as", "http"),
    ] {
        let told = refusal_of_source(body);
        let expected = if key.is_empty() {
            "unknown key `url`".to_owned()
        } else {
            format!("`{key}` doesn't belong to a `{kind}` source")
        };
        assert_eq!(
            told.lines()
                .next()
                .and_then(|line| line.split_once(": "))
                .map(|(_, what)| what),
            Some(expected.as_str()),
            "{body}"
        );
    }
}

#[test]
fn roots_are_absolute() {
    for root in ["etc", "~/app", "/etc/../root", "\"\""] {
        assert_eq!(
            refusal_of_source(&format!("directory: {root}")),
            format!(
                "fleet.yaml:3:19: `directory`: `{}` is not an absolute path without empty, `.` or \
                 `..` components\n\
                 hint: Write the whole path, as in `/etc/asterisk`; `~` is not expanded.",
                root.trim_matches('"')
            )
        );
    }
    assert_eq!(
        refusal_of_source("directories: [/a, b]").lines().next(),
        Some(
            "fleet.yaml:3:26: `directories`: `b` is not an absolute path without empty, `.` or `..` \
             components"
        )
    );
    assert_eq!(
        refusal_of_source("directories: []"),
        "fleet.yaml:3:21: `directories`: it names nothing\n\
         hint: Name at least one, or remove the source."
    );
}

#[test]
fn exclude_patterns_are_checked_by_gitignores_rules() {
    assert_eq!(
        refusal_of_source("directory: /a, exclude: [ok/, \"[z-a]\"]"),
        "fleet.yaml:3:38: `exclude`: `[z-a]` is not a pattern: the range `z-a` is backwards\n\
         hint: Write `a-z`."
    );
    for pattern in ["\"# x\"", "\" \"", "\"\""] {
        assert_eq!(
            refusal_of_source(&format!("directory: /a, exclude: {pattern}")),
            format!(
                "fleet.yaml:3:32: `exclude`: `{}` excludes nothing\n\
                 hint: gitignore's rules skip blank lines and comments; write `\\#` for a leading `#`.",
                pattern.trim_matches('"')
            )
        );
    }
    accepted(
        "version: 1\nhosts: { a: { sources: { s: { directory: /a, exclude: [x, x, \"\\\\#\", \"!y\", \
         \"**/z\"] } } } }\n",
    );
}

#[test]
fn a_brace_in_an_exclude_pattern_is_a_letter() {
    for pattern in ["{", "}", "*.{", "}{", "{{a,b}", "[{]", "!{"] {
        let inventory = accepted(&format!(
            "version: 1\nhosts: {{ a: {{ sources: {{ s: {{ directory: /a, exclude: [\"{pattern}\"] }} }} }} }}\n"
        ));
        let SourceKind::Directory(directory) = &inventory.hosts[0].sources[0].kind else {
            unreachable!("it says `directory`");
        };
        assert_eq!(directory.exclude, [pattern]);
        assert!(Exclude::new(&directory.exclude).is_ok(), "{pattern}");
    }
}

#[test]
fn a_profile_that_is_not_there_is_told_with_the_nearest_one() {
    assert_eq!(
        refusal_of("profiles:\n  translation: {}\nhosts:\n  a: { use: [translaton] }\n"),
        "fleet.yaml:5:14: there is no profile `translaton`\n\
         hint: Did you mean `translation`?"
    );
}

#[test]
fn a_profile_is_used_once() {
    assert_eq!(
        refusal_of("profiles: { p: }\nhosts:\n  a: { use: [p, p] }\n"),
        "fleet.yaml:4:17: host `a` uses profile `p` twice\n\
         hint: Remove one of the two."
    );
}

#[test]
fn a_source_of_two_bringers_is_refused_at_both_places() {
    assert_eq!(
        refusal_of(
            "profiles:\n  p:\n    sources:\n      etc: { directory: /etc }\nhosts:\n  a:\n    use: p\n    \
             sources:\n      etc: { directory: /etc }\n"
        ),
        "fleet.yaml:10:7: host `a` has two sources `etc`: one of profile `p`, one of its own \
         (see also fleet.yaml:5:7)\n\
         hint: Rename or remove one of the two."
    );
    assert_eq!(
        refusal_of(
            "profiles:\n  p: { sources: { etc: { directory: /a } } }\n  q: { sources: { etc: { \
             directory: /a } } }\nhosts:\n  a: { use: [p, q] }\n"
        )
        .lines()
        .next(),
        Some(
            "fleet.yaml:4:19: host `a` has two sources `etc`: one of profile `p`, one of profile \
             `q` (see also fleet.yaml:3:19)"
        )
    );
}

#[test]
fn a_command_at_a_protected_host_needs_somebody_who_vouches() {
    const HINT: &str = "hint: If the command changes nothing on the host, set `reads_only: true` on the source; otherwise remove it.";
    for host in [
        "{ env: prod, use: p }",
        "{ env: dev, use: p }",
        "{ use: p }",
    ] {
        for body in ["command: [x]", "shell: x", "shell: x, reads_only: false"] {
            assert_eq!(
                refusal_of(&format!(
                    "profiles:\n  p: {{ sources: {{ v: {{ {body} }} }} }}\nhosts:\n  a: {host}\n  \
                     w: {{ env: dev, access: writable, use: p }}\n"
                )),
                format!(
                    "fleet.yaml:3:19: command source `v` needs `reads_only: true`, because it runs on protected hosts: `a`\n{HINT}"
                )
            );
        }
    }
    accepted(
        "version: 1\nprofiles:\n  p: { sources: { v: { command: [x], reads_only: true } } }\n\
         hosts:\n  a: { env: prod, use: p }\n  b: { env: dev, access: writable, sources: { w: { shell: x } } }\n",
    );
}

#[test]
fn many_protected_hosts_are_told_in_one_problem() {
    assert_eq!(
        refusal_of(
            "profiles:\n  p: { sources: { v: { shell: x } } }\nhosts:\n  a: { use: p }\n  b: { use: \
             p }\n  c: { use: p }\n  d: { use: p }\n  e: { use: p }\n"
        )
        .lines()
        .next(),
        Some(
            "fleet.yaml:3:19: command source `v` needs `reads_only: true`, because it runs on protected hosts: `a`, `b`, `c` and 2 more"
        )
    );
}

#[test]
fn a_password_is_never_in_the_file() {
    let told = refusal_of_source("postgres: x, password: hunter2");
    assert_eq!(
        told,
        "fleet.yaml:3:31: `password`: a password can't be written in the inventory\n\
         hint: Name where it is kept: `{env: NAME}` or `{file: PATH}`."
    );
    for body in ["{ }", "{ env: A, file: /b }"] {
        assert_eq!(
            refusal_of_source(&format!("postgres: x, password: {body}")),
            "fleet.yaml:3:31: `password`: it needs exactly one of `env` and `file`\n\
             hint: Write text, `{env: NAME}` or `{file: PATH}`."
        );
    }
}

#[test]
fn values_of_the_later_kinds_are_checked() {
    for (body, told) in [
        (
            "files: var/log/x",
            "3:15: `files`: `var/log/x` is not an absolute path or pattern",
        ),
        (
            "files: /a/../b",
            "3:15: `files`: `/a/../b` is not an absolute path or pattern",
        ),
        ("files: []", "3:15: `files`: it names nothing"),
        (
            "files: [/a, \"/a[b\"]",
            "3:20: `files`: `/a[b` is not a pattern: `[` has no closing `]`",
        ),
        (
            "files: \"/a/{b\"",
            "3:15: `files`: `/a/{b` is not a pattern: `{` has no closing `}`",
        ),
        (
            "files: \"/a/b}\"",
            "3:15: `files`: `/a/b}` is not a pattern: `}` closes nothing",
        ),
        (
            "files: \"/a\\n/b\"",
            "3:15: `files`: `/a\\n/b` holds a line break",
        ),
        (
            "files: \"/a/[[:word:]]\"",
            "3:15: `files`: `/a/[[:word:]]` is not a pattern: `[:word:]` is not a character class",
        ),
        (
            "files: \"/a/{..,b}/c\"",
            "3:15: `files`: `/a/{..,b}/c` is not an absolute path or pattern",
        ),
        (
            "files: \"/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}\"",
            "3:15: `files`: `/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}` can't be taken: its braces make more than 1024 patterns",
        ),
        ("files: /a, newest: 0", "3:27: `newest`: it names nothing"),
        (
            "files: /a, lines: \"a(\"",
            "3:26: `lines`: `a(` is not a regular expression: unclosed group",
        ),
        (
            "postgres: \"host=x password=y\"",
            "3:18: `postgres`: it is not the name of a database",
        ),
        (
            "postgres: \"postgresql://h/x\"",
            "3:18: `postgres`: it is not the name of a database",
        ),
        (
            "postgres: -x",
            "3:18: `postgres`: it is not the name of a database",
        ),
        (
            "postgres: x, dump: data",
            "3:27: `dump`: expected `schema` or `full`",
        ),
        (
            "postgres: x, format: tar",
            "3:29: `format`: expected `plain` or `custom`",
        ),
        (
            "postgres: x, run_as: -u",
            "3:29: `run_as`: `-u` can't be one",
        ),
        ("postgres: x, port: 0", "3:27: `port`: 0 is not a port"),
        (
            "directory: /a, unreadable: no",
            "3:35: `unreadable`: expected `fail` or `skip`",
        ),
        ("command: []", "3:17: `command`: it names nothing"),
        ("command: [\"\"]", "3:17: `command`: it names nothing"),
        (
            "shell: \"\"",
            "3:15: `shell`: it is empty or holds a NUL character",
        ),
        (
            "shell: x, file: a/b",
            "3:24: `file`: `a/b` can't be the name of a captured file",
        ),
        (
            "shell: x, timeout: 0s",
            "3:27: `timeout`: `0s` is no time at all",
        ),
        (
            "shell: x, max_bytes: 1XB",
            "3:29: `max_bytes`: `1XB` is not a size",
        ),
        (
            "http: ftp://h/",
            "3:14: `http`: the URL does not begin with `http://` or `https://`",
        ),
        (
            "http: \"http://u:hunter2@h/\"",
            "3:14: `http`: the URL holds a user or password",
        ),
        (
            "http: \"http:///x\"",
            "3:14: `http`: the URL has no valid host",
        ),
        (
            "http: \"http://h:0/\"",
            "3:14: `http`: the URL's port is not a number from 1 to 65535",
        ),
        (
            "http: \"http://[::1/\"",
            "3:14: `http`: the URL's host has no closing bracket",
        ),
        (
            "http: \"http://[::1]x/\"",
            "3:14: `http`: the URL's port is not a number from 1 to 65535",
        ),
        (
            "http: \"http://h/a b\"",
            "3:14: `http`: the URL holds blanks or control characters",
        ),
        (
            "http: \"http://h/a|b\"",
            "3:14: `http`: the URL holds a character that must be percent-encoded",
        ),
        (
            "http: \"http://h/\", headers: { x-HTTP-method-override: DELETE }",
            "3:38: `headers`: `x-HTTP-method-override` would make another request of it",
        ),
        (
            "http: \"http://h/\", headers: { Content-Length: \"5\" }",
            "3:38: `headers`: `Content-Length` would make another request of it",
        ),
        (
            "http: \"http://h/\", status: 99",
            "3:35: `status`: 99 is not an HTTP status",
        ),
        (
            "http: \"http://h/\", json: yes",
            "3:33: `json`: expected `normalise`",
        ),
        (
            "http: \"http://h/\", headers: { \"a b\": x }",
            "3:38: `headers`: `a b` is not a header's name",
        ),
        (
            "http: \"http://h/\", headers: { a: \"hunter2\\r\\nb: c\" }",
            "3:38: `headers`: it holds a line break or NUL",
        ),
    ] {
        assert_eq!(
            refusal_of_source(body).lines().next(),
            Some(format!("fleet.yaml:{told}").as_str()),
            "{body}"
        );
    }
}

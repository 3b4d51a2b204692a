//! Checks the exclude patterns of a directory source: patterns that can never match, or that mean
//! something else to gitignore than to the tool they come from, are errors that name the right pattern.
//!
//! gitignore itself accepts all of these in silence.

use super::super::pattern::{self, Decision, Parts};
use super::super::raw::{At, OneOrMany};
use super::super::value::Refusal;
use super::super::wildcard::{self, Wildcard};
use super::Findings;
use crate::name::{RemotePath, escape};

/// The patterns that are fine; the others are findings.
pub(super) fn exclude(
    said: Option<&At<OneOrMany>>,
    roots: &[RemotePath],
    findings: &mut Findings,
) -> Vec<String> {
    let said = said.map_or(&[][..], |said| &said.value.0);
    let fine: Vec<&At<String>> = said
        .iter()
        .filter(|said| {
            let check = |text: &str| check(text, roots);
            findings.take("exclude", said, check).is_some()
        })
        .collect();
    let patterns: Vec<String> = fine.iter().map(|said| said.value.clone()).collect();
    for (said, refusal) in without_effect(&fine, &patterns) {
        findings.add(said.place, refusal.at_key("exclude"));
    }
    patterns
}

/// A pattern as messages show it: a backslash stays one, for it is to be typed.
fn shown(pattern: &str) -> String {
    escape(pattern.as_bytes()).replace("\\\\", "\\")
}

fn quoted(pattern: &str) -> String {
    format!("`{}`", shown(pattern))
}

/// Checks one pattern for itself.
fn check(text: &str, roots: &[RemotePath]) -> Result<(), Refusal> {
    if text.contains('\n') {
        return Err(Refusal::new(
            format!("{} holds a line break", quoted(text)),
            "Write a list with one pattern an entry, as in `[node_modules/, /build]`.",
        ));
    }
    if text.contains('\0') {
        return Err(Refusal::new(
            format!("{} holds a NUL character, which no name has", quoted(text)),
            "Remove it.",
        ));
    }
    let Some(parts) = Parts::of(text) else {
        return Err(Refusal::new(
            format!("{} excludes nothing", quoted(text)),
            "gitignore's rules skip blank lines and comments; write `\\#` for a leading `#`.",
        ));
    };
    prefix(text, parts)?;
    components(text, parts)?;
    wildcard::check(parts.text).map_err(|error| {
        Refusal::new(
            format!("{} is not a pattern: {error}", quoted(text)),
            error.hint(),
        )
    })?;
    absolute(text, parts, roots)
}

/// `text` as it is written with `inner` in place of what is between `!` and the last `/`.
fn rewritten(parts: Parts<'_>, inner: &str) -> String {
    let negation = if parts.is_negated { "!" } else { "" };
    let end = if parts.is_directory { "/" } else { "" };
    shown(&format!("{negation}{inner}{end}"))
}

/// What other tools call their kinds of patterns. True: the rest is a pattern with `*` and `?`, or a
/// path; false: a regular expression or a list.
const PREFIXES: [(&str, bool); 24] = [
    // borg
    ("fm:", true),
    ("pf:", true),
    ("pp:", true),
    ("sh:", true),
    ("re:", false),
    // Mercurial and others
    ("p:", true),
    ("filepath:", true),
    ("glob:", true),
    ("path:", true),
    ("relglob:", true),
    ("relpath:", true),
    ("rootfilesin:", true),
    ("rootglob:", true),
    ("listfile:", false),
    ("regex:", false),
    ("regexp:", false),
    ("relre:", false),
    ("set:", false),
    // rsync and tar
    ("- ", true),
    ("+ ", false),
    ("--exclude=", true),
    // git's pathspecs
    (":(", false),
    (":!", true),
    (":^", true),
];

/// Refuses what is not expanded (`~`, `$HOME`), and the marks of other tools' patterns.
fn prefix(text: &str, parts: Parts<'_>) -> Result<(), Refusal> {
    let inner = parts.text;
    if parts.has_leading_slash {
        return Ok(());
    }
    if let Some((prefix, is_glob)) = PREFIXES.iter().find(|(p, _)| inner.starts_with(p)) {
        let rest = inner[prefix.len()..].trim_start();
        let instead = if *is_glob && !rest.is_empty() {
            format!("Write `{}` alone", rewritten(parts, rest))
        } else {
            "Write it as gitignore does, as in `*.log` or `build-[0-9]*`".to_owned()
        };
        return Err(Refusal::new(
            format!(
                "{} begins with `{}`, the mark of another tool's patterns",
                quoted(text),
                prefix.trim_end()
            ),
            format!(
                "{instead}; if a name really begins so, write `{}`.",
                rewritten(parts, &format!("\\{inner}"))
            ),
        ));
    }
    let tilde = inner.split_once('/').is_some_and(|(first, _)| {
        let account = first.strip_prefix('~');
        account.is_some_and(|name| {
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        })
    }) || (inner == "~" && parts.is_directory);
    let home = ["$HOME", "${HOME}"].into_iter().any(|home| {
        inner
            .strip_prefix(home)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if tilde || home {
        let first = inner.split('/').next().unwrap_or(inner);
        return Err(Refusal::new(
            format!(
                "{} begins with `{first}`, which is not expanded",
                quoted(text)
            ),
            format!(
                "Write the path from the source's directory on, as in `/.cache`; if an entry is really called `{first}`, write `{}`.",
                rewritten(parts, &format!("/{inner}"))
            ),
        ));
    }
    Ok(())
}

/// Refuses components that no path has: empty ones, `.` and `..`.
fn components(text: &str, parts: Parts<'_>) -> Result<(), Refusal> {
    let never = |what: &str, hint: String| {
        Err(Refusal::new(
            format!("{} never matches: {what}", quoted(text)),
            hint,
        ))
    };
    if parts.text.is_empty() {
        return never(
            "it matches nothing inside the directory",
            "Name what is to be left out, or remove it.".to_owned(),
        );
    }
    let names: Vec<&str> = parts.text.split('/').collect();
    if names.contains(&"..") {
        return never(
            "no path holds `..`",
            "Write the path from the source's directory on; nothing outside of it is captured."
                .to_owned(),
        );
    }
    if !names.iter().any(|name| matches!(*name, "" | ".")) {
        return Ok(());
    }
    let what = if names.contains(&".") {
        "no path holds `.` as a component"
    } else {
        "no path holds `//`"
    };
    let kept: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    let hint = if kept.is_empty() {
        "Remove it: it would mean the source's directory itself.".to_owned()
    } else {
        // With a slash in front it stays a path from the directory on, as it was written.
        format!(
            "Write `{}`.",
            rewritten(parts, &format!("/{}", kept.join("/")))
        )
    };
    never(what, hint)
}

/// Refuses a path from the host's `/` on. Beneath a root that may well be a whole system's tree, only
/// what repeats the root itself, or leads to another home directory beside it, is surely one.
fn absolute(text: &str, parts: Parts<'_>, roots: &[RemotePath]) -> Result<(), Refusal> {
    if !parts.has_leading_slash || roots.iter().any(|root| root.as_bytes() == b"/") {
        return Ok(());
    }
    let names: Vec<&str> = parts.text.split('/').collect();
    let unanchored = rewritten(parts, parts.text);
    let exception = |why: &str| {
        if names.len() > 1 {
            format!(" If {why}, write `{unanchored}`.")
        } else {
            String::new()
        }
    };
    for root in roots {
        let Some(rest) = beneath(&names, root) else {
            continue;
        };
        if rest.is_empty() {
            // `/data` of the root `/data` may be an entry of that name.
            if names.len() == 1 {
                continue;
            }
            return Err(Refusal::new(
                format!(
                    "{} is the source's directory, and patterns are relative to it",
                    quoted(text)
                ),
                "Remove the pattern, or the source.",
            ));
        }
        return Err(Refusal::new(
            format!(
                "{} begins with the source's directory, and patterns are relative to it",
                quoted(text)
            ),
            format!(
                "Write `{}`.{}",
                rewritten(parts, &format!("/{}", rest.join("/"))),
                exception("that path is really repeated inside the directory")
            ),
        ));
    }
    let is_elsewhere = |root: &RemotePath| {
        let first = root.member().split(|&byte| byte == b'/').next();
        names.len() > 1
            && matches!(names[0], "home" | "root" | "Users")
            && first == Some(names[0].as_bytes())
    };
    if !roots.is_empty() && roots.iter().all(is_elsewhere) {
        return Err(Refusal::new(
            format!(
                "{} leads out of the source's directory, and patterns are relative to it",
                quoted(text)
            ),
            format!(
                "Remove it: nothing outside of the directory is captured.{}",
                exception("such a path is really inside the directory")
            ),
        ));
    }
    Ok(())
}

/// The components of a pattern beneath `root`, if it begins with the root's own. The first one must be
/// equal, so that `/*/cache` stays what it is.
fn beneath<'a, 'n>(names: &'n [&'a str], root: &RemotePath) -> Option<&'n [&'a str]> {
    let root: Vec<&[u8]> = root.member().split(|&byte| byte == b'/').collect();
    let (first, rest) = names.split_at_checked(root.len())?;
    let is_same = |(name, root): (&&str, &&[u8])| {
        *name != "**" && Wildcard::new(name).is_ok_and(|name| name.is_match(root))
    };
    let begins = first.first().map(|name| name.as_bytes()) == root.first().copied();
    (begins && first.iter().zip(&root).all(is_same)).then_some(rest)
}

/// The patterns that want to take something back in of a directory that is excluded as a whole: git
/// does not look there, and neither does fleet.
fn without_effect<'a>(
    fine: &[&'a At<String>],
    patterns: &[String],
) -> Vec<(&'a At<String>, Refusal)> {
    if !patterns.iter().any(|pattern| pattern.starts_with('!')) {
        return Vec::new();
    }
    // Checked one by one before.
    let Ok(rules) = pattern::rules(patterns) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for said in fine {
        let Some(parts) = Parts::of(&said.value) else {
            continue;
        };
        if !parts.is_negated || !parts.is_anchored() {
            continue;
        }
        let names: Vec<&str> = parts.text.split('/').collect();
        let literal = names[..names.len() - 1]
            .iter()
            .take_while(|name| !name.contains(['*', '?', '[', '\\']))
            .count();
        let excluded = (1..=literal).find_map(|depth| {
            let above = names[..depth].join("/");
            match rules.decide(above.as_bytes(), true) {
                Some(Decision::Excluded { by }) => Some((above, by)),
                Some(Decision::Included) | None => None,
            }
        });
        if let Some((above, by)) = excluded {
            let above = shown(&above);
            let why = format!(
                "{} takes nothing back in: {} excludes the directory `{above}` as a whole",
                quoted(&said.value),
                quoted(&patterns[by])
            );
            let hint = format!(
                "Exclude what is in the directory instead: `/{above}/*`. Take back in each directory on the way, as in `!/{above}/a/`."
            );
            found.push((*said, Refusal::new(why, hint)));
        }
    }
    found
}

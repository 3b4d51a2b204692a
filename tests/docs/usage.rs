//! Every `fleet …` that a page names, in prose or in an example that is not run, is accepted by the
//! program: the command exists, and so do its options.

use std::collections::BTreeMap;
use std::process::Command;

use super::markdown::{Page, all};
use super::session;

/// The words of a command as a shell splits them: quotes and backslashes count, nothing is expanded.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '|' | ';' | '>' | '<' | '#' | '&') => break,
            (None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Commands of code blocks that no session runs: crontabs, units, help texts.
fn in_blocks(page: &Page) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for block in page.blocks() {
        let is_run = ["console", "sh", "run"].contains(&block.language.as_str());
        if is_run || page.name == "docs/src/reference/commands.md" {
            continue;
        }
        for (index, line) in block.lines.iter().enumerate() {
            let start = line
                .match_indices("fleet ")
                .find(|(at, _)| line[..*at].ends_with([' ', '/', '=', '`', '(']) || *at == 0);
            if let Some((at, _)) = start {
                found.push((block.first + index + 1, line[at..].to_owned()));
            }
        }
    }
    found
}

/// Why fleet would not take these arguments.
fn refusal(arguments: &[String]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .args(arguments)
        .arg("--help")
        .env_clear()
        .output()
        .expect("fleet starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let is_placeholder = |rest: &str| rest.starts_with(|c: char| c.is_ascii_uppercase());
    // A command of a later version may be named (fleet itself says that it is not built), and so may an
    // option without its value.
    let is_refused = stderr.contains("unexpected argument")
        || stderr.contains("unrecognized subcommand")
        || stderr
            .split_once("invalid value '")
            .is_some_and(|(_, rest)| !is_placeholder(rest));
    is_refused.then(|| stderr.into_owned())
}

#[test]
fn every_command_that_is_named_exists() {
    let mut seen: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for page in all() {
        if page.name == "CHANGELOG.md" {
            continue;
        }
        let spans = page.spans().into_iter();
        let run = session::commands(&page).into_iter();
        for (line, text) in spans.chain(in_blocks(&page)).chain(run) {
            let Some(rest) = text.strip_prefix("fleet ") else {
                continue;
            };
            let words = words(rest.trim_end_matches('…'));
            // `fleet COMMAND --help`
            let is_placeholder =
                |word: &String| word.chars().all(|c| c.is_ascii_uppercase()) && !word.is_empty();
            if words.first().is_none_or(is_placeholder) {
                continue;
            }
            seen.entry(words)
                .or_insert_with(|| format!("{}:{line}", page.name));
        }
    }
    let mut wrong = Vec::new();
    for (words, place) in seen {
        if let Some(refusal) = refusal(&words) {
            wrong.push(format!("{place}: fleet {}: {refusal}", words.join(" ")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn words_are_split_as_a_shell_does() {
    assert_eq!(words("ls -m \"a b\" 'c' | jq ."), ["ls", "-m", "a b", "c"]);
    assert_eq!(words("a\\ b  c # comment"), ["a b", "c"]);
    assert!(refusal(&["ls".into(), "--none".into()]).is_some());
    assert!(refusal(&["nonsense".into()]).is_some());
    assert_eq!(refusal(&["prune".into(), "x".into()]), None);
}

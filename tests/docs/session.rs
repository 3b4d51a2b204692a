//! Runs the commands that the README and the guide show, page by page, each page in a sandbox of its
//! own, and compares what they print with what the page says.
//!
//! - In a `console` block, a line that begins with `$ ` is a command, and what follows is its output. A
//!   line `…` stands for any lines, and within a line for any text. Sizes, durations, times, digests and the width of columns may differ.
//! - In a `sh` block every line is a command, and its output does not matter.
//! - `<!-- run` begins a comment with commands that readers don't see: what has to happen before.
//! - A comment behind a command says with which status it ends: `# exit 4`. Else that is 0.
//! - What can't be run here is listed in [`NOT_RUN`], with the reason.
//!
//! With `FLEET_UPDATE=1` outputs that differ are written into the pages.

use std::collections::BTreeMap;
use std::fs;

use regex::{Captures, Regex};

use super::markdown::{Block, Page, book, root};
use super::sandbox::Sandbox;
use crate::support::sshd::installed;

/// How commands begin that no session runs, and why.
const NOT_RUN: [(&str, &str); 9] = [
    (
        "testbed/demo",
        "brings up a test bed of three machines; the gate runs `testbed/testbed` itself",
    ),
    ("testbed/test", "is the gate, which runs this test"),
    ("cargo", "builds"),
    ("ssh ", "logs in to a real host"),
    (
        "ssh-keygen -lf /etc/ssh",
        "is typed on the host's own console",
    ),
    ("sudo ", "changes the machine"),
    ("systemctl", "changes the machine"),
    ("restic", "another program's command"),
    ("psql", "needs a database server"),
];

/// A command of a page.
#[derive(Debug)]
struct Step {
    /// Its line in the page, from 1.
    line: usize,
    command: String,
    /// Where its output is in the page, if it is compared.
    output: Option<std::ops::Range<usize>>,
}

fn steps(page: &Page) -> Vec<Step> {
    page.blocks().iter().flat_map(steps_of).collect()
}

fn steps_of(block: &Block) -> Vec<Step> {
    let is_console = block.language == "console";
    if !is_console && block.language != "sh" && block.language != "run" {
        return Vec::new();
    }
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (index, line) in block.lines.iter().enumerate() {
        let at = block.first + index;
        let command = if is_console {
            line.strip_prefix("$ ")
        } else {
            (!line.is_empty() && !line.starts_with('#')).then_some(line.as_str())
        };
        if goes_on && let Some(step) = steps.last_mut() {
            step.command.push('\n');
            step.command.push_str(line);
            step.output = step.output.as_ref().map(|_| at + 1..at + 1);
        } else if let Some(command) = command {
            steps.push(Step {
                line: at + 1,
                command: command.to_owned(),
                output: is_console.then_some(at + 1..at + 1),
            });
        } else if let Some(range) = steps.last_mut().and_then(|step| step.output.as_mut()) {
            // An empty line in front of the next command is the page's.
            if !line.is_empty() {
                range.end = at + 1;
            }
            continue;
        } else {
            continue;
        }
        goes_on = line.ends_with('\\');
    }
    steps
}

/// The commands of a page with their lines, those that are not run included.
pub(super) fn commands(page: &Page) -> Vec<(usize, String)> {
    let steps = steps(page).into_iter();
    steps
        .map(|step| (step.line, step.command.replace("\\\n", " ")))
        .collect()
}

fn reason(command: &str) -> Option<&'static (&'static str, &'static str)> {
    NOT_RUN.iter().find(|(start, _)| command.starts_with(start))
}

/// The status in a comment behind the command.
fn expected_exit(command: &str) -> i32 {
    let Some((_, comment)) = command.split_once(" # ") else {
        return 0;
    };
    let code = comment.split("exit ").nth(1).unwrap_or("0");
    let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("an exit status")
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

/// What may differ from run to run, replaced by words.
struct Comparison {
    rules: Vec<(Regex, &'static str)>,
    /// A stamp of today.
    stamp: Regex,
    /// A time of today, and what is behind it.
    time: Regex,
}

impl Comparison {
    fn new() -> Self {
        let rules = [
            (r"\d{8}T\d{6}Z", "STAMP"),
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
            (r"\b\d+(\.\d+)? (B|KiB|MiB|GiB|bytes)(\W|$)", "SIZE$3"),
            (r"\b\d+(\.\d+)? (ms|s|min|h|d)(\W|$)", "DURATION$3"),
            (r"\bjust now\b", "DURATION ago"),
            (r"\bnow\b", "DURATION"),
            (r"\b\d+ %", "PERCENT"),
            (r"SHA256:\S+", "FINGERPRINT"),
            (r"\b[0-9a-f]{7,}\b", "DIGEST"),
            (r"[ \t]+", " "),
        ];
        Self {
            rules: rules
                .into_iter()
                .map(|(rule, word)| (Regex::new(rule).expect("an expression"), word))
                .collect(),
            stamp: Regex::new(&format!(r"{}T\d{{6}}Z", today().replace('-', "")))
                .expect("an expression"),
            time: Regex::new(&format!(r"({}T[\d:.]+Z)( |\W|$)", today())).expect("an expression"),
        }
    }

    fn normal(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (rule, word) in &self.rules {
            line = rule.replace_all(&line, *word).into_owned();
        }
        line.trim_end().to_owned()
    }

    /// Whether a page's lines, of which `…` stands for any, are what was printed.
    fn fits(&self, shown: &[&str], printed: &[&str]) -> bool {
        match shown {
            [] => printed.is_empty(),
            [first, rest @ ..] if first.trim() == "…" => {
                (0..=printed.len()).any(|skipped| self.fits(rest, &printed[skipped..]))
            }
            [first, rest @ ..] => printed.split_first().is_some_and(|(line, others)| {
                is_like(&self.normal(first), &self.normal(line)) && self.fits(rest, others)
            }),
        }
    }

    /// Times of a run as a page shows them. Stamps become the first day of the pages and one day more for
    /// each further one; other times become one that fits, as wide as before where a column follows.
    fn with_times(&self, text: &str, known: &mut BTreeMap<String, String>) -> String {
        let replaced = self.stamp.replace_all(text, |found: &Captures<'_>| {
            let day = 21 + known.len();
            known
                .entry(found[0].to_owned())
                .or_insert_with(|| format!("202611{day}T101500Z"))
                .clone()
        });
        let replaced = self.time.replace_all(&replaced, |found: &Captures<'_>| {
            let (time, behind) = (&found[1], &found[2]);
            if behind == " " {
                format!("{:<1$} ", "2026-11-21T10:12:51Z", time.len())
            } else {
                format!("2026-11-21T10:12:51Z{behind}")
            }
        });
        replaced.into_owned()
    }
}

/// Whether a line is as a page shows it, where `…` stands for any text.
fn is_like(shown: &str, line: &str) -> bool {
    let mut pieces = shown.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut last = None;
    for piece in pieces {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
        last = Some(piece);
    }
    rest.is_empty() || last.is_some_and(|piece| line.ends_with(piece))
}

/// What came of running a page.
struct Outcome {
    /// Commands that ended with another status.
    failed: Vec<String>,
    /// Commands that printed something else.
    differing: Vec<String>,
    /// The page with what they printed.
    text: String,
}

fn run(page: &Page) -> Option<Outcome> {
    let sandbox = Sandbox::start()?;
    let comparison = Comparison::new();
    let lines: Vec<&str> = page.text.lines().collect();
    let (mut failed, mut differing) = (Vec::new(), Vec::new());
    let mut stamps: BTreeMap<String, String> = BTreeMap::new();
    let mut updated: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for step in steps(page) {
        if reason(&step.command).is_some() {
            continue;
        }
        let place = format!("{}:{}: {}", page.name, step.line, step.command);
        let mut command = step.command.clone();
        for (real, shown) in &stamps {
            command = command.replace(shown, real);
        }
        let printed = sandbox.run(&command);
        let expected = expected_exit(&step.command);
        let text = comparison.with_times(&printed.text, &mut stamps);
        if printed.exit != Some(expected) {
            failed.push(format!(
                "{place}\nexit {:?}, not {expected}\n{text}",
                printed.exit
            ));
        }
        if let Some(range) = step.output {
            let now: Vec<&str> = text.lines().map(str::trim_end).collect();
            if !comparison.fits(&lines[range.clone()], &now) {
                differing.push(format!("{place}\nprints\n{text}"));
                updated.push((range, now.join("\n")));
            }
        }
    }
    let mut text = String::new();
    let mut at = 0;
    for (range, now) in updated {
        text.extend(lines[at..range.start].iter().flat_map(|line| [*line, "\n"]));
        text.push_str(&now);
        if !now.is_empty() {
            text.push('\n');
        }
        at = range.end;
    }
    text.extend(lines[at..].iter().flat_map(|line| [*line, "\n"]));
    Some(Outcome {
        failed,
        differing,
        text,
    })
}

fn check(name: &str) {
    let page = Page::read(name);
    let is_used = |program: &str| {
        commands(&page)
            .iter()
            .any(|(_, line)| line.contains(program))
    };
    for program in ["jq", "zstd"] {
        if is_used(program) && installed(program).is_none() {
            return;
        }
    }
    let Some(outcome) = run(&page) else {
        return;
    };
    assert!(outcome.failed.is_empty(), "{}", outcome.failed.join("\n"));
    if std::env::var_os("FLEET_UPDATE").is_some() && outcome.text != page.text {
        fs::write(root().join(name), outcome.text).expect("the page");
        return;
    }
    assert!(
        outcome.differing.is_empty(),
        "{}\nIf the page should show this: `FLEET_UPDATE=1 cargo test --test all docs::session`, and review the difference",
        outcome.differing.join("\n")
    );
}

/// One test a page, so that they run side by side.
macro_rules! pages {
    ($($test:ident: $name:literal,)*) => {
        const PAGES: &[&str] = &[$($name,)*];
        $(
            #[test]
            fn $test() {
                check($name);
            }
        )*
    };
}

pages! {
    readme: "README.md",
    capture: "docs/src/guide/capture.md",
    changes: "docs/src/guide/changes.md",
    enforcement: "docs/src/guide/enforcement.md",
    first_checkpoint: "docs/src/guide/first-checkpoint.md",
    install: "docs/src/guide/install.md",
    migrate: "docs/src/guide/migrate.md",
    playbooks: "docs/src/guide/playbooks.md",
    prune: "docs/src/guide/prune.md",
    recover: "docs/src/guide/recover.md",
    restore: "docs/src/guide/restore.md",
    schedule: "docs/src/guide/schedule.md",
    store: "docs/src/guide/store.md",
    troubleshooting: "docs/src/guide/troubleshooting.md",
    your_hosts: "docs/src/guide/your-hosts.md",
}

#[test]
fn every_page_of_the_guide_is_run() {
    let guide: Vec<String> = book()
        .into_iter()
        .map(|page| page.name)
        .filter(|name| name.starts_with("docs/src/guide/"))
        .collect();
    assert_eq!(PAGES[1..], guide);
}

/// An exception that no page needs is taken out of the list.
#[test]
fn commands_that_are_not_run_are_few_and_known() {
    let pages = PAGES.iter().map(|name| Page::read(name));
    let all: Vec<String> = pages
        .flat_map(|page| commands(&page))
        .map(|(_, command)| command)
        .collect();
    let unused: Vec<&str> = NOT_RUN
        .iter()
        .map(|(start, _)| *start)
        .filter(|start| !all.iter().any(|command| command.starts_with(start)))
        .collect();
    assert_eq!(unused, Vec::<&str>::new());
}

#[test]
fn outputs_are_compared_by_what_they_say() {
    let comparison = Comparison::new();
    let printed = ["a@20261127T015709Z  42 s  1.2 KiB", "b", "c", "d"];
    assert!(comparison.fits(&["a@20261121T101500Z 3 min 132 B", "…", "d"], &printed));
    assert!(!comparison.fits(&["a@20261121T101500Z 3 min 132 B", "…", "e"], &printed));
    assert!(!comparison.fits(&printed[..3], &printed));
    assert!(is_like("a … c", "a b c"));
    assert!(is_like("a …", "a b c"));
    assert!(!is_like("a … d", "a b c"));
    assert!(!is_like("a", "a b"));
    assert_eq!(expected_exit("fleet x"), 0);
    assert_eq!(expected_exit("fleet x    # deny, exit 4"), 4);
    let block = Block {
        language: "console".to_owned(),
        first: 10,
        lines: ["$ a \\", "  b", "out", "$ c"].map(str::to_owned).to_vec(),
    };
    let steps = steps_of(&block);
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].command, "a \\\n  b");
    assert_eq!(steps[0].output, Some(12..13));
    assert_eq!(steps[1].output, Some(14..14));
}

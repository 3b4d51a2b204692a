//! Problems as people see them: what went wrong, why, and how to fix it.
//!
//! The texts come from typed errors; nothing here makes a text of its own.

use anstyle::{AnsiColor, Style};

use crate::fault::Problem;
use crate::name::{HostName, escape};

use super::count;
use super::grouping::{HostMessages, groups, names};

/// The lines that people see, colours included, ended by a line end.
#[must_use]
pub fn problem_text(problem: &Problem) -> String {
    text_of(problem, None)
}

/// The same with a line that names the hosts that it is a problem of.
fn text_of(problem: &Problem, hosts: Option<&str>) -> String {
    let error = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let hint = Style::new().fg_color(Some(AnsiColor::Cyan.into()));
    let mut text = format!("{error}error{error:#}: {}\n", safe(&problem.message, ""));
    if let Some(hosts) = hosts {
        text.push_str(&format!("  hosts: {}\n", safe(hosts, "    ")));
    }
    for cause in &problem.causes {
        text.push_str(&format!("  caused by: {}\n", safe(cause, "    ")));
    }
    if let Some(words) = &problem.hint {
        text.push_str(&format!("  {hint}hint{hint:#}: {}\n", safe(words, "    ")));
    }
    text
}

/// The problems of many hosts as people see them, those that are the same but for the host together.
/// A problem that only one host has is shown as it is.
pub(super) fn by_kind(problems: &[(HostName, Problem)]) -> String {
    let said: Vec<HostMessages> = problems
        .iter()
        .map(|(host, problem)| {
            // None and an empty hint are the same to a reader.
            let hint = problem.hint.clone().unwrap_or_default();
            let texts = [problem.message.clone()]
                .into_iter()
                .chain(problem.causes.iter().cloned())
                .chain([hint]);
            HostMessages {
                host: host.clone(),
                codes: vec![problem.code],
                texts: texts.collect(),
                specifics: problem.specifics.clone(),
            }
        })
        .collect();
    let mut text = String::new();
    for kind in groups(&said) {
        let mut hosts: Vec<&HostName> = kind.members.iter().map(|at| &problems[*at].0).collect();
        hosts.dedup();
        let first = &problems[kind.members[0]].1;
        if hosts.len() == 1 {
            for at in &kind.members {
                text.push_str(&problem_text(&problems[*at].1));
            }
            continue;
        }
        let causes = first.causes.len();
        let of = count(hosts.len() as u64, "host");
        let problem = Problem {
            causes: kind.texts[1..=causes].to_vec(),
            hint: first.hint.as_ref().map(|_| kind.texts[causes + 1].clone()),
            ..Problem::new(
                first.code,
                first.class,
                format!("{of}: {}", kind.texts[0]),
                None,
            )
        };
        text.push_str(&text_of(&problem, Some(&names(&hosts))));
    }
    text
}

/// Escaped line by line: a line end is ours, everything else that a terminal obeys may not be.
/// Backslashes stay single, for the modules that quote remote text have escaped it already.
pub(super) fn safe(text: &str, indent: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(plain).collect();
    lines.join(&format!("\n{indent}"))
}

fn plain(line: &str) -> String {
    let pieces: Vec<String> = line
        .split('\\')
        .map(|piece| escape(piece.as_bytes()))
        .collect();
    pieces.join("\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Code, ExitClass, Specific};

    fn without_colours(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn what_why_and_how_stand_on_lines_of_their_own() {
        let problem = Problem {
            causes: vec!["permission denied".to_owned()],
            ..Problem::new(
                Code::LocalPermissionDenied,
                ExitClass::Failed,
                "can't read the file",
                Some("Run `chmod`.".to_owned()),
            )
        };
        assert_eq!(
            without_colours(&problem_text(&problem)),
            "error: can't read the file\n  caused by: permission denied\n  hint: Run `chmod`.\n"
        );
    }

    fn refused(number: u64) -> (HostName, Problem) {
        let name = format!("web-{number}");
        let problem = Problem {
            code: Code::HostUnreachable,
            message: format!("can't connect to {name} at 203.0.113.{number}:22"),
            causes: vec!["connection refused".to_owned()],
            hint: Some(format!("Check that {name} is up.")),
            class: ExitClass::Unreachable,
            specifics: Specific::of_address(&format!("203.0.113.{number}:22")),
        };
        (name.parse().expect("a name"), problem)
    }

    #[test]
    fn problems_of_one_kind_are_told_once() {
        let mut problems: Vec<(HostName, Problem)> = (1..=12).map(refused).collect();
        let other = Problem::new(
            Code::StoreLocked,
            ExitClass::Locked,
            "another run works on db-1",
            None,
        );
        problems.insert(5, ("db-1".parse().expect("a name"), other));
        assert_eq!(
            without_colours(&by_kind(&problems)),
            "error: 12 hosts: can't connect to HOST at ADDRESS\n  \
               hosts: web-1, web-2, web-3, web-4, web-5, web-6, web-7, web-8, web-9, web-10 and 2 more\n  \
               caused by: connection refused\n  \
               hint: Check that HOST is up.\n\
             error: another run works on db-1\n"
        );
    }

    #[test]
    fn a_problem_of_one_host_is_shown_as_it_is() {
        let (host, problem) = refused(7);
        let shown = problem_text(&problem);
        assert_eq!(by_kind(&[(host, problem)]), shown);
    }

    #[test]
    fn what_a_terminal_would_obey_never_gets_there() {
        let problem = Problem::new(
            Code::CommandFailed,
            ExitClass::Failed,
            "host said \u{1b}[2J\\x07\u{202e}",
            Some("Two.\nLines.".to_owned()),
        );
        assert_eq!(
            without_colours(&problem_text(&problem)),
            "error: host said \\u{1b}[2J\\x07\\u{202e}\n  hint: Two.\n    Lines.\n"
        );
    }
}

//! The read command that asks for the state of units, and for the processes of commands.

use crate::guard::script::{Request, Verb};
use crate::name::{AccountName, RemotePath, UnitName};

/// What a host is asked about units and processes. Answers a section `[units]` with the lines of
/// `systemctl show`, a paragraph a unit in the order asked for, or `[no manager]`; and a section
/// `[processes]` with the lines `boot ID` and `process NUMBER PID START`, the first of which is 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceQuery {
    /// The account whose units and processes are meant, and which asks; none: the system's units, and the
    /// processes of the account that logged in.
    pub account: Option<AccountName>,
    /// The units.
    pub units: Vec<UnitName>,
    /// The processes.
    pub processes: Vec<ProcessPattern>,
}

/// By what processes are recognised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessPattern {
    /// Program and arguments. Of the program, what is before its last `/` is not compared.
    pub argv: Vec<String>,
    /// The directory they run in; none: any.
    pub cwd: Option<RemotePath>,
    /// Processes of other accounts count, too.
    pub of_anybody: bool,
}

impl ServiceQuery {
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(Verb::Services);
        if self.account.is_some() {
            request.with("manager", "user");
        }
        for unit in &self.units {
            request.with("unit", unit.as_str());
        }
        for process in &self.processes {
            if process.of_anybody {
                request.with("owner", "any");
            }
            if let Some(cwd) = &process.cwd {
                request.with("cwd", cwd.as_bytes());
            }
            request.with("part", process.longest_line());
            request.with("tail", process.tail());
            request.with("process", "1");
        }
        request
    }
}

impl ProcessPattern {
    /// The program without its folder, and the arguments, each ended by NUL, as `od -tx1` prints them.
    fn tail(&self) -> String {
        let mut bytes = Vec::new();
        for (at, word) in self.argv.iter().enumerate() {
            let word = match at {
                0 => word.rsplit('/').next().unwrap_or_default(),
                _ => word,
            };
            bytes.extend_from_slice(word.as_bytes());
            bytes.push(0);
        }
        bytes.iter().map(|byte| format!(" {byte:02x}")).collect()
    }

    /// Something that all of the processes have in their arguments, in one line.
    fn longest_line(&self) -> &str {
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        let program = program.rsplit('/').next().unwrap_or_default();
        let words = self.argv.iter().skip(1).map(String::as_str);
        words
            .chain([program])
            .flat_map(str::lines)
            .max_by_key(|line| line.len())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_asked_for_by_its_bytes() {
        let query = ServiceQuery {
            account: Some("app".parse().expect("an account")),
            units: vec!["a.service".parse().expect("a unit")],
            processes: vec![ProcessPattern {
                argv: vec![
                    "/usr/bin/sh".into(),
                    "a b\nlonger line".into(),
                    String::new(),
                ],
                cwd: Some("/opt/it's".parse().expect("a path")),
                of_anybody: true,
            }],
        };
        let preamble = query.request().preamble("0f");
        let preamble = String::from_utf8(preamble).expect("text");
        assert_eq!(
            preamble.lines().last(),
            Some(
                "fleet 1 services manager=user unit=a.service owner=any cwd=/opt/it's part=longer\\0040line \
                 tail=\\004073\\004068\\004000\\004061\\004020\\004062\\00400a\\00406c\\00406f\\00406e\\004067\\004065\\004072\\004020\\00406c\\004069\\00406e\\004065\\004000\\004000 process=1"
            )
        );
    }
}

//! How a command of the operator's is said.

use super::{END_FOR_GOOD, Sudo, watched_and};
use crate::guard::shell::quote;
use crate::inventory::CommandLine;

/// Where administrators' tools lie, which an account that just logs in may not look.
const PATH: &[u8] = b"PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin; export PATH; ";

/// Runs `line`, and tells on standard error now and then that it goes on: it may be silent for long.
///
/// Whoever runs it also watches the connection, for another account's processes are not for the one
/// that logged in to end.
pub(super) fn run(line: &CommandLine, run_as: Option<&str>, sudo: Sudo) -> Vec<u8> {
    let command = [b"LC_ALL=C; export LC_ALL; ", PATH, &words(line)].concat();
    let watched = watched_and(END_FOR_GOOD, &command);
    let run = match become_another(run_as, sudo) {
        Some(mut run) => {
            run.extend_from_slice(b"sh -c ");
            run.extend(quote(&watched));
            run.extend_from_slice(b"; ");
            run
        }
        None => watched,
    };
    [
        b"{ while sleep 5 </dev/null >/dev/null 2>&1; do echo >&2; done & }; b=$!; ".as_slice(),
        &run,
        b"s=$?; kill $b; (exit $s); ",
    ]
    .concat()
}

/// What stands before a command that another account runs.
pub(super) fn become_another(run_as: Option<&str>, sudo: Sudo) -> Option<Vec<u8>> {
    match (run_as, sudo) {
        (_, Sudo::No) | (None, Sudo::Password) => None,
        (None, Sudo::NonInteractive) => Some(b"sudo -n -- ".to_vec()),
        (Some(user), Sudo::NonInteractive | Sudo::Password) => {
            let user = quote(user.as_bytes());
            Some([b"sudo -n -u ".as_slice(), &user, b" -- "].concat())
        }
    }
}

fn words(line: &CommandLine) -> Vec<u8> {
    match line {
        CommandLine::Argv(argv) => {
            let words: Vec<Vec<u8>> = argv.iter().map(|word| quote(word.as_bytes())).collect();
            words.join(&b' ')
        }
        CommandLine::Shell(text) => [b"sh -c ", quote(text.as_bytes()).as_slice()].concat(),
    }
}

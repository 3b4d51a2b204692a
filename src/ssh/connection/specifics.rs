//! The parts of an SSH error that belong to one host alone: its address, its fingerprint, how long it took.

use crate::fault::{Fault as _, Specific};
use crate::ssh::connection::refusal::HostKeyProblem;
use crate::ssh::error::Error;

/// See [`Fault::specifics`](crate::fault::Fault::specifics).
pub(in crate::ssh) fn specifics(error: &Error) -> Vec<Specific> {
    match error {
        Error::Connect {
            address, attempts, ..
        } => {
            let mut specifics = Specific::of_address(address);
            specifics.extend(attempts.time().map(Specific::Time));
            specifics
        }
        Error::HostKey(refusal) => {
            let mut specifics = vec![
                Specific::Address(refusal.lookup.clone()),
                Specific::Fingerprint(refusal.shown.clone()),
            ];
            match &refusal.problem {
                HostKeyProblem::Changed { known, .. }
                | HostKeyProblem::ChangedAlgorithm { known, .. } => {
                    specifics.push(Specific::Fingerprint(known.clone()));
                }
                HostKeyProblem::Unknown
                | HostKeyProblem::Revoked { .. }
                | HostKeyProblem::Short { .. }
                | HostKeyProblem::Certificate { .. } => {}
            }
            specifics
        }
        Error::Forward { address, .. } | Error::Reach { address, .. } => {
            Specific::of_address(address)
        }
        Error::Hop { source, .. } => specifics(source),
        Error::Protected(refusal) => refusal.specifics(),
        Error::Resolve { .. }
        | Error::OpenFiles { .. }
        | Error::HostKeyCheck { .. }
        | Error::Authentication(_)
        | Error::Lost { .. }
        | Error::Stalled { .. }
        | Error::NoSession { .. }
        | Error::Noise { .. }
        | Error::NotBegun { .. }
        | Error::NoStatus { .. }
        | Error::NoTrailer { .. }
        | Error::Signal { .. }
        | Error::Stopped { .. }
        | Error::Input { .. }
        | Error::TooMuch { .. }
        | Error::SudoRefused { .. }
        | Error::NoSudo { .. }
        | Error::SudoPassword { .. }
        | Error::OtherHost { .. }
        | Error::File { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::fault::{Fault as _, Problem, Specific};
    use crate::ssh::error::{Attempts, Cause, Error};

    #[test]
    fn a_failed_connection_has_its_address_and_time() {
        let refused = Error::Connect {
            host: "web".to_owned(),
            address: "203.0.113.7:22".to_owned(),
            attempts: Attempts {
                count: 3,
                took: Duration::from_secs(12),
            },
            source: Cause("connection refused".to_owned()).into(),
        };
        let through = Error::Hop {
            host: "db".to_owned(),
            via: "web".to_owned(),
            source: std::sync::Arc::new(refused.clone()),
        };
        let expected = [
            Specific::Address("203.0.113.7:22".to_owned()),
            Specific::Address("203.0.113.7".to_owned()),
            Specific::Time("12 s".to_owned()),
        ];
        for error in [refused, through] {
            assert_eq!(error.specifics(), expected);
            let text = Problem::of(&error).line();
            assert!(
                expected.iter().all(|one| text.contains(one.value())),
                "{text}"
            );
        }
    }
}

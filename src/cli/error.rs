//! The errors that end a verb: those of the floors below as they are shown, and the few that arise here.

use std::io;
use std::path::PathBuf;

use crate::fault::{Code, ExitClass, Fault, Problem};
use crate::name::HostName;

/// How a verb ended: none is 0.
pub(super) type Status = Result<Option<ExitClass>, VerbError>;

/// A verb ends here. Made from any error that knows how it is mended.
#[derive(Debug)]
pub(super) struct VerbError(pub(super) Problem);

impl<E: Fault> From<E> for VerbError {
    fn from(fault: E) -> Self {
        Self(Problem::of(&fault))
    }
}

/// What can go wrong before and beside the work.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// None of the places has an inventory.
    #[error("there is no inventory: looked for {}", places(.looked))]
    NoInventory {
        /// The places.
        looked: Vec<PathBuf>,
    },
    /// The inventory that was named can't be read.
    #[error("can't read the inventory {}", file.display())]
    Inventory {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The inventory is no text.
    #[error("{} is not UTF-8 text", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
    },
    /// There is no home folder to keep things in.
    #[error("can't find a place for {what}: there is no home directory")]
    NoHome {
        /// What.
        what: &'static str,
        /// The option that names a place.
        option: &'static str,
    },
    /// `init` never overwrites.
    #[error("{} is already there", file.display())]
    AlreadyThere {
        /// The file.
        file: PathBuf,
    },
    /// A file can't be written.
    #[error("can't write {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The program can't start its work.
    #[error("can't start the async runtime or the signal handler")]
    Start(#[source] io::Error),
    /// Nobody is there to be asked.
    #[error("can't ask whether to trust {host}: there is no terminal")]
    NobodyToAsk {
        /// The host.
        host: HostName,
        /// The fingerprints that it showed, with their algorithms.
        keys: Vec<(String, String)>,
        /// Where they would be stored.
        file: PathBuf,
    },
    /// The operator typed something else.
    #[error("{host} is not trusted: its name was not typed")]
    NotConfirmed {
        /// The host.
        host: HostName,
    },
    /// None of the keys has the fingerprint that was given.
    #[error("{host} has no key with the fingerprint {wanted}")]
    OtherFingerprint {
        /// The host.
        host: HostName,
        /// What was given.
        wanted: String,
        /// The fingerprints that it showed, with their algorithms.
        keys: Vec<(String, String)>,
    },
    /// The operator stopped it.
    #[error("stopped before it was done")]
    Stopped,
}

fn places(looked: &[PathBuf]) -> String {
    let shown: Vec<String> = looked.iter().map(|p| p.display().to_string()).collect();
    shown.join(", ")
}

fn shown_keys(keys: &[(String, String)]) -> String {
    let shown: Vec<String> = keys
        .iter()
        .map(|(algorithm, fingerprint)| format!("{fingerprint} ({algorithm})"))
        .collect();
    shown.join(", ")
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::NoInventory { .. } => Code::InventoryMissing,
            Self::Inventory { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Code::InventoryMissing
            }
            Self::NotText { .. } => Code::InventoryInvalid,
            Self::NoHome { .. } => Code::HomeMissing,
            Self::AlreadyThere { .. } => Code::TargetExists,
            Self::Inventory { source, .. } | Self::Write { source, .. } | Self::Start(source) => {
                Code::of_io(source)
            }
            Self::NobodyToAsk { .. } => Code::TerminalNeeded,
            Self::NotConfirmed { .. } => Code::NotConfirmed,
            Self::OtherFingerprint { .. } => Code::HostKeyChanged,
            Self::Stopped => Code::Interrupted,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoInventory { .. } => {
                "Write a first one with `fleet init`, or name yours with `-i FILE`.".to_owned()
            }
            Self::Inventory { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "Name an inventory that exists with `-i FILE`, or write a first one with `fleet init`."
                    .to_owned()
            }
            Self::NotText { .. } => "An inventory is YAML in UTF-8.".to_owned(),
            Self::NoHome { option, .. } => format!("Set `HOME`, or name a place with `{option}`."),
            Self::AlreadyThere { .. } => {
                "Nothing was written. Edit the file, or remove it first.".to_owned()
            }
            Self::NobodyToAsk { host, keys, file } => match keys.first() {
                Some((_, fingerprint)) => format!(
                    "Its keys are {}. Compare them with the host itself (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` there), then run `fleet trust {host} --fingerprint {fingerprint}`, which adds to {}.",
                    shown_keys(keys),
                    file.display()
                ),
                None => format!("Run `fleet trust {host}` in a terminal."),
            },
            Self::NotConfirmed { .. } => "Nothing was written.".to_owned(),
            Self::OtherFingerprint { keys, .. } => format!(
                "Nothing was written. Its keys are {}. If the host itself shows others, something else answers in its place.",
                shown_keys(keys)
            ),
            Self::Inventory { .. } | Self::Write { .. } | Self::Start(_) | Self::Stopped => {
                return None;
            }
        })
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::NoInventory { .. }
            | Self::Inventory { .. }
            | Self::NotText { .. }
            | Self::NoHome { .. }
            | Self::AlreadyThere { .. }
            | Self::NobodyToAsk { .. } => ExitClass::Usage,
            Self::OtherFingerprint { .. } => ExitClass::Unreachable,
            Self::Write { .. } | Self::Start(_) | Self::NotConfirmed { .. } => ExitClass::Failed,
            Self::Stopped => ExitClass::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn every_message_reads_like_this() {
        let host = || "dev-vm".parse().expect("a name");
        let keys = || vec![("ssh-ed25519".to_owned(), "SHA256:abc".to_owned())];
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let file = || PathBuf::from("some/file");
        let errors = [
            Error::NoInventory {
                looked: vec!["fleet.yaml".into(), "/home/a/fleet.yaml".into()],
            },
            Error::Inventory {
                file: file(),
                source: denied(),
            },
            Error::Inventory {
                file: file(),
                source: io::ErrorKind::NotFound.into(),
            },
            Error::NotText { file: file() },
            Error::NoHome {
                what: "the store",
                option: "--store DIR",
            },
            Error::AlreadyThere { file: file() },
            Error::Write {
                file: file(),
                source: denied(),
            },
            Error::Start(denied()),
            Error::NobodyToAsk {
                host: host(),
                keys: keys(),
                file: file(),
            },
            Error::NobodyToAsk {
                host: host(),
                keys: Vec::new(),
                file: file(),
            },
            Error::NotConfirmed { host: host() },
            Error::OtherFingerprint {
                host: host(),
                wanted: "SHA256:xyz".to_owned(),
                keys: keys(),
            },
            Error::Stopped,
        ];
        let mut text = String::new();
        for error in errors {
            let problem = Problem::of(&error);
            let shown =
                anstream::adapter::strip_str(&crate::report::problem_text(&problem)).to_string();
            text.push_str(&format!("{}  {shown}", problem.class.status()));
        }
        assert_snapshot!(text);
    }
}

//! Events of a run as lines of JSON (`fleet checkpoint --json`).

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::Serialize;

use super::checkpoint::{Checkpoint, LeftOut, PartState};
use super::{Problem, Version};
use crate::event::{Capture, HostEvent};
use crate::{event, fault, manifest};

/// One line of `checkpoint --json`; the last one is the summary.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// Work on a host begins.
    HostStarted {
        /// The host.
        host: String,
    },
    /// fleet is connected and logged in.
    Connected {
        /// The host.
        host: String,
        /// The account.
        user: String,
        /// `address:port`.
        address: String,
    },
    /// Work on a part begins.
    PartStarted {
        /// The host.
        host: String,
        /// The part.
        part: String,
    },
    /// The scan of a part is done.
    Scanned {
        /// The host.
        host: String,
        /// The part.
        part: String,
        /// Regular files found.
        files: u64,
        /// The sum of their sizes, in bytes.
        bytes: u64,
        /// The bytes that have to be fetched.
        fetch_bytes: u64,
    },
    /// A part is being fetched.
    Progress {
        /// The host.
        host: String,
        /// The part.
        part: String,
        /// Content that has arrived so far.
        bytes: u64,
        /// What is being read.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// The same in base64, where it is not UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        path_b64: Option<String>,
    },
    /// A warning.
    Warning {
        /// The host.
        host: String,
        /// The part, if it concerns one.
        part: Option<String>,
        /// The warning.
        message: String,
    },
    /// Work on a part has ended, well or not.
    PartEnded {
        /// The host.
        host: String,
        /// Its outcome.
        part: PartEnd,
    },
    /// A checkpoint was sealed.
    Sealed {
        /// The checkpoint.
        checkpoint: Checkpoint,
    },
    /// Work on a host has ended without a checkpoint.
    HostFailed {
        /// The host.
        host: String,
        /// Its error code, such as `host-unreachable`.
        code: String,
        /// What happened and why.
        error: String,
        /// How to fix it.
        hint: Option<String>,
    },
    /// A step of a restore begins.
    RestoreStep {
        /// The host.
        host: String,
        /// `compare`, `bootstrap`, `stage`, `load`, `stop`, `prepare`, `place`, `prove`, `switch`, `start`, `probe`,
        /// `undo` or `clean`.
        step: String,
    },
    /// A restore sends content.
    RestoreProgress {
        /// The host.
        host: String,
        /// What has been sent so far, uncompressed.
        bytes: u64,
        /// Of how much.
        total_bytes: u64,
    },
    /// The operator asked to stop.
    Stopping,
    /// The last line.
    Summary {
        /// The version of these shapes.
        version: Version,
        /// The exit status.
        exit: u8,
        /// The checkpoints that were sealed.
        checkpoints: Vec<Checkpoint>,
        /// Hosts without a checkpoint, and failed parts.
        failed: Vec<FailedPart>,
        /// Why the run ended early.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Problem>,
    },
}

/// How a part ended.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PartEnd {
    /// The source.
    pub name: String,
    /// Its state.
    pub state: PartState,
    /// Regular files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// Content fetched for it over the network, uncompressed, in bytes.
    pub fetched_bytes: u64,
    /// The file systems mounted below its roots that `one_file_system` left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// The error code of why it failed, if it did.
    pub code: Option<String>,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// How to fix that.
    pub hint: Option<String>,
}

/// A host without a checkpoint, or a failed part.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailedPart {
    /// The host.
    pub host: String,
    /// The part, if only that failed.
    pub part: Option<String>,
    /// Its error code, such as `host-unreachable`.
    pub code: String,
    /// What happened and why.
    pub error: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl From<&event::Failure> for FailedPart {
    fn from(failure: &event::Failure) -> Self {
        Self {
            host: failure.host.to_string(),
            part: failure.part.as_ref().map(ToString::to_string),
            code: failure.problem.code.to_string(),
            error: failure.problem.line(),
            hint: failure.problem.hint.clone(),
        }
    }
}

impl From<&manifest::Part> for PartEnd {
    fn from(part: &manifest::Part) -> Self {
        Self {
            name: part.name.to_string(),
            state: part.state.into(),
            files: part.totals.files,
            bytes: part.totals.bytes,
            fetched_bytes: part.fetched_bytes,
            left_out: part.left_out.iter().map(LeftOut::from).collect(),
            code: (part.failure.as_ref()).map(|failure| failure.code.to_string()),
            error: part.failure.as_ref().map(|failure| failure.message.clone()),
            hint: part
                .failure
                .as_ref()
                .and_then(|failure| failure.hint.clone()),
        }
    }
}

impl Event {
    /// The summary of a run that did not even begin.
    #[must_use]
    pub fn failed(problem: &fault::Problem) -> Self {
        Self::Summary {
            version: Version,
            exit: problem.class.status(),
            checkpoints: Vec::new(),
            failed: Vec::new(),
            error: Some(problem.into()),
        }
    }

    /// The line for `event`; none for what happens while hosts are looked at, of which one document
    /// tells at the end.
    pub(in crate::report) fn of(event: &event::Event) -> Option<Self> {
        let (host, what) = match event {
            event::Event::Host { host, what } => (host.to_string(), what),
            event::Event::Stopping => return Some(Self::Stopping),
        };
        Some(match what {
            HostEvent::Started => Self::HostStarted { host },
            HostEvent::Connected { user, address } => Self::Connected {
                host,
                user: user.clone(),
                address: address.clone(),
            },
            HostEvent::Warned { part, message } => Self::Warning {
                host,
                part: part.as_ref().map(ToString::to_string),
                message: message.clone(),
            },
            HostEvent::Skipped => Self::Warning {
                host,
                part: None,
                message: event::SKIPPED.to_owned(),
            },
            HostEvent::Failed { failure } => {
                let failed = FailedPart::from(failure);
                Self::HostFailed {
                    host: failed.host,
                    code: failed.code,
                    error: failed.error,
                    hint: failed.hint,
                }
            }
            HostEvent::Capture(what) => Self::of_capture(host, what),
            HostEvent::Restore(event::Restore::Step(step)) => Self::RestoreStep {
                host,
                step: step.as_str().to_owned(),
            },
            HostEvent::Restore(event::Restore::Progress { bytes, total_bytes }) => {
                Self::RestoreProgress {
                    host,
                    bytes: *bytes,
                    total_bytes: *total_bytes,
                }
            }
            HostEvent::Look(_) | HostEvent::Restore(event::Restore::Ended) => return None,
        })
    }

    fn of_capture(host: String, what: &Capture) -> Self {
        match what {
            Capture::PartStarted { part } => Self::PartStarted {
                host,
                part: part.to_string(),
            },
            Capture::Scanned {
                part,
                files,
                bytes,
                fetch_bytes,
            } => Self::Scanned {
                host,
                part: part.to_string(),
                files: *files,
                bytes: *bytes,
                fetch_bytes: *fetch_bytes,
            },
            Capture::Progress { part, bytes, path } => {
                let text = std::str::from_utf8(path.as_bytes()).ok();
                Self::Progress {
                    host,
                    part: part.to_string(),
                    bytes: *bytes,
                    path: text.map(str::to_owned),
                    path_b64: text.is_none().then(|| BASE64.encode(path.as_bytes())),
                }
            }
            Capture::PartEnded { part } => Self::PartEnded {
                host,
                part: part.as_ref().into(),
            },
            Capture::Sealed { checkpoint } => Self::Sealed {
                checkpoint: checkpoint.as_ref().into(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::RemotePath;

    #[test]
    fn paths_that_are_not_text_come_in_base64() {
        let json = |path: &[u8]| {
            let progress = Capture::Progress {
                part: "app".parse().expect("a name"),
                bytes: 7,
                path: RemotePath::from_bytes(path).expect("a path"),
            };
            let event = event::Event::of(&"dev-vm".parse().expect("a name"), progress);
            serde_json::to_string(&Event::of(&event).expect("a line")).expect("JSON")
        };
        assert_eq!(
            json(b"/a\n"),
            r#"{"type":"progress","host":"dev-vm","part":"app","bytes":7,"path":"/a\n"}"#
        );
        assert_eq!(
            json(b"/\xff"),
            r#"{"type":"progress","host":"dev-vm","part":"app","bytes":7,"path_b64":"L/8="}"#
        );
    }
}

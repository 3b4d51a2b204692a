//! Errors of a restore.

use std::io;

use crate::fault::{Code, ExitClass, Fault};
use crate::name::{CheckpointId, RemotePath, RestoreId};
use crate::ssh;
use crate::store;
use crate::units::listing;

/// A restore could not be planned or did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host can't be asked, or the connection ended.
    #[error(transparent)]
    Ssh(#[from] ssh::Error),
    /// The store can't be read, or what it has is not what was sealed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Nothing of what was named is in the checkpoint.
    #[error("{checkpoint} has nothing of what was named: {named}")]
    NothingMeant {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Paths or sources.
        named: String,
    },
    /// A directory can't be looked at.
    #[error("can't look at the directories of the host")]
    Ground(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is sent can't be written down first.
    #[error("can't spool what is sent")]
    Spool(#[source] io::Error),
    /// The host could not do a step.
    #[error("{}", step_text(step, *status, said.as_deref()))]
    Step {
        /// Which.
        step: &'static str,
        /// The exit status.
        status: u32,
        /// The last line of its standard error.
        said: Option<String>,
    },
    /// The host could not do a step for want of space, inodes or quota.
    #[error("{}: no space left in {} ({said})", step_name(step), listing(roots.len(), roots))]
    NoSpace {
        /// Which.
        step: &'static str,
        /// What the host said of it.
        said: String,
        /// Where something was to be written.
        roots: Vec<RemotePath>,
    },
    /// Another restore is under way or unfinished on the host.
    #[error("another restore is under way or unfinished on the host: {}", said.as_deref().unwrap_or("unknown"))]
    Busy {
        /// What the host said.
        said: Option<String>,
    },
    /// An unfinished restore can't be gone on with.
    #[error("restore {id} can't be finished or undone: {why}")]
    Strange {
        /// The restore.
        id: RestoreId,
        /// Why.
        why: String,
    },
    /// An unfinished restore can only be undone.
    #[error("restore {id} can't be finished: it was cut off before everything had arrived")]
    NotStaged {
        /// The restore.
        id: RestoreId,
    },
    /// An unfinished restore can only be ended.
    #[error(
        "restore {id} can't be undone: everything was in place and proven when it was cut off, and it is finished now"
    )]
    Committed {
        /// The restore.
        id: RestoreId,
        /// The safety checkpoint.
        safety: Option<CheckpointId>,
    },
    /// The host answered a step with something else.
    #[error("the host's answer to `{step}` is none: `{answer}`")]
    Answer {
        /// Which.
        step: &'static str,
        /// The answer, escaped.
        answer: String,
    },
    /// What arrived is not what was sent.
    #[error("{} not what was sent: {}", if paths.len() == 1 { "a staged file is" } else { "staged files are" }, listing(paths.len(), paths))]
    Staged {
        /// What.
        paths: Vec<RemotePath>,
    },
    /// Somebody changed the host since it was looked at.
    #[error("{} changed on the host since the plan was made: {}", if paths.len() == 1 { "a path" } else { "paths" }, listing(paths.len(), paths))]
    Changed {
        /// What.
        paths: Vec<RemotePath>,
    },
    /// What is there afterwards is not what was put there.
    #[error("not as it should be on the host: {}", listing(paths.len(), paths))]
    Unproven {
        /// What.
        paths: Vec<RemotePath>,
    },
}

fn step_name(step: &str) -> &str {
    match step {
        "bootstrap" => "users, groups or packages can't be made on the host",
        "begin" => "the restore can't begin on the host",
        "stage" | "staged" => "the host can't take what is new",
        "prepare" => "the host can't keep what would be replaced",
        "forward" => "the host can't put everything in place",
        "back" => "the host can't put everything back",
        "commit" => "the host can't keep that everything is in place",
        "done" => "the host can't remove the staging folders",
        other => other,
    }
}

fn step_text(step: &str, status: u32, said: Option<&str>) -> String {
    let what = step_name(step);
    match said {
        Some(said) => format!("{what}: {said}"),
        None => format!("{what}: exit status {status}"),
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Ssh(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::NothingMeant { .. } => Code::RestoreNothingMeant,
            Self::Ground(_) => Code::ScanFailed,
            Self::Spool(_) => Code::LocalIoFailed,
            Self::Step { .. } | Self::NoSpace { .. } | Self::Answer { .. } => {
                Code::RestoreStepFailed
            }
            Self::Busy { .. }
            | Self::Strange { .. }
            | Self::NotStaged { .. }
            | Self::Committed { .. } => Code::RestoreUnfinished,
            Self::Staged { .. } | Self::Unproven { .. } => Code::RestoreUnproven,
            Self::Changed { .. } => Code::RestoreTargetChanged,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ssh(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::NothingMeant { checkpoint, .. } => {
                Some(format!("`fleet show {checkpoint}` lists its parts."))
            }
            Self::Busy { .. } => Some(
                "`fleet restore --resume HOST` finishes it, `fleet restore --rollback HOST` undoes it."
                    .to_owned(),
            ),
            Self::NoSpace { .. } => Some(
                "Make room there (`df -h` and `df -i` on the host tell how much is free, `quota` what the account may use), and restore again."
                    .to_owned(),
            ),
            Self::NotStaged { .. } => Some(
                "`fleet restore --rollback HOST` undoes it; then restore again.".to_owned(),
            ),
            Self::Committed { safety, .. } => safety
                .as_ref()
                .map(|safety| format!("`fleet restore {safety}` restores the state before it.")),
            Self::Strange { .. } => Some(
                "Look at the host: `.fleet-restore/finish` in each root says what it would do, and does it with `sh`."
                    .to_owned(),
            ),
            Self::Changed { .. } => {
                Some("Look at what changed, and run the command again for a new plan.".to_owned())
            }
            Self::Spool(_) => {
                Some("Make room in the folder for temporary files (`TMPDIR`).".to_owned())
            }
            Self::Ground(_)
            | Self::Step { .. }
            | Self::Answer { .. }
            | Self::Staged { .. }
            | Self::Unproven { .. } => None,
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::Ssh(error) => error.exit_class(),
            Self::Store(error) => error.exit_class(),
            Self::NothingMeant { .. } => ExitClass::Usage,
            Self::Ground(_)
            | Self::Spool(_)
            | Self::Step { .. }
            | Self::NoSpace { .. }
            | Self::Answer { .. }
            | Self::Busy { .. }
            | Self::Strange { .. }
            | Self::NotStaged { .. }
            | Self::Committed { .. }
            | Self::Staged { .. }
            | Self::Changed { .. }
            | Self::Unproven { .. } => ExitClass::Failed,
        }
    }
}

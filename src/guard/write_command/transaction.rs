//! The steps of the transaction that puts files in place on a host, all or nothing.
//!
//! A transaction has roots: directories, each with all that is changed in it on one file system. What is
//! new is staged in `ROOT/.fleet-restore`, whose creation is the lock. See `scripts/transaction/own.sh` for
//! the states of a root and the exit statuses, and `swap.sh` beside it for what each step does.

use crate::guard::read_command::Compression;
use crate::guard::script::{Request, Verb};
use crate::name::{RemotePath, RestoreId};

/// A step of putting files in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transaction {
    /// Makes the record of the restore, which is the data behind the request, and the staging folder of
    /// each root. Answers a line `root DEVICE INODE` for each.
    Begin {
        /// The restore.
        id: RestoreId,
        /// The roots: directories that are there.
        roots: Vec<RemotePath>,
        /// With which tools.
        tools: RestoreTools,
    },
    /// Extracts the tar stream behind the request into the staging folder of a root.
    Stage {
        /// The restore.
        id: RestoreId,
        /// The root.
        root: RestoreRoot,
        /// What the stream was sent through.
        compression: Compression,
    },
    /// Takes all roots to the next state. Answers a line `at N STATE` for each, the first of which is 0.
    Step {
        /// The restore.
        id: RestoreId,
        /// The roots.
        roots: Vec<RestoreRoot>,
        /// Which.
        step: TransactionStep,
    },
}

/// The tools that a transaction uses on the host. Both ways have the same steps and states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreTools {
    /// Those of GNU.
    Gnu,
    /// Such as busybox's: slower, times in whole seconds, and without extended attributes, capabilities and
    /// ACLs of what is put in place. See `scripts/transaction/slow.sh`.
    Slow,
}

/// A root of a transaction that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRoot {
    /// The directory.
    pub path: RemotePath,
    /// The number of its file system.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
}

/// A step of a transaction. Each may be repeated after it was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// All that was staged is durable.
    Staged,
    /// Keeps what will be replaced, as further names in the staging folder. Changes nothing else.
    Prepare,
    /// Puts everything in place.
    Forward,
    /// Puts everything back.
    Back,
    /// Everything is in place in all roots, and proven: there is no way back from here.
    Commit,
    /// Removes the staging folders and the record.
    Done,
}

impl TransactionStep {
    /// The word for it in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Prepare => "prepare",
            Self::Forward => "forward",
            Self::Back => "back",
            Self::Commit => "commit",
            Self::Done => "done",
        }
    }

    fn verb(self) -> Verb {
        match self {
            Self::Staged => Verb::Staged,
            Self::Prepare => Verb::Prepare,
            Self::Forward => Verb::Forward,
            Self::Back => Verb::Back,
            Self::Commit => Verb::Commit,
            Self::Done => Verb::Done,
        }
    }
}

impl Transaction {
    /// The request for it, with `data_bytes` of data behind.
    pub(super) fn request(&self, data_bytes: u64) -> Request {
        match self {
            Self::Begin { id, roots, tools } => {
                let mut request = Request::new(Verb::Begin);
                request.with("id", id.as_str());
                request.with("bytes", data_bytes.to_string());
                match tools {
                    RestoreTools::Gnu => {}
                    RestoreTools::Slow => request.with("way", "slow"),
                }
                for root in roots {
                    request.with("root", root.as_bytes());
                }
                request
            }
            Self::Stage {
                id,
                root,
                compression,
            } => {
                let mut request = Request::new(Verb::Stage);
                request.with("id", id.as_str());
                request.with("bytes", data_bytes.to_string());
                if let Some(tool) = compression.tool() {
                    request.with("pack", tool);
                }
                root.describe(&mut request);
                request
            }
            Self::Step { id, roots, step } => {
                let mut request = Request::new(step.verb());
                request.with("id", id.as_str());
                for root in roots {
                    root.describe(&mut request);
                }
                request
            }
        }
    }
}

impl RestoreRoot {
    fn describe(&self, request: &mut Request) {
        request.with("dev", self.device.to_string());
        request.with("ino", self.inode.to_string());
        request.with("root", self.path.as_bytes());
    }
}

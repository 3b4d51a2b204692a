//! The record of a path: text where it is text, else BASE64.

use serde::{Deserialize, Serialize};

use super::entry::remote_path;
use super::{RecordError, split_text};
use crate::manifest::Resolved;
use crate::name::RemotePath;

#[derive(Serialize, Deserialize)]
pub(super) struct PathRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_b64: Option<String>,
}

impl From<&RemotePath> for PathRecord {
    fn from(path: &RemotePath) -> Self {
        let (path, path_b64) = split_text(path.as_bytes());
        Self { path, path_b64 }
    }
}

impl TryFrom<PathRecord> for RemotePath {
    type Error = RecordError;

    fn try_from(record: PathRecord) -> Result<Self, RecordError> {
        remote_path("path", record.path, record.path_b64)
    }
}

/// A path that was asked for through a symbolic link, and the real one.
#[derive(Serialize, Deserialize)]
pub(super) struct ResolvedRecord {
    asked: PathRecord,
    real: PathRecord,
}

impl From<&Resolved> for ResolvedRecord {
    fn from(resolved: &Resolved) -> Self {
        Self {
            asked: (&resolved.asked).into(),
            real: (&resolved.real).into(),
        }
    }
}

impl TryFrom<ResolvedRecord> for Resolved {
    type Error = RecordError;

    fn try_from(record: ResolvedRecord) -> Result<Self, RecordError> {
        Ok(Self {
            asked: record.asked.try_into()?,
            real: record.real.try_into()?,
        })
    }
}

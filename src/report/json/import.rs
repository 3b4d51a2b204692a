//! `fleet import --json`: its last line.

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Checkpoint, Problem, SummaryTag, Version};
use crate::engine::import as engine;

/// `import`: what was imported, or would be.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Import {
    /// The last line of the command.
    #[serde(rename = "type")]
    pub kind: SummaryTag,
    /// The version of this shape.
    pub version: Version,
    /// The exit status.
    pub exit: u8,
    /// What was imported, or would be.
    pub imported: Vec<Imported>,
    /// What was not imported.
    pub failed: Vec<NotImported>,
    /// Why the run ended early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// What happened to a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportEnd {
    /// It is a checkpoint now.
    Sealed,
    /// It was already imported.
    Already,
    /// It would become one.
    Planned,
}

/// A backup that was imported, or would be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Imported {
    /// The backup, as it was named.
    pub path: String,
    /// What happened to it.
    pub end: ImportEnd,
    /// `HOST@STAMP`; of one that would be imported, a few seconds later if that is used.
    pub id: String,
    /// The checkpoint that was sealed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// When it was taken, RFC 3339 in UTC.
    pub taken: String,
    /// Where that time comes from: `operator`, `name`, `folder`, `record`, `date` or `newest`.
    pub taken_by: String,
    /// No time zone was given, and UTC is assumed.
    pub zone_assumed: bool,
    /// Regular files; every name of a hard-link group counts.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// The top directory that was removed from all names, because it is named after a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stripped: Option<String>,
    /// Where its files were on the host.
    pub landed: Vec<MappedRoot>,
    /// The checksum lists that it matches.
    pub checked: Vec<Checked>,
    /// It has nothing of some sources of the host: `latest` skips it for any other checkpoint.
    pub subset: bool,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// A directory of the host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MappedRoot {
    /// The directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The same in base64, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// The source that its files belong to.
    pub part: String,
    /// Regular files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
}

/// A checksum list in the backup.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Checked {
    /// Its path in the backup.
    pub list: String,
    /// The files that match it.
    pub files: u64,
    /// Files that it does not list.
    pub unlisted: u64,
}

/// A backup that was not imported.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NotImported {
    /// The backup, as it was named.
    pub path: String,
    /// Its error code, such as `host-unreachable`.
    pub code: String,
    /// What happened and why.
    pub error: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl From<&engine::Imported> for Imported {
    fn from(imported: &engine::Imported) -> Self {
        let (end, id, checkpoint) = match &imported.end {
            engine::End::Sealed(checkpoint) => (
                ImportEnd::Sealed,
                &checkpoint.id,
                Some(checkpoint.as_ref().into()),
            ),
            engine::End::Already(id) => (ImportEnd::Already, id, None),
            engine::End::Planned(id) => (ImportEnd::Planned, id, None),
        };
        Self {
            path: imported.path.display().to_string(),
            end,
            id: id.to_string(),
            checkpoint,
            taken: imported.taken.time.to_string(),
            taken_by: imported.taken.said_by.as_str().to_owned(),
            zone_assumed: imported.taken.is_zone_assumed,
            files: imported.totals.files,
            bytes: imported.totals.bytes,
            stripped: imported.stripped.clone(),
            landed: imported.landed.iter().map(MappedRoot::from).collect(),
            checked: imported.checked.iter().map(Checked::from).collect(),
            subset: imported.subset,
            warnings: imported.warnings.clone(),
        }
    }
}

impl From<&engine::MappedRoot> for MappedRoot {
    fn from(landed: &engine::MappedRoot) -> Self {
        let text = std::str::from_utf8(landed.at.as_bytes()).ok();
        Self {
            path: text.map(str::to_owned),
            path_b64: text.is_none().then(|| BASE64.encode(landed.at.as_bytes())),
            part: landed.part.to_string(),
            files: landed.files,
            bytes: landed.bytes,
        }
    }
}

impl From<&engine::Checked> for Checked {
    fn from(checked: &engine::Checked) -> Self {
        Self {
            list: checked.list.clone(),
            files: checked.files,
            unlisted: checked.unlisted,
        }
    }
}

impl From<&engine::Failed> for NotImported {
    fn from(failed: &engine::Failed) -> Self {
        Self {
            path: failed.path.display().to_string(),
            code: failed.failure.problem.code.to_string(),
            error: failed.failure.problem.line(),
            hint: failed.failure.problem.hint.clone(),
        }
    }
}

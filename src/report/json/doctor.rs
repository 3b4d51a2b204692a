//! What a look at hosts found, in JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Problem, Version};

/// `doctor`
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Doctor {
    /// The version of this shape.
    pub version: Version,
    /// In the inventory's order.
    pub hosts: Vec<DoctorHost>,
}

/// What was found out about one host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DoctorHost {
    /// The host.
    pub host: String,
    /// Checkpoints of it should work.
    pub ok: bool,
    /// `address:port` that was connected to; none: it was not reached.
    pub address: Option<String>,
    /// The account.
    pub user: Option<String>,
    /// Fingerprint of its host key.
    pub host_key: Option<String>,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// What each source would read.
    pub sources: Vec<SourcePreview>,
    /// Why it was not reached.
    pub error: Option<Problem>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub grade: Grade,
    /// What was found.
    pub says: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// As it should be.
    Fine,
    /// It works, but not as well as it could.
    Warning,
    /// Checkpoints will fail.
    Broken,
}

/// What one source would read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SourcePreview {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Whether it is there.
    pub found: SourceFound,
    /// The roots that are there.
    pub roots: Vec<String>,
    /// Regular files.
    pub files: u64,
    /// The sum of their sizes.
    pub bytes: u64,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Why it would fail.
    pub error: Option<Problem>,
}

/// Whether a source is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceFound {
    /// It can be read.
    Ready,
    /// It is optional and not there.
    Absent,
    /// It would fail.
    Failed,
}

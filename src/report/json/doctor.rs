//! `fleet doctor --json`.

use schemars::JsonSchema;
use serde::Serialize;

use super::checkpoint::{LeftOut, word};
use super::{Problem, Version};
use crate::engine::doctor::Report;
use crate::health::doctor;
use crate::scan::{Found, Preview};

/// `doctor`
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Doctor {
    /// The version of this shape.
    pub version: Version,
    /// In the inventory's order.
    pub hosts: Vec<DoctorHost>,
}

/// What `doctor` found about one host.
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

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// Its grade.
    pub grade: Grade,
    /// What was found.
    pub says: String,
    /// How to fix it.
    pub hint: Option<String>,
}

word!(
    /// How good or bad a finding is.
    Grade of doctor::Grade { Fine, Warning, Broken }
);

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
    /// The file systems mounted below them that `one_file_system` leaves out.
    pub left_out: Vec<LeftOut>,
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
    /// Not checked: only a checkpoint requests it.
    Unasked,
    /// It would fail.
    Failed,
}

impl From<&Report> for DoctorHost {
    fn from(report: &Report) -> Self {
        let known = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            host: report.host.to_string(),
            ok: report.exit_class().is_none(),
            address: known(&report.address),
            user: known(&report.user),
            host_key: known(&report.host_key),
            findings: report.findings.iter().map(Finding::from).collect(),
            sources: report.sources.iter().map(SourcePreview::from).collect(),
            error: report.failure.as_ref().map(|f| (&f.problem).into()),
        }
    }
}

impl From<&doctor::Finding> for Finding {
    fn from(finding: &doctor::Finding) -> Self {
        Self {
            subject: finding.subject.to_owned(),
            grade: finding.grade.into(),
            says: finding.says.clone(),
            hint: finding.hint.clone(),
        }
    }
}

impl From<&Preview> for SourcePreview {
    fn from(preview: &Preview) -> Self {
        let mut source = Self {
            name: preview.name.to_string(),
            kind: preview.kind.to_owned(),
            found: SourceFound::Absent,
            roots: Vec::new(),
            files: 0,
            bytes: 0,
            left_out: Vec::new(),
            warnings: Vec::new(),
            error: None,
        };
        match &preview.found {
            Found::Absent => {}
            Found::Unasked => source.found = SourceFound::Unasked,
            Found::Ready {
                roots,
                totals,
                left_out,
                warnings,
            } => {
                source.found = SourceFound::Ready;
                source.roots = roots.iter().map(super::show::text).collect();
                source.left_out = left_out.iter().map(LeftOut::from).collect();
                source.files = totals.files;
                source.bytes = totals.bytes;
                source.warnings.clone_from(warnings);
            }
            Found::Failed(failure) => {
                source.found = SourceFound::Failed;
                source.error = Some(failure.into());
            }
        }
        source
    }
}

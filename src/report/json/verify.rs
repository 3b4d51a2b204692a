//! `fleet verify --json`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Problem, SkippedNewer, Version};
use crate::store;

/// `verify`
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Verify {
    /// The version of this shape.
    pub version: Version,
    /// How many checkpoints were checked.
    pub checked: u64,
    /// How many files were checked.
    pub files: u64,
    /// What is wrong, by file.
    pub problems: Vec<StoreProblem>,
    /// Newer checkpoints that `latest` skipped, by host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped_newer: Vec<SkippedNewer>,
    /// Why the exit status is not 0, in one sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// A damaged or missing file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct StoreProblem {
    /// Relative to the store.
    pub file: String,
    /// Its error code: `store-damaged`, or why the file can't be read.
    pub code: String,
    /// What is wrong with it.
    pub problem: String,
    /// The checkpoints that need it.
    pub checkpoints: Vec<String>,
}

impl From<&store::Problem> for StoreProblem {
    fn from(problem: &store::Problem) -> Self {
        Self {
            file: problem.file.clone(),
            code: problem.code.to_string(),
            problem: problem.problem.clone(),
            checkpoints: problem
                .checkpoints
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

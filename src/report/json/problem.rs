//! Errors in JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::Version;
use crate::fault;

/// An error: what happened, why, and how to fix it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    /// Its error code, such as `host-unreachable`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// How to fix it.
    pub hint: Option<String>,
}

impl From<&fault::Problem> for Problem {
    fn from(problem: &fault::Problem) -> Self {
        Self {
            code: problem.code.to_string(),
            message: problem.message.clone(),
            causes: problem.causes.clone(),
            hint: problem.hint.clone(),
        }
    }
}

/// A query that has no answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Errored {
    /// The version of this shape.
    version: Version,
    /// Why there is no answer.
    error: Problem,
}

impl From<&fault::Problem> for Errored {
    fn from(problem: &fault::Problem) -> Self {
        Self {
            version: Version,
            error: problem.into(),
        }
    }
}

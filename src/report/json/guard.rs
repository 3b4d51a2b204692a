//! `fleet guard --json`.

use schemars::JsonSchema;
use serde::Serialize;

use super::Version;
use super::checkpoint::word;
use crate::guard;

/// `guard explain`
#[derive(Debug, Serialize, JsonSchema)]
pub struct Explain {
    /// The version of this shape.
    pub version: Version,
    /// The host.
    pub host: String,
    /// The operations.
    pub operations: Vec<Judged>,
}

/// One operation and whether it is allowed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Judged {
    /// `checkpoint`, `restore`, `service` (start or stop a service) or `run` (run a command).
    pub operation: String,
    /// The answer.
    pub decision: Decision,
    /// Why.
    pub rules: Vec<RuleSays>,
}

word!(
    /// Whether an operation may be done.
    Decision of guard::Decision { Allow, Deny }
);

/// One rule and its result for this host.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RuleSays {
    /// Its short name.
    pub rule: String,
    /// The inventory.
    pub file: String,
    /// The line that it refers to.
    pub line: u32,
    /// What it says.
    pub says: String,
}

impl Judged {
    /// The judgement of a host of the inventory `file`.
    #[must_use]
    pub fn of(judgement: &guard::Judgement, file: &str) -> Self {
        let rules = judgement.rules.iter().map(|rule| RuleSays {
            rule: rule.rule.to_owned(),
            file: file.to_owned(),
            line: rule.place.line,
            says: rule.says.clone(),
        });
        Self {
            operation: judgement.operation.to_string(),
            decision: judgement.decision.into(),
            rules: rules.collect(),
        }
    }
}

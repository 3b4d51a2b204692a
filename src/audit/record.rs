//! A line of the audit file.
//!
//! It grows by added fields within its version. Texts are bounded, so that a line is short enough to be
//! written at one go.

use jiff::Timestamp;
use serde::Serialize;

use super::{Act, Outcome};
use crate::fault::Problem;

const VERSION: u32 = 1;

/// Longer texts are cut.
const TEXT_MAX_CHARS: usize = 1000;

#[derive(Debug, Serialize)]
pub(super) struct Record {
    version: u32,
    time: String,
    /// `allowed`, `refused` or `ended`.
    event: &'static str,
    operation: &'static str,
    host: String,
    /// Account and workstation, as `user@name`.
    who: String,
    /// The process on the workstation.
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<TargetRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    /// The code of the error, if it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Why it was refused or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct TargetRecord {
    #[serde(skip_serializing_if = "String::is_empty")]
    address: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    host_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    machine_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
}

impl Record {
    pub(super) fn allowed(act: &Act, who: &str, now: Timestamp) -> Self {
        Self::of("allowed", act, None, who, now)
    }

    pub(super) fn refused(act: &Act, why: &Problem, who: &str, now: Timestamp) -> Self {
        Self::of("refused", act, Some(why), who, now)
    }

    pub(super) fn ended(
        act: &Act,
        outcome: Outcome,
        why: Option<&Problem>,
        who: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            outcome: Some(outcome.as_str()),
            ..Self::of("ended", act, why, who, now)
        }
    }

    fn of(
        event: &'static str,
        act: &Act,
        why: Option<&Problem>,
        who: &str,
        now: Timestamp,
    ) -> Self {
        let target = &act.target;
        let is_known = *target != super::Target::default();
        Self {
            version: VERSION,
            time: now.to_string(),
            event,
            operation: act.operation.as_str(),
            host: act.host.to_string(),
            who: short(who),
            pid: std::process::id(),
            run: act.run.as_deref().map(short),
            target: is_known.then(|| TargetRecord {
                address: short(&target.address),
                host_key: short(&target.host_key),
                machine_id: short(&target.machine_id),
                hostname: short(&target.hostname),
            }),
            checkpoint: act.checkpoint.as_ref().map(ToString::to_string),
            plan: act.plan.as_deref().map(short),
            outcome: None,
            code: why.map(|why| why.code.as_str()),
            reason: why.map(|why| short(&why.line())),
        }
    }

    /// The line, with its end.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("records hold only texts and numbers");
        line.push(b'\n');
        line
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

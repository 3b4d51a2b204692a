//! The record of a restore that the host keeps while it is under way: what another workstation has to know to
//! finish or undo it.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::services::ServiceRecord;
use crate::name::{CheckpointId, HostName, RemotePath, RestoreId};

/// What this version writes and reads.
const VERSION: u32 = 1;

/// What a host keeps about a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRecord {
    /// The restore.
    pub id: RestoreId,
    /// What is restored.
    pub checkpoint: CheckpointId,
    /// The host, as the inventory named it.
    pub host: HostName,
    /// The safety checkpoint.
    pub safety: CheckpointId,
    /// The digest of the plan, `sha256:…`.
    pub plan: String,
    /// The roots, in the order of the transaction.
    pub roots: Vec<RemotePath>,
    /// What was active, and what is done about it.
    pub services: ServiceRecord,
}

#[derive(Debug, Serialize, Deserialize)]
struct Text {
    #[serde(rename = "fleet-restore")]
    version: u32,
    id: String,
    checkpoint: String,
    host: String,
    safety: String,
    plan: String,
    roots_b64: Vec<String>,
    #[serde(default)]
    services: String,
}

impl RestoreRecord {
    /// The text that the host keeps: one line of JSON.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let text = Text {
            version: VERSION,
            id: self.id.to_string(),
            checkpoint: self.checkpoint.to_string(),
            host: self.host.to_string(),
            safety: self.safety.to_string(),
            plan: self.plan.clone(),
            roots_b64: self
                .roots
                .iter()
                .map(|root| BASE64.encode(root.as_bytes()))
                .collect(),
            services: match self.services.is_empty() {
                true => String::new(),
                false => self.services.to_text(),
            },
        };
        let mut line = serde_json::to_vec(&text).expect("it holds only texts");
        line.push(b'\n');
        line
    }

    /// Reads what a host has kept; none if that is no record, or of a newer version.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: Text = serde_json::from_slice(text).ok()?;
        let root = |root: &String| {
            let bytes = BASE64.decode(root.as_bytes()).ok()?;
            RemotePath::from_bytes(bytes).ok()
        };
        (text.version == VERSION).then_some(())?;
        Some(Self {
            id: text.id.parse().ok()?,
            checkpoint: text.checkpoint.parse().ok()?,
            host: text.host.parse().ok()?,
            safety: text.safety.parse().ok()?,
            plan: text.plan,
            roots: text.roots_b64.iter().map(root).collect::<Option<_>>()?,
            services: match text.services.as_str() {
                "" => ServiceRecord::default(),
                services => ServiceRecord::parse(services).ok()?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_other_text_is_none() {
        let record = RestoreRecord {
            id: "0123456789ab".parse().expect("an ID"),
            checkpoint: "dev-vm@20261121T101500Z".parse().expect("a name"),
            host: "dev-vm".parse().expect("a name"),
            safety: "dev-vm@20261121T101600Z".parse().expect("a name"),
            plan: "sha256:00".to_owned(),
            roots: vec![RemotePath::from_bytes(&b"/a\n\xff"[..]).expect("a path")],
            services: ServiceRecord::default(),
        };
        assert_eq!(
            RestoreRecord::parse(&record.to_text()),
            Some(record.clone())
        );
        let text = String::from_utf8(record.to_text()).expect("text");
        for (from, to) in [
            ("\"fleet-restore\":1", "\"fleet-restore\":2"),
            ("0123456789ab", "../../../etc"),
            ("@20261121", "@"),
            ("{", "["),
        ] {
            assert_eq!(
                RestoreRecord::parse(text.replace(from, to).as_bytes()),
                None,
                "{from}"
            );
        }
    }
}

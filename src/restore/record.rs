//! The record of a restore that the host keeps while it is under way: what another workstation has to know to
//! finish or undo it.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::services::ServiceRecord;
use crate::guard::PostgresServer;
use crate::name::{AccountName, CheckpointId, HostName, RemotePath, RestoreId, SourceName};

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
    /// The databases that take a new one's place.
    pub databases: Vec<RecordedDatabase>,
}

/// A database of a restore, as the host keeps it: its names follow from the restore's ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDatabase {
    /// The part of the checkpoint.
    pub part: SourceName,
    /// Its name.
    pub name: String,
    /// There was none of that name before.
    pub creates: bool,
    /// How its server is reached. A password is not kept.
    pub server: PostgresServer,
    /// Its tools run through sudo.
    pub sudo: bool,
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
    #[serde(default)]
    databases: Vec<DatabaseText>,
}

#[derive(Debug, Serialize, Deserialize)]
struct DatabaseText {
    part: String,
    name: String,
    creates: bool,
    sudo: bool,
    run_as: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    has_password: bool,
}

impl From<&RecordedDatabase> for DatabaseText {
    fn from(database: &RecordedDatabase) -> Self {
        let server = &database.server;
        Self {
            part: database.part.to_string(),
            name: database.name.clone(),
            creates: database.creates,
            sudo: database.sudo,
            run_as: server.run_as.as_ref().map(AccountName::to_string),
            address: server.host.clone(),
            port: server.port,
            user: server.user.clone(),
            has_password: server.password_follows,
        }
    }
}

impl DatabaseText {
    fn read(self) -> Option<RecordedDatabase> {
        let run_as = self.run_as.map(|account| account.parse());
        Some(RecordedDatabase {
            part: self.part.parse().ok()?,
            name: self.name,
            creates: self.creates,
            server: PostgresServer {
                run_as: run_as.transpose().ok()?,
                host: self.address,
                port: self.port,
                user: self.user,
                password_follows: self.has_password,
            },
            sudo: self.sudo,
        })
    }
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
            databases: self.databases.iter().map(DatabaseText::from).collect(),
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
            databases: text
                .databases
                .into_iter()
                .map(DatabaseText::read)
                .collect::<Option<_>>()?,
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
            databases: vec![RecordedDatabase {
                part: "db".parse().expect("a name"),
                name: "it's \u{fc}".to_owned(),
                creates: true,
                server: PostgresServer {
                    run_as: Some("postgres".parse().expect("a name")),
                    host: None,
                    port: Some(5433),
                    user: None,
                    password_follows: true,
                },
                sudo: true,
            }],
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
            ("\"postgres\"", "\"a b\""),
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

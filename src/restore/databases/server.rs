//! What a PostgreSQL server and its databases are like, asked of a host.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::Error;
use super::access::ServerAccess;
use crate::guard::{DatabaseFacts, ReadCommand};
use crate::ssh::ReadSession;

/// Rows of one database are counted for at most so long.
const COUNT_SECONDS: u32 = 5;

/// A server with thousands of roles and databases answers some hundred KiB.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// The major version of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// Of a text as `15.18 (Debian 15.18-0+deb12u1)` or `17beta1`.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok().map(Self)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a server has.
#[derive(Debug, Clone, Default)]
pub struct ServerFacts {
    /// What all its databases share.
    pub server: ServerWide,
    /// A number that no other server has; none where it may not be asked.
    pub system_identifier: Option<String>,
    /// Where its databases are.
    pub data_directory: Option<String>,
    /// Free space there, where the server is on the host itself.
    pub free_bytes: Option<u64>,
    /// The locales of the host, where the server is on the host itself.
    pub locales: Option<BTreeSet<String>>,
    /// What is in the databases that were asked for and can be looked into, by name.
    pub inside: BTreeMap<String, Inside>,
    /// How many rows those have, where they could be counted in time.
    pub rows: BTreeMap<String, u64>,
    /// What could not be asked, in the tools' words.
    pub said: Vec<u8>,
}

/// What all databases of a server share.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ServerWide {
    /// Its version as a number: 150018 for 15.18.
    pub number: u32,
    /// Its version as a text.
    pub version: String,
    /// The role that asked.
    pub role: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may create databases.
    pub createdb: bool,
    /// Whether it may create roles.
    pub createrole: bool,
    /// All roles.
    pub roles: BTreeSet<String>,
    /// All tablespaces.
    pub tablespaces: BTreeSet<String>,
    /// The extensions that can be created.
    pub extensions: BTreeSet<String>,
    /// The locales of its collations.
    pub collations: BTreeSet<String>,
    /// All databases.
    pub databases: Vec<DatabaseRow>,
}

/// A database as its server lists it.
#[derive(Debug, Clone, Deserialize)]
pub struct DatabaseRow {
    /// Its name.
    pub name: String,
    /// Whether it takes connections.
    pub allow: bool,
    /// Its owner.
    pub owner: String,
    /// Its encoding.
    pub encoding: String,
    /// Its order of texts.
    pub collate: Option<String>,
    /// Its classes of characters.
    pub ctype: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
    /// How many sessions are on it.
    pub sessions: u64,
    /// How many transactions are prepared in it.
    pub prepared: u64,
    /// How many replication slots it has.
    pub slots: u64,
    /// How many subscriptions it has.
    pub subscriptions: u64,
}

/// What is in a database, that of extensions aside.
#[derive(Debug, Clone, Deserialize)]
pub struct Inside {
    /// Its name.
    pub name: String,
    /// Its size on the disk.
    pub size: u64,
    /// Tables, views, sequences.
    pub relations: u64,
    /// Functions.
    pub functions: u64,
    /// Schemas beside `public`.
    pub schemas: u64,
    /// Large objects.
    pub large_objects: u64,
    /// Rows, by the statistics.
    pub estimated_rows: u64,
    /// Its extensions.
    pub extensions: BTreeSet<String>,
}

impl Inside {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relations + self.functions + self.schemas + self.large_objects == 0
    }
}

impl ServerFacts {
    /// The database of that name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&DatabaseRow> {
        self.server.databases.iter().find(|row| row.name == name)
    }

    /// Its major version.
    #[must_use]
    pub fn version(&self) -> Version {
        Version(self.server.number / 10_000)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Server(ServerWide),
    Machine {
        system_identifier: String,
        data_directory: String,
    },
    FreeKib(String),
    Locales(String),
    Database(Inside),
    Rows {
        name: String,
        count: u64,
    },
}

/// Asks the server what it has, and what is in the databases `names`. What can't be asked is left out.
///
/// # Errors
///
/// [`Error::Ssh`], or one that says why the server can't be asked.
pub async fn ask(
    session: &ReadSession,
    access: &ServerAccess,
    names: &[String],
) -> Result<ServerFacts, Error> {
    let command = ReadCommand::Databases(DatabaseFacts {
        server: access.server.clone(),
        names: names.to_vec(),
        count_seconds: COUNT_SECONDS,
    });
    let running = session.run(&command, access.sudo, access.input()).await?;
    let answer = access.answer(running, ANSWER_MAX_BYTES).await?;
    parse(&answer.stdout, answer.stderr)
}

fn parse(stdout: &[u8], said: Vec<u8>) -> Result<ServerFacts, Error> {
    let mut facts = ServerFacts {
        said,
        ..ServerFacts::default()
    };
    let mut is_told = false;
    let text = String::from_utf8_lossy(stdout);
    for line in text.lines().filter(|line| !line.is_empty()) {
        match serde_json::from_str(line).map_err(|source| Error::Answer { source })? {
            Line::Server(server) => {
                facts.server = server;
                is_told = true;
            }
            Line::Machine {
                system_identifier,
                data_directory,
            } => {
                facts.system_identifier = Some(system_identifier);
                facts.data_directory = Some(data_directory);
            }
            Line::FreeKib(kib) => facts.free_bytes = kib.parse().ok().map(|kib: u64| kib << 10),
            Line::Locales(names) => {
                let names: BTreeSet<String> = names.split(' ').map(str::to_owned).collect();
                facts.locales = Some(names).filter(|names| names.len() > 1);
            }
            Line::Database(inside) => {
                facts.inside.insert(inside.name.clone(), inside);
            }
            Line::Rows { name, count } => {
                facts.rows.insert(name, count);
            }
        }
    }
    if is_told {
        Ok(facts)
    } else {
        Err(Error::NoAnswer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_servers_and_tools_say() {
        for (text, version) in [
            ("15.18 (Debian 15.18-0+deb12u1)", Some(Version(15))),
            ("17beta1", Some(Version(17))),
            ("9.6.24", Some(Version(9))),
            ("unknown", None),
        ] {
            assert_eq!(Version::of_text(text), version, "{text}");
        }
    }

    #[test]
    fn an_answer_without_the_server_is_none() {
        assert!(matches!(parse(b"", Vec::new()), Err(Error::NoAnswer)));
        assert!(matches!(
            parse(b"{\"server\":", Vec::new()),
            Err(Error::Answer { .. })
        ));
    }
}

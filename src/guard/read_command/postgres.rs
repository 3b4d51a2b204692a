//! The read commands that dump PostgreSQL databases.
//!
//! A password is not part of the request: it is the first line of the data, and the host's shell hands
//! it on in the environment.

use crate::guard::PostgresServer;
use crate::guard::script::{Request, Verb};
use crate::inventory::{Dump, DumpFormat};
use crate::name::AccountName;

/// A dump that a host is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresDump {
    /// Of what.
    pub of: DumpOf,
    /// The account that runs it; none: the one that logged in, or root with sudo.
    pub run_as: Option<AccountName>,
    /// The server's address, or the folder of its socket.
    pub host: Option<String>,
    /// Its port.
    pub port: Option<u16>,
    /// The database role.
    pub user: Option<String>,
    /// The data begins with the role's password and a line end.
    pub password_follows: bool,
}

/// What is dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DumpOf {
    /// One database, by `pg_dump`.
    Database {
        /// Its name.
        name: String,
        /// How much of it.
        dump: Dump,
        /// In which form.
        format: DumpFormat,
    },
    /// What a plain dump of a database leaves out, by `pg_dump` as SQL text: its owner, encoding and
    /// connection limit, its comment and security labels, who may do what with it, and the parameters
    /// that are set for it and for roles in it. Versions before 11 don't tell all of it.
    Settings {
        /// The database's name.
        name: String,
    },
    /// Roles and tablespaces, by `pg_dumpall`.
    Globals,
}

impl DumpOf {
    /// The program that dumps it.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Database { .. } | Self::Settings { .. } => "pg_dump",
            Self::Globals => "pg_dumpall",
        }
    }
}

impl PostgresDump {
    /// A table that stays locked for so long ends the dump.
    const LOCK_WAIT_MILLISECONDS: u32 = 60_000;

    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(Verb::Dump);
        match &self.of {
            DumpOf::Database { name, dump, format } => {
                request.with("lock", Self::LOCK_WAIT_MILLISECONDS.to_string());
                match dump {
                    Dump::Schema => request.with("only", "schema"),
                    Dump::Full => {}
                }
                request.with(
                    "format",
                    match format {
                        DumpFormat::Plain => "plain",
                        DumpFormat::Custom => "custom",
                    },
                );
                request.with("db", name);
            }
            DumpOf::Settings { name } => {
                request.with("only", "settings");
                request.with("format", "plain");
                request.with("db", name);
            }
            DumpOf::Globals => request.with("globals", "1"),
        }
        let server = PostgresServer {
            run_as: None,
            host: self.host.clone(),
            port: self.port,
            user: self.user.clone(),
            password_follows: self.password_follows,
        };
        server.describe(&mut request);
        request
    }
}

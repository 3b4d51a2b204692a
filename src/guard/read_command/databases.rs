//! The read command that asks a PostgreSQL server what it has, and what is in some of its databases.

use crate::guard::PostgresServer;
use crate::guard::script::{Request, Verb};

/// A question about a PostgreSQL server. The answer is a JSON object a line, see `scripts/postgres/databases.sh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Which server.
    pub server: PostgresServer,
    /// The databases that are looked into.
    pub names: Vec<String>,
    /// Rows of one database are counted for at most so long.
    pub count_seconds: u32,
}

impl DatabaseFacts {
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(Verb::Databases);
        self.server.describe(&mut request);
        request.with("limit", self.count_seconds.to_string());
        for name in &self.names {
            request.with("db", name);
        }
        request
    }
}

//! How a PostgreSQL server is reached from a host: the account, the address and the role.

use super::script::Request;
use crate::name::AccountName;

/// A server that doesn't answer is given up after so long.
const CONNECT_TIMEOUT_SECONDS: u32 = 20;

/// How a PostgreSQL server is reached from a host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostgresServer {
    /// The account that runs its tools; none: the one that logged in, or root with sudo.
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

impl PostgresServer {
    /// Puts it into a request.
    pub(super) fn describe(&self, request: &mut Request) {
        if let Some(host) = &self.host {
            request.with("host", host);
        }
        if let Some(port) = self.port {
            request.with("port", port.to_string());
        }
        if let Some(user) = &self.user {
            request.with("user", user);
        }
        request.with("timeout", CONNECT_TIMEOUT_SECONDS.to_string());
        if self.password_follows {
            request.with("password", "1");
        }
    }
}

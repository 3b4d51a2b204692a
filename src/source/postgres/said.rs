//! Parses the messages of `pg_dump`, `pg_dumpall` and libpq on standard error, in the C locale.
//!
//! The server writes messages in its own language: one that isn't known here is passed on unchanged.

use crate::fault::{Code, Fault};

/// Why a dump was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Complaint {
    /// Debian's wrapper is there, and nothing that it could start.
    #[error("the host has no PostgreSQL client tools: {said}")]
    NoClient {
        /// In the wrapper's words.
        said: String,
    },
    /// There is no socket.
    #[error("no PostgreSQL server is listening: {said}")]
    NoServer {
        /// In libpq's words.
        said: String,
    },
    /// A server should be there, and isn't.
    #[error("the server can't be reached: {said}")]
    Unreachable {
        /// In libpq's words.
        said: String,
    },
    /// The server has no such database.
    #[error("the server has no such database")]
    NoDatabase,
    /// The server doesn't let the role in.
    #[error("PostgreSQL rejected the login: {said}")]
    NotLetIn {
        /// In the server's words.
        said: String,
    },
    /// The tool is older than the server.
    #[error(
        "the host's {tool} is too old: it is version {tool_version}, the server {server_version}"
    )]
    TooOld {
        /// `pg_dump` or `pg_dumpall`.
        tool: &'static str,
        /// Its version.
        tool_version: String,
        /// The server's.
        server_version: String,
    },
    /// The role may not read something.
    #[error("permission denied for {what}")]
    Denied {
        /// What, with its kind.
        what: String,
    },
    /// A table stayed locked.
    #[error("a table stayed locked by another session: {said}")]
    Locked {
        /// In the server's words.
        said: String,
    },
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl Complaint {
    /// Whether what was asked for doesn't exist, rather than being in trouble.
    #[must_use]
    pub fn is_not_there(&self) -> bool {
        match self {
            Self::NoClient { .. } | Self::NoServer { .. } | Self::NoDatabase => true,
            Self::Unreachable { .. }
            | Self::NotLetIn { .. }
            | Self::TooOld { .. }
            | Self::Denied { .. }
            | Self::Locked { .. }
            | Self::Other(_) => false,
        }
    }
}

impl Fault for Complaint {
    fn code(&self) -> Code {
        match self {
            Self::NoClient { .. } => Code::ToolMissing,
            Self::NoServer { .. } | Self::Unreachable { .. } => Code::DatabaseUnreachable,
            Self::NoDatabase => Code::DatabaseMissing,
            Self::NotLetIn { .. } => Code::DatabaseLoginRefused,
            Self::TooOld { .. } => Code::ToolTooOld,
            Self::Denied { .. } => Code::DatabaseDenied,
            Self::Locked { .. } => Code::DatabaseLocked,
            Self::Other(_) => Code::DumpFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoClient { .. } => {
                "Install PostgreSQL's client tools on the host, or set `optional: true` on the source if this host doesn't need them."
            }
            Self::NoServer { .. } => {
                "Start the server, or name its socket folder or address under `host` and its port under \
                 `port`; set `optional: true` on the source if this host doesn't need one."
            }
            Self::Unreachable { .. } => {
                "Check the server on the host, and `host` and `port` of the source."
            }
            Self::NoDatabase => {
                "Correct the name, or set `optional: true` on the source if this host doesn't need it."
            }
            Self::NotLetIn { .. } => {
                "Set `run_as: postgres` for a server with peer authentication, or name the \
                 role under `user` and its password under `password: {env: NAME}`, or write it to \
                 `~/.pgpass` on the host. fleet never asks for this password."
            }
            Self::TooOld { server_version, .. } => {
                let major = server_version.split('.').next().unwrap_or(server_version);
                return Some(format!(
                    "Install the client tools of version {major} on the host, as `postgresql-client-{major}`."
                ));
            }
            Self::Denied { .. } => {
                "A dump reads every table: grant the role SELECT on it, or USAGE on the schema, or \
                 membership in `pg_read_all_data`. Roles with their passwords (`globals: true`) are for \
                 superusers."
            }
            Self::Locked { .. } => {
                "A dump waits a minute for a table. Run it again when the other work has ended; \
                 `pg_locks` on the server shows whose it is."
            }
            Self::Other(_) => return None,
        };
        Some(hint.to_owned())
    }
}

/// What a tool that failed complained about; none if it said nothing.
#[must_use]
pub fn complaint(stderr: &[u8]) -> Option<Complaint> {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let said = |needle: &str| lines.iter().find(|line| line.contains(needle));
    if said("server version mismatch").is_some() {
        return Some(too_old(&lines));
    }
    if let Some(line) = said("You must install at least one postgresql-client") {
        return Some(Complaint::NoClient { said: shown(line) });
    }
    if let Some(line) = said("permission denied for ") {
        let (_, what) = line.split_once("permission denied for ")?;
        return Some(Complaint::Denied { what: shown(what) });
    }
    if let Some(line) = lines
        .iter()
        .find(|line| line.contains("timeout") && line.contains("canceling statement due to "))
    {
        return Some(Complaint::Locked { said: shown(line) });
    }
    let fatal = lines.iter().find(|line| line.contains("FATAL: "));
    if let Some(line) = fatal {
        if line.contains(" database \"") && line.ends_with("\" does not exist") {
            return Some(Complaint::NoDatabase);
        }
        let refusals = [
            "authentication failed for user",
            "no pg_hba.conf entry",
            "pg_hba.conf rejects",
            "is not permitted to log in",
        ];
        let is_refusal = refusals.iter().any(|refusal| line.contains(refusal))
            || (line.contains(" role \"") && line.ends_with("\" does not exist"));
        if is_refusal {
            return Some(Complaint::NotLetIn { said: shown(line) });
        }
    }
    if let Some(line) = said("no password supplied") {
        return Some(Complaint::NotLetIn { said: shown(line) });
    }
    let connect = lines.iter().find(|line| {
        line.contains("connection to server ") || line.contains("could not connect to server")
    });
    if let Some(line) = connect.filter(|_| fatal.is_none()) {
        let said = shown(line);
        return Some(if line.ends_with("No such file or directory") {
            Complaint::NoServer { said }
        } else {
            Complaint::Unreachable { said }
        });
    }
    let told = said(": error: ").or_else(|| lines.last())?;
    Some(Complaint::Other(shown(told)))
}

/// What a tool that did well warned of, at most ten of it.
#[must_use]
pub fn warnings(stderr: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stderr);
    let warned = text
        .lines()
        .filter_map(|line| line.split_once(": warning: "));
    let warned = warned.filter(|(tool, _)| matches!(*tool, "pg_dump" | "pg_dumpall"));
    warned
        .map(|(tool, said)| format!("{tool}: {}", shown(said)))
        .take(10)
        .collect()
}

fn too_old(lines: &[&str]) -> Complaint {
    let versions = lines.iter().find_map(|line| {
        let (_, said) = line.split_once("server version: ")?;
        let (server, rest) = said.split_once("; ")?;
        let (tool, version) = rest.split_once(" version: ")?;
        let tool = if tool == "pg_dumpall" {
            "pg_dumpall"
        } else {
            "pg_dump"
        };
        Some((shown(server), tool, shown(version)))
    });
    let (server_version, tool, tool_version) =
        versions.unwrap_or_else(|| ("newer".to_owned(), "pg_dump", "unknown".to_owned()));
    Complaint::TooOld {
        tool,
        tool_version,
        server_version,
    }
}

/// One line without the tool's name, escaped and cut to a readable length.
fn shown(line: &str) -> String {
    let line = [": error: ", ": fatal: "]
        .iter()
        .find_map(|mark| line.split_once(mark).map(|(_, said)| said))
        .unwrap_or(line);
    let bytes = line.as_bytes();
    crate::name::escape(&bytes[..bytes.len().min(300)])
}

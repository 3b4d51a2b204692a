//! How a PostgreSQL server is reached: what the source says of it, with its password.

use super::Error;
use crate::blocking::blocking;
use crate::guard::PostgresServer;
use crate::inventory::PostgresSource;
use crate::restore::record::RecordedDatabase;
use crate::source::postgres;
use crate::source::secret::{self, Revealed};
use crate::ssh::{Input, Missing, Running};

/// A shell tells a signal by adding its number to this.
const SIGNALS: u32 = 128;

/// How a PostgreSQL server is reached.
#[derive(Debug, Clone)]
pub struct ServerAccess {
    pub(super) server: PostgresServer,
    pub(super) sudo: bool,
    password: Option<Revealed>,
}

/// What a command has answered that did well.
pub(super) struct Answer {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl ServerAccess {
    /// As the source says; `sudo` is that of the source. Reads the password.
    ///
    /// # Errors
    ///
    /// [`Error::Password`].
    pub async fn of(source: &PostgresSource, sudo: bool) -> Result<Self, Error> {
        let password = match source.password.clone() {
            Some(secret) => {
                let revealed = blocking(move || secret::reveal(&secret)).await;
                Some(revealed.map_err(Error::Password)?)
            }
            None => None,
        };
        Ok(Self {
            server: PostgresServer {
                run_as: source.run_as.clone(),
                host: source.host.clone(),
                port: source.port,
                user: source.user.clone(),
                password_follows: password.is_some(),
            },
            sudo: sudo || source.run_as.is_some(),
            password,
        })
    }

    /// As the host has kept it; `source` knows the password where one is needed.
    ///
    /// # Errors
    ///
    /// [`Error::Password`], [`Error::NoPassword`].
    pub async fn recorded(
        database: &RecordedDatabase,
        source: Option<&PostgresSource>,
    ) -> Result<Self, Error> {
        let mut access = Self {
            server: database.server.clone(),
            sudo: database.sudo,
            password: None,
        };
        if database.server.password_follows {
            let secret = source.and_then(|source| source.password.clone());
            let secret = secret.ok_or_else(|| Error::NoPassword {
                part: database.part.clone(),
            })?;
            let revealed = blocking(move || secret::reveal(&secret)).await;
            access.password = Some(revealed.map_err(Error::Password)?);
        }
        Ok(access)
    }

    /// The server, without the password.
    #[must_use]
    pub fn server(&self) -> &PostgresServer {
        &self.server
    }

    /// Whether its tools run through sudo.
    #[must_use]
    pub fn sudo(&self) -> bool {
        self.sudo
    }

    /// What comes before all data: the password and a line end, or nothing.
    pub(super) fn head(&self) -> Vec<u8> {
        let line = self
            .password
            .as_ref()
            .map(|password| format!("{}\n", password.text()));
        line.unwrap_or_default().into_bytes()
    }

    /// The input of a command without data.
    pub(super) fn input(&self) -> Input {
        Input::bytes(self.head())
    }

    /// Waits for the end of a command.
    ///
    /// # Errors
    ///
    /// [`Error::Ssh`], [`Error::NoTool`], [`Error::NoAccount`], and what the tools complained about.
    pub(super) async fn answer(
        &self,
        mut running: Running,
        limit_bytes: usize,
    ) -> Result<Answer, Error> {
        let mut stdout = Vec::new();
        while let Some(piece) = running.next().await {
            let piece = piece?;
            if stdout.len() + piece.len() > limit_bytes {
                running.stop().await;
                return Err(Error::TooMuch { limit_bytes });
            }
            stdout.extend_from_slice(&piece);
        }
        let exit = running.finish().await?;
        let stderr = exit.stderr.to_bytes();
        match (exit.status, exit.missing, &self.server.run_as) {
            (0, ..) => return Ok(Answer { stdout, stderr }),
            (_, Some(Missing::Account), Some(account)) => {
                let account = account.clone();
                return Err(Error::NoAccount { account });
            }
            (_, Some(_), _) => return Err(Error::NoTool),
            _ => {}
        }
        if let Some(error) = Error::of_script(&stderr) {
            return Err(error);
        }
        if exit.status > SIGNALS {
            let signal = exit.status - SIGNALS;
            return Err(Error::Killed { signal });
        }
        Err(match postgres::complaint(&stderr) {
            Some(source) => Error::Refused { source },
            None => Error::Exit {
                status: exit.status,
            },
        })
    }
}

//! Reads the keys that known_hosts files, and `KnownHostsCommand`, have of many hosts; each set of files once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::blocking::blocking;
use crate::ssh::config::resolve::Endpoint;
use crate::ssh::error::Error;
use crate::ssh::host_keys::check::HostKeyCheck;
use crate::ssh::host_keys::known_hosts::{KnownHosts, Place, fingerprint};

/// The known_hosts files that were read so far.
#[derive(Debug, Default)]
pub struct KnownKeys {
    read: HashMap<Vec<PathBuf>, Arc<KnownHosts>>,
}

/// A key that a line has of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownKey {
    /// Its fingerprint, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// The line.
    pub place: Place,
}

impl KnownKeys {
    /// The keys under which the host at `endpoint` is known, by its alias, else by address and port. Lines
    /// that can't be understood are passed over, as by ssh.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if a file can't be read, [`Error::HostKeyCheck`] if `KnownHostsCommand` fails.
    pub async fn of(&mut self, endpoint: &Endpoint) -> Result<Vec<KnownKey>, Error> {
        let known = match &endpoint.known_hosts_command {
            Some(_) => HostKeyCheck::of(endpoint).await?.before().await?,
            None => self.files(endpoint.known_hosts()).await?,
        };
        let of = known.of(&endpoint.lookup());
        let keys = of.keys().map(|(place, key)| KnownKey {
            fingerprint: fingerprint(key),
            place: place.clone(),
        });
        Ok(keys.collect())
    }

    async fn files(&mut self, files: Vec<PathBuf>) -> Result<Arc<KnownHosts>, Error> {
        if let Some(known) = self.read.get(&files) {
            return Ok(Arc::clone(known));
        }
        let named = files.clone();
        let read = blocking(move || KnownHosts::read(&named)).await;
        let known = read.map_err(|(file, error)| Error::File {
            file,
            source: error.into(),
        })?;
        let known = Arc::new(known);
        self.read.insert(files, Arc::clone(&known));
        Ok(known)
    }
}

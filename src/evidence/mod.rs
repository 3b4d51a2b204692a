//! Gathers identity evidence: what is known of protected machines before anything is written.
//!
//! It comes from what is there already: the records of checkpoints, the known_hosts files, and the inventory.
//! A protected host of which these know nothing is asked for its host keys. What can't be read is an error and
//! never passed over: it may be what tells that a target is protected. Nothing here writes anywhere.

mod error;
mod records;

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

pub use error::Error;

use crate::blocking::blocking;
use crate::fault::Problem;
use crate::guard::identity::{Evidence, Mark, Origin, Piece};
use crate::guard::is_protected;
use crate::inventory::{Host, Inventory};
use crate::name::HostName;
use crate::ssh::host_keys::known_hosts::fingerprint;
use crate::ssh::host_keys::known_keys::KnownKeys;
use crate::ssh::{Connector, Endpoint};
use crate::store::Store;

/// Hosts that are looked up, or asked, at the same time.
const AT_ONCE: usize = 16;

/// A host that is asked for its keys may take so many times its `connect_timeout` for all of them.
const PATIENCE: u32 = 2;

/// What is known of protected machines.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// What the target of a write is compared with.
    pub evidence: Evidence,
    /// Which protected hosts the target can't be compared with, and other things that the operator should
    /// know before a write.
    pub warnings: Vec<String>,
}

/// Gathers everything that is known of the protected hosts of `inventory`, and of those that `store` has
/// records of.
///
/// # Errors
///
/// [`Error`] if something that may be evidence can't be read. Nothing may be written then.
///
/// # Cancel
///
/// Dropping the future leaves nothing behind.
pub async fn gather(
    inventory: &Inventory,
    store: &Store,
    connector: &Connector,
) -> Result<Gathered, Error> {
    let protected: Vec<&Host> = inventory
        .hosts
        .iter()
        .filter(|host| is_protected(host))
        .collect();
    let store = store.clone();
    let machines = blocking(move || store.machines());
    let endpoints = stream::iter(protected.iter().copied())
        .map(|host| async move {
            let endpoint = connector.endpoint(inventory, host).await;
            endpoint.map_err(|source| Error::host(host, source))
        })
        .buffered(AT_ONCE)
        .try_collect::<Vec<Endpoint>>();
    let (machines, endpoints) = tokio::join!(machines, endpoints);

    // Records say most: they tell the machine-id, too.
    let (mut pieces, mut warnings) = records::pieces(machines.map_err(Error::Record)?, inventory);
    let hosts: Vec<(&Host, Endpoint)> = protected.into_iter().zip(endpoints?).collect();
    let mut known = KnownKeys::default();
    for (host, endpoint) in &hosts {
        let keys = known.of(endpoint).await;
        let keys = keys.map_err(|source| Error::host(host, source))?;
        pieces.extend(keys.into_iter().map(|key| Piece {
            host: host.name.clone(),
            mark: Mark::HostKey(key.fingerprint),
            origin: Origin::KnownHosts {
                file: key.place.file,
                line: key.place.line,
            },
        }));
    }

    // Hosts that nobody has seen are asked.
    let seen: BTreeSet<&HostName> = pieces.iter().map(|piece| &piece.host).collect();
    let unseen = hosts.iter().filter(|(host, _)| !seen.contains(&host.name));
    let asked: Vec<Result<Vec<Piece>, String>> = stream::iter(unseen)
        .map(|(host, endpoint)| ask(connector, host, endpoint))
        .buffered(AT_ONCE)
        .collect()
        .await;
    for answer in asked {
        match answer {
            Ok(offered) => pieces.extend(offered),
            Err(warning) => warnings.push(warning),
        }
    }

    // Where they are says least, and is compared first: before anything is sent.
    let locations = stream::iter(&hosts)
        .map(|(host, endpoint)| async move {
            Piece {
                host: host.name.clone(),
                mark: Mark::Location(endpoint.location().await),
                origin: Origin::Inventory {
                    file: inventory.file.clone(),
                    line: host.place.line,
                },
            }
        })
        .buffered(AT_ONCE)
        .collect::<Vec<Piece>>();
    pieces.extend(locations.await);
    Ok(Gathered {
        evidence: Evidence::of(pieces),
        warnings,
    })
}

/// The keys that `host` shows when it is asked, or the warning that it can't be.
async fn ask(
    connector: &Connector,
    host: &Host,
    endpoint: &Endpoint,
) -> Result<Vec<Piece>, String> {
    let warning = |why: &str| {
        format!(
            "the target can't be compared with {}: there is no checkpoint of it, known_hosts has no key of it, and it can't be asked ({why})",
            host.name
        )
    };
    let limit = host.limits.connect_timeout * PATIENCE;
    let keys = connector.offered_keys(endpoint, host.limits);
    match tokio::time::timeout(limit, keys).await {
        Err(_) => Err(warning("it takes too long")),
        Ok(Err(error)) => Err(warning(&Problem::of(&error).line())),
        Ok(Ok(keys)) if keys.is_empty() => Err(warning("it shows no host key")),
        Ok(Ok(keys)) => Ok(keys
            .iter()
            .map(|key| Piece {
                host: host.name.clone(),
                mark: Mark::HostKey(fingerprint(key)),
                origin: Origin::Host,
            })
            .collect()),
    }
}

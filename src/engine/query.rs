//! Queries over the store that read only: which hosts and checkpoints are meant, and the history of a path.

use super::{Selection, SelectionError, Selector};
use crate::inventory::Inventory;
use crate::name::{CheckpointRef, HostName, RemotePath, Which};
use crate::store::{self, History, Listing, Store};

/// The hosts that selectors mean in a store. They need not be in the inventory: a host that has left it
/// keeps its checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredHosts {
    /// Those that have checkpoints, sorted.
    pub hosts: Vec<HostName>,
    /// Those that were named, are in the inventory and have none yet.
    pub empty: Vec<HostName>,
}

impl StoredHosts {
    /// Resolves `named`; all hosts with checkpoints if it is empty. The inventory is needed for groups and
    /// for hosts without checkpoints only: unless it is `loaded`, `load` reads it then.
    ///
    /// # Errors
    ///
    /// [`store::Error::UnknownHost`] for a name that neither the store nor the inventory has,
    /// [`SelectionError`] for a group that means nothing, and whatever `load` returns.
    pub fn of<E>(
        named: &[Selector],
        store: &Store,
        mut loaded: Option<Inventory>,
        load: impl Fn() -> Result<Inventory, E>,
    ) -> Result<Self, E>
    where
        E: From<store::Error> + From<SelectionError>,
    {
        let stored = store.hosts()?;
        if named.is_empty() {
            return Ok(Self {
                hosts: stored,
                empty: Vec::new(),
            });
        }
        let mut meant = Self::default();
        for selector in named {
            match selector {
                Selector::Host(host) if stored.contains(host) => meant.hosts.push(host.clone()),
                Selector::Host(host) => {
                    let is_known = read(&mut loaded, &load).is_ok_and(|i| i.host(host).is_some());
                    if !is_known {
                        // Fails, and names the hosts that there are.
                        store.resolve(&CheckpointRef {
                            host: host.clone(),
                            which: Which::Back(0),
                        })?;
                    }
                    meant.empty.push(host.clone());
                }
                Selector::Group(_) => {
                    let selection = Selection::only(selector.clone());
                    let of_group = selection.of(read(&mut loaded, &load)?)?.into_iter();
                    let names = of_group.map(|host| host.name.clone());
                    meant
                        .hosts
                        .extend(names.filter(|name| stored.contains(name)));
                }
            }
        }
        meant.hosts.sort();
        meant.hosts.dedup();
        Ok(meant)
    }

    /// The checkpoints of each host, oldest first.
    ///
    /// # Errors
    ///
    /// [`store::Error`] if the store can't be read. A damaged checkpoint is listed as such.
    pub fn listings(&self, store: &Store) -> Result<Vec<Listing>, store::Error> {
        self.hosts
            .iter()
            .map(|host| store.checkpoints(host))
            .collect()
    }

    /// The versions of a file or directory in all of them.
    ///
    /// # Errors
    ///
    /// As [`Self::listings`]. A history without moments is none.
    pub fn history(&self, store: &Store, path: &RemotePath) -> Result<History, store::Error> {
        let mut history = History::default();
        for host in &self.hosts {
            let of_host = store.history(host, path)?;
            history.moments.extend(of_host.moments);
            history.damaged.extend(of_host.damaged);
        }
        Ok(history)
    }
}

/// The inventory, which is loaded when it is needed first.
fn read<'i, E>(
    loaded: &'i mut Option<Inventory>,
    load: &impl Fn() -> Result<Inventory, E>,
) -> Result<&'i Inventory, E> {
    Ok(match loaded.take() {
        Some(inventory) => loaded.insert(inventory),
        None => loaded.insert(load()?),
    })
}

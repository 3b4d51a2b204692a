//! Finds inventory and store for a verb, and sets up diagnostics.
//!
//! Flags beat the environment, the environment beats the inventory, the inventory beats defaults.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy;
use jiff::Timestamp;
use tracing_subscriber::EnvFilter;

use super::ask;
use super::error::{Error, VerbError};
use super::exposed::Exposed;
use super::global::Global;
use crate::audit::{self, Audit};
use crate::engine::{Network, Workspace};
use crate::inventory::{FILE_MAX_BYTES, Inventory};
use crate::report::{Console, Reporter};
use crate::ssh::{self, Connector, SshConfig};
use crate::store::{self, Store};

/// Looked for in the current folder, in this order.
const INVENTORY_FILES: [&str; 2] = ["inventory/fleet.yaml", "fleet.yaml"];

/// The global options and what follows from them.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) console: Arc<Console>,
    pub(super) global: Global,
    exposed: Arc<Exposed>,
}

impl Setup {
    pub(super) fn new(console: Arc<Console>, mut global: Global) -> Self {
        // An empty environment variable names nothing.
        let named = |path: &PathBuf| !path.as_os_str().is_empty();
        global.inventory = global.inventory.filter(named);
        global.store = global.store.filter(named);
        Self {
            console,
            global,
            exposed: Arc::default(),
        }
    }

    /// Reads the inventory that is meant.
    pub(super) fn inventory(&self) -> Result<Inventory, VerbError> {
        let file = self.inventory_file()?;
        tracing::debug!(inventory = ?file);
        self.look("inventory", &file);
        let bytes = read(&file).map_err(|source| Error::Inventory {
            file: file.clone(),
            source,
        })?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            // Not more of it was read; a pipe has no size.
            let size = fs::metadata(&file).map_or(0, |facts| facts.len());
            return Err(Inventory::too_large(&file, size.max(bytes.len() as u64)).into());
        }
        let text = String::from_utf8(bytes).map_err(|_| Error::NotText { file: file.clone() })?;
        Ok(Inventory::parse(&text, &file)?)
    }

    fn inventory_file(&self) -> Result<PathBuf, VerbError> {
        if let Some(file) = &self.global.inventory {
            return Ok(file.clone());
        }
        let mut looked: Vec<PathBuf> = INVENTORY_FILES.iter().map(PathBuf::from).collect();
        if let Ok(base) = etcetera::choose_base_strategy() {
            looked.push(base.config_dir().join("fleet").join("fleet.yaml"));
        }
        match looked.iter().find(|file| file.is_file()) {
            Some(file) => Ok(file.clone()),
            None => Err(Error::NoInventory { looked }.into()),
        }
    }

    /// Where the store is: `--store`, else what the inventory says, else the user's data folder.
    pub(super) fn store_dir(&self, inventory: &Inventory) -> Result<PathBuf, VerbError> {
        if let Some(dir) = &self.global.store {
            return Ok(dir.clone());
        }
        if let Some(dir) = &inventory.store {
            let folder = inventory.file.parent().unwrap_or(Path::new(""));
            return Ok(folder.join(dir));
        }
        let base = etcetera::choose_base_strategy().map_err(|_| Error::NoHome {
            what: "the store",
            option: "--store DIR",
        })?;
        Ok(base.data_dir().join("fleet"))
    }

    /// Opens the store in `dir` for reading, and warns if other accounts can write it.
    pub(super) fn open_store(&self, dir: &Path) -> Result<Store, store::Error> {
        let store = Store::open(dir)?;
        self.look("store", dir);
        Ok(store)
    }

    /// Where it is recorded who writes to a host. Nothing is made yet.
    pub(super) fn audit(&self) -> Result<Audit, VerbError> {
        let named = std::env::var_os("FLEET_STATE");
        Ok(Audit::in_state(&audit::state_dir(named.as_deref())?))
    }

    /// Opens the store for reading. With `--store`, no inventory is needed.
    pub(super) fn store(&self) -> Result<Store, VerbError> {
        let dir = match &self.global.store {
            Some(dir) => dir.clone(),
            None => self.store_dir(&self.inventory()?)?,
        };
        tracing::debug!(store = ?dir);
        Ok(self.open_store(&dir)?)
    }

    /// Makes connections, and asks the operator where a terminal is there.
    pub(super) fn connector(&self, reporter: &Arc<Reporter>) -> Connector {
        let config = SshConfig {
            file: self.global.ssh_config.clone(),
        };
        let options = ssh::Options {
            prompter: ask::Terminal::of(&self.console, reporter),
            uses: Some(self.watch(reporter)),
            ..ssh::Options::default()
        };
        Connector::new(config, options)
    }

    /// Warns if other accounts can write `path`, which is the `what`.
    pub(super) fn look(&self, what: &str, path: &Path) {
        for warning in self.exposed.warnings(what, path) {
            self.console.warning(&warning);
        }
    }

    /// The same for the key and known_hosts files of connections.
    fn watch(&self, reporter: &Arc<Reporter>) -> ssh::Uses {
        let (console, exposed) = (Arc::clone(&self.console), Arc::clone(&self.exposed));
        let reporter = Arc::clone(reporter);
        Arc::new(move |what: &str, path: &Path| {
            let warnings = exposed.warnings(what, path);
            if !warnings.is_empty() {
                reporter.aside(|| warnings.iter().for_each(|warning| console.warning(warning)));
            }
        })
    }

    /// The hosts of `inventory`, and the way to each of them.
    pub(super) fn network(&self, inventory: Inventory, reporter: &Arc<Reporter>) -> Network {
        let connector = self.connector(reporter);
        Network {
            inventory,
            connector,
        }
    }

    /// Everything that a run works with. Makes the store if there is none.
    pub(super) fn workspace(
        &self,
        inventory: Inventory,
        reporter: &Arc<Reporter>,
    ) -> Result<Arc<Workspace>, VerbError> {
        let dir = self.store_dir(&inventory)?;
        tracing::debug!(store = ?dir);
        let store = Store::open_or_create(&dir)?;
        self.look("store", &dir);
        Ok(Arc::new(Workspace {
            network: self.network(inventory, reporter),
            store,
            wait: self.global.wait,
            clock: Arc::new(Timestamp::now),
        }))
    }
}

/// Reads a little more than an inventory may have, so that a too large one is seen.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?
        .take(FILE_MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Sends diagnostics to standard error, the more the more often `-v` was given.
pub(super) fn trace(verbose: u8) {
    let filter = match verbose {
        0 => return,
        1 => "warn,fleet=debug",
        2 => "debug,fleet=trace",
        _ => "trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

//! A long history in minutes: takes checkpoints whose stamps it is told, and prunes as the inventory
//! says.
//!
//!     history INVENTORY SSH_CONFIG STORE HOST
//!
//! Each line on standard input is a command, each answer is one line of JSON: `checkpoint TIME`
//! takes one as if it were that time, `prune` removes what the host's `keep` does not keep.
//! `benches/run history` changes the files, measures, and does the same with other tools.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fleet::checkpoint::CaptureOptions;
use fleet::engine::checkpoint::{self, Request};
use fleet::engine::{Network, Selection, Selector, Workspace};
use fleet::event::Sink;
use fleet::interrupt::Interrupt;
use fleet::inventory::{Inventory, Keep};
use fleet::manifest::Trigger;
use fleet::name::{CheckpointId, HostName, Stamp};
use fleet::ssh::{self, Connector, SshConfig};
use fleet::store::Store;
use jiff::Timestamp;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Bench {
    workspace: Arc<Workspace>,
    host: HostName,
    keep: Keep,
    // The clock is asked from the run's own threads.
    now: Arc<Mutex<Timestamp>>,
}

impl Bench {
    fn open(inventory: &Path, ssh_config: &Path, store: &Path, host: &str) -> Result<Self> {
        let inventory = Inventory::parse(&std::fs::read_to_string(inventory)?, inventory)?;
        let host: HostName = host.parse()?;
        let keep = inventory
            .hosts
            .iter()
            .find(|known| known.name == host)
            .ok_or("no such host")?
            .keep;
        let file = Some(ssh_config.to_owned());
        let connector = Connector::new(SshConfig { file }, ssh::Options::default());
        let now = Arc::new(Mutex::new(Timestamp::now()));
        let told = Arc::clone(&now);
        let workspace = Arc::new(Workspace {
            network: Network {
                inventory,
                connector,
            },
            store: Store::open_or_create(store)?,
            wait: None,
            clock: Arc::new(move || *told.lock().unwrap_or_else(PoisonError::into_inner)),
        });
        Ok(Self {
            workspace,
            host,
            keep,
            now,
        })
    }

    async fn checkpoint(&self, time: Timestamp) -> Result<serde_json::Value> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = time;
        let request = Request {
            selection: Selection {
                include: vec![Selector::Host(self.host.clone())],
                ..Selection::default()
            },
            options: CaptureOptions {
                description: String::new(),
                trigger: Trigger::Scheduled,
                only: Vec::new(),
                full: false,
                verify_unchanged: false,
                compression: None,
            },
            jobs: 1,
        };
        let silent: Sink = Arc::new(|_| {});
        let began = Instant::now();
        let outcome =
            checkpoint::run(&request, &self.workspace, &silent, &Interrupt::new()).await?;
        let seconds = began.elapsed().as_secs_f64();
        let [taken] = outcome.checkpoints.as_slice() else {
            return Err(format!("no checkpoint: {:?}", outcome.failed).into());
        };
        Ok(json!({
            "checkpoint": taken.id.to_string(),
            "state": taken.state().as_str(),
            "seconds": seconds,
            "packs": taken.packs.len(),
            "fetched_bytes": taken.fetched_bytes,
            "stored_bytes": taken.stored_bytes,
        }))
    }

    fn prune(&self) -> Result<serde_json::Value> {
        let began = Instant::now();
        let listing = self.workspace.store.checkpoints(&self.host)?;
        let ids: Vec<CheckpointId> = listing.checkpoints.into_iter().map(|c| c.id).collect();
        let kept = kept(&ids, &self.keep);
        let surplus = ids.iter().filter(|id| !kept.contains(id));
        let surplus: Vec<Stamp> = surplus.map(|id| id.stamp).collect();
        let mut lock = self
            .workspace
            .store
            .lock(&self.host, None, &Interrupt::new())?;
        let removed = lock.remove(&surplus)?;
        Ok(json!({
            "kept": kept.len(),
            "removed": removed.checkpoints.len(),
            "removed_packs": removed.packs.len(),
            "seconds": began.elapsed().as_secs_f64(),
        }))
    }
}

/// The last so many, and the last one in each of so many hours and days, as restic counts them.
fn kept<'a>(ids: &'a [CheckpointId], keep: &Keep) -> BTreeSet<&'a CheckpointId> {
    let period = |id: &CheckpointId, format: &str| id.stamp.time().strftime(format).to_string();
    let mut kept: BTreeSet<&CheckpointId> = BTreeSet::new();
    kept.extend(ids.iter().rev().take(keep.last as usize));
    for (number, format) in [(keep.hourly, "%Y%m%d%H"), (keep.daily, "%Y%m%d")] {
        let mut periods = BTreeSet::new();
        for id in ids.iter().rev() {
            if periods.len() < number as usize && periods.insert(period(id, format)) {
                kept.insert(id);
            }
        }
    }
    kept
}

fn run(words: &[String]) -> Result<()> {
    let [inventory, ssh_config, store, host] = words else {
        return Err("usage: history INVENTORY SSH_CONFIG STORE HOST".into());
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let bench = Bench::open(
        Path::new(inventory),
        Path::new(ssh_config),
        Path::new(store),
        host,
    )?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_once(' ') {
            Some(("checkpoint", time)) => runtime.block_on(bench.checkpoint(time.parse()?))?,
            None if line == "prune" => bench.prune()?,
            _ => return Err(format!("`checkpoint TIME` or `prune`, not `{line}`").into()),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "history: {error}"));
            ExitCode::FAILURE
        }
    }
}

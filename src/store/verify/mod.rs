//! Verifies a store: compares every stored byte with what was sealed, reading each pack once.
//!
//! Memory: 16 bytes for each member of the packs of one host; contents are streamed. Nothing is
//! mended and nothing is written here.

mod host;
mod members;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use self::host::Verify;
pub use self::report::{Level, Problem, Scope, VerifyProgress, VerifyReport};
use super::Error;
use super::Store;
use crate::name::{CheckpointId, HostName};
use crate::store::files::layout;

type Watch<'a> = &'a mut dyn FnMut(VerifyProgress<'_>) -> ControlFlow<()>;

impl Store {
    /// Compares what is stored with what was sealed.
    ///
    /// `watch` is called with the progress, at least once for each MiB read, and may end it. Damage is in
    /// the report and no error.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownHost`] and [`Error::UnknownCheckpoint`] for what is not there to be verified,
    /// [`Error::Stopped`] if `watch` ended it, [`Error::Io`] if the store can't be read.
    pub fn verify(
        &self,
        scope: &Scope,
        level: Level,
        watch: Watch<'_>,
    ) -> Result<VerifyReport, Error> {
        let mut verify = Verify {
            store: self,
            level,
            watch,
            done_bytes: 0,
            total_bytes: 0,
            files: 1,
            problems: BTreeMap::new(),
        };
        if let Some(problem) = self.store_file_problem()? {
            verify.problem(layout::STORE_FILE.to_owned(), problem, &[]);
        }
        let mut checked = 0;
        for (host, ids) in self.in_scope(scope)? {
            checked += ids.len() as u64;
            verify.host(&host, &ids)?;
        }
        let mut problems = Vec::new();
        for ((file, problem), (code, needed_by)) in verify.problems {
            let still_there = |id: &CheckpointId| layout::checkpoint_dir(self.dir(), id).exists();
            let checkpoints: Vec<CheckpointId> = needed_by
                .iter()
                .filter(|id| still_there(id))
                .cloned()
                .collect();
            // What only removed checkpoints miss was removed with them.
            if needed_by.is_empty() || !checkpoints.is_empty() {
                problems.push(Problem {
                    file,
                    code,
                    problem,
                    checkpoints,
                });
            }
        }
        Ok(VerifyReport {
            checked,
            files: verify.files,
            problems,
        })
    }

    fn in_scope(&self, scope: &Scope) -> Result<BTreeMap<HostName, BTreeSet<CheckpointId>>, Error> {
        let mut chosen: BTreeMap<HostName, BTreeSet<CheckpointId>> = BTreeMap::new();
        match scope {
            Scope::All => {
                for host in self.hosts()? {
                    let ids = self.ids(&host)?.into_iter().collect();
                    chosen.insert(host, ids);
                }
            }
            Scope::Some { hosts, checkpoints } => {
                for host in hosts {
                    let ids = self.ids(host)?;
                    if ids.is_empty() {
                        return Err(self.unknown_host(host)?);
                    }
                    chosen.entry(host.clone()).or_default().extend(ids);
                }
                for id in checkpoints {
                    if !layout::checkpoint_dir(self.dir(), id).is_dir() {
                        return Err(self.unknown_checkpoint(id)?);
                    }
                    chosen
                        .entry(id.host.clone())
                        .or_default()
                        .insert(id.clone());
                }
            }
        }
        Ok(chosen)
    }
}

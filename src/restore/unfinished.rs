//! Finds restores that are under way or unfinished on a host, and proves how they ended.

use std::collections::BTreeMap;

use super::Error;
use super::prove::facts_beneath;
use super::record::RestoreRecord;
use super::transaction::{State, Transaction};
use crate::guard::{ReadCommand, RestoreRoot};
use crate::manifest::FileType;
use crate::name::{RemotePath, RestoreId};
use crate::scan::result::STAGING_FOLDER;
use crate::ssh::{Input, ReadSession};
use crate::units::listing;

/// Records are small; a host has one or two of them.
const ANSWER_MAX_BYTES: usize = 16 << 20;

/// A restore that has begun on a host and has not ended.
#[derive(Debug)]
pub struct Unfinished {
    /// Its name.
    pub id: RestoreId,
    /// What the host keeps about it; none if that does not read.
    pub record: Option<RestoreRecord>,
    /// Its roots, by number.
    pub roots: Vec<UnfinishedRoot>,
    /// Everything is in place and proven: only the end is left.
    pub is_committed: bool,
    /// A script works for it right now.
    pub is_running: bool,
    /// Root began it.
    pub sudo: bool,
}

/// A root of a restore, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedRoot {
    /// Where it is.
    pub state: RootState,
    /// The number of its file system.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
}

/// The state of a root, as another run finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootState {
    /// A state of the transaction.
    At(State),
    /// There is no staging folder, or only its removal is left: nothing has to be done but that.
    Clean,
    /// It can't be entered, or its staging folder is somebody else's.
    Strange,
}

impl Unfinished {
    /// Asks the host, as root with `sudo`, else as the account that logged in.
    ///
    /// # Errors
    ///
    /// [`Error::Ssh`] if it does not answer.
    pub async fn find(session: &ReadSession, sudo: bool) -> Result<Vec<Self>, Error> {
        let command = ReadCommand::Restores { roots: Vec::new() };
        let answer = session
            .output(&command, sudo, Input::none(), ANSWER_MAX_BYTES)
            .await?;
        if answer.status != 0 {
            return Err(Error::Step {
                step: "restores",
                status: answer.status,
                said: answer.stderr.last_line(),
            });
        }
        Ok(parse(&String::from_utf8_lossy(&answer.stdout), sudo))
    }

    /// Whether everything that is new is there: it can be put in place.
    #[must_use]
    pub fn can_go_forward(&self) -> bool {
        let is_ready = |root: &UnfinishedRoot| match root.state {
            RootState::At(State::Ready | State::Going | State::Cleared | State::New) => true,
            RootState::At(State::Staging | State::Staged | State::Back | State::Old)
            | RootState::Clean
            | RootState::Strange => false,
        };
        let has_any = !self.roots.is_empty() || self.has_databases();
        self.is_committed || (has_any && self.roots.iter().all(is_ready))
    }

    /// Whether databases take another one's place.
    #[must_use]
    pub fn has_databases(&self) -> bool {
        let record = self.record.as_ref();
        record.is_some_and(|record| !record.databases.is_empty())
    }

    /// Whether any file of the host may be other than it was.
    #[must_use]
    pub fn may_have_changed(&self) -> bool {
        self.roots.iter().any(|root| match root.state {
            RootState::At(state) => state.may_have_changed(),
            RootState::Clean => false,
            RootState::Strange => true,
        })
    }

    /// Its transaction, to be gone on with.
    ///
    /// # Errors
    ///
    /// [`Error::Strange`] if a root is not what it was, or the record does not read.
    pub fn transaction(&self) -> Result<Transaction, Error> {
        let strange = |why: &str| Error::Strange {
            id: self.id.clone(),
            why: why.to_owned(),
        };
        let record = self
            .record
            .as_ref()
            .ok_or_else(|| strange("its record on the host does not read"))?;
        if record.roots.len() != self.roots.len() {
            return Err(strange("its record on the host is not whole"));
        }
        let both = || record.roots.iter().zip(&self.roots);
        let is_strange = |root: &UnfinishedRoot| root.state == RootState::Strange;
        let lost: Vec<&RemotePath> = both()
            .filter(|(_, root)| is_strange(root))
            .map(|(path, _)| path)
            .collect();
        if !lost.is_empty() {
            return Err(strange(&format!(
                "not what it was, or its staging folder is somebody else's: {}",
                listing(lost.len(), &lost)
            )));
        }
        let roots = both().map(|(path, root)| RestoreRoot {
            path: path.clone(),
            device: root.device,
            inode: root.inode,
        });
        Ok(Transaction {
            id: self.id.clone(),
            roots: roots.collect(),
            sudo: self.sudo,
        })
    }
}

fn parse(text: &str, sudo: bool) -> Vec<Unfinished> {
    let mut found: Vec<Unfinished> = Vec::new();
    let mut records: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if line.starts_with(' ') {
            let bytes = words
                .iter()
                .filter_map(|word| u8::from_str_radix(word, 16).ok());
            if let Some(last) = found.len().checked_sub(1) {
                records.entry(last).or_default().extend(bytes);
            }
            continue;
        }
        match (words.as_slice(), found.last_mut()) {
            (["record", id, ..], _) => {
                if let Ok(id) = id.parse() {
                    found.push(Unfinished {
                        id,
                        record: None,
                        roots: Vec::new(),
                        is_committed: false,
                        is_running: false,
                        sudo,
                    });
                }
            }
            (["root", _, state, device, inode, ..], Some(last)) => {
                last.roots.push(UnfinishedRoot {
                    state: root_state(state),
                    device: device.parse().unwrap_or(0),
                    inode: inode.parse().unwrap_or(0),
                });
            }
            // Where it was when the restore began. Devices get other numbers when a host restarts.
            (["place", _, _, inode], Some(last)) => {
                if let Some(root) = last.roots.last_mut()
                    && inode.parse() != Ok(root.inode)
                {
                    root.state = RootState::Strange;
                }
            }
            (["committed"], Some(last)) => last.is_committed = true,
            (["running", ..], Some(last)) => last.is_running = true,
            _ => {}
        }
    }
    for (index, text) in records {
        let unfinished = &mut found[index];
        unfinished.record = RestoreRecord::parse(&text).filter(|record| record.id == unfinished.id);
    }
    found
}

fn root_state(word: &str) -> RootState {
    match (State::named(word), word) {
        (Some(state), _) => RootState::At(state),
        (None, "none" | "over") => RootState::Clean,
        (None, "bare") => RootState::At(State::Staging),
        (None, _) => RootState::Strange,
    }
}

/// Which of the two states a host was brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Everything is in place.
    Forward,
    /// Everything is as it was.
    Back,
}

/// Proves that what the staging folders hold for `way` is what is in place: the same inodes.
///
/// # Errors
///
/// [`Error::Unproven`] names what is not; [`Error::Ssh`] and [`Error::Ground`] if the host can't be looked at.
pub async fn prove(
    transaction: &Transaction,
    way: Way,
    session: &ReadSession,
) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for root in &transaction.roots {
        let root = &root.path;
        let folders: &[&[u8]] = match way {
            Way::Forward => &[b"new", b"lnew"],
            Way::Back => &[b"old", b"lold"],
        };
        let kept = facts_beneath(vec![root.clone()], transaction.sudo, session).await?;
        for folder in folders {
            let folder = root.join(&[STAGING_FOLDER, *folder].join(&b'/'));
            let Ok(folder) = folder else { continue };
            for (path, staged) in kept.iter().filter(|(path, _)| path.is_within(&folder)) {
                let place = path
                    .relative_to(&folder)
                    .filter(|relative| !relative.is_empty())
                    .and_then(|relative| root.join(relative).ok());
                let Some(place) = place else { continue };
                if staged.kind == FileType::Directory {
                    continue;
                }
                let is_same = kept.get(&place).is_some_and(|now| {
                    now.kind == staged.kind && now.mark.inode == staged.mark.inode
                });
                if !is_same {
                    wrong.push(place);
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.sort();
    Err(Error::Unproven { paths: wrong })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restore::services::ServiceRecord;

    #[test]
    fn what_a_host_lists_is_read() {
        let record = RestoreRecord {
            id: "0123456789ab".parse().expect("an ID"),
            checkpoint: "dev-vm@20261121T101500Z".parse().expect("a name"),
            host: "dev-vm".parse().expect("a name"),
            safety: "dev-vm@20261121T101600Z".parse().expect("a name"),
            plan: "sha256:00".to_owned(),
            roots: vec!["/a".parse().expect("a path"), "/b".parse().expect("a path")],
            services: ServiceRecord::default(),
            databases: Vec::new(),
        };
        let hex: String = record
            .to_text()
            .iter()
            .map(|b| format!(" {b:02x}"))
            .collect();
        let text = format!(
            "record 0123456789ab root 700\n{hex}\nroot 0 going 5 7 root 700 0123456789ab\nplace 0 5 7\n\
             root 1 none 5 9 - - -\nplace 1 4 9\nrunning 77\nrecord nonsense root 700\n"
        );
        let found = parse(&text, true);
        assert_eq!(found.len(), 1);
        let unfinished = &found[0];
        assert_eq!(unfinished.record, Some(record));
        assert!(unfinished.is_running && unfinished.may_have_changed());
        assert!(!unfinished.can_go_forward());
        let transaction = unfinished.transaction().expect("a transaction");
        let places: Vec<(u64, u64)> = transaction
            .roots
            .iter()
            .map(|root| (root.device, root.inode))
            .collect();
        assert_eq!(places, [(5, 7), (5, 9)]);
        // Another directory is in the place of a root.
        let moved = parse(&text.replace("place 0 5 7", "place 0 5 8"), true);
        assert!(matches!(moved[0].transaction(), Err(Error::Strange { .. })));
        let cut = parse(
            &text.replace("root 1 none 5 9 - - -\nplace 1 4 9\n", ""),
            true,
        );
        assert!(matches!(cut[0].transaction(), Err(Error::Strange { .. })));
    }
}

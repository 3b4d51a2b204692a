//! Drives the transaction on the host: begins it, stages archives, and takes all roots from state to state.

use std::io::Seek;
use std::sync::Arc;

use super::error::Error;
use super::stage::Archive;
use crate::guard::{
    Compression, RestoreRoot, RestoreTools, Transaction as Command, TransactionStep, WriteCommand,
};
use crate::name::{RemotePath, RestoreId};
use crate::ssh::{Input, Output, WriteSession};

/// Answers are a line for each root.
const ANSWER_MAX_BYTES: usize = 4 << 20;

/// What tools say when a disk is full, has no inodes left, or the account has used what it may. They run in
/// the locale `C`.
const NO_SPACE: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// The exit status of a step that somebody else's restore is in the way of.
const BUSY: u32 = 10;

/// A transaction that has begun on the host.
#[derive(Debug)]
#[must_use = "its staging folders stay on the host until it is done"]
pub struct Transaction {
    /// Its name.
    pub id: RestoreId,
    /// The roots, each identified by device and inode.
    pub roots: Vec<RestoreRoot>,
    /// Whether its commands run as root.
    pub sudo: bool,
}

/// Where a root is between what was and what will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Something is being staged. Nothing of the root has changed.
    Staging,
    /// Everything is staged.
    Staged,
    /// What will be replaced is kept.
    Ready,
    /// Some may be in place.
    Going,
    /// What was in the way is gone, some may be in place.
    Cleared,
    /// Everything is in place.
    New,
    /// Some may be back.
    Back,
    /// Everything is as it was.
    Old,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Staging,
        Self::Staged,
        Self::Ready,
        Self::Going,
        Self::Cleared,
        Self::New,
        Self::Back,
        Self::Old,
    ];

    /// The word for it on the host.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Staged => "staged",
            Self::Ready => "ready",
            Self::Going => "going",
            Self::Cleared => "cleared",
            Self::New => "new",
            Self::Back => "back",
            Self::Old => "old",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether anything of the root may have changed.
    #[must_use]
    pub fn may_have_changed(self) -> bool {
        !matches!(self, Self::Staging | Self::Staged | Self::Ready)
    }
}

impl Transaction {
    /// Makes the record and the staging folder of each root: from here on the host knows of the restore.
    ///
    /// # Errors
    ///
    /// [`Error::Step`] if somebody else is at it, or the folders can't be made; nothing is left then but
    /// what names `id`.
    pub async fn begin(
        session: &WriteSession,
        sudo: bool,
        id: RestoreId,
        (roots, tools): (Vec<RemotePath>, RestoreTools),
        record: Vec<u8>,
    ) -> Result<Self, Error> {
        let count = roots.len();
        let command = Command::Begin {
            id: id.clone(),
            roots: roots.clone(),
            tools,
        };
        let input = Input::bytes(record);
        let answer = run(session, (command, "begin"), &roots, sudo, input).await?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let told: Vec<(u64, u64)> = text.lines().filter_map(numbers).collect();
        if told.len() != count {
            return Err(Error::Answer {
                step: "begin",
                answer: crate::name::escape(&answer.stdout),
            });
        }
        let roots = roots.into_iter().zip(told);
        let roots = roots.map(|(path, (device, inode))| RestoreRoot {
            path,
            device,
            inode,
        });
        Ok(Self {
            id,
            roots: roots.collect(),
            sudo,
        })
    }

    /// Extracts an archive in the staging folder of a root.
    ///
    /// # Errors
    ///
    /// [`Error::Step`] if the host can't take it, as when its disk is full.
    pub async fn stage(
        &self,
        session: &WriteSession,
        root: &RestoreRoot,
        archive: &Archive,
        compression: Compression,
    ) -> Result<(), Error> {
        let command = Command::Stage {
            id: self.id.clone(),
            root: root.clone(),
            compression,
        };
        let file = archive.file.try_clone().map_err(Error::Spool)?;
        let file = Arc::new(file);
        let input = Input::stream(archive.length_bytes, move || {
            let mut file = file.try_clone()?;
            file.rewind()?;
            Ok(tokio::fs::File::from_std(file))
        });
        let roots = std::slice::from_ref(&root.path);
        run(session, (command, "stage"), roots, self.sudo, input).await?;
        Ok(())
    }

    /// Takes all roots through `step`. Gives the state of each.
    ///
    /// # Errors
    ///
    /// [`Error::Step`] if the host could not; what has changed is undone by [`TransactionStep::Back`].
    pub async fn step(
        &self,
        session: &WriteSession,
        step: TransactionStep,
    ) -> Result<Vec<State>, Error> {
        let command = Command::Step {
            id: self.id.clone(),
            roots: self.roots.clone(),
            step,
        };
        let command = (command, step.as_str());
        let roots: Vec<RemotePath> = self.roots.iter().map(|root| root.path.clone()).collect();
        let answer = run(session, command, &roots, self.sudo, Input::none()).await?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let states = text.lines().filter_map(|line| {
            let mut words = line.strip_prefix("at ")?.split(' ');
            State::named(words.nth(1)?)
        });
        Ok(states.collect())
    }
}

/// The numbers of a line `root DEVICE INODE`.
fn numbers(line: &str) -> Option<(u64, u64)> {
    let mut words = line.strip_prefix("root ")?.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

async fn run(
    session: &WriteSession,
    (command, step): (Command, &'static str),
    roots: &[RemotePath],
    sudo: bool,
    input: Input,
) -> Result<Output, Error> {
    let command = WriteCommand::Transaction(command);
    let answer = session
        .output(&command, sudo, input, ANSWER_MAX_BYTES)
        .await?;
    if answer.status == 0 {
        return Ok(answer);
    }
    let said = answer.stderr.last_line();
    if answer.status == BUSY {
        return Err(Error::Busy { said });
    }
    let status = answer.status;
    let text = answer.stderr.to_bytes();
    let text = String::from_utf8_lossy(&text);
    let is_full = |line: &&str| NO_SPACE.iter().any(|words| line.contains(words));
    let Some(line) = text.lines().find(is_full) else {
        return Err(Error::Step { step, status, said });
    };
    // A tool that names the root knows better than the list of all.
    let is_named = |root: &&RemotePath| line.contains(&root.to_string());
    let named: Vec<RemotePath> = roots.iter().filter(is_named).cloned().collect();
    Err(Error::NoSpace {
        step,
        said: crate::name::escape(line.as_bytes()),
        roots: if named.is_empty() {
            roots.to_vec()
        } else {
            named
        },
    })
}

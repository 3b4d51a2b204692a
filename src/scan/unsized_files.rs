//! Files whose size says nothing about their content: those of `/proc` and `/sys`, and files of FUSE
//! file systems that report no size. tar would store them empty or as zeros. They are read to their
//! end instead, at every checkpoint, for nothing tells whether they changed.

use std::mem;

use crate::fault::{Code, Fault, Problem};
use crate::guard::ReadCommand;
use crate::manifest::FileType;
use crate::name::RemotePath;
use crate::source::mounts::{Mount, Mounts};
use crate::source::reading::Parser;
use crate::source::scan::{Facts, Found};
use crate::ssh::{self, Input, ReadSession};

use crate::scan::directory::is_lost;
use crate::source::lines::FILE_MAX_BYTES;
use crate::units::{NAMED_MAX, listing};

/// Their contents are held in memory until they are written.
const TOTAL_MAX_BYTES: u64 = 64 << 20;

/// Each takes the host a few processes.
const FILES_MAX: usize = 10_000;

/// A file without blocks is no hole up to this size: some file systems keep small files with their
/// metadata.
const INLINE_MAX_BYTES: u64 = 64 << 10;

/// A file and all of its content.
#[derive(Debug)]
pub(crate) struct ReadFile {
    pub(crate) found: Found,
    pub(crate) content: Vec<u8>,
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// By path.
    pub(crate) read: Vec<ReadFile>,
    /// Why not all of them are there.
    pub(crate) failure: Option<Problem>,
    /// The end of the connection.
    pub(crate) lost: Option<ssh::Error>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{count} {} can't be read to {} end: {}", plural(*count, "file"), if *count == 1 { "its" } else { "their" }, listing(*count, first))]
    Unread {
        count: usize,
        first: Vec<RemotePath>,
    },
    #[error("{} files that report no size are more than {FILES_MAX}", count)]
    TooMany { count: usize },
    #[error("files that report no size have more than 64 MiB, up to {path}")]
    TooMuch { path: RemotePath },
    #[error("the host can't send files that report no size: {said}")]
    Answer { said: String },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Unread { .. } => Code::Unreadable,
            Self::TooMany { .. } | Self::TooMuch { .. } => Code::LimitExceeded,
            Self::Answer { .. } => Code::ToolMissing,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unread { .. } => "Name the files that you need, or leave out the others with `exclude`: some files of /proc and /sys can't be read, or have no end.".to_owned(),
            Self::TooMany { .. } | Self::TooMuch { .. } => "Name the files that you need, as in `files: /proc/cmdline`.".to_owned(),
            Self::Answer { .. } => "This requires `head`, `od` and `xargs` on the host; without them, leave the files out with `exclude`.".to_owned(),
        })
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        noun.to_owned()
    } else {
        format!("{noun}s")
    }
}

/// Takes the files out of `found` whose size says nothing about their content.
pub(crate) fn take(found: &mut Vec<Found>, mounts: &Mounts) -> Vec<Found> {
    let is_unsized = |facts: &Facts, path: &RemotePath| {
        facts.kind == FileType::File
            && facts.blocks == 0
            // Block devices hold none of them.
            && is_anonymous(facts.mark.device)
            && mounts.of(path).is_some_and(|mount| {
                mount.is_made_up() || (mount.is_fuse() && facts.mark.size_bytes == 0)
            })
    };
    let taken = found.extract_if(.., |found| {
        let facts = found.facts.as_ref();
        facts.is_some_and(|facts| is_unsized(facts, &found.path))
    });
    taken.collect()
}

/// Linux numbers file systems that are on no device with the major number 0.
fn is_anonymous(device: u64) -> bool {
    (device >> 8) & 0xfff == 0 && device >> 44 == 0
}

/// Whether a file may have content although it reports no blocks: `tar --sparse` takes it for a hole.
pub(crate) fn lacks_blocks(found: &Found, mounts: &Mounts) -> bool {
    found.facts.as_ref().is_some_and(|facts| {
        facts.kind == FileType::File
            && facts.blocks == 0
            && facts.mark.size_bytes > 0
            && (facts.mark.size_bytes <= INLINE_MAX_BYTES
                || !mounts.of(&found.path).is_some_and(Mount::counts_blocks))
    })
}

/// Reads `files`, which are sorted by path, to their ends.
///
/// # Cancel
///
/// Dropping the future leaves nothing behind.
pub(crate) async fn read(files: Vec<Found>, sudo: bool, session: &ReadSession) -> Outcome {
    let mut outcome = Outcome::default();
    if files.is_empty() {
        return outcome;
    }
    if files.len() > FILES_MAX {
        outcome.failure = Some(Problem::of_part(&Error::TooMany { count: files.len() }));
        return outcome;
    }
    match try_read(files, sudo, session, &mut outcome.read).await {
        Ok(None) => {}
        Ok(Some(error)) => outcome.failure = Some(Problem::of_part(&error)),
        Err(error) => {
            outcome.failure = Some(Problem::of_part(&error));
            outcome.lost = Some(error).filter(is_lost);
        }
    }
    outcome
}

async fn try_read(
    files: Vec<Found>,
    sudo: bool,
    session: &ReadSession,
    read: &mut Vec<ReadFile>,
) -> Result<Option<Error>, ssh::Error> {
    let mut list = Vec::new();
    for found in &files {
        list.extend_from_slice(found.path.as_bytes());
        list.push(0);
    }
    let mut running = session
        .run(&ReadCommand::Read, sudo, Input::bytes(list))
        .await?;
    let (mut parser, mut done) = (Parser::default(), Vec::new());
    let (mut files, mut unread, mut total_bytes) = (files.into_iter(), Vec::new(), 0);
    while let Some(bytes) = running.next().await {
        if let Err(error) = parser.feed(&bytes?, &mut done) {
            running.stop().await;
            let said = error.to_string();
            return Ok(Some(Error::Answer { said }));
        }
        for reading in mem::take(&mut done) {
            let Some(found) = files.next() else {
                running.stop().await;
                let said = "it sent more than was asked for".to_owned();
                return Ok(Some(Error::Answer { said }));
            };
            let length = reading.content.len() as u64;
            total_bytes += length;
            if reading.is_whole && length <= FILE_MAX_BYTES {
                let content = reading.content;
                read.push(ReadFile { found, content });
            } else {
                unread.push(found.path);
            }
        }
        if total_bytes + parser.pending_bytes() > TOTAL_MAX_BYTES + FILE_MAX_BYTES {
            running.stop().await;
            let path = files.next().map(|found| found.path).or(unread.pop());
            return Ok(path.map(|path| Error::TooMuch { path }));
        }
    }
    let exit = running.finish().await?;
    if files.len() > 0 {
        let said = exit.stderr.last_line();
        let said = said.unwrap_or_else(|| format!("it exited with {}", exit.status));
        return Ok(Some(Error::Answer { said }));
    }
    let count = unread.len();
    unread.truncate(NAMED_MAX);
    let first = unread;
    Ok((count > 0).then_some(Error::Unread { count, first }))
}

#[cfg(test)]
mod tests;

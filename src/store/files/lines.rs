//! Searches the lines of an entries file for a path without reading all of them.
//!
//! Lines come in path order and begin with their path as [`serde_json`] writes it. Where that path has
//! no escapes, its bytes are compared as they are there, and a line that nobody asked for is never
//! parsed; every other line is, so that nothing depends on how it was written.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::change::Listed;
use crate::disk;
use crate::manifest::Entry;
use crate::name::RemotePath;
use crate::store::Error;
use crate::store::files::entries::{check, open_stored};
use crate::store::record::checkpoint::EntriesFacts;
use crate::store::record::entry::{EntryRecord, remote_path};

/// Longer than any line: a path has at most a few KiB, and is in it three times.
const LINE_MAX_BYTES: u64 = 16 * 1024 * 1024;
const PLAIN_BEGINNING: &[u8] = br#"{"path":""#;

/// The lines of one entries file, which was compared with its digest.
pub(in crate::store) struct Lines {
    shown: Arc<str>,
    lines: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    left: u64,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("file", &self.shown)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens the file at `path`, which messages call `shown`, after comparing it with `facts`.
    pub(in crate::store) fn open(
        path: &Path,
        shown: &str,
        facts: &EntriesFacts,
    ) -> Result<Self, Error> {
        let mut file = open_stored(path, shown)?;
        let (sha256, stored_bytes) = disk::digest(&file).map_err(Error::io("read", path))?;
        check(shown, facts.file, sha256, stored_bytes)?;
        file.rewind().map_err(Error::io("read", path))?;
        let decoder = zstd::Decoder::new(file).map_err(Error::io("read", path))?;
        Ok(Self {
            shown: shown.into(),
            lines: BufReader::new(decoder),
            left: facts.records,
        })
    }

    /// Puts the next line in place of what is in `line`; false at the end.
    pub(in crate::store) fn read(&mut self, line: &mut Vec<u8>) -> Result<bool, Error> {
        line.clear();
        let length = (&mut self.lines)
            .take(LINE_MAX_BYTES)
            .read_until(b'\n', line)
            .map_err(|e| self.damaged(e))?;
        if length == 0 {
            return match self.left {
                0 => Ok(false),
                left => Err(self.damaged(format_args!("it ends {left} entries early"))),
            };
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return Err(self.damaged("it has more entries than were sealed")),
        }
        Ok(true)
    }

    /// Puts the first line that is not before `path` in place of what is in `line`; false if there
    /// is none.
    pub(in crate::store) fn read_from(
        &mut self,
        path: &RemotePath,
        line: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        while self.read(line)? {
            if *path_of(&self.shown, line)? >= *path.as_bytes() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the line says.
    pub(in crate::store) fn entry(&self, line: &[u8]) -> Result<Entry, Error> {
        entry_of(&self.shown, line)
    }

    fn damaged(&self, problem: impl fmt::Display) -> Error {
        Error::damaged(&*self.shown, problem.to_string())
    }
}

/// An entry that is only known by its path so far.
#[derive(Debug)]
pub(in crate::store) struct Line {
    shown: Arc<str>,
    path: RemotePath,
    text: Vec<u8>,
}

impl Line {
    /// What it says.
    pub(in crate::store) fn entry(&self) -> Result<Entry, Error> {
        entry_of(&self.shown, &self.text)
    }
}

/// Two lines that read the same say the same.
impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Listed for Line {
    fn path(&self) -> &RemotePath {
        &self.path
    }
}

/// The lines at `root` and beneath it, or all of them. Ends after the first error.
#[derive(Debug)]
pub(in crate::store) struct LinesWithin {
    lines: Option<Lines>,
    root: Option<RemotePath>,
    begun: bool,
}

impl LinesWithin {
    /// No lines at all where there is no file.
    pub(in crate::store) fn new(lines: Option<Lines>, root: Option<RemotePath>) -> Self {
        Self {
            lines,
            root,
            begun: false,
        }
    }

    fn read(&mut self) -> Result<Option<Line>, Error> {
        let Some(lines) = &mut self.lines else {
            return Ok(None);
        };
        let mut text = Vec::new();
        loop {
            let found = match &self.root {
                Some(root) if !self.begun => lines.read_from(root, &mut text)?,
                Some(_) | None => lines.read(&mut text)?,
            };
            self.begun = true;
            if !found {
                return Ok(None);
            }
            let path = RemotePath::from_bytes(path_of(&lines.shown, &text)?)
                .map_err(|e| lines.damaged(e))?;
            match &self.root {
                // `/a-b` is between `/a` and `/a/c`.
                Some(root) if !path.is_within(root) => {
                    if !path.as_bytes().starts_with(root.as_bytes()) {
                        return Ok(None);
                    }
                }
                Some(_) | None => {
                    return Ok(Some(Line {
                        shown: Arc::clone(&lines.shown),
                        path,
                        text,
                    }));
                }
            }
        }
    }
}

impl Iterator for LinesWithin {
    type Item = Result<Line, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if !matches!(read, Some(Ok(_))) {
            self.lines = None;
        }
        read
    }
}

fn entry_of(shown: &str, line: &[u8]) -> Result<Entry, Error> {
    let damaged = |problem: &dyn fmt::Display| Error::damaged(shown, problem.to_string());
    let record: EntryRecord = serde_json::from_slice(line).map_err(|e| damaged(&e))?;
    Entry::try_from(record).map_err(|e| damaged(&e))
}

/// The path that a line is about.
fn path_of<'l>(shown: &str, line: &'l [u8]) -> Result<Cow<'l, [u8]>, Error> {
    if let Some(path) = plain_path(line) {
        return Ok(Cow::Borrowed(path));
    }
    #[derive(Deserialize)]
    struct PathRecord {
        path: Option<String>,
        path_b64: Option<String>,
    }
    let record: PathRecord =
        serde_json::from_slice(line).map_err(|e| Error::damaged(shown, e.to_string()))?;
    remote_path("path", record.path, record.path_b64)
        .map(|path| Cow::Owned(path.as_bytes().to_vec()))
        .map_err(|e| Error::damaged(shown, e.to_string()))
}

/// The same, where it is at the beginning and holds nothing that JSON escapes.
fn plain_path(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(PLAIN_BEGINNING)?;
    let end = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\'))?;
    (rest[end] == b'"').then_some(&rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_line_is_found_however_it_is_written() {
        for (line, path) in [
            (r#"{"path":"/a b","type":"file"}"#, &b"/a b"[..]),
            (r#"{"path":"/a\n\"\\","type":"file"}"#, b"/a\n\"\\"),
            (r#"{"path_b64":"L/8=","type":"file"}"#, b"/\xff"),
            (r#"{ "type":"file", "path":"/a" }"#, b"/a"),
            (r#"{"path":"/größe","type":"file"}"#, "/größe".as_bytes()),
        ] {
            let found = path_of("x", line.as_bytes()).expect("a path");
            assert_eq!(&*found, path, "{line}");
        }
    }

    #[test]
    fn a_line_without_a_path_is_damage() {
        for line in [
            "",
            "{",
            r#"{"path":"/a"#,
            r#"{"type":"file"}"#,
            r#"{"path":"\/..","type":"file"}"#,
        ] {
            assert!(
                matches!(path_of("x", line.as_bytes()), Err(Error::Damaged { file, .. }) if file == "x"),
                "{line}"
            );
        }
    }
}

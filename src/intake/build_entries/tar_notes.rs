//! tar's messages on its standard error, sorted by entry.

use std::collections::{HashMap, HashSet};

use crate::name::{RemotePath, escape};
use crate::source::notes::Note;

/// tar's messages, sorted by entry.
#[derive(Default)]
pub(super) struct Said {
    pub(super) gone: HashSet<RemotePath>,
    pub(super) changed: HashSet<RemotePath>,
    pub(super) shrank: HashSet<RemotePath>,
    pub(super) bare: HashSet<RemotePath>,
    /// It was built without extended attributes, so that it sends none.
    pub(super) lacks_attributes: bool,
    pub(super) unread: HashMap<RemotePath, String>,
    pub(super) others: Vec<String>,
    /// Not all that it said was kept: any entry may have changed while it was read.
    pub(super) dropped_bytes: u64,
}

impl Said {
    pub(super) fn of(notes: Vec<Note>) -> Self {
        let mut said = Self::default();
        for note in notes {
            let unread = match note {
                Note::Vanished(path) => {
                    said.gone.insert(path);
                    continue;
                }
                Note::Changed(path) => {
                    said.changed.insert(path);
                    continue;
                }
                Note::Shrank(path) => {
                    said.shrank.insert(path);
                    continue;
                }
                Note::Attributes(path, why) => {
                    tracing::debug!(%path, why, "attributes can't be read");
                    said.bare.insert(path);
                    continue;
                }
                Note::Other(text) if text.ends_with("XATTR support is not available") => {
                    said.lacks_attributes = true;
                    continue;
                }
                Note::Dropped(bytes) => {
                    said.dropped_bytes += bytes;
                    continue;
                }
                Note::Other(text) => {
                    said.others.push(escape(text.as_bytes()));
                    continue;
                }
                Note::Denied(path) => (path, "permission denied".to_owned()),
                Note::TooLong(path) => (path, "its name is too long".to_owned()),
                Note::Unread(path, why) => (path, escape(why.as_bytes())),
            };
            said.unread.insert(unread.0, unread.1);
        }
        said
    }
}

//! The entries of a part, on their way into the store: what is taken over from an earlier checkpoint
//! and what is new, merged in path order.

use std::iter::Peekable;

use crate::manifest::Entry;
use crate::name::SourceName;
use crate::store::{self, Incoming, WrittenEntries};

use super::part::Content;

/// Writes the entries of `part`; none if there are none. Where nothing changed, the earlier checkpoint's
/// file serves this one as well. Blocking; takes the memory of one entry beside what is new.
///
/// # Errors
///
/// [`store::Error`] if they can't be written, or if what is taken over can't be read any more.
pub(super) fn write(
    incoming: &Incoming,
    part: &SourceName,
    content: Content,
) -> Result<Option<WrittenEntries>, store::Error> {
    if content.is_empty() {
        return Ok(None);
    }
    if content.is_unchanged()
        && let Some(kept) = &content.kept
    {
        return incoming.share_entries(part, &kept.base).map(Some);
    }
    let mut writer = incoming.entries(part)?;
    let mut fresh = content.fresh.into_iter().peekable();
    if let Some(kept) = content.kept {
        let mut records = kept.entries.iter().map(|entry| entry.record).peekable();
        for (record, entry) in kept.base.entries(part)?.enumerate() {
            let entry = entry?;
            if records.next_if_eq(&record).is_none() {
                continue;
            }
            while let Some(before) = next_before(&mut fresh, &entry) {
                writer.append(&before)?;
            }
            writer.append(&entry)?;
        }
    }
    for entry in fresh {
        writer.append(&entry)?;
    }
    writer.finish().map(Some)
}

fn next_before(fresh: &mut Peekable<impl Iterator<Item = Entry>>, entry: &Entry) -> Option<Entry> {
    fresh.next_if(|next| next.path < entry.path)
}

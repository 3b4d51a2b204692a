//! Writes the entries of a part into the store: what is taken over from an earlier checkpoint and what is
//! new, merged in path order.

use crate::name::SourceName;
use crate::store::{self, Incoming, WrittenEntries};

use crate::intake::part::Content;

/// What of files was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Files {
    /// All.
    Whole,
    /// Just lines.
    Extracts,
}

/// Writes the entries of `part`; none if there are none. Where nothing changed, the earlier checkpoint's
/// file serves this one as well. Blocking; takes the memory of one entry beside what is new.
///
/// # Errors
///
/// [`store::Error`] if they can't be written, or if what is taken over can't be read any more.
pub(crate) fn write(
    incoming: &Incoming,
    part: &SourceName,
    kind: Files,
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
    if kind == Files::Extracts {
        writer = writer.of_extracts();
    }
    let mut fresh = content.fresh.into_iter().peekable();
    if let Some(kept) = content.kept {
        let mut taken = kept.entries.iter().peekable();
        let mut lines = kept.base.entry_lines(part)?;
        for record in 0.. {
            if !lines.advance()? {
                break;
            }
            let Some(entry) = taken.next_if(|kept| kept.record == record) else {
                continue;
            };
            while let Some(before) = fresh.next_if(|next| next.path < entry.path) {
                writer.append(&before)?;
            }
            match entry.moved_to {
                // Most entries go from file to file as they are.
                None => {
                    let pack = entry.place.map(|place| &kept.packs[place.pack]);
                    writer.copy(&lines, &entry.path, entry.file_bytes(), pack)?;
                }
                Some(offset_bytes) => {
                    let mut moved = lines.entry()?;
                    for piece in &mut moved.content {
                        piece.pack = incoming.pack_name(part);
                        piece.offset_bytes = offset_bytes;
                    }
                    writer.append(&moved)?;
                }
            }
        }
    }
    for entry in fresh {
        writer.append(&entry)?;
    }
    writer.finish().map(Some)
}

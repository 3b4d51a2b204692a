//! Renders the history of one path for `fleet log`.

use super::change::{counts, details, style};
use super::times::file_time;
use crate::change::Change;
use crate::manifest::Entry;
use crate::report::Table;
use crate::store::Moment;
use crate::units::size;

/// Digits of a digest that tell contents apart.
const DIGEST_DIGITS: usize = 12;

/// A line for each checkpoint in which the path changed.
#[must_use]
pub fn table(moments: &[Moment]) -> String {
    let mut table = Table::new(&[
        "CHECKPOINT",
        "CHANGE",
        "PART",
        "SIZE",
        "SHA256",
        "MTIME",
        "DETAILS",
        "DESCRIPTION",
    ])
    .right(3);
    for moment in moments {
        let change = moment.change.as_ref();
        let entry = change.map(Change::latest);
        let digest = entry.and_then(Entry::file_sha256);
        let beneath = counts(&moment.beneath);
        let what = match change {
            _ if !beneath.is_empty() => format!("beneath: {beneath}"),
            // Of a file that came or went, size and digest have columns of their own.
            Some(change) if digest.is_none() || !change.differs().is_empty() => details(change),
            Some(_) | None => String::new(),
        };
        table.row(
            style(moment.kind),
            [
                moment.checkpoint.to_string(),
                moment.kind.as_str().to_owned(),
                moment.part.to_string(),
                entry
                    .and_then(Entry::file_bytes)
                    .map(size)
                    .unwrap_or_default(),
                digest
                    .map(|digest| digest.to_string()[..DIGEST_DIGITS].to_owned())
                    .unwrap_or_default(),
                entry
                    .map(|entry| file_time(entry.mtime))
                    .unwrap_or_default(),
                what,
                moment.description.clone(),
            ],
        );
    }
    table.shown()
}

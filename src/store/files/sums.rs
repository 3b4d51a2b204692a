//! `SHA256SUMS`: the digests of a checkpoint's files and of every pack it needs, for `sha256sum -c`.
//!
//! The text follows from `checkpoint.json` alone, so that any other byte in it is found. `facts.json` is not in
//! it: earlier versions of fleet, which do not know that file, make the text anew and compare. Its digest in
//! `checkpoint.json` protects it.

use std::fmt::Write;

use crate::digest::Sha256;
use crate::store::files::layout;
use crate::store::record::checkpoint::Sealed;

/// The whole text, given the bytes of `checkpoint.json`.
pub(in crate::store) fn text(record: &[u8], sealed: &Sealed) -> String {
    let mut text = String::new();
    let own = (layout::CHECKPOINT_FILE.to_owned(), Sha256::of(record));
    let others = sealed
        .files()
        .into_iter()
        .filter(|(file, _)| file != layout::FACTS_FILE)
        .map(|(file, facts)| (file, facts.sha256));
    for (file, sha256) in std::iter::once(own).chain(others) {
        // Names of hosts, stamps and sources need no escaping, in no tool.
        writeln!(text, "{sha256}  {file}").expect("strings take all text");
    }
    text
}

/// The lines that read, of a text that nothing vouches for.
pub(in crate::store) fn parse(text: &[u8]) -> Vec<(String, Sha256)> {
    String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| {
            let (sha256, file) = line.split_once("  ")?;
            Some((file.to_owned(), sha256.parse().ok()?))
        })
        .collect()
}

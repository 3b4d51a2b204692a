//! `fleet-store.json`: format and version of the store.
//!
//! A check value over name and version distinguishes a flipped byte from a store of a newer fleet. The text
//! is fixed, so that any other byte in it is found, and one line, so that a hint can show it.

use serde::Deserialize;

use crate::digest::Sha256;

/// The format's name.
const FORMAT: &str = "fleet-store";
/// The newest version of the layout that this program reads and writes.
pub(in crate::store) const VERSION: u64 = 1;

#[derive(Deserialize)]
struct StoreRecord {
    format: String,
    version: u64,
    check: String,
}

/// The format version in `fleet-store.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) enum FormatVersion {
    /// This version, byte for byte.
    Ours,
    /// A newer version, with a check that fits.
    Newer(u64),
    /// Neither: what is wrong with it.
    Damaged(String),
}

/// The whole text of the file.
pub(in crate::store) fn text() -> String {
    text_of(VERSION)
}

fn text_of(version: u64) -> String {
    let check = check(version);
    format!("{{\"format\":\"{FORMAT}\",\"version\":{version},\"check\":\"{check}\"}}\n")
}

fn check(version: u64) -> Sha256 {
    Sha256::of(format!("{FORMAT} {version}").as_bytes())
}

/// Judges the bytes of the file.
pub(in crate::store) fn read(bytes: &[u8]) -> FormatVersion {
    if bytes == text().as_bytes() {
        return FormatVersion::Ours;
    }
    let record: StoreRecord = match serde_json::from_slice(bytes) {
        Ok(record) => record,
        Err(e) => return FormatVersion::Damaged(format!("it does not read: {e}")),
    };
    let check_fits = record.format == FORMAT && record.check == check(record.version).to_string();
    if check_fits && record.version > VERSION {
        FormatVersion::Newer(record.version)
    } else {
        FormatVersion::Damaged("it is not the text that fleet writes".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_this() {
        insta::assert_snapshot!(text(), @r#"{"format":"fleet-store","version":1,"check":"a6842a9a78ea69864ff773014e65f244f02ea4ce87314729d284c247a2eaef52"}"#);
        assert_eq!(read(text().as_bytes()), FormatVersion::Ours);
    }

    #[test]
    fn a_newer_version_is_told_from_a_flipped_digit() {
        assert_eq!(read(text_of(2).as_bytes()), FormatVersion::Newer(2));
        let flipped = text().replace("\"version\":1", "\"version\":3");
        assert_eq!(
            read(flipped.as_bytes()),
            FormatVersion::Damaged("it is not the text that fleet writes".to_owned())
        );
    }

    #[test]
    fn every_flipped_bit_is_damage() {
        let text = text();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                assert!(
                    matches!(read(&bytes), FormatVersion::Damaged(_)),
                    "byte {at}, bit {bit}"
                );
            }
        }
    }
}

//! The records of a pax extended header.
//!
//! The `tar` crate's reader of these records splits them at newlines, and so breaks on names and
//! attribute values that hold one. Here the length in front of each record decides, as POSIX says.

use super::attributes::{is_attribute, is_xattr};
use super::{BLOCK_BYTES, Error, Record};
use crate::manifest::FileTime;

/// What the extended header of one member says, where fleet has to know it. Other times stay in the raw
/// bytes alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) user: Option<Vec<u8>>,
    pub(super) group: Option<Vec<u8>>,
    pub(super) mtime: Option<FileTime>,
    pub(super) sparse_major: Option<u64>,
    pub(super) sparse_minor: Option<u64>,
    pub(super) sparse_name: Option<Vec<u8>>,
    pub(super) sparse_real_bytes: Option<u64>,
    /// The records of extended attributes and ACLs, by key and value.
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Pax {
    /// Reads `body`, whose header block is at `offset`.
    pub(super) fn parse(body: &[u8], offset: u64) -> Result<Self, Error> {
        let mut pax = Self::default();
        let mut rest = body;
        while !rest.is_empty() {
            let (key, value, after) = split_record(rest).ok_or(Error::Extended {
                offset,
                why: "is not made of whole records",
            })?;
            pax.take(key, value)
                .map_err(|why| Error::Extended { offset, why })?;
            rest = after;
        }
        Ok(pax)
    }

    /// Whether it describes a sparse file of GNU's version 1.0 in full; none if only in part.
    pub(super) fn sparse(&self) -> Option<Option<(&[u8], u64)>> {
        let parts = (
            self.sparse_major,
            self.sparse_minor,
            &self.sparse_name,
            self.sparse_real_bytes,
        );
        match parts {
            (None, None, None, None) => Some(None),
            (Some(1), Some(0), Some(name), Some(real)) => Some(Some((name, real))),
            _ => None,
        }
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        // GNU tar passes over blanks in front of a key and takes NUL for its end. The name of an attribute,
        // which is the end of a key, may hold every other byte.
        let is_plain = || !key.iter().any(u8::is_ascii_control);
        if key[0] == b' ' || key.contains(&0) || !(is_xattr(key) || is_plain()) {
            return Err("has a bad key");
        }
        match key {
            _ if is_attribute(key) => {
                if self.attributes.iter().any(|(known, _)| known == key) {
                    return Err("has a record twice");
                }
                self.attributes.push((key.to_vec(), value.to_vec()));
                Ok(())
            }
            b"path" => once(&mut self.path, value.to_vec()),
            b"linkpath" => once(&mut self.link_path, value.to_vec()),
            b"size" => once(&mut self.size, number(value)?),
            b"uid" => once(&mut self.uid, number(value)?),
            b"gid" => once(&mut self.gid, number(value)?),
            b"uname" => once(&mut self.user, value.to_vec()),
            b"gname" => once(&mut self.group, value.to_vec()),
            b"mtime" => {
                let time = std::str::from_utf8(value).ok().and_then(FileTime::parse);
                once(&mut self.mtime, time.ok_or("has a bad time")?)
            }
            b"GNU.sparse.major" => once(&mut self.sparse_major, number(value)?),
            b"GNU.sparse.minor" => once(&mut self.sparse_minor, number(value)?),
            b"GNU.sparse.name" => once(&mut self.sparse_name, value.to_vec()),
            b"GNU.sparse.realsize" => once(&mut self.sparse_real_bytes, number(value)?),
            // Older sparse forms, volume labels and directory dumps change what tar extracts.
            _ if key.starts_with(b"GNU.") => Err("has a GNU record that is not known"),
            _ => Ok(()),
        }
    }
}

/// All records of the extended header that `raw` may begin with.
pub(super) fn records(raw: &[u8]) -> Vec<Record<'_>> {
    let body = || {
        let header = tar::Header::from_byte_slice(raw.get(..BLOCK_BYTES)?);
        let is_extended = header.entry_type() == tar::EntryType::XHeader;
        let length = usize::try_from(header.entry_size().ok()?).ok()?;
        let body = raw.get(BLOCK_BYTES..BLOCK_BYTES.checked_add(length)?)?;
        is_extended.then_some(body)
    };
    let mut rest = body().unwrap_or_default();
    let mut found = Vec::new();
    while let Some((key, value, after)) = split_record(rest) {
        found.push((key, value));
        rest = after;
    }
    found
}

/// The first record of `bytes` as key and value, and what follows it.
pub(super) fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().take(20).position(|&b| b == b' ')?;
    let length = usize::try_from(number(&bytes[..blank]).ok()?).ok()?;
    let (record, after) = bytes.split_at_checked(length)?;
    let text = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|&b| b == b'=')?;
    (equals > 0).then(|| (&text[..equals], &text[equals + 1..], after))
}

fn number(value: &[u8]) -> Result<u64, &'static str> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err("has a bad number");
    }
    value.iter().try_fold(0_u64, |sum, digit| {
        sum.checked_mul(10)
            .and_then(|sum| sum.checked_add(u64::from(digit - b'0')))
            .ok_or("has a number that is too large")
    })
}

/// Two records of one key: the last one counts by POSIX, but not for every reader.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("has a record twice"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::render::push_record;
    use super::*;

    fn why(body: &[u8]) -> String {
        Pax::parse(body, 0)
            .expect_err("a refused header")
            .to_string()
    }

    #[test]
    fn values_may_hold_newlines_and_any_byte() {
        let body = b"13 path=a\nb\xff\n21 SCHILY.xattr.u=\n\0\n17 mtime=-1.5000\n";
        let pax = Pax::parse(body, 0).expect("a header");
        assert_eq!(
            pax,
            Pax {
                path: Some(b"a\nb\xff".to_vec()),
                mtime: FileTime::parse("-1.5"),
                attributes: vec![(b"SCHILY.xattr.u".to_vec(), b"\n\0".to_vec())],
                ..Pax::default()
            }
        );
    }

    #[test]
    fn names_of_attributes_may_hold_any_byte_but_nul() {
        for name in ["new\nline", "\x01\x7f", " blank", "tab\t", "%3D"] {
            let mut body = Vec::new();
            push_record(
                &mut body,
                format!("SCHILY.xattr.user.{name}").as_bytes(),
                b"v",
            );
            let pax = Pax::parse(&body, 0).expect("a header");
            assert_eq!(
                pax.attributes[0].0,
                format!("SCHILY.xattr.user.{name}").as_bytes()
            );
        }
        for key in [
            "SCHILY.xattr.user.\0",
            "SCHILY.xattr\n",
            "SCHILY.acl.access\n",
            "a\nb",
        ] {
            let mut body = Vec::new();
            push_record(&mut body, key.as_bytes(), b"v");
            assert_eq!(why(&body), "the extended header at byte 0 has a bad key");
        }
        let mut body = Vec::new();
        push_record(&mut body, b"SCHILY.xattr.user.a", b"v");
        push_record(&mut body, b"SCHILY.xattr.user.a", b"w");
        assert_eq!(
            why(&body),
            "the extended header at byte 0 has a record twice"
        );
    }

    #[test]
    fn records_that_are_not_whole_are_refused() {
        for body in [
            &b"9 path=a"[..],
            b"8 path=a\n",
            b"11 path=a\n",
            b"99999999999999999999 path=a\n",
            b"-9 path=a\n",
            b"6 =abc\n",
            b"7 path\n",
            b"0 \n",
            b"2 \n",
            b"1 ",
            b"\0\0\0",
            b"9 path=a\n\0",
        ] {
            assert_eq!(
                why(body),
                "the extended header at byte 0 is not made of whole records",
                "{}",
                crate::name::escape(body)
            );
        }
    }

    #[test]
    fn records_that_readers_could_take_differently_are_refused() {
        for (body, text) in [
            (&b"9 path=a\n9 path=b\n"[..], "has a record twice"),
            (b"11 size=-1\n", "has a bad number"),
            (b"11 size=+1\n", "has a bad number"),
            (b"8 size=\n", "has a bad number"),
            (
                b"29 size=18446744073709551616\n",
                "has a number that is too large",
            ),
            (b"11  path=a\n", "has a bad key"),
            (b"11 path\0=a\n", "has a bad key"),
            (b"13 mtime=1e5\n", "has a bad time"),
            (
                b"22 GNU.sparse.map=0,1\n",
                "has a GNU record that is not known",
            ),
        ] {
            assert_eq!(why(body), format!("the extended header at byte 0 {text}"));
        }
    }
}

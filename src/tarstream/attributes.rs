//! The extended metadata of one member, out of the records of its extended header: extended attributes,
//! ACLs, file capabilities, SELinux context.
//!
//! GNU tar and star write `SCHILY.xattr.NAME` with the value as it is, `SCHILY.acl.access` and
//! `SCHILY.acl.default` as text, and `RHT.security.selinux`. GNU tar writes `%25` and `%3D` for `%` and
//! `=` in a name, libarchive `%XX` for every byte that is no plain letter, and beside each value
//! `LIBARCHIVE.xattr.NAME` with the value in base64. Capabilities are the attribute
//! `security.capability`; ACLs come a second time as `system.posix_acl_access` and `…_default`, with
//! numbers instead of names.

use std::collections::BTreeMap;

use data_encoding::BASE64_NOPAD;

use super::Record;
use super::acl::Acl;
use super::pax::records;
use crate::digest::{Hasher, Sha256};
use crate::manifest::Extended;

const SCHILY_XATTR: &[u8] = b"SCHILY.xattr.";
const LIBARCHIVE_XATTR: &[u8] = b"LIBARCHIVE.xattr.";
const ACL_ACCESS: &[u8] = b"SCHILY.acl.access";
const ACL_DEFAULT: &[u8] = b"SCHILY.acl.default";
const ACL_NFS4: &[u8] = b"SCHILY.acl.ace";
const SELINUX: &[u8] = b"RHT.security.selinux";

/// The attribute in which Linux keeps the access ACL.
pub const POSIX_ACL_ACCESS: &str = "system.posix_acl_access";
/// The same of the default ACL.
pub const POSIX_ACL_DEFAULT: &str = "system.posix_acl_default";
/// The attribute of file capabilities.
pub const CAPABILITY: &str = "security.capability";
/// The attribute of the SELinux context.
pub const SELINUX_CONTEXT: &str = "security.selinux";

/// The extended metadata of one member, with its values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Extended attributes that are nothing of the following, by name, any bytes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The access ACL, unless it says no more than the mode.
    pub access_acl: Option<StoredAcl>,
    /// The default ACL of a directory.
    pub default_acl: Option<StoredAcl>,
    /// File capabilities, as Linux keeps them.
    pub capability: Option<Vec<u8>>,
    /// The SELinux context, without the NUL at its end.
    pub selinux: Option<Vec<u8>>,
}

/// An ACL as the archive has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredAcl {
    /// A POSIX ACL.
    Posix(Acl),
    /// One of another kind, or one that can't be read: its text or its bytes.
    Other(Vec<u8>),
}

/// Whether a record with that key holds extended metadata.
pub(super) fn is_attribute(key: &[u8]) -> bool {
    [ACL_ACCESS, ACL_DEFAULT, ACL_NFS4, SELINUX].contains(&key) || is_xattr(key)
}

/// Whether a record with that key holds an extended attribute: what follows in the key is its name.
pub(super) fn is_xattr(key: &[u8]) -> bool {
    let is_named = |prefix: &[u8]| key.len() > prefix.len() && key.starts_with(prefix);
    is_named(SCHILY_XATTR) || is_named(LIBARCHIVE_XATTR)
}

/// The records of attributes, ACLs and the SELinux context, in the extended header that `raw` may begin with.
#[must_use]
pub fn attribute_records(raw: &[u8]) -> Vec<Record<'_>> {
    let mut found = records(raw);
    found.retain(|(key, _)| is_attribute(key));
    found
}

/// The records of the access ACL among the header blocks `raw`.
#[must_use]
pub fn access_acl_records(raw: &[u8]) -> Vec<Record<'_>> {
    let attribute = [SCHILY_XATTR, POSIX_ACL_ACCESS.as_bytes()].concat();
    let mut records = attribute_records(raw);
    records.retain(|(key, _)| *key == ACL_ACCESS || *key == attribute);
    records
}

/// The key of a record for the attribute `name`, as GNU tar writes it.
#[must_use]
pub fn xattr_key(name: &[u8]) -> Vec<u8> {
    let mut key = SCHILY_XATTR.to_vec();
    for &byte in name {
        match byte {
            b'%' => key.extend_from_slice(b"%25"),
            b'=' => key.extend_from_slice(b"%3D"),
            _ => key.push(byte),
        }
    }
    key
}

impl Attributes {
    /// Of records for which [`is_attribute`] holds.
    pub(super) fn of(records: &[(Vec<u8>, Vec<u8>)]) -> Self {
        let mut all: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut texts: BTreeMap<&[u8], &[u8]> = BTreeMap::new();
        for (key, value) in records {
            if let Some(name) = key.strip_prefix(SCHILY_XATTR) {
                all.insert(decode_name(name), value.clone());
            } else if let Some(name) = key.strip_prefix(LIBARCHIVE_XATTR) {
                // The same attribute comes as it is, too; only old versions send just this form.
                if let Some(value) = decode_base64(value) {
                    all.entry(decode_name(name)).or_insert(value);
                }
            } else {
                texts.insert(key, value);
            }
        }
        let mut take = |name: &str| all.remove(name.as_bytes());
        let (access, default) = (take(POSIX_ACL_ACCESS), take(POSIX_ACL_DEFAULT));
        let capability = take(CAPABILITY);
        let selinux = take(SELINUX_CONTEXT);
        let selinux = texts.get(SELINUX).map(|text| text.to_vec()).or(selinux);
        let access = StoredAcl::of(texts.get(ACL_ACCESS).copied(), access.as_deref());
        let nfs4 = texts
            .get(ACL_NFS4)
            .map(|text| StoredAcl::Other(text.to_vec()));
        let says_more = |acl: &StoredAcl| !matches!(acl, StoredAcl::Posix(acl) if acl.is_trivial());
        Self {
            xattrs: all,
            access_acl: access.filter(says_more).or(nfs4),
            default_acl: StoredAcl::of(texts.get(ACL_DEFAULT).copied(), default.as_deref()),
            capability,
            selinux: selinux.map(without_nul),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A digest of each class. The order in which records come, and whether an ACL comes as text or as
    /// an attribute, makes no difference; users and groups in ACLs count by number where the archive tells
    /// it, else by name. Of an access ACL counts what the mode does not tell.
    #[must_use]
    pub fn digests(&self) -> Extended {
        let mut xattrs = Hasher::new();
        for (name, value) in &self.xattrs {
            for bytes in [name, value] {
                xattrs.update(&(bytes.len() as u64).to_be_bytes());
                xattrs.update(bytes);
            }
        }
        let mut acl = Vec::new();
        for (word, part) in [("access", &self.access_acl), ("default", &self.default_acl)] {
            if let Some(part) = part {
                acl.extend_from_slice(format!("{word}\n").as_bytes());
                match part {
                    StoredAcl::Posix(part) => {
                        acl.extend_from_slice(part.canonical(word == "access").as_bytes());
                    }
                    StoredAcl::Other(bytes) => acl.extend_from_slice(bytes),
                }
            }
        }
        Extended::new([
            (!self.xattrs.is_empty()).then(|| xattrs.finish()),
            (!acl.is_empty()).then(|| Sha256::of(&acl)),
            self.capability.as_deref().map(Sha256::of),
            self.selinux.as_deref().map(Sha256::of),
        ])
    }

    /// The mode of what does not get its ACL. The group bits of `mode` are the ACL's mask, which would give
    /// the owning group what only users and groups by name have.
    #[must_use]
    pub fn mode_without_acl(&self, mode: u32) -> u32 {
        match &self.access_acl {
            Some(StoredAcl::Posix(acl)) => {
                (mode & !0o070) | (mode & (u32::from(acl.group_permissions()) << 3))
            }
            Some(StoredAcl::Other(_)) | None => mode,
        }
    }
}

impl StoredAcl {
    /// Of its text, its attribute, or both.
    fn of(text: Option<&[u8]>, binary: Option<&[u8]>) -> Option<Self> {
        let text = text.filter(|text| !text.trim_ascii().is_empty());
        let from_text = text.and_then(Acl::from_text);
        let from_binary = binary.and_then(Acl::from_binary);
        match (from_binary, from_text) {
            (Some(acl), Some(text)) => Some(Self::Posix(acl.with_names_of(&text))),
            (Some(acl), None) | (None, Some(acl)) => Some(Self::Posix(acl)),
            (None, None) => text.or(binary).map(|bytes| Self::Other(bytes.to_vec())),
        }
    }
}

/// The name in which every `%XX` is the byte that it means.
fn decode_name(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, after @ ..] => {
                hex(*high).zip(hex(*low)).map(|(h, l)| (h * 16 + l, after))
            }
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*byte, after));
        decoded.push(byte);
        rest = after;
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Base64 as libarchive writes it, without padding; padding is taken too.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |at| at + 1);
    BASE64_NOPAD.decode(&text[..end]).ok()
}

fn without_nul(mut context: Vec<u8>) -> Vec<u8> {
    while context.last() == Some(&0) {
        context.pop();
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ExtendedClass;

    const ACL: &[u8] = b"user::rw-\nuser:nobody:rw-\ngroup::r--\nmask::rw-\nother::r--\n";

    fn of(records: &[(&[u8], &[u8])]) -> Attributes {
        let records: Vec<_> = records
            .iter()
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect();
        Attributes::of(&records)
    }

    fn binary() -> Vec<u8> {
        let acl = Acl::from_text(ACL).expect("an ACL");
        acl.to_binary(|_| Some(65_534)).expect("numbers")
    }

    #[test]
    fn what_gnu_tar_sends_is_told_apart() {
        let found = of(&[
            (b"SCHILY.acl.access", ACL),
            (b"SCHILY.xattr.user.new\nline", b"\0=\n"),
            (b"SCHILY.xattr.user.a%3Db%25", b""),
            (b"SCHILY.xattr.system.posix_acl_access", &binary()),
            (b"SCHILY.xattr.security.capability", b"\x01cap"),
            (
                b"SCHILY.xattr.security.selinux",
                b"system_u:object_r:etc_t:s0\0",
            ),
            (b"SCHILY.acl.default", b"\n"),
        ]);
        let names: Vec<&[u8]> = found.xattrs.keys().map(Vec::as_slice).collect();
        assert_eq!(names, [&b"user.a=b%"[..], b"user.new\nline"]);
        assert_eq!(found.xattrs[&b"user.new\nline"[..]], b"\0=\n");
        assert_eq!(found.capability.as_deref(), Some(&b"\x01cap"[..]));
        assert_eq!(
            found.selinux.as_deref(),
            Some(&b"system_u:object_r:etc_t:s0"[..])
        );
        assert_eq!(found.default_acl, None);
        let Some(StoredAcl::Posix(acl)) = &found.access_acl else {
            unreachable!("{found:?}");
        };
        // The name is looked up first, the number is what is left without it.
        let mut seen = Vec::new();
        let binary = acl.to_binary(|entry| {
            seen.push((entry.name.clone(), entry.id));
            entry.id
        });
        assert!(binary.is_some());
        assert_eq!(seen, [(b"nobody".to_vec(), Some(65_534))]);
    }

    #[test]
    fn both_forms_of_libarchive_are_one_attribute() {
        let found = of(&[
            (b"LIBARCHIVE.xattr.user.%0Ax", b"AAo9AA"),
            (b"SCHILY.xattr.user.%0Ax", b"\0\n=\0"),
            (b"LIBARCHIVE.xattr.user.old", b"aGVsbG8="),
            (b"LIBARCHIVE.xattr.user.broken", b"*"),
        ]);
        assert_eq!(
            found.xattrs,
            BTreeMap::from([
                (b"user.\nx".to_vec(), b"\0\n=\0".to_vec()),
                (b"user.old".to_vec(), b"hello".to_vec()),
            ])
        );
    }

    #[test]
    fn digests_do_not_depend_on_order_or_form() {
        let one = of(&[
            (b"SCHILY.xattr.user.a", b"1"),
            (b"SCHILY.xattr.user.b", b"2"),
            (b"SCHILY.xattr.system.posix_acl_access", &binary()),
        ]);
        let other = of(&[
            (b"SCHILY.xattr.user.b", b"2"),
            (b"SCHILY.acl.access", b"u::6,g::4,u:65534:6,m::6,o::4"),
            (b"LIBARCHIVE.xattr.user.a", b"MQ"),
        ]);
        assert_eq!(one.digests(), other.digests());
        for class in [ExtendedClass::Xattrs, ExtendedClass::Acl] {
            assert!(one.digests().digest(class).is_some());
        }
        let moved = of(&[
            (b"SCHILY.xattr.user.a", b"12"),
            (b"SCHILY.xattr.user.b", b""),
        ]);
        assert_ne!(
            moved.digests().digest(ExtendedClass::Xattrs),
            one.digests().digest(ExtendedClass::Xattrs)
        );
    }

    #[test]
    fn what_the_mode_tells_makes_no_other_acl() {
        let acl = |text: &[u8]| of(&[(b"SCHILY.acl.access", text)]).digests();
        let digest = acl(ACL);
        assert_eq!(acl(b"u::7,u:nobody:6,g::4,m::0,o::0"), digest);
        assert_ne!(acl(b"u::6,u:nobody:6,g::5,m::6,o::4"), digest);
        assert_ne!(acl(b"u::6,u:nobody:4,g::4,m::6,o::4"), digest);
        assert!(acl(b"u::6,g::4,o::4").is_empty());
        assert!(of(&[]).digests().is_empty() && of(&[]).is_empty());
        let default = of(&[(b"SCHILY.acl.default", b"u::7,g::5,o::5")]).digests();
        assert!(
            default.digest(ExtendedClass::Acl).is_some(),
            "no mode tells it"
        );
    }

    #[test]
    fn an_acl_that_is_not_set_leaves_no_mask_behind() {
        let mode = |text: &[u8], mode| of(&[(b"SCHILY.acl.access", text)]).mode_without_acl(mode);
        assert_eq!(mode(ACL, 0o4664), 0o4644);
        assert_eq!(mode(b"u::7,u:nobody:7,g::---,m::7,o::0", 0o2770), 0o2700);
        assert_eq!(mode(b"u::7,u:nobody:7,g::7,m::r--,o::0", 0o740), 0o740);
        assert_eq!(mode(b"u::6,g::6,o::4", 0o664), 0o664);
        assert_eq!(mode(b"owner@:rw-:allow", 0o664), 0o664);
    }

    #[test]
    fn what_is_no_posix_acl_still_shows_as_changed() {
        let ace = of(&[(b"SCHILY.acl.ace", b"owner@:rw-p--aARWcCos:-------:allow")]);
        assert!(ace.digests().digest(ExtendedClass::Acl).is_some());
        assert!(matches!(ace.access_acl, Some(StoredAcl::Other(_))));
        let odd = of(&[(b"SCHILY.acl.access", b"what?")]);
        assert_ne!(odd.digests(), ace.digests());
    }

    #[test]
    fn keys_are_written_as_gnu_tar_does() {
        assert_eq!(xattr_key(b"user.a=b%\n"), b"SCHILY.xattr.user.a%3Db%25\n");
        assert_eq!(decode_name(b"user.a%3Db%25%2541%"), b"user.a=b%%41%");
    }
}

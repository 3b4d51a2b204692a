//! POSIX ACLs as archives carry them: as text (`SCHILY.acl.access`), and as Linux keeps them in an
//! extended attribute (`system.posix_acl_access`).
//!
//! Text has names, the attribute has numbers. GNU tar sends both of one ACL, and then each entry has
//! both here.
//!
//! Sources: acl(5), "ACL TEXT FORMS"; Linux, `include/uapi/linux/posix_acl_xattr.h`; star(5), the form
//! `user:NAME:rwx:NUMBER`.

use std::collections::BTreeSet;

use crate::name::escape;

/// The version of the attribute's form.
const BINARY_VERSION: u32 = 2;
/// The number of entries that need none.
const NO_ID: u32 = u32::MAX;

/// An access or a default ACL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acl {
    entries: Vec<AclEntry>,
}

/// One line of an ACL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclEntry {
    /// Whom it is about.
    pub tag: AclTag,
    /// The name of a [`AclTag::User`] or [`AclTag::Group`]; empty if the archive does not tell it.
    pub name: Vec<u8>,
    /// The number of the same, if the archive tells it. At least one of both is known.
    pub id: Option<u32>,
    /// Read 4, write 2, execute 1.
    pub permissions: u8,
}

/// Whom an entry of an ACL is about. The order is the one in which Linux wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AclTag {
    /// The owner.
    Owner,
    /// A user by name.
    User,
    /// The owning group.
    OwningGroup,
    /// A group by name.
    Group,
    /// The most that users and groups by name and the owning group may.
    Mask,
    /// Everybody else.
    Other,
}

impl AclTag {
    const ALL: [Self; 6] = [
        Self::Owner,
        Self::User,
        Self::OwningGroup,
        Self::Group,
        Self::Mask,
        Self::Other,
    ];

    fn number(self) -> u16 {
        1 << (self as u16)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Owner | Self::User => "user",
            Self::OwningGroup | Self::Group => "group",
            Self::Mask => "mask",
            Self::Other => "other",
        }
    }

    fn is_named(self) -> bool {
        matches!(self, Self::User | Self::Group)
    }
}

impl Acl {
    /// Reads the attribute. None if it is not one, or holds nothing.
    #[must_use]
    pub fn from_binary(value: &[u8]) -> Option<Self> {
        let (version, rest) = value.split_first_chunk::<4>()?;
        let (entries, rest) = rest.as_chunks::<8>();
        if u32::from_le_bytes(*version) != BINARY_VERSION || !rest.is_empty() || entries.is_empty()
        {
            return None;
        }
        let entries = entries.iter().map(|&[t0, t1, p0, p1, i0, i1, i2, i3]| {
            let number = u16::from_le_bytes([t0, t1]);
            let tag = AclTag::ALL.into_iter().find(|tag| tag.number() == number)?;
            let permissions = u8::try_from(u16::from_le_bytes([p0, p1])).ok()?;
            Some(AclEntry {
                tag,
                name: Vec::new(),
                id: tag.is_named().then(|| u32::from_le_bytes([i0, i1, i2, i3])),
                permissions: Some(permissions).filter(|bits| *bits <= 7)?,
            })
        });
        let mut entries: Vec<AclEntry> = entries.collect::<Option<_>>()?;
        entries.sort_by_key(|entry| (entry.tag, entry.id));
        Self::of(entries)
    }

    /// Reads text: entries between newlines or commas, in short or long form, a fourth field being a
    /// number. None if it is not an ACL, or is empty.
    #[must_use]
    pub(super) fn from_text(text: &[u8]) -> Option<Self> {
        let lines = text.split(|byte| matches!(byte, b'\n' | b','));
        let lines = lines.map(|line| {
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            line.trim_ascii()
        });
        let entries = lines.filter(|line| !line.is_empty()).map(text_entry);
        Self::of(entries.collect::<Option<_>>()?)
    }

    /// None if owner, owning group or others are missing, or anything is there twice.
    fn of(mut entries: Vec<AclEntry>) -> Option<Self> {
        // Stable: entries of one tag stay in the order of their numbers, which text does not tell.
        entries.sort_by_key(|entry| entry.tag);
        let count = |tag| entries.iter().filter(|entry| entry.tag == tag).count();
        let is_whole = [AclTag::Owner, AclTag::OwningGroup, AclTag::Other]
            .into_iter()
            .all(|tag| count(tag) == 1);
        let named = count(AclTag::User) + count(AclTag::Group);
        let mask_fits = count(AclTag::Mask) == 1 || (count(AclTag::Mask), named) == (0, 0);
        let who = |entry: &AclEntry| (entry.tag, entry.id, entry.name.clone());
        let different: BTreeSet<_> = entries.iter().map(who).collect();
        (is_whole && mask_fits && different.len() == entries.len()).then_some(Self { entries })
    }

    /// The same with the names of `text`, which is the same ACL in the same order; without, if it is
    /// another one.
    #[must_use]
    pub(super) fn with_names_of(mut self, text: &Self) -> Self {
        let is_same = self.entries.len() == text.entries.len()
            && self.entries.iter().zip(&text.entries).all(|(own, other)| {
                (own.tag, own.permissions) == (other.tag, other.permissions)
                    && (other.id.is_none() || own.id == other.id)
            });
        if is_same {
            for (own, other) in self.entries.iter_mut().zip(&text.entries) {
                own.name.clone_from(&other.name);
            }
        }
        self
    }

    /// Whether an access ACL says no more than a mode does.
    #[must_use]
    pub(super) fn is_trivial(&self) -> bool {
        self.entries.len() == 3
    }

    /// What the owning group may, no more than the mask allows: the group bits of the mode of what
    /// does not get this ACL.
    #[must_use]
    pub(super) fn group_permissions(&self) -> u8 {
        let of = |tag| {
            let mut entries = self.entries.iter();
            entries
                .find(|entry| entry.tag == tag)
                .map(|entry| entry.permissions)
        };
        of(AclTag::OwningGroup).unwrap_or(0) & of(AclTag::Mask).unwrap_or(7)
    }

    /// The attribute, with the numbers that `id` gives; none if it gives none for one of them.
    #[must_use]
    pub fn to_binary(&self, mut id: impl FnMut(&AclEntry) -> Option<u32>) -> Option<Vec<u8>> {
        let mut numbered = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let id = if entry.tag.is_named() {
                id(entry).filter(|id| *id != NO_ID)?
            } else {
                NO_ID
            };
            numbered.push((entry.tag, id, entry.permissions));
        }
        numbered.sort_unstable();
        let is_twice =
            |pair: &[(AclTag, u32, u8)]| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1);
        if numbered.windows(2).any(is_twice) {
            return None;
        }
        let mut value = BINARY_VERSION.to_le_bytes().to_vec();
        for (tag, id, permissions) in numbered {
            value.extend(tag.number().to_le_bytes());
            value.extend(u16::from(permissions).to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        Some(value)
    }

    /// Text with numbers where they are known, one entry a line: the same for the same ACL.
    ///
    /// `skips_mode` leaves out what the mode of the file tells: owner, others, and the mask, or the owning
    /// group where there is no mask.
    #[must_use]
    pub(super) fn canonical(&self, skips_mode: bool) -> String {
        let has_mask = self.entries.iter().any(|entry| entry.tag == AclTag::Mask);
        let mut lines = BTreeSet::new();
        for entry in &self.entries {
            let is_in_mode = match entry.tag {
                AclTag::Owner | AclTag::Other | AclTag::Mask => true,
                AclTag::OwningGroup => !has_mask,
                AclTag::User | AclTag::Group => false,
            };
            if skips_mode && is_in_mode {
                continue;
            }
            lines.insert(entry.to_text());
        }
        lines.into_iter().collect()
    }

    /// Text as tar writes it, with numbers where they are known.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.entries.iter().map(AclEntry::to_text).collect()
    }
}

impl AclEntry {
    /// A line of text, with the number if it is known.
    fn to_text(&self) -> String {
        let who = match self.id {
            Some(id) => id.to_string(),
            None => escape(&self.name),
        };
        let bit = |bit, letter| {
            if self.permissions & bit != 0 {
                letter
            } else {
                '-'
            }
        };
        let (r, w, x) = (bit(4, 'r'), bit(2, 'w'), bit(1, 'x'));
        format!("{}:{who}:{r}{w}{x}\n", self.tag.word())
    }
}

/// `user:alice:rwx`, `g::r-x`, `user:alice:rwx:1000`; permissions are letters or a digit.
fn text_entry(line: &[u8]) -> Option<AclEntry> {
    let mut fields = line.split(|byte| *byte == b':').map(<[u8]>::trim_ascii);
    let word = fields.next()?;
    let who = fields.next()?;
    let (who, permissions) = match (word, fields.next()) {
        // `other::r--`, and without the empty field.
        (b"other" | b"o" | b"mask" | b"m", None) => (&b""[..], who),
        (_, permissions) => (who, permissions?),
    };
    let fourth = fields.next().and_then(number);
    let tag = match (word, who.is_empty()) {
        (b"user" | b"u", true) => AclTag::Owner,
        (b"user" | b"u", false) => AclTag::User,
        (b"group" | b"g", true) => AclTag::OwningGroup,
        (b"group" | b"g", false) => AclTag::Group,
        (b"mask" | b"m", true) => AclTag::Mask,
        (b"other" | b"o", true) => AclTag::Other,
        _ => return None,
    };
    // A name of digits is a number for which the host had no name.
    let by_name = number(who);
    Some(AclEntry {
        tag,
        name: if by_name.is_some() {
            Vec::new()
        } else {
            who.to_vec()
        },
        id: fourth.or(by_name).filter(|_| tag.is_named()),
        permissions: bits(permissions)?,
    })
}

fn number(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

fn bits(text: &[u8]) -> Option<u8> {
    if let [digit @ b'0'..=b'7'] = text {
        return Some(digit - b'0');
    }
    text.iter().try_fold(0, |bits, letter| {
        Some(
            bits | match letter {
                b'r' => 4,
                b'w' => 2,
                b'x' => 1,
                b'-' => 0,
                _ => return None,
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"user::rw-\nuser:nobody:rw-\nuser:7:---\ngroup::r--\ngroup:daemon:r--\nmask::rw-\nother::r--\n";

    /// What Linux keeps for the same, sorted by number.
    fn binary() -> Vec<u8> {
        let mut value = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in [
            (1_u16, 6_u16, NO_ID),
            (2, 0, 7),
            (2, 6, 65_534),
            (4, 4, NO_ID),
            (8, 4, 1),
            (16, 6, NO_ID),
            (32, 4, NO_ID),
        ] {
            value.extend(tag.to_le_bytes());
            value.extend(permissions.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        value
    }

    #[test]
    fn both_forms_are_read_and_one_is_written() {
        let acl = Acl::from_binary(&binary()).expect("an ACL");
        assert_eq!(acl.to_binary(|entry| entry.id), Some(binary()));
        assert_eq!(
            acl.canonical(false),
            "group:1:r--\ngroup::r--\nmask::rw-\nother::r--\nuser:65534:rw-\nuser:7:---\nuser::rw-\n"
        );
        assert_eq!(
            acl.canonical(true),
            "group:1:r--\ngroup::r--\nuser:65534:rw-\nuser:7:---\n"
        );
        assert!(!acl.is_trivial());
        assert_eq!(acl.group_permissions(), 4);

        let text = Acl::from_text(TEXT).expect("an ACL");
        assert_eq!(
            text.canonical(true),
            "group::r--\ngroup:daemon:r--\nuser:7:---\nuser:nobody:rw-\n"
        );
        let ids = |entry: &AclEntry| match entry.name.as_slice() {
            b"nobody" => Some(65_534),
            b"daemon" => Some(1),
            _ => entry.id,
        };
        assert_eq!(text.to_binary(ids), Some(binary()));
        assert_eq!(
            text.to_binary(|entry| entry.id),
            None,
            "names without numbers"
        );
    }

    #[test]
    fn numbers_get_the_names_of_the_text_beside_them() {
        let text = b"user::rw-\nuser:7:---\nuser:nobody:rw-\ngroup::r--\ngroup:daemon:r--\nmask::rw-\nother::r--\n";
        let acl = Acl::from_binary(&binary()).expect("an ACL");
        let named = acl
            .clone()
            .with_names_of(&Acl::from_text(text).expect("an ACL"));
        let names: Vec<_> = named
            .entries
            .iter()
            .map(|entry| (entry.name.as_slice(), entry.id))
            .collect();
        assert_eq!(
            names,
            [
                (&b""[..], None),
                (b"", Some(7)),
                (b"nobody", Some(65_534)),
                (b"", None),
                (b"daemon", Some(1)),
                (b"", None),
                (b"", None)
            ]
        );
        assert_eq!(named.canonical(true), acl.canonical(true), "numbers decide");
        let other = Acl::from_text(TEXT).expect("an ACL");
        assert_eq!(
            acl.clone().with_names_of(&other),
            acl,
            "another order is another ACL"
        );
    }

    #[test]
    fn every_form_of_text_is_one_acl() {
        let expected =
            Acl::from_text(b"user::rwx\nuser:5:r-x\ngroup::---\nmask::r-x\nother::---\n");
        assert!(expected.is_some());
        for text in [
            &b"u::rwx,u:5:r-x,g::---,m::r-x,o::---"[..],
            b"user::rwx\nuser:5:rx\t#effective:r-x\ngroup::\nmask:r-x\nother:0\n\n",
            b"other::---\nmask::5\n group:: ---\nuser:5:r-x:5\nuser::7",
        ] {
            assert_eq!(Acl::from_text(text), expected, "{}", escape(text));
        }
        let extra = Acl::from_text(b"u::7,u:alice:5:1001,g::0,m::5,o::0").expect("an ACL");
        assert_eq!(extra.canonical(true), "group::---\nuser:1001:r-x\n");
    }

    #[test]
    fn what_is_no_acl_is_none() {
        for text in [
            &b""[..],
            b"user::rwx",
            b"u::7,g::0,o::0,u:5:7",
            b"u::7,u::7,g::0,o::0",
            b"u::7,g::0,o::0,x::1",
            b"u::7,g::0,o::0,m::rwq",
            b"u::7,g::0,o::8",
        ] {
            assert_eq!(Acl::from_text(text), None, "{}", escape(text));
        }
        let whole = binary();
        for value in [&whole[..whole.len() - 1], &whole[..4], &[1], &[0; 12]] {
            assert_eq!(Acl::from_binary(value), None);
        }
        let mut twice = whole.clone();
        twice.extend_from_slice(&whole[12..20]);
        assert_eq!(Acl::from_binary(&twice), None);
        let trivial = Acl::from_text(b"u::7,g::5,o::5").expect("an ACL");
        assert!(trivial.is_trivial());
        assert_eq!(trivial.canonical(true), "");
        assert_eq!(trivial.group_permissions(), 5);
    }
}

//! Renders changes of entries: one line each, and what differs in words that JSON has too.

use std::collections::BTreeMap;

use anstyle::{AnsiColor, Style};

use super::times::file_time;
use crate::change::{Attribute, Change, ChangeKind, Known};
use crate::digest::Sha256;
use crate::manifest::{Entry, EntryKind, ExtendedClass, Owner};
use crate::name::escape;
use crate::units::size;

/// The word for extended metadata that is not there.
const NONE: &str = "none";

/// One thing that differs, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub attribute: Attribute,
    /// What it was.
    pub old: String,
    /// What it is now.
    pub new: String,
}

/// Everything that differs between the two sides of a change; empty if one is missing.
#[must_use]
pub fn differences(change: &Change) -> Vec<Difference> {
    let (Some(old), Some(new)) = (change.before(), change.after()) else {
        return Vec::new();
    };
    let differs = change.differs().iter();
    differs
        .map(|&attribute| Difference {
            attribute,
            old: word(old, attribute),
            new: match attribute {
                Attribute::Content => sha256(change.sha256_after()),
                Attribute::Type
                | Attribute::Target
                | Attribute::Device
                | Attribute::Mode
                | Attribute::Owner
                | Attribute::Mtime
                | Attribute::Link
                | Attribute::Xattrs
                | Attribute::Acl
                | Attribute::Capabilities
                | Attribute::Selinux => word(new, attribute),
            },
        })
        .collect()
}

/// The digest of a file; empty if it has none or none is known.
fn sha256(sha256: Option<Sha256>) -> String {
    sha256.map(|sha256| sha256.to_string()).unwrap_or_default()
}

fn word(entry: &Entry, attribute: Attribute) -> String {
    match attribute {
        Attribute::Type => entry.kind.file_type().as_str().to_owned(),
        Attribute::Content => sha256(entry.file_sha256()),
        Attribute::Target => match &entry.kind {
            EntryKind::Symlink { target } => escape(target),
            _ => String::new(),
        },
        Attribute::Device => match &entry.kind {
            EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
                format!("{major}:{minor}")
            }
            _ => String::new(),
        },
        Attribute::Mode => format!("{:04o}", entry.mode),
        Attribute::Owner => owner(&entry.owner),
        Attribute::Mtime => file_time(entry.mtime),
        Attribute::Link => match &entry.kind {
            EntryKind::HardLink { .. } => "linked".to_owned(),
            _ if entry.scan.is_some_and(|scan| scan.links > 1) => "linked".to_owned(),
            _ => "alone".to_owned(),
        },
        Attribute::Xattrs => extended(entry, ExtendedClass::Xattrs),
        Attribute::Acl => extended(entry, ExtendedClass::Acl),
        Attribute::Capabilities => extended(entry, ExtendedClass::Capabilities),
        Attribute::Selinux => extended(entry, ExtendedClass::Selinux),
    }
}

/// The digest of that class, or [`NONE`].
fn extended(entry: &Entry, class: ExtendedClass) -> String {
    let digest = entry
        .extended
        .as_ref()
        .and_then(|extended| extended.digest(class));
    digest.map_or_else(|| NONE.to_owned(), |sha256| sha256.to_string())
}

/// The word for what a change is about.
#[must_use]
pub(in crate::report) fn subject(change: &Change) -> &'static str {
    match (change.known(), change.kind()) {
        (Known::Path, ChangeKind::Added) => "unknown",
        _ => change.latest().kind.file_type().as_str(),
    }
}

/// `asterisk(110):asterisk(115)`, or numbers alone where there are no names.
fn owner(owner: &Owner) -> String {
    let one = |name: &str, number: u64| match name {
        "" => number.to_string(),
        name => format!("{}({number})", escape(name.as_bytes())),
    };
    let (user, group) = (one(&owner.user, owner.uid), one(&owner.group, owner.gid));
    format!("{user}:{group}")
}

/// The colour of a change.
#[must_use]
pub fn style(kind: ChangeKind) -> Style {
    let color = match kind {
        ChangeKind::Added => AnsiColor::Green,
        ChangeKind::Removed => AnsiColor::Red,
        ChangeKind::Type => AnsiColor::Magenta,
        ChangeKind::Modified => AnsiColor::Yellow,
        ChangeKind::Metadata => AnsiColor::Cyan,
    };
    Style::new().fg_color(Some(color.into()))
}

/// `modified  /etc/x  13 B → 20 B, mode 0644 → 0600`, colours included, without a line end.
#[must_use]
pub fn line(change: &Change) -> String {
    let (style, word) = (style(change.kind()), change.kind().as_str());
    let latest = change.latest();
    let slash = match latest.kind {
        EntryKind::Directory if latest.path.as_bytes() != b"/" => "/",
        _ => "",
    };
    let mut text = format!("{style}{word:<8}  {}{slash}{style:#}", change.path());
    let details = details(change);
    if !details.is_empty() {
        text.push_str("  ");
        text.push_str(&details);
    }
    text
}

/// What is worth saying about a change beside its kind and path, in one line.
#[must_use]
pub fn details(change: &Change) -> String {
    let mut said = Vec::new();
    match (change.before(), change.after()) {
        (None, Some(_)) if change.known() == Known::Path => {}
        (Some(entry), None) | (None, Some(entry)) => said.extend(facts(entry)),
        (old, _) => {
            for difference in differences(change) {
                let Difference {
                    attribute,
                    old: was,
                    new: is,
                } = difference;
                match attribute {
                    Attribute::Content => {
                        let before = old.and_then(Entry::file_bytes);
                        said.push(match (before, change.bytes_after()) {
                            (Some(a), Some(b)) if a != b && size(a) == size(b) => {
                                format!("{a} B → {b} B")
                            }
                            (Some(a), Some(b)) if a != b => format!("{} → {}", size(a), size(b)),
                            (a, b) => size(b.or(a).unwrap_or_default()),
                        });
                    }
                    // That content changed says that its time did.
                    Attribute::Mtime if change.kind() != ChangeKind::Metadata => {}
                    Attribute::Type | Attribute::Target => said.push(format!("{was} → {is}")),
                    Attribute::Device
                    | Attribute::Mode
                    | Attribute::Owner
                    | Attribute::Mtime
                    | Attribute::Link => {
                        said.push(format!("{} {was} → {is}", attribute.as_str()));
                    }
                    // Digests mean nothing to people.
                    Attribute::Xattrs
                    | Attribute::Acl
                    | Attribute::Capabilities
                    | Attribute::Selinux => {
                        let what = extended_name(attribute);
                        said.push(match (was.as_str(), is.as_str()) {
                            (NONE, _) => format!("{what} added"),
                            (_, NONE) => format!("{what} removed"),
                            _ => format!("{what} changed"),
                        });
                    }
                }
            }
        }
    }
    said.join(", ")
}

/// What people call a class of extended metadata.
fn extended_name(attribute: Attribute) -> &'static str {
    match attribute {
        Attribute::Xattrs => "extended attributes",
        Attribute::Acl => "ACL",
        Attribute::Selinux => "SELinux context",
        other => other.as_str(),
    }
}

/// The size of a file, the text of a link.
fn facts(entry: &Entry) -> Option<String> {
    match &entry.kind {
        EntryKind::File { size_bytes, .. } | EntryKind::HardLink { size_bytes, .. } => {
            Some(size(*size_bytes))
        }
        EntryKind::Symlink { target } => Some(format!("→ {}", escape(target))),
        EntryKind::Directory => None,
        EntryKind::Fifo
        | EntryKind::Socket
        | EntryKind::CharDevice { .. }
        | EntryKind::BlockDevice { .. } => Some(entry.kind.file_type().as_str().to_owned()),
    }
}

/// `3 added, 1 modified`; empty if nothing is counted.
#[must_use]
pub fn counts(counts: &BTreeMap<ChangeKind, u64>) -> String {
    let counted: Vec<String> = ChangeKind::ALL
        .iter()
        .filter_map(|kind| {
            let (count, word) = (counts.get(kind)?, kind.as_str());
            Some(match kind {
                ChangeKind::Added | ChangeKind::Removed | ChangeKind::Modified => {
                    format!("{count} {word}")
                }
                ChangeKind::Type => format!("{count} of another {word}"),
                ChangeKind::Metadata => format!("{count} {word} only"),
            })
        })
        .collect();
    counted.join(", ")
}

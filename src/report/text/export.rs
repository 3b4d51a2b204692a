//! Renders what `fleet export` wrote, and what it left out: one sentence a kind, with the first paths.

use crate::name::CheckpointId;
use crate::store::{Exported, Shortfall, ShortfallKind};
use crate::units::{count, listing, size};

/// `dev-vm@20261121T101500Z: 980 entries, 26.1 MiB to dev-vm.tar.gz`
#[must_use]
pub fn written(id: &CheckpointId, exported: &Exported, path: &str) -> String {
    format!(
        "{id}: {} entries, {} to {path}",
        exported.entries,
        size(exported.bytes)
    )
}

/// `3 sockets are left out: /run/a, /run/b, /run/c`.
#[must_use]
pub fn shortfall(shortfall: &Shortfall) -> String {
    let number = shortfall.count;
    let is = if number == 1 { "is" } else { "are" };
    let of = entries(number);
    let what = match shortfall.kind {
        ShortfallKind::Contradiction => format!(
            "{of} {is} left out, because another source holds a link or a file above {}, or something \
             of another type in {} place",
            if number == 1 { "it" } else { "them" },
            if number == 1 { "its" } else { "their" },
        ),
        ShortfallKind::Socket => format!("{} {is} left out", count(number, "socket")),
        ShortfallKind::Device => format!(
            "{} {is} left out (only root can make them, with `--devices`)",
            count(number, "device node")
        ),
        ShortfallKind::Owner => format!("owner and group of {of} can't be set here"),
        ShortfallKind::SetId => format!(
            "set-user-ID and set-group-ID bits of {of} are left out, because owner or group are not \
             the recorded ones here"
        ),
        ShortfallKind::Acl => format!(
            "ACLs of {of} can't be set here; their group permissions are those of the owning group, \
             not the ACL's mask"
        ),
        ShortfallKind::Capabilities => {
            format!("file capabilities of {of} are left out (only root can set them)")
        }
        ShortfallKind::Xattrs => format!("extended attributes of {of} can't be set here"),
        ShortfallKind::Selinux => format!("the SELinux contexts of {of} can't be set here"),
    };
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    format!("{what}: {}", listing(number, &shortfall.paths))
}

/// `1 entry`, `2 entries`.
fn entries(number: u64) -> String {
    match number {
        1 => "1 entry".to_owned(),
        _ => format!("{number} entries"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: ShortfallKind, number: u64) -> String {
        let paths = (0..number.min(10))
            .map(|at| format!("/run/x{at}").parse().expect("a path"))
            .collect();
        shortfall(&Shortfall {
            kind,
            count: number,
            paths,
        })
    }

    #[test]
    fn each_kind_has_its_sentence() {
        let all = [
            text(ShortfallKind::Contradiction, 1),
            text(ShortfallKind::Contradiction, 2),
            text(ShortfallKind::Socket, 1),
            text(ShortfallKind::Socket, 12),
            text(ShortfallKind::Device, 1),
            text(ShortfallKind::Device, 2),
            text(ShortfallKind::Owner, 2),
            text(ShortfallKind::SetId, 1),
            text(ShortfallKind::SetId, 2),
            text(ShortfallKind::Acl, 2),
            text(ShortfallKind::Capabilities, 1),
            text(ShortfallKind::Xattrs, 1),
            text(ShortfallKind::Selinux, 2),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        1 entry is left out, because another source holds a link or a file above it, or something of another type in its place: /run/x0
        2 entries are left out, because another source holds a link or a file above them, or something of another type in their place: /run/x0, /run/x1
        1 socket is left out: /run/x0
        12 sockets are left out: /run/x0, /run/x1, /run/x2, /run/x3, /run/x4, /run/x5, /run/x6, /run/x7, /run/x8, /run/x9 and 2 more
        1 device node is left out (only root can make them, with `--devices`): /run/x0
        2 device nodes are left out (only root can make them, with `--devices`): /run/x0, /run/x1
        owner and group of 2 entries can't be set here: /run/x0, /run/x1
        set-user-ID and set-group-ID bits of 1 entry are left out, because owner or group are not the recorded ones here: /run/x0
        set-user-ID and set-group-ID bits of 2 entries are left out, because owner or group are not the recorded ones here: /run/x0, /run/x1
        ACLs of 2 entries can't be set here; their group permissions are those of the owning group, not the ACL's mask: /run/x0, /run/x1
        file capabilities of 1 entry are left out (only root can set them): /run/x0
        extended attributes of 1 entry can't be set here: /run/x0
        the SELinux contexts of 2 entries can't be set here: /run/x0, /run/x1
        ");
    }
}

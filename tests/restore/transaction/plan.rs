//! A small planner: what has to be staged to turn one tree into another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::scan::{Entry, Kind, Tree, plain, scan};

/// The names of each list of a plan.
#[derive(Debug, Default)]
struct Lists {
    new: BTreeSet<Vec<u8>>,
    meta: BTreeSet<Vec<u8>>,
    gone: Vec<Vec<u8>>,
    clear: Vec<Vec<u8>>,
    made: Vec<Vec<u8>>,
    old: BTreeSet<Vec<u8>>,
    dirs: BTreeSet<Vec<u8>>,
    old_dirs: BTreeSet<Vec<u8>>,
}

/// A tar stream that is to be staged so that `live` becomes `want`. `scratch` is an empty folder.
pub(super) fn stage(want: &Path, live: &Path, scratch: &Path) -> Vec<u8> {
    let (wanted, had) = (scan(want), scan(live));
    let lists = lists(&wanted, &had);
    let is_link = |tree: &Tree, name: &[u8]| {
        matches!(
            tree.get(name),
            Some(Entry {
                kind: Kind::Link { .. },
                ..
            })
        )
    };
    let (links, files): (Vec<_>, Vec<_>) = lists
        .new
        .iter()
        .cloned()
        .partition(|name| is_link(&wanted, name));
    let (old_links, old_files): (Vec<_>, Vec<_>) = lists
        .old
        .iter()
        .cloned()
        .partition(|name| is_link(&had, name));
    for (folder, names) in [("new", &files), ("lnew", &links)] {
        if !names.is_empty() {
            fs::create_dir(scratch.join(folder)).expect("a folder");
            let archive = archive(want, names, &["--sparse"]);
            fed(
                scratch,
                &format!(
                    "tar -C {folder} -x -p -f - --same-owner --acls --xattrs '--xattrs-include=*'"
                ),
                &archive,
            );
        }
    }
    if !lists.meta.is_empty() {
        fs::create_dir(scratch.join("meta")).expect("a folder");
        let copy = format!(
            "cd {want:?} && xargs -0 cp -a --no-preserve=links --attributes-only --parents -t {:?} --",
            scratch.join("meta")
        );
        fed(scratch, &copy, &joined(&lists.meta));
    }
    fs::write(
        scratch.join("new.dirs.tar"),
        archive(want, &lists.dirs, &[]),
    )
    .expect("an archive");
    for (file, names) in [
        ("gone", joined(&lists.gone)),
        ("clear", joined(&lists.clear)),
        ("made", joined(&lists.made)),
        ("old.list", joined(&old_files)),
        ("lold.list", joined(&old_links)),
        ("meta.list", joined(&lists.meta)),
        ("odirs.list", joined(&lists.old_dirs)),
    ] {
        fs::write(scratch.join(file), names).expect("a list");
    }
    // An account that is not root can give nothing away: the folders have the root's owner.
    // The lists are root's, as fleet sends them.
    fed(
        scratch,
        &format!("find . -type d -exec chown --reference={want:?} {{}} +"),
        b"",
    );
    let output = Command::new("sh")
        .args([
            "-c",
            "tar -c -f - --format=posix --sparse --xattrs '--xattrs-include=*' --acls *",
        ])
        .current_dir(scratch)
        .output()
        .expect("tar");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The same for a host that takes the slower way.
pub(super) fn stage_slowly(want: &Path, live: &Path, scratch: &Path) -> Vec<u8> {
    let (wanted, had) = (plain(scan(want)), plain(scan(live)));
    let lists = lists(&wanted, &had);
    let is_link = |tree: &Tree, name: &Vec<u8>| {
        tree.get(name)
            .is_some_and(|entry| matches!(entry.kind, Kind::Link { .. }))
    };
    let (links, files): (Vec<_>, Vec<_>) =
        lists.new.iter().partition(|name| is_link(&wanted, name));
    let (old_links, old_files): (Vec<_>, Vec<_>) =
        lists.old.iter().partition(|name| is_link(&had, name));
    let times = links
        .iter()
        .map(|name| format!("{}\n", wanted[*name].mtime.0));
    let times = times.collect::<String>().into_bytes();
    let link_names = joined(links.clone());
    for (folder, names) in [("new", files), ("lnew", links)] {
        if !names.is_empty() {
            fs::create_dir(scratch.join(folder)).expect("a folder");
            let archive = archive(want, names, &[]);
            let line = format!("tar -C {folder} -x -p -f - --same-owner");
            fed(scratch, &line, &archive);
        }
    }
    let attributes = |names: &BTreeSet<Vec<u8>>| -> Vec<u8> {
        let line = |name: &Vec<u8>| {
            let entry = &wanted[name];
            let (uid, gid) = entry.owner;
            format!("{:o} {uid} {gid} {}\n", entry.mode, entry.mtime.0)
        };
        names.iter().map(line).collect::<String>().into_bytes()
    };
    for (file, content) in [
        ("gone", joined(&lists.gone)),
        ("clear", joined(&lists.clear)),
        ("made", joined(&lists.made)),
        ("old.list", joined(old_files)),
        ("lold.list", joined(old_links)),
        ("meta.list", joined(&lists.meta)),
        ("meta.attrs", attributes(&lists.meta)),
        ("odirs.list", joined(&lists.old_dirs)),
        ("new.dirs.list", joined(&lists.dirs)),
        ("new.dirs.attrs", attributes(&lists.dirs)),
        ("lnew.list", link_names),
        ("lnew.attrs", times),
    ] {
        fs::write(scratch.join(file), content).expect("a list");
    }
    let output = Command::new("sh")
        .args(["-c", "tar -c -f - --format=gnu *"])
        .current_dir(scratch)
        .output()
        .expect("tar");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn lists(wanted: &Tree, had: &Tree) -> Lists {
    let mut lists = Lists::default();
    for (name, entry) in wanted {
        let before = had.get(name);
        let same_type = before.is_some_and(|before| before.kind.is_like(&entry.kind));
        if !same_type {
            lists.made.push(name.clone());
        }
        let is_same = before.is_some_and(|before| is_same(before, entry));
        match entry.kind {
            Kind::Directory if !is_same => drop(lists.dirs.insert(name.clone())),
            Kind::Directory => {}
            _ if is_same => {}
            Kind::File { .. }
                if before.is_some_and(|before| {
                    before.kind == entry.kind && before.xattrs == entry.xattrs
                }) =>
            {
                lists.meta.insert(name.clone());
            }
            _ => drop(lists.new.insert(name.clone())),
        }
    }
    whole_groups(wanted, had, &mut lists);
    let turned: Vec<&Vec<u8>> = had
        .iter()
        .filter(|(name, entry)| {
            wanted
                .get(*name)
                .is_some_and(|wanted| !wanted.kind.is_like(&entry.kind))
        })
        .map(|(name, _)| name)
        .collect();
    let is_directory = |name: &[u8]| {
        had.get(name)
            .is_some_and(|entry| entry.kind == Kind::Directory)
    };
    let is_beneath_turned = |name: &[u8]| {
        let above = |top: &&&Vec<u8>| {
            is_directory(top) && name.starts_with(top) && name.get(top.len()) == Some(&b'/')
        };
        turned.iter().any(|top| above(&top))
    };
    let mut lost: Vec<Vec<u8>> = had
        .keys()
        .filter(|name| !wanted.contains_key(*name))
        .cloned()
        .collect();
    lost.sort_by(|a, b| b.cmp(a));
    let (mut clear, gone): (Vec<_>, Vec<_>) =
        lost.into_iter().partition(|name| is_beneath_turned(name));
    clear.extend(turned.into_iter().cloned());
    clear.sort_by(|a, b| b.cmp(a));
    lists.made.sort_by(|a, b| b.cmp(a));
    for name in gone.iter().chain(&clear) {
        if is_directory(name) {
            lists.old_dirs.insert(name.clone());
        } else {
            lists.old.insert(name.clone());
        }
    }
    (lists.clear, lists.gone) = (clear, gone);
    let replaced = lists
        .new
        .iter()
        .filter(|name| had.contains_key(*name) && !is_directory(name));
    lists.old.extend(replaced.cloned());
    directories(wanted, had, &mut lists);
    lists
}

/// Whether nothing has to be done to make `before` what `entry` is, apart from its hard links.
fn is_same(before: &Entry, entry: &Entry) -> bool {
    (
        &before.kind,
        before.mode,
        before.owner,
        before.mtime,
        &before.xattrs,
    ) == (
        &entry.kind,
        entry.mode,
        entry.owner,
        entry.mtime,
        &entry.xattrs,
    )
}

/// A group of hard links is put in place whole or not at all.
fn whole_groups(wanted: &Tree, had: &Tree, lists: &mut Lists) {
    let mut groups: BTreeMap<&[u8], Vec<&Vec<u8>>> = BTreeMap::new();
    for (name, entry) in wanted
        .iter()
        .filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }))
    {
        groups.entry(&entry.group).or_default().push(name);
    }
    for names in groups.values().filter(|names| names.len() > 1) {
        let before: BTreeSet<&[u8]> = names
            .iter()
            .map(|name| had.get(*name).map_or(name.as_slice(), |entry| &entry.group))
            .collect();
        if before.len() > 1 || names.iter().any(|name| lists.new.contains(*name)) {
            for &name in names {
                lists.meta.remove(name);
                lists.new.insert(name.clone());
            }
        }
    }
}

/// Directories whose times move.
fn directories(wanted: &Tree, had: &Tree, lists: &mut Lists) {
    let changed = lists
        .new
        .iter()
        .chain(&lists.gone)
        .chain(&lists.clear)
        .chain(&lists.made)
        .chain(&lists.meta);
    let mut touched: BTreeSet<Vec<u8>> = changed
        .map(|name| match name.iter().rposition(|&byte| byte == b'/') {
            Some(at) => name[..at].to_vec(),
            None => Vec::new(),
        })
        .collect();
    touched.insert(Vec::new());
    touched.extend(lists.dirs.iter().cloned());
    let is_directory = |tree: &Tree, name: &[u8]| {
        tree.get(name)
            .is_some_and(|entry| entry.kind == Kind::Directory)
    };
    for name in touched {
        if is_directory(wanted, &name) {
            lists.dirs.insert(name.clone());
        }
        if is_directory(had, &name) {
            lists.old_dirs.insert(name);
        }
    }
}

/// The names, each ended by NUL; the root is `.`.
fn joined<'a>(names: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let mut list = Vec::new();
    for name in names {
        list.extend_from_slice(if name.is_empty() { b"." } else { name });
        list.push(0);
    }
    list
}

/// An archive of just these names.
fn archive<'a>(
    folder: &Path,
    names: impl IntoIterator<Item = &'a Vec<u8>>,
    options: &[&str],
) -> Vec<u8> {
    let tar = format!(
        "tar -c -f - --format=posix --xattrs '--xattrs-include=*' --acls --no-recursion \
         --pax-option=delete=atime,delete=ctime {} --null --no-unquote -T -",
        options.join(" ")
    );
    fed(folder, &tar, &joined(names))
}

/// What a command line prints that is given `input`.
fn fed(folder: &Path, line: &str, input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input).expect("it is taken"));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it is written");
    assert!(output.status.success(), "{line}");
    output.stdout
}

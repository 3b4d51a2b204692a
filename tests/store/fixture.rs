//! A store in a temporary folder, filled from real trees by the machine's own tar.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fleet::digest::Sha256;
use fleet::interrupt::Interrupt;
use fleet::manifest::{
    Checkpoint, ContentRange, Entry, EntryKind, FileTime, MachineIdentity, Pack, Part, PartState,
    Piece, ScanMark, Totals, Trigger,
};
use fleet::name::{CheckpointId, HostName, RemotePath, SourceName};
use fleet::pack::{Order, PackOptions, PackWriter};
use fleet::store::{
    Facts, Incoming, Level, Note, PartFacts, Scope, SealedCheckpoint, Store, VerifyReport,
    WrittenEntries,
};
use fleet::tarstream::{Event, Head, Kind, MemberStream};
use jiff::Timestamp;

pub(super) const NOW: &str = "2026-11-21T10:15:00Z";

pub(super) struct StoreFixture {
    pub(super) dir: tempfile::TempDir,
    pub(super) store: Store,
}

pub(super) fn host() -> HostName {
    "dev-vm".parse().expect("a host")
}

pub(super) fn source(name: &str) -> SourceName {
    name.parse().expect("a source")
}

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(super) fn id(text: &str) -> CheckpointId {
    text.parse().expect("a checkpoint")
}

impl StoreFixture {
    pub(super) fn new() -> Self {
        Self::within(tempfile::tempdir().expect("a folder"))
    }

    /// In memory where the machine has such a folder, for what syncs a hundred times.
    pub(super) fn quick() -> Self {
        let in_memory = tempfile::tempdir_in("/dev/shm");
        Self::within(in_memory.unwrap_or_else(|_| tempfile::tempdir().expect("a folder")))
    }

    fn within(dir: tempfile::TempDir) -> Self {
        let store = Store::open_or_create(&dir.path().join("store")).expect("a store");
        Self { dir, store }
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    pub(super) fn begin(&self, now: &str) -> Incoming {
        self.store
            .lock(&host(), None, &Interrupt::new())
            .expect("the lock")
            .begin(time(now))
            .expect("an incoming checkpoint")
    }

    pub(super) fn open(&self, name: &str) -> SealedCheckpoint {
        self.store.open_checkpoint(&id(name)).expect("a checkpoint")
    }

    /// Seals a checkpoint of `members` of the tree, the rest taken from `earlier`.
    pub(super) fn seal(
        &self,
        now: &str,
        members: &[&str],
        earlier: Option<&SealedCheckpoint>,
    ) -> Checkpoint {
        let incoming = self.begin(now);
        let part = capture(&incoming, &self.tree(), "app", members, earlier);
        incoming
            .seal(facts(vec![part]))
            .expect("a sealed checkpoint")
    }

    pub(super) fn verify(&self, level: Level) -> VerifyReport {
        self.store
            .verify(&Scope::All, level, &mut |_| ControlFlow::Continue(()))
            .expect("a report")
    }

    pub(super) fn assert_clean(&self) {
        assert_eq!(self.verify(Level::Full).problems, []);
    }
}

/// What tar sends of `members`, packed, with its entries. The pack's facts come along.
pub(super) fn capture(
    incoming: &Incoming,
    tree: &Path,
    part: &str,
    members: &[&str],
    earlier: Option<&SealedCheckpoint>,
) -> (PartFacts, Vec<Pack>) {
    capture_as(incoming, tree, part, members, earlier, &|_| {})
}

/// The same, with entries that `edit` has changed after they were packed.
pub(super) fn capture_as(
    incoming: &Incoming,
    tree: &Path,
    part: &str,
    members: &[&str],
    earlier: Option<&SealedCheckpoint>,
    edit: &dyn Fn(&mut Entry),
) -> (PartFacts, Vec<Pack>) {
    let part = source(part);
    let mut entries: BTreeMap<RemotePath, Entry> = BTreeMap::new();
    if let Some(earlier) = earlier {
        for entry in earlier.entries(&part).expect("entries") {
            let entry = entry.expect("an entry");
            entries.insert(entry.path.clone(), entry);
        }
    }
    let mut packs = Vec::new();
    if !members.is_empty() {
        packs.push(pack(incoming, tree, &part, members, &mut entries));
    }
    entries.values_mut().for_each(edit);
    let written = write_entries(incoming, &part, entries.values());
    let facts = PartFacts {
        part: plain_part(&part, PartState::Complete),
        entries: Some(written),
    };
    (facts, packs)
}

pub(super) fn write_entries<'a>(
    incoming: &Incoming,
    part: &SourceName,
    entries: impl Iterator<Item = &'a Entry>,
) -> WrittenEntries {
    let mut writer = incoming.entries(part).expect("a writer");
    for entry in entries {
        writer.append(entry).expect("appended");
    }
    writer.finish().expect("finished")
}

fn pack(
    incoming: &Incoming,
    tree: &Path,
    part: &SourceName,
    members: &[&str],
    entries: &mut BTreeMap<RemotePath, Entry>,
) -> Pack {
    let mut tar = Command::new("tar")
        .args([
            "--format=posix",
            "--sort=name",
            "--sparse",
            "--acls",
            "--xattrs",
        ])
        .args([
            "--pax-option=delete=atime,delete=ctime",
            "--warning=none",
            "-cf",
            "-",
            "-C",
        ])
        .arg(tree)
        .args(["--verbatim-files-from", "--null", "-T", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar");
    let mut names = tar.stdin.take().expect("a pipe");
    names
        .write_all(members.join("\0").as_bytes())
        .expect("the names");
    drop(names);
    let name = incoming.pack_name(part);
    let mut writer = PackWriter::create(incoming.pack_path(part), PackOptions::default())
        .expect("a pack writer");
    let mut stream = MemberStream::new(tar.stdout.take().expect("a pipe"));
    let mut number = 0;
    let mut numbers = Vec::new();
    // As fleet does, every member but further names of a regular file is kept as what it is.
    let mut others: BTreeMap<RemotePath, Kind> = BTreeMap::new();
    let mut firsts: BTreeMap<(u64, u64), RemotePath> = BTreeMap::new();
    loop {
        match stream.next().expect("a tar stream") {
            Event::Begin { head, raw } => {
                let resolved = match &head.kind {
                    Kind::HardLink { target } => others.get(target),
                    kind @ (Kind::Symlink { .. } | Kind::Fifo) => {
                        others.insert(head.path.clone(), kind.clone());
                        None
                    }
                    _ => None,
                };
                let resolved = resolved.map(|kind| Head {
                    kind: kind.clone(),
                    ..head.clone()
                });
                let blocks = resolved.and_then(|head| head.to_blocks());
                let raw = blocks.as_deref().unwrap_or(raw);
                let length = raw.len() as u64 + head.stored_bytes;
                number = writer
                    .begin_member(length, order(tree, head, raw))
                    .expect("a member");
                writer.write(raw).expect("written");
            }
            Event::Data(bytes) => writer.write(bytes).expect("written"),
            Event::Hole(_) => {}
            Event::End(mut member) => {
                writer.end_member().expect("a whole member");
                let path = tree.join(OsStr::from_bytes(member.head.path.member()));
                let facts = fs::symlink_metadata(path).expect("it was read just now");
                if let Kind::HardLink { target } = &member.head.kind
                    && let Some(kind) = others.get(target)
                {
                    member.head.kind = kind.clone();
                }
                let first = firsts
                    .entry((facts.dev(), facts.ino()))
                    .or_insert_with(|| member.head.path.clone());
                let is_other = matches!(member.head.kind, Kind::Symlink { .. } | Kind::Fifo);
                let first_name =
                    Some(first.clone()).filter(|first| is_other && *first != member.head.path);
                let has_names = facts.nlink() > 1 && !facts.is_dir();
                let kind = member
                    .entry_kind(|target| match &entries.get(target)?.kind {
                        EntryKind::File { size_bytes, sha256 } => Some((*size_bytes, *sha256)),
                        _ => None,
                    })
                    .expect("a kind");
                let entry = Entry {
                    kind,
                    mode: member.head.mode,
                    owner: member.head.owner,
                    mtime: member.head.mtime,
                    scan: has_names.then(|| mark(&facts)),
                    content: vec![Piece {
                        pack: name.clone(),
                        member: member.head.path.member().to_vec(),
                        offset_bytes: 0,
                        range: ContentRange::default(),
                    }],
                    extended: Some(member.extended),
                    first_name,
                    unstable: false,
                    path: member.head.path,
                };
                numbers.push((entry.path.clone(), number));
                entries.insert(entry.path.clone(), entry);
            }
            Event::Finished => break,
        }
    }
    let summary = writer.finish().expect("a whole pack");
    for (path, number) in numbers {
        let entry = entries.get_mut(&path).expect("it was put there");
        entry.content[0].offset_bytes = summary.offsets[number];
    }
    assert!(tar.wait().expect("tar").success());
    Pack {
        name,
        sha256: summary.sha256,
        stored_bytes: summary.stored_bytes,
    }
}

/// What a scan tells of it.
fn mark(facts: &fs::Metadata) -> ScanMark {
    let time = |seconds, nanoseconds: i64| FileTime {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).expect("below a second"),
    };
    ScanMark {
        inode: facts.ino(),
        device: facts.dev(),
        links: facts.nlink(),
        size_bytes: facts.len(),
        mtime: time(facts.mtime(), facts.mtime_nsec()),
        ctime: time(facts.ctime(), facts.ctime_nsec()),
    }
}

/// Only files that have one name may be anywhere.
fn order(tree: &Path, head: &Head, raw: &[u8]) -> Order {
    let path = tree.join(OsStr::from_bytes(head.path.member()));
    let facts = fs::symlink_metadata(path).expect("it was read just now");
    if facts.is_file() && facts.nlink() == 1 {
        let header_bytes = raw.len();
        Order::Free { header_bytes }
    } else {
        Order::Kept
    }
}

pub(super) fn plain_part(name: &SourceName, state: PartState) -> Part {
    Part {
        name: name.clone(),
        kind: "directory".to_owned(),
        state,
        roots: vec!["/app".parse().expect("a path")],
        resolved: Vec::new(),
        exclude: vec!["*.log".to_owned()],
        lines: None,
        left_out: Vec::new(),
        totals: Totals::default(),
        entries: 0,
        fetched_bytes: 7,
        scanned_at: None,
        warnings: Vec::new(),
        failure: None,
    }
}

pub(super) fn facts(captured: Vec<(PartFacts, Vec<Pack>)>) -> Facts {
    let (parts, packs): (Vec<_>, Vec<_>) = captured.into_iter().unzip();
    Facts {
        started: time(NOW),
        finished: time("2026-11-21T10:15:03Z"),
        trigger: Trigger::Manual,
        subset: false,
        description: "before the codec change".to_owned(),
        host: MachineIdentity {
            env: "dev".to_owned(),
            protected: false,
            address: "203.0.113.53:22".to_owned(),
            user: "azureuser".to_owned(),
            host_key: "SHA256:abc".to_owned(),
            machine_id: "0123456789abcdef".to_owned(),
            os: "Debian GNU/Linux 12".to_owned(),
            kernel: "6.1.0".to_owned(),
            hostname: "asterisk-dev".to_owned(),
        },
        observed: observed(),
        parts,
        packs: packs.into_iter().flatten().collect(),
        warnings: Vec::new(),
        fetched_bytes: 7,
        notes: vec![Note {
            title: "git status".to_owned(),
            text: b" M server.js\n?? \x1b[31mnew\n".to_vec(),
        }],
    }
}

/// A host as people have it, with names as strangers may give them.
pub(super) fn observed() -> fleet::manifest::HostFacts {
    use fleet::manifest::{Changes, Commit, Disk, Head, Process, Repository, Version};
    let path = |text: &str| text.parse::<RemotePath>().expect("a path");
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let repository = |root, head, changes| Repository {
        root: path(root),
        head,
        commit: Some(Commit {
            id: "a7f1c8e000000000000000000000000000000000".to_owned(),
            time: time("2025-10-28T17:00:00Z"),
            subject: "Dual \u{1b}[2J orchestrator".to_owned(),
        }),
        changes,
    };
    fleet::manifest::HostFacts {
        uptime: Some(days(12)),
        boot_id: "6a2e0f1c-0000-4000-8000-000000000001".to_owned(),
        disks: vec![Disk {
            mount: "/".to_owned(),
            size_bytes: 30 << 30,
            used_bytes: 18 << 30,
            free_bytes: 12 << 30,
        }],
        versions: vec![Version {
            program: "node".to_owned(),
            text: "v18.19.0".to_owned(),
        }],
        repositories: vec![
            repository(
                "/app",
                Head::Detached("HEAD detached from origin/working".to_owned()),
                Some(Changes {
                    count: 3,
                    first: vec![" M server.js".to_owned(), "?? \u{1b}[31mnew".to_owned()],
                }),
            ),
            repository("/opt/x", Head::Branch("main".to_owned()), None),
        ],
        processes: vec![Process {
            pid: 2261,
            user: "azureuser".to_owned(),
            command: "node server.js --token=***".to_owned(),
            directory: Some(path("/app")),
            age: Some(days(3)),
            workers: 2,
        }],
        more_processes: 1,
        programs: String::new(),
    }
}

/// All names in the tree of [`grow_tree`] of what has several: they are captured together, as fleet does.
pub(super) const GROUPS: [&str; 9] = [
    "app/main.js",
    "app/odd-link",
    "app/odd-link-\n",
    "app/pipe",
    "app/public/main-too.js",
    "app/public/pipe-too",
    "app/public/third",
    "app/z-first-name",
    "app/zz-second-name",
];

/// A tree with every kind of object and hostile names, `app` at its top.
pub(super) fn grow_tree(root: &Path) {
    let app = root.join("app");
    fs::create_dir_all(app.join("public/empty")).expect("folders");
    let write = |name: &[u8], content: &[u8]| {
        let path = app.join(OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(&path, content).expect("a file");
    };
    write(b"server.js", b"listen(3000)\n");
    write(b"public/index.html", b"<html>\n");
    // Between `public` and `public/…` by bytes.
    write(b"public-old/index.html", b"<old>\n");
    write(b"public.d/x.conf", b"x\n");
    write(b"empty", b"");
    write(b"-rf", b"dash\n");
    write(b"new\nline", b"newline\n");
    write(b"back\\nslash", b"backslash\n");
    write(b"st*r [x] ?", b"wild\n");
    write(b"quote\"'$(id)`", b"quoted\n");
    write(b"bytes-\xff\xfe", b"not text\n");
    write("größe".as_bytes(), b"text\n");
    write(b"zeros", &[0; 200_000]);
    write(b"set-id", b"#!\n");
    write(b"large.bin", &noise(3_000_000));
    write(b"private/key", b"secret\n");
    write(b"deep/er/and/deep\xffer/file", b"deep\n");
    write(b"z-first-name", b"shared\n");
    fs::hard_link(app.join("z-first-name"), app.join("zz-second-name")).expect("a link");
    fs::hard_link(app.join("z-first-name"), app.join("public/third")).expect("a link");
    symlink("server.js", app.join("main.js")).expect("a link");
    symlink("/etc/passwd", app.join("outside")).expect("a link");
    symlink(OsStr::from_bytes(b"../\xff\n"), app.join("odd-link")).expect("a link");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        app.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("a pipe");
    fs::hard_link(app.join("pipe"), app.join("public/pipe-too")).expect("a link");
    fs::hard_link(app.join("main.js"), app.join("public/main-too.js")).expect("a link");
    fs::hard_link(app.join("odd-link"), app.join("odd-link-\n")).expect("a link");
    let mode = |name: &str, mode| {
        fs::set_permissions(app.join(name), fs::Permissions::from_mode(mode)).expect("a mode");
    };
    mode("set-id", 0o4755);
    mode("private/key", 0o400);
    mode("private", 0o500);
    mode("public/empty", 0o1777);
    if rustix::process::geteuid().is_root() {
        // What their owner may not search, only root captures.
        write(b"locked/inner/file", b"locked\n");
        fs::create_dir(app.join("locked/empty")).expect("a folder");
        mode("locked/inner", 0o000);
        mode("locked", 0o600);
    }
    age(root);
}

/// Gives `root` and everything beneath it to another account. Only root can.
pub(super) fn give_away(root: &Path, account: u32) {
    let mut paths = walk(root);
    paths.push(root.to_owned());
    for path in paths {
        let facts = fs::symlink_metadata(&path).expect("metadata");
        std::os::unix::fs::lchown(&path, Some(account), Some(account)).expect("given away");
        if !facts.is_symlink() {
            // A new owner takes set-id bits away.
            fs::set_permissions(&path, facts.permissions()).expect("a mode");
        }
    }
}

/// Gives everything beneath `root` times of its own, children first.
fn age(root: &Path) {
    let mut paths = walk(root);
    paths.reverse();
    for (at, path) in paths.iter().enumerate() {
        let time = rustix::fs::Timespec {
            tv_sec: 1_600_000_000 + 86_400 * i64::try_from(at).expect("small"),
            tv_nsec: 123_456_789,
        };
        let times = rustix::fs::Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(
            rustix::fs::CWD,
            path,
            &times,
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )
        .expect("times");
    }
}

pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

/// Everything beneath `root`, sorted; not `root` itself.
pub(super) fn walk(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for item in fs::read_dir(&dir).expect("a folder") {
            let path = item.expect("an item").path();
            if fs::symlink_metadata(&path).expect("metadata").is_dir() {
                left.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// One line for each object beneath `root`: everything that a copy must have too.
pub(super) fn describe(root: &Path) -> Vec<String> {
    let mut groups: BTreeMap<u64, PathBuf> = BTreeMap::new();
    walk(root)
        .into_iter()
        .map(|path| {
            let facts = fs::symlink_metadata(&path).expect("metadata");
            let name = path.strip_prefix(root).expect("beneath").to_owned();
            let kind = facts.file_type();
            let first = groups.entry(facts.ino()).or_insert_with(|| name.clone());
            let names = format!("{} {first:?}", facts.nlink());
            let content = if kind.is_symlink() {
                format!("{:?} {names}", fs::read_link(&path).expect("a link"))
            } else if kind.is_file() {
                let digest = Sha256::of(&fs::read(&path).expect("a file"));
                format!("{digest} {names}")
            } else if kind.is_dir() {
                String::new()
            } else {
                names
            };
            format!(
                "{name:?} {:o} {}:{} {}.{:09} {content}",
                facts.mode(),
                facts.uid(),
                facts.gid(),
                facts.mtime(),
                facts.mtime_nsec(),
            )
        })
        .collect()
}

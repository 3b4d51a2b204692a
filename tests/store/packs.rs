//! Tests of the checks of earlier packs: cached results, and damage that they must notice.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use fleet::interrupt::Interrupt;
use fleet::manifest::{Pack, PartState};
use fleet::store::{Error, HostLock, PackHealth, PartFacts, Store};

use super::fixture::{NOW, StoreFixture, capture, facts, grow_tree, host, id, plain_part, source};

fn lock(store: &Store) -> HostLock {
    store
        .lock(&host(), None, &Interrupt::new())
        .expect("the lock")
}

/// The health of one pack, and whether the file was read for it: only reading ends at an interrupt.
fn health(lock: &mut HostLock, pack: &Pack) -> (PackHealth, bool) {
    let packs = std::slice::from_ref(pack);
    let interrupt = Interrupt::new();
    interrupt.raise();
    let unread = lock.pack_health(packs, &interrupt);
    let is_read = matches!(unread, Err(Error::Stopped));
    let found = if is_read {
        lock.pack_health(packs, &Interrupt::new())
    } else {
        unread
    };
    let found = found.expect("health");
    assert_eq!(found.len(), 1);
    (found[&pack.name].clone(), is_read)
}

fn damaged(problem: &str) -> PackHealth {
    PackHealth::Damaged {
        problem: problem.to_owned(),
    }
}

const SOUND_UNREAD: (PackHealth, bool) = (PackHealth::Sound, false);
const SOUND_READ: (PackHealth, bool) = (PackHealth::Sound, true);

/// A store with one checkpoint, and its only pack.
fn bed() -> (StoreFixture, Pack, PathBuf) {
    bed_of("app")
}

fn bed_of(member: &str) -> (StoreFixture, Pack, PathBuf) {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    let sealed = bed.seal(NOW, &[member], None);
    let pack = sealed.packs[0].clone();
    let path = bed.store.dir().join("dev-vm").join(pack.name.to_string());
    (bed, pack, path)
}

#[test]
fn a_sealed_pack_is_known_without_being_read() {
    let (bed, pack, _) = bed();
    assert_eq!(health(&mut lock(&bed.store), &pack), SOUND_UNREAD);
    // A later checkpoint that refers to it changes nothing.
    let first = bed.open("dev-vm@20261121T101500Z");
    let second = bed.seal(NOW, &["app/server.js"], Some(&first));
    let mut lock = lock(&bed.store);
    assert_eq!(second.packs.len(), 2);
    for pack in &second.packs {
        assert_eq!(health(&mut lock, pack), SOUND_UNREAD, "{}", pack.name);
    }
}

#[test]
fn a_scribbled_lock_file_costs_one_reading() {
    let (bed, pack, _) = bed();
    let path = bed.store.dir().join("dev-vm/.lock");
    let whole = fs::read(&path).expect("a lock file");
    let first_line = whole.iter().position(|&b| b == b'\n').expect("a line") + 1;
    let mut other_look = String::from_utf8(whole.clone()).expect("text");
    other_look = other_look.replace("\"inode\":", "\"inode\":1");
    for scribbled in [
        b"\xff{".to_vec(),
        Vec::new(),
        whole[..whole.len() / 2].to_vec(),
        [&whole[..first_line], b"{\"packs\":7}\n"].concat(),
        whole[..first_line].to_vec(),
        other_look.into_bytes(),
    ] {
        fs::write(&path, scribbled).expect("scribbled");
        assert_eq!(health(&mut lock(&bed.store), &pack), SOUND_READ);
        assert_eq!(health(&mut lock(&bed.store), &pack), SOUND_UNREAD);
    }
    assert_ne!(first_line, whole.len());
}

#[test]
fn a_touched_pack_is_read_once_and_known_again() {
    let (bed, pack, path) = bed();
    let file = fs::File::options().write(true).open(&path).expect("a pack");
    file.set_modified(SystemTime::UNIX_EPOCH).expect("touched");
    assert_eq!(health(&mut lock(&bed.store), &pack).0, PackHealth::Sound);
    wait_for_a_tick(&path);
    assert_eq!(health(&mut lock(&bed.store), &pack).0, PackHealth::Sound);
    assert_eq!(health(&mut lock(&bed.store), &pack), SOUND_UNREAD);
}

/// Until the file system stamps changes with a later time than that of the last one to `path`.
fn wait_for_a_tick(path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let changed = |path: &Path| {
        let facts = path.metadata().expect("metadata");
        (facts.ctime(), facts.ctime_nsec())
    };
    let before = changed(path);
    let other = path.with_extension("tick");
    while {
        fs::write(&other, b"").expect("written");
        changed(&other) <= before
    } {
        std::thread::yield_now();
    }
    fs::remove_file(other).expect("removed");
}

#[test]
fn a_change_right_after_the_look_is_noticed() {
    let (bed, pack, path) = bed_of("app/server.js");
    let whole = fs::read(&path).expect("a pack");
    let mut other = whole.clone();
    other[whole.len() / 2] ^= 1;
    // However fast: in one tick of the file system's clock, look and change bear the same time.
    for _ in 0..200 {
        fs::write(&path, &whole).expect("written");
        let mut lock = lock(&bed.store);
        assert_eq!(health(&mut lock, &pack).0, PackHealth::Sound);
        fs::write(&path, &other).expect("written");
        let found = health(&mut lock, &pack);
        assert_eq!(found, (damaged("its digest does not match"), true));
    }
}

#[test]
fn damage_is_told_by_its_kind() {
    let (bed, pack, path) = bed();
    let whole = fs::read(&path).expect("a pack");
    let length = whole.len();
    let mut flipped = whole.clone();
    flipped[length / 2] ^= 1;

    // In place, and by a file of the same size and the same times in its place.
    let modified = path
        .metadata()
        .expect("metadata")
        .modified()
        .expect("a time");
    fs::write(&path, &flipped).expect("written");
    let digest = (damaged("its digest does not match"), true);
    assert_eq!(health(&mut lock(&bed.store), &pack), digest);
    let beside = path.with_extension("other");
    fs::write(&beside, &flipped).expect("written");
    let file = fs::File::options()
        .write(true)
        .open(&beside)
        .expect("a file");
    file.set_modified(modified).expect("a time");
    fs::rename(&beside, &path).expect("replaced");
    assert_eq!(health(&mut lock(&bed.store), &pack), digest);

    fs::write(&path, &whole[..length - 1]).expect("written");
    let shorter = format!("it has {} bytes, {length} were sealed", length - 1);
    assert_eq!(
        health(&mut lock(&bed.store), &pack),
        (damaged(&shorter), false)
    );

    fs::remove_file(&path).expect("removed");
    assert_eq!(
        health(&mut lock(&bed.store), &pack),
        (PackHealth::Missing, false)
    );

    // What was damaged once is not known when it comes back.
    fs::write(&path, &whole).expect("written");
    assert_eq!(health(&mut lock(&bed.store), &pack), SOUND_READ);
}

#[test]
fn a_copied_store_is_read_once() {
    let (bed, pack, path) = bed();
    let copy = bed.dir.path().join("copy");
    let copied = Command::new("cp")
        .arg("-a")
        .args([bed.store.dir(), &copy])
        .status()
        .expect("cp");
    assert!(copied.success());
    let copied = Store::open(&copy).expect("a store");
    wait_for_a_tick(&copy.join("dev-vm").join(pack.name.to_string()));
    assert_eq!(health(&mut lock(&copied), &pack), SOUND_READ);
    assert_eq!(health(&mut lock(&copied), &pack), SOUND_UNREAD);
    // And one that a backup brought back over the old one.
    let restored = Command::new("cp")
        .args(["-a", "--remove-destination"])
        .arg(copy.join("dev-vm").join(pack.name.to_string()))
        .arg(&path)
        .status()
        .expect("cp");
    assert!(restored.success());
    assert_eq!(health(&mut lock(&bed.store), &pack), SOUND_READ);
}

#[test]
fn a_pack_is_not_taken_for_another_one() {
    let (bed, first, path) = bed();
    let opened = bed.open("dev-vm@20261121T101500Z");
    let second = bed.seal(NOW, &["app/server.js"], Some(&opened));
    let second = &second.packs[1];
    let other = bed.store.dir().join("dev-vm").join(second.name.to_string());
    let aside = path.with_extension("aside");
    for (from, to) in [(&path, &aside), (&other, &path), (&aside, &other)] {
        fs::rename(from, to).expect("renamed");
    }
    let mut lock = lock(&bed.store);
    for pack in [&first, second] {
        let (found, _) = health(&mut lock, pack);
        assert!(matches!(found, PackHealth::Damaged { .. }), "{found:?}");
    }
}

#[test]
fn hashing_ends_when_the_operator_asks() {
    let (bed, pack, _) = bed();
    fs::write(bed.store.dir().join("dev-vm/.lock"), b"").expect("scribbled");
    let mut lock = lock(&bed.store);
    let interrupt = Interrupt::new();
    interrupt.raise();
    let stopped = lock.pack_health(std::slice::from_ref(&pack), &interrupt);
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    assert_eq!(health(&mut lock, &pack), SOUND_READ);
}

/// Waits until this process has read some of the file, or all: `is_read` says so.
fn wait_until_it_is_read(path: &Path, is_read: &AtomicBool) {
    let has_begun = |entry: &fs::DirEntry| {
        let descriptor = entry.file_name();
        let info = Path::new("/proc/self/fdinfo").join(descriptor);
        let info = fs::read_to_string(info).unwrap_or_default();
        fs::read_link(entry.path()).is_ok_and(|open| open == path) && !info.starts_with("pos:\t0\n")
    };
    let open = || {
        fs::read_dir("/proc/self/fd")
            .expect("descriptors")
            .flatten()
    };
    while !is_read.load(Ordering::Relaxed) && !open().any(|entry| has_begun(&entry)) {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_touched_while_it_is_read_is_read_again() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    // Reading it takes a while, for it does not compress.
    let mut random = fs::File::open("/dev/urandom")
        .expect("random bytes")
        .take(64 << 20);
    let mut large = fs::File::create(bed.tree().join("app/large")).expect("a file");
    std::io::copy(&mut random, &mut large).expect("written");
    let pack = bed.seal(NOW, &["app"], None).packs[0].clone();
    let path = bed.store.dir().join("dev-vm").join(pack.name.to_string());
    let whole = fs::read(&path).expect("a pack");
    let last = *whole.last().expect("it is not empty");
    let mut lock = lock(&bed.store);
    let mut health_while = |act: &(dyn Fn() + Sync)| {
        fs::write(&path, &whole).expect("written");
        wait_for_a_tick(&path);
        let is_read = AtomicBool::new(false);
        let found = std::thread::scope(|scope| {
            scope.spawn(|| {
                wait_until_it_is_read(&path, &is_read);
                act();
            });
            let found = lock.pack_health(std::slice::from_ref(&pack), &Interrupt::new());
            is_read.store(true, Ordering::Relaxed);
            found
        });
        (
            found.expect("health")[&pack.name].clone(),
            health(&mut lock, &pack),
        )
    };
    let touch = || {
        let file = fs::File::options().write(true).open(&path);
        let touched = file.and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH));
        touched.expect("touched");
        wait_for_a_tick(&path);
    };
    assert_eq!(health_while(&touch), (PackHealth::Sound, SOUND_READ));
    let digest = damaged("its digest does not match");
    let change = || {
        let file = fs::File::options().write(true).open(&path);
        let written = file.and_then(|file| file.write_all_at(&[!last], whole.len() as u64 - 1));
        written.expect("written");
    };
    assert_eq!(health_while(&change), (digest.clone(), (digest, true)));
    // Left alone, it is known from then on.
    assert_eq!(health_while(&|| ()), (PackHealth::Sound, SOUND_UNREAD));
}

#[test]
fn the_speed_of_the_link_is_remembered() {
    let bed = StoreFixture::new();
    assert_eq!(lock(&bed.store).link_bytes_per_second(), None);
    lock(&bed.store).remember_link_speed(7_000_000);
    let mut incoming = bed.begin(NOW);
    assert_eq!(incoming.link_bytes_per_second(), Some(7_000_000));
    incoming.remember_link_speed(8_000_000);
    incoming.abandon().expect("abandoned");
    assert_eq!(lock(&bed.store).link_bytes_per_second(), Some(8_000_000));
}

#[test]
fn older_packs_need_no_record_when_the_caller_names_them() {
    let (bed, pack, path) = bed();
    let earlier = bed.open("dev-vm@20261121T101500Z");
    let seal = |told: Vec<Pack>| {
        let incoming = bed.begin(NOW);
        let (part, own) = capture(
            &incoming,
            &bed.tree(),
            "app",
            &["app/server.js"],
            Some(&earlier),
        );
        let told = own.into_iter().chain(told).collect();
        incoming.seal(facts(vec![(part, told)]))
    };
    // Whatever record is looked at would be this damaged one.
    let record = bed
        .store
        .dir()
        .join("dev-vm/20261121T101500Z/checkpoint.json");
    let whole = fs::read(&record).expect("a record");
    fs::write(&record, b"{}").expect("damaged");
    let sealed = seal(vec![pack.clone()]).expect("sealed");
    assert_eq!(sealed.packs[0], pack);
    fs::write(&record, &whole).expect("mended");

    // But nothing is sealed that a missing or cut pack makes worthless.
    let content = fs::read(&path).expect("a pack");
    fs::write(&path, &content[1..]).expect("cut");
    let refused = seal(vec![pack.clone()]).expect_err("refused").to_string();
    assert!(
        refused.ends_with(&format!(
            "{} has {} bytes, {} were sealed",
            pack.name,
            pack.stored_bytes - 1,
            pack.stored_bytes
        )),
        "{refused}"
    );
    fs::remove_file(&path).expect("removed");
    let refused = seal(Vec::new()).expect_err("refused").to_string();
    assert!(
        refused.ends_with(&format!("{} is missing", pack.name)),
        "{refused}"
    );
}

#[test]
fn history_goes_backwards_and_reads_what_is_asked_for() {
    let bed = StoreFixture::new();
    grow_tree(&bed.tree());
    assert_eq!(bed.store.newest_first(&host()).expect("none").count(), 0);
    for _ in 0..4 {
        bed.seal(NOW, &["app/server.js"], None);
    }
    let dir = bed.store.dir().join("dev-vm");
    fs::write(dir.join("20261121T101502Z/checkpoint.json"), b"{}").expect("damaged");
    let mut history = bed.store.newest_first(&host()).expect("a history");
    let newest = history.next().expect("one").expect("sound");
    assert_eq!(newest.id().to_string(), "dev-vm@20261121T101503Z");
    assert_eq!(newest.checkpoint().parts[0].name, source("app"));
    let damaged = history.next().expect("one").expect_err("damaged");
    assert_eq!(damaged.id, id("dev-vm@20261121T101502Z"));
    assert!(
        matches!(damaged.error, Error::Damaged { .. }),
        "{damaged:?}"
    );
    // Removed after the folder was listed.
    fs::remove_dir_all(dir.join("20261121T101501Z")).expect("removed");
    let oldest = history.next().expect("one").expect("sound");
    assert_eq!(oldest.id().to_string(), "dev-vm@20261121T101500Z");
    assert!(history.next().is_none());
}

#[test]
fn a_pack_is_looked_up_backwards_until_it_is_found() {
    let (bed, pack, _) = bed();
    let first = bed.open("dev-vm@20261121T101500Z");
    for _ in 0..2 {
        let incoming = bed.begin(NOW);
        let part = PartFacts {
            part: plain_part(&source("app"), PartState::Complete),
            entries: Some(
                incoming
                    .share_entries(&source("app"), &first)
                    .expect("shared"),
            ),
        };
        let sealed = incoming
            .seal(facts(vec![(part, Vec::new())]))
            .expect("sealed");
        assert_eq!(sealed.packs, std::slice::from_ref(&pack));
        // The newer ones know it too; a damaged one is passed over.
        let record = format!("dev-vm/{}/checkpoint.json", sealed.id.stamp);
        fs::write(bed.store.dir().join(record), b"{}").expect("damaged");
    }
}

//! Who is let at a root: one restore at a time, and only in folders that are still its own.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use fleet::guard::{Compression, TransactionStep};

use super::host::{Fate, Host, root, shell};
use super::scan::{differences, scan};
use crate::support::not_here;
use crate::support::sshd::eventually;

/// A restore with one root that holds a file, begun.
fn begun() -> Host {
    let host = Host::new(&["root"]);
    fs::create_dir(&host.roots[0]).expect("a folder");
    fs::write(host.roots[0].join("file"), "live").expect("a file");
    host.begin().ok();
    host
}

/// The archive that replaces the file `file` by one that holds `new`.
fn archive_of_a_file(host: &Host) -> Vec<u8> {
    let scratch = host.folder().join("scratch");
    shell(
        "rm -rf \"$1\"; mkdir -p \"$1/new\" && cd \"$1\" && echo new >new/file && printf 'file\\0' >old.list && \
         printf '.\\0' >odirs.list && tar -c --format=posix -f ../archive *",
        &[&scratch],
    );
    fs::read(host.folder().join("archive")).expect("an archive")
}

#[test]
fn a_begin_answers_where_the_roots_are_and_is_listed() {
    let host = begun();
    let facts = fs::metadata(&host.roots[0]).expect("a directory");
    let (device, inode) = (facts.dev(), facts.ino());
    let lines = host.restores();
    let owner = lines[0].split(' ').nth(2).expect("an owner").to_owned();
    assert_eq!(lines[0], format!("record {} {owner} 700", host.id));
    let text: Vec<u8> = lines[1..]
        .iter()
        .take_while(|line| line.starts_with(' '))
        .flat_map(|line| line.split_ascii_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal"))
        .collect();
    assert_eq!(text, b"the record of it\n");
    let id = &host.id;
    assert!(
        lines.contains(&format!("root 0 staging {device} {inode} {owner} 700 {id}")),
        "{lines:?}"
    );
    assert!(
        lines.contains(&format!("place 0 {device} {inode}")),
        "{lines:?}"
    );
    assert_eq!(host.step(TransactionStep::Done).ok(), ["at 0 none"]);
    assert_eq!(host.restores(), Vec::<String>::new());
}

#[test]
fn a_begin_and_its_end_leave_no_trace() {
    let host = Host::new(&["root", "other root\n'"]);
    for root in &host.roots {
        fs::create_dir(root).expect("a folder");
        fs::write(root.join("file"), "live").expect("a file");
        shell("touch -d @1234567890.123456789 \"$1\"", &[root]);
    }
    let before = [scan(&host.roots[0]), scan(&host.roots[1])];
    assert_eq!(host.begin().ok().len(), 2);
    host.step(TransactionStep::Done).ok();
    for (before, root) in before.iter().zip(&host.roots) {
        assert_eq!(differences(before, &scan(root)), Vec::<String>::new());
        assert!(!root.join(".fleet-restore").exists());
    }
}

#[test]
fn one_of_two_begins_in_a_root_is_refused_and_leaves_nothing() {
    let host = begun();
    let mut second = Host::new(&["free"]);
    fs::create_dir(&second.roots[0]).expect("a folder");
    second.roots.push(host.roots[0].clone());
    let answer = second.begin();
    answer.refused(10, "has a restore under way or unfinished");
    assert_eq!(answer.lines, [format!("busy root 1 {}", host.id)]);
    assert!(!second.staging(0).exists() && !second.record().exists());
    // The same restore cannot begin twice either.
    let again = host.begin();
    again.refused(10, "is under way or unfinished");
    assert_eq!(again.lines, [format!("busy record {}", host.id)]);
    assert_eq!(host.step(TransactionStep::Staged).ok(), ["at 0 staged"]);
    host.step(TransactionStep::Done).ok();
    second.begin().ok();
    second.step(TransactionStep::Done).ok();
}

#[test]
fn of_two_begins_at_once_exactly_one_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    for _ in 0..3 {
        let mut hosts = [Host::new(&[]), Host::new(&[]), Host::new(&[])];
        for host in &mut hosts {
            host.roots.push(root.clone());
        }
        let statuses: Vec<Option<u32>> = std::thread::scope(|scope| {
            let begins: Vec<_> = hosts
                .iter()
                .map(|host| scope.spawn(|| host.begin().status))
                .collect();
            begins
                .into_iter()
                .map(|begin| begin.join().expect("it ends"))
                .collect()
        });
        let winners: Vec<&Host> = hosts
            .iter()
            .zip(&statuses)
            .filter(|(_, status)| **status == Some(0))
            .map(|(host, _)| host)
            .collect();
        assert_eq!(winners.len(), 1, "{statuses:?}");
        assert_eq!(
            statuses
                .iter()
                .filter(|status| **status == Some(10))
                .count(),
            2,
            "{statuses:?}"
        );
        winners[0].step(TransactionStep::Done).ok();
    }
}

#[test]
fn a_root_that_is_another_directory_by_now_is_not_entered() {
    let host = begun();
    let begun_in = root(&host.roots[0]);
    let aside = host.folder().join("aside");
    fs::rename(&host.roots[0], &aside).expect("on one file system");
    let step = |step| host.step_in(step, vec![begun_in.clone()], Fate::Whole);
    symlink(&aside, &host.roots[0]).expect("a link");
    step(TransactionStep::Staged).refused(12, "is a symbolic link now");
    fs::remove_file(&host.roots[0]).expect("a link");
    step(TransactionStep::Staged).refused(12, "cannot be entered");
    shell("cp -a \"$1\" \"$2\"", &[&aside, &host.roots[0]]);
    step(TransactionStep::Staged).refused(12, "is another directory than the one");
    step(TransactionStep::Done).refused(12, "is another directory than the one");
    assert!(host.staging(0).join("id").exists() && host.record().exists());
    fs::remove_dir_all(&host.roots[0]).expect("a copy");
    fs::rename(&aside, &host.roots[0]).expect("on one file system");
    step(TransactionStep::Done).ok();
}

#[test]
fn a_staging_folder_that_is_not_this_restores_is_not_used() {
    let host = begun();
    let (staging, aside) = (host.staging(0), host.folder().join("aside"));
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o755)).expect("a mode");
    host.step(TransactionStep::Staged)
        .refused(12, "is not a folder of this account alone");
    fs::set_permissions(&staging, fs::Permissions::from_mode(0o700)).expect("a mode");
    fs::rename(&staging, &aside).expect("on one file system");
    symlink(&aside, &staging).expect("a link");
    host.step(TransactionStep::Staged)
        .refused(12, "is not a folder of this account alone");
    host.step(TransactionStep::Done)
        .refused(12, "is not a folder of this account alone");
    fs::remove_file(&staging).expect("a link");
    fs::rename(&aside, &staging).expect("on one file system");
    fs::write(staging.join("id"), "ffffffffffff\n").expect("a file");
    host.step(TransactionStep::Back)
        .refused(12, "is of another restore: ffffffffffff");
    fs::write(staging.join("id"), format!("{}\n", host.id)).expect("a file");
    if rustix::process::geteuid().is_root() {
        shell("chown 1 \"$1\"", &[&staging]);
        host.step(TransactionStep::Staged)
            .refused(12, "is not a folder of this account alone");
        shell("chown 0 \"$1\"", &[&staging]);
    } else {
        not_here("only root gives files away");
    }
    host.step(TransactionStep::Done).ok();
}

#[test]
fn a_record_that_is_not_this_accounts_alone_is_not_used() {
    let host = begun();
    fs::set_permissions(host.record(), fs::Permissions::from_mode(0o750)).expect("a mode");
    host.step(TransactionStep::Staged)
        .refused(12, "not a folder of this account alone");
    fs::set_permissions(host.record(), fs::Permissions::from_mode(0o700)).expect("a mode");
    host.step(TransactionStep::Done).ok();
}

/// A search path whose `cp` takes its time.
fn slow_cp(folder: &Path, seconds: u32) -> String {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).expect("a folder");
    let cp = format!("#!/bin/sh\nsleep {seconds}\nexec /bin/cp \"$@\"\n");
    fs::write(bin.join("cp"), cp).expect("a script");
    fs::set_permissions(bin.join("cp"), fs::Permissions::from_mode(0o755)).expect("a mode");
    format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").expect("a search path")
    )
}

/// A restore that is prepared, on a host that gets slow.
fn prepared_and_slow(seconds: u32) -> (Host, String) {
    let host = begun();
    host.stage(0, Compression::None, &archive_of_a_file(&host))
        .ok();
    host.step(TransactionStep::Staged).ok();
    host.step(TransactionStep::Prepare).ok();
    let path = slow_cp(host.folder(), seconds);
    (host, path)
}

#[test]
fn a_connection_that_is_cut_does_not_cut_the_swap() {
    let (host, path) = prepared_and_slow(3);
    let command = host.command(TransactionStep::Forward, vec![root(&host.roots[0])]);
    host.cut(&host.rendered(command, 0), b"", Some(&path));
    eventually("it is new", || host.staging(0).join("at-new").exists());
    assert_eq!(
        fs::read(host.roots[0].join("file")).expect("a file"),
        b"new\n"
    );
    host.step(TransactionStep::Back).ok();
    assert_eq!(
        fs::read(host.roots[0].join("file")).expect("a file"),
        b"live"
    );
    host.step(TransactionStep::Done).ok();
}

#[test]
fn a_script_that_still_works_is_waited_for() {
    let (host, path) = prepared_and_slow(3);
    let command = host.command(TransactionStep::Forward, vec![root(&host.roots[0])]);
    host.cut(&host.rendered(command, 0), b"", Some(&path));
    let began = Instant::now();
    eventually("it is going", || host.staging(0).join("at-going").exists());
    assert!(
        host.restores()
            .iter()
            .any(|line| line.starts_with("running ")),
        "{:?}",
        host.restores()
    );
    assert_eq!(host.step(TransactionStep::Back).ok(), ["at 0 old"]);
    assert!(began.elapsed() > Duration::from_secs(2));
    assert_eq!(
        fs::read(host.roots[0].join("file")).expect("a file"),
        b"live"
    );
    host.step(TransactionStep::Done).ok();
}

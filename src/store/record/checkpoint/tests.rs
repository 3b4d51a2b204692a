//! Tests of the record: its exact text, and that nothing else is read as one.

use super::*;
use std::time::Duration;

use crate::fault::{Code, Problem};
use crate::manifest::{
    Changes, Commit, Disk, FileTime, Head, LeftOut, MachineIdentity, Process, Repository, Resolved,
    State, Version,
};
use crate::name::CheckpointId;

fn pack() -> PackName {
    "packs/20261120T101500Z/app.tar.zst"
        .parse()
        .expect("a pack")
}

fn part(name: &str, state: PartState) -> Part {
    Part {
        name: name.parse().expect("a source"),
        kind: "directory".to_owned(),
        state,
        roots: vec![
            RemotePath::from_bytes(&b"/app"[..]).expect("a path"),
            RemotePath::from_bytes(&b"/app-\xff"[..]).expect("a path"),
        ],
        resolved: vec![Resolved {
            asked: RemotePath::from_bytes(&b"/app"[..]).expect("a path"),
            real: RemotePath::from_bytes(&b"/srv/\xff"[..]).expect("a path"),
        }],
        exclude: vec!["*.log".to_owned()],
        lines: Some("^MONITORING_".to_owned()),
        left_out: vec![LeftOut {
            path: RemotePath::from_bytes(&b"/app/\xff"[..]).expect("a path"),
            kind: "tmpfs".to_owned(),
        }],
        totals: Totals { files: 2, bytes: 9 },
        entries: 3,
        fetched_bytes: 9,
        scanned_at: FileTime::parse("1795256100.25"),
        warnings: vec!["/app/x vanished".to_owned()],
        failure: None,
    }
}

fn path(bytes: &[u8]) -> RemotePath {
    RemotePath::from_bytes(bytes).expect("a path")
}

fn observed() -> HostFacts {
    let repository = |head, commit, changes| Repository {
        root: path(b"/app"),
        head,
        commit,
        changes,
    };
    let commit = Commit {
        id: "a7f1c8e0".repeat(5),
        time: "2025-10-28T17:00:00Z".parse().expect("a time"),
        subject: "first".to_owned(),
    };
    let changes = Changes {
        count: 1,
        first: vec![" M a".to_owned()],
    };
    HostFacts {
        uptime: Some(Duration::from_secs(60)),
        boot_id: "6a2e".to_owned(),
        disks: vec![Disk {
            mount: "/".to_owned(),
            size_bytes: 3,
            used_bytes: 2,
            free_bytes: 1,
        }],
        versions: vec![Version {
            program: "node".to_owned(),
            text: "v18".to_owned(),
        }],
        repositories: vec![
            repository(Head::Branch("main".to_owned()), Some(commit), Some(changes)),
            repository(Head::Detached(String::new()), None, None),
        ],
        processes: vec![Process {
            pid: 7,
            user: "me".to_owned(),
            command: "node a".to_owned(),
            directory: Some(path(b"/app-\xff")),
            age: Some(Duration::from_secs(5)),
            workers: 2,
        }],
        more_processes: 4,
        programs: "node=/usr/bin/node /usr/bin/node:1:2:3".to_owned(),
    }
}

fn sealed() -> Sealed {
    let file = |text: &str| FileFacts {
        sha256: Sha256::of(text.as_bytes()),
        stored_bytes: text.len() as u64,
    };
    let mut failed = part("homer", PartState::Failed);
    failed.failure = Some(Problem::in_part(
        Code::SudoNeeded,
        "permission denied",
        Some("Use sudo.".to_owned()),
    ));
    let id: CheckpointId = "dev-vm@20261121T101500Z".parse().expect("a checkpoint");
    Sealed {
        checkpoint: Checkpoint {
            started: id.stamp.time(),
            finished: "2026-11-21T10:15:03.5Z".parse().expect("a time"),
            id,
            trigger: Trigger::PreRestore,
            subset: true,
            description: "before \"it\"\n".to_owned(),
            host: MachineIdentity {
                env: "dev".to_owned(),
                protected: true,
                address: "203.0.113.53:22".to_owned(),
                ..MachineIdentity::default()
            },
            facts: observed(),
            parts: vec![part("app", PartState::Warned), failed],
            packs: vec![Pack {
                name: pack(),
                sha256: Sha256::of(b"pack"),
                stored_bytes: 4,
            }],
            warnings: vec!["the clock is 3 s off".to_owned()],
            fetched_bytes: 9,
            stored_bytes: 1000,
        },
        entries: BTreeMap::from([(
            "app".parse().expect("a source"),
            EntriesFacts {
                file: file("entries"),
                records: 3,
                packs: vec![pack()],
                endings: BTreeMap::from([("js".to_owned(), Totals { files: 2, bytes: 9 })]),
                folders: BTreeMap::from([
                    (path(b"/app"), Totals { files: 1, bytes: 4 }),
                    (path(b"/app-\xff"), Totals { files: 1, bytes: 5 }),
                ]),
            },
        )]),
        manifest: file("manifest"),
        facts_file: Some(file("facts")),
    }
}

/// `body` with a seal that fits it.
fn reseal(text: &str) -> String {
    let (body, _) = text.rsplit_once(SEAL_KEY).expect("a seal");
    let zeros = "0".repeat(SEAL_DIGITS);
    let seal = Sha256::of(format!("{body}{SEAL_KEY}{zeros}{SEAL_END}").as_bytes());
    format!("{body}{SEAL_KEY}{seal}{SEAL_END}")
}

#[test]
fn the_record_is_this_and_reads_back() {
    let sealed = sealed();
    assert_eq!(sealed.checkpoint.state(), State::Partial);
    let text = sealed.to_text();
    assert_eq!(Sealed::read(text.as_bytes()), Ok(sealed));
    assert_eq!(reseal(&text), text);
    insta::assert_snapshot!(text);
}

#[test]
fn every_flipped_bit_and_every_cut_is_damage() {
    let text = sealed().to_text().into_bytes();
    for at in 0..text.len() {
        let mut bytes = text.clone();
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            let read = Sealed::read(&bytes);
            assert!(
                matches!(read, Err(ReadError::Damaged(_))),
                "byte {at}, bit {bit}"
            );
            bytes[at] ^= 1 << bit;
        }
        let cut = Sealed::read(&text[..at]);
        assert!(matches!(cut, Err(ReadError::Damaged(_))), "{at}");
    }
}

#[test]
fn added_fields_are_tolerated_and_a_newer_version_is_not() {
    let text = sealed().to_text();
    let added = text.replacen("{\n", "{\n  \"later\": {\"a\": [1]},\n", 1);
    assert_eq!(Sealed::read(reseal(&added).as_bytes()), Ok(sealed()));
    let newer = text.replace("\"version\": 1", "\"version\": 2");
    assert_eq!(
        Sealed::read(reseal(&newer).as_bytes()),
        Err(ReadError::Newer(2))
    );
}

#[test]
fn words_in_needs_that_this_version_does_not_know_are_named() {
    let text = sealed().to_text();
    assert!(!text.contains("needs"), "{text}");
    let with =
        |needs: &str| reseal(&text.replacen("{\n", &format!("{{\n  \"needs\": {needs},\n"), 1));
    for known in ["[]", "[\"content-ranges\"]"] {
        assert_eq!(Sealed::read(with(known).as_bytes()), Ok(sealed()));
    }
    assert_eq!(
        Sealed::read(with("[\"encryption\", \"chunks\"]").as_bytes()),
        Err(ReadError::Needs(vec![
            "encryption".to_owned(),
            "chunks".to_owned()
        ]))
    );
    // The words come before everything else that such a record may have in another form.
    let other = with("[\"encryption\"]").replacen("\"parts\": [", "\"parts\": [7,", 1);
    assert_eq!(
        Sealed::read(reseal(&other).as_bytes()),
        Err(ReadError::Needs(vec!["encryption".to_owned()]))
    );
    let malformed = Sealed::read(with("\"encryption\"").as_bytes());
    assert!(
        matches!(malformed, Err(ReadError::Damaged(_))),
        "{malformed:?}"
    );
}

#[test]
fn a_record_from_before_there_were_facts_has_none() {
    let mut old = sealed();
    old.checkpoint.facts = HostFacts::default();
    old.facts_file = None;
    let entries = old.entries.values_mut().next().expect("entries");
    entries.folders.clear();
    let text = old.to_text();
    assert!(
        !text.contains("facts") && !text.contains("folders"),
        "{text}"
    );
    assert_eq!(Sealed::read(text.as_bytes()), Ok(old));
}

#[test]
fn what_does_not_fit_together_is_damage() {
    let text = sealed().to_text();
    for (from, to, problem) in [
        (
            "fleet-checkpoint",
            "fleet-other",
            "it is no checkpoint record",
        ),
        ("\"pre-restore\"", "\"whim\"", "`whim` is no trigger"),
        ("\"warned\"", "\"fine\"", "`fine` is no state of a part"),
        (
            "\"file\": \"MANIFEST.txt\"",
            "\"file\": \"OTHER.txt\"",
            "it has no digest of MANIFEST.txt",
        ),
        (
            "\"file\": \"../packs",
            "\"file\": \"packs",
            "it has no digest of ../packs/20261120T101500Z/app.tar.zst",
        ),
        ("\"1795256100.250000000\"", "\"noon\"", "`noon` is no time"),
        (
            "\"branch\": \"main\"",
            "\"later\": \"main\"",
            "a work tree has a branch or none",
        ),
        (
            "dev-vm@2026",
            "../x@2026",
            "`../x` is not a host name: use 1 to 128 letters, digits, `.`, `_` or `-`, beginning with a letter or digit",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert_eq!(
            Sealed::read(reseal(&changed).as_bytes()),
            Err(ReadError::Damaged(problem.to_owned()))
        );
    }
}

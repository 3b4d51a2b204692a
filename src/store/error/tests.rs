//! Tests of every message of the store, its hint and its exit status.

use std::fmt::Write as _;

use super::*;
use crate::manifest::Uncounted;
use crate::store::query::find::Skipped;

fn id(text: &str) -> CheckpointId {
    text.parse().expect("a checkpoint")
}

fn host() -> HostName {
    "dev-vm".parse().expect("a host")
}

fn path() -> RemotePath {
    "/etc/x".parse().expect("a path")
}

fn reference(text: &str) -> CheckpointRef {
    text.parse().expect("a reference")
}

fn io_error(kind: io::ErrorKind) -> Error {
    Error::io("write", Path::new("/store/x"))(io::Error::from(kind))
}

#[expect(clippy::too_many_lines, reason = "one of each")]
fn every_error() -> Vec<Error> {
    let dir = PathBuf::from("/store");
    let checkpoint = id("dev-vm@20261121T101500Z");
    let not_a_file = |points_to: Option<&str>| Error::NotAFile {
        checkpoint: id("dev-vm@20261121T101500Z"),
        path: path(),
        what: "a directory".to_owned(),
        points_to: points_to.map(str::to_owned),
    };
    let unknown_host = |nearest, known: Vec<HostName>| Error::UnknownHost {
        host: host(),
        nearest,
        known,
    };
    let many = (0..12)
        .map(|second| id(&format!("dev-vm@20261121T1015{second:02}Z")))
        .collect();
    vec![
        Error::NoStore { dir: dir.clone() },
        Error::NotAStore { dir: dir.clone() },
        Error::Newer {
            file: "fleet-store.json".to_owned(),
            found: 2,
            known: 1,
        },
        Error::Needs {
            file: "dev-vm/20261121T101500Z/checkpoint.json".to_owned(),
            words: vec!["encryption".to_owned(), "a\nb".to_owned()],
        },
        Error::damaged("fleet-store.json", "it is missing"),
        Error::damaged("dev-vm/packs/x", "its digest does not match"),
        Error::Content {
            checkpoint: checkpoint.clone(),
            path: path(),
            problem: "its digest is another one".to_owned(),
        },
        Error::Locked {
            host: host(),
            holder: Holder::default(),
            waited: Duration::ZERO,
        },
        Error::Interrupted { host: host() },
        unknown_host(Some(host()), vec![host()]),
        unknown_host(None, vec![host()]),
        unknown_host(None, Vec::new()),
        Error::UnknownCheckpoint {
            reference: reference("dev-vm@latest"),
            known: many,
        },
        Error::UnknownCheckpoint {
            reference: reference("dev-vm@~3"),
            known: Vec::new(),
        },
        Error::NoneCounts {
            reference: reference("dev-vm@latest"),
            skipped: vec![
                Skipped {
                    id: id("dev-vm@20261121T101501Z"),
                    why: Uncounted::Subset,
                },
                Skipped {
                    id: checkpoint.clone(),
                    why: Uncounted::Partial,
                },
            ],
        },
        Error::Ambiguous {
            reference: reference("dev-vm@2026"),
            matches: vec![checkpoint.clone(), id("dev-vm@20261121T101501Z")],
        },
        Error::Uncountable {
            reference: reference("dev-vm@latest"),
            newer: checkpoint.clone(),
            source: Box::new(Error::damaged("x", "it is missing")),
        },
        Error::Uncountable {
            reference: reference("dev-vm@latest"),
            newer: checkpoint.clone(),
            source: Box::new(Error::Needs {
                file: "dev-vm/20261121T101500Z/checkpoint.json".to_owned(),
                words: vec!["encryption".to_owned()],
            }),
        },
        Error::Uncountable {
            reference: reference("dev-vm@~1"),
            newer: checkpoint.clone(),
            source: Box::new(io_error(io::ErrorKind::PermissionDenied)),
        },
        Error::NoPart {
            checkpoint: checkpoint.clone(),
            part: "app".parse().expect("a source"),
        },
        Error::NoHistory {
            path: "/no\\n".to_owned(),
            hosts: vec![host()],
        },
        Error::NoEntry {
            checkpoint: checkpoint.clone(),
            path: "/x".to_owned(),
        },
        Error::Removed {
            checkpoint: checkpoint.clone(),
        },
        not_a_file(None),
        not_a_file(Some("../y")),
        Error::Order {
            path: path(),
            previous: path(),
        },
        Error::Facts {
            checkpoint,
            problem: "part `app` is there twice".to_owned(),
        },
        Error::TargetExists { path: dir.clone() },
        Error::TargetNotEmpty { path: dir.clone() },
        Error::UnknownFormat { path: dir.clone() },
        Error::Unsafe {
            path: path(),
            target: dir.clone(),
            problem: "something else is in its place".to_owned(),
        },
        Error::Collision {
            place: "/snapshot/env/x.txt".parse().expect("a path"),
            first: "/fleet-captures/one/x.txt".to_owned(),
            second: "/fleet-captures/two/x.txt".to_owned(),
        },
        Error::Pack(pack::Error::MemberOpen { path: dir }),
        Error::Output {
            source: io::Error::from(io::ErrorKind::BrokenPipe),
        },
        Error::Stopped,
        io_error(io::ErrorKind::StorageFull),
        io_error(io::ErrorKind::PermissionDenied),
        io_error(io::ErrorKind::Interrupted),
    ]
}

#[test]
fn every_message_reads_like_this() {
    let mut text = String::new();
    for error in every_error() {
        let code = error.exit_class().status();
        writeln!(
            text,
            "{code} {}",
            fault::chain(&error).join("\n  caused by: ")
        )
        .expect("strings take all text");
        if let Some(hint) = error.hint() {
            writeln!(text, "  hint: {hint}").expect("strings take all text");
        }
    }
    insta::assert_snapshot!(text);
}

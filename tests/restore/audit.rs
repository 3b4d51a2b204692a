//! The audit file as real files: private, appended to, on the disk, or an error before anything is done.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use fleet::audit::{Act, Audit, Error, Outcome, state_dir};
use fleet::fault::{Code, ExitClass, Fault as _, Problem};
use fleet::guard::Operation;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::disk::SmallDisk;
use crate::support::fleet::FleetOutput;
use crate::support::host_fixture::HostFixture;
use crate::support::tree;

fn act(run: &str) -> Act {
    Act {
        run: Some(run.to_owned()),
        ..Act::new(Operation::Restore, "dev-vm".parse().expect("a name"))
    }
}

fn now() -> Timestamp {
    "2026-11-21T10:15:00Z".parse().expect("a time")
}

fn records(audit: &Audit) -> Vec<Value> {
    let text = fs::read_to_string(audit.file()).expect("the file");
    assert!(text.ends_with('\n'), "{text}");
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("one record a line"))
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o7777
}

/// The error of beginning an act, which a command ends with.
async fn refused(audit: &Audit) -> Error {
    let error = audit.begin(act("r"), now()).await.expect_err("an error");
    assert_eq!(error.exit_class(), ExitClass::Failed);
    assert_eq!(error.code(), Code::AuditUnwritable);
    let hint = error.hint().expect("a remedy");
    assert!(
        hint.contains("nothing more is written to any host"),
        "{hint}"
    );
    assert!(hint.contains("FLEET_STATE"), "{hint}");
    error
}

#[tokio::test]
async fn decisions_and_outcomes_are_appended_to_a_private_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("a/state");
    let audit = Audit::in_state(&state);
    let begun = audit.begin(act("one"), now()).await.expect("recorded");
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    assert_eq!(mode(audit.file()), 0o600);
    // A file that others may read is private from the next record on.
    fs::set_permissions(audit.file(), fs::Permissions::from_mode(0o644)).expect("mode");
    let why = Problem::new(Code::ConnectionLost, ExitClass::Failed, "lost it", None);
    let ended = begun.end(Outcome::RolledBack, Some(&why), now()).await;
    ended.expect("recorded");
    assert_eq!(mode(audit.file()), 0o600);
    let refusal = Error::NoHome;
    let recorded = audit.refuse(&act("two"), &refusal, now()).await;
    recorded.expect("recorded");
    let records = records(&audit);
    let told: Vec<(&str, &str, Option<&str>, Option<&str>)> = records
        .iter()
        .map(|record| {
            assert_eq!(record["version"], 1);
            assert_eq!(record["time"], "2026-11-21T10:15:00Z");
            assert_eq!(record["operation"], "restore");
            assert_eq!(record["host"], "dev-vm");
            let who = record["who"].as_str().expect("a text");
            assert_eq!(who.split('@').next(), Some(&*crate::support::sshd::user()));
            (
                record["event"].as_str().expect("a text"),
                record["run"].as_str().expect("a text"),
                record["outcome"].as_str(),
                record["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("allowed", "one", None, None),
            ("ended", "one", Some("rolled-back"), Some("connection-lost")),
            ("refused", "two", None, Some("audit-unwritable")),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_leave_whole_lines_and_lose_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let audit = Audit::in_state(folder.path());
        writers.spawn(async move {
            for number in 0..20 {
                let run = format!("{writer}-{number}");
                let begun = audit.begin(act(&run), now()).await.expect("recorded");
                assert_eq!(begun.act().run, Some(run));
            }
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("no panic");
    }
    let records = records(&Audit::in_state(folder.path()));
    let mut runs: Vec<String> = records.iter().map(|r| r["run"].to_string()).collect();
    runs.sort();
    runs.dedup();
    assert_eq!((records.len(), runs.len()), (160, 160));
}

#[tokio::test]
async fn a_last_line_that_was_cut_stays_and_spoils_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = Audit::in_state(folder.path());
    for run in ["one", "two"] {
        let _begun = audit.begin(act(run), now()).await.expect("recorded");
    }
    let whole = fs::read(audit.file()).expect("the file");
    let first = whole.iter().position(|&b| b == b'\n').expect("a line") + 1;
    for cut in first..whole.len() {
        fs::write(audit.file(), &whole[..cut]).expect("a cut file");
        let _begun = audit.begin(act("three"), now()).await.expect("recorded");
        let text = fs::read_to_string(audit.file()).expect("the file");
        assert!(text.as_bytes().starts_with(&whole[..cut]));
        let last = text.lines().last().expect("a line");
        let record: Value = serde_json::from_str(last).expect("a whole record");
        assert_eq!(record["run"], "three", "{cut}");
        // Nothing was cut at the very beginning of a line.
        assert_eq!(text.lines().count(), if cut == first { 2 } else { 3 });
    }
}

#[tokio::test]
async fn what_is_no_file_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // The folder is a file.
    fs::write(at("file"), "").expect("a file");
    let error = refused(&Audit::in_state(&at("file/state"))).await;
    assert!(matches!(error, Error::Disk(_)), "{error:?}");
    // The file is a folder, a pipe, a link, a device.
    for name in ["folder", "pipe", "link"] {
        fs::create_dir(at(name)).expect("a folder");
        let file = at(name).join("audit.ndjson");
        match name {
            "folder" => fs::create_dir(&file).expect("a folder"),
            "pipe" => rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RWXU)
                .expect("a pipe"),
            _ => symlink(at("elsewhere"), &file).expect("a link"),
        }
        let error = refused(&Audit::in_state(&at(name))).await;
        match name {
            "pipe" => assert!(matches!(error, Error::NotAFile { .. }), "{error:?}"),
            _ => assert!(
                matches!(error, Error::Io { action: "open", .. }),
                "{error:?}"
            ),
        }
    }
    assert!(!at("elsewhere").exists());
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_leaves_no_half_line() {
    let Some(disk) = SmallDisk::mount("64k") else {
        crate::support::not_here("no file system can be mounted");
        return;
    };
    let audit = Audit::in_state(disk.path());
    let _begun = audit.begin(act("one"), now()).await.expect("recorded");
    let before = fs::read(audit.file()).expect("the file");
    disk.fill(0);
    // What is left of the page that the file has is used up first.
    let full = loop {
        match audit.begin(act(&"x".repeat(900)), now()).await {
            Ok(_begun) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(
        full.hint().as_deref(),
        Some(
            "What can't be recorded is not done: nothing more is written to any host. Make room on the disk of that file, or name another folder with `FLEET_STATE`."
        )
    );
    assert_eq!(full.code(), Code::AuditUnwritable);
    let records_now = records(&audit);
    assert!(
        fs::read(audit.file())
            .expect("the file")
            .starts_with(&before)
    );
    disk.empty();
    let _begun = audit.begin(act("two"), now()).await.expect("recorded");
    assert_eq!(records(&audit).len(), records_now.len() + 1);
}

#[tokio::test]
async fn a_file_that_was_put_away_is_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = Audit::in_state(folder.path());
    let _begun = audit.begin(act("one"), now()).await.expect("recorded");
    fs::rename(audit.file(), folder.path().join("audit.ndjson.1")).expect("renamed");
    let _begun = audit.begin(act("two"), now()).await.expect("recorded");
    let records = records(&audit);
    assert_eq!((records.len(), &records[0]["run"]), (1, &"two".into()));
}

#[test]
fn an_empty_name_of_the_state_folder_is_none() {
    let named = |text: &str| state_dir(Some(text.as_ref())).expect("a folder");
    assert_eq!(named("/var/lib/fleet"), Path::new("/var/lib/fleet"));
    let here = std::env::current_dir().expect("a folder");
    assert_eq!(named("state"), here.join("state"));
    assert_eq!(named(""), state_dir(None).expect("a folder"));
    assert!(named("").ends_with("fleet"));
}

/// A host `web` with a checkpoint, and one file that was changed since.
fn damaged() -> Option<HostFixture> {
    let host = HostFixture::start()?;
    tree::fill(&host.tree, &[("conf/a", "one"), ("conf/b", "two")]);
    let _id = host.fleet.checkpoint(&["web"]).exits(0).id();
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    Some(host)
}

fn audit_of(host: &HostFixture) -> Audit {
    Audit::in_state(&host.fleet.folder().join("state"))
}

const RESTORE: [&str; 5] = ["--json", "restore", "web@latest", "--confirm", "web"];

#[test]
fn a_restore_is_recorded_when_it_begins_and_when_it_ended() {
    let Some(host) = damaged() else { return };
    let audit = audit_of(&host);
    let dry = host
        .fleet
        .run(&["--json", "restore", "web@latest", "--dry-run"]);
    let plan: Value = serde_json::from_str(&dry.exits(0).stdout).expect("a plan");
    assert!(!audit.file().exists(), "a dry run writes nothing anywhere");
    let ran = host.fleet.run(&RESTORE).exits(0);
    assert!(ran.stdout.contains("\"restored\""), "{}", ran.stdout);
    let records = records(&audit);
    let told: Vec<&str> = records.iter().filter_map(|r| r["event"].as_str()).collect();
    assert_eq!(told, ["allowed", "ended"]);
    for record in &records {
        assert_eq!(record["checkpoint"], plan["checkpoint"]);
        assert_eq!(record["plan"], plan["plan"]);
        for key in ["address", "host_key", "machine_id", "hostname"] {
            assert_eq!(record["target"][key], plan["target"][key], "{key}");
        }
    }
    assert_eq!(records[1]["outcome"], "done");
    // Nothing to do is nothing to record.
    let _ran = host.fleet.run(&RESTORE).exits(0);
    assert_eq!(self::records(&audit).len(), 2);
}

#[test]
fn a_refusal_is_recorded_whoever_refuses() {
    let Some(host) = damaged() else { return };
    let audit = audit_of(&host);
    // By the name of the host: nobody connects.
    let mut prod = host.host(host.app());
    prod["env"] = json!("prod");
    prod["access"] = json!("read-only");
    host.describe(prod.clone());
    let before = host.sshd.log().len();
    let _ran = host.fleet.run(&RESTORE).exits(4);
    assert_eq!(host.sshd.log().len(), before);
    // By the machine: another name for it.
    let checkpoint = host.fleet.checkpoint(&["web"]).exits(0).id();
    let known = json!({ "other": host.host(host.app()) });
    host.describe_all(known);
    let arguments = [
        "--json",
        "restore",
        &checkpoint,
        "--to",
        "other",
        "--confirm",
        "other",
    ];
    let ran = host.fleet.run(&arguments).exits(4);
    assert!(ran.stdout.contains("protected-machine"), "{}", ran.stdout);
    // A dry run is refused as well, and writes nothing anywhere.
    let arguments = ["restore", &checkpoint, "--to", "other", "--dry-run"];
    let _ran = host.fleet.run(&arguments).exits(4);
    let records = records(&audit);
    let told: Vec<(&str, &str)> = records
        .iter()
        .map(|record| {
            assert_eq!(record["event"], "refused");
            let text = |key: &str| record[key].as_str().expect("a text");
            (text("host"), text("code"))
        })
        .collect();
    assert_eq!(
        told,
        [("web", "guard-refused"), ("other", "protected-machine")]
    );
}

#[test]
fn where_nothing_can_be_recorded_no_host_is_written() {
    let Some(host) = damaged() else { return };
    let before = tree::describe(&host.tree);
    let state = host.fleet.folder().join("elsewhere");
    fs::write(&state, "no folder").expect("a file");
    let run = |arguments: &[&str]| {
        FleetOutput::of(host.fleet.command(arguments).env("FLEET_STATE", &state))
    };
    let ran = run(&RESTORE).exits(1);
    assert!(ran.stdout.contains("audit-unwritable"), "{}", ran.stdout);
    assert_eq!(tree::describe(&host.tree), before);
    assert!(!host.tree.join(".fleet-restore").exists());
    // A checkpoint writes to no host and needs no record.
    let _ran = run(&["checkpoint", "web"]).exits(0);
    // A refusal stands, and says that it isn't recorded.
    let mut prod = host.host(host.app());
    prod["env"] = json!("prod");
    prod["access"] = json!("read-only");
    host.describe(prod);
    let ran = run(&RESTORE).exits(4);
    assert!(ran.stderr.contains("audit file"), "{}", ran.stderr);
}

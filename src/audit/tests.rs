//! Tests of the form of records and of the errors' texts; tests/restore/audit.rs writes real files.

use super::*;
use crate::fault::{Code, ExitClass, chain};

fn act() -> Act {
    Act {
        target: Target {
            address: "203.0.113.53:22".to_owned(),
            host_key: "SHA256:abc".to_owned(),
            machine_id: "0123".to_owned(),
            hostname: "dev\n\"vm".to_owned(),
        },
        checkpoint: Some("dev-vm@20261121T101500Z".parse().expect("a checkpoint")),
        plan: Some("sha256:0123".to_owned()),
        run: Some("r1".to_owned()),
        ..Act::new(Operation::Restore, "dev-vm".parse().expect("a name"))
    }
}

fn now() -> Timestamp {
    "2026-11-21T10:15:00.123Z".parse().expect("a time")
}

fn line(record: &Record) -> String {
    let text = String::from_utf8(record.to_line()).expect("text");
    let pid = format!("\"pid\":{}", std::process::id());
    text.replace(&pid, "\"pid\":1")
}

#[test]
fn a_record_is_one_line_and_has_what_is_known() {
    let bare = Act::new(Operation::Service, "dev-vm".parse().expect("a name"));
    let why = Problem::new(
        Code::ProtectedMachine,
        ExitClass::Refused,
        format!("dev-vm is prod-vm {}", "x".repeat(2000)),
        None,
    );
    let who = "op@desk";
    let lines = [
        line(&Record::allowed(&act(), who, now())),
        line(&Record::refused(&bare, &why, who, now())),
        line(&Record::ended(&act(), Outcome::Done, None, who, now())),
    ];
    assert!(lines.iter().all(|line| line.matches('\n').count() == 1));
    assert!(lines.iter().all(|line| line.len() < 4096));
    let text = lines.concat().replace(&"x".repeat(900), "x*900 ");
    insta::assert_snapshot!(text);
}

#[test]
fn every_error_says_that_nothing_is_written_and_how_to_mend_it() {
    let file = Path::new("/state/audit.ndjson");
    let errors = [
        Error::NoHome,
        Error::io("open", file, std::io::ErrorKind::PermissionDenied.into()),
        Error::io("write", file, std::io::ErrorKind::StorageFull.into()),
        Error::NotAFile {
            file: file.to_owned(),
        },
        Error::Busy {
            file: file.to_owned(),
            waited: std::time::Duration::from_secs(10),
        },
    ];
    let mut text = String::new();
    for error in errors {
        assert_eq!(
            (error.code(), error.exit_class()),
            (Code::AuditUnwritable, ExitClass::Failed)
        );
        let hint = error.hint().expect("a remedy");
        text.push_str(&format!("{}\n  {hint}\n", chain(&error).join(": ")));
    }
    insta::assert_snapshot!(text);
}

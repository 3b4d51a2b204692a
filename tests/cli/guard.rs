//! Tests of `guard explain`: the answer, and the exit status for scripts.

use insta::assert_snapshot;

use super::fixture::CliFixture;

#[test]
fn the_exit_status_is_the_decision_about_one_operation() {
    let bed = CliFixture::with_inventory();
    for (host, operation, code) in [
        ("prod-vm", "checkpoint", 0),
        ("prod-vm", "restore", 4),
        ("prod-vm", "service", 4),
        ("prod-vm", "run", 4),
        ("dev-vm", "checkpoint", 0),
        ("dev-vm", "restore", 0),
        ("dev-vm", "run", 0),
        ("bare-vm", "restore", 4),
    ] {
        for json in [&[][..], &["--json"]] {
            let arguments = [&["guard", "explain", host, operation], json].concat();
            let ran = bed.fleet(&arguments);
            assert_eq!(
                (ran.code, ran.stderr.as_str()),
                (Some(code), ""),
                "{arguments:?}"
            );
        }
    }
}

#[test]
fn without_an_operation_all_are_explained() {
    let bed = CliFixture::with_inventory();
    let mut text = String::new();
    for host in ["prod-vm", "dev-vm", "bare-vm"] {
        text.push_str(&bed.fleet(&["guard", "explain", host]).whole());
    }
    assert_snapshot!("explain", text);
    let ran = bed.fleet(&["guard", "explain", "prod-vm", "--json"]);
    ran.document("guard-explain");
    assert_snapshot!("explain_json", ran.whole());
}

#[test]
fn no_flag_and_no_environment_changes_the_decision() {
    let bed = CliFixture::with_inventory();
    let mut command = bed.command(&["guard", "explain", "prod-vm", "restore", "-q", "-vv"]);
    assert_eq!(command.output().expect("it runs").status.code(), Some(2));
    for flag in ["--force", "--yes", "-y", "--access=writable"] {
        let ran = bed.fleet(&["guard", "explain", "prod-vm", "restore", flag]);
        assert_eq!(ran.code, Some(2), "{flag} is no option");
    }
    let mut command = bed.command(&["guard", "explain", "prod-vm", "restore"]);
    command
        .env("FLEET_ACCESS", "writable")
        .env("FLEET_FORCE", "1");
    assert_eq!(command.output().expect("it runs").status.code(), Some(4));
}

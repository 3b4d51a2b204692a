//! A database moves to the newer system with what a checkpoint of the older one holds.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use super::alone;
use crate::support::testbed::Testbed;

/// Runs a command of `postgres` on `host`, fed with `input`.
fn as_postgres(testbed: &Testbed, host: &str, command: &str, input: &[u8]) -> String {
    let command = format!("cd / && sudo -n -u postgres {command}");
    let mut child = testbed
        .command(&["ssh", host, &command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("testbed starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command} on {host}");
    String::from_utf8(output.stdout).expect("text")
}

/// What `pg_dump` says there of a database, without remarks, empty lines and settings of the session,
/// which are other ones from one release to the next.
fn schema(testbed: &Testbed, host: &str, database: &str) -> Vec<String> {
    let dump = format!("pg_dump --schema-only {database}");
    let is_schema = |line: &&str| {
        let beside = ["--", "\\", "SET ", "SELECT pg_catalog.set_config("];
        !line.is_empty() && !beside.iter().any(|start| line.starts_with(start))
    };
    as_postgres(testbed, host, &dump, b"")
        .lines()
        .filter(is_schema)
        .map(str::to_owned)
        .collect()
}

/// Takes the database away again, however the test ends.
struct Dropped<'a>(&'a Testbed, &'static str);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        let drop = format!("dropdb --if-exists {}", self.1);
        let _said = as_postgres(self.0, "new-vm", &drop, b"");
    }
}

#[test]
fn a_schema_is_restored_on_the_newer_server() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("postgres") || !testbed.has("sudo") {
        return;
    }
    let _alone = alone();
    let sources = json!({ "sources": { "database": {
        "postgres": "monitoring_v2",
        "globals": true,
        "run_as": "postgres",
    } } });
    let fleet = testbed.fleet_of("dev-vm", &sources);
    let ran = fleet.checkpoint(&["dev-vm"]).exits(0);
    let folder = fleet.exported(&ran.id()).join("fleet-captures/database");
    let read = |name: &str| fs::read(Path::new(&folder).join(name)).expect("a dump");

    let copy = "monitoring_restored";
    let _dropped = Dropped(&testbed, copy);
    // Some of the roles are there: psql says so and goes on.
    as_postgres(&testbed, "new-vm", "psql -qX", &read("globals.sql"));
    as_postgres(&testbed, "new-vm", &format!("createdb {copy}"), b"");
    as_postgres(
        &testbed,
        "new-vm",
        &format!("psql -qX -v ON_ERROR_STOP=1 {copy}"),
        &read("monitoring_v2.sql"),
    );
    let original = schema(&testbed, "dev-vm", "monitoring_v2");
    let tables = original
        .iter()
        .filter(|line| line.starts_with("CREATE TABLE "));
    assert_eq!(tables.count(), 5);
    assert_eq!(schema(&testbed, "new-vm", copy), original);

    let again = fleet.checkpoint(&["dev-vm"]).exits(0);
    assert_eq!(again.checkpoint()["fetched_bytes"], 0);
}

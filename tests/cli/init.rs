//! Tests of `init` and `hosts`.

use std::fs;

use insta::assert_snapshot;

use super::fixture::CliFixture;

#[test]
fn a_first_inventory_reads_as_it_was_written_and_is_never_overwritten() {
    let bed = CliFixture::new();
    assert_snapshot!("init", bed.fleet(&["init"]).whole());
    assert_snapshot!("init_hosts", bed.fleet(&["hosts"]).whole());
    let schema = fs::read(bed.path("inventory/fleet.schema.json")).expect("a schema");
    let stored = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/inventory/fleet.schema.json"
    ));
    assert_eq!(Some(schema), stored.ok());
    bed.write("inventory/fleet.yaml", "mine");
    assert_snapshot!("init_again", bed.fleet(&["init"]).whole());
    let text = fs::read_to_string(bed.path("inventory/fleet.yaml"));
    assert_eq!(text.ok().as_deref(), Some("mine"));
}

#[test]
fn a_first_inventory_is_put_where_it_is_wanted() {
    let bed = CliFixture::new();
    let ran = bed.fleet(&["init", "-i", "deep/down/my.yaml", "--json"]);
    let summary = &ran.lines("init")[0];
    assert_eq!(summary["inventory"], "deep/down/my.yaml");
    assert_eq!(summary["schema"], "deep/down/fleet.schema.json");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        bed.fleet(&["hosts", "-i", "deep/down/my.yaml"]).code,
        Some(0)
    );
    let refused = bed.fleet(&["init", "-i", "deep/down/my.yaml", "--json"]);
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.lines("init")[0]["error"]["message"],
        "deep/down/my.yaml is already there"
    );
}

#[test]
fn a_first_inventory_can_be_a_ready_made_profile() {
    let bed = CliFixture::new();
    for name in ["translation", "monitoring", "gateway", "warroom"] {
        let file = format!("{name}/fleet.yaml");
        let ran = bed.fleet(&["init", "--profile", name, "-i", &file]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let example = format!("{}/inventory/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(fs::read(bed.path(&file)).ok(), fs::read(example).ok());
        assert_eq!(bed.fleet(&["hosts", "-i", &file]).code, Some(0));
    }
    let refused = bed.fleet(&["init", "--profile", "unheard-of"]);
    assert_eq!(refused.code, Some(2));
}

#[test]
fn a_folder_that_cannot_be_made_is_a_failure() {
    let bed = CliFixture::new();
    bed.write("inventory", "a file");
    let ran = bed.fleet(&["init"]);
    assert_snapshot!(ran.whole());
}

#[test]
fn hosts_are_listed_for_people_and_programs() {
    let bed = CliFixture::with_inventory();
    assert_snapshot!("hosts", bed.fleet(&["hosts"]).whole());
    let ran = bed.fleet(&["hosts", "--json"]);
    ran.document("hosts");
    assert_snapshot!("hosts_json", ran.whole());
}

#[test]
fn five_hundred_hosts_are_five_hundred_lines() {
    let bed = CliFixture::new();
    let mut text = "version: 1\nhosts:\n".to_owned();
    for number in 0..500 {
        text.push_str(&format!(
            "  vm-{number}: {{ env: dev, address: 198.18.{}.{} }}\n",
            number / 250,
            number % 250
        ));
    }
    bed.write("fleet.yaml", &text);
    let ran = bed.fleet(&["hosts"]);
    assert_eq!(ran.stdout.lines().count(), 501);
    assert_eq!(
        ran.stdout.lines().nth(500),
        Some("vm-499  198.18.1.249  dev  read-only  none     access is not `writable` (line 502)")
    );
}

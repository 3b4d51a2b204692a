//! The examples that people copy, and the schema that their editors read.

use std::fs;
use std::path::{Path, PathBuf};

use fleet::inventory::{Inventory, STARTER, schema};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("inventory")
}

#[test]
fn every_example_is_read_and_names_its_schema() {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = fs::read_to_string(&path).expect("it can be read");
            assert_eq!(
                text.lines().next(),
                Some("# yaml-language-server: $schema=fleet.schema.json"),
                "{}",
                path.display()
            );
            Inventory::parse(&text, &path).expect("the example is fine");
            names.push(path.file_name().expect("it has a name").to_owned());
        }
    }
    names.sort();
    assert_eq!(names, ["fleet.yaml", "homelab.yaml", "minimal.yaml"]);
}

#[test]
fn what_init_writes_has_one_host_of_each_access() {
    let inventory = super::accepted(STARTER);
    let names: Vec<&str> = inventory
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    assert_eq!(names, ["prod-vm", "dev-vm"]);
}

#[test]
fn the_checked_in_schema_is_what_the_types_say() {
    let path = folder().join("fleet.schema.json");
    let mut made = serde_json::to_string_pretty(&schema()).expect("a schema is JSON");
    made.push('\n');
    if std::env::var_os("FLEET_UPDATE").is_some() {
        fs::write(&path, &made).expect("the schema can be written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == made,
        "{} is stale: refresh it with `FLEET_UPDATE=1 cargo test schema`",
        path.display()
    );
}

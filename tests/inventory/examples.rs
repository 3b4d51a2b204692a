//! The examples that people copy, and the schema that their editors read.

use std::fs;
use std::path::{Path, PathBuf};

use fleet::guard::is_protected;
use fleet::inventory::{Inventory, ReadyMade, STARTER, schema};
use fleet::name::ProfileName;

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
    assert_eq!(
        names,
        [
            "fleet.yaml",
            "gateway.yaml",
            "homelab.yaml",
            "minimal.yaml",
            "monitoring.yaml",
            "translation.yaml",
            "warroom.yaml",
        ]
    );
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
fn ready_made_profiles_are_used_by_a_host_that_is_never_written() {
    for ready in ReadyMade::ALL {
        let inventory = super::accepted(ready.text());
        let names: Vec<&str> = inventory.profiles.keys().map(ProfileName::as_str).collect();
        assert_eq!(names, [ready.name()]);
        let protected: Vec<_> = inventory
            .hosts
            .iter()
            .filter(|host| is_protected(host))
            .collect();
        assert_eq!(protected.len(), 1, "{}", ready.name());
        let profile = inventory.profiles.values().next().expect("one");
        assert_eq!(protected[0].sources, profile.sources, "{}", ready.name());
    }
}

#[test]
fn one_host_can_use_all_ready_made_profiles() {
    let texts = ReadyMade::ALL.map(ReadyMade::text);
    let profiles = texts.map(|text| {
        let (_, rest) = text.split_once("\nprofiles:\n").expect("profiles");
        rest.split_once("\nhosts:\n").expect("hosts").0
    });
    let names = ReadyMade::ALL.map(ReadyMade::name);
    let text = format!(
        "version: 1\nprofiles:\n{}\nhosts:\n  vm: {{ use: [{}] }}\n",
        profiles.join("\n"),
        names.join(", ")
    );
    let inventory = super::accepted(&text);
    let each = inventory
        .profiles
        .values()
        .map(|profile| profile.sources.len());
    assert_eq!(inventory.hosts[0].sources.len(), each.sum::<usize>());
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

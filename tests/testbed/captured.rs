//! One checkpoint holds all that the older backup systems captured, and comes out of the store in their
//! layouts. What they captured is a list: tests/fixtures/captured.txt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use fleet::inventory::{Inventory, ReadyMade};
use fleet::manifest::EntryKind;
use fleet::store::{SealedCheckpoint, Store};
use serde_json::{Value, json};

use crate::support::fleet::{Fleet, FleetOutput};
use crate::support::testbed::Testbed;

const LIST: &str = include_str!("../fixtures/captured.txt");
const MANIFEST: &str = "MANIFEST";

/// One line of the list.
struct Item {
    line: &'static str,
    needs: &'static str,
    source: &'static str,
    count: usize,
    what: &'static str,
}

fn items() -> Vec<Item> {
    let lines = LIST.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(item).collect()
}

fn item(line: &'static str) -> Item {
    let mut rest = line;
    let mut word = || {
        let (word, after) = rest.split_once(' ').expect("five columns");
        rest = after.trim_start();
        word
    };
    let (_system, needs, source, count) = (word(), word(), word(), word());
    Item {
        line,
        needs,
        source,
        count: count.parse().expect("a number"),
        what: rest,
    }
}

#[test]
fn every_captured_item_belongs_to_a_source_of_a_ready_made_profile() {
    let known: BTreeSet<String> = ReadyMade::ALL
        .into_iter()
        .flat_map(|ready| {
            let read = Inventory::parse(ready.text(), Path::new("fleet.yaml"));
            let profiles = read.expect("it is fine").profiles.into_values();
            profiles.flat_map(|profile| profile.sources)
        })
        .map(|source| source.name.to_string())
        .collect();
    let items = items();
    assert!(items.len() > 50, "{} items", items.len());
    for item in &items {
        assert!(
            item.source == MANIFEST || known.contains(item.source),
            "{}",
            item.line
        );
        assert!(globset::Glob::new(item.what).is_ok(), "{}", item.line);
    }
    let lines: BTreeSet<&str> = items.iter().map(|item| item.line).collect();
    assert_eq!(lines.len(), items.len());
}

/// A workstation whose dev-vm uses all ready-made profiles but the one for machines of another kind.
fn workstation(testbed: &Testbed) -> Fleet {
    let used = [
        ReadyMade::Translation,
        ReadyMade::Monitoring,
        ReadyMade::Gateway,
    ];
    let fleet = testbed.fleet_of("dev-vm", &json!({ "use": used.map(ReadyMade::name) }));
    let written = fs::read_to_string(fleet.folder().join("fleet.yaml")).expect("an inventory");
    let written: Value = serde_json::from_str(&written).expect("it is JSON");
    let profiles = used.map(|ready| {
        let (_, rest) = ready.text().split_once("\nprofiles:\n").expect("profiles");
        rest.split_once("\nhosts:\n").expect("hosts").0
    });
    // JSON is YAML.
    fleet.write_inventory(&format!(
        "version: 1\nprofiles:\n{}\nhosts: {}\n",
        profiles.join("\n"),
        written["hosts"]
    ));
    fleet
}

fn checkpoint(fleet: &Fleet, testbed: &Testbed) -> FleetOutput {
    let mut command = fleet.command(&["--json", "checkpoint", "dev-vm", "-m", "everything"]);
    let authorization = format!("Bearer {}", testbed.secret("gateway"));
    FleetOutput::of(command.env("GATEWAY_AUTHORIZATION", authorization))
}

/// Paths of everything in a part that is no directory.
fn paths(sealed: &SealedCheckpoint, part: &str) -> Vec<Vec<u8>> {
    let part = part.parse().expect("a name");
    let Ok(entries) = sealed.entries(&part) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.kind != EntryKind::Directory)
        .map(|entry| entry.path.as_bytes().to_vec())
        .collect()
}

fn matching(paths: &[Vec<u8>], pattern: &str) -> usize {
    let glob = globset::GlobBuilder::new(pattern)
        .literal_separator(true)
        .empty_alternates(true)
        .build()
        .expect("a pattern")
        .compile_matcher();
    let text = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
    paths
        .iter()
        .filter(|path| glob.is_match(text(path)))
        .count()
}

#[test]
fn one_checkpoint_holds_everything_on_the_list() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("own-root") {
        return;
    }
    let fleet = workstation(&testbed);
    let ran = checkpoint(&fleet, &testbed);
    let (have, lack): (Vec<Item>, Vec<Item>) = items()
        .into_iter()
        .partition(|item| item.needs == "-" || testbed.has(item.needs));
    // What this kind of test bed lacks may fail, and nothing else.
    let may_fail: BTreeSet<&str> = lack.iter().map(|item| item.source).collect();
    for failed in ran.failed() {
        let source = failed.split([' ', ':']).nth(1).expect("HOST PART: ERROR");
        assert!(may_fail.contains(source), "{failed}");
    }
    fleet.assert_verified();

    let store = Store::open(fleet.store()).expect("a store");
    let id = ran.id().parse().expect("a name");
    let sealed = store.open_checkpoint(&id).expect("a checkpoint");
    let manifest = fleet.store().join(ran.id().replace('@', "/"));
    let manifest = fs::read_to_string(manifest.join("MANIFEST.txt")).expect("a text");
    let mut parts: BTreeMap<&str, Vec<Vec<u8>>> = BTreeMap::new();
    let mut missing = Vec::new();
    for item in &have {
        let count = if item.source == MANIFEST {
            usize::from(manifest.contains(item.what))
        } else {
            let found = parts.entry(item.source);
            matching(
                found.or_insert_with(|| paths(&sealed, item.source)),
                item.what,
            )
        };
        if count != item.count {
            missing.push(format!("{} (found {count})", item.line));
        }
    }
    assert_eq!(missing, Vec::<String>::new());

    if lack.is_empty() {
        assert_eq!(ran.exit, Some(0));
        layouts(&fleet, &ran.id());
    }
    assert_sent_nothing(&fleet, &checkpoint(&fleet, &testbed).id());
}

/// No content came, but of commands whose answer is another one each time.
fn assert_sent_nothing(fleet: &Fleet, id: &str) {
    let shown = fleet.run(&["--json", "show", id]).exits(0);
    let shown: Value = serde_json::from_str(&shown.stdout).expect("a document");
    let parts = shown["parts"].as_array().expect("parts");
    let changing = [
        "services",
        "ports",
        "channels",
        "sip-peers",
        "sip-endpoints",
    ];
    let sent: Vec<String> = parts
        .iter()
        .filter(|part| part["fetched_bytes"] != 0)
        .map(|part| part["name"].as_str().expect("a name").to_owned())
        .filter(|name| !changing.contains(&name.as_str()))
        .collect();
    assert!(parts.len() > 30, "{parts:?}");
    assert_eq!(sent, Vec::<String>::new());
}

/// The same checkpoint, as two of the older systems would have left it.
fn layouts(fleet: &Fleet, id: &str) {
    let kit = "config systemd scripts logs pip-freeze litellm-version models";
    let stations = "stations server dependencies monitoring database";
    for (layout, sources, expected) in [
        (
            "snapshot",
            kit,
            &[
                "snapshot/config/config.yaml",
                "snapshot/env/litellm-version.txt",
                "snapshot/env/pip-freeze.txt",
                "snapshot/logs/gw-smoke-20251015.log",
                "snapshot/runtime/models.json",
                "snapshot/scripts/service/api-gateway/start.sh",
                "snapshot/scripts/tests/gateway/run_all.sh",
                "snapshot/sha256sums.txt",
                "snapshot/systemd/model-gateway-smoke.timer",
            ][..],
        ),
        (
            "monitoring",
            stations,
            &[
                "/Monitoring_Stations/MonitoringStationsBootstrap.js",
                "/STTTTSserver.js",
                "/file_list.txt",
                "/monitoring.env",
                "/package.json",
            ],
        ),
    ] {
        let archive = fleet.folder().join(format!("{layout}.tar.gz"));
        let path = archive.to_str().expect("text");
        let mut arguments = vec!["export", id, "--layout", layout, "-o", path];
        for source in sources.split(' ') {
            arguments.extend(["--only", source]);
        }
        let _ran = fleet.run(&arguments).exits(0);
        let listed = Command::new("tar")
            .args(["-tzf", path])
            .output()
            .expect("tar");
        let listed = String::from_utf8(listed.stdout).expect("text");
        for name in expected {
            assert!(
                listed.lines().any(|line| line.ends_with(name)),
                "{name}\n{listed}"
            );
        }
    }
}

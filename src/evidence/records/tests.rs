//! Tests of what records say about protected machines.

use super::*;
use crate::manifest::MachineIdentity;

fn recorded(id: &str, env: &str, protected: bool, key: &str, machine_id: &str) -> RecordedMachine {
    RecordedMachine {
        id: id.parse().expect("a checkpoint"),
        machine: MachineIdentity {
            env: env.to_owned(),
            protected,
            host_key: key.to_owned(),
            machine_id: machine_id.to_owned(),
            ..MachineIdentity::default()
        },
    }
}

fn inventory(hosts: &str) -> Inventory {
    let text = format!("version: 1\nhosts:\n{hosts}");
    Inventory::parse(&text, std::path::Path::new("fleet.yaml")).expect("an inventory")
}

/// The marks of all pieces, and the warnings.
fn found(machines: Vec<RecordedMachine>, inventory: &Inventory) -> (Vec<String>, Vec<String>) {
    let (pieces, warnings) = pieces(machines, inventory);
    let marks = pieces
        .iter()
        .map(|piece| format!("{} {} {}", piece.host, piece.mark, piece.origin));
    (marks.collect(), warnings)
}

#[test]
fn every_record_of_a_protected_machine_counts_the_old_ones_too() {
    let inventory = inventory("  prod-vm: { env: prod }\n");
    let (marks, warnings) = found(
        vec![
            recorded("prod-vm@20261103T000000Z", "prod", true, "SHA256:new", "01"),
            // From a time when the inventory took it for something else.
            recorded("prod-vm@20261102T000000Z", "dev", false, "SHA256:old", ""),
            // An import tells nothing of the machine.
            recorded("prod-vm@20261101T000000Z", "prod", true, "", ""),
            // The inventory has lost it.
            recorded("gone@20261101T000000Z", "dev", true, "", "02"),
        ],
        &inventory,
    );
    assert_eq!(
        marks,
        [
            "prod-vm the host key SHA256:new recorded in prod-vm@20261103T000000Z",
            "prod-vm the machine-id 01 recorded in prod-vm@20261103T000000Z",
            "prod-vm the host key SHA256:old recorded in prod-vm@20261102T000000Z",
            "gone the machine-id 02 recorded in gone@20261101T000000Z",
        ]
    );
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn records_of_hosts_that_always_were_writable_are_no_evidence() {
    let inventory = inventory("  dev-vm: { env: dev, access: writable }\n");
    let machines = vec![
        recorded("dev-vm@20261101T000000Z", "dev", false, "SHA256:dev", "01"),
        recorded("gone@20261101T000000Z", "dev", false, "SHA256:gone", "02"),
    ];
    assert_eq!(found(machines, &inventory), (Vec::new(), Vec::new()));
}

#[test]
fn an_env_that_was_changed_by_hand_makes_no_other_machine_of_it() {
    let inventory = inventory("  vm: { env: dev, access: writable }\n");
    for env in ["prod", "customer", ""] {
        let machines = vec![recorded("vm@20261101T000000Z", env, true, "SHA256:vm", "")];
        let (marks, _) = found(machines, &inventory);
        assert_eq!(
            marks,
            ["vm the host key SHA256:vm recorded in vm@20261101T000000Z"],
            "{env}"
        );
    }
}

#[test]
fn a_host_that_was_opened_by_its_access_alone_is_named_once() {
    let inventory = inventory("  vm: { env: dev, access: writable }\n");
    let machines = vec![
        recorded("vm@20261102T000000Z", "dev", true, "SHA256:two", ""),
        recorded("vm@20261101T000000Z", "dev", true, "SHA256:one", ""),
    ];
    let (marks, warnings) = found(machines, &inventory);
    assert_eq!(marks, Vec::<String>::new());
    assert_eq!(
        warnings,
        [
            "vm was read-only when vm@20261102T000000Z was taken, and the inventory makes it writable now"
        ]
    );
}

//! Tests of comparing a target with evidence, and of the refusal's text.

use super::*;
use crate::fault::{Code, ExitClass, Fault as _};

fn name(text: &str) -> HostName {
    text.parse().expect("a name")
}

fn record() -> Origin {
    Origin::Record("prod-vm@20261101T101500Z".parse().expect("a checkpoint"))
}

fn piece(mark: Mark, origin: Origin) -> Piece {
    Piece {
        host: name("prod-vm"),
        mark,
        origin,
    }
}

fn key(text: &str) -> Mark {
    Mark::HostKey(text.to_owned())
}

fn evidence() -> Evidence {
    let known_hosts = Origin::KnownHosts {
        file: "/home/op/.ssh/known_hosts".into(),
        line: 7,
    };
    let inventory = Origin::Inventory {
        file: "fleet.yaml".into(),
        line: 3,
    };
    Evidence::of(vec![
        piece(key("SHA256:rsa"), record()),
        piece(Mark::MachineId("0123abcd".to_owned()), record()),
        piece(key("SHA256:ed"), known_hosts),
        piece(
            Mark::Location(Location::new("203.0.113.26", 22, "")),
            inventory,
        ),
        // What a host did not say identifies nobody.
        piece(key(""), record()),
        piece(Mark::MachineId(String::new()), record()),
        piece(Mark::MachineId("uninitialized".to_owned()), record()),
    ])
}

fn target() -> Target {
    Target::named(name("dev-vm"))
}

#[test]
fn a_target_of_which_nothing_fits_is_no_protected_machine() {
    let other = Target {
        location: Some(Location::new("203.0.113.53", 22, "")),
        host_keys: vec!["SHA256:other".to_owned(), String::new()],
        machine_id: "ffff".to_owned(),
        ..target()
    };
    assert_eq!(evidence().compare(&other), Ok(()));
    assert_eq!(evidence().compare(&target()), Ok(()));
    for unset in ["", "\n", "uninitialized\n", "0000"] {
        let blank = Target {
            machine_id: unset.to_owned(),
            ..target()
        };
        assert_eq!(evidence().compare(&blank), Ok(()), "{unset:?}");
    }
}

#[test]
fn any_piece_that_fits_refuses_and_names_both_hosts_and_the_evidence() {
    let second_key = Target {
        host_keys: vec!["SHA256:other".to_owned(), "SHA256:ed".to_owned()],
        ..target()
    };
    let same_id = Target {
        host_keys: vec!["SHA256:other".to_owned()],
        machine_id: "0123ABCD\n".to_owned(),
        ..target()
    };
    let same_place = Target {
        location: Some(Location::new("::ffff:203.0.113.26", 22, "")),
        ..target()
    };
    let same_name = Target {
        host_keys: vec!["SHA256:rsa".to_owned()],
        ..Target::named(name("prod-vm"))
    };
    let mut text = String::new();
    for target in [second_key, same_id, same_place, same_name] {
        let refusal = evidence().compare(&target).expect_err("protected");
        assert_eq!(refusal.exit_class(), ExitClass::Refused);
        assert_eq!(refusal.code(), Code::ProtectedMachine);
        assert_eq!(refusal.piece.host, name("prod-vm"));
        let hint = refusal.hint().expect("a remedy");
        text.push_str(&format!("error: {refusal}\nhint: {hint}\n\n"));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn spellings_of_one_address_are_one_location() {
    let at = |address: &str| Location::new(address, 22, "");
    for (one, other) in [
        ("Prod.Example.org.", "prod.example.org"),
        ("203.0.113.26", "::ffff:203.0.113.26"),
        ("[2001:db8::1]", "2001:DB8:0:0::1"),
    ] {
        assert!(at(one).is_same(&at(other)), "{one} {other}");
    }
    assert!(!at("203.0.113.26").is_same(&at("203.0.113.27")));
    assert!(!at("203.0.113.26").is_same(&Location::new("203.0.113.26", 2222, "")));
    // Names that lead to one address.
    let ip = "198.51.100.7".parse().expect("an address");
    let alias = at("alias").resolved([ip]);
    assert!(alias.is_same(&at("198.51.100.7")));
    assert!(at("other").resolved([ip]).is_same(&alias));
    assert!(!at("other").is_same(&alias));
}

#[test]
fn a_private_address_is_one_machine_on_one_way_only() {
    let through = |address: &str, via: &str| Location::new(address, 22, via);
    for private in [
        "10.0.0.5",
        "127.0.0.1",
        "100.64.0.1",
        "fd00::1",
        "fe80::1",
        "db",
    ] {
        let one = through(private, "bastion-a:22");
        assert!(one.is_same(&through(private, "bastion-a:22")), "{private}");
        assert!(!one.is_same(&through(private, "bastion-b:22")), "{private}");
        assert!(!one.is_same(&through(private, "")), "{private}");
    }
    for public in ["203.0.113.26", "2a00::1"] {
        let one = through(public, "bastion-a:22");
        assert!(one.is_same(&through(public, "")), "{public}");
    }
}

#[test]
fn the_machine_id_is_found_in_the_answer_of_a_probe() {
    let answer = b"uname=Linux\nmachine_id=0123abcd\nos=x\n";
    assert_eq!(machine_id_in(answer), "0123abcd");
    assert_eq!(machine_id_in(b"uname=Linux\nmachine_id=\n"), "");
    assert_eq!(machine_id_in(b"os=machine_id=1\n"), "");
}

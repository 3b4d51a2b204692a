//! Matching of `known_hosts` lines, with `ssh-keygen -F` as the oracle.

use std::fs;
use std::path::Path;
use std::process::Command;

use fleet::ssh::host_keys::known_hosts::{KnownHosts, Verdict};
use russh::keys::PublicKey;

use crate::support::sshd::{installed, keygen, public};

/// The lines that `ssh-keygen -F NAME` finds.
fn oracle(file: &Path, name: &str) -> Vec<u32> {
    let output = Command::new("ssh-keygen")
        .arg("-F")
        .arg(name)
        .arg("-f")
        .arg(file)
        .output()
        .expect("ssh-keygen");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.starts_with("# Host "))
        .filter_map(|line| line.split(" line ").nth(1))
        .filter_map(|rest| rest.split(' ').next())
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[test]
fn names_match_as_ssh_keygen_says() {
    if installed("ssh-keygen").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    keygen(&key, "ed25519", "");
    let key = public(&folder.path().join("key.pub"));
    let patterns = [
        "web",
        "WEB",
        "web.example.org",
        "*.example.org",
        "*",
        "?eb",
        "w*b",
        "w**b",
        "*web*",
        "!web,*",
        "*,!web",
        "!*.example.org,*",
        "web,db",
        ",web",
        "web,",
        "[web]:2222",
        "[*]:2222",
        "[web]:*",
        "[web]:22",
        "10.0.0.*",
        "10.0.0.1",
        "10.0.0.?",
        "fe80::1",
        "[fe80::1]:2222",
        "!web",
        "!!web",
        "w?b,!w*",
        "*.EXAMPLE.org",
        "web*,!web.example.org",
    ];
    let names = [
        "web",
        "wEb",
        "db",
        "web.example.org",
        "a.b.example.org",
        "example.org",
        "[web]:2222",
        "[db]:2222",
        "[web]:22",
        "[web.example.org]:2222",
        "10.0.0.1",
        "10.0.0.12",
        "[10.0.0.1]:2222",
        "fe80::1",
        "[fe80::1]:2222",
        "wb",
        "wxxb",
    ];
    let mut text = String::new();
    for pattern in patterns {
        text += &format!("{pattern} {key}\n");
    }
    // The same names again, hashed.
    for name in names {
        let one = folder.path().join("one");
        fs::write(&one, format!("{} {key}\n", name.to_lowercase())).expect("a file");
        let status = Command::new("ssh-keygen")
            .arg("-q")
            .arg("-H")
            .arg("-f")
            .arg(&one)
            .output()
            .expect("ssh-keygen -H");
        assert!(status.status.success());
        text += &fs::read_to_string(&one).expect("hashed");
    }
    // Odd lines between good ones must not shift anything.
    text += &format!("\n# web {key}\n  \t web\t{key}\tcomment # 2\nodd ssh-ed25519 broken\nweb\n");
    text += &format!("@cert-authority web {key}\n@revoked  web   {key}\n@unknown web {key}\n");
    let file = folder.path().join("known_hosts");
    fs::write(&file, &text).expect("a file");
    let mut known = KnownHosts::default();
    known.add(&file, text.as_bytes());
    let mut compared = 0;
    for name in names {
        // ssh itself looks up lower-cased names only.
        let expected = oracle(&file, &name.to_lowercase());
        assert_eq!(known.of(name).lines(), expected, "{name}");
        compared += expected.len();
    }
    assert!(compared > 100, "{compared}");
    let odd: Vec<&str> = known
        .odd()
        .iter()
        .filter_map(|place| text.lines().nth(place.line as usize - 1))
        .collect();
    assert_eq!(
        odd,
        [
            "odd ssh-ed25519 broken",
            "web",
            &format!("@unknown web {key}")
        ]
    );
}

#[test]
fn generated_patterns_match_as_ssh_keygen_says() {
    if installed("ssh-keygen").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    keygen(&key, "ed25519", "");
    let key = public(&folder.path().join("key.pub"));
    let mut seed: u64 = 0x5eed;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % below
    };
    let mut word = |letters: &[u8], length: u64| -> String {
        (0..=next(length))
            .map(|_| {
                char::from(letters[usize::try_from(next(letters.len() as u64)).expect("small")])
            })
            .collect()
    };
    let mut text = String::new();
    for _ in 0..2000 {
        let pattern = word(b"aab*?!,.", 6);
        text += &format!("{pattern} {key}\n");
    }
    let file = folder.path().join("known_hosts");
    fs::write(&file, &text).expect("a file");
    let mut known = KnownHosts::default();
    known.add(&file, text.as_bytes());
    let mut compared = 0;
    for _ in 0..60 {
        let name = word(b"aab.", 4);
        let expected = oracle(&file, &name);
        assert_eq!(known.of(&name).lines(), expected, "{name}");
        compared += expected.len();
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn a_key_is_judged_by_what_the_lines_say_of_the_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let make = |name: &str, kind: &str| {
        keygen(&folder.path().join(name), kind, "");
        public(&folder.path().join(format!("{name}.pub")))
    };
    if installed("ssh-keygen").is_none() {
        return;
    }
    let (one, two, other) = (
        make("one", "ed25519"),
        make("two", "ed25519"),
        make("other", "ecdsa"),
    );
    let judge = |text: &str, key: &str| {
        let mut known = KnownHosts::default();
        known.add(Path::new("kh"), text.as_bytes());
        let key = PublicKey::from_openssh(key).expect("a key");
        match known.of("web").judge(&key) {
            Verdict::Trusted(place) => format!("trusted {place}"),
            Verdict::Unknown => "unknown".to_owned(),
            Verdict::Changed { place, .. } => format!("changed {place}"),
            Verdict::ChangedAlgorithm {
                place, algorithm, ..
            } => format!("other kind {place} {algorithm}"),
            Verdict::Revoked(place) => format!("revoked {place}"),
            Verdict::Short { bits, .. } => format!("{bits} bits"),
            Verdict::BadCertificate { why, .. } => why,
            Verdict::Unchecked(failure) => failure.to_string(),
            Verdict::Protected(refusal) => refusal.to_string(),
        }
    };
    assert_eq!(judge("", &one), "unknown");
    assert_eq!(judge(&format!("db {one}\n"), &one), "unknown");
    assert_eq!(judge(&format!("web {one}\n"), &one), "trusted kh:1");
    assert_eq!(judge(&format!("web {one}\n"), &two), "changed kh:1");
    assert_eq!(
        judge(&format!("web {one}\nweb {two}\n"), &two),
        "trusted kh:2"
    );
    assert_eq!(
        judge(&format!("web {one}\n"), &other),
        "other kind kh:1 ssh-ed25519"
    );
    assert_eq!(
        judge(&format!("web {one}\n@revoked * {one}\n"), &one),
        "revoked kh:2"
    );
    assert_eq!(
        judge(&format!("@revoked db {one}\nweb {one}\n"), &one),
        "trusted kh:2"
    );
    assert_eq!(
        judge(&format!("@cert-authority web {one}\n"), &one),
        "unknown"
    );
}

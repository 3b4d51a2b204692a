//! Completions, manual pages and help.

use std::fs;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::fixture::CliFixture;

const VERBS: [&str; 16] = [
    "init",
    "hosts",
    "trust",
    "doctor",
    "checkpoint",
    "ls",
    "show",
    "diff",
    "log",
    "cat",
    "verify",
    "export",
    "import",
    "guard",
    "completions",
    "man",
];

#[test]
fn completions_know_every_verb() {
    let bed = CliFixture::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = bed.fleet(&["completions", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        for word in VERBS.iter().chain(&["explain", "inventory"]) {
            assert!(ran.stdout.contains(word), "{shell} {word}");
        }
    }
}

#[test]
fn bash_takes_its_completions() {
    let bed = CliFixture::new();
    bed.write("fleet.bash", &bed.fleet(&["completions", "bash"]).stdout);
    let script = "source fleet.bash; COMP_WORDS=(fleet che); COMP_CWORD=1; _fleet fleet che fleet; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(bed.path(""))
        .output()
        .expect("bash runs");
    assert_eq!(bed.ran(&output).stdout, "checkpoint\n");
}

#[test]
fn the_manual_page_names_every_verb() {
    let bed = CliFixture::new();
    let page = bed.fleet(&["man"]).stdout;
    assert!(page.starts_with(".ie"), "roff");
    for verb in VERBS {
        assert!(page.contains(&format!("fleet\\-{verb}(1)")), "{verb}");
    }
    bed.write("fleet.1", &page);
    let man = Command::new("man")
        .args(["-l", "fleet.1"])
        .current_dir(bed.path(""))
        .env("MANWIDTH", "80")
        .stderr(Stdio::piped())
        .output();
    if let Ok(output) = man {
        let shown = bed.ran(&output);
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn each_verb_has_a_page_of_its_own() {
    let bed = CliFixture::new();
    let ran = bed.fleet(&["man", "--dir", "pages"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    assert_eq!(ran.stderr, "wrote manual pages to pages\n");
    for verb in VERBS {
        let page = fs::read_to_string(bed.path(&format!("pages/fleet-{verb}.1")));
        assert!(page.expect("a page").contains("SYNOPSIS"), "{verb}");
    }
}

#[test]
fn every_verb_explains_itself_with_examples() {
    let bed = CliFixture::new();
    for verb in VERBS.iter().filter(|verb| **verb != "guard") {
        let ran = bed.fleet(&[verb, "--help"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{verb}");
        assert!(ran.stdout.contains("Examples:\n  fleet "), "{verb}");
        assert_eq!(bed.fleet(&[verb, "-h"]).stdout, ran.stdout, "{verb}");
    }
}

#[test]
fn help_is_written_for_people() {
    let bed = CliFixture::new();
    assert_snapshot!("help", bed.fleet(&["--help"]).whole());
    assert_snapshot!(
        "help_checkpoint",
        bed.fleet(&["checkpoint", "--help"]).whole()
    );
    let version = bed.fleet(&["--version"]).stdout;
    assert_eq!(version, concat!("fleet ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(bed.fleet(&[]).code, Some(2));
}

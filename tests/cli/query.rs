//! Tests of the verbs that read the store: `ls`, `show`, `cat`, `verify`, `export`.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use regex::Regex;

use super::fixture::CliFixture;

/// Ages change with the day of the test, and the width of their column with them.
fn without_ages(text: &str) -> String {
    let age = Regex::new(r" +(now|\d+ (s|min|h|d))( +complete| ago)").expect("an expression");
    let heading = Regex::new("CHECKPOINT +AGE").expect("an expression");
    let text = age.replace_all(text, " AGE$3");
    heading.replace(&text, "CHECKPOINT AGE").into_owned()
}

#[test]
fn checkpoints_are_listed_oldest_first() {
    let bed = CliFixture::with_store();
    let ran = bed.fleet(&["ls"]);
    assert_snapshot!("ls", without_ages(&ran.whole()));
    for arguments in [
        &["ls", "dev-vm"][..],
        &["ls", "@dev"],
        &["ls", "@pbx", "dev-vm"],
    ] {
        assert_eq!(
            without_ages(&bed.fleet(arguments).whole()),
            without_ages(&ran.whole())
        );
    }
    let ran = bed.fleet(&["ls", "--json"]);
    ran.document("ls");
    assert_snapshot!("ls_json", ran.whole());
    let without_inventory = bed.fleet(&["ls", "--json", "--store", "checkpoints", "-i", "none"]);
    assert_eq!(without_inventory.whole(), ran.whole());
}

#[test]
fn nothing_yet_is_no_failure_and_an_unknown_host_is() {
    let bed = CliFixture::with_inventory();
    assert_snapshot!("ls_no_store", bed.fleet(&["ls"]).whole());
    let ran = bed.fleet(&["ls", "--json"]);
    assert_eq!(ran.document("ls")["checkpoints"], serde_json::json!([]));
    assert_snapshot!(
        "ls_wrong_store",
        bed.fleet(&["ls", "--store", "typo"]).whole()
    );
    let bed = CliFixture::with_store();
    assert_snapshot!("ls_nothing_yet", bed.fleet(&["ls", "prod-vm"]).whole());
    assert_snapshot!("ls_unknown", bed.fleet(&["ls", "dev-wm"]).whole());
}

#[test]
fn one_checkpoint_is_shown_whole() {
    let bed = CliFixture::with_store();
    let ran = bed.fleet(&["show", "dev-vm@latest"]);
    assert_snapshot!("show", without_ages(&ran.whole()));
    let ran = bed.fleet(&["show", "dev-vm@20261121T101501Z", "--json"]);
    ran.document("show");
    assert_snapshot!("show_json", ran.whole());
    let mut text = String::new();
    for reference in ["dev-vm@2026", "dev-vm@~7", "dev-vm@2025", "other@latest"] {
        text.push_str(&bed.fleet(&["show", reference]).whole());
    }
    assert_snapshot!("show_unknown", text);
}

/// A regular file of the fixture's newest checkpoint: its path, from the list of members.
fn some_file(bed: &CliFixture) -> String {
    let ran = bed.fleet(&["export", "dev-vm@latest", "-o", "list.tar"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let output = Command::new("tar")
        .args(["-tvf", "list.tar"])
        .current_dir(bed.path(""))
        .output()
        .expect("tar runs");
    let listed = bed.ran(&output).stdout;
    let line = listed
        .lines()
        .find(|line| line.starts_with('-'))
        .expect("a file");
    format!("/{}", line.split_whitespace().nth(5).expect("a name"))
}

#[test]
fn one_file_is_printed_as_it_was() {
    let bed = CliFixture::with_store();
    let path = some_file(&bed);
    let ran = bed.fleet(&["cat", "dev-vm@latest", &path]);
    let output = Command::new("tar")
        .args(["-xOf", "list.tar", &path[1..]])
        .current_dir(bed.path(""))
        .output()
        .expect("tar runs");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout, bed.ran(&output).stdout);
    let relative = bed.fleet(&["cat", "dev-vm@latest", &path[1..]]);
    assert_eq!(relative.stdout, ran.stdout);
    let mut text = String::new();
    for path in ["/no/such", "../x", "/"] {
        text.push_str(&bed.fleet(&["cat", "dev-vm@latest", path]).whole());
    }
    assert_snapshot!("cat_unknown", text);
    let ran = bed.fleet(&["cat", "dev-vm@latest", "/no/such", "--json"]);
    assert_eq!(
        ran.document("show")["error"]["message"],
        "/no/such is not in dev-vm@20261121T101501Z"
    );
}

#[test]
fn a_whole_store_verifies_and_a_damaged_one_exits_6() {
    let bed = CliFixture::with_store();
    assert_snapshot!("verify", bed.fleet(&["verify"]).whole());
    for arguments in [
        &["verify", "--all", "--quick"][..],
        &["verify", "dev-vm"],
        &["verify", "@dev"],
        &["verify", "dev-vm@~1", "dev-vm@latest"],
    ] {
        assert_eq!(bed.fleet(arguments).code, Some(0), "{arguments:?}");
    }
    let ran = bed.fleet(&["verify", "--json"]);
    assert_eq!(ran.document("verify")["checked"], 2);
    let pack = bed.path("checkpoints/dev-vm/packs/20261121T101501Z/app.tar.zst");
    let mut bytes = fs::read(&pack).expect("a pack");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&pack, bytes).expect("a damaged pack");
    assert_snapshot!("verify_damaged", bed.fleet(&["verify"]).whole());
    let ran = bed.fleet(&["verify", "--json"]);
    assert_eq!(ran.code, Some(6));
    let document = ran.document("verify");
    assert_snapshot!("verify_damaged_json", ran.whole());
    assert_eq!(
        document["problems"][0]["file"],
        "dev-vm/packs/20261121T101501Z/app.tar.zst"
    );
    assert_eq!(
        document["problems"][0]["checkpoints"],
        serde_json::json!(["dev-vm@20261121T101501Z"])
    );
}

#[test]
fn a_damaged_record_hides_no_other_checkpoint() {
    let bed = CliFixture::with_store();
    bed.write("checkpoints/dev-vm/20261121T101500Z/checkpoint.json", "{}");
    assert_snapshot!("ls_damaged", without_ages(&bed.fleet(&["ls"]).whole()));
    let ran = bed.fleet(&["ls", "--json"]);
    let document = ran.document("ls");
    assert_eq!(ran.code, Some(6));
    assert_eq!(document["checkpoints"][0]["id"], "dev-vm@20261121T101501Z");
    assert_eq!(document["damaged"][0]["id"], "dev-vm@20261121T101500Z");
}

#[test]
fn a_checkpoint_is_taken_out_in_every_format() {
    let bed = CliFixture::with_store();
    for name in ["a.tar", "a.tar.gz", "a.tgz", "a.tar.zst", "folder/"] {
        let ran = bed.fleet(&["export", "dev-vm@latest", "-o", name]);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(0), ""),
            "{name} {}",
            ran.stderr
        );
        let again = bed.fleet(&["export", "dev-vm@latest", "-o", name]);
        assert_eq!(again.code, Some(2), "{name}");
    }
    let ran = bed.fleet(&["export", "dev-vm@latest", "-o", "b.tar", "--json"]);
    assert_eq!(ran.lines("export")[0]["format"], "tar");
    let mut command = bed.command(&["export", "dev-vm@latest", "-o", "-", "--format", "tar"]);
    let output = command.output().expect("the program runs");
    assert_eq!(Some(output.stdout), fs::read(bed.path("a.tar")).ok());
    let mut text = String::new();
    for arguments in [
        &["-o", "a.tar"][..],
        &["-o", "x.zip"],
        &["-o", "-"],
        &["-o", "folder/", "--format", "tar"],
        &["-o", "-", "--format", "tar", "--json"],
        &["-o", "no/such/x.tar"],
    ] {
        let all = [&["export", "dev-vm@latest"], arguments].concat();
        text.push_str(&format!(
            "$ fleet {}\n{}",
            all.join(" "),
            bed.fleet(&all).whole()
        ));
    }
    assert_snapshot!("export_refused", text);
    let ran = bed.fleet(&[
        "export",
        "dev-vm@latest",
        "-o",
        "b.any",
        "--format",
        "tar.gz",
    ]);
    assert_eq!(ran.code, Some(0));
}

#[test]
fn a_checkpoint_is_taken_out_in_the_layout_of_another_system() {
    let bed = CliFixture::with_store();
    let export = |arguments: &[&str]| {
        bed.fleet(&[&["export", "dev-vm@latest", "--json"], arguments].concat())
    };
    for (layout, folder) in [
        ("snapshot", "snapshot"),
        ("monitoring", "monitoring_backup_20261121_101501"),
    ] {
        let name = format!("{layout}.tgz");
        let ran = export(&["--layout", layout, "-o", &name]);
        let summary = &ran.lines("export")[0];
        assert_eq!((ran.code, &summary["layout"]), (Some(0), &layout.into()));
        let output = Command::new("tar")
            .args(["-tzf", &name])
            .current_dir(bed.path(""))
            .output()
            .expect("tar runs");
        let listed = bed.ran(&output).stdout;
        let beneath = format!("{folder}/");
        assert!(
            listed.lines().all(|line| line.starts_with(&beneath)),
            "{listed}"
        );
        let ran = export(&[
            "--layout",
            layout,
            "--only",
            "app",
            "-o",
            &format!("{layout}/"),
        ]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        assert!(bed.path(layout).join(folder).is_dir());
    }
    let ran = export(&["-o", "plain.tar"]);
    assert_eq!(ran.lines("export")[0]["layout"], "paths");
    let refused = export(&["--only", "none", "-o", "none.tar"]);
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.lines("export")[0]["error"]["message"],
        "dev-vm@20261121T101501Z has no entries of source `none`"
    );
    assert_eq!(export(&["--layout", "zip", "-o", "x.tar"]).code, Some(2));
}

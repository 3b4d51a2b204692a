//! Tests of `command` and `shell` sources: the output of programs.

use serde_json::{Value, json};

use super::HostFixture;
use crate::support::fleet::FleetOutput;
use crate::support::recover;
use crate::support::sshd::{eventually, processes_with};

const TEXT: &str = "/fleet-captures/it/it.txt";

/// A checkpoint of one source `it`.
fn taken(scene: &HostFixture, source: &Value) -> FleetOutput {
    scene.sources(json!({ "it": source }));
    scene.fleet.checkpoint(&["web"])
}

fn content(scene: &HostFixture, ran: &FleetOutput, path: &str) -> String {
    let cat = scene.fleet.run(&["cat", &ran.id(), path]).exits(0);
    cat.stdout
}

fn failed(ran: &FleetOutput) -> String {
    ran.failed().join("\n")
}

#[test]
fn what_a_program_prints_is_an_entry_of_the_checkpoint() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let ran = taken(
        &scene,
        &json!({ "command": ["printf", "%s\\n", "a 'b' $HOME `c`", "-n"] }),
    )
    .exits(0);
    assert_eq!(ran.state(), "complete");
    assert_eq!(content(&scene, &ran, TEXT), "a 'b' $HOME `c`\n-n\n");
    assert_eq!(content(&scene, &ran, &TEXT[1..]), "a 'b' $HOME `c`\n-n\n");
    let part = &ran.checkpoint()["parts"][0];
    assert_eq!(
        (&part["name"], &part["files"], &part["bytes"]),
        (&json!("it"), &json!(1), &json!(19))
    );
    scene.fleet.assert_verified();

    let (store, scratch) = (scene.fleet.store(), scene.fleet.folder());
    let (folder, target) = (ran.id().replace('@', "/"), scratch.join("recovered"));
    for json in ["python3", "jq"] {
        let Some(tools) = recover::tools(scratch, json) else {
            crate::support::skipped(&format!("no {json}"));
            continue;
        };
        let status = recover::command(store, scratch, &tools, &folder, &target).status();
        assert!(status.expect("sh").success());
        let text = target.join(&TEXT[1..]);
        assert_eq!(
            std::fs::read_to_string(&text).expect("a file"),
            "a 'b' $HOME `c`\n-n\n"
        );
        std::fs::remove_dir_all(&target).expect("removed");
    }
}

#[test]
fn shell_text_and_a_file_name_of_ones_own() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let source = json!({ "shell": "echo one | tr o 0; echo two >&2", "file": "answer.log" });
    let ran = taken(&scene, &source).exits(0);
    assert_eq!(
        content(&scene, &ran, "/fleet-captures/it/answer.log"),
        "0ne\n"
    );
}

#[test]
fn an_answer_that_is_the_same_lies_where_it_lay() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let file = scene.tree.join("answer");
    std::fs::write(&file, "one\n").expect("a file");
    let source = json!({ "command": ["cat", file] });
    let first = taken(&scene, &source).exits(0);
    let second = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(first.checkpoint()["fetched_bytes"], 4);
    assert_eq!(second.checkpoint()["fetched_bytes"], 0);
    assert_eq!(content(&scene, &second, TEXT), "one\n");
    let packs = scene.fleet.store().join("web/packs");
    assert_eq!(std::fs::read_dir(&packs).expect("packs").count(), 1);

    std::fs::write(&file, "two\n").expect("a file");
    let third = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(content(&scene, &third, TEXT), "two\n");
    assert_eq!(content(&scene, &second, TEXT), "one\n");
    let diff = scene
        .fleet
        .run(&["--json", "diff", &second.id(), &third.id()])
        .exits(0);
    let diff: Value = serde_json::from_str(&diff.stdout).expect("JSON");
    assert_eq!(diff["changes"][0]["change"], "modified");
    assert_eq!(diff["changes"][0]["path"], TEXT);
    scene.fleet.assert_verified();
}

#[test]
fn a_pack_that_is_gone_is_no_reason_to_refer_to_it() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let first = taken(&scene, &json!({ "command": ["echo", "one"] })).exits(0);
    std::fs::remove_dir_all(scene.fleet.store().join("web/packs")).expect("packs");
    let second = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(content(&scene, &second, TEXT), "one\n");
    assert_eq!(second.state(), "warned");
    assert!(scene.fleet.run(&["cat", &first.id(), TEXT]).exit != Some(0));
}

#[test]
fn a_program_that_fails_makes_the_part_failed_and_says_why() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    for (source, says, code) in [
        (
            json!({ "shell": "echo some; echo 'no such peer' >&2; exit 1" }),
            "web it: `shell` exited with 1: no such peer",
            "command-failed",
        ),
        (
            json!({ "command": ["false"] }),
            "web it: `false` exited with 1",
            "command-failed",
        ),
        (
            json!({ "shell": "kill -9 $$" }),
            "web it: `shell` exited with 137",
            "command-failed",
        ),
        (
            json!({ "command": ["true"] }),
            "web it: the result is empty",
            "part-empty",
        ),
    ] {
        let ran = taken(&scene, &source).exits(3);
        // A shell may say of its own that somebody was killed.
        assert_eq!(failed(&ran).trim_end_matches(": Killed"), says);
        assert_eq!(ran.codes(), [code]);
        assert_eq!(ran.state(), "partial");
    }
    let ran = taken(&scene, &json!({ "command": ["true"], "may_shrink": true })).exits(0);
    assert_eq!(content(&scene, &ran, TEXT), "");
}

#[test]
fn a_program_that_is_not_there_is_absent_where_it_may_be() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let ran = taken(&scene, &json!({ "command": ["no-such-program", "-V"] })).exits(3);
    assert_eq!(failed(&ran), "web it: the host has no `no-such-program`");
    let source = json!({ "command": ["no-such-program", "-V"], "optional": true });
    let ran = taken(&scene, &source).exits(0);
    assert_eq!(ran.checkpoint()["parts"][0]["state"], "absent");
    // The program is there; that it exits with what shells use for "not found" is a failure of its own.
    let source = json!({ "shell": "exit 127", "optional": true });
    let ran = taken(&scene, &source).exits(3);
    assert_eq!(failed(&ran), "web it: `shell` exited with 127");
    let source = json!({ "command": ["true"], "run_as": "no-such-account" });
    let ran = taken(&scene, &source).exits(3);
    assert_eq!(
        failed(&ran),
        "web it: the host has no account `no-such-account`"
    );
}

#[test]
fn a_program_that_never_ends_or_floods_is_stopped_and_nothing_is_left() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    for (number, text, settings, says) in [
        (
            "86399.25",
            "trap '' TERM; sleep 86399.25; sleep 86399.25",
            json!({ "timeout": "1s" }),
            "web it: `shell` did not finish within 1 s",
        ),
        (
            "86398.25",
            "yes 86398.25 & yes 86398.25",
            json!({ "max_bytes": "1MiB" }),
            "web it: `shell` printed more than 1048576 bytes",
        ),
    ] {
        let mut source = settings;
        source["shell"] = json!(text);
        let ran = taken(&scene, &source).exits(3);
        assert_eq!(failed(&ran), says);
        eventually("nothing is left on the host", || {
            processes_with(number).is_empty()
        });
    }
}

#[test]
fn a_silent_program_whose_connection_is_lost_leaves_nothing() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let number = "86397.25";
    let text = format!("trap '' TERM HUP; sleep {number}; sleep {number}");
    scene.sources(json!({ "it": { "shell": text, "timeout": "1h" } }));
    let begun = scene.fleet.begin_checkpoint(&["web"]);
    eventually("it runs", || !processes_with(number).is_empty());
    begun.signal("KILL");
    eventually("nothing is left on the host", || {
        processes_with(number).is_empty()
    });
}

#[test]
fn an_answer_that_shrank_by_more_than_half_is_a_failure() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let file = scene.tree.join("answer");
    std::fs::write(&file, "x".repeat(10_000)).expect("a file");
    let first = taken(&scene, &json!({ "command": ["cat", file] })).exits(0);
    assert_eq!(first.checkpoint()["bytes"], 10_000);
    std::fs::write(&file, "x".repeat(4_000)).expect("a file");
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert!(
        failed(&ran).contains("it shrank to under half"),
        "{}",
        failed(&ran)
    );
}

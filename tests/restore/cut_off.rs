//! Restores that fail or are killed on the way: undone, finished, or named by the next command.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::fixture::{
    assert_nothing_left, killed_at, plain_tree, plan, pull, restore, start, start_with_tools,
    summary,
};
use crate::support::host_fixture::{HostFixture, program};
use crate::support::tree;

#[test]
fn what_fails_on_the_way_is_undone() {
    // The second `cp` that links into place fails when some files are there already.
    let Some(host) = start_with_tools(|tools| {
        let script = "case \" $* \" in\n\
             *' -RPlfT .fleet-restore/new '*)\n\
             /bin/cp \"$@\"; echo 'no space left' >&2; exit 1 ;;\n\
             esac\n\
             exec /bin/cp \"$@\"";
        program(tools, "cp", script);
    }) else {
        return;
    };
    tree::make_hostile(&host.tree);
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    fs::remove_dir_all(host.tree.join("dir")).expect("a directory");
    fs::write(host.tree.join("dir"), "a file now").expect("a file");
    fs::remove_file(host.tree.join("conf/b")).expect("a file");
    fs::write(host.tree.join("extra"), "more").expect("a file");
    let before = tree::describe(&host.tree);
    let ended = summary(restore(&host, &["--delete"]), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"));
    assert_eq!(
        (&ended["changed"], &ended["deleted"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(tree::describe(&host.tree), before);
    assert_nothing_left(&host);
}

#[test]
fn a_file_that_somebody_changes_after_the_plan_stops_the_restore() {
    // Whoever stages also changes what will be replaced.
    let Some(host) = start_with_tools(|tools| {
        let victim = tools.join("victim");
        let script = format!(
            "case \" $* \" in\n\
             *' -x '*) if [ -e '{0}' ]; then echo changed >>\"$(cat '{0}')\"; fi ;;\n\
             esac\n\
             exec /bin/tar \"$@\"",
            victim.display()
        );
        program(tools, "tar", &script);
    }) else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    fs::remove_file(host.tree.join("conf/b")).expect("a file");
    let victim = host.tree.join("conf/a");
    fs::write(host.tools().join("victim"), victim.to_str().expect("text")).expect("a file");
    let ended = summary(restore(&host, &[]), 1);
    assert_eq!(ended["outcome"], json!("rolled-back"));
    assert_eq!(ended["error"]["code"], json!("restore-target-changed"));
    let now = fs::read_to_string(&victim).expect("a file");
    assert!(now.starts_with("ONEchanged"), "{now}");
    assert!(!host.tree.join("conf/b").exists());
    assert_nothing_left(&host);
}

#[test]
fn an_unfinished_restore_is_named_by_every_command_that_meets_it() {
    let Some(host) = start() else {
        return;
    };
    plain_tree(&host);
    pull(&host);
    fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
    fs::create_dir(host.tree.join(".fleet-restore")).expect("a directory");
    fs::write(host.tree.join(".fleet-restore/id"), "0123456789ab\n").expect("a file");
    let told = "a restore is under way or unfinished in";
    let shown = plan(&host, &[], 1);
    assert!(shown["refusals"].to_string().contains(told), "{shown}");
    let refused = restore(&host, &[]);
    assert_eq!(refused.exit, Some(1));
    assert_eq!(fs::read(host.tree.join("conf/a")).expect("a file"), b"ONE");
    let checkpoint = host.fleet.run(&["checkpoint", "web"]).exits(0);
    assert!(checkpoint.stderr.contains(told), "{}", checkpoint.stderr);
    let live = host.fleet.run(&["diff", "web@latest", "--live"]).exits(0);
    assert!(live.stderr.contains(told), "{}", live.stderr);
    // And what it has staged is in no checkpoint.
    let out = host.fleet.exported("web@latest");
    assert!(!host.tree_in(&out).join(".fleet-restore").exists());
}

#[test]
fn a_killed_restore_is_finished_or_undone_from_what_the_host_has() {
    let Some(host) = start() else {
        return;
    };
    tree::make_hostile(&host.tree);
    plain_tree(&host);
    pull(&host);
    let wanted = tree::describe(&host.tree);
    for step in ["stage", "prepare", "place", "prove", "clean"] {
        for way in ["--rollback", "--resume"] {
            if tree::describe(&host.tree) == wanted {
                fs::write(host.tree.join("conf/a"), "ONE").expect("a file");
                fs::remove_dir_all(host.tree.join("dir")).expect("a directory");
                fs::write(host.tree.join("dir"), "a file now").expect("a file");
                fs::write(host.tree.join("extra"), "more").expect("a file");
            }
            let damaged = tree::describe(&host.tree);
            killed_at(&host, step, &["--delete"]);
            let conclude = |way| {
                let arguments = ["--json", "restore", way, "web", "--confirm", "web"];
                host.fleet.run(&arguments)
            };
            let mut output = conclude(way);
            // What was not there as a whole can only be undone.
            if output.exit == Some(1) && step != "clean" {
                let failed = output.summary();
                let ended = (way, &failed["outcome"]);
                assert_eq!(ended, ("--resume", &json!("failed")), "{step}: {failed}");
                let mut before = damaged.clone();
                before.remove(Path::new(""));
                assert_eq!(tree_without_staging(&host), before, "{step}");
                output = conclude("--rollback");
            }
            // What is in place and proven can only be finished.
            let is_past = output.exit == Some(1);
            assert!(!is_past || (step, way) == ("clean", "--rollback"));
            let ended = summary(output, i32::from(is_past));
            let now = tree::describe(&host.tree);
            match ended["outcome"].as_str() {
                Some("rolled-back") => assert_eq!(now, damaged, "{step} {way}"),
                Some("restored") => assert_eq!(now, wanted, "{step} {way}"),
                // It had ended by itself.
                other => assert_eq!((other, step, &now), (Some("unchanged"), "clean", &wanted)),
            }
            assert_nothing_left(&host);
        }
    }
    let nothing = host
        .fleet
        .run(&["restore", "--resume", "web", "--confirm", "web"]);
    assert_eq!(nothing.exit, Some(0));
    assert!(
        nothing.stdout.contains("no restore is under way"),
        "{}",
        nothing.stdout
    );
}

/// The tree as it is but for what is staged; the root's own time is not compared.
fn tree_without_staging(host: &HostFixture) -> BTreeMap<PathBuf, String> {
    let mut described = tree::describe(&host.tree);
    described.retain(|path, _| !path.starts_with(".fleet-restore") && path != Path::new(""));
    described
}

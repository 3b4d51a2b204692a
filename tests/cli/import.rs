//! Tests of `import`: backups of other systems, each made here by the tools that those systems use.

mod refusals;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::fixture::{CliFixture, FleetOutput};
use crate::support::sshd::{Sshd, eventually};
use crate::support::{recover, tree};

const INVENTORY: &str = "\
version: 1
store: checkpoints
hosts:
  dev-vm:
    env: dev
    access: writable
    address: 203.0.113.53
    sources:
      app: { directory: /home/op/app, exclude: [node_modules/] }
      asterisk: { directory: /etc/asterisk, sudo: true }
  gw-1:
    env: prod
    address: 203.0.113.39
    sources:
      config: { directory: /opt/gateway/config }
";

fn bed() -> CliFixture {
    let bed = CliFixture::new();
    bed.write("fleet.yaml", INVENTORY);
    bed
}

/// Runs `script` in the bed's folder.
fn sh(bed: &CliFixture, script: &str) {
    let output = Command::new("bash")
        .args(["-euc", script])
        .current_dir(bed.path(""))
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `fleet --json import` with these arguments; the summary fits its schema.
fn import(bed: &CliFixture, arguments: &[&str], exit: i32) -> Value {
    let ran = bed.fleet(&[&["--json", "import"], arguments].concat());
    assert_eq!(ran.code, Some(exit), "{}{}", ran.stdout, ran.stderr);
    let lines = ran.lines("import");
    assert_eq!(lines.len(), 1, "{}", ran.stdout);
    lines[0].clone()
}

fn listed(bed: &CliFixture, host: &str) -> Vec<String> {
    let ran = bed.fleet(&["--json", "ls", host]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(document.get("damaged"), None, "{document}");
    let checkpoints = document["checkpoints"].as_array().expect("a list");
    checkpoints
        .iter()
        .map(|c| {
            format!(
                "{} {} {} {}",
                c["id"].as_str().expect("an id"),
                c["trigger"].as_str().expect("a trigger"),
                c["state"].as_str().expect("a state"),
                c["files"]
            )
        })
        .collect()
}

fn assert_verified(bed: &CliFixture) {
    let ran = bed.fleet(&["verify", "--all"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

/// The folder into which a checkpoint was exported.
fn exported(bed: &CliFixture, checkpoint: &str, name: &str) -> PathBuf {
    let ran = bed.fleet(&["export", checkpoint, "-o", &format!("{name}/")]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    bed.path(name)
}

/// A folder as the first of the old systems makes it.
fn make_first(bed: &CliFixture, name: &str, server: &str) {
    bed.write(&format!("{name}/conference-server.js"), server);
    bed.write(&format!("{name}/public/dashboard.html"), "<html>\n");
    bed.write(&format!("{name}/.env"), "KEY=sk-test-1\n");
    bed.write(&format!("{name}/asterisk/extensions.conf"), "[default]\n");
    bed.write(
        &format!("{name}/MANIFEST.txt"),
        &format!(
            "Checkpoint: {name}\nCreated: Tue Oct 28 05:32:05 PM UTC 2025\nServer: DEV VM\n\
             Files Backed Up: 4\n\nGit Branch:\n* main\n"
        ),
    );
    sh(
        bed,
        &format!(
            "chmod 600 {name}/.env; touch -d '2025-10-20 10:00:00.25' {name}/*.js {name}/.env; \
             touch -d 2025-10-21 {name}/public"
        ),
    );
}

const FIRST: [&str; 6] = [
    "dev-vm",
    "checkpoint-20251028-173204",
    "--at",
    "/home/op/app",
    "--map",
    "asterisk=/etc/asterisk",
];

#[test]
fn a_checkpoint_folder_lands_where_it_was_taken() {
    let bed = bed();
    make_first(&bed, "checkpoint-20251028-173204", "v1\n");
    let ran = bed.fleet(&[&["import"], &FIRST[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let stored = regex::Regex::new(r"stored [\d.]+ [KMi]*B").expect("an expression");
    assert_eq!(
        stored.replace(&ran.whole(), "stored X"),
        "exit 0\n── stdout\n\
         dev-vm@20251028T173204Z  complete  5 files, 168 B  (stored X)\n\
         \x20 from   checkpoint-20251028-173204\n\
         \x20 taken  2025-10-28 17:32:04 UTC  from its name; no time zone given, UTC assumed\n\
         \x20 lands  /etc/asterisk  1 file, 10 B  in part asterisk\n\
         \x20 lands  /fleet-captures/import  1 file, 134 B  in part import\n\
         \x20 lands  /home/op/app  3 files, 24 B  in part app\n"
    );
    assert_eq!(
        listed(&bed, "dev-vm"),
        ["dev-vm@20251028T173204Z import complete 5"]
    );
    assert_verified(&bed);
    let cat = |path: &str| bed.fleet(&["cat", "dev-vm@latest", path]).stdout;
    assert_eq!(cat("/home/op/app/conference-server.js"), "v1\n");
    assert_eq!(cat("/etc/asterisk/extensions.conf"), "[default]\n");
    assert!(cat("fleet-captures/import/MANIFEST.txt").starts_with("Checkpoint: "));

    let folder = bed.path("checkpoint-20251028-173204");
    let out = exported(&bed, "dev-vm@latest", "out");
    for name in ["conference-server.js", ".env", "public"] {
        tree::assert_same(&folder.join(name), &out.join("home/op/app").join(name));
    }
    tree::assert_same(&folder.join("asterisk"), &out.join("etc/asterisk"));

    let manifest = bed.path("checkpoints/dev-vm/20251028T173204Z/MANIFEST.txt");
    let manifest = fs::read_to_string(manifest).expect("a manifest");
    assert!(
        manifest.contains("MANIFEST.txt of the backup:\n"),
        "{manifest}"
    );
    assert!(manifest.contains("  * main\n"), "{manifest}");
    assert!(
        manifest.contains("Description:   imported from checkpoint-20251028-173204\n"),
        "{manifest}"
    );
}

#[test]
fn what_recover_rebuilds_is_what_was_imported() {
    let bed = bed();
    let name = "checkpoint-20251028-173204";
    make_first(&bed, name, "v1\n");
    tree::make_hostile(&bed.path(name).join("hostile"));
    fs::remove_file(bed.path(name).join("hostile/socket")).expect("removed");
    import(&bed, &FIRST, 0);
    for json in ["python3", "jq"] {
        let Some(tools) = recover::tools(&bed.path(""), json) else {
            continue;
        };
        let target = bed.path(&format!("recovered-{json}"));
        let output = recover::command(
            &bed.path("checkpoints"),
            &bed.path(""),
            &tools,
            "dev-vm/20251028T173204Z",
            &target,
        );
        let output = { output }.output().expect("sh");
        assert!(output.status.success(), "{json}: {output:?}");
        let app = target.join("home/op/app");
        for top in ["conference-server.js", ".env", "public", "hostile"] {
            tree::assert_same(&bed.path(name).join(top), &app.join(top));
        }
        tree::assert_same(
            &bed.path(name).join("asterisk"),
            &target.join("etc/asterisk"),
        );
    }
}

#[test]
fn what_the_old_system_said_about_it_is_kept() {
    let bed = bed();
    bed.write("old/server.js", "x\n");
    bed.write(
        "old/CHECKPOINT_INFO.txt",
        "Checkpoint: checkpoint-20251107-114217\n\
         Timestamp: Fri Nov  7 11:42:17 AM UTC 2025\n\
         Description: [CRON-15MIN] Automatic checkpoint\n",
    );
    let summary = import(&bed, &["dev-vm", "old", "--at", "/home/op/app"], 0);
    let imported = &summary["imported"][0];
    assert_eq!(imported["id"], "dev-vm@20251107T114217Z");
    assert_eq!(imported["taken_by"], "record");
    assert_eq!(imported["zone_assumed"], false);
    assert_eq!(
        imported["checkpoint"]["description"],
        "[CRON-15MIN] Automatic checkpoint"
    );
    let told = [
        "dev-vm",
        "old",
        "--at",
        "/home/op/app",
        "-m",
        "before the move",
    ];
    let told = [&told[..], &["--taken", "2025-11-06 10:00"]].concat();
    let summary = import(&bed, &told, 0);
    let imported = &summary["imported"][0];
    assert_eq!(imported["id"], "dev-vm@20251106T100000Z");
    assert_eq!(imported["checkpoint"]["description"], "before the move");
}

#[test]
fn a_tarball_of_the_second_system_is_known_by_its_folder() {
    let bed = bed();
    sh(
        &bed,
        "B=monitoring_backup_20260102_031500; mkdir $B; \
         mkdir -p Monitoring_Stations/audio; echo a > Monitoring_Stations/audio/AudioWriter.js; \
         cp -r Monitoring_Stations $B/; echo s > $B/server.js; \
         echo 'CREATE TABLE traces ();' > $B/monitoring_v2_schema.sql; \
         find $B -type f > $B/file_list.txt; \
         tar -czf monitoring_backup_20260102.tar.gz monitoring_backup_*",
    );
    let arguments = [
        "dev-vm",
        "monitoring_backup_20260102.tar.gz",
        "--at",
        "/home/op/app",
        "--map",
        "monitoring_v2_schema.sql=/fleet-captures/monitoring/monitoring_v2.sql",
    ];
    let planned = import(&bed, &[&arguments[..], &["--dry-run"]].concat(), 0);
    assert_eq!(planned["imported"][0]["end"], "planned");
    assert!(
        !bed.path("checkpoints").exists(),
        "a dry run writes nothing"
    );
    let summary = import(&bed, &arguments, 0);
    let imported = &summary["imported"][0];
    assert_eq!(imported["id"], "dev-vm@20260102T031500Z");
    assert_eq!(imported["taken_by"], "folder");
    assert_eq!(imported["stripped"], "monitoring_backup_20260102_031500");
    assert_eq!(
        imported["landed"],
        json!([
            { "path": "/fleet-captures/monitoring/monitoring_v2.sql", "part": "import", "files": 1, "bytes": 24 },
            { "path": "/home/op/app", "part": "app", "files": 3, "bytes": 230 },
        ])
    );
    let out = exported(&bed, "dev-vm@latest", "out");
    tree::assert_same(
        &bed.path("monitoring_backup_20260102_031500/Monitoring_Stations"),
        &without_fractions(&out.join("home/op/app/Monitoring_Stations"), &bed),
    );
    assert_verified(&bed);
}

/// tar's default form keeps whole seconds; so does the tree that it is compared with, from now on.
fn without_fractions(out: &Path, bed: &CliFixture) -> PathBuf {
    sh(
        bed,
        "find monitoring_backup_20260102_031500 -depth -exec sh -c \
         'for f; do touch -h -d @$(stat -c %Y \"$f\") \"$f\"; done' sh {} +",
    );
    out.to_owned()
}

/// A small folder with one file of the source `app`.
fn make_app(bed: &CliFixture, folder: &str) {
    bed.write(&format!("{folder}/home/op/app/server.js"), "v1\n");
    sh(
        bed,
        &format!("touch -d 2020-02-03T04:05:06Z '{folder}/home/op/app/server.js'"),
    );
}

#[test]
fn offsets_in_names_are_honoured() {
    for (name, stamp, is_zone_assumed) in [
        (
            "gw-checkpoint-20261121T101500+0200",
            "20261121T081500Z",
            false,
        ),
        (
            "monitoring_backup_20250102_031500+0200",
            "20250102T011500Z",
            false,
        ),
        (
            "checkpoint-2025-11-21T10-15-00+02:00",
            "20251121T081500Z",
            false,
        ),
        ("checkpoint-20251121-101500-0500", "20251121T151500Z", false),
        (
            "backup-dashboards-20251111-223928",
            "20251111T223928Z",
            true,
        ),
    ] {
        let bed = bed();
        make_app(&bed, name);
        let arguments = ["dev-vm", name, "--dry-run"];
        let summary = import(&bed, &arguments, 0);
        let imported = &summary["imported"][0];
        assert_eq!(imported["id"], format!("dev-vm@{stamp}"), "{name}");
        assert_eq!(imported["taken_by"], "name");
        assert_eq!(imported["zone_assumed"], is_zone_assumed, "{name}");
    }
}

#[test]
fn the_day_of_the_only_folder_is_honoured_and_the_folder_is_taken_off() {
    for folder in ["2025-11-21", "checkpoint-20251121"] {
        let bed = bed();
        make_app(&bed, folder);
        sh(&bed, &format!("tar -czf nightly.tgz ./{folder}"));
        let summary = import(&bed, &["dev-vm", "nightly.tgz"], 0);
        let imported = &summary["imported"][0];
        assert_eq!(imported["id"], "dev-vm@20251121T000000Z");
        assert_eq!(imported["taken_by"], "date");
        assert_eq!(imported["zone_assumed"], true);
        assert_eq!(imported["stripped"], folder);
        assert_eq!(imported["landed"][0]["path"], "/");
        // A record with a time of day says more than the folder.
        bed.write(
            &format!("{folder}/CHECKPOINT_INFO.txt"),
            "Checkpoint: x\nTimestamp: Fri Nov 21 19:32:05 +0200 2025\n",
        );
        sh(&bed, &format!("tar -czf again.tgz ./{folder}"));
        let summary = import(&bed, &["dev-vm", "again.tgz"], 0);
        let imported = &summary["imported"][0];
        assert_eq!(imported["id"], "dev-vm@20251121T173205Z");
        assert_eq!(imported["taken_by"], "record");
    }
}

#[test]
fn a_backup_without_a_part_of_every_source_is_a_subset() {
    let bed = bed();
    make_app(&bed, "one-20250101-000000");
    let summary = import(&bed, &["dev-vm", "one-20250101-000000"], 0);
    assert_eq!(summary["imported"][0]["subset"], true);
    assert_eq!(summary["imported"][0]["checkpoint"]["subset"], true);
    make_app(&bed, "two-20250102-000000");
    bed.write("two-20250102-000000/etc/asterisk/sip.conf", "x\n");
    let summary = import(&bed, &["dev-vm", "two-20250102-000000"], 0);
    assert_eq!(summary["imported"][0]["subset"], false);
    make_app(&bed, "three-20250103-000000");
    import(&bed, &["dev-vm", "three-20250103-000000"], 0);
    let ran = bed.fleet(&["cat", "dev-vm@latest", "/etc/asterisk/sip.conf"]);
    assert_eq!(ran.stdout, "x\n", "{}", ran.stderr);
    assert!(
        ran.stderr.contains("1 newer subset is skipped"),
        "{}",
        ran.stderr
    );
}

fn make_gateway(bed: &CliFixture) {
    sh(
        bed,
        "mkdir -p w/snapshot/config w/snapshot/logs w/snapshot/runtime; cd w; \
         echo 'model_list: []' > snapshot/config/config.yaml; \
         echo ok > snapshot/logs/gw-smoke-1.log; echo '{}' > snapshot/runtime/models.json; \
         (cd snapshot && find . -type f ! -name sha256sums.txt -print0 | sort -z \
            | xargs -0 sha256sum > sha256sums.txt); \
         tar -czf ../gw-checkpoint-20250818T175013Z.tgz snapshot",
    );
}

#[test]
fn a_gateway_checkpoint_is_held_against_its_own_digests() {
    let bed = bed();
    make_gateway(&bed);
    let arguments = [
        "gw-1",
        "gw-checkpoint-20250818T175013Z.tgz",
        "--strip",
        "1",
        "--map",
        "config=/opt/gateway/config",
        "--map",
        "runtime=/fleet-captures/models",
        "--at",
        "/var/lib/gateway",
    ];
    let summary = import(&bed, &arguments, 0);
    let imported = &summary["imported"][0];
    assert_eq!(imported["id"], "gw-1@20250818T175013Z");
    assert_eq!(imported["zone_assumed"], false);
    assert_eq!(
        imported["checked"],
        json!([{ "list": "snapshot/sha256sums.txt", "files": 3, "unlisted": 0 }])
    );
    let parts = imported["checkpoint"]["parts"].as_array().expect("parts");
    let names: Vec<&str> = parts
        .iter()
        .filter_map(|part| part["name"].as_str())
        .collect();
    assert_eq!(names, ["config", "import"]);
    let cat = bed.fleet(&["cat", "gw-1@latest", "fleet-captures/models/models.json"]);
    assert_eq!(cat.stdout, "{}\n");

    sh(
        &bed,
        "cd w; echo 'model_list: [x]' > snapshot/config/config.yaml; rm snapshot/logs/*; \
         tar -czf ../gw-checkpoint-20250819T000000Z.tgz snapshot",
    );
    let ran = bed.fleet(&["import", "gw-1", "gw-checkpoint-20250819T000000Z.tgz"]);
    assert_eq!(
        ran.whole(),
        "exit 6\n── stderr\n\
         error: gw-checkpoint-20250819T000000Z.tgz does not match its /snapshot/sha256sums.txt: \
         `./config/config.yaml` differs, `./logs/gw-smoke-1.log` is missing\n  \
         hint: It is damaged: look for another copy. To import it as it is, unpack it, remove that list, and import the directory.\n"
    );
    assert_eq!(listed(&bed, "gw-1").len(), 1);
}

#[test]
fn the_same_backup_is_taken_over_once() {
    let bed = bed();
    let name = "checkpoint-20251028-173204";
    make_first(&bed, name, "v1\n");
    import(&bed, &FIRST, 0);
    let again = import(&bed, &FIRST, 0);
    assert_eq!(again["imported"][0]["end"], "already");
    assert_eq!(again["imported"][0]["id"], "dev-vm@20251028T173204Z");
    let dry = import(&bed, &[&FIRST[..], &["--dry-run"]].concat(), 0);
    assert_eq!(dry["imported"][0]["end"], "already");
    // Another one of the same second is beside it.
    sh(&bed, "touch -d 2025-10-20 checkpoint-20251028-173204/*.js");
    let other = import(&bed, &FIRST, 0);
    assert_eq!(other["imported"][0]["end"], "sealed");
    assert_eq!(other["imported"][0]["id"], "dev-vm@20251028T173205Z");
    let again = import(&bed, &FIRST, 0);
    assert_eq!(again["imported"][0]["id"], "dev-vm@20251028T173205Z");
    assert_eq!(again["imported"][0]["end"], "already");
    assert_eq!(listed(&bed, "dev-vm").len(), 2);
    assert_verified(&bed);
}

#[test]
fn many_are_taken_over_in_one_go_and_compared() {
    let bed = bed();
    make_first(&bed, "checkpoint-20251028-173204", "v1\n");
    make_first(&bed, "checkpoint-20251029-173204", "v2\n");
    bed.write("broken.tgz", "no archive at all, though its name says so");
    let arguments = [
        "dev-vm",
        "checkpoint-20251029-173204",
        "broken.tgz",
        "checkpoint-20251028-173204",
        "--at",
        "/home/op/app",
    ];
    // The digests of nothing are in it, but it is not what fails here.
    let summary = import(&bed, &arguments, 3);
    assert_eq!(summary["imported"].as_array().map(Vec::len), Some(2));
    assert_eq!(summary["failed"][0]["path"], "broken.tgz");
    assert_eq!(
        listed(&bed, "dev-vm"),
        [
            "dev-vm@20251028T173204Z import complete 5",
            "dev-vm@20251029T173204Z import complete 5"
        ]
    );
    let diff = bed.fleet(&["diff", "dev-vm@~1", "dev-vm@latest"]);
    assert!(
        diff.stdout
            .contains("  modified  /home/op/app/conference-server.js  3 B"),
        "{}",
        diff.stdout
    );
    let log = bed.fleet(&["log", "/home/op/app/conference-server.js"]);
    assert_eq!(log.stdout.lines().count(), 3, "{}", log.stdout);
    let wrong = [&arguments[..], &["--taken", "2025-10-28T00:00:00Z"]].concat();
    let summary = import(&bed, &wrong, 2);
    assert_eq!(
        summary["error"]["message"],
        "`--taken` applies to one backup, and there are several"
    );
}

#[test]
fn every_form_of_archive_that_tar_writes_comes_out_as_it_went_in() {
    let bed = bed();
    tree::make_hostile(&bed.path("t/opt/t"));
    fs::remove_file(bed.path("t/opt/t/socket")).expect("removed");
    // tar does not tell that two pipes are one.
    fs::remove_file(bed.path("t/opt/t/links/fifo")).expect("removed");
    sh(
        &bed,
        "cd t/opt/t; truncate -s 4M holes; printf middle | dd of=holes bs=1 seek=1500000 \
         conv=notrunc status=none; for i in $(seq 60); do \
         printf x | dd of=many bs=1 seek=$((i * 70000)) conv=notrunc status=none; done; \
         find . -depth -exec sh -c 'for f; do touch -h -d @$(stat -c %Y \"$f\") \"$f\"; done' sh {} +",
    );
    for (number, (options, name)) in [
        ("--format=gnu -S", "gnu.tar"),
        ("--format=oldgnu -S", "oldgnu.tar"),
        ("--format=posix -S --xattrs", "posix.tar"),
        ("--format=gnu -z", "gnu.tar.gz"),
        ("--format=posix --zstd", "posix.tar.zst"),
    ]
    .into_iter()
    .enumerate()
    {
        sh(&bed, &format!("tar {options} -cf {name} -C t ."));
        let taken = format!("2025-01-0{}T00:00:00Z", number + 1);
        let summary = import(&bed, &["dev-vm", name, "--taken", &taken], 0);
        let id = summary["imported"][0]["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let out = exported(&bed, &id, &format!("out-{number}"));
        tree::assert_same(&bed.path("t/opt/t"), &out.join("opt/t"));
    }
    // Holes stay holes.
    let sparse = fs::metadata(bed.path("out-1/opt/t/holes")).expect("facts");
    assert_eq!(sparse.len(), 4 << 20);
    assert!(
        sparse.blocks() * 512 < 1 << 20,
        "{} blocks",
        sparse.blocks()
    );
    assert_verified(&bed);
}

#[test]
fn names_of_a_link_in_two_parts_become_a_link_each() {
    let bed = bed();
    sh(
        &bed,
        "mkdir -p t/home/op/app t/opt; echo x > t/home/op/app/f; ln -s nowhere t/home/op/app/l; \
         ln -P t/home/op/app/l t/home/op/app/m; ln -P t/home/op/app/l t/opt/l; tar -cf x.tar -C t .",
    );
    let summary = import(
        &bed,
        &["dev-vm", "x.tar", "--taken", "2025-01-01T00:00:00Z"],
        0,
    );
    let id = summary["imported"][0]["id"].as_str().expect("an id");
    let out = exported(&bed, id, "out");
    let link = |name: &str| {
        let facts = fs::symlink_metadata(out.join(name)).expect("a link");
        let target = fs::read_link(out.join(name)).expect("a link");
        (facts.ino(), facts.nlink(), target.display().to_string())
    };
    let (app, opt) = (link("home/op/app/l"), link("opt/l"));
    assert_eq!(link("home/op/app/m"), app);
    // No scan tells that they are one.
    assert_eq!((app.1, app.2.as_str()), (2, "nowhere"));
    assert_eq!((opt.1, opt.2.as_str()), (1, "nowhere"));
}

#[test]
fn attributes_of_a_folder_come_along() {
    let bed = bed();
    bed.write("old/f", "x");
    let path = bed.path("old/f");
    let set = rustix::fs::setxattr(
        &path,
        "user.fleet",
        b"a\nb=c",
        rustix::fs::XattrFlags::empty(),
    );
    if set.is_err() {
        return;
    }
    import(
        &bed,
        &[
            "dev-vm",
            "old",
            "--taken",
            "20250101T000000Z",
            "--at",
            "/srv",
        ],
        0,
    );
    sh(
        &bed,
        "mkdir out; tar --zstd --xattrs --xattrs-include='*' -xf \
         checkpoints/dev-vm/packs/20250101T000000Z/import.tar.zst -C out",
    );
    let mut value = [0; 64];
    let length = rustix::fs::getxattr(bed.path("out/srv/f"), "user.fleet", &mut value[..]);
    assert_eq!(length.map(|n| value[..n].to_vec()), Ok(b"a\nb=c".to_vec()));
}

#[test]
fn the_next_pull_goes_on_from_the_last_pull() {
    let Some(server) = Sshd::builder().start() else {
        return;
    };
    let bed = CliFixture::at(&server);
    for number in 0..20 {
        bed.write(&format!("data/f{number}"), "content\n");
    }
    symlink("f1", bed.path("data/link")).expect("a link");
    sh(&bed, "touch -d 2020-01-01 data/f*");
    let checkpoint = |bed: &CliFixture| -> Value {
        let ran: FleetOutput = bed.fleet_at(&server, &["--json", "checkpoint", "dev-vm"]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        let last = ran.stdout.lines().last().expect("a summary");
        let summary: Value = serde_json::from_str(last).expect("JSON");
        summary["checkpoints"][0].clone()
    };
    let clock = bed.path("clock");
    let now = || {
        fs::write(&clock, "tick").expect("a file");
        let facts = fs::metadata(&clock).expect("facts");
        facts.ctime() * 1000 + facts.ctime_nsec() / 1_000_000
    };
    let begun = now();
    eventually("a later time", || now() > begun + 80);
    assert_eq!(checkpoint(&bed)["fetched_bytes"], 160);
    // A small part of the same source, at a later time than the pull.
    bed.write("old/f1", "older\n");
    let at = bed.path("data").display().to_string();
    let later = jiff::Timestamp::now().to_string();
    let import = bed.fleet(&[
        "--json", "import", "dev-vm", "old", "--at", &at, "--taken", &later,
    ]);
    assert_eq!(import.code, Some(0), "{}{}", import.stdout, import.stderr);
    let summary: Value = serde_json::from_str(&import.stdout).expect("JSON");
    assert_eq!(summary["imported"][0]["landed"][0]["part"], "app");
    let second = checkpoint(&bed);
    assert_eq!(second["state"], "complete");
    assert_eq!(second["fetched_bytes"], 0, "{second}");
    assert_eq!(second["files"], 20);
    let listed = listed(&bed, "dev-vm");
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(listed[1].contains(" import "), "{listed:?}");
    assert!(
        listed[2].starts_with(second["id"].as_str().expect("an id")),
        "{listed:?}"
    );
}

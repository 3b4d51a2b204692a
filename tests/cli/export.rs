//! Folders that `export` makes: who owns what is in them, and what may not be in them.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::bed::{Bed, Ran};

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// A store with one checkpoint, imported from the archive that `script` makes as `backup.tar`.
fn bed(script: &str) -> Bed {
    let bed = Bed::with_inventory();
    let output = Command::new("bash")
        .args(["-euc", script])
        .current_dir(bed.path(""))
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(output.status.success(), "{script}: {output:?}");
    let ran = bed.fleet(&[
        "import",
        "dev-vm",
        "backup.tar",
        "--at",
        "/",
        "--taken",
        "2026-11-21",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    bed
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// `export -o out/` with these options.
fn export(bed: &Bed, options: &[&str]) -> Ran {
    if bed.path("out").exists() {
        fs::remove_dir_all(bed.path("out")).expect("removed");
    }
    let ran = bed.fleet(&[&["export", "dev-vm@latest", "-o", "out/"], options].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// The same by somebody who is not root and owns everything in the bed.
fn export_as_nobody(bed: &Bed, options: &[&str]) -> Ran {
    let program = bed.path("fleet");
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_fleet"))
        .arg(&program)
        .status();
    assert!(copied.expect("cp").success());
    let given = Command::new("chown")
        .args(["-R", &NOBODY.to_string()])
        .arg(bed.path(""))
        .status();
    assert!(given.expect("chown").success());
    let output = Command::new(&program)
        .args(["export", "dev-vm@latest", "-o", "out/"])
        .args(options)
        .env_clear()
        .env("HOME", bed.path(""))
        .current_dir(bed.path(""))
        .stdin(Stdio::null())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("the program runs");
    let ran = bed.ran(&output);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// Mode, user and group of a file beneath `out`.
fn look(bed: &Bed, name: &str) -> String {
    let facts = fs::symlink_metadata(bed.path("out").join(name)).expect("metadata");
    format!(
        "{:04o} {} {}",
        facts.mode() & 0o7777,
        facts.uid(),
        facts.gid()
    )
}

fn left_out(ran: &Ran) -> Value {
    ran.lines("export")[0]["left_out"].clone()
}

const SET_ID: &str = "\
    mkdir -p tree/bin tree/shared tree/tmp; echo x > tree/bin/tool; echo x > tree/bin/locate
    chmod 0755 tree/bin; chmod 4755 tree/bin/tool; chmod 2751 tree/bin/locate
    chmod 2775 tree/shared; chmod 1777 tree/tmp
    tar --format=posix -C tree --owner=root:0 --group=root:0 -cf backup.tar bin shared tmp";

#[test]
fn set_id_bits_are_set_for_their_recorded_owner_alone() {
    if !is_root() {
        return;
    }
    let bed = bed(SET_ID);
    let ran = export(&bed, &["--json"]);
    assert_eq!(left_out(&ran), json!([]));
    assert_eq!(look(&bed, "bin/tool"), "4755 0 0");
    assert_eq!(look(&bed, "shared"), "2775 0 0");

    fs::remove_dir_all(bed.path("out")).expect("removed");
    let ran = export_as_nobody(&bed, &[]);
    let who = format!("{NOBODY} {NOBODY}");
    for (name, mode) in [
        ("bin/tool", "0755"),
        ("bin/locate", "0751"),
        ("shared", "0775"),
        ("tmp", "1777"),
        ("bin", "0755"),
    ] {
        assert_eq!(look(&bed, name), format!("{mode} {who}"), "{name}");
    }
    assert!(
        ran.stderr.contains(
            "warning: set-user-ID and set-group-ID bits of 3 entries are left out, because owner or \
             group are not the recorded ones here: /bin/locate, /bin/tool, /shared\n"
        ),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_number_that_is_somebody_elses_here_gets_no_set_id_bits() {
    if !is_root() {
        return;
    }
    // Number 1 is `daemon` on this machine, and not the host's `ghost`.
    let bed = bed("\
        mkdir tree; echo x > tree/ghost; chmod 6755 tree/ghost; cp -p tree/ghost tree/free
        tar --format=posix -C tree --owner=ghost-of-a-host:1 --group=root:0 -cf backup.tar ghost
        tar --format=posix -C tree --owner=ghost-of-a-host:3123456 --group=root:0 -rf backup.tar free");
    let ran = export(&bed, &["--json"]);
    assert_eq!(look(&bed, "ghost"), "0755 1 0");
    assert_eq!(look(&bed, "free"), "6755 3123456 0");
    assert_eq!(
        left_out(&ran),
        json!([{ "what": "set-id", "count": 1, "entries": [{ "path": "/ghost" }] }])
    );
}

#[test]
fn owners_are_those_of_that_name_here_unless_numbers_are_asked_for() {
    if !is_root() {
        return;
    }
    let bed = bed("\
        mkdir tree; echo x > tree/mail; mkdir tree/dir; ln -s mail tree/link
        tar --format=posix -C tree --owner=nobody:4242 --group=daemon:4343 -cf backup.tar mail dir link");
    let daemon = Command::new("id")
        .args(["-g", "daemon"])
        .output()
        .expect("id");
    let daemon = String::from_utf8_lossy(&daemon.stdout).trim().to_owned();
    export(&bed, &[]);
    for name in ["mail", "dir", "link"] {
        let owner = format!(" {NOBODY} {daemon}");
        assert!(look(&bed, name).ends_with(&owner), "{}", look(&bed, name));
    }
    export(&bed, &["--numeric-owner"]);
    for name in ["mail", "dir", "link"] {
        assert!(
            look(&bed, name).ends_with(" 4242 4343"),
            "{}",
            look(&bed, name)
        );
    }
}

#[test]
fn folders_that_nothing_records_are_private() {
    let bed = bed("\
        mkdir -p -m 0755 tree/etc/app/conf.d; echo x > tree/etc/app/conf.d/a; chmod 0644 tree/etc/app/conf.d/a
        tar --format=posix -C tree -cf backup.tar etc/app/conf.d/a");
    let mode = |path: &Path| {
        format!(
            "{:04o}",
            fs::metadata(path).expect("metadata").mode() & 0o7777
        )
    };
    for layout in ["paths", "snapshot", "monitoring"] {
        export(&bed, &["--layout", layout]);
        let mut folders = vec![bed.path("out")];
        while let Some(folder) = folders.pop() {
            assert_eq!(mode(&folder), "0700", "{}", folder.display());
            for item in fs::read_dir(&folder).expect("a folder") {
                let path = item.expect("an item").path();
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
    }
}

#[test]
fn device_nodes_are_made_only_where_they_are_asked_for() {
    if !is_root() {
        return;
    }
    let bed = bed("\
        mkdir tree; echo x > tree/a; mknod tree/null c 1 3; mknod tree/loop b 7 0; mkfifo tree/pipe
        tar --format=posix -C tree -cf backup.tar a null loop pipe");
    let ran = export(&bed, &[]);
    assert_eq!(
        ran.stderr,
        "warning: 2 device nodes are left out (only root can make them, with `--devices`): \
         /loop, /null\n\
         dev-vm@20261121T000000Z: 2 entries, 2 B to out/\n"
    );
    assert!(
        fs::symlink_metadata(bed.path("out/pipe"))
            .expect("a pipe")
            .file_type()
            .is_fifo()
    );
    assert!(!bed.path("out/null").exists() && !bed.path("out/loop").exists());

    let ran = export(&bed, &["--devices", "--json"]);
    assert_eq!(left_out(&ran), json!([]));
    let facts = fs::symlink_metadata(bed.path("out/null")).expect("a device");
    assert_eq!(facts.rdev(), rustix::fs::makedev(1, 3));

    fs::remove_dir_all(bed.path("out")).expect("removed");
    let ran = export_as_nobody(&bed, &["--devices", "--json"]);
    assert_eq!(left_out(&ran)[0]["count"], 2);
    assert_eq!(ran.lines("export")[0]["skipped"], 2);
}

#[test]
fn options_for_folders_are_refused_for_archives() {
    let bed = Bed::with_store();
    for option in ["--devices", "--numeric-owner"] {
        let ran = bed.fleet(&["export", "dev-vm@latest", "-o", "x.tar", option]);
        assert_eq!(ran.code, Some(2));
        assert_eq!(
            ran.stderr,
            "error: `--devices` and `--numeric-owner` are for folders\n  hint: An archive keeps device \
             nodes, and owners by name and number. Leave the option out, or name a folder: `-o DIR/`.\n"
        );
        assert!(!bed.path("x.tar").exists());
    }
}

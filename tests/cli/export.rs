//! Folders that `export` makes: who owns what is in them, and what may not be in them.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::fixture::{CliFixture, FleetOutput};

/// Somebody who is not root.
const NOBODY: u32 = 65_534;

/// A store with one checkpoint, imported from the archive that `script` makes as `backup.tar`.
fn bed(script: &str) -> CliFixture {
    let bed = CliFixture::with_inventory();
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
fn export(bed: &CliFixture, options: &[&str]) -> FleetOutput {
    if bed.path("out").exists() {
        fs::remove_dir_all(bed.path("out")).expect("removed");
    }
    let ran = bed.fleet(&[&["export", "dev-vm@latest", "-o", "out/"], options].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// The same by somebody who is not root and owns everything in the bed.
fn export_as_nobody(bed: &CliFixture, options: &[&str]) -> FleetOutput {
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
fn look(bed: &CliFixture, name: &str) -> String {
    let facts = fs::symlink_metadata(bed.path("out").join(name)).expect("metadata");
    format!(
        "{:04o} {} {}",
        facts.mode() & 0o7777,
        facts.uid(),
        facts.gid()
    )
}

fn left_out(ran: &FleetOutput) -> Value {
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
    let bed = CliFixture::with_store();
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

/// An archive with one file of mode 0660 whose ACL names `who`, in Python: tar would need that account.
fn with_acl(who: &str) -> String {
    format!(
        "python3 - <<'PYTHON'
import io, tarfile
with tarfile.open('backup.tar', 'w', format=tarfile.PAX_FORMAT) as tar:
    info = tarfile.TarInfo('etc/secret')
    info.size, info.mode = 2, 0o660
    info.pax_headers = {{
        'SCHILY.acl.access': 'user::rw-\\nuser:{who}\\ngroup::---\\nmask::rw-\\nother::---\\n',
        'SCHILY.xattr.user.note': 'kept',
    }}
    tar.addfile(info, io.BytesIO(b'x\\n'))
PYTHON"
    )
}

#[test]
fn without_its_acl_a_file_does_not_give_its_group_the_acls_mask() {
    // Number 1 is `daemon` here, and nobody's account is called so.
    for who in ["no-such-account-here:rw-", "no-such-account-here:rw-:1"] {
        let bed = bed(&with_acl(who));
        let ran = export(&bed, &[]);
        assert!(
            look(&bed, "etc/secret").starts_with("0600 "),
            "{}",
            look(&bed, "etc/secret")
        );
        let warning = "warning: ACLs of 1 entry can't be set here; their group permissions are those of \
             the owning group, not the ACL's mask: /etc/secret\n";
        assert!(ran.stderr.contains(warning), "{}", ran.stderr);
        assert_eq!(left_out(&export(&bed, &["--json"]))[0]["what"], "acl");
        let mut value = [0; 8];
        let file = bed.path("out/etc/secret");
        let length =
            rustix::fs::getxattr(&file, "user.note", &mut value[..]).expect("an attribute");
        assert_eq!(&value[..length], b"kept");
    }
}

#[test]
fn an_export_takes_no_acl_over_from_the_folder_it_goes_to() {
    use crate::support::sshd::installed;
    if installed("setfacl").is_none() {
        return;
    }
    let bed = bed("\
        mkdir -p tree/etc; echo x > tree/etc/a; chmod 0750 tree/etc; chmod 0640 tree/etc/a
        tar --format=posix -C tree -cf backup.tar etc
        mkdir out; setfacl -m d:u:nobody:rwx out");
    let ran = bed.fleet(&["export", "dev-vm@latest", "-o", "out/"]);
    assert_eq!(
        (ran.code, ran.stderr.contains("warning")),
        (Some(0), false),
        "{}",
        ran.stderr
    );
    for name in ["out/etc", "out/etc/a"] {
        let mut value = [0; 256];
        for acl in ["system.posix_acl_access", "system.posix_acl_default"] {
            let found = rustix::fs::getxattr(bed.path(name), acl, &mut value[..]);
            assert_eq!(found, Err(rustix::io::Errno::NODATA), "{name} {acl}");
        }
    }
}

#[test]
fn what_a_file_system_does_not_take_is_named() {
    if !is_root() {
        return;
    }
    let bed = bed(&with_acl("nobody:rw-"));
    fs::create_dir(bed.path("out")).expect("a folder");
    // It has no attributes at all.
    let mounted = Command::new("mount")
        .args(["-t", "ramfs", "ramfs"])
        .arg(bed.path("out"))
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        return;
    }
    let ran = bed.fleet(&["export", "dev-vm@latest", "-o", "out/", "--json"]);
    let mode = look(&bed, "etc/secret");
    let unmounted = Command::new("umount").arg(bed.path("out")).status();
    assert!(unmounted.expect("umount").success());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(
        left_out(&ran),
        json!([
            { "what": "acl", "count": 1, "entries": [{ "path": "/etc/secret" }] },
            { "what": "xattrs", "count": 1, "entries": [{ "path": "/etc/secret" }] },
        ])
    );
    assert!(mode.starts_with("0600 "), "{mode}");
}

#[test]
fn capabilities_are_set_by_root_alone() {
    use crate::support::sshd::installed;
    if !is_root() || installed("setcap").is_none() {
        return;
    }
    let bed = bed("\
        mkdir tree; echo x > tree/tool; chmod 0755 tree/tool; PATH=$PATH:/usr/sbin:/sbin
        setcap cap_net_raw+ep tree/tool
        tar --format=posix --xattrs -C tree --owner=root:0 --group=root:0 -cf backup.tar tool");
    let capability = |bed: &CliFixture| {
        let mut value = [0; 64];
        rustix::fs::getxattr(bed.path("out/tool"), "security.capability", &mut value[..])
    };
    assert_eq!(left_out(&export(&bed, &["--json"])), json!([]));
    assert_eq!(capability(&bed), Ok(20));
    fs::remove_dir_all(bed.path("out")).expect("removed");
    let ran = export_as_nobody(&bed, &["--json"]);
    assert_eq!(capability(&bed), Err(rustix::io::Errno::NODATA));
    assert_eq!(
        left_out(&ran),
        json!([{ "what": "capabilities", "count": 1, "entries": [{ "path": "/tool" }] }])
    );
}

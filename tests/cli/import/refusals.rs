//! Tests of backups that are not imported, and that nothing of them is kept.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{bed, import, sh};
use crate::cli::fixture::CliFixture;
use crate::support::sshd::eventually;

/// Imports `name`, which must be refused.
fn refused(bed: &CliFixture, name: &str, exit: i32) -> String {
    let summary = import(bed, &["dev-vm", name], exit);
    assert_eq!(summary["imported"], json!([]));
    let store = bed.path("checkpoints/dev-vm");
    let left: Vec<String> = fs::read_dir(&store)
        .map(|names| {
            let names = names.map(|name| name.expect("a name").file_name());
            let names = names.map(|name| name.to_string_lossy().into_owned());
            names.filter(|name| name != ".lock").collect()
        })
        .unwrap_or_default();
    assert_eq!(left, Vec::<String>::new());
    summary["failed"][0]["error"]
        .as_str()
        .expect("text")
        .to_owned()
}

#[test]
fn what_is_no_harmless_archive_is_refused_in_its_own_words() {
    let bed = bed();
    sh(
        &bed,
        "mkdir d; echo x > d/f; ln -s /etc d/out; head -c 300000 /dev/urandom > d/noise; \
         tar -Pcf absolute.tar \"$PWD/d\"; \
         (cd d; tar -Pcf ../up.tar ../d/f); \
         tar -cf twice.tar d/f d/f; \
         tar -cf beneath.tar --no-recursion --transform 's,d/f,d/out/f,' d d/out d/f; \
         mkdir -p op/app; echo x > op/app/f; ln -s elsewhere home; \
         tar -cf across.tar home; tar -rf across.tar --no-recursion --transform 's,^,home/,' op/app/f; \
         tar -czf whole.tgz d; head -c 100000 whole.tgz > cut.tgz; \
         (head -c 100000 whole.tgz; printf x; tail -c +100002 whole.tgz) > flipped.tgz; \
         tar -cf whole.tar d; head -c 10240 whole.tar > cut.tar; \
         : > empty.tar; tar -cf nothing.tar -T /dev/null; tar -cf folders.tar --no-recursion d; \
         printf '\\375\\067\\172\\130\\132\\000 and so on' > old.tar.xz; mkfifo pipe",
    );
    let here = bed.path("").display().to_string();
    for (name, exit, text) in [
        (
            "absolute.tar",
            1,
            "the archive absolute.tar was refused: the archive member at byte 0 has a bad name: \
             `/[bed]/d` is not an absolute path without empty, `.` or `..` components",
        ),
        (
            "up.tar",
            1,
            "the archive up.tar was refused: the archive member at byte 0 has a bad name: `/../d/f` \
             is not an absolute path without empty, `.` or `..` components",
        ),
        (
            "twice.tar",
            1,
            "the archive twice.tar was refused: `/d/f` is in the archive twice",
        ),
        (
            "beneath.tar",
            1,
            "beneath.tar can't be restored safely: `/d/out/f` is inside `/d/out`, which is not a \
             directory",
        ),
        (
            // The link is in one part, the file in the part of the source `app`.
            "across.tar",
            1,
            "across.tar can't be restored safely: `/home/op/app/f` is inside `/home`, which is not a \
             directory",
        ),
        ("empty.tar", 2, "empty.tar is empty"),
        ("nothing.tar", 1, "nothing.tar is empty"),
        ("folders.tar", 1, "folders.tar is empty"),
        ("old.tar.xz", 2, "old.tar.xz is compressed with xz"),
        ("pipe", 2, "pipe is neither a folder nor a file"),
        (
            "missing",
            2,
            "can't read missing: No such file or directory (os error 2)",
        ),
    ] {
        let said = refused(&bed, name, exit).replace(&here, "[bed]");
        assert_eq!(said, text);
    }
    for name in ["cut.tgz", "flipped.tgz"] {
        let said = refused(&bed, name, 1);
        let begins = format!("can't unpack {name}: ");
        // A flipped byte may also make a header unreadable before the digest is reached.
        let other = format!("the archive {name} was refused: ");
        assert!(
            said.starts_with(&begins) || said.starts_with(&other),
            "{said}"
        );
    }
    assert!(refused(&bed, "cut.tar", 1).starts_with(
        "the archive cut.tar was refused: the archive stream ended early at byte 10240"
    ));
}

#[test]
fn wrong_places_are_told_before_anything_is_written() {
    let bed = bed();
    bed.write("old-20250101-000000/f", "x");
    let name = "old-20250101-000000";
    for (arguments, exit, text) in [
        (
            &["--map", "asterisk=/etc"][..],
            2,
            "old-20250101-000000 has no `asterisk`",
        ),
        (
            &["--strip", "2"],
            1,
            "old-20250101-000000 is empty below its first 2 directories",
        ),
        (
            &["--taken", "2199-01-01T00:00:00Z"],
            2,
            "old-20250101-000000 would have been taken at 2199-01-01T00:00:00Z, which is in the \
             future (set with `--taken`)",
        ),
    ] {
        let summary = import(&bed, &[&["dev-vm", name], arguments].concat(), exit);
        assert_eq!(summary["failed"][0]["error"], text);
    }
    let ran = bed.fleet(&["import", "dev-v", name]);
    assert_eq!(ran.code, Some(2));
    assert!(
        ran.stderr.contains("Did you mean `dev-vm`?"),
        "{}",
        ran.stderr
    );
    let ran = bed.fleet(&["import", "dev-vm", name]);
    assert_eq!(
        ran.stderr,
        "warning: old-20250101-000000: its place on the host is unknown, so it is imported at \
         `/`; set it with `--at FOLDER`\n"
    );
    assert_eq!(ran.code, Some(0));
}

#[test]
fn an_unreadable_file_in_a_folder_ends_it() {
    if rustix::process::geteuid().is_root() {
        // Root reads everything.
        return;
    }
    let bed = bed();
    bed.write("old/f", "x");
    fs::set_permissions(bed.path("old/f"), fs::Permissions::from_mode(0o000)).expect("mode");
    assert_eq!(
        refused(&bed, "old", 1),
        "can't read old/f: Permission denied (os error 13)"
    );
}

#[test]
fn stopping_leaves_nothing() {
    let bed = bed();
    bed.write("old/f", "x");
    // It takes minutes to read, and no room.
    let file = fs::File::create(bed.path("old/huge")).expect("a file");
    if file.set_len(1 << 40).is_err() {
        return;
    }
    let mut child = bed
        .command(&["--json", "import", "dev-vm", "old", "--at", "/srv"])
        .spawn()
        .expect("fleet starts");
    // Whoever catches the signal has begun.
    let status = format!("/proc/{}/status", child.id());
    eventually("signals that are caught", || {
        let status = fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 0b10 != 0)
    });
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("a signal");
    let status = child.wait().expect("an end");
    assert_eq!(status.code(), Some(130));
    let left = fs::read_dir(bed.path("checkpoints/dev-vm")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

/// Imports `name`, which must be refused, and says how many MiB that took at most.
fn refused_within(bed: &CliFixture, name: &str, peak_max_mib: u64) -> String {
    let command = bed.command(&["import", "dev-vm", name]);
    let (ran, peak) = crate::support::memory::measured(&command);
    let ran = ran.exits(1);
    assert!(peak < peak_max_mib, "{name}: {peak} MiB");
    ran.stderr
}

#[test]
fn small_archives_take_little_memory_whatever_is_in_them() {
    let bed = bed();
    bed.write(
        "make.py",
        r#"
import io, tarfile, zlib, gzip

def archive(name, members, format=tarfile.PAX_FORMAT):
    with gzip.open(name, "wb", compresslevel=9) as out:
        with tarfile.open(fileobj=out, mode="w|", format=format) as tar:
            for info, content in members:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))

def info(name, **more):
    info = tarfile.TarInfo(name)
    info.mtime = 1700000000
    for key, value in more.items():
        setattr(info, key, value)
    return info

text = b"x\n" * (4 << 20)
archive("texts.tgz", ((info("d%d/MANIFEST.txt" % n), text[: 8 << 20]) for n in range(40)))
archive("name.tgz", ((info("%d" % n + "x" * 1000000), b"") for n in range(200)))
archive("target.tgz", ((info("%d" % n, type=tarfile.SYMTYPE, linkname="x" * 1000000), b"") for n in range(200)))
archive("owner.tgz", ((info("%d" % n, uname="x" * 1000000), b"") for n in range(200)))
archive("names.tgz", ((info("d/" * 1500 + "%d" % n), b"") for n in range(20000)))
"#,
    );
    sh(&bed, "python3 make.py");
    for (name, text) in [
        (
            "texts.tgz",
            "error: texts.tgz has more than 16.0 MiB of manifests and checksum lists\n",
        ),
        ("name.tgz", "has a name of 1000001 bytes, more than 4096\n"),
        (
            "target.tgz",
            "has a link target of 1000000 bytes, more than 4096\n",
        ),
        (
            "owner.tgz",
            "has a user or group of 1000000 bytes, more than 256\n",
        ),
        (
            "names.tgz",
            "error: the names in names.tgz take more than 3",
        ),
    ] {
        let size = fs::metadata(bed.path(name)).expect("an archive").len();
        assert!(size < 1 << 20, "{name} has {size} bytes");
        let said = refused_within(&bed, name, 200);
        assert!(said.contains(text), "{said}");
        assert!(said.contains("  hint: "), "{said}");
    }
}

#[test]
fn more_holes_than_can_be_hashed_are_refused() {
    let bed = bed();
    sh(
        &bed,
        "mkdir d; truncate -s 300G d/big; echo x >> d/big; tar -cSf d.tar d; \
         tar -cSf part.tar --format=posix d",
    );
    for name in ["d.tar", "part.tar"] {
        assert_eq!(
            refused(&bed, name, 1),
            format!(
                "the sparse files in {name} have more than 256.0 GiB of holes, counted up to `/d/big`"
            )
        );
    }
}

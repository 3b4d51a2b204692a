//! What is staged is whole, and only what a plan may hold.

use std::fs;
use std::path::Path;
use std::process::Command;

use fleet::guard::{Compression, TransactionStep};

use super::host::{Host, shell};

fn begun() -> Host {
    let host = Host::new(&["root"]);
    fs::create_dir(&host.roots[0]).expect("a folder");
    host.begin().ok();
    host
}

/// The archive of a folder that `script` fills.
fn archive_of(host: &Host, script: &str) -> Vec<u8> {
    let scratch = host.folder().join("scratch");
    let line = format!(
        "rm -rf \"$1\"; mkdir \"$1\"; cd \"$1\"; {script}\ntar -c --format=posix -f ../archive *"
    );
    shell(&line, &[&scratch]);
    fs::read(host.folder().join("archive")).expect("an archive")
}

fn packed(tool: &str, file: &Path) -> Vec<u8> {
    let output = Command::new(tool)
        .args(["-q", "-c"])
        .arg(file)
        .output()
        .expect("a compressor");
    assert!(output.status.success());
    output.stdout
}

#[test]
fn an_archive_is_staged_whichever_way_it_is_packed() {
    let host = begun();
    let plain = archive_of(
        &host,
        "mkdir new; head -c 3000000 /dev/zero >new/file; mkdir lnew; ln -s x lnew/l",
    );
    let file = host.folder().join("archive");
    for (compression, data) in [
        (Compression::None, plain),
        (Compression::Gzip, packed("gzip", &file)),
        (Compression::Zstd, packed("zstd", &file)),
    ] {
        host.stage(0, compression, &data).ok();
        let new = host.staging(0).join("new/file");
        assert_eq!(fs::metadata(&new).expect("it is staged").len(), 3_000_000);
        fs::remove_file(new).expect("a file");
    }
    assert_eq!(host.step(TransactionStep::Staged).ok(), ["at 0 staged"]);
    host.stage(0, Compression::None, b"")
        .refused(13, "at `staged`, not at `staging`");
    host.step(TransactionStep::Done).ok();
}

#[test]
fn an_archive_that_is_cut_off_does_not_count() {
    let host = begun();
    let data = archive_of(&host, "mkdir new; echo a >new/a; echo b >new/b");
    // All that is missing is the line behind it.
    for length in [0, 600, data.len() - 1, data.len()] {
        let command = host.staging_command(0, Compression::None);
        let rendered = host.rendered(command, data.len());
        host.cut(&rendered, &data[..length], None)
            .refused(15, "the archive was cut off");
    }
    let begin = Host::new(&[]);
    let rendered = begin.rendered(begin.beginning(), 4);
    begin
        .cut(&rendered, b"text", None)
        .refused(15, "the record of the restore was cut off");
    assert!(!begin.record().exists());
    host.step(TransactionStep::Done).ok();
}

#[test]
fn an_archive_that_is_damaged_is_refused() {
    let host = begun();
    archive_of(&host, "mkdir new; seq 100000 >new/a");
    let mut data = packed("zstd", &host.folder().join("archive"));
    let at = data.len() / 2;
    data[at] ^= 1;
    host.stage(0, Compression::Zstd, &data)
        .refused(1, "the archive cannot be unpacked: zstd");
    host.stage(0, Compression::None, &[b'x'; 2048])
        .refused(1, "the archive cannot be unpacked: tar");
    host.step(TransactionStep::Done).ok();
}

#[test]
fn names_that_no_plan_has_are_refused() {
    for (script, why) in [
        ("printf 'a\\0../b\\0' >gone", "in gone: ../b"),
        ("printf '/etc/passwd\\0' >clear", "clear: /etc/passwd"),
        ("printf 'a/../../b\\0' >made", "made: a/../../b"),
        ("printf 'a\\n\\0a/..\\0' >old.list", "old.list: a/.."),
        ("printf 'a//b\\0' >lold.list", "lold.list: a//b"),
        ("printf 'a/\\0' >meta.list", "meta.list: a/"),
        (
            "printf '.\\0.fleet-restore/new\\0' >odirs.list",
            "odirs.list: .fleet-restore/new",
        ),
        ("printf '.\\0a/..\\0' >odirs.list", "odirs.list: a/.."),
        ("printf '.\\0' >gone", "gone: ."),
        (
            "mkdir -p new/.fleet-restore; : >new/.fleet-restore/id",
            "new/.fleet-restore",
        ),
        (
            "mkdir new; ln -s /etc new/etc",
            "a symbolic link is staged among files",
        ),
        (
            "mkdir meta; ln -s /etc meta/etc",
            "a symbolic link is staged among files",
        ),
        (
            "mkdir lnew; : >lnew/a",
            "a file is staged among symbolic links",
        ),
        (
            "ln -s /etc l; tar -c -f new.dirs.tar l; rm l",
            "no directory, in",
        ),
        (
            "mkdir a; tar -c -P -f new.dirs.tar --transform=s,^a,../a, a; rmdir a",
            "a name that is refused",
        ),
    ] {
        let host = begun();
        let script = format!(": >gone; {script}");
        host.stage(0, Compression::None, &archive_of(&host, &script))
            .ok();
        let answer = host.step(TransactionStep::Staged);
        answer.refused(
            16,
            &why.replace("in gone", &format!("{}/gone", host.staging(0).display())),
        );
        assert_eq!(answer.lines, ["at 0 staging"]);
        host.step(TransactionStep::Done).ok();
    }
}

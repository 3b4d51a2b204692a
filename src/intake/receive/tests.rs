//! Tests of receiving real archives of real tar, and archives that no real tar would send.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::fault::Fault as _;

fn wanted(paths: &[&str]) -> Vec<Found> {
    let mut found: Vec<Found> = paths
        .iter()
        .map(|path| Found {
            path: path.parse().expect("a path"),
            facts: None,
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// An archive of `a/`, `a/big` (1.5 MiB) and `a/small`.
fn archive(folder: &Path) -> Vec<u8> {
    fs::create_dir(folder.join("a")).expect("a directory");
    fs::write(folder.join("a/big"), vec![b'b'; 3 << 19]).expect("a file");
    fs::write(folder.join("a/small"), "small").expect("a file");
    let output = Command::new("tar")
        .args(["-c", "-f", "-", "--format=posix", "--no-recursion", "-C"])
        .arg(folder)
        .args(["a", "a/big", "a/small"])
        .output()
        .expect("tar runs");
    assert!(output.status.success());
    output.stdout
}

fn names(received: &Received) -> Vec<String> {
    received
        .members
        .iter()
        .map(|(member, _)| member.head.path.to_string())
        .collect()
}

fn run(stream: &[u8], wanted: &[Found], pack: &Path) -> Result<Received, Error> {
    run_with(stream, wanted, Unasked::Refuse, pack)
}

fn run_with(
    stream: impl Read,
    wanted: &[Found],
    unasked: Unasked,
    pack: &Path,
) -> Result<Received, Error> {
    let mut intake = Intake::create(pack.to_owned(), PackOptions::default())?;
    let read = intake.read(stream, wanted, unasked, |_, _| {});
    intake.end(read)
}

const ALL: [&str; 3] = ["/a", "/a/big", "/a/small"];

#[test]
fn a_whole_archive_becomes_a_pack_that_tar_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive(folder.path());
    let pack = folder.path().join("x.tar.zst");
    let received = run(&stream, &wanted(&ALL), &pack).expect("an archive");
    assert_eq!(names(&received), ALL);
    assert_eq!(received.content_bytes, (3 << 19) + 5);
    assert!(received.cut.is_none());
    let listed = Command::new("tar")
        .arg("--zstd")
        .arg("-tf")
        .arg(&pack)
        .output()
        .expect("tar runs");
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        "a/\na/big\na/small\n"
    );
}

#[test]
fn of_a_cut_archive_only_whole_members_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive(folder.path());
    let mut last = 0;
    // Up to within the two zero blocks that end an archive; more zeros fill the last record.
    let content = stream.iter().rposition(|&b| b != 0).expect("an archive") + 1;
    let ending = content.next_multiple_of(tarstream::BLOCK_BYTES) + 2 * tarstream::BLOCK_BYTES;
    for end in (0..ending)
        .step_by(10_007)
        .chain([ending - 1])
        .chain([1, 511, 512, 513])
    {
        let pack = folder.path().join(format!("{end}.tar.zst"));
        let received = run(&stream[..end], &wanted(&ALL), &pack).expect("what arrived");
        assert!(
            matches!(received.cut, Some(tarstream::Error::Cut { .. })),
            "{end}"
        );
        let whole = names(&received);
        assert_eq!(whole, ALL[..whole.len()]);
        assert_eq!(pack.exists(), !whole.is_empty());
        assert_eq!(received.pack.is_some(), pack.exists());
        last = last.max(whole.len());
        if pack.exists() {
            let listed = Command::new("tar")
                .arg("--zstd")
                .arg("-tf")
                .arg(&pack)
                .output()
                .expect("tar runs");
            assert_eq!(String::from_utf8_lossy(&listed.stderr), "");
            assert_eq!(
                listed.stdout.iter().filter(|&&b| b == b'\n').count(),
                whole.len()
            );
        }
    }
    assert_eq!(last, 3);
}

#[test]
fn a_member_that_nobody_asked_for_ends_it_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive(folder.path());
    let pack = folder.path().join("x.tar.zst");
    let error = run(&stream, &wanted(&["/a", "/a/small"]), &pack).expect_err("unasked");
    assert_eq!(
        error.to_string(),
        "the archive sent by the host has `/a/big`, which was not requested"
    );
    assert!(!pack.exists());
    assert!(!error.is_local());
}

#[test]
fn of_a_tar_without_lists_only_what_is_wanted_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive(folder.path());
    let pack = folder.path().join("x.tar.zst");
    let some = wanted(&["/a", "/a/small"]);
    let received = run_with(stream.as_slice(), &some, Unasked::Drop, &pack).expect("an archive");
    assert_eq!(
        (names(&received).join(" "), received.content_bytes),
        ("/a /a/small".to_owned(), 5)
    );
    let listed = Command::new("tar")
        .arg("--zstd")
        .arg("-tf")
        .arg(&pack)
        .output()
        .expect("tar runs");
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "a/\na/small\n");
}

#[test]
fn a_stream_that_is_no_archive_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let pack = folder.path().join("x.tar.zst");
    let error = run(&[b'x'; 4096], &wanted(&ALL), &pack).expect_err("no archive");
    assert_eq!(
        error.to_string(),
        "the archive sent by the host was refused"
    );
    assert!(!pack.exists());
}

#[test]
fn a_pack_that_cannot_be_made_is_this_sides_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive(folder.path());
    let error =
        run(&stream, &wanted(&ALL), &folder.path().join("no/x.tar.zst")).expect_err("no folder");
    assert!(error.is_local());
}

#[test]
fn progress_never_goes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive(folder.path());
    let mut told = Vec::new();
    let pack = folder.path().join("x.tar.zst");
    let mut intake = Intake::create(pack, PackOptions::default()).expect("a pack");
    intake
        .read(
            stream.as_slice(),
            &wanted(&ALL),
            Unasked::Refuse,
            |bytes, _| told.push(bytes),
        )
        .expect("an archive");
    intake.abandon().expect("it is removed");
    assert!(told.is_sorted());
}

fn run_of_lines(stream: &[u8], expression: &str, pack: &Path) -> Result<Received, Error> {
    let mut intake = Intake::create(pack.to_owned(), PackOptions::default())?;
    intake.keep_lines(Some(Lines::new(expression).expect("an expression")));
    let read = intake.read(stream, &wanted(&ALL_LINES), Unasked::Refuse, |_, _| {});
    intake.end(read)
}

const ALL_LINES: [&str; 5] = ["/a", "/a/.env", "/a/.env-too", "/a/holes", "/a/link"];

/// An archive of a file with secrets, a second name of it, a sparse file, and a link.
fn archive_of_lines(folder: &Path) -> Vec<u8> {
    let script = "mkdir a && printf 'SECRET=1\\nMON_A=2\\nMON_B=3' >a/.env && ln a/.env a/.env-too && \
        printf 'MON_C=4\\n' >a/holes && truncate -s 3M a/holes && printf '\\nMON_D=5\\n' >>a/holes && \
        ln -s .env a/link && chmod 4640 a/.env && \
        tar -c -f - -S --format=posix --no-recursion a a/.env a/.env-too a/holes a/link";
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder)
        .output()
        .expect("sh runs");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn only_the_lines_that_are_meant_get_into_the_pack() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive_of_lines(folder.path());
    let pack = folder.path().join("x.tar.zst");
    let received = run_of_lines(&stream, "^MON_", &pack).expect("an archive");
    assert_eq!(names(&received), ALL_LINES);
    // What crossed the wire: the file's 24 bytes, and the stored parts of the sparse one.
    assert!(received.content_bytes > 24, "{}", received.content_bytes);
    let sent =
        ["/a/.env", "/a/holes"].map(|name| received.sent_bytes[&name.parse().expect("a path")]);
    assert_eq!(sent, [24, (3 << 20) + 9]);
    let (env, holes) = (&received.members[1].0, &received.members[3].0);
    let kept = b"MON_A=2\nMON_B=3";
    assert_eq!(env.head.kind, Kind::File { size_bytes: 15 });
    assert_eq!(env.sha256, Some(Sha256::of(kept)));
    assert_eq!(env.head.mode, 0o4640);
    // The first line of the hole's neighbour ends before it; its zeros are a line by themselves.
    assert_eq!(holes.head.kind, Kind::File { size_bytes: 16 });

    let out = folder.path().join("out");
    fs::create_dir(&out).expect("a folder");
    let status = Command::new("tar")
        .args(["--zstd", "-xpf"])
        .arg(&pack)
        .arg("-C")
        .arg(&out)
        .status();
    assert!(status.expect("tar runs").success());
    for name in ["a/.env", "a/.env-too", "a/link"] {
        assert_eq!(fs::read(out.join(name)).expect("a file"), kept, "{name}");
    }
    let holes = fs::read(out.join("a/holes")).expect("a file");
    assert_eq!(holes, b"MON_C=4\nMON_D=5\n");
    let plain = zstd::decode_all(fs::File::open(&pack).expect("a pack")).expect("a pack");
    assert!(!plain.windows(6).any(|bytes| bytes == b"SECRET"));
}

#[test]
fn of_a_cut_stream_no_half_file_is_looked_through() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = archive_of_lines(folder.path());
    let data = stream
        .windows(8)
        .position(|bytes| bytes == b"SECRET=1")
        .expect("the content");
    let pack = folder.path().join("x.tar.zst");
    let received = run_of_lines(&stream[..data + 100], "^MON_", &pack).expect("what arrived");
    assert!(received.cut.is_some());
    assert_eq!(names(&received), ["/a"]);
}

#[test]
fn a_file_that_grew_too_large_for_lines_ends_it_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "mkdir a && truncate -s 17M a/.env && tar -c -f - -S --format=posix a/.env";
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(folder.path())
        .output()
        .expect("sh runs");
    let pack = folder.path().join("x.tar.zst");
    let error = run_of_lines(&output.stdout, "^MON_", &pack).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "`/a/.env` is larger than 16 MiB, too large for `lines`"
    );
    assert_eq!(
        error.hint().as_deref(),
        Some(crate::source::lines::WITHOUT_LINES_HINT)
    );
    assert!(!pack.exists() && !error.is_local());
}

/// An archive of `a/big`, which has `size` and ends with data.
fn sparse(folder: &Path, size: u64) -> Vec<u8> {
    use std::os::unix::fs::FileExt as _;
    fs::create_dir(folder.join("a")).expect("a directory");
    let file = fs::File::create(folder.join("a/big")).expect("a file");
    file.write_all_at(b"end", size - 3).expect("written");
    let output = Command::new("tar")
        .args(["-c", "-f", "-", "--format=posix", "--sparse", "-C"])
        .arg(folder)
        .arg("a/big")
        .output()
        .expect("tar runs");
    assert!(output.status.success());
    output.stdout
}

#[test]
fn reading_stops_within_a_hole() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = sparse(folder.path(), 200 << 30);
    let pack = folder.path().join("x.tar.zst");
    let mut intake = Intake::create(pack, PackOptions::default()).expect("a pack");
    let interrupt = Interrupt::new();
    intake.stop_when(interrupt.clone());
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        interrupt.raise();
    });
    let wanted = wanted(&["/a/big"]);
    let read = intake.read(stream.as_slice(), &wanted, Unasked::Refuse, |_, _| {});
    let received = intake.end(read).expect("nothing is wrong");
    assert!(matches!(received.cut, Some(tarstream::Error::Cut { .. })));
    assert_eq!(names(&received), Vec::<String>::new());
}

#[test]
fn more_holes_than_a_part_may_have_are_not_hashed() {
    let folder = tempfile::tempdir().expect("a folder");
    let stream = sparse(folder.path(), 257 << 30);
    let pack = folder.path().join("x.tar.zst");
    let refused = run(&stream, &wanted(&["/a/big"]), &pack);
    let error = refused.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the sparse files have more than 256.0 GiB of holes, counted up to `/a/big`"
    );
}

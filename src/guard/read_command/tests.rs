//! Tests of every read command in the real shells and tools of this machine.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use super::*;
use crate::guard::{judgement, vouched_command};
use crate::inventory::CommandLine;

mod digests;
mod ends;
mod files;
mod postgres;
mod shells;
mod wire;

/// A nonce, as sessions make them.
const NONCE: &str = "0123456789abcdef0123456789abcdef";

struct Answer {
    body: Vec<u8>,
    status: Option<i32>,
    missing: String,
}

/// Runs a rendered command in a real shell, as sshd does, and takes the frame off.
fn answer(shell: &str, command: &ReadCommand, input: &[u8]) -> Answer {
    let path = std::env::var_os("PATH").expect("a search path");
    answer_with(&path, shell, command, input)
}

/// The same where the tools are looked for in `path`.
fn answer_with(path: &OsStr, shell: &str, command: &ReadCommand, input: &[u8]) -> Answer {
    let rendered = command.render(NONCE, Sudo::No, Priority::Normal, input.len() as u64);
    answer_of(
        Command::new(shell).env("PATH", path).arg("-c"),
        &rendered,
        input,
    )
}

/// Hands the rendered command to a program that runs command lines.
fn answer_of(login: &mut Command, rendered: &Rendered, input: &[u8]) -> Answer {
    let mut child = login
        .arg(OsStr::from_bytes(&rendered.line))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("piped");
    let all = [&rendered.preamble, input].concat();
    let writer = std::thread::spawn(move || {
        stdin.write_all(&all).expect("the input is taken");
        stdin
    });
    let mut stdout = child.stdout.take().expect("piped");
    let (mut body, mut piece) = (Vec::new(), [0; 4096]);
    let closing = rendered.closing.as_bytes();
    // The input stays open until the closing line has come, as it does over SSH.
    while !body.ends_with(b"\n") || !body.windows(closing.len()).any(|tail| tail == closing) {
        let length = stdout.read(&mut piece).expect("it can be read");
        assert_ne!(
            length,
            0,
            "it ends with its closing line: {}",
            String::from_utf8_lossy(&body)
        );
        body.extend_from_slice(&piece[..length]);
    }
    drop(writer.join().expect("it is written"));
    let status = child.wait().expect("it ends");
    unframe(rendered, &body, status.code())
}

fn unframe(rendered: &Rendered, stdout: &[u8], status: Option<i32>) -> Answer {
    let opening = format!("{}\n{}\n", rendered.ready, rendered.opening);
    let body = stdout
        .strip_prefix(opening.as_bytes())
        .expect("it opens with the nonce");
    let closing = rendered.closing.as_bytes();
    let at = body
        .windows(closing.len())
        .rposition(|window| window == closing);
    let (body, end) = body.split_at(at.expect("it closes with the nonce"));
    let end = String::from_utf8_lossy(&end[closing.len()..]).into_owned();
    let (said, missing) = end
        .trim_end()
        .split_once(' ')
        .unwrap_or((end.trim_end(), ""));
    assert_eq!(said.parse().ok(), status, "the status that it reports");
    Answer {
        body: body.to_vec(),
        status,
        missing: missing.to_owned(),
    }
}

/// A search path on which `find` knows no `-printf`.
fn plain_find(folder: &std::path::Path) -> OsString {
    use std::os::unix::fs::PermissionsExt as _;
    let script = "#!/bin/sh\nfor word; do [ \"$word\" != -printf ] || exit 1; done\n\
                  exec /usr/bin/find \"$@\"\n";
    let find = folder.join("find");
    fs::write(&find, script).expect("a script");
    fs::set_permissions(&find, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let mut path = folder.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    path
}

fn scan_of(root: &std::path::Path, prune: Vec<Prune>) -> ReadCommand {
    ReadCommand::Scan {
        roots: vec![RemotePath::from_bytes(root.as_os_str().as_bytes()).expect("absolute")],
        prune,
        one_file_system: true,
        facts: FactsFrom::Find,
    }
}

fn names(body: &[u8], root: &std::path::Path) -> Vec<String> {
    let root = format!("{}", root.display());
    let mut names: Vec<String> = body
        .split(|&b| b == 0)
        // Where the root really is.
        .filter(|field| !field.starts_with(b">"))
        .filter_map(|field| {
            let text = String::from_utf8_lossy(field);
            text.find(&root)
                .map(|at| text[at + root.len()..].to_owned())
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_scan_lists_hostile_names_and_leaves_out_pruned_directories() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("it's [a] *root\n");
    for directory in [
        "node_modules/x",
        "keep/node_modules/y",
        "var/cache/z",
        "keep/var/cache",
    ] {
        fs::create_dir_all(root.join(directory)).expect("a directory");
    }
    fs::write(root.join("-rf"), "x").expect("a file");
    let prune = vec![
        Prune::Name("node_mod*".to_owned()),
        Prune::Beneath("var/cache".to_owned()),
    ];
    let usual = std::env::var_os("PATH").expect("a search path");
    let tools = tempfile::tempdir().expect("a folder");
    for shell in ["sh", "bash"] {
        for (path, opening) in [(&usual, "gnu 1"), (&plain_find(tools.path()), "/\0>")] {
            let answer = answer_with(path, shell, &scan_of(&root, prune.clone()), b"");
            assert_eq!(answer.status, Some(0));
            assert!(answer.body.starts_with(opening.as_bytes()), "{opening}");
            assert_eq!(
                names(&answer.body, &root),
                ["", "/-rf", "/keep", "/keep/var", "/keep/var/cache", "/var"],
                "{shell}"
            );
        }
    }
}

#[test]
fn a_root_is_scanned_even_if_its_own_name_is_pruned() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("node_modules");
    fs::create_dir_all(root.join("a")).expect("a directory");
    let prune = vec![Prune::Name("node_modules".to_owned())];
    let answer = answer("sh", &scan_of(&root, prune), b"");
    assert_eq!(names(&answer.body, &root), ["", "/a"]);
}

#[test]
fn a_scan_of_nothing_ends_with_the_status_of_find() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = folder.path().join("gone");
    let answer = answer("sh", &scan_of(&gone, Vec::new()), b"");
    let opening = answer
        .body
        .iter()
        .position(|&b| b == 0)
        .expect("an opening");
    let rest = String::from_utf8_lossy(&answer.body[opening + 1..]).into_owned();
    let real = format!(">{}\0\0", gone.display());
    assert_eq!((answer.status, rest), (Some(1), real));
}

#[test]
fn a_fetch_sends_just_what_it_was_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("-dir");
    fs::create_dir(&root).expect("a directory");
    fs::write(root.join("a\nb"), "one").expect("a file");
    fs::write(root.join("other"), "two").expect("a file");
    let member = root.join("a\nb").as_os_str().as_bytes()[1..].to_vec();
    let list = [member.as_slice(), b"\0"].concat();
    let command = ReadCommand::Fetch {
        tar: TarFlavour::Gnu,
        compression: Compression::None,
    };
    let answer = answer("sh", &command, &list);
    assert_eq!(answer.status, Some(0));
    let mut archive = tar::Archive::new(answer.body.as_slice());
    let members: Vec<Vec<u8>> = archive
        .entries()
        .expect("an archive")
        .map(|entry| entry.expect("an entry").path_bytes().into_owned())
        .collect();
    assert_eq!(members, [member]);
}

#[test]
fn a_tar_without_lists_sends_everything_beneath_the_roots() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("it's");
    fs::create_dir_all(root.join("b")).expect("a directory");
    let roots = vec![RemotePath::from_bytes(root.as_os_str().as_bytes()).expect("absolute")];
    let answer = answer("sh", &ReadCommand::FetchWhole { roots }, b"");
    let mut archive = tar::Archive::new(answer.body.as_slice());
    let count = archive.entries().expect("an archive").count();
    assert_eq!((answer.status, count), (Some(0), 2));
}

#[test]
fn a_probe_answers_key_value_lines() {
    let answer = answer("sh", &ReadCommand::Probe { ask_sudo: false }, b"");
    let text = String::from_utf8(answer.body).expect("text");
    let keys: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once('=').map(|(key, _)| key))
        .filter(|key| !["tool", "mount"].contains(key))
        .collect();
    assert!(
        text.contains("mount=") && text.contains(" proc /proc\n"),
        "{text}"
    );
    assert_eq!(
        keys,
        [
            "uname",
            "hostname",
            "kernel",
            "account",
            "uid",
            "os",
            "clock",
            "find",
            "tar",
            "machine_id",
            "free_kib"
        ]
    );
    assert!(
        text.contains("tool=tar\n") && text.contains("find=find (GNU findutils)"),
        "{text}"
    );
}

#[test]
fn what_is_run_is_told_word_by_word_and_ends_with_its_own_status() {
    let words = [
        "printf",
        "<%s>",
        "a b",
        "it's",
        "$HOME `x` \\ \n",
        "-n",
        "",
        "*",
    ];
    let argv = CommandLine::Argv(words.map(str::to_owned).to_vec());
    let text = CommandLine::Shell("printf '%s|' a \"b c\"; exit 7".to_owned());
    for shell in ["sh", "bash"] {
        for (line, body, status) in [
            (&argv, "<a b><it's><$HOME `x` \\ \n><-n><><*>", 0),
            (&text, "a|b c|", 7),
        ] {
            let command = run_of(line.clone(), None);
            let answer = answer(shell, &command, b"");
            assert_eq!(String::from_utf8_lossy(&answer.body), body, "{shell}");
            assert_eq!(answer.status, Some(status), "{shell}");
        }
    }
}

/// As a source of a protected host for which somebody vouches.
fn run_of(line: CommandLine, run_as: Option<AccountName>) -> ReadCommand {
    let host = judgement::tests::host(Some("prod"), None, &[]);
    let name = "a-source".parse().expect("a name");
    let source = vouched_command::tests::source(line, run_as);
    ReadCommand::Run(VouchedCommand::of(&host, &name, &source).expect("somebody vouches for it"))
}

fn fetch_of(compression: Compression) -> ReadCommand {
    ReadCommand::Fetch {
        tar: TarFlavour::Gnu,
        compression,
    }
}

/// What a compressed answer holds.
fn unpacked(body: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => body.to_vec(),
        Compression::Gzip => {
            let mut content = Vec::new();
            flate2::read::MultiGzDecoder::new(body)
                .read_to_end(&mut content)
                .expect("a whole stream");
            content
        }
        Compression::Zstd => zstd::decode_all(body).expect("a whole stream"),
    }
}

#[test]
fn a_compressed_fetch_is_the_same_archive_with_the_status_of_tar() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a"), "x".repeat(100_000)).expect("a file");
    let member = |name: &str| {
        let path = folder.path().join(name);
        [&path.as_os_str().as_bytes()[1..], b"\0"].concat()
    };
    let plain = answer("sh", &fetch_of(Compression::None), &member("a"));
    for compression in [Compression::Gzip, Compression::Zstd] {
        for shell in ["sh", "bash"] {
            let whole = answer(shell, &fetch_of(compression), &member("a"));
            assert_eq!(whole.status, Some(0), "{shell} {compression:?}");
            assert!(whole.body.len() < plain.body.len() / 10);
            assert_eq!(unpacked(&whole.body, compression), plain.body);
            let gone = answer(shell, &fetch_of(compression), &member("gone"));
            assert_eq!(gone.status, Some(2), "{shell} {compression:?}");
        }
    }
}

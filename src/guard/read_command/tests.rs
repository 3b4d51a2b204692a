//! Every reading command in the real shells and tools that are here.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use super::*;

struct Answer {
    body: Vec<u8>,
    status: Option<i32>,
}

/// Runs a rendered command in a real shell, as sshd does, and takes the frame off.
fn answer(shell: &str, command: &ReadCommand, input: &[u8]) -> Answer {
    let path = std::env::var_os("PATH").expect("a search path");
    answer_with(&path, shell, command, input)
}

/// The same where the tools are looked for in `path`.
fn answer_with(path: &OsStr, shell: &str, command: &ReadCommand, input: &[u8]) -> Answer {
    let rendered = command.render("nonce", Sudo::No, Pace::Full, input.len() as u64);
    let mut child = Command::new(shell)
        .env("PATH", path)
        .arg("-c")
        .arg(OsStr::from_bytes(&rendered.line))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("the list is taken");
    let mut stdout = child.stdout.take().expect("piped");
    let (mut body, mut piece) = (Vec::new(), [0; 4096]);
    let closing = rendered.closing.as_bytes();
    // The input stays open until the closing line has come, as it does over SSH.
    while !body.ends_with(b"\n") || !body.windows(closing.len()).any(|tail| tail == closing) {
        let length = stdout.read(&mut piece).expect("it can be read");
        assert_ne!(length, 0, "it ends with its closing line");
        body.extend_from_slice(&piece[..length]);
    }
    drop(stdin);
    let status = child.wait().expect("it ends");
    unframe(&rendered, &body, status.code())
}

fn unframe(rendered: &Rendered, stdout: &[u8], status: Option<i32>) -> Answer {
    let body = stdout
        .strip_prefix(format!("{}\n", rendered.opening).as_bytes())
        .expect("it opens with the nonce");
    let end = format!("{}{}\n", rendered.closing, status.unwrap_or(-1));
    let body = body
        .strip_suffix(end.as_bytes())
        .expect("it closes with the nonce");
    Answer {
        body: body.to_vec(),
        status,
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
    }
}

fn names(body: &[u8], root: &std::path::Path) -> Vec<String> {
    let root = format!("{}", root.display());
    let mut names: Vec<String> = body
        .split(|&b| b == 0)
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
        for (path, opening) in [(&usual, "gnu 1"), (&plain_find(tools.path()), "/\0/")] {
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
    let answer = answer("sh", &scan_of(&folder.path().join("gone"), Vec::new()), b"");
    let opening = answer.body.iter().position(|&b| b == 0);
    assert_eq!(
        (answer.status, opening),
        (Some(1), Some(answer.body.len() - 1))
    );
}

/// Runs `script` with an input of `input` that ends at once, and gives its exit status.
fn status_after_the_input_ended(shell: &str, script: &[u8], input: &[u8]) -> Option<i32> {
    let script = [script, b"exit $?"].concat();
    let mut child = Command::new(shell)
        .arg("-c")
        .arg(OsStr::from_bytes(&script))
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input).expect("it is taken");
    drop(stdin);
    child.wait().expect("it ends").code()
}

/// Stands for a tool that would never say anything.
const SILENT: &[u8] = b"sleep 1000 & wait";

#[test]
fn a_silent_command_ends_when_its_input_does() {
    for shell in ["sh", "bash"] {
        let status = status_after_the_input_ended(shell, &watched(SILENT), b"");
        assert_eq!(status, Some(143), "{shell}");
    }
}

#[test]
fn a_silent_command_that_takes_a_list_ends_when_its_input_does() {
    for shell in ["sh", "bash"] {
        for input in [&b""[..], b"li", b"list"] {
            let script = watched_with_list(SILENT, 4);
            let status = status_after_the_input_ended(shell, &script, input);
            assert_eq!(status, Some(143), "{shell}");
        }
    }
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
        .filter(|key| *key != "tool")
        .collect();
    assert_eq!(
        keys,
        [
            "uname",
            "kernel",
            "hostname",
            "account",
            "uid",
            "machine_id",
            "os",
            "clock",
            "find",
            "tar",
            "free_kib"
        ]
    );
    assert!(
        text.contains("tool=tar\n") && text.contains("find=find (GNU findutils)"),
        "{text}"
    );
}

#[test]
fn sudo_stands_before_the_tool_or_around_the_script() {
    let command = ReadCommand::FetchWhole {
        roots: vec!["/srv/a b".parse().expect("a path")],
    };
    let line =
        |sudo| String::from_utf8(command.render("nonce", sudo, Pace::Full, 0).line).expect("text");
    let text = line(Sudo::NonInteractive);
    assert!(text.contains("sudo -n -- tar -c -f - -C / -- "), "{text}");
    assert!(text.contains("exec sudo -n -- sh -c "), "{text}");
    assert!(!line(Sudo::No).contains("sudo"));
    assert!(line(Sudo::Password).starts_with("exec sudo -S -k -p '' -- sh -c "));
}

#[test]
fn what_tells_the_exit_status_cannot_be_ended_by_the_end_of_the_input() {
    let fetch = ReadCommand::Fetch {
        tar: TarFlavour::Gnu,
        compression: Compression::None,
    };
    for command in [fetch, ReadCommand::Probe { ask_sudo: false }] {
        let line =
            String::from_utf8(command.render("nonce", Sudo::No, Pace::Full, 0).line).expect("text");
        let unquoted = line.replace(['\'', '\\'], "");
        let (before, after) = unquoted
            .split_once("s=$?; trap  TERM; printf n%s end %sn nonce")
            .expect(&unquoted);
        assert!(
            before.contains("begin") && after.contains("exit \"$s\""),
            "{unquoted}"
        );
    }
}

#[test]
fn digests_come_for_what_can_be_read_and_for_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let odd = folder.path().join("-z it's\n\\");
    fs::write(&odd, "abc").expect("a file");
    let mut list = odd.as_os_str().as_bytes().to_vec();
    list.push(0);
    list.extend_from_slice(folder.path().join("gone").as_os_str().as_bytes());
    list.push(0);
    for shell in ["sh", "bash"] {
        let answer = answer(shell, &ReadCommand::Digest, &list);
        assert_ne!(answer.status, Some(0), "one is gone");
        let mut expected =
            b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  ".to_vec();
        expected.extend_from_slice(odd.as_os_str().as_bytes());
        expected.push(0);
        assert_eq!(answer.body, expected, "{shell}");
    }
    let nothing = answer("sh", &ReadCommand::Digest, b"");
    assert_eq!((nothing.body, nothing.status), (Vec::new(), Some(0)));
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
            let command = ReadCommand::Run {
                line: line.clone(),
                run_as: None,
            };
            let answer = answer(shell, &command, b"");
            assert_eq!(String::from_utf8_lossy(&answer.body), body, "{shell}");
            assert_eq!(answer.status, Some(status), "{shell}");
        }
    }
}

#[test]
fn another_account_runs_what_also_watches_the_connection() {
    let command = ReadCommand::Run {
        line: CommandLine::Argv(vec!["id".to_owned()]),
        run_as: Some("it's".to_owned()),
    };
    let line = |sudo| {
        let rendered = command.render("nonce", sudo, Pace::Full, 0);
        String::from_utf8(rendered.line).expect("text")
    };
    for sudo in [Sudo::NonInteractive, Sudo::Password] {
        let line = line(sudo);
        for behind in line.split("sudo -n -u ").skip(1) {
            assert!(behind.contains("setsid"), "{line}");
        }
        assert!(line.contains("sudo -n -u "), "{line}");
    }
    assert!(!line(Sudo::No).contains("sudo"));
}

#[test]
fn a_gentle_command_steps_back_before_it_begins() {
    let command = ReadCommand::Scan {
        roots: vec!["/srv".parse().expect("a path")],
        prune: Vec::new(),
        one_file_system: false,
    };
    let line =
        |pace| String::from_utf8(command.render("nonce", Sudo::No, pace, 0).line).expect("text");
    let gentle = line(Pace::Gentle);
    let step = "{ renice -n 10 -p $$; ionice -c 2 -n 7 -p $$; } </dev/null >/dev/null 2>&1; ";
    assert_eq!(gentle.replacen(step, "", 1), line(Pace::Full));
    let opening = gentle.find("nonce begin").expect("the opening line");
    assert!(opening < gentle.find(step).expect("it steps back"));
    assert!(gentle.find(step) < gentle.find("exec 3<&0"), "{gentle}");
}

#[test]
fn a_host_without_the_tools_to_step_back_answers_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a"), "x").expect("a file");
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    for tool in ["sh", "find", "cat", "date"] {
        let paths = std::env::var_os("PATH").expect("a path");
        let real = std::env::split_paths(&paths)
            .map(|path| path.join(tool))
            .find(|path| path.exists())
            .expect("the tool");
        std::os::unix::fs::symlink(real, bin.join(tool)).expect("a link");
    }
    let rendered =
        scan_of(&folder.path().join("a"), Vec::new()).render("nonce", Sudo::No, Pace::Gentle, 0);
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(OsStr::from_bytes(&rendered.line))
        .env("PATH", &bin)
        .stdin(Stdio::null())
        .output()
        .expect("a shell");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let answer = unframe(&rendered, &output.stdout, output.status.code());
    assert_eq!(answer.status, Some(0));
    assert_eq!(names(&answer.body, folder.path()), ["/a"]);
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

#[test]
fn a_compressor_that_fails_or_is_not_there_is_told() {
    let tar = b"head -c 1000000 /dev/zero";
    for (tool, instead) in [
        ("zstd -q -1 -T1 -c", "false"),
        ("zstd -q -1 -T1 -c", "tool-that-is-not-there"),
        ("gzip -1 -c", "{ head -c 10 >/dev/null; exit 1; }"),
    ] {
        let compression = if tool.starts_with("zstd") {
            Compression::Zstd
        } else {
            Compression::Gzip
        };
        let script = String::from_utf8(fetch::compressed(tar, compression)).expect("text");
        assert!(script.contains(tool), "{script}");
        let output = Command::new("sh")
            .args(["-c", &script.replace(tool, instead)])
            .output()
            .expect("a shell");
        let status = output.status.code().map(i32::cast_unsigned);
        assert_eq!(status, Some(ReadCommand::COMPRESSOR_FAILED), "{instead}");
    }
}

#[test]
fn a_silent_fetch_that_is_compressed_ends_when_its_input_does() {
    for shell in ["sh", "bash"] {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let script = watched_with_list(&fetch::compressed(b"sleep 1000", compression), 4);
            let status = status_after_the_input_ended(shell, &script, b"list");
            assert_eq!(status, Some(143), "{shell} {compression:?}");
        }
    }
}

//! Tests of how commands end: by themselves, with their input, and together with all that they have started.

use std::time::{Duration, Instant};

use super::*;

/// A command that is started with `input` behind its request, and whose input then ends.
fn ended_input(
    path: &OsStr,
    shell: &str,
    command: &ReadCommand,
    data_bytes: u64,
    input: &[u8],
) -> std::process::Child {
    open_input(path, shell, command, data_bytes, input).0
}

/// The same, with the input still open.
fn open_input(
    path: &OsStr,
    shell: &str,
    command: &ReadCommand,
    data_bytes: u64,
    input: &[u8],
) -> (std::process::Child, std::process::ChildStdin) {
    let rendered = command.render(NONCE, Sudo::No, Priority::Normal, data_bytes);
    let mut child = Command::new(shell)
        .env("PATH", path)
        .arg("-c")
        .arg(OsStr::from_bytes(&rendered.line))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = child.stdout.take().expect("piped");
    stdin.write_all(&rendered.preamble).expect("it is taken");
    // A tool that takes nothing leaves the list waiting; nobody waits for that here.
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // It breaks off where the command has ended already.
        drop(stdin.write_all(&input));
        stdin
    });
    let opening = format!("{}\n{}\n", rendered.ready, rendered.opening);
    let mut seen = vec![0; opening.len()];
    stdout.read_exact(&mut seen).expect("it begins");
    assert_eq!(seen, opening.as_bytes());
    let stdin = writer.join().expect("the input was written");
    child.stdout = Some(stdout);
    (child, stdin)
}

/// Waits until no process holds `mark` in its command line; those that still do.
fn left(mark: &str) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").expect("processes").flatten() {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains(mark) {
                left.push(line);
            }
        }
        if left.is_empty() || begun.elapsed() > Duration::from_secs(60) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Tools that say nothing and end by nothing but a signal, found by `mark`; `deaf` ones ignore TERM.
fn silent_tools(folder: &std::path::Path, mark: &str, deaf: bool) -> OsString {
    use std::os::unix::fs::PermissionsExt as _;
    let trap = if deaf { "trap '' TERM HUP INT; " } else { "" };
    for tool in ["tar", "openssl", "sha256sum", "silent"] {
        let file = folder.join(tool);
        let script = format!(
            "#!/bin/sh\n{trap}sh -c '{trap}while :; do sleep 1; done' {mark} & wait; wait\n"
        );
        fs::write(&file, script).expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    }
    let mut path = folder.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    path
}

#[test]
fn every_command_ends_when_its_input_does() {
    let run = run_of(CommandLine::Argv(vec!["silent".to_owned()]), None);
    // Longer than a pipe holds, and the tools take none of it.
    let long = b"nowhere/at/all\0".repeat(20_000);
    for shell in ["dash", "bash"] {
        for deaf in [false, true] {
            for (name, command, list) in [
                ("run", run.clone(), &b""[..]),
                ("fetch", fetch_of(Compression::None), &long),
                ("gzip", fetch_of(Compression::Gzip), &long),
                ("zstd", fetch_of(Compression::Zstd), b"short\0"),
                ("digest", ReadCommand::Digest, &long),
            ] {
                let tools = tempfile::tempdir().expect("a folder");
                let mark = format!("fleet-test-{}-{shell}-{deaf}-{name}", std::process::id());
                let path = silent_tools(tools.path(), &mark, deaf);
                let mut child = ended_input(&path, shell, &command, list.len() as u64, list);
                child.wait().expect("it ends");
                assert_eq!(left(&mark), Vec::<String>::new(), "{mark}");
            }
        }
    }
}

#[test]
fn a_command_ends_when_the_other_side_is_silent_for_too_long() {
    let run = run_of(CommandLine::Argv(vec!["silent".to_owned()]), None);
    std::thread::scope(|scope| {
        for (name, command, list) in [
            ("run", run, &b""[..]),
            ("fetch", fetch_of(Compression::None), &b"a/file\0"[..]),
        ] {
            scope.spawn(move || {
                let tools = tempfile::tempdir().expect("a folder");
                let mark = format!("fleet-test-{}-silent-{name}", std::process::id());
                let path = silent_tools(tools.path(), &mark, false);
                let (mut child, mut stdin) =
                    open_input(&path, "sh", &command, list.len() as u64, list);
                for _ in 0..4 {
                    stdin.write_all(b"10\n").expect("it is read");
                    std::thread::sleep(Duration::from_secs(4));
                    assert_eq!(child.try_wait().expect("a child"), None, "{name}");
                }
                // The input stays open, and nothing comes any more.
                child.wait().expect("it ends");
                assert_eq!(left(&mark), Vec::<String>::new());
                drop(stdin);
            });
        }
    });
}

/// The other side ends the input when it has read the closing line. Where nothing delays the kill that
/// follows, the status has to be on its way before. On one processor whoever is woken comes first.
#[test]
fn a_command_reports_its_status_though_its_input_ends_with_the_closing_line() {
    let thread = fs::read_link("/proc/thread-self").expect("this thread");
    let pinned = Command::new("taskset")
        .args(["--cpu-list", "--pid", "0"])
        .arg(thread.file_name().expect("a number"))
        .output();
    assert!(pinned.expect("taskset").status.success());
    let tools = tempfile::tempdir().expect("a folder");
    for name in ["sh", "env", "head", "setsid", "true"] {
        let program = std::path::Path::new("/usr/bin").join(name);
        std::os::unix::fs::symlink(program, tools.path().join(name)).expect("a link");
    }
    let path = tools.path().as_os_str();
    let command = run_of(CommandLine::Argv(vec!["true".to_owned()]), None);
    for _ in 0..100 {
        assert_eq!(answer_with(path, "/bin/sh", &command, b"").status, Some(0));
    }
}

#[test]
fn an_input_that_ends_within_the_list_ends_the_command() {
    for input in [&b""[..], b"li", b"list"] {
        let tools = tempfile::tempdir().expect("a folder");
        let mark = format!("fleet-test-{}-within-{}", std::process::id(), input.len());
        let path = silent_tools(tools.path(), &mark, false);
        let mut child = ended_input(&path, "sh", &fetch_of(Compression::None), 4, input);
        child.wait().expect("it ends");
        assert_eq!(left(&mark), Vec::<String>::new());
    }
}

#[test]
fn what_a_command_leaves_behind_ends_with_it() {
    let mark = format!("fleet-test-{}-behind", std::process::id());
    let script =
        format!("sh -c 'trap \"\" TERM; while :; do sleep 1; done' {mark} & echo done; exit 3");
    let command = run_of(CommandLine::Shell(script), None);
    let answer = answer("sh", &command, b"");
    assert_eq!(
        (answer.body.as_slice(), answer.status),
        (&b"done\n"[..], Some(3))
    );
    assert_eq!(left(&mark), Vec::<String>::new());
}

#[test]
fn a_host_without_setsid_answers_and_ends_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    for tool in [
        "sh", "find", "cat", "date", "env", "sleep", "ps", "tr", "head", "tar", "kill",
    ] {
        let paths = std::env::var_os("PATH").expect("a path");
        let real = std::env::split_paths(&paths)
            .map(|path| path.join(tool))
            .find(|path| path.exists());
        if let Some(real) = real {
            std::os::unix::fs::symlink(real, bin.join(tool)).expect("a link");
        }
    }
    let file = folder.path().join("a");
    fs::write(&file, "x").expect("a file");
    let member = [&file.as_os_str().as_bytes()[1..], b"\0"].concat();
    // As sshd starts a command: it leads a session of its own.
    let login = || {
        let mut login = Command::new("/usr/bin/setsid");
        login.env("PATH", &bin).args(["-w", "/bin/sh", "-c"]);
        login
    };
    let scan = scan_of(&file, Vec::new()).render(NONCE, Sudo::No, Priority::Low, 0);
    let answer = answer_of(&mut login(), &scan, b"");
    assert_eq!(
        (answer.status, names(&answer.body, folder.path())),
        (Some(0), vec!["/a".to_owned()])
    );
    let fetch =
        fetch_of(Compression::None).render(NONCE, Sudo::No, Priority::Normal, member.len() as u64);
    assert_eq!(answer_of(&mut login(), &fetch, &member).status, Some(0));
}

#[test]
fn a_compressor_that_fails_or_is_not_there_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    for (compression, tool) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
        for script in ["exit 1", "head -c 10 >/dev/null; exit 1", "exit 127"] {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join(tool);
            fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
            let big = folder.path().join("big");
            fs::write(&big, vec![b'x'; 1 << 20]).expect("a file");
            let member = [&big.as_os_str().as_bytes()[1..], b"\0"].concat();
            let mut path = folder.path().as_os_str().to_owned();
            path.push(":");
            path.push(std::env::var_os("PATH").expect("a search path"));
            let answer = answer_with(&path, "sh", &fetch_of(compression), &member);
            assert_eq!(
                answer.status.map(i32::cast_unsigned),
                Some(ReadCommand::COMPRESSOR_FAILED),
                "{tool}: {script}"
            );
        }
    }
}

#[test]
fn a_command_on_a_protected_host_steps_back() {
    let command = run_of(CommandLine::Argv(vec!["nice".to_owned()]), None);
    for pace in [Priority::Normal, Priority::Low] {
        let rendered = command.render(NONCE, Sudo::No, pace, 0);
        let answer = answer_of(Command::new("sh").arg("-c"), &rendered, b"");
        let own = Command::new("nice").output().expect("nice").stdout;
        let own: i32 = String::from_utf8_lossy(&own)
            .trim()
            .parse()
            .expect("a number");
        let found: i32 = String::from_utf8_lossy(&answer.body)
            .trim()
            .parse()
            .expect("a number");
        // POSIX adds what `renice -n` is given, util-linux sets it.
        let possible = match pace {
            Priority::Normal => [own, own],
            Priority::Low => [(own + 10).min(19), 10],
        };
        assert!(possible.contains(&found), "{found} of {own}");
    }
}

//! Tests of every pair of shells that hosts have, of hostile environments, and of missing tools.

use super::*;

/// A shell that this machine has, as a path; the others are printed.
fn shells(names: &[&str]) -> Vec<String> {
    let path = std::env::var_os("PATH").expect("a search path");
    let has = |name: &&&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    names
        .iter()
        .filter(has)
        .map(|name| (*name).to_owned())
        .collect()
}

/// A search path on which `sh` is `shell`.
fn with_shell(folder: &std::path::Path, shell: &str) -> OsString {
    use std::os::unix::fs::PermissionsExt as _;
    let program = match shell {
        "busybox" => "exec busybox sh \"$@\"".to_owned(),
        other => format!("exec -a sh {other} \"$@\""),
    };
    let file = folder.join("sh");
    fs::write(&file, format!("#!/bin/bash\n{program}\n")).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    let mut path = folder.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    path
}

#[test]
fn every_login_shell_and_every_sh_gives_the_same_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("it's a !x $(id) `id` \\ \"y\"");
    fs::create_dir(&root).expect("a directory");
    let file = root.join("-!\n'");
    fs::write(&file, "content").expect("a file");
    let member = [&file.as_os_str().as_bytes()[1..], b"\0"].concat();
    let link = folder.path().join("-l !\n");
    std::os::unix::fs::symlink(".", &link).expect("a link");
    let linked = link.join(root.file_name().expect("a name"));
    let run = run_of(
        CommandLine::Argv(
            ["printf", "<%s>", "! it's \n", "", "*"]
                .map(str::to_owned)
                .to_vec(),
        ),
        None,
    );
    let long_list = member.repeat(2000);
    let mut pairs = 0;
    for login in shells(&[
        "dash", "bash", "zsh", "mksh", "ksh93", "yash", "csh", "tcsh", "fish",
    ]) {
        for shell in shells(&["dash", "bash", "busybox", "mksh", "zsh", "ksh93", "yash"]) {
            let tools = tempfile::tempdir().expect("a folder");
            let path = with_shell(tools.path(), &shell);
            let pair = format!("{login}, {shell}");
            let scanned = answer_with(&path, &login, &scan_of(&root, Vec::new()), b"");
            assert_eq!(scanned.status, Some(0), "{pair}");
            assert_eq!(names(&scanned.body, &root), ["", "/-!\n'"], "{pair}");
            let scanned = answer_with(&path, &login, &scan_of(&linked, Vec::new()), b"");
            assert_eq!(names(&scanned.body, &root), ["", "/-!\n'"], "{pair}");
            let ran = answer_with(&path, &login, &run, b"");
            assert_eq!(
                (String::from_utf8_lossy(&ran.body).as_ref(), ran.status),
                ("<! it's \n><><*>", Some(0)),
                "{pair}"
            );
            let fetched = answer_with(&path, &login, &fetch_of(Compression::Gzip), &long_list);
            assert_eq!(fetched.status, Some(0), "{pair}");
            let tar = unpacked(&fetched.body, Compression::Gzip);
            let count = tar::Archive::new(tar.as_slice())
                .entries()
                .expect("an archive")
                .count();
            assert_eq!(count, 2000, "{pair}");
            pairs += 1;
        }
    }
    assert!(pairs >= 4, "{pairs}");
}

#[test]
fn nothing_of_the_environment_reaches_a_tool() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a");
    fs::write(&file, "content").expect("a file");
    let member = [&file.as_os_str().as_bytes()[1..], b"\0"].concat();
    let plain = answer("sh", &fetch_of(Compression::Gzip), &member);
    let env = run_of(CommandLine::Argv(vec!["env".to_owned()]), None);
    for shell in ["dash", "bash"] {
        for command in [
            fetch_of(Compression::Gzip),
            scan_of(folder.path(), Vec::new()),
            env.clone(),
        ] {
            let rendered = command.render(NONCE, Sudo::No, Priority::Normal, member.len() as u64);
            let mut login = Command::new(shell);
            login
                .env("TAR_OPTIONS", "--remove-files --mode=777 --owner=daemon")
                .env("GZIP", "-9")
                .env("POSIXLY_CORRECT", "1")
                .env("FIND_BLOCK_SIZE", "x")
                .env("BASH_ENV", "/dev/full")
                .env("ENV", "/dev/full")
                .env("BASH_FUNC_printf%%", "() { echo hostile; }")
                .env("BASH_FUNC_read%%", "() { return 1; }")
                .env("BASH_FUNC_tar%%", "() { rm -rf /nowhere; }")
                .env("BASH_FUNC_env%%", "() { echo hostile; }")
                .env("CDPATH", "/etc")
                .env("TMOUT", "1")
                .env("IFS", "e")
                .env("LC_ALL", "xx_XX.UTF-8")
                .env("TZ", "Asia/Tokyo")
                .env("PGHOST", "/nowhere")
                .arg("-c");
            let answer = answer_of(&mut login, &rendered, &member);
            assert_eq!(answer.status, Some(0), "{shell}");
            match &command {
                ReadCommand::Fetch { .. } => assert_eq!(answer.body, plain.body, "{shell}"),
                ReadCommand::Run(_) => {
                    let text = String::from_utf8_lossy(&answer.body).into_owned();
                    let mut names: Vec<&str> = text
                        .lines()
                        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
                        .filter(|name| !matches!(*name, "_" | "PWD" | "OLDPWD" | "SHLVL"))
                        .collect();
                    names.sort_unstable();
                    assert_eq!(
                        names,
                        ["HOME", "LC_ALL", "LOGNAME", "PATH", "USER"],
                        "{shell}"
                    );
                }
                _ => assert_eq!(names(&answer.body, folder.path()), ["", "/a"]),
            }
        }
    }
    assert!(file.exists());
}

#[test]
fn what_a_host_lacks_is_told_beside_the_status() {
    let run = |words: &[&str], run_as: Option<&str>| {
        run_of(
            CommandLine::Argv(words.iter().map(|&word| word.to_owned()).collect()),
            run_as.map(|name| name.parse().expect("an account")),
        )
    };
    let exits_127 = CommandLine::Shell("exit 127".to_owned());
    let of_itself = run_of(exits_127, None);
    for (command, sudo, status, missing) in [
        (run(&["no-such-program"], None), Sudo::No, 127, "program"),
        (of_itself, Sudo::No, 127, ""),
        (
            run(&["true"], Some("no-such-account")),
            Sudo::Tools,
            71,
            "account",
        ),
    ] {
        let rendered = command.render(NONCE, sudo, Priority::Normal, 0);
        let answer = answer_of(Command::new("sh").arg("-c"), &rendered, b"");
        assert_eq!(
            (answer.status, answer.missing.as_str()),
            (Some(status), missing)
        );
    }
}

#[test]
fn an_account_that_is_root_already_needs_no_sudo() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("a directory");
    let id = bin.join("id");
    fs::write(&id, "#!/bin/sh\n[ \"$1\" = -un ] && echo root || echo 0\n").expect("a script");
    fs::set_permissions(&id, fs::Permissions::from_mode(0o755)).expect("mode");
    for tool in [
        "sh", "find", "cat", "date", "env", "renice", "setsid", "sleep",
    ] {
        let paths = std::env::var_os("PATH").expect("a path");
        let real = std::env::split_paths(&paths)
            .map(|path| path.join(tool))
            .find(|path| path.exists())
            .expect("the tool");
        std::os::unix::fs::symlink(real, bin.join(tool)).expect("a link");
    }
    let command = scan_of(folder.path(), Vec::new());
    let rendered = command.render(NONCE, Sudo::Tools, Priority::Low, 0);
    let mut login = Command::new("/bin/sh");
    let answer = answer_of(login.env("PATH", &bin).arg("-c"), &rendered, b"");
    assert_eq!((answer.status, answer.missing.as_str()), (Some(0), ""));
    fs::write(bin.join("id"), "#!/bin/sh\necho 1000\n").expect("another answer");
    let mut login = Command::new("/bin/sh");
    let answer = answer_of(login.env("PATH", &bin).arg("-c"), &rendered, b"");
    assert_eq!((answer.status, answer.missing.as_str()), (Some(71), "sudo"));
}

#[test]
fn what_os_release_holds_is_read_and_never_run() {
    let script = include_str!("../../scripts/probe.sh");
    assert!(!script.contains(". /"), "nothing is sourced");
}

#[test]
fn programs_that_did_not_change_are_not_asked_for_their_versions_again() {
    let asked = |versions: Option<&str>| {
        let command = ReadCommand::Facts {
            roots: Vec::new(),
            versions: versions.map(str::to_owned),
        };
        let answer = answer("sh", &command, b"");
        assert_eq!(answer.status, Some(0));
        String::from_utf8(answer.body).expect("text")
    };
    let lines = |text: &str, key: &str| -> Vec<String> {
        let found = text.lines().filter_map(|line| line.strip_prefix(key));
        found.map(str::to_owned).collect()
    };
    let first = asked(None);
    let [programs] = &lines(&first, "versions=")[..] else {
        unreachable!("python3 is on every machine that runs the tests: {first}")
    };
    assert!(!lines(&first, "version=").is_empty(), "{first}");
    let again = asked(Some(programs));
    assert_eq!(lines(&again, "versions="), ["same"]);
    assert_eq!(lines(&again, "version="), Vec::<String>::new());
    let other = asked(Some("python3=/usr/bin/python3 /usr/bin/python3:1:2:3"));
    assert_eq!(lines(&other, "versions="), *std::slice::from_ref(programs));
    assert_eq!(
        lines(&other, "version=").len(),
        lines(&first, "version=").len()
    );
}

#[test]
fn every_sh_tells_what_is_free_and_what_is_not_mounted_read_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("it's a \\040 (root)");
    fs::create_dir(&root).expect("a directory");
    let file = root.join("file");
    fs::write(&file, "content").expect("a file");
    let list = [file.as_os_str().as_bytes(), b"\0"].concat();
    let path_of = |path: &std::path::Path| {
        RemotePath::from_bytes(path.as_os_str().as_bytes().to_vec()).expect("a path")
    };
    let command = ReadCommand::Ground {
        roots: vec![path_of(&root), path_of(std::path::Path::new("/proc"))],
    };
    // A mksh keeps a short list open for whoever reads it.
    for shell in shells(&["dash", "bash", "busybox", "zsh", "ksh93", "yash"]) {
        let tools = tempfile::tempdir().expect("a folder");
        let path = with_shell(tools.path(), &shell);
        let answer = answer_with(&path, "sh", &command, &list);
        assert_eq!(answer.status, Some(0), "{shell}");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let lines: Vec<&str> = body.lines().collect();
        assert_eq!(lines.len(), 2, "{shell}: {body}");
        for (number, line) in lines.iter().enumerate() {
            let numbers = line.strip_prefix(&format!("space {number} "));
            let numbers = numbers.expect("in the order of the roots").split(' ');
            let is_number = |word: &str| word.parse::<u64>().is_ok();
            let is_told: Vec<bool> = numbers.map(is_number).collect();
            assert_eq!(is_told, [true; 5], "{shell}: {line}");
        }
    }
}

#[test]
fn without_formats_of_stat_the_free_space_is_that_of_df() {
    let folder = tempfile::tempdir().expect("a folder");
    let stat = folder.path().join("stat");
    fs::write(&stat, "#!/bin/sh\nexit 1\n").expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&stat, mode).expect("mode");
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a search path"));
    let root = RemotePath::from_bytes(folder.path().as_os_str().as_bytes().to_vec());
    let command = ReadCommand::Ground {
        roots: vec![root.expect("a path")],
    };
    let answer = answer_with(&path, "sh", &command, b"");
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let numbers = body.strip_prefix("space 0 1024 ").expect("an answer");
    let numbers: Vec<Option<u64>> = numbers
        .split_whitespace()
        .map(|word| word.parse().ok())
        .collect();
    assert_eq!(numbers.len(), 4, "{body}");
    assert!(numbers.iter().all(Option::is_some), "{body}");
    assert_eq!(numbers[0], numbers[1], "{body}");
}

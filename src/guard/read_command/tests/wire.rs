//! Tests of the bytes sent to a host: a constant command line, then the script and the request on standard
//! input.

use super::*;
use crate::guard::script::Verb;

fn account(name: &str) -> Option<AccountName> {
    Some(name.parse().expect("an account"))
}

/// Every kind of command, with values that no shell may see.
fn every_command() -> Vec<ReadCommand> {
    let odd: RemotePath = "/srv/it's a !$(id) `id` \\ \"x\"\n*"
        .parse()
        .expect("a path");
    let roots = vec![odd; 300];
    let dump = |run_as| {
        ReadCommand::Dump(PostgresDump {
            of: DumpOf::Globals,
            run_as,
            host: Some("203.0.113.9".to_owned()),
            port: Some(5433),
            user: Some("reader".to_owned()),
            password_follows: true,
        })
    };
    let run = |run_as| run_of(CommandLine::Shell("echo ! it's; x".repeat(1000)), run_as);
    let services = |account| {
        ReadCommand::Services(ServiceQuery {
            account,
            units: vec![r"srv-a\x2db.mount".parse().expect("a unit"); 50],
            processes: vec![ProcessPattern {
                argv: vec!["sh".to_owned(), "! it's $(id)\n\"x\"".to_owned()],
                cwd: Some("/srv/it's a !$(id)".parse().expect("a path")),
                of_anybody: true,
            }],
        })
    };
    vec![
        ReadCommand::Probe { ask_sudo: true },
        ReadCommand::Scan {
            roots: roots.clone(),
            prune: vec![Prune::Name("!*'".to_owned()); 50],
            one_file_system: true,
            facts: FactsFrom::FindOrStat,
        },
        ReadCommand::ScanFiles {
            walks: Vec::new(),
            facts: FactsFrom::FindOrStat,
        },
        ReadCommand::RestoreTools,
        ReadCommand::Digest,
        ReadCommand::Facts {
            roots: roots.clone(),
            versions: Some("!'".to_owned()),
        },
        fetch_of(Compression::Zstd),
        ReadCommand::FetchWhole { roots },
        run(None),
        run(account("daemon")),
        dump(None),
        dump(account("postgres")),
        services(None),
        ReadCommand::Answers {
            database: "it's !$(id)".to_owned(),
            run_as: account("postgres"),
        },
        services(account("daemon")),
    ]
}

#[test]
fn the_command_line_is_one_constant_and_short() {
    let plain = "exec sh -c 'exec env -i PATH=\"${PATH:-/usr/bin:/bin}\" HOME=\"${HOME:-/}\" \
                 USER=\"$USER\" LOGNAME=\"$LOGNAME\" sh -c \"echo NONCE; while IFS= read -r l; do \
                 case \\$l in NONCE) break;; esac; done; IFS= read -r s; eval \\\"\\$s\\\"\"'";
    for command in every_command() {
        let user = command
            .account()
            .map_or_else(String::new, |account| format!("-H -u {account} "));
        for (sudo, before) in [
            (Sudo::No, String::new()),
            (Sudo::Tools, String::new()),
            (Sudo::NonInteractive, format!("sudo -n {user}")),
            (Sudo::Password, format!("sudo -S -k -p '' {user}")),
        ] {
            let line = command.render(NONCE, sudo, Priority::Low, 7).line;
            let line = String::from_utf8(line).expect("text");
            let expected = plain.replacen("exec ", &format!("exec {before}"), 1);
            assert_eq!(line, expected.replace("NONCE", NONCE));
            assert!(line.len() < 500 && !line.contains('!'), "{line}");
        }
    }
}

#[test]
fn the_script_depends_on_the_verb_alone() {
    for command in every_command() {
        let preamble = command
            .render(NONCE, Sudo::No, Priority::Normal, 7)
            .preamble;
        let behind = preamble.strip_prefix(NONCE.as_bytes()).expect("the nonce");
        let request = behind.strip_suffix(b"\n").expect("a last line");
        let begins = request
            .iter()
            .rposition(|&byte| byte == b'\n')
            .expect("lines")
            + 1;
        let (script, request) = (&behind[1..begins], &request[begins..]);
        let words: Vec<&[u8]> = request.split(|&byte| byte == b' ').collect();
        assert_eq!(words[..2], [&b"fleet"[..], b"1"]);
        let script_of = |name: &[u8]| {
            let verb = match name {
                b"probe" => Verb::Probe,
                b"scan" => Verb::Scan,
                b"files" => Verb::Files,
                b"digest" => Verb::Digest,
                b"facts" => Verb::Facts,
                b"fetch" => Verb::Fetch,
                b"whole" => Verb::Whole,
                b"run" => Verb::Run,
                b"services" => Verb::Services,
                b"offers" => Verb::RestoreTools,
                b"answers" => Verb::Answers,
                _ => Verb::Dump,
            };
            verb.script()
        };
        assert_eq!(script, script_of(words[2]));
        for word in &words[3..] {
            assert!(word.contains(&b'='), "{}", String::from_utf8_lossy(word));
            assert!(word.iter().all(u8::is_ascii_graphic));
        }
    }
}

/// The script of the probe, as its files say.
fn probe_script() -> String {
    ["serve.sh", "probe.sh", "start.sh"]
        .into_iter()
        .map(|file| {
            let path = format!("{}/src/guard/scripts/{file}", env!("CARGO_MANIFEST_DIR"));
            fs::read_to_string(path).expect("a script")
        })
        .collect::<String>()
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Loads the script of the probe as the command line does, from `input` behind the line that loads it,
/// and prints it and what is left of the input.
fn loaded(shell: &str, path: &OsStr, input: &[&[u8]]) -> (Option<i32>, String) {
    let load = format!(r#"l={NONCE}; IFS= read -r s; eval "$s""#);
    let script = Verb::Probe.script();
    let end = script
        .iter()
        .position(|&byte| byte == b'\n')
        .expect("a line");
    let line = script[..end]
        .strip_suffix(b"eval \"$s\"")
        .expect("it evaluates");
    let show = b"printf '%s\\n' \"${s%?}\"; exec /bin/cat\n".to_vec();
    let mut child = Command::new(shell)
        .env("PATH", path)
        .args(["-c", &load])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("piped");
    stdin
        .write_all(&[line, &show].concat())
        .expect("it is taken");
    for piece in input {
        // A shell that has given up takes no more.
        drop(stdin.write_all(piece));
        stdin.flush().expect("nothing is kept");
        // Another piece than the one before, as packets are.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    (
        output.status.code(),
        String::from_utf8(output.stdout).expect("text"),
    )
}

#[test]
fn a_script_is_what_its_files_say_and_what_follows_stays_in_the_input() {
    let expected = format!("{}request\ndata", probe_script());
    let script = Verb::Probe.script();
    let end = script
        .iter()
        .position(|&byte| byte == b'\n')
        .expect("a line");
    let (first, second) = script[end + 1..].split_at(1000);
    let path = std::env::var_os("PATH").expect("a search path");
    let empty = tempfile::tempdir().expect("a folder");
    for shell in ["/bin/sh", "/bin/bash"] {
        // Without `dd` the script is read line by line.
        for path in [path.as_os_str(), empty.path().as_os_str()] {
            let pieces = [first, second, b"request\n", b"data"];
            assert_eq!(loaded(shell, path, &pieces), (Some(0), expected.clone()));
            // A connection that is lost meanwhile runs nothing.
            assert_eq!(loaded(shell, path, &[first]), (Some(1), String::new()));
        }
    }
}

/// Whatever a start-up file puts in the place of the shell reads the input as its own commands.
#[test]
fn another_shell_runs_nothing_of_what_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let witness = folder.path().join("witness");
    let tool = format!("#!/bin/sh\necho \"$0 $*\" >>{}\n", witness.display());
    for name in [
        "tar", "find", "dd", "setsid", "renice", "sh", "kill", "sudo", "head", "ps",
    ] {
        let file = folder.path().join(name);
        fs::write(&file, &tool).expect("a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&file, mode).expect("mode");
    }
    let shells: Vec<_> = [
        "dash", "bash", "zsh", "mksh", "ksh93", "csh", "tcsh", "fish",
    ]
    .into_iter()
    .map(|shell| std::path::Path::new("/usr/bin").join(shell))
    .filter(|program| program.exists())
    .collect();
    assert!(shells.len() >= 2, "{shells:?}");
    for shell in shells {
        for command in [
            fetch_of(Compression::None),
            ReadCommand::Probe { ask_sudo: true },
        ] {
            let preamble = command
                .render(NONCE, Sudo::No, Priority::Normal, 7)
                .preamble;
            let mut child = Command::new(&shell)
                .env_clear()
                .env("PATH", folder.path())
                .current_dir(folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a shell");
            let mut stdin = child.stdin.take().expect("piped");
            drop(stdin.write_all(&[&preamble[..], b"a/file\0"].concat()));
            drop(stdin);
            child.wait().expect("it ends");
            let ran = fs::read_to_string(&witness).unwrap_or_default();
            assert_eq!(ran, "", "{}", shell.display());
        }
    }
}

#[test]
fn a_scan_asks_for_the_records_that_are_parsed() {
    let script = include_str!("../../scripts/scan.sh");
    assert!(script.contains(&format!("-printf '{}'", ReadCommand::SCAN_FORMAT)));
}

#[test]
fn too_many_patterns_are_no_short_cut_any_more() {
    let request = |count| {
        let roots = vec!["/srv/app".parse().expect("a path")];
        let prune = (0..count)
            .map(|number| Prune::Beneath(format!("folder/number-{number}")))
            .collect();
        let command = ReadCommand::Scan {
            roots,
            prune,
            one_file_system: false,
            facts: FactsFrom::Find,
        };
        let preamble = command
            .render(NONCE, Sudo::No, Priority::Normal, 0)
            .preamble;
        let text = String::from_utf8(preamble).expect("text");
        text.lines().last().expect("the request").to_owned()
    };
    assert!(request(500).contains(" beneath=folder/number-499 "));
    assert!(!request(5000).contains(" beneath="));
}

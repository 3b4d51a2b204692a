//! Processes that are services: recognised, stopped, started and brought back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fleet::fault::{Code, Fault as _};
use fleet::guard::{ProcessId, ServiceChange, Signal, WriteCommand};
use fleet::inventory::Start;
use fleet::restore::services::{
    Action, Error, ServiceRecord, StartRule, record, reload, start, still_stopped, stop, undo,
};
use fleet::ssh::Input;

use super::Writable;
use crate::support::sshd::{Process, Sshd, eventually, installed, user};

/// Ends with the test, if fleet has started it.
struct Loose(u32);

impl Drop for Loose {
    fn drop(&mut self) {
        let pid = self.0.to_string();
        drop(Command::new("kill").args(["-KILL", &pid]).status());
    }
}

/// A folder with a program that goes on until it gets TERM, and another one that takes no TERM.
fn folder(sshd: &Sshd) -> PathBuf {
    let folder = sshd.folder().join("it's an app");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("loop.sh"), "while :; do sleep 0.1; done\n").expect("a script");
    let deaf = "trap '' TERM\nwhile :; do sleep 0.1; done\n";
    fs::write(folder.join("deaf.sh"), deaf).expect("a script");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("mode");
    fs::set_permissions(sshd.folder(), fs::Permissions::from_mode(0o711)).expect("mode");
    fs::canonicalize(folder).expect("a folder")
}

/// `services: { app: … }` for a process in `folder`.
fn app(folder: &Path, argv: &str, more: &str) -> String {
    format!(
        "services:\n  app: {{ process: {argv}, cwd: \"{}\", start: always, grace: 1s{more} }}",
        folder.display()
    )
}

fn spawn(folder: &Path, arguments: &[&str]) -> Process {
    let child = Command::new("sh")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .spawn();
    Process(child.expect("a process"))
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().expect("a child").is_none()
}

async fn recorded(web: &Writable) -> ServiceRecord {
    let reader = web.session.reader();
    let record = record(reader, &web.host.services, &StartRule::default()).await;
    record.expect("the host tells")
}

fn stat(pid: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, rest) = text.rsplit_once(") ").expect("a line");
    rest.split(' ').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_started_apart_from_the_connection_and_stopped() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    let argv = "[sh, ./loop.sh, \"$(touch evil) it's\", \"\", \"two\\nlines\", -x]";
    let web = Writable::new(&sshd, &app(&folder, argv, "")).await;
    let before = recorded(&web).await;
    let line = &before.services[0];
    assert_eq!(
        (line.was_up, line.state.as_str(), line.action),
        (false, "no process", Action::Start)
    );
    assert_eq!(web.changes(), Vec::<String>::new());

    start(&web.session, &web.host, &before)
        .await
        .expect("it starts");
    let now = recorded(&web).await;
    let line = &now.services[0];
    assert_eq!(
        (line.state.as_str(), line.action),
        ("1 process", Action::StopStart)
    );
    let process = line.processes[0];
    let loose = Loose(process.pid);
    let fields = stat(process.pid);
    assert_eq!(fields[3], process.pid.to_string(), "a session of its own");
    assert_eq!(fields[19], process.start.to_string());
    let of = |what: &str| fs::read_link(format!("/proc/{}/{what}", process.pid)).expect("a link");
    assert_eq!(of("cwd"), folder);
    for number in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(of(number), Path::new("/dev/null"), "{number}");
    }
    let environment = fs::read(format!("/proc/{}/environ", process.pid)).expect("readable");
    let mut names: Vec<String> = environment
        .split(|&b| b == 0)
        .filter_map(|pair| pair.split(|&b| b == b'=').next())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    assert_eq!(names, ["HOME", "LOGNAME", "PATH", "SHELL", "USER"]);
    let open = fs::read_dir(format!("/proc/{}/fd", process.pid)).expect("readable");
    // The script itself is open, too.
    assert_eq!(open.count(), 4);
    assert!(!folder.join("evil").exists());
    let changes = web.changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(
        changes[0].starts_with("service do=launch cwd="),
        "{changes:?}"
    );

    // Once more: it is there already.
    start(&web.session, &web.host, &before)
        .await
        .expect("it is there");
    assert_eq!(web.changes(), Vec::<String>::new());

    stop(&web.session, &web.host.services, &now)
        .await
        .expect("it stops");
    let term = format!(
        "service do=term process={}\\0040{}",
        process.pid, process.start
    );
    assert_eq!(web.changes(), [term]);
    still_stopped(&web.session, &web.host.services, &now)
        .await
        .expect("nothing runs");

    // It outlives the connection.
    start(&web.session, &web.host, &now)
        .await
        .expect("it starts");
    let process = recorded(&web).await.services[0].processes[0];
    let second = Loose(process.pid);
    web.session.close().await;
    sshd.wait_until_idle();
    assert_eq!(stat(process.pid)[19], process.start.to_string());
    drop((loose, second));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_processes_are_left_alone() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    let elsewhere = sshd.folder().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::copy(folder.join("loop.sh"), elsewhere.join("loop.sh")).expect("a copy");
    let mut own = spawn(&folder, &["loop.sh", "4000"]);
    let mut others = [
        spawn(&folder, &["loop.sh"]),
        spawn(&folder, &["loop.sh", "4000", "more"]),
        spawn(&folder, &["loop.sh", "40000"]),
        spawn(&folder, &["-e", "loop.sh", "4000"]),
        spawn(&elsewhere, &["loop.sh", "4000"]),
    ];
    // `/bin/sh` and `sh` are the same program.
    let argv = "[/bin/sh, loop.sh, 4000]";
    let web = Writable::new(&sshd, &app(&folder, argv, "")).await;
    let now = recorded(&web).await;
    let pids: Vec<u32> = now.services[0].processes.iter().map(|p| p.pid).collect();
    assert_eq!(pids, [own.0.id()]);
    stop(&web.session, &web.host.services, &now)
        .await
        .expect("it stops");
    assert!(!is_running(&mut own.0));
    assert!(others.iter_mut().all(|other| is_running(&mut other.0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ignores_term_is_killed_after_its_grace() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    let mut deaf = spawn(&folder, &["deaf.sh"]);
    let web = Writable::new(&sshd, &app(&folder, "[sh, deaf.sh]", "")).await;
    eventually("it is deaf", || {
        let status = fs::read_to_string(format!("/proc/{}/status", deaf.0.id()));
        let status = status.expect("it runs");
        let ignored = status
            .lines()
            .find_map(|line| line.strip_prefix("SigIgn:\t"));
        let ignored = u64::from_str_radix(ignored.expect("a mask"), 16).expect("a mask");
        ignored & (1 << 14) != 0
    });
    let now = recorded(&web).await;
    let begun = std::time::Instant::now();
    stop(&web.session, &web.host.services, &now)
        .await
        .expect("it ends");
    assert!(begun.elapsed() >= web.host.services[0].grace);
    assert!(!is_running(&mut deaf.0));
    let kinds: Vec<String> = web
        .changes()
        .iter()
        .filter_map(|change| change.split(' ').nth(1).map(str::to_owned))
        .collect();
    assert_eq!(kinds, ["do=term", "do=kill"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_of_the_same_number_gets_no_signal() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    let mut process = spawn(&folder, &["loop.sh"]);
    let web = Writable::new(&sshd, &app(&folder, "[sh, loop.sh]", "")).await;
    let seen = recorded(&web).await.services[0].processes[0];
    let signal = |start| {
        WriteCommand::Service(ServiceChange::Signal {
            signal: Signal::Kill,
            processes: vec![ProcessId {
                pid: seen.pid,
                start,
            }],
            account: None,
        })
    };
    for (start, survives) in [(seen.start + 1, true), (seen.start, false)] {
        let output = web
            .session
            .output(&signal(start), false, Input::none(), 1 << 10)
            .await;
        assert_eq!(output.expect("an answer").status, 0);
        if survives {
            assert!(is_running(&mut process.0));
        } else {
            eventually("it ends", || !is_running(&mut process.0));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_comes_back_before_the_files_are_replaced_is_found() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    let first = spawn(&folder, &["loop.sh"]);
    let web = Writable::new(&sshd, &app(&folder, "[sh, loop.sh]", "")).await;
    let now = recorded(&web).await;
    stop(&web.session, &web.host.services, &now)
        .await
        .expect("it stops");
    let _second = spawn(&folder, &["loop.sh"]);
    let error = still_stopped(&web.session, &web.host.services, &now).await;
    let error = error.expect_err("it runs");
    assert_eq!(
        error.to_string(),
        "service `app` was stopped and is active again"
    );
    assert_eq!(error.code(), Code::ServiceNotStopped);
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_be_started_is_told() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    for (argv, cwd, told) in [
        (
            "[sh, -c, \"exit 0\"]",
            folder.clone(),
            "service `app` was started, but no process of its command is there",
        ),
        (
            "[no-such-program]",
            folder.clone(),
            "can't start service `app`: the host does not have the program",
        ),
        (
            "[sh, loop.sh]",
            folder.join("gone"),
            "can't start service `app`: exit status 73",
        ),
    ] {
        let web = Writable::new(&sshd, &app(&cwd, argv, "")).await;
        let before = recorded(&web).await;
        let error = start(&web.session, &web.host, &before).await;
        let error = error.expect_err("it is not there").to_string();
        assert!(error.starts_with(told), "{argv}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_a_reload_command_goes_on() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    let mut process = spawn(&folder, &["loop.sh"]);
    for (hook, fails) in [
        ("echo \\\"$1\\\" >>reloaded", false),
        ("echo no >&2; exit 3", true),
    ] {
        let more = format!(", reload: [sh, -c, \"{hook}\", sh, \"it's\"]");
        let web = Writable::new(&sshd, &app(&folder, "[sh, loop.sh]", &more)).await;
        let now = recorded(&web).await;
        assert_eq!(now.services[0].action, Action::Reload);
        stop(&web.session, &web.host.services, &now)
            .await
            .expect("nothing to do");
        still_stopped(&web.session, &web.host.services, &now)
            .await
            .expect("it may run");
        assert_eq!(web.changes(), Vec::<String>::new());
        let outcome = reload(&web.session, &web.host, &now).await;
        let changes = web.changes();
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].starts_with("service do=run cwd="), "{changes:?}");
        if fails {
            assert_eq!(
                outcome.expect_err("it fails").to_string(),
                "can't reload service `app`: exit status 3: no"
            );
            let problems = undo(&web.session, &web.host, &now)
                .await
                .expect("connected");
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(problems, ["can't reload service `app`: exit status 3: no"]);
        } else {
            outcome.expect("it works");
            let text = fs::read_to_string(folder.join("reloaded")).expect("it ran there");
            assert_eq!(text, "it's\n");
        }
        start(&web.session, &web.host, &now)
            .await
            .expect("nothing to do");
    }
    assert!(is_running(&mut process.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_active_comes_back_and_what_was_not_ends() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    let folder = folder(&sshd);
    let keys = format!(
        "services:\n  never: {{ process: [sh, loop.sh, never], cwd: \"{0}\", start: never }}\n  \
         new: {{ process: [sh, loop.sh, new], cwd: \"{0}\", start: always }}",
        folder.display()
    );
    let never = spawn(&folder, &["loop.sh", "never"]);
    let web = Writable::new(&sshd, &keys).await;
    let before = recorded(&web).await;
    let actions: Vec<Action> = before.services.iter().map(|line| line.action).collect();
    assert_eq!(actions, [Action::Stop, Action::Start]);
    stop(&web.session, &web.host.services, &before)
        .await
        .expect("it stops");
    start(&web.session, &web.host, &before)
        .await
        .expect("it starts");
    let after = recorded(&web).await;
    let states = |record: &ServiceRecord| -> Vec<String> {
        record
            .services
            .iter()
            .map(|line| line.state.clone())
            .collect()
    };
    assert_eq!(states(&after), ["no process", "1 process"]);
    let _new = Loose(after.services[1].processes[0].pid);

    // From another workstation, with what is kept on the host.
    let kept = ServiceRecord::parse(&before.to_text()).expect("a record");
    assert_eq!(kept, before);
    let problems = undo(&web.session, &web.host, &kept)
        .await
        .expect("connected");
    assert!(problems.is_empty(), "{problems:?}");
    let undone = recorded(&web).await;
    assert_eq!(states(&undone), ["1 process", "no process"]);
    let _never = Loose(undone.services[0].processes[0].pid);
    drop(never);

    // An inventory without the service has no command for it, and the record has none either.
    stop(&web.session, &web.host.services, &before)
        .await
        .expect("it stops");
    let mut other = web.host.clone();
    other.services.remove(0);
    let problems = undo(&web.session, &other, &kept).await.expect("connected");
    assert!(
        matches!(problems.as_slice(), [Error::NotDescribed { service }] if service.as_str() == "never"),
        "{problems:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_another_account_is_stopped_and_started_as_that() {
    let Some(sshd) = Sshd::builder().start() else {
        return;
    };
    if user() != "root" || installed("sudo").is_none() || installed("setpriv").is_none() {
        crate::support::not_here("only root starts processes of others");
        return;
    }
    let folder = folder(&sshd);
    let text = app(&folder, "[sh, loop.sh]", ", run_as: nobody");
    let own = spawn(&folder, &["loop.sh"]);
    let web = Writable::new(&sshd, &text).await;
    let before = recorded(&web).await;
    assert_eq!(before.services[0].state, "no process");
    start(&web.session, &web.host, &before)
        .await
        .expect("it starts");
    let now = recorded(&web).await;
    let process = now.services[0].processes[0];
    let _loose = Loose(process.pid);
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).expect("it runs");
    assert!(
        status.contains("\nUid:\t65534\t65534\t65534\t65534\n"),
        "{status}"
    );
    // No sudo waits for it.
    let parent = stat(process.pid)[1].clone();
    let parent = fs::read(format!("/proc/{parent}/cmdline")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&parent).contains("sudo"));
    stop(&web.session, &web.host.services, &now)
        .await
        .expect("it stops");
    assert_eq!(recorded(&web).await.services[0].state, "no process");
    drop(own);
    let rule = StartRule {
        for_all: Some(Start::Never),
        ..StartRule::default()
    };
    let mut decided = before;
    decided.decide(&web.host.services, &rule);
    assert_eq!(decided.services[0].action, Action::None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shell_serves_the_requests() {
    for shell in ["dash", "bash", "busybox"] {
        let Some(program) = installed(shell) else {
            continue;
        };
        let tools = tempfile::tempdir().expect("a folder");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(tools.path(), mode).expect("mode");
        std::os::unix::fs::symlink(program, tools.path().join("sh")).expect("a link");
        let at = tools.path().display();
        let path = std::env::var("PATH").unwrap_or_default();
        let line = format!("SetEnv PATH={at}:{path} HOME={at}");
        let Some(sshd) = Sshd::builder().option(line).start() else {
            return;
        };
        let folder = folder(&sshd);
        let argv = "[sh, ./deaf.sh, \"it's $HOME\", \"\", \"a\\\\b\"]";
        let web = Writable::new(&sshd, &app(&folder, argv, "")).await;
        let before = recorded(&web).await;
        start(&web.session, &web.host, &before)
            .await
            .expect("it starts");
        let now = recorded(&web).await;
        assert_eq!(now.services[0].state, "1 process", "{shell}");
        let loose = Loose(now.services[0].processes[0].pid);
        stop(&web.session, &web.host.services, &now)
            .await
            .expect("it stops");
        assert_eq!(recorded(&web).await.services[0].state, "no process");
        drop(loose);
    }
}

//! Kills every step before its changes, one after another, and then goes forward and back: the whole tree is
//! as it should be or as it was.
//!
//! A run takes every nth of these points; with `FLEET_TEST_KILLS=all` every one, and with a number every so many.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet::guard::{Compression, RestoreTools, TransactionStep};

use super::host::{Fate, Host, shell, trees};
use super::plan::{stage, stage_slowly};
use super::scan::{Tree, differences, plain, scan};
use crate::support::not_here;
use crate::support::sshd::installed;

/// A step that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    Begin,
    Stage,
    Step(TransactionStep),
}

/// Two roots that are staged, to be copied for each run.
struct Bench {
    host: Host,
    tracer: PathBuf,
    archives: Vec<Vec<u8>>,
    wanted: Vec<Tree>,
    had: Vec<Tree>,
}

impl Bench {
    /// None where calls cannot be traced; that was said loudly.
    fn new(tools: RestoreTools) -> Option<Self> {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            not_here("calls are traced on x86-64 only");
            return None;
        }
        let host = Host::new(&["live/one", "live/two"]);
        let host = match tools {
            RestoreTools::Gnu => host,
            RestoreTools::Slow => host.with_busybox()?,
        };
        let tracer = tracer(host.folder())?;
        let folder = host.folder();
        trees(&folder.join("one"));
        shell(
            "mkdir -p \"$1\" && cd \"$1\" && mkdir want live && echo a >want/a && echo b >live/a && ln -s x live/l",
            &[&folder.join("two")],
        );
        fs::create_dir(folder.join("origin")).expect("a folder");
        let (mut archives, mut wanted, mut had) = (Vec::new(), Vec::new(), Vec::new());
        for name in ["one", "two"] {
            let (want, live) = (
                folder.join(name).join("want"),
                folder.join(name).join("live"),
            );
            let scratch = tempfile::tempdir().expect("a folder");
            archives.push(match tools {
                RestoreTools::Gnu => stage(&want, &live, scratch.path()),
                RestoreTools::Slow => stage_slowly(&want, &live, scratch.path()),
            });
            wanted.push(seen(&want, tools));
            had.push(seen(&live, tools));
            fs::rename(&live, folder.join("origin").join(name)).expect("on one file system");
        }
        let bench = Self {
            host,
            tracer,
            archives,
            wanted,
            had,
        };
        bench.fresh("origin");
        bench.host.begin().ok();
        for (n, archive) in bench.archives.iter().enumerate() {
            bench.host.stage(n, Compression::None, archive).ok();
        }
        bench.host.step(TransactionStep::Staged).ok();
        shell(
            "cp -a \"$1/live\" \"$1/staged\" && cp -a \"$2\" \"$1/record\"",
            &[bench.host.folder(), &bench.host.record()],
        );
        Some(bench)
    }

    /// The roots as they are in the folder `from`, with the record if they were staged there.
    fn fresh(&self, from: &str) {
        shell(
            "rm -rf \"$1/live\" \"$3\"; cp -a \"$1/$2\" \"$1/live\"",
            &[self.host.folder(), Path::new(from), &self.host.record()],
        );
        if from == "staged" {
            shell(
                // Another test may end meanwhile and take the empty folder away.
                "for i in 1 2 3 4 5; do mkdir -p \"${2%/*}\"; ! cp -a \"$1/record\" \"$2\" || exit 0; done; exit 1",
                &[self.host.folder(), &self.host.record()],
            );
        }
    }

    fn is(&self, trees: &[Tree], when: &str) {
        for (n, (tree, root)) in trees.iter().zip(&self.host.roots).enumerate() {
            let differ = differences(tree, &seen(root, self.host.tools));
            assert_eq!(differ, Vec::<String>::new(), "root {n}, {when}");
            for folder in [".fleet-restore", ".fleet-restore.over"] {
                assert!(!root.join(folder).exists(), "{folder} is left, {when}");
            }
        }
        assert!(!self.host.record().exists(), "the record is left, {when}");
    }

    /// Kills `killed` before its change `at`, and goes on. Whether it was killed.
    fn run(&self, killed: Killed, at: u64, is_forward: bool) -> bool {
        use TransactionStep::{Back, Commit, Done, Forward, Prepare, Staged};
        let (host, fate) = (&self.host, Fate::Killed(&self.tracer, at));
        let when = format!("killed in {killed:?} before change {at}, then forward: {is_forward}");
        let answer = match killed {
            Killed::Begin => {
                self.fresh("origin");
                host.begin_then(fate)
            }
            Killed::Stage => {
                self.fresh("origin");
                host.begin().ok();
                host.stage_then(0, Compression::None, &self.archives[0], fate)
            }
            Killed::Step(step) => {
                self.fresh("staged");
                if matches!(step, Forward | Back | Commit | Done) {
                    host.step(Prepare).ok();
                }
                if matches!(step, Back | Commit | Done) {
                    host.step(Forward).ok();
                }
                host.step_then(step, fate)
            }
        };
        let is_killed = answer.status.is_none();
        assert!(is_killed || answer.status == Some(0), "{when}: {answer:?}");
        if !is_killed && at > 0 {
            assert!(host.changes() < at, "{when}");
        }
        let is_new = match killed {
            Killed::Begin | Killed::Stage => false,
            Killed::Step(Staged | Prepare | Forward) => is_forward,
            Killed::Step(Back) => false,
            Killed::Step(Commit | Done) => true,
        };
        if is_new && !matches!(killed, Killed::Step(Commit | Done)) {
            host.step(Staged).ok();
            host.step(Prepare).ok();
            host.step(Forward).ok();
        } else if !is_new && killed != Killed::Begin {
            host.step(Back).ok();
        }
        host.step(Done).ok();
        self.is(if is_new { &self.wanted } else { &self.had }, &when);
        is_killed
    }
}

/// A tree, as far as these tools put it back.
fn seen(root: &Path, tools: RestoreTools) -> Tree {
    match tools {
        RestoreTools::Gnu => scan(root),
        RestoreTools::Slow => plain(scan(root)),
    }
}

/// Builds the tracer.
fn tracer(folder: &Path) -> Option<PathBuf> {
    let compiler = installed("cc")?;
    let program = folder.join("tracer");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/restore/transaction/tracer.c"
    );
    let status = Command::new(compiler)
        .args(["-O1", "-o"])
        .arg(&program)
        .arg(source)
        .status();
    assert!(status.expect("cc").success());
    Some(program)
}

/// Every nth point, or as many as is asked for.
fn stride(usually: u64) -> u64 {
    match std::env::var("FLEET_TEST_KILLS").as_deref() {
        Ok("all") => 1,
        Ok(number) => number.parse().expect("`all` or a number"),
        Err(_) => usually,
    }
}

#[expect(clippy::print_stderr, reason = "how much was tried is the result")]
fn kill_at_every_point(killed: Killed, usually: u64, tools: RestoreTools) {
    let Some(bench) = Bench::new(tools) else {
        return;
    };
    let (stride, mut at, mut recoveries) = (stride(usually), 1, 0);
    let ways: &[bool] = match killed {
        Killed::Step(TransactionStep::Prepare | TransactionStep::Forward) => &[true, false],
        _ => &[false],
    };
    loop {
        let mut is_killed = false;
        for &is_forward in ways {
            is_killed = bench.run(killed, at, is_forward);
            recoveries += 1;
        }
        if !is_killed {
            break;
        }
        at += stride;
    }
    eprintln!(
        "{killed:?}: {} changes, every {stride}th, {recoveries} recoveries",
        bench.host.changes()
    );
}

#[test]
fn a_begin_that_is_killed_leaves_everything_as_it_was() {
    kill_at_every_point(Killed::Begin, 17, RestoreTools::Gnu);
}

#[test]
fn a_stage_that_is_killed_leaves_everything_as_it_was() {
    kill_at_every_point(Killed::Stage, 41, RestoreTools::Gnu);
}

#[test]
fn a_prepare_that_is_killed_can_go_both_ways() {
    kill_at_every_point(
        Killed::Step(TransactionStep::Prepare),
        27,
        RestoreTools::Gnu,
    );
}

#[test]
fn a_swap_that_is_killed_can_go_both_ways() {
    kill_at_every_point(
        Killed::Step(TransactionStep::Forward),
        29,
        RestoreTools::Gnu,
    );
}

#[test]
fn a_way_back_that_is_killed_goes_back() {
    kill_at_every_point(Killed::Step(TransactionStep::Back), 29, RestoreTools::Gnu);
}

#[test]
fn a_commit_that_is_killed_ends_forward() {
    kill_at_every_point(Killed::Step(TransactionStep::Commit), 7, RestoreTools::Gnu);
}

#[test]
fn an_end_that_is_killed_ends() {
    kill_at_every_point(Killed::Step(TransactionStep::Done), 19, RestoreTools::Gnu);
}

/// Killed on the way forward, and again on the way back.
#[test]
fn a_way_back_that_is_killed_after_a_killed_swap_goes_back() {
    kill_twice(47, RestoreTools::Gnu);
}

/// With busybox's tools there are many more changes: each directory and attribute is one of its own.
#[test]
fn steps_that_are_killed_recover_with_the_tools_of_busybox() {
    use TransactionStep::{Back, Commit, Done, Forward, Prepare};
    for (killed, usually) in [
        (Killed::Begin, 61),
        (Killed::Stage, 131),
        (Killed::Step(Prepare), 97),
        (Killed::Step(Forward), 131),
        (Killed::Step(Back), 131),
        (Killed::Step(Commit), 17),
        (Killed::Step(Done), 61),
    ] {
        kill_at_every_point(killed, usually, RestoreTools::Slow);
    }
    kill_twice(211, RestoreTools::Slow);
}

fn kill_twice(usually: u64, tools: RestoreTools) {
    use TransactionStep::{Back, Done, Forward, Prepare};
    let Some(bench) = Bench::new(tools) else {
        return;
    };
    let stride = stride(usually);
    let mut at = 1;
    loop {
        bench.fresh("staged");
        let host = &bench.host;
        host.step(Prepare).ok();
        let forward = host.step_then(Forward, Fate::Killed(&bench.tracer, at));
        host.step_then(Back, Fate::Killed(&bench.tracer, 1 + at * 7 % 250));
        host.step(Back).ok();
        host.step(Done).ok();
        bench.is(
            &bench.had,
            &format!("killed forward before change {at}, and back"),
        );
        if forward.status.is_some() {
            break;
        }
        at += stride;
    }
}

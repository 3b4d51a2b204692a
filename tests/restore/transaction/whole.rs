//! The whole way, forward and back, in every shell that a host may have.

use std::path::Path;

use fleet::guard::{Compression, RestoreTools, TransactionStep};

use super::host::{Host, trees};
use super::plan::{stage, stage_slowly};
use super::scan::{differences, plain, scan};
use crate::support::sshd::installed;

/// Stages what turns one tree with every kind of difference into the other, and goes forward, back and
/// forward again.
fn to_and_fro(host: &Host) {
    let is_slow = host.tools == RestoreTools::Slow;
    let scan = |root: &Path| match host.tools {
        RestoreTools::Gnu => scan(root),
        RestoreTools::Slow => plain(scan(root)),
    };
    use TransactionStep::{Back, Done, Forward, Prepare, Staged};
    trees(host.folder());
    let (want, live) = (host.folder().join("want"), &host.roots[0]);
    let scratch = tempfile::tempdir().expect("a folder");
    let archive = if is_slow {
        stage_slowly(&want, live, scratch.path())
    } else {
        stage(&want, live, scratch.path())
    };
    let (wanted, had) = (scan(&want), scan(live));
    for is_forward in [false, true] {
        host.begin().ok();
        host.stage(0, Compression::None, &archive).ok();
        assert_eq!(host.step(Staged).ok(), ["at 0 staged"]);
        assert_eq!(host.step(Prepare).ok(), ["at 0 ready"]);
        let mut prepared = scan(live);
        let root = Vec::new();
        prepared.insert(root.clone(), had[&root].clone());
        assert_eq!(differences(&had, &prepared), Vec::<String>::new());
        // Every step may be repeated.
        for _ in 0..2 {
            assert_eq!(host.step(Forward).ok(), ["at 0 new"]);
            assert_eq!(differences(&wanted, &scan(live)), Vec::<String>::new());
        }
        if !is_forward {
            for _ in 0..2 {
                assert_eq!(host.step(Back).ok(), ["at 0 old"]);
                assert_eq!(differences(&had, &scan(live)), Vec::<String>::new());
            }
            host.step(Forward).refused(13, "at `old`");
        }
        for _ in 0..2 {
            assert_eq!(host.step(Done).ok(), ["at 0 none"]);
        }
        let trees = if is_forward { &wanted } else { &had };
        assert_eq!(differences(trees, &scan(live)), Vec::<String>::new());
    }
}

#[test]
fn everything_goes_forward_and_back_in_the_usual_shell() {
    to_and_fro(&Host::new(&["live"]));
}

#[test]
fn everything_goes_forward_and_back_in_other_shells() {
    for name in ["bash", "mksh", "busybox"] {
        let Some(program) = installed(name) else {
            continue;
        };
        to_and_fro(&Host::new(&["live"]).with_sh(&program));
    }
}

#[test]
fn everything_goes_forward_and_back_with_the_tools_of_busybox() {
    if let Some(host) = Host::new(&["live"]).with_busybox() {
        to_and_fro(&host);
    }
}

/// An account that is not root, whose directories it may not write by itself.
#[test]
fn an_account_restores_what_is_its_own_with_the_tools_of_busybox() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let Some(host) = Host::new(&["live"]).with_busybox() else {
        return;
    };
    let (want, live): (&Path, &Path) = (&host.folder().join("want"), &host.roots[0]);
    let line = "mkdir -p \"$1/d/e\" \"$2/d/gone\" \"$2/d/t/u\"; echo t >\"$1/d/t\"; echo u >\"$2/d/t/u/u\"; echo a >\"$1/d/e/a\"; echo b >\"$2/d/b\"; echo x >\"$2/d/gone/x\"; \
                echo m | tee \"$1/d/m\" >\"$2/d/m\"; chmod 444 \"$1/d/m\"; ln -s x \"$1/d/l\"; ln -s y \"$2/d/l\"; \
                touch -d @1234567890 \"$2/d/m\"; chmod 555 \"$1/d/e\" \"$1/d\"; chmod 500 \"$2/d/t/u\" \"$2/d\"";
    super::host::shell(line, &[want, live]);
    let host = host.of_nobody();
    let scratch = tempfile::tempdir().expect("a folder");
    let (want, live): (&Path, &Path) = (&host.folder().join("want"), &host.roots[0]);
    let archive = stage_slowly(want, live, scratch.path());
    let (wanted, had) = (plain(scan(want)), plain(scan(live)));
    for (last, tree) in [
        (TransactionStep::Back, had),
        (TransactionStep::Forward, wanted),
    ] {
        host.begin().ok();
        host.stage(0, Compression::None, &archive).ok();
        for step in [
            TransactionStep::Staged,
            TransactionStep::Prepare,
            TransactionStep::Forward,
            last,
            TransactionStep::Done,
        ] {
            host.step(step).ok();
        }
        assert_eq!(
            differences(&tree, &plain(scan(live))),
            Vec::<String>::new(),
            "{last:?}"
        );
    }
}

/// The root's own default ACL and set-group-ID bit are inherited by the staging folder, and go no further.
#[test]
fn what_a_root_bequeaths_changes_nothing() {
    let host = Host::new(&["live"]);
    let line = "mkdir \"$1\" \"$2\"; echo a >\"$1/file\"; echo b >\"$2/file\"; echo n >\"$1/new\"; ln -s x \"$1/l\"; \
                chgrp 1 \"$1\" \"$2\"; chmod 2775 \"$1\" \"$2\"; \
                setfacl -d -m u:44:rwx,g::rwx \"$1\" \"$2\"; touch -d @1234567890 \"$1\" \"$2\"";
    if installed("setfacl").is_none() || !rustix::process::geteuid().is_root() {
        return;
    }
    let (want, live): (&Path, &Path) = (&host.folder().join("want"), &host.roots[0]);
    super::host::shell(line, &[want, live]);
    let scratch = tempfile::tempdir().expect("a folder");
    let archive = stage(want, live, scratch.path());
    let (wanted, had) = (scan(want), scan(live));
    for (last, tree) in [
        (TransactionStep::Back, had),
        (TransactionStep::Forward, wanted),
    ] {
        host.begin().ok();
        host.stage(0, Compression::None, &archive).ok();
        for step in [
            TransactionStep::Staged,
            TransactionStep::Prepare,
            TransactionStep::Forward,
            last,
            TransactionStep::Done,
        ] {
            host.step(step).ok();
        }
        assert_eq!(differences(&tree, &scan(live)), Vec::<String>::new());
    }
}

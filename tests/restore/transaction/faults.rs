//! What resists on a host: full disks, files that cannot be changed, mounts, links and files in the way. Either
//! nothing was touched, or the way back is open.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet::guard::{Compression, TransactionStep};

use super::host::{Host, shell};
use super::plan::stage;
use super::scan::{Tree, differences, scan};
use crate::support::mount::has_attribute;
use crate::support::not_here;
use crate::support::sshd::{Process, eventually, installed};

use TransactionStep::{Back, Done, Forward, Prepare, Staged};

/// A restore of one root.
struct Case {
    host: Host,
    archive: Vec<u8>,
    wanted: Tree,
    had: Tree,
}

impl Case {
    /// What turns `live`, which a script makes, into `want`, which another one makes of it.
    fn new(live: &str, want: &str) -> Self {
        Self::in_host(Host::new(&["live"]), live, want)
    }

    fn in_host(host: Host, live: &str, want: &str) -> Self {
        let root = host.roots[0].clone();
        let wanted = tempfile::tempdir_in(host.folder()).expect("a folder");
        let want_root = wanted.path().join("want");
        shell(&format!("mkdir -p \"$1\"; cd \"$1\"; {live}"), &[&root]);
        shell(
            &format!("cp -a \"$1\" \"$2\"; cd \"$2\"; {want}"),
            &[&root, &want_root],
        );
        let scratch = tempfile::tempdir().expect("a folder");
        Self {
            archive: stage(&want_root, &root, scratch.path()),
            wanted: scan(&want_root),
            had: scan(&root),
            host,
        }
    }

    fn root(&self) -> &Path {
        &self.host.roots[0]
    }

    /// Begins, and goes on to the step before `step`.
    fn before(&self, step: TransactionStep) -> &Self {
        self.host.begin().ok();
        self.host.stage(0, Compression::None, &self.archive).ok();
        for before in [Staged, Prepare, Forward]
            .into_iter()
            .take_while(|before| *before != step)
        {
            self.host.step(before).ok();
        }
        self
    }

    /// But for the time of the root, which the staging folder has moved, and for links to what is kept.
    #[track_caller]
    fn is_untouched(&self) {
        let mut now = scan(self.root());
        let root = Vec::new();
        now.insert(root.clone(), self.had[&root].clone());
        assert_eq!(differences(&self.had, &now), Vec::<String>::new());
    }

    /// Goes back, ends, and finds what was there.
    #[track_caller]
    fn undo(&self) {
        self.host.step(Back).ok();
        self.host.step(Done).ok();
        assert_eq!(
            differences(&self.had, &scan(self.root())),
            Vec::<String>::new()
        );
        assert!(!self.host.staging(0).exists() && !self.host.record().exists());
    }
}

/// A mount that ends with the value.
struct Mount(PathBuf);

impl Mount {
    /// None where nobody can mount; that was said loudly.
    fn new(arguments: &[&str], point: &Path) -> Option<Self> {
        fs::create_dir_all(point).expect("a mount point");
        let status = Command::new("mount")
            .args(arguments)
            .arg(point)
            .output()
            .expect("mount")
            .status;
        if !status.success() {
            not_here("this account cannot mount anything");
            return None;
        }
        Some(Self(point.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

const MANY: &str = "for i in $(seq 60); do mkdir -p d$((i % 7)); echo live $i >d$((i % 7))/f$i; done; ln -s x l; mkdir empty";
const OTHERS: &str = "for i in $(seq 60); do rm d$((i % 7))/f$i; echo new $i >d$((i % 7))/f$i; done; ln -sf y l; rmdir empty; \
                      echo file >empty; mkdir n; for i in $(seq 9); do echo $i >n/$i; done; rm -r d3; chmod 600 d1/f1";

/// Fills a disk to its last block or its last inode before each step.
fn fills_up(options: &str, fill: &str) {
    let holder = tempfile::tempdir().expect("a folder");
    let disk = holder.path().join("disk");
    let Some(_mount) = Mount::new(&["-t", "tmpfs", "-o", options, "fleet-test"], &disk) else {
        return;
    };
    let full = || shell(fill, &[&disk]);
    let empty = || shell("rm -rf \"$1/fill\"", &[&disk]);
    for step in [None, Some(Staged), Some(Prepare), Some(Forward), Some(Back)] {
        let mut host = Host::new(&[]);
        host.roots.push(disk.join("live"));
        let case = Case::in_host(host, MANY, OTHERS);
        let Some(step) = step else {
            full();
            let answer = case.host.begin();
            assert!(
                answer.status != Some(0) && answer.stderr.contains("No space left"),
                "{answer:?}"
            );
            assert!(!case.host.staging(0).exists() && !case.host.record().exists());
            case.is_untouched();
            empty();
            case.host.begin().ok();
            full();
            let answer = case.host.stage(0, Compression::None, &case.archive);
            assert!(
                answer.status == Some(1) && answer.stderr.contains("No space left"),
                "{answer:?}"
            );
            case.is_untouched();
            case.undo();
            empty();
            fs::remove_dir_all(case.root()).expect("a folder");
            continue;
        };
        case.before(step);
        full();
        if step != Back {
            let answer = case.host.step(step);
            let is_said = answer.stderr.contains("No space left");
            assert!(answer.status == Some(0) || is_said, "{answer:?}");
            if step != Forward {
                case.is_untouched();
            }
        }
        case.undo();
        empty();
        fs::remove_dir_all(case.root()).expect("a folder");
    }
}

#[test]
fn a_disk_that_is_full_leaves_the_way_back() {
    fills_up("size=4m", "! cat /dev/zero >\"$1/fill\" 2>/dev/null");
}

#[test]
fn a_disk_without_inodes_leaves_the_way_back() {
    fills_up(
        "size=40m,nr_inodes=600",
        "mkdir \"$1/fill\"; i=0; while echo >\"$1/fill/$i\"; do i=$((i + 1)); done 2>/dev/null || :",
    );
}

#[test]
fn what_cannot_be_changed_is_found_before_anything_is() {
    for (attribute, name, why) in [
        ("i", "file", "Operation not permitted"),
        ("a", "file", "Operation not permitted"),
        ("i", "d", "it is immutable"),
        ("a", "d", "it is immutable or append-only"),
        ("i", "meta", "it is immutable"),
        ("a", "meta", "it is immutable or append-only"),
    ] {
        let case = Case::new(
            "mkdir d; echo a >d/a; echo b >file; echo m >meta",
            "echo c >d/a; echo c >file; chmod 600 meta",
        );
        let path = case.root().join(name);
        if !has_attribute(&format!("+{attribute}"), &path) {
            return;
        }
        let answer = case.before(Prepare).host.step(Prepare);
        assert!(has_attribute(&format!("-{attribute}"), &path));
        assert!(
            matches!(answer.status, Some(17 | 1)),
            "{attribute} {name}: {answer:?}"
        );
        assert!(
            answer.stderr.contains(why),
            "{attribute} {name}: {answer:?}"
        );
        case.is_untouched();
        case.undo();
    }
}

#[test]
fn a_file_that_resists_in_the_middle_leaves_the_way_back() {
    let case = Case::new(
        "echo a >a; mkdir d; echo z >d/z",
        "echo b >a; echo y >d/z; echo n >d/new",
    );
    case.before(Forward);
    let directory = case.root().join("d");
    if !has_attribute("+i", &directory) {
        return;
    }
    case.host.step(Forward).refused(17, "it is immutable");
    assert_eq!(case.host.step(Back).ok(), ["at 0 ready"]);
    assert!(has_attribute("-i", &directory));
    case.undo();
}

#[test]
fn what_is_mounted_inside_is_never_touched() {
    // The mount table writes blanks and backslashes as numbers.
    let case = Case::new("mkdir 'd \\e'; echo a >'d \\e/a'", "echo b >'d \\e/a'");
    let elsewhere = case.host.folder().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::write(elsewhere.join("a"), "elsewhere").expect("a file");
    let point = case.root().join("d \\e");
    case.before(Prepare);
    {
        let Some(_mount) = Mount::new(&["-t", "tmpfs", "fleet-test"], &point) else {
            return;
        };
        fs::write(point.join("a"), "mounted").expect("a file");
        case.host
            .step(Prepare)
            .refused(17, "it is on another file system");
        assert_eq!(fs::read(point.join("a")).expect("a file"), b"mounted");
    }
    let Some(_mount) = Mount::new(&["--bind", &elsewhere.to_string_lossy()], &point) else {
        return;
    };
    case.host
        .step(Prepare)
        .refused(17, "something is mounted there");
    assert_eq!(fs::read(elsewhere.join("a")).expect("a file"), b"elsewhere");
    drop(_mount);
    case.undo();
}

#[test]
fn nothing_goes_through_a_link_or_a_file_that_is_in_the_way() {
    for step in [Prepare, Forward] {
        for is_link in [true, false] {
            let case = Case::new(
                "mkdir -p d/e; echo a >d/e/a; echo m >d/e/m",
                "echo b >d/e/a; chmod 600 d/e/m; echo n >d/e/n",
            );
            let (outside, aside) = (
                case.host.folder().join("outside"),
                case.host.folder().join("aside"),
            );
            shell(
                "mkdir -p \"$1/e\"; echo mine >\"$1/e/a\"; echo mine >\"$1/e/m\"",
                &[&outside],
            );
            let before = scan(&outside);
            case.before(step);
            let directory = case.root().join("d");
            fs::rename(&directory, &aside).expect("on one file system");
            if is_link {
                symlink(&outside, &directory).expect("a link");
            } else {
                fs::write(&directory, "a file").expect("a file");
            }
            case.host
                .step(step)
                .refused(17, "it is not a directory of this file system");
            assert_eq!(differences(&before, &scan(&outside)), Vec::<String>::new());
            fs::remove_file(&directory).expect("a link or file");
            fs::rename(&aside, &directory).expect("on one file system");
            case.undo();
        }
    }
}

#[test]
fn a_running_program_gets_its_attributes_and_its_successor() {
    let case = Case::new(
        "cp /bin/sleep one; cp /bin/sleep two",
        "chmod 700 one; touch -d @1234567890.5 one; echo new >two",
    );
    let running: Vec<Process> = ["one", "two"]
        .into_iter()
        .map(|name| {
            Process(
                Command::new(case.root().join(name))
                    .arg("600")
                    .spawn()
                    .expect("it starts"),
            )
        })
        .collect();
    let is_busy = |name: &str| {
        fs::OpenOptions::new()
            .write(true)
            .open(case.root().join(name))
            .is_err()
    };
    eventually("they run", || is_busy("one") && is_busy("two"));
    case.before(Forward).host.step(Forward).ok();
    assert_eq!(
        differences(&case.wanted, &scan(case.root())),
        Vec::<String>::new()
    );
    case.undo();
    drop(running);
}

#[test]
fn a_directory_that_holds_what_nobody_knows_is_not_removed() {
    let case = Case::new(
        "mkdir -p d/e; echo a >d/e/a; echo b >b",
        "rm -r d; echo c >b",
    );
    case.before(Forward);
    let own = case.root().join("d/e/own");
    fs::write(&own, "somebody's").expect("a file");
    case.host.step(Forward).refused(1, "Directory not empty");
    assert_eq!(case.host.step(Back).ok(), ["at 0 old"]);
    assert_eq!(fs::read(&own).expect("it is still there"), b"somebody's");
    assert_eq!(fs::read(case.root().join("b")).expect("a file"), b"b\n");
    case.host.step(Done).ok();
}

#[test]
fn a_root_that_cannot_be_one_is_refused() {
    let host = Host::new(&["link", "file", "missing"]);
    symlink("/etc", &host.roots[0]).expect("a link");
    fs::write(&host.roots[1], "").expect("a file");
    for (n, why) in [
        "link is a symbolic link",
        "file is not a directory",
        "missing is not a directory",
    ]
    .into_iter()
    .enumerate()
    {
        let mut one = Host::new(&[]);
        one.roots.push(host.roots[n].clone());
        one.begin().refused(17, why);
        assert!(!one.record().exists());
    }
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(mount) = Mount::new(
        &["-t", "tmpfs", "-o", "ro", "fleet-test"],
        &folder.path().join("disk"),
    ) {
        let mut one = Host::new(&[]);
        one.roots.push(mount.0.clone());
        one.begin().refused(1, "Read-only file system");
        assert!(!one.record().exists());
    }
}

#[test]
fn tools_that_only_look_like_gnu_are_refused() {
    for (name, script, why) in [
        (
            "cp",
            "exec busybox cp \"$@\"",
            "cp is not the GNU tool that a restore needs",
        ),
        (
            "cp",
            "case $1 in -RPlfT) shift; exec /bin/cp -RPlf \"$@\" ;; *) exec /bin/cp \"$@\" ;; esac",
            "cp is not the GNU tool",
        ),
        (
            "ln",
            "exec busybox ln \"$@\"",
            "ln is not the GNU tool that a restore needs",
        ),
        (
            "tar",
            "exec busybox tar \"$@\"",
            "tar is not the GNU tool that a restore needs",
        ),
        ("find", "exec busybox find \"$@\"", "find"),
    ] {
        let host = Host::new(&["root"]).with_tool(name, script);
        fs::create_dir(&host.roots[0]).expect("a folder");
        let before = scan(&host.roots[0]);
        let answer = host.begin();
        if installed("busybox").is_some() {
            answer.refused(11, why);
            assert_eq!(
                differences(&before, &scan(&host.roots[0])),
                Vec::<String>::new(),
                "{name}"
            );
            assert!(!host.staging(0).exists() && !host.record().exists());
        }
    }
}

/// An account that is not root restores what is its own, where it may not write its own directories either.
#[test]
fn an_account_restores_what_is_its_own() {
    if !rustix::process::geteuid().is_root() {
        return not_here("only root runs a command as another account");
    }
    let host = Host::new(&["live"]).of_nobody();
    let case = Case::in_host(
        host,
        "mkdir d; echo a >d/a; echo m >d/m; chmod 444 d/m; ln -s x d/l; chown -R 65534:65534 .; chmod 555 d",
        "echo b >d/a; echo n >d/n; ln -sf y d/l; chmod 400 d/m; touch -d @1234567890 d/m; chown -hR 65534:65534 .; chmod 755 .",
    );
    case.before(Forward).host.step(Forward).ok();
    assert_eq!(
        differences(&case.wanted, &scan(case.root())),
        Vec::<String>::new()
    );
    case.undo();
}

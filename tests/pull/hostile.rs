//! Hosts that answer what they should not: nothing of it gets out of the store's folder, the part
//! has failed, and what they said is shown harmlessly.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{HostFixture, program};
use crate::support::tree;

/// One member of an archive, as no honest tar would write it.
fn member(name: &str, kind: u8, link: &str, size: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &name.as_bytes()[..name.len().min(100)]);
    put(100, b"0000755\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, size.as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &str, content: &str) -> Vec<u8> {
    let size = format!("{:011o}\0", content.len());
    member(name, b'0', "", &size, content.as_bytes())
}

fn directory(name: &str) -> Vec<u8> {
    member(name, b'5', "", "00000000000\0", b"")
}

fn link(name: &str, target: &str) -> Vec<u8> {
    member(name, b'2', target, "00000000000\0", b"")
}

/// A pax header with one record for the member that follows.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len() + 1;
    while format!("{length}{rest}").len() != length {
        length += 1;
    }
    let record = format!("{length}{rest}");
    let size = format!("{:011o}\0", record.len());
    member("pax", b'x', "", &size, record.as_bytes())
}

/// The end of an archive.
fn end() -> Vec<u8> {
    vec![0; 1024]
}

/// A host whose tar sends the file `archive`, then does what `after` says.
fn with_tar() -> Option<HostFixture> {
    let scene = HostFixture::with_tools(|folder| {
        let script = format!(
            "case \"$*\" in *--version*) echo 'tar (GNU tar) 1.34'; exit 0;; esac\n\
             cat '{0}/archive'; . '{0}/after'",
            folder.display()
        );
        program(folder, "tar", &script);
    })?;
    tree::fill(&scene.tree, &[("a", "1"), ("b", "2")]);
    Some(scene)
}

/// Lets the host's tar send this.
fn send(scene: &HostFixture, archive: &[Vec<u8>], after: &str) {
    fs::write(scene.tools().join("archive"), archive.concat()).expect("an archive");
    fs::write(scene.tools().join("after"), after).expect("a script");
}

/// The name of a member that was asked for.
fn asked(scene: &HostFixture, name: &str) -> String {
    let path = scene.tree.join(name);
    path.display()
        .to_string()
        .trim_start_matches('/')
        .to_owned()
}

#[test]
fn no_archive_that_a_host_makes_up_is_taken_for_a_checkpoint() {
    let Some(scene) = with_tar() else { return };
    let root = asked(&scene, "").trim_end_matches('/').to_owned();
    let (a, b) = (asked(&scene, "a"), asked(&scene, "b"));
    let canary = scene.fleet.folder().join("canary");
    let evil = canary.display().to_string();
    let begin = [directory(&root), file(&a, "1")].concat();
    let huge = member(&b, b'0', "", "77777777777\0", b"short");
    let cases: Vec<(&str, Vec<Vec<u8>>, &str)> = vec![
        (
            "an absolute name",
            vec![begin.clone(), file(&evil, "x"), end()],
            "exit 0",
        ),
        (
            "dots upwards",
            vec![begin.clone(), file(&format!("{root}/../../x"), "x"), end()],
            "exit 0",
        ),
        ("only dots", vec![file("../../../x", "x"), end()], "exit 0"),
        (
            "a file through a link",
            vec![
                directory(&root),
                link(&a, "/tmp"),
                file(&format!("{a}/x"), "x"),
                end(),
            ],
            "exit 0",
        ),
        (
            "a root that is a link",
            vec![link(&root, "/tmp"), file(&a, "1"), file(&b, "2"), end()],
            "exit 0",
        ),
        (
            "an unasked member",
            vec![begin.clone(), file("etc/shadow", "x"), file(&b, "2"), end()],
            "exit 0",
        ),
        ("a huge size", vec![begin.clone(), huge], "exit 0"),
        (
            "a pax size that lies",
            vec![
                begin.clone(),
                pax("size", "9223372036854775807"),
                file(&b, "2"),
                end(),
            ],
            "exit 0",
        ),
        (
            "a pax size beyond numbers",
            vec![
                begin.clone(),
                pax("size", "99999999999999999999999"),
                file(&b, "2"),
                end(),
            ],
            "exit 0",
        ),
        (
            "a pax path that leads away",
            vec![begin.clone(), pax("path", &evil), file(&b, "2"), end()],
            "exit 0",
        ),
        (
            "a hard link that leads away",
            vec![
                begin.clone(),
                member(&b, b'1', "etc/passwd", "00000000000\0", b""),
                end(),
            ],
            "exit 0",
        ),
        (
            "a member twice",
            vec![begin.clone(), file(&a, "other"), file(&b, "2"), end()],
            "exit 0",
        ),
        (
            "a truncated archive",
            vec![begin.clone(), file(&b, "2")[..512].to_vec()],
            "exit 0",
        ),
        ("no end", vec![begin.clone(), file(&b, "2")], "exit 0"),
        ("nothing", vec![], "exit 0"),
        ("nothing and an error", vec![], "exit 2"),
        ("an empty archive", vec![end()], "exit 0"),
        ("garbage", vec![tree::noise(100_000)], "exit 0"),
        ("half", vec![begin.clone(), end()], "exit 0"),
        ("half and an error", vec![begin.clone(), end()], "exit 1"),
        (
            "an unknown kind",
            vec![
                begin.clone(),
                member(&b, b'Z', "", "00000000000\0", b""),
                end(),
            ],
            "exit 0",
        ),
        (
            "a death by signal",
            vec![begin, file(&b, "2"), end()],
            "kill -9 $$",
        ),
    ];
    for (what, archive, after) in cases {
        send(&scene, &archive, after);
        let ran = scene.fleet.checkpoint(&["web"]);
        assert_eq!(ran.exit, Some(3), "{what}\n{}\n{}", ran.stdout, ran.stderr);
        assert_eq!(ran.state(), "partial", "{what}");
        assert_eq!(ran.failed().len(), 1, "{what}: {:?}", ran.failed());
        assert!(!ran.hints()[0].is_empty(), "{what}");
        let id = ran.id();
        let out = scene.fleet.folder().join(what.replace(' ', "-"));
        let target = format!("{}/", out.display());
        if ran.checkpoint()["files"] != 0 {
            let exported = scene.fleet.run(&["export", &id, "-o", &target]);
            assert_eq!(exported.exit, Some(0), "{what}: {}", exported.stderr);
            assert_beneath(&out, &scene.tree, what);
        }
        assert!(!canary.exists(), "{what}");
        scene.fleet.assert_verified();
    }
}

/// An exported folder holds just what was asked for, with its true content.
fn assert_beneath(out: &Path, tree: &Path, what: &str) {
    let tree = tree::beneath(Path::new(""), tree);
    for (path, facts) in tree::describe(out) {
        let above = tree.starts_with(&path);
        let known = [PathBuf::from("a"), PathBuf::from("b")]
            .iter()
            .any(|name| path == tree.join(name));
        assert!(above || known, "{what}: {path:?} {facts}");
    }
}

#[test]
fn what_a_host_says_cannot_steer_the_terminal() {
    let Some(scene) = with_tar() else { return };
    send(
        &scene,
        &[],
        "printf 'tar: \\033[2J\\033]0;owned\\007 boom\\r\\n' >&2; exit 2",
    );
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.failed().len(), 1, "{:?}", ran.failed());
    for text in [&ran.stderr, &ran.stdout] {
        assert!(
            !text.chars().any(|c| c.is_control() && c != '\n'),
            "{text:?}"
        );
        assert!(!text.contains("\\u001b"), "{text}");
    }
    assert!(ran.stderr.contains("boom"), "{}", ran.stderr);
}

/// A host whose find answers with a script.
fn with_find() -> Option<HostFixture> {
    let scene = HostFixture::with_tools(|folder| {
        let script = format!(
            "case \"$*\" in *--version*) echo 'find (GNU findutils) 4.9'; exit 0;; *' -maxdepth 0 '*) exec /usr/bin/find \"$@\";; esac\n. '{}/answer'",
            folder.display()
        );
        program(folder, "find", &script);
    })?;
    tree::fill(&scene.tree, &[("a", "1")]);
    Some(scene)
}

#[test]
fn no_listing_that_a_host_makes_up_is_taken_for_a_scan() {
    let Some(scene) = with_find() else { return };
    let root = scene.tree.display();
    let record = |kind: &str, path: &str| {
        format!("printf '{kind} 644 0 0 1 1700000000.5 1700000000.5 7 8 1 8 {path}\\0\\0'")
    };
    let begin = record("d", &root.to_string());
    let cases: Vec<(&str, String)> = vec![
        (
            "a relative path",
            format!("{begin}; {}", record("f", "etc/shadow")),
        ),
        (
            "a path outside",
            format!("{begin}; {}", record("f", "/etc/shadow")),
        ),
        (
            "a path upwards",
            format!(
                "{begin}; {}",
                record("f", &format!("{root}/../../etc/shadow"))
            ),
        ),
        (
            "paths outside without end",
            format!("{begin}; while :; do {}; done", record("f", "/etc/shadow")),
        ),
        ("garbage", "echo garbage".to_owned()),
        ("garbage without end", "yes garbage".to_owned()),
        ("zeros without end", "cat /dev/zero".to_owned()),
        ("half a record", format!("{begin}; printf 'f 644 0'")),
        ("nothing", "exit 0".to_owned()),
        ("nothing and an error", "exit 3".to_owned()),
        ("a death by signal", format!("{begin}; kill -9 $$")),
    ];
    for (what, answer) in cases {
        fs::write(scene.tools().join("answer"), answer).expect("a script");
        let ran = scene.fleet.checkpoint(&["web"]);
        assert_eq!(ran.exit, Some(3), "{what}\n{}\n{}", ran.stdout, ran.stderr);
        assert_eq!(ran.failed().len(), 1, "{what}: {:?}", ran.failed());
        assert!(!ran.hints()[0].is_empty(), "{what}");
        assert_eq!(ran.checkpoint()["files"], 0, "{what}");
        scene.sshd.wait_until_idle();
    }
    scene.fleet.assert_verified();
}

#[test]
fn a_find_that_never_answers_ends_at_the_limit() {
    let Some(scene) = with_find() else { return };
    fs::write(scene.tools().join("answer"), "exec sleep 1000").expect("a script");
    let mut host = scene.host(scene.app());
    host["stall_timeout"] = json!("1s");
    scene.describe(host);
    let ran = scene.fleet.checkpoint(&["web"]).exits(5);
    assert_eq!(
        ran.failed(),
        [
            "web -: the connection to web was lost before anything had arrived: web sent nothing for 1 s"
        ]
    );
    // The host is alive, just its find is not: what was begun there ends all the same.
    scene.sshd.wait_until_idle();
}

#[test]
fn a_find_that_never_answers_takes_no_other_source_with_it() {
    let Some(scene) = with_find() else { return };
    let hung = scene.sshd.folder().join("hung");
    tree::fill(&hung, &[("a", "1")]);
    fs::write(
        scene.tools().join("answer"),
        "case \"$*\" in */hung*) exec sleep 1000;; esac\nexec /usr/bin/find \"$@\"",
    )
    .expect("a script");
    let mut host = scene.host(json!({
        "app": { "directory": scene.tree },
        "hung": { "directory": hung },
        "later": { "directory": scene.tree },
    }));
    host["stall_timeout"] = json!("1s");
    scene.describe(host);
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.failed(), ["web hung: web sent nothing for 1 s"]);
    scene.assert_holds_tree(&ran.id());
    scene.sshd.wait_until_idle();
}

#[test]
fn a_tar_that_falls_silent_leaves_what_arrived() {
    let Some(scene) = with_tar() else { return };
    let root = asked(&scene, "").trim_end_matches('/').to_owned();
    let begin = [directory(&root), file(&asked(&scene, "a"), "1")].concat();
    // What arrives last is held back, for it might be the end of the command's output.
    let mut next = file(&asked(&scene, "b"), &"2".repeat(400_000));
    next.truncate(300_000);
    // What this tar waits for comes when the test has ended.
    send(&scene, &[begin, next], "exec sleep 20");
    let mut host = scene.host(scene.app());
    host["stall_timeout"] = json!("1s");
    scene.describe(host);
    let ran = scene.fleet.checkpoint(&["web"]).exits(3);
    assert_eq!(ran.failed(), ["web app: web sent nothing for 1 s"]);
    assert_eq!(ran.checkpoint()["files"], 1);
    scene.fleet.assert_verified();
}

#[test]
fn a_chatty_login_shell_is_no_part_of_the_data() {
    let home = tempfile::tempdir().expect("a folder");
    fs::write(
        home.path().join(".bashrc"),
        "echo 'Welcome to web!'; printf 'no newline \\033[31m'; echo noise >&2\n",
    )
    .expect("a .bashrc");
    let Some(scene) = HostFixture::with(crate::support::sshd::Sshd::builder().home(home.path()))
    else {
        return;
    };
    tree::make_hostile(&scene.tree);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.assert_holds_tree(&ran.id());
}

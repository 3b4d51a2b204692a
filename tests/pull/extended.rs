//! Extended attributes, ACLs and file capabilities: from a host's files to those of an export, and what
//! is said when they change.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::HostFixture;
use super::busybox::with_busybox;
use super::incremental::{fetched, pull, rest};
use crate::cli::schema::flaws;
use crate::support::disk::SmallDisk;
use crate::support::sshd::installed;
use crate::support::tree;

/// The tools of the packages attr, acl and libcap2-bin, and root, who alone sets capabilities.
fn can_set() -> bool {
    let tools = ["setfattr", "getfattr", "setfacl", "getfacl", "setcap"];
    let has_tools = tools.iter().all(|tool| installed(tool).is_some());
    has_tools && rustix::process::geteuid().is_root()
}

/// Runs `script` in `folder`.
fn sh(folder: &Path, script: &str) -> String {
    let output = Command::new("bash")
        .args(["-euc", script])
        .current_dir(folder)
        .env("LC_ALL", "C")
        .env(
            "PATH",
            format!(
                "{}:/usr/sbin:/sbin",
                std::env::var("PATH").unwrap_or_default()
            ),
        )
        .output()
        .expect("bash runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All attributes beneath `root`, ACLs and capabilities among them, as text that can be compared.
fn attributes(root: &Path) -> Vec<String> {
    let text = sh(root, "getfattr -R -h -P -d -m - -e hex . 2>/dev/null");
    let mut files: Vec<String> = text.split("\n\n").map(str::to_owned).collect();
    files.sort();
    files
}

fn set_xattr(path: &Path, name: &[u8], value: &[u8]) {
    let name = OsStr::from_bytes(name);
    rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty()).expect("set");
}

/// Files with everything that tar carries, and names of attributes that are hard to write down.
fn fill(root: &Path) {
    tree::fill(
        root,
        &[
            ("conf", "a=1\n"),
            ("tool", "#!\n"),
            ("d/in", "in\n"),
            ("plain", "p\n"),
        ],
    );
    symlink("conf", root.join("link")).expect("a link");
    fs::hard_link(root.join("conf"), root.join("d/conf")).expect("a link");
    for (name, value) in [
        (&b"user.plain"[..], &b"value"[..]),
        (b"user.new\nline", b"\0nul\n= and = equals\n"),
        (b"user.a=b", b""),
        (b"user.per%cent%3D", b"%3D"),
        (b"user.\xff\x01", b"\xff"),
    ] {
        set_xattr(&root.join("conf"), name, value);
    }
    set_xattr(&root.join("link"), b"trusted.link", b"of the link");
    sh(
        root,
        "setfacl -m u:nobody:rw,g:daemon:r,u:3123456:x conf; chmod 0600 plain; setfacl -m u:nobody:rwx plain
         setfacl -m u:nobody:rwx,d:u:nobody:rwx,d:g::r-x d; setcap cap_net_bind_service+ep tool
         mkfifo pipe; setfacl -m u:nobody:r pipe",
    );
}

#[test]
fn a_folder_and_an_archive_have_what_the_host_has() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    if !can_set() {
        return;
    }
    fill(&scene.tree);
    let ran = pull(&scene);
    let wanted = attributes(&scene.tree);
    assert!(wanted.len() >= 6, "{wanted:?}");
    let folder = scene.tree_in(&scene.fleet.exported(&ran.id()));
    assert_eq!(attributes(&folder), wanted);
    assert_eq!(
        sh(&folder, "getfacl -R -n -P ."),
        sh(&scene.tree, "getfacl -R -n -P .")
    );

    let archive = scene.sshd.folder().join("x.tar");
    let name = archive.to_str().expect("text");
    let exported = scene.fleet.run(&["export", &ran.id(), "-o", name]);
    assert_eq!(exported.exit, Some(0), "{}", exported.stderr);
    let out = scene.sshd.folder().join("out");
    fs::create_dir(&out).expect("a folder");
    sh(
        &out,
        "tar --xattrs --xattrs-include='*' --acls -xpf ../x.tar",
    );
    assert_eq!(attributes(&tree::beneath(&out, &scene.tree)), wanted);
    scene.fleet.assert_verified();
}

#[test]
fn large_values_come_and_go_whole() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    let Some(disk) = SmallDisk::mount("16m") else {
        return;
    };
    let values = disk.path().join("tree");
    fs::create_dir(&values).expect("a folder");
    fs::write(values.join("file"), "content").expect("a file");
    let value = tree::noise(60 << 10);
    let large = rustix::fs::lsetxattr(
        values.join("file"),
        "user.large",
        &value,
        rustix::fs::XattrFlags::empty(),
    );
    // Kernels before 6.6 have no such attributes there.
    if large == Err(rustix::io::Errno::NOTSUP) {
        return;
    }
    large.expect("set");
    scene.sources(serde_json::json!({ "app": { "directory": values } }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    let out = disk.path().join("out");
    let name = format!("{}/", out.display());
    let exported = scene.fleet.run(&["export", &ran.id(), "-o", &name]);
    assert_eq!(exported.exit, Some(0), "{}", exported.stderr);
    let mut found = vec![0; 64 << 10];
    let file = tree::beneath(&out, &values).join("file");
    let length = rustix::fs::lgetxattr(file, "user.large", &mut found[..]).expect("there");
    assert!(found[..length] == value);
}

/// `metadata conf: acl xattrs` of each change.
fn told(scene: &HostFixture, arguments: &[&str]) -> Vec<String> {
    let ran = scene
        .fleet
        .run(&[&["--json", "diff"], arguments].concat())
        .exits(0);
    let document: Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(flaws("diff", &document), Vec::<String>::new());
    assert_eq!(document["notes"], serde_json::json!([]));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let changes = document["changes"].as_array().expect("a list").iter();
    changes
        .map(|change| {
            let path = text(&change["path"]);
            let path = path.trim_start_matches(scene.tree.to_str().expect("text"));
            let differs = change["differs"].as_array().cloned().unwrap_or_default();
            let differs: Vec<String> = differs.iter().map(|it| text(&it["attribute"])).collect();
            format!("{} {path}: {}", text(&change["change"]), differs.join(" "))
        })
        .collect()
}

#[test]
fn a_change_of_each_class_shows_live_and_between_checkpoints_and_in_the_log() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    if !can_set() {
        return;
    }
    fill(&scene.tree);
    let first = pull(&scene).id();
    assert_eq!(told(&scene, &[&first, "--live"]), Vec::<String>::new());
    rest(&scene);
    sh(
        &scene.tree,
        "setfattr -n user.plain -v other conf; setfacl -b plain; chmod 0670 plain
         setcap -r tool; setfattr -h -n trusted.link -v new link; setfacl -k d; setfacl -m u:nobody:rw pipe
         touch -r d/in d/in",
    );
    let expected = [
        // Both names of the file, for it is one.
        "metadata /conf: xattrs",
        "metadata /d: acl",
        "metadata /d/conf: xattrs",
        "metadata /link: xattrs",
        "metadata /pipe: mode acl",
        "metadata /plain: acl",
        "metadata /tool: capabilities",
    ];
    assert_eq!(told(&scene, &[&first, "--live"]), expected);
    let second = pull(&scene);
    assert_eq!(told(&scene, &[&first, &second.id()]), expected);
    let ran = scene.fleet.run(&["diff", &first, &second.id()]).exits(0);
    for (name, words) in [
        ("conf", "extended attributes changed"),
        ("plain", "ACL removed"),
        ("tool", "capabilities removed"),
    ] {
        let line = format!("metadata  {}  {words}\n", scene.tree.join(name).display());
        assert!(ran.stdout.contains(&line), "{line}{}", ran.stdout);
    }
    let tool = scene.tree.join("tool");
    let ran = scene
        .fleet
        .run(&["log", tool.to_str().expect("text")])
        .exits(0);
    assert!(
        ran.stdout.contains("capabilities removed"),
        "{}",
        ran.stdout
    );
    let third = pull(&scene);
    assert_eq!(fetched(&third), 0);
    assert_eq!(
        told(&scene, &[&second.id(), &third.id()]),
        Vec::<String>::new()
    );
}

#[test]
fn what_is_too_large_to_be_fetched_for_a_comparison_is_named() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    if !can_set() {
        return;
    }
    tree::fill(&scene.tree, &[("small", "s")]);
    let large = fs::File::create(scene.tree.join("large")).expect("a file");
    large.set_len(9 << 20).expect("a length");
    drop(large);
    pull(&scene);
    rest(&scene);
    sh(&scene.tree, "setfattr -n user.a -v 1 small large");
    let ran = scene.fleet.run(&["diff", "web@latest", "--live"]).exits(0);
    assert!(
        ran.stdout.contains("/small  extended attributes added\n"),
        "{}",
        ran.stdout
    );
    let note = format!(
        "ACLs, capabilities and extended attributes of 1 entry are not compared, which only a checkpoint \
         does: {}/large",
        scene.tree.display()
    );
    assert!(ran.stderr.contains(&note), "{}", ran.stderr);
}

/// A host whose tar sends none: whether there are any is not known, and nothing of it is a change.
#[test]
fn what_a_tar_does_not_send_is_unknown_and_no_change() {
    let Some(scene) = with_busybox() else { return };
    if !can_set() {
        return;
    }
    tree::fill(&scene.tree, &[("conf", "a=1\n")]);
    // Such a tar knows whole seconds.
    sh(
        &scene.tree,
        "setfattr -n user.a -v 1 conf; touch -d 2026-11-21 conf .",
    );
    let first = scene.fleet.checkpoint(&["web"]).exits(0).id();
    for name in ["find", "tar", "cat", "head", "date", "df"] {
        fs::remove_file(scene.tools().join(name)).expect("removed");
    }
    let second = scene.fleet.checkpoint(&["web", "--full"]).exits(0).id();
    assert_eq!(told(&scene, &[&first, &second]), Vec::<String>::new());
    rest(&scene);
    sh(&scene.tree, "setfattr -n user.a -v 2 conf");
    let third = scene.fleet.checkpoint(&["web"]).exits(0).id();
    assert_eq!(told(&scene, &[&second, &third]), ["metadata /conf: xattrs"]);
}

#[test]
fn lines_of_a_file_keep_its_acl_and_no_other_attribute() {
    let Some(scene) = HostFixture::start() else {
        return;
    };
    if !can_set() {
        return;
    }
    tree::fill(&scene.tree, &[("env", "A=1\nB=2\n")]);
    fs::set_permissions(scene.tree.join("env"), fs::Permissions::from_mode(0o600)).expect("mode");
    sh(&scene.tree, "setfacl -m u:nobody:rw env");
    let wanted = attributes(&scene.tree);
    sh(&scene.tree, "setfattr -n user.secret -v B=2 env");
    scene.sources(serde_json::json!({
        "app": { "files": scene.tree.join("env"), "lines": "^A" }
    }));
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    let out = scene.tree_in(&scene.fleet.exported(&ran.id()));
    assert_eq!(attributes(&out), wanted);
    assert_eq!(
        sh(&out, "cat env; getfacl -n env"),
        sh(&scene.tree, "echo A=1; getfacl -n env")
    );
}

/// The extended metadata of `conf` and `d` as one of the tars sends it.
fn sent(root: &Path, tar: &str) -> Vec<fleet::manifest::Extended> {
    use fleet::tarstream::{Event, MemberStream};
    sh(root, &format!("{tar} ../x.tar conf d"));
    let archive = fs::File::open(root.join("../x.tar")).expect("an archive");
    let mut stream = MemberStream::new(archive);
    let mut found = Vec::new();
    loop {
        match stream.next().expect("an archive") {
            Event::End(member) => found.push(member.extended),
            Event::Begin { .. } | Event::Data(_) | Event::Hole(_) => {}
            Event::Finished => return found,
        }
    }
}

#[test]
fn gnu_tar_and_bsdtar_tell_the_same() {
    if !can_set() || installed("bsdtar").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("tree");
    fs::create_dir(&root).expect("a folder");
    fill(&root);
    let gnu = sent(
        &root,
        "tar --format=posix --xattrs --acls --no-recursion -cf",
    );
    assert!(gnu.iter().all(|extended| !extended.is_empty()), "{gnu:?}");
    assert_eq!(sent(&root, "bsdtar --format pax -n -cf"), gnu);
}

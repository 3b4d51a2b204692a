//! A `tar` that sends something else than the host has: it fails the part. What really changed
//! between scan and fetch does not.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::{HostFixture, program};
use crate::support::sshd::installed;
use crate::support::tree;

/// A host whose `tar` does `before` and adds `options` to what fleet asks for.
fn with_wrapped_tar() -> Option<HostFixture> {
    let tar = installed("tar")?;
    let scene = HostFixture::with_tools(|folder| {
        fs::write(folder.join("options"), "").expect("a file");
        fs::write(folder.join("before"), "").expect("a file");
        let script = format!(
            "case \"$*\" in *--version*) ;; *) . '{0}/before'; set -- $(cat '{0}/options') \"$@\";; esac\n\
             exec {1} \"$@\"",
            folder.display(),
            tar.display()
        );
        program(folder, "tar", &script);
    })?;
    tree::fill(
        &scene.tree,
        &[("a", "content"), ("b/c", "more"), ("d", "rest")],
    );
    for (name, mode) in [("a", 0o640), ("d", 0o4755)] {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(scene.tree.join(name), mode).expect("mode");
    }
    symlink("a", scene.tree.join("link")).expect("a link");
    fs::hard_link(scene.tree.join("a"), scene.tree.join("hard")).expect("a hard link");
    Some(scene)
}

fn set(scene: &HostFixture, options: &str, before: &str) {
    fs::write(scene.tools().join("options"), options).expect("a file");
    fs::write(scene.tools().join("before"), before).expect("a file");
}

#[test]
fn a_tar_that_alters_entries_fails_the_part_and_they_are_named() {
    let Some(scene) = with_wrapped_tar() else {
        return;
    };
    let tree = scene.tree.display().to_string();
    let facts = fs::metadata(scene.tree.join("a")).expect("it is there");
    let owner = format!("{}:{}", facts.uid(), facts.gid());
    let time = format!(
        "time 5 instead of {}.{:09}",
        facts.mtime(),
        facts.mtime_nsec()
    );
    for (options, says) in [
        (
            "--mode=0777",
            format!("{tree}/a (mode 0777 instead of 0640)"),
        ),
        (
            "--mode=u-s",
            format!(
                "tar sent an entry that differs from the host: {tree}/d (mode 0755 instead of 4755)"
            ),
        ),
        (
            "--owner=:4711 --group=:4712",
            format!("{tree}/a (owner 4711:4712 instead of {owner})"),
        ),
        ("--mtime=@5", format!("{tree}/a ({time})")),
        (
            "-h",
            format!("{tree}/link (a file instead of a symbolic link)"),
        ),
        (
            "--hard-dereference",
            format!("{tree}/hard (a file of its own instead of a hard link to {tree}/a)"),
        ),
        (
            "--mode=0777 --mtime=@5",
            format!("{tree}/a (mode 0777 instead of 0640, {time})"),
        ),
    ] {
        set(&scene, options, "");
        let ran = scene.fleet.checkpoint(&["--full", "web"]).exits(3);
        assert_eq!(ran.state(), "partial", "{options}");
        let failed = ran.failed();
        assert_eq!(failed.len(), 1, "{options}: {failed:?}");
        assert!(
            failed[0].starts_with("web app: tar sent "),
            "{options}: {failed:?}"
        );
        assert!(failed[0].contains(&says), "{options}: {says}\n{failed:?}");
        assert!(ran.hints()[0].contains("TAR_OPTIONS"), "{:?}", ran.hints());
        scene.fleet.assert_verified();
    }
    set(&scene, "--exclude=*/d", "");
    let ran = scene.fleet.checkpoint(&["--full", "web"]).exits(3);
    assert_eq!(
        ran.failed(),
        [format!(
            "web app: 1 of the entries did not arrive: {tree}/d"
        )]
    );
    // Nothing that was altered is taken over once tar does as it is asked.
    set(&scene, "", "");
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.assert_holds_tree(&ran.id());
}

#[test]
fn what_changes_between_scan_and_fetch_is_fetched_again_next_time() {
    let Some(scene) = with_wrapped_tar() else {
        return;
    };
    let tree = scene.tree.display().to_string();
    // Each in another way: grown, another mode, another time, replaced by a link, gone, and a new one.
    let before = format!(
        "cd '{tree}' && echo more >> a && chmod 600 b/c && touch -d @5 b && \
         rm d && ln -s a d && rm link && touch new"
    );
    set(&scene, "", &before);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.failed(), Vec::<String>::new());
    set(&scene, "", "");
    scene.fleet.assert_verified();
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    scene.assert_holds_tree(&ran.id());
}

#[test]
fn more_entries_than_one_command_takes_may_change_meanwhile() {
    let Some(scene) = with_wrapped_tar() else {
        return;
    };
    let names: Vec<String> = (0..200)
        .map(|number| format!("many/{number:0100}"))
        .collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    tree::fill(&scene.tree, &files);
    let before = format!("chmod 600 '{}'/many/*", scene.tree.display());
    set(&scene, "", &before);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
    // Behind all that changed there is one that did not.
    tree::fill(&scene.tree, &[("z", "last")]);
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(scene.tree.join("z"), mode).expect("mode");
    fs::set_permissions(scene.tree.join("d"), fs::Permissions::from_mode(0o755)).expect("mode");
    set(&scene, "--mode=u-s", &before.replace("600", "644"));
    let ran = scene.fleet.checkpoint(&["--full", "web"]).exits(3);
    let z = scene.tree.join("z");
    assert_eq!(
        ran.failed(),
        [format!(
            "web app: tar sent an entry that differs from the host: {} (mode 0755 instead of 4755)",
            z.display()
        )]
    );
    set(&scene, "", "");
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    scene.assert_holds_tree(&ran.id());
}

#[test]
fn a_tar_of_whole_seconds_alters_nothing() {
    let Some(busybox) = installed("busybox") else {
        return;
    };
    let Some(scene) = HostFixture::with_tools(|folder| {
        symlink(&busybox, folder.join("tar")).expect("a link");
    }) else {
        return;
    };
    tree::fill(&scene.tree, &[("a", "content"), ("b/c", "more")]);
    fs::hard_link(scene.tree.join("a"), scene.tree.join("hard")).expect("a hard link");
    symlink("a", scene.tree.join("link")).expect("a link");
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stdout);
}

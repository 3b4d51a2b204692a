//! What a host lacks that files alone don't bring: users, groups and packages, in the plan with their commands.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use serde_json::json;

use super::fixture::{plan, pull, restore, start_with_tools, summary};
use crate::support::not_here;
use crate::support::sshd::installed;

/// A host that has forgotten the user and the group `games`, and others that no machine has.
fn forgetful(folder: &Path) {
    let file = folder.join("getent");
    let script =
        "#!/bin/sh\ncase $2 in games | fleet-*) exit 2 ;; *) exec /usr/bin/getent \"$@\" ;; esac\n";
    fs::write(&file, script).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
    // Its `/var/lib` is empty; what is installed is written down here.
    let database = folder.join("dpkg");
    fs::create_dir_all(database.join("updates")).expect("a folder");
    fs::create_dir_all(database.join("info")).expect("a folder");
    let status = "Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\
                  Maintainer: nobody\nDescription: a test\n\n\
                  Package: fleet-none\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n\
                  Maintainer: nobody\nDescription: a test\n";
    fs::write(database.join("status"), status).expect("a file");
    let file = folder.join("dpkg-query");
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/dpkg-query --admindir='{}' \"$@\"\n",
        database.display()
    );
    fs::write(&file, script).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("mode");
}

#[test]
fn the_plan_has_the_commands_that_make_what_is_missing() {
    let is_root = rustix::process::geteuid().is_root();
    let has_all = ["dpkg-query", "apt-get", "useradd", "getent"]
        .iter()
        .all(|tool| installed(tool).is_some());
    if !is_root || !has_all {
        not_here("only root on a machine with apt gives files to others and asks for packages");
        return;
    }
    let Some(host) = start_with_tools(forgetful) else {
        return;
    };
    let file = host.tree.join("file");
    fs::write(&file, "one").expect("a file");
    chown(&file, Some(5), Some(60)).expect("games");
    let mut web = host.host(host.app());
    web["use"] = json!(["fresh"]);
    let inventory = json!({
        "version": 1,
        "profiles": { "fresh": {
            "packages": ["dpkg", "fleet-none"],
            "users": [
                { "name": "fleet-app", "uid": 4242, "groups": ["daemon", "fleet-group"], "home": "/srv/app" },
                { "name": "daemon", "uid": 4343 },
            ],
        } },
        "hosts": { "web": web },
    });
    host.fleet.write_inventory(&inventory.to_string());
    pull(&host);
    fs::write(&file, "two").expect("a file");
    let shown = plan(&host, &[], 0);
    let lack = |name: &str, declared: bool, command: &str| json!({ "name": name, "declared": declared, "command": command });
    assert_eq!(
        shown["bootstrap"],
        json!({
            "packages": [lack("fleet-none", true, "apt-get install -y fleet-none")],
            "groups": [lack("fleet-group", true, "groupadd --system fleet-group")],
            "users": [
                lack(
                    "fleet-app",
                    true,
                    "useradd --uid 4242 --user-group --groups daemon,fleet-group --create-home --home-dir /srv/app fleet-app"
                ),
                lack("games", false, "useradd --system --user-group --no-create-home games"),
            ],
        })
    );
    let warnings = shown["warnings"].to_string();
    assert!(
        warnings.contains("user daemon has the number 1 on the host, and 4343 in the inventory"),
        "{warnings}"
    );
    let text = host.fleet.run(&["restore", "web@latest", "--dry-run"]);
    let section = "missing on the host, and not made by this restore (--bootstrap makes what the inventory declares); as root:\n  apt-get install -y fleet-none\n  groupadd";
    assert!(text.stdout.contains(section), "{}", text.stdout);
    // It is no reason not to restore.
    summary(restore(&host, &[]), 0);
    assert_eq!(fs::read(&file).expect("a file"), b"one");
}

#[test]
fn a_host_that_lacks_nothing_is_told_of_nothing() {
    let Some(host) = start_with_tools(|_| ()) else {
        return;
    };
    fs::write(host.tree.join("file"), "one").expect("a file");
    pull(&host);
    fs::write(host.tree.join("file"), "two").expect("a file");
    let shown = plan(&host, &[], 0);
    let nothing = json!({ "packages": [], "groups": [], "users": [] });
    assert_eq!(shown["bootstrap"], nothing);
    let text = host.fleet.run(&["restore", "web@latest", "--dry-run"]);
    assert!(
        !text.stdout.contains("missing on the host"),
        "{}",
        text.stdout
    );
}

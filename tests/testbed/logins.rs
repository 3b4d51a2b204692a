//! Accounts whose login shell is not bash, and servers that are not OpenSSH.

use serde_json::json;

use super::alone;
use crate::support::testbed::Testbed;

#[test]
fn every_login_shell_gives_the_same_checkpoint() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("shells") {
        return;
    }
    let _alone = alone();
    let pulled = |user: &str| {
        let fleet = testbed.fleet_of(
            "new-vm",
            &json!({
                "user": user,
                "sources": {
                    "shells": { "files": ["/etc/shells"] },
                    "units": { "directory": "/etc/systemd" },
                    "rules": { "directory": "/etc/sudoers.d", "sudo": true },
                },
            }),
        );
        let checkpoint = fleet.checkpoint(&["new-vm"]).exits(0).checkpoint();
        assert_eq!(checkpoint["state"], "complete", "{user}: {checkpoint}");
        let parts = checkpoint["parts"].as_array().cloned().unwrap_or_default();
        let parts = parts.iter().map(|part| {
            let [name, files, bytes] = ["name", "files", "bytes"].map(|key| part[key].clone());
            assert!(files.as_u64() > Some(0), "{user}: {part}");
            (name, files, bytes)
        });
        parts.collect::<Vec<_>>()
    };
    let wanted = pulled("azureuser");
    assert_eq!(wanted.len(), 3);
    for user in ["tcsh", "csh", "zsh", "fish", "mksh"] {
        assert_eq!(pulled(user), wanted, "{user}");
    }
}

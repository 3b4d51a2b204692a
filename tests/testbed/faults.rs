//! Hosts that hang, refuse, lose their link or their power.

use std::time::{Duration, Instant};

use serde_json::json;

use super::alone;
use crate::support::fleet::{Fleet, FleetOutput};
use crate::support::sshd::eventually;
use crate::support::testbed::Testbed;

/// Undoes every fault, however the test ends.
struct Cleared<'a>(&'a Testbed);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.tool(&["fault", "new-vm", "clear"]);
    }
}

/// A host under a fault is given up in time, and nothing is sealed.
fn assert_given_up(fleet: &Fleet, fault: &str) {
    let begun = Instant::now();
    let ran = fleet.checkpoint(&["new-vm", "--only", "small"]);
    assert_eq!(ran.exit, Some(5), "{fault}: {}\n{}", ran.stdout, ran.stderr);
    // Three tries with a limit of 2 s; the rest is for a busy machine.
    assert!(
        begun.elapsed() < Duration::from_secs(40),
        "{fault}: {:?}",
        begun.elapsed()
    );
    assert_eq!(ran.failed().len(), 1, "{fault}");
    assert!(!ran.hints()[0].is_empty(), "{fault}: {:?}", ran.failed());
}

/// Whatever it is, it is honest.
fn assert_honest(fleet: &Fleet, ran: &FleetOutput, fault: &str) {
    match ran.exit {
        Some(3) => assert_eq!(ran.state(), "partial", "{fault}"),
        _ => assert_eq!(ran.exit, Some(5), "{fault}: {}\n{}", ran.stdout, ran.stderr),
    }
    fleet.assert_verified();
}

// One test for all of them: they disturb the same host.
#[test]
fn a_host_in_trouble_is_given_up_and_the_next_run_is_complete() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("freeze") || !testbed.has("own-root") {
        return;
    }
    let _alone = alone();
    let fleet = testbed.fleet_of(
        "new-vm",
        &json!({
            "connect_timeout": "2s",
            "stall_timeout": "2s",
            "sources": {
                "small": { "directory": "/etc/systemd/system" },
                "large": { "directory": "/usr/lib", "unreadable": "skip" },
            },
        }),
    );
    let _cleared = Cleared(&testbed);
    let faults: [(&str, &str, &str); 5] = [
        ("freeze", "freeze", "thaw"),
        ("link", "link-down", "link-up"),
        ("filter", "refuse", "clear"),
        ("filter", "drop", "clear"),
        ("power", "power-cut", "power-on"),
    ];
    for (capability, fault, end) in faults {
        if !testbed.has(capability) {
            continue;
        }
        let mut begun = fleet.begin_checkpoint(&["new-vm", "--only", "large"]);
        begun.wait_for("progress");
        testbed.tool(&["fault", "new-vm", fault]);
        assert_honest(&fleet, &begun.end(), fault);
        assert_given_up(&fleet, fault);
        testbed.tool(&["fault", "new-vm", end]);
        eventually("the host answers again", || {
            fleet.run(&["doctor", "new-vm"]).exit != Some(5)
        });
        let ran = fleet.checkpoint(&["new-vm", "--only", "small"]).exits(0);
        assert_eq!(ran.state(), "complete", "{fault}");
        assert_nothing_left(&testbed);
    }
    fleet.assert_verified();
}

/// A host that could not be told learns of the end when it sends again, less and less often, or when it
/// has heard nothing for too long.
fn assert_nothing_left(testbed: &Testbed) {
    let left = "n=0; while pgrep -ax 'tar|find' >&2; do n=$((n+1)); [ $n -lt 120 ] || exit 1; sleep 1; done";
    testbed.tool(&["ssh", "new-vm", left]);
}

#[test]
fn a_host_that_may_send_nothing_more_ends_a_lost_command() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("own-root") {
        return;
    }
    let _alone = alone();
    let fleet = testbed.fleet_of(
        "new-vm",
        &json!({
            "stall_timeout": "2s",
            "sources": { "large": { "directory": "/usr/lib", "unreadable": "skip" } },
        }),
    );
    let _cleared = Cleared(&testbed);
    let mut begun = fleet.begin_checkpoint(&["new-vm"]);
    begun.wait_for("progress");
    // Nobody reads: the host sends what it may, and waits.
    begun.signal("STOP");
    let waits = "n=0; while [ $n -lt 5 ]; do \
                 case $(cat /proc/$(pgrep -ox tar)/wchan) in *pipe*) n=$((n+1)) ;; *) n=0 ;; esac; sleep 0.2; done";
    testbed.tool(&["ssh", "new-vm", waits]);
    testbed.tool(&["fault", "new-vm", "link-down"]);
    begun.signal("KILL");
    testbed.tool(&["fault", "new-vm", "link-up"]);
    assert_nothing_left(&testbed);
}

#[test]
fn what_runs_as_another_account_ends_with_the_connection() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !testbed.has("sudo") {
        return;
    }
    let _alone = alone();
    // None of them says anything, and none is the account's own to end.
    let silent = |number: &str| format!("trap '' HUP; sleep {number}");
    for (number, how) in [
        ("86391.5", json!({ "sudo": true })),
        ("86392.5", json!({ "run_as": "daemon" })),
    ] {
        let mut source = how;
        source["shell"] = json!(silent(number));
        source["timeout"] = json!("1h");
        let fleet = testbed.fleet_of("new-vm", &json!({ "sources": { "silent": source } }));
        let begun = fleet.begin_checkpoint(&["new-vm"]);
        let runs = |wanted: bool| {
            let wanted = if wanted { "" } else { "! " };
            format!(
                "for n in 1 2 3 4 5 6 7 8 9 10; do {wanted}pgrep -f 'sleep {number}$' >/dev/null && exit 0; \
                 sleep 1; done; exit 1"
            )
        };
        testbed.tool(&["ssh", "new-vm", &runs(true)]);
        begun.signal("KILL");
        testbed.tool(&["ssh", "new-vm", &runs(false)]);
    }
}

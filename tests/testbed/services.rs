//! Services that are units of a booted systemd: stopped with what triggers them, and brought back.

use std::time::{Duration, Instant};

use fleet::health::probe::run_all;
use fleet::restore::services::{
    Action, Error, Role, ServiceRecord, StartRule, record, reload, start, still_stopped, stop, undo,
};

use super::alone;
use crate::services::Writable;
use crate::support::testbed::Testbed;

/// Units of `new-vm` that end with the value.
struct Units<'a> {
    testbed: &'a Testbed,
}

/// What all of the test's units are called begins so.
const PREFIX: &str = "svctest-";

impl<'a> Units<'a> {
    /// Writes these units, reads them and starts the ones that are named.
    fn new(testbed: &'a Testbed, units: &[(&str, &str)], starts: &str) -> Self {
        let made = Self { testbed };
        made.remove();
        for (name, text) in units {
            made.write(name, text);
        }
        made.run("systemctl daemon-reload");
        if !starts.is_empty() {
            made.run(&format!("systemctl start {starts}"));
        }
        made
    }

    fn write(&self, name: &str, text: &str) {
        assert!(name.starts_with(PREFIX));
        self.run(&format!(
            "printf '{}' >/etc/systemd/system/{name}",
            text.replace('\n', "\\n").replace('%', "%%")
        ));
    }

    /// Runs shell text as root there.
    fn run(&self, script: &str) -> String {
        self.testbed.as_root("new-vm", script)
    }

    /// The states of units, without their common beginning.
    fn states(&self, names: &[&str]) -> Vec<String> {
        let units: String = names
            .iter()
            .map(|name| format!(" {PREFIX}{name}"))
            .collect();
        let states = self.run(&format!("systemctl is-active{units} || :"));
        states.lines().map(str::to_owned).collect()
    }

    fn remove(&self) {
        self.run(&format!(
            "systemctl stop \"{PREFIX}*.timer\" \"{PREFIX}*.socket\" 2>/dev/null; \
             systemctl kill -s KILL \"{PREFIX}*\" 2>/dev/null; systemctl stop \"{PREFIX}*\" 2>/dev/null; \
             rm -rf /etc/systemd/system/{PREFIX}*; systemctl daemon-reload; \
             systemctl reset-failed \"{PREFIX}*\" 2>/dev/null; :"
        ));
    }
}

impl Drop for Units<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A connection to `new-vm` with these services, one a line.
async fn with(testbed: &Testbed, services: &[&str]) -> Writable {
    with_keys(testbed, "new-vm", "services", services).await
}

/// A connection to `host` with the entries of `key`, one a line.
async fn with_keys(testbed: &Testbed, host: &str, key: &str, services: &[&str]) -> Writable {
    let mut text =
        format!("version: 1\nhosts:\n  {host}:\n    env: dev\n    access: writable\n    {key}:\n");
    for service in services {
        text += &format!("      {service}\n");
    }
    Writable::of(&text, testbed.ssh_config()).await
}

async fn recorded(host: &Writable) -> ServiceRecord {
    let reader = host.session.reader();
    let record = record(reader, &host.host.services, &StartRule::default()).await;
    record.expect("the host tells")
}

fn testbed() -> Option<Testbed> {
    let testbed = Testbed::find()?;
    testbed.has("systemd").then_some(testbed)
}

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn a_unit_is_stopped_with_what_triggers_it_and_what_hangs_on_it_comes_back() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    let app = format!(
        "[Unit]\nUpholds=\n{SLEEPER}[Install]\nRequiredBy=svctest-front.service svctest-group.target\n"
    );
    let units = Units::new(
        &testbed,
        &[
            ("svctest-app.service", &app),
            (
                "svctest-app.socket",
                "[Socket]\nListenStream=127.0.0.1:7411\n",
            ),
            (
                "svctest-app.timer",
                "[Timer]\nOnActiveSec=1s\nOnUnitInactiveSec=1s\nAccuracySec=100ms\n",
            ),
            (
                "svctest-front.service",
                &format!("[Unit]\nRequires=svctest-app.service\n{SLEEPER}"),
            ),
            (
                "svctest-group.target",
                "[Unit]\nRequires=svctest-app.service\nWants=svctest-other.service\n",
            ),
            ("svctest-other.service", SLEEPER),
            (
                "svctest-nightly.service",
                "[Unit]\nWants=svctest-app.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n",
            ),
            (
                "svctest-nightly.timer",
                "[Timer]\nOnActiveSec=1s\nOnUnitInactiveSec=1s\nAccuracySec=100ms\n",
            ),
        ],
        "svctest-app.socket && systemctl start svctest-app.timer svctest-front.service svctest-group.target svctest-nightly.timer",
    );
    // It was there, and somebody has stopped it since.
    units.run("systemctl stop svctest-other.service");
    let all = [
        "app.service",
        "app.socket",
        "app.timer",
        "front.service",
        "group.target",
        "nightly.timer",
        "other.service",
    ];
    let up_but_other = [
        "active", "active", "active", "active", "active", "active", "inactive",
    ];
    assert_eq!(units.states(&all), up_but_other);

    let host = with(
        &testbed,
        &["app: { unit: svctest-app.service, start: always }"],
    )
    .await;
    let before = recorded(&host).await;
    let line = &before.services[0];
    assert_eq!(
        (line.state.as_str(), line.action),
        ("active (running)", Action::StopStart)
    );
    let roles: Vec<(Role, String, bool)> = before
        .units
        .iter()
        .map(|line| (line.role, line.unit.to_string(), line.was_up))
        .collect();
    let role = |role, name: &str| (role, format!("{PREFIX}{name}"), true);
    assert_eq!(
        roles,
        [
            role(Role::Main, "app.service"),
            role(Role::Trigger, "app.socket"),
            role(Role::Trigger, "app.timer"),
            role(Role::Dependent, "front.service"),
            role(Role::Dependent, "group.target"),
            role(Role::Trigger, "nightly.timer"),
        ]
    );

    stop(&host.session, &host.host.services, &before)
        .await
        .expect("it stops");
    let requests = host.changes();
    assert_eq!(
        requests,
        [
            "service do=stop unit=svctest-app.socket unit=svctest-app.timer unit=svctest-nightly.timer",
            "service do=stop unit=svctest-app.service",
        ]
    );
    // Longer than the timers wait, and with a connection that would have started it.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(units.states(&all), ["inactive"; 7]);
    still_stopped(&host.session, &host.host.services, &before)
        .await
        .expect("it is down");

    start(&host.session, &host.host, &before)
        .await
        .expect("it starts");
    // The target is active again without what it wants.
    assert_eq!(units.states(&all), up_but_other);
    assert_eq!(
        host.changes(),
        [
            "service do=start unit=svctest-app.socket",
            "service do=start unit=svctest-app.service",
            "service do=start unit=svctest-front.service",
            "service do=alone unit=svctest-group.target",
            "service do=start unit=svctest-app.timer unit=svctest-nightly.timer",
        ]
    );
    let now = recorded(&host).await;
    assert_eq!(now, before);
    start(&host.session, &host.host, &before)
        .await
        .expect("it is there");
    assert_eq!(host.changes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn what_stays_down_is_not_started_by_what_hangs_on_it_and_undo_starts_all() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    let units = Units::new(
        &testbed,
        &[
            ("svctest-pbx.service", SLEEPER),
            ("svctest-pbx.timer", "[Timer]\nOnActiveSec=1h\n"),
            (
                "svctest-front.service",
                &format!("[Unit]\nBindsTo=svctest-pbx.service\n{SLEEPER}"),
            ),
            ("svctest-new.service", SLEEPER),
        ],
        "svctest-pbx.timer svctest-front.service",
    );
    let all = ["pbx.service", "pbx.timer", "front.service", "new.service"];
    let host = with(
        &testbed,
        &[
            "pbx: { unit: svctest-pbx.service }",
            "new: { unit: svctest-new.service, start: always }",
        ],
    )
    .await;
    let before = recorded(&host).await;
    let actions: Vec<Action> = before.services.iter().map(|line| line.action).collect();
    assert_eq!(actions, [Action::Stop, Action::Start]);
    stop(&host.session, &host.host.services, &before)
        .await
        .expect("it stops");
    assert_eq!(units.states(&all), ["inactive"; 4]);
    start(&host.session, &host.host, &before)
        .await
        .expect("it starts");
    assert_eq!(
        units.states(&all),
        ["inactive", "inactive", "inactive", "active"]
    );
    let kept = ServiceRecord::parse(&before.to_text()).expect("a record");
    let problems = undo(&host.session, &host.host, &kept)
        .await
        .expect("connected");
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        units.states(&all),
        ["active", "active", "active", "inactive"]
    );
    assert_eq!(recorded(&host).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn a_unit_that_ignores_term_is_waited_for_and_its_failure_forgotten() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    let deaf = "[Service]\nTimeoutStopSec=2\nRestart=always\nExecStart=/bin/sh -c \"trap : TERM; while :; do sleep 1 & wait; done\"\n";
    let units = Units::new(
        &testbed,
        &[("svctest-deaf.service", deaf)],
        "svctest-deaf.service",
    );
    let host = with(
        &testbed,
        &["deaf: { unit: svctest-deaf.service, start: always }"],
    )
    .await;
    let before = recorded(&host).await;
    let begun = Instant::now();
    stop(&host.session, &host.host.services, &before)
        .await
        .expect("it stops");
    assert!(begun.elapsed() > Duration::from_secs(2));
    assert_eq!(units.states(&["deaf.service"]), ["failed"]);
    still_stopped(&host.session, &host.host.services, &before)
        .await
        .expect("it is down");
    host.changes();
    start(&host.session, &host.host, &before)
        .await
        .expect("it starts");
    assert_eq!(
        host.changes(),
        [
            "service do=reset unit=svctest-deaf.service",
            "service do=start unit=svctest-deaf.service",
        ]
    );
    assert_eq!(units.states(&["deaf.service"]), ["active"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn a_unit_that_is_started_again_by_somebody_is_found() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    let units = Units::new(
        &testbed,
        &[("svctest-app.service", SLEEPER)],
        "svctest-app.service",
    );
    let host = with(
        &testbed,
        &["app: { unit: svctest-app.service, start: always }"],
    )
    .await;
    let before = recorded(&host).await;
    stop(&host.session, &host.host.services, &before)
        .await
        .expect("it stops");
    units.run("systemctl start svctest-app.service");
    let error = still_stopped(&host.session, &host.host.services, &before).await;
    assert_eq!(
        error.expect_err("it runs").to_string(),
        "svctest-app.service was stopped and is active again"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn a_unit_whose_file_is_another_one_is_read_again_and_one_that_fails_is_told() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    // One that is active wants it, so that systemd keeps what it has read.
    let front = format!("[Unit]\nWants=svctest-app.service\n{SLEEPER}");
    let units = Units::new(
        &testbed,
        &[
            ("svctest-app.service", SLEEPER),
            ("svctest-front.service", &front),
        ],
        "svctest-front.service",
    );
    let host = with(
        &testbed,
        &[
            "app: { unit: svctest-app.service, start: always }",
            "new: { unit: svctest-new.service, start: always }",
        ],
    )
    .await;
    let before = recorded(&host).await;
    assert_eq!(before.services[1].state, "not found");
    stop(&host.session, &host.host.services, &before)
        .await
        .expect("it stops");
    host.changes();
    units.write(
        "svctest-app.service",
        "[Service]\nExecStart=/bin/sleep 4711\n",
    );
    units.write(
        "svctest-new.service",
        "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=100ms\n",
    );
    let error = start(&host.session, &host.host, &before)
        .await
        .expect_err("one fails");
    assert!(
        matches!(&error, Error::UnitNotStarted { unit, .. } if unit.unit.as_str() == "svctest-new.service"),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "svctest-new.service did not start: failed (exit-code)"
    );
    let changes = host.changes();
    assert_eq!(changes[0], "service do=daemon-reload");
    let line = units.run("systemctl show -p ExecStart svctest-app.service");
    assert!(line.contains("4711"), "{line}");
    // It fails, and goes back to how it was: not active.
    let problems = undo(&host.session, &host.host, &before)
        .await
        .expect("connected");
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(
        units.states(&["app.service", "new.service"]),
        ["active", "failed"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn a_service_that_ends_right_after_its_start_has_not_started() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    let units = Units::new(
        &testbed,
        &[("svctest-app.service", SLEEPER)],
        "svctest-app.service",
    );
    let services = ["app: { unit: svctest-app.service, start: always }"];
    let host = with(&testbed, &services).await;
    let before = recorded(&host).await;
    let stopped = stop(&host.session, &host.host.services, &before).await;
    stopped.expect("it stops");
    units.write(
        "svctest-app.service",
        "[Service]\nExecStart=/bin/sleep 0.3\n",
    );
    let error = start(&host.session, &host.host, &before).await;
    assert_eq!(
        error.expect_err("it ends").to_string(),
        "svctest-app.service did not start: inactive (dead)"
    );
    // The same service has a job of its own now, and another is started again and again.
    let again = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep 0.3\n\
                 Restart=always\nRestartSec=1s\n";
    units.write("svctest-again.service", again);
    units.write(
        "svctest-app.service",
        "[Service]\nType=oneshot\nExecStart=/bin/sleep 0.3\n",
    );
    units.run("systemctl daemon-reload; systemctl start svctest-again.service");
    let services = [
        services[0],
        "again: { unit: svctest-again.service, start: always }",
    ];
    let host = with(&testbed, &services).await;
    let mut before = recorded(&host).await;
    before.services[0].action = Action::Start;
    before.services[1].state = "activating (auto-restart)".to_owned();
    let error = start(&host.session, &host.host, &before).await;
    let error = error.expect_err("it ends again and again").to_string();
    assert!(
        error.starts_with("svctest-again.service did not start: "),
        "{error}"
    );
    // It was no better before.
    let problems = undo(&host.session, &host.host, &before).await;
    let problems = problems.expect("connected");
    assert!(problems.is_empty(), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn a_unit_with_a_reload_command_goes_on() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    let units = Units::new(
        &testbed,
        &[("svctest-app.service", SLEEPER)],
        "svctest-app.service",
    );
    let pid = units.run("systemctl show -p MainPID svctest-app.service");
    let host = with(
        &testbed,
        &["app: { unit: svctest-app.service, reload: [sh, -c, \"id -un >&2; exit 4\"] }"],
    )
    .await;
    let before = recorded(&host).await;
    assert_eq!(before.services[0].action, Action::Reload);
    stop(&host.session, &host.host.services, &before)
        .await
        .expect("nothing to do");
    let error = reload(&host.session, &host.host, &before)
        .await
        .expect_err("it fails");
    assert_eq!(
        error.to_string(),
        "can't reload service `app`: exit status 4: root"
    );
    assert_eq!(
        units.run("systemctl show -p MainPID svctest-app.service"),
        pid
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(
    clippy::await_holding_lock,
    reason = "one test at a time disturbs the host"
)]
async fn units_of_accounts_are_stopped_and_started_by_their_own_managers() {
    let Some(testbed) = testbed() else { return };
    let _alone = alone();
    let on = |script: &str| testbed.tool(&["ssh", "new-vm", script]);
    for account in ["azureuser", "clerk"] {
        on(&format!(
            "sudo -n -u {account} sh -c 'cd; mkdir -p .config/systemd/user; \
             printf \"[Service]\\nExecStart=/bin/sleep infinity\\n\" >.config/systemd/user/svctest-own.service; \
             export XDG_RUNTIME_DIR=/run/user/$(id -u); \
             systemctl --user daemon-reload; systemctl --user start svctest-own.service'"
        ));
    }
    let host = with(
        &testbed,
        &[
            "mine: { unit: svctest-own.service, run_as: azureuser, start: always }",
            "hers: { unit: svctest-own.service, run_as: clerk, start: always }",
            "nobodys: { unit: svctest-own.service, run_as: nobody }",
            "gone: { unit: svctest-own.service, run_as: no-such-account }",
        ],
    )
    .await;
    let before = recorded(&host).await;
    let states: Vec<&str> = before
        .services
        .iter()
        .map(|line| line.state.as_str())
        .collect();
    assert_eq!(
        states,
        [
            "active (running)",
            "active (running)",
            "not found",
            "not found"
        ]
    );
    stop(&host.session, &host.host.services, &before)
        .await
        .expect("it stops");
    let now = recorded(&host).await;
    assert_eq!(now.services[0].state, "inactive (dead)");
    assert_eq!(now.services[1].state, "inactive (dead)");
    start(&host.session, &host.host, &before)
        .await
        .expect("it starts");
    assert_eq!(recorded(&host).await, before);
    for account in ["azureuser", "clerk"] {
        on(&format!(
            "sudo -n -u {account} sh -c 'cd; rm .config/systemd/user/svctest-own.service; \
             export XDG_RUNTIME_DIR=/run/user/$(id -u); \
             systemctl --user stop svctest-own.service; systemctl --user daemon-reload'"
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_and_databases_are_probed_as_the_accounts_that_they_belong_to() {
    let Some(testbed) = testbed() else { return };
    if !testbed.has("postgres") {
        return;
    }
    let host = with_keys(
        &testbed,
        "dev-vm",
        "probes",
        &[
            "db: { postgres: monitoring_v2, run_as: postgres, within: 20s }",
            "other: { postgres: no_such_database, run_as: postgres, within: 5s }",
            "gone: { postgres: monitoring_v2, run_as: no-such-account, within: 5s }",
            "unit: { unit: ssh.service }",
            "down: { unit: rescue.service, within: 3s }",
            "unknown: { unit: no-such.service, within: 3s }",
            "own: { unit: default.target, run_as: azureuser }",
        ],
    )
    .await;
    let outcomes = run_all(host.session.reader(), &host.host.probes).await;
    let told: Vec<String> = outcomes
        .expect("connected")
        .into_iter()
        .map(|outcome| format!("{} {}: {}", outcome.name, outcome.ok, outcome.says))
        .collect();
    assert!(
        told[1].starts_with("other false: ") && told[1].ends_with("does not exist"),
        "{}",
        told[1]
    );
    assert_eq!(told[0], "db true: it answers");
    assert_eq!(
        told[2..],
        [
            "gone false: the host has no account `no-such-account`",
            "unit true: active (running)",
            "down false: inactive (dead)",
            "unknown false: not found",
            "own true: active (active)",
        ]
    );
    assert_eq!(host.changes(), Vec::<String>::new());
}

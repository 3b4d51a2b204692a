//! Tests of services, probes, packages and users.

use std::num::NonZeroU16;
use std::time::Duration;

use fleet::inventory::{
    Bootstrap, HttpProbe, Inventory, JsonValue, Place, Probe, ProbeKind, ProcessProbe,
    ProcessService, Service, ServiceKind, Start, User,
};

use super::{accepted, refusal_of};

const SECOND: Duration = Duration::from_secs(1);

const EVERY_KEY: &str = "\
version: 1
profiles:
  translation:
    services:
      app: { unit: app.service, start: always, grace: 8s }
      pbx: { unit: asterisk.service, reload: [asterisk, -rx, dialplan reload] }
    probes:
      unit: { unit: app.service }
      models:
        http: \"http://127.0.0.1:4000/v1/models\"
        status: 201
        json: { data.0.id: whisper, count: 16, ok: true, error: null, load: 0.5 }
        within: 2s
    packages: [nodejs, npm, nodejs]
    users: [{ name: azureuser, uid: 1000, groups: [docker, audio], home: /home/azureuser }, { name: pbx }]
  other: { packages: npm, users: [{ name: pbx }] }
hosts:
  dev-vm:
    env: dev
    use: [translation, other]
    services:
      server:
        process: [node, server.js, 4000]
        cwd: /home/azureuser//translation-app/
        run_as: azureuser
        start: never
      sync: { unit: sync@a.timer, run_as: azureuser }
      core: { unit: core.socket, run_as: root }
    probes:
      db: { postgres: monitoring_v2, run_as: postgres }
      port: { tcp: 5060 }
      node: { process: [node, server.js], cwd: /opt/app, run_as: azureuser }
      any: { process: [node] }
      own: { unit: sync.service, run_as: azureuser }
";

fn unit(unit: &str, run_as: Option<&str>) -> ServiceKind {
    ServiceKind::Unit {
        unit: unit.parse().expect("a unit"),
        run_as: run_as.map(|account| account.parse().expect("an account")),
    }
}

fn described(inventory: &Inventory) -> (&[Service], &[Probe], &Bootstrap) {
    let host = &inventory.hosts[0];
    (&host.services, &host.probes, &host.bootstrap)
}

#[test]
fn a_host_has_the_services_of_its_profiles_and_then_its_own() {
    let inventory = accepted(EVERY_KEY);
    let (services, ..) = described(&inventory);
    let service = |name: &str, line, kind| Service {
        name: name.parse().expect("a name"),
        place: Place { line, column: 7 },
        kind,
        start: Start::Ask,
        grace: 5 * SECOND,
        reload: None,
    };
    assert_eq!(
        services,
        [
            Service {
                start: Start::Always,
                grace: 8 * SECOND,
                ..service("app", 5, unit("app.service", None))
            },
            Service {
                reload: Some(vec![
                    "asterisk".into(),
                    "-rx".into(),
                    "dialplan reload".into()
                ]),
                ..service("pbx", 6, unit("asterisk.service", None))
            },
            Service {
                start: Start::Never,
                ..service(
                    "server",
                    22,
                    ServiceKind::Process(ProcessService {
                        argv: vec!["node".into(), "server.js".into(), "4000".into()],
                        cwd: "/home/azureuser/translation-app".parse().expect("a path"),
                        run_as: Some("azureuser".parse().expect("an account")),
                    })
                )
            },
            service("sync", 27, unit("sync@a.timer", Some("azureuser"))),
            service("core", 28, unit("core.socket", None)),
        ]
    );
}

#[test]
fn a_host_has_the_probes_of_its_profiles_and_then_its_own() {
    let inventory = accepted(EVERY_KEY);
    let (_, probes, _) = described(&inventory);
    let names: Vec<&str> = probes.iter().map(|probe| probe.name.as_str()).collect();
    assert_eq!(
        names,
        ["unit", "models", "db", "port", "node", "any", "own"]
    );
    let kind = |name: &str| {
        let found = probes.iter().find(|probe| probe.name.as_str() == name);
        let found = found.expect("the probe is there");
        (found.kind.clone(), found.within)
    };
    let value = |path: &str, value| (path.parse().expect("a path"), value);
    assert_eq!(
        kind("models"),
        (
            ProbeKind::Http(HttpProbe {
                url: "http://127.0.0.1:4000/v1/models".parse().expect("a URL"),
                status: 201,
                json: vec![
                    value("data.0.id", JsonValue::Text("whisper".to_owned())),
                    value("count", JsonValue::Number(16.into())),
                    value("ok", JsonValue::Bool(true)),
                    value("error", JsonValue::Null),
                    value(
                        "load",
                        JsonValue::Number(serde_json::Number::from_f64(0.5).expect("a number"))
                    ),
                ],
            }),
            2 * SECOND
        )
    );
    let azureuser = || Some("azureuser".parse().expect("an account"));
    let ten = 10 * SECOND;
    assert_eq!(
        kind("db"),
        (
            ProbeKind::Postgres {
                database: "monitoring_v2".to_owned(),
                run_as: Some("postgres".parse().expect("an account")),
            },
            ten
        )
    );
    let port = NonZeroU16::new(5060).expect("a port");
    assert_eq!(kind("port"), (ProbeKind::Tcp { port }, ten));
    assert_eq!(
        kind("node"),
        (
            ProbeKind::Process(ProcessProbe {
                argv: vec!["node".into(), "server.js".into()],
                cwd: Some("/opt/app".parse().expect("a path")),
                run_as: azureuser(),
            }),
            ten
        )
    );
    assert_eq!(
        kind("any"),
        (
            ProbeKind::Process(ProcessProbe {
                argv: vec!["node".into()],
                cwd: None,
                run_as: None,
            }),
            ten
        )
    );
    assert_eq!(
        kind("own"),
        (
            ProbeKind::Unit {
                unit: "sync.service".parse().expect("a unit"),
                run_as: azureuser(),
            },
            ten
        )
    );
}

#[test]
fn what_a_fresh_host_needs_is_kept_once() {
    let inventory = accepted(EVERY_KEY);
    let (.., bootstrap) = described(&inventory);
    let pbx = User {
        name: "pbx".parse().expect("an account"),
        uid: None,
        groups: Vec::new(),
        home: None,
    };
    let package = |name: &str| name.parse().expect("a package");
    assert_eq!(
        *bootstrap,
        Bootstrap {
            packages: vec![package("nodejs"), package("npm")],
            users: vec![
                User {
                    name: "azureuser".parse().expect("an account"),
                    uid: Some(1000),
                    groups: vec![
                        "docker".parse().expect("a group"),
                        "audio".parse().expect("a group")
                    ],
                    home: Some("/home/azureuser".parse().expect("a path")),
                },
                pbx,
            ],
        }
    );
}

/// What is said of the body of one service `s` of a host, from column 3 of line 3 on.
fn refusal_of_service(body: &str) -> String {
    refusal_of(&format!(
        "hosts: {{ a: {{ services: {{\n  s: {{ {body} }}\n}}}}}}\n"
    ))
}

fn refusal_of_probe(body: &str) -> String {
    refusal_of(&format!(
        "hosts: {{ a: {{ probes: {{\n  s: {{ {body} }}\n}}}}}}\n"
    ))
}

#[test]
fn what_a_service_can_not_be_is_told_with_its_place() {
    for (body, told) in [
        (
            "start: always",
            "fleet.yaml:3:3: service `s` has no kind\nhint: Add one of `unit` or `process`.",
        ),
        (
            "unit: a.service, process: [a], cwd: /a",
            "fleet.yaml:3:34: service `s` can't be both `unit` and `process` (see also fleet.yaml:3:14)\n\
             hint: Split it into two services.",
        ),
        (
            "unit: a.service, cwd: /a",
            "fleet.yaml:3:30: `cwd` doesn't belong to a `unit` service\n\
             hint: It belongs to `process`. Remove it, or move it to a service of its own.",
        ),
        (
            "process: [node, x.js]",
            "fleet.yaml:3:3: service `s` needs `cwd`\n\
             hint: Add the directory that the process runs in, as in `cwd: /opt/app`.",
        ),
        (
            "process: [node], cwd: app",
            "fleet.yaml:3:30: `cwd`: `app` is not an absolute path without empty, `.` or `..` components\n\
             hint: Write the whole path, as in `/opt/app`; `~` is not expanded.",
        ),
        (
            "process: [], cwd: /a",
            "fleet.yaml:3:17: `process`: it names nothing\n\
             hint: Name the program and its arguments, or remove it.",
        ),
        (
            "unit: app",
            "fleet.yaml:3:14: `unit`: `app` has no unit type at its end\nhint: Did you mean `app.service`?",
        ),
        (
            "unit: \"--force.service\"",
            "fleet.yaml:3:14: `unit`: `--force.service` is not the name of a unit\n\
             hint: Write it as `systemctl list-units` prints it, as in `app.service`; patterns can't be used.",
        ),
        (
            "unit: app@.service",
            "fleet.yaml:3:14: `unit`: `app@.service` is a template, which is never active itself\n\
             hint: Name an instance of it, as in `worker@1.service`.",
        ),
        (
            "unit: a.service, start: allways",
            "fleet.yaml:3:32: `start`: expected `always`, `ask` or `never`, found `allways`\n\
             hint: Did you mean `always`?",
        ),
        (
            "unit: a.service, grace: 5",
            "fleet.yaml:3:32: `grace`: `5` has no unit\n\
             hint: Did you mean `5s`? Write a number with a unit, as in `30s`, `20m`, `1h30m` or `2d`; the \
             units are s, m, h, d and w.",
        ),
        (
            "unit: a.service, reload: asterisk -rx reload",
            "fleet.yaml:3:33: `reload` must be a list: the program and its arguments, found text\n\
             hint: Write the program and each argument as an entry of the list, as in `reload: \
             [asterisk, -rx, dialplan reload]`.",
        ),
        (
            "unit: a.service, run_as: \"-x\"",
            "fleet.yaml:3:33: `run_as`: `-x` can't be one\n\
             hint: An account is letters, digits, `.`, `_`, `-`, `+` or `@`, beginning with a letter, a \
             digit or `_`.",
        ),
    ] {
        assert_eq!(refusal_of_service(body), told, "{body}");
    }
}

#[test]
fn what_a_probe_can_not_be_is_told_with_its_place() {
    for (body, told) in [
        (
            "within: 2s",
            "fleet.yaml:3:3: probe `s` has no kind\n\
             hint: Add one of `unit`, `http`, `tcp`, `process` or `postgres`.",
        ),
        (
            "tcp: 80, status: 200",
            "fleet.yaml:3:25: `status` doesn't belong to a `tcp` probe\n\
             hint: It belongs to `http`. Remove it, or move it to a probe of its own.",
        ),
        (
            "tcp: 0",
            "fleet.yaml:3:13: `tcp`: 0 is not a port\nhint: Ports go from 1 to 65535.",
        ),
        (
            "tcp: 65536",
            "fleet.yaml:3:13: `tcp` must be a number from 1 to 65535, found `65536`\n\
             hint: Write it as in `tcp: 5060`.",
        ),
        (
            "http: \"http://h/\", status: 99",
            "fleet.yaml:3:35: `status`: 99 is not an HTTP status\nhint: Write a number from 100 to 599.",
        ),
        (
            "http: \"http://h/\", json: normalise",
            "fleet.yaml:3:33: `json` must be a mapping of places to values, found text\n\
             hint: Write it as in `json: { data.0.id: whisper }`.",
        ),
        (
            "http: \"http://h/\", json: {}",
            "fleet.yaml:3:33: `json`: it names nothing\n\
             hint: Name a value, as in `json: { data.0.id: whisper }`, or remove it.",
        ),
        (
            "http: \"http://h/\", json: { a..b: 1 }",
            "fleet.yaml:3:35: `json`: `a..b` is not a path of keys joined by dots\n\
             hint: Join keys, and the numbers of entries of a list, by dots, as in `data.0.id`.",
        ),
        (
            "http: \"http://h/\", json: { a: [1] }",
            "fleet.yaml:3:35: `json`: `a` must be text, a number, `true`, `false` or `null`, found a list\n\
             hint: Write it as in `a: whisper`.",
        ),
        (
            "postgres: [a, b]",
            "fleet.yaml:3:18: `postgres` must be the name of a database, found a list\n\
             hint: Write it as in `postgres: orders`.",
        ),
        (
            "postgres: \"host=evil\"",
            "fleet.yaml:3:18: `postgres`: it is not the name of a database\n\
             hint: Write the bare name; server, port, user and password have keys of their own.",
        ),
        (
            "unit: a.service, within: 0s",
            "fleet.yaml:3:33: `within`: `0s` is no time at all\n\
             hint: Write a number with a unit, as in `30s`, `20m`, `1h30m` or `2d`; the units are s, m, h, \
             d and w.",
        ),
    ] {
        assert_eq!(refusal_of_probe(body), told, "{body}");
    }
}

#[test]
fn names_are_unique_between_profiles_and_host() {
    let text = "profiles:\n  p: { services: { x: { unit: a.service } }, probes: { x: { tcp: 1 } } }\n\
                hosts:\n  a:\n    use: p\n    services: { x: { unit: b.service } }\n    probes: { x: { tcp: 2 } }\n";
    assert_eq!(
        refusal_of(text),
        "2 problems in fleet.yaml\n  \
         fleet.yaml:7:17: host `a` has two services `x`: one of profile `p`, one of its own (see also \
         fleet.yaml:3:20)\n  \
         fleet.yaml:8:15: host `a` has two probes `x`: one of profile `p`, one of its own (see also \
         fleet.yaml:3:56)\n\
         hint: Line 7: Rename or remove one of the two.\n\
         Line 8: Rename or remove one of the two."
    );
    // A source, a service and a probe may share a name: they are asked for in different places.
    accepted(
        "version: 1\nhosts: { a: { sources: { x: { directory: /a } }, services: { x: { unit: a.service } }, \
         probes: { x: { tcp: 1 } } } }\n",
    );
    assert_eq!(
        refusal_of("hosts: { a: { services: { a b: { unit: a.service } } } }"),
        "fleet.yaml:2:27: `a b` is not a service name: use 1 to 128 letters, digits, `.`, `_` or `-`, \
         beginning with a letter or digit"
    );
}

#[test]
fn accounts_and_packages_are_checked() {
    for (text, told) in [
        (
            "profiles: { p: { packages: [\"-y\"] } }",
            "fleet.yaml:2:29: `packages`: `-y` is not the name of a package\n\
             hint: Write its bare name, as in `nodejs`, without a version.",
        ),
        (
            "profiles: { p: { users: [{ uid: 5 }] } }",
            "fleet.yaml:2:28: `name` is missing\nhint: Add `name`.",
        ),
        (
            "profiles: { p: { users: [{ name: a, uid: 0 }] } }",
            "fleet.yaml:2:42: `uid`: 0 can't be the number of a new account\n\
             hint: Write a number from 1 to 4294967294.",
        ),
        (
            "profiles: { p: { users: [{ name: a }, { name: a }] } }",
            "fleet.yaml:2:47: `users`: `a` is there twice\nhint: Remove one of the two.",
        ),
        (
            "profiles:\n  p: { users: [{ name: a, uid: 5 }] }\n  q: { users: [{ name: a, uid: 6 }] }\n\
             hosts: { h: { use: [p, q] } }",
            "fleet.yaml:5:21: host `h` has two descriptions of user `a`: one of profile `p`, one of \
             profile `q`\nhint: Describe it the same way in both, or in one profile only.",
        ),
        (
            "hosts: { a: { packages: [x] } }",
            "fleet.yaml:2:15: unknown key `packages`\nhint: ",
        ),
    ] {
        let found = refusal_of(text);
        assert!(
            found == told || (told.ends_with("hint: ") && found.starts_with(told)),
            "{text}: {found}"
        );
    }
}

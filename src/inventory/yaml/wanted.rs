//! The type that each key of an inventory takes, in words, with an example: for messages about a value of
//! another type.

use crate::name::escape;

/// What belongs at a place.
pub(super) struct Wanted {
    /// The key, or `source`, `host` and `profile` with their names.
    pub(super) subject: String,
    /// What it takes.
    pub(super) takes: &'static str,
    /// How it is written.
    pub(super) hint: String,
}

/// What the last of `keys` takes.
pub(super) fn wanted(keys: &[&str]) -> Wanted {
    let Some((last, before)) = keys.split_last() else {
        return Wanted {
            subject: "an inventory".to_owned(),
            takes: "a mapping",
            hint: "Begin the file with `version: 1`, and name the hosts under `hosts:`.".to_owned(),
        };
    };
    let name = shown(last);
    let entry = |kind: &str, takes, body: &str| Wanted {
        subject: format!("{kind} `{name}`"),
        takes,
        hint: format!("Write it as in `{name}: {{ {body} }}`."),
    };
    match before {
        ["hosts"] => return entry("host", "a mapping", "address: 203.0.113.26, user: clerk"),
        ["profiles"] => {
            return entry(
                "profile",
                "a mapping",
                "sources: { etc: { directory: /etc } }",
            );
        }
        [.., "sources"] if before.len() == 3 => {
            return entry(
                "source",
                "a mapping that names what to capture",
                "directory: /opt/app",
            );
        }
        [.., "services"] if before.len() == 3 => {
            let takes = "a mapping that names what to stop and start";
            return entry("service", takes, "unit: app.service");
        }
        [.., "probes"] if before.len() == 3 => {
            let takes = "a mapping that names what to check";
            return entry("probe", takes, "unit: app.service");
        }
        [_, _, "probes", _] | [_, _, "probes", _, "json"] => {
            if let Some(wanted) = of_probe(last, before.len() == 5, &name) {
                return wanted;
            }
        }
        [.., "headers"] => {
            return Wanted {
                subject: format!("`headers`: `{name}`"),
                takes: "text, `{env: NAME}` or `{file: PATH}`",
                hint: format!("Write it as in `{name}: application/json`."),
            };
        }
        [.., "password"] | [.., "headers", _] => {
            let (takes, example) = match *last {
                "env" => ("the name of a variable", "{ env: ORDERS_PASSWORD }"),
                _ => ("a path", "{ file: ~/.secrets/orders }"),
            };
            return Wanted {
                subject: format!("`{name}`"),
                takes,
                hint: format!("Write it as in `{example}`."),
            };
        }
        _ => {}
    }
    let (takes, example) = key(last);
    let hint = match *last {
        "process" | "reload" => format!(
            "Write the program and each argument as an entry of the list, as in `{example}`."
        ),
        "command" => "Write the program and each argument as an entry of the list, as in `command: [systemctl, is-active, app.service]`; a line for a shell is written `shell: \"systemctl is-active app.service\"`.".to_owned(),
        _ => format!("Write it as in `{example}`."),
    };
    Wanted {
        subject: format!("`{name}`"),
        takes,
        hint,
    }
}

/// Keys that mean something else in a probe than elsewhere; `in_json`: a place in its `json`.
fn of_probe(key: &str, in_json: bool, name: &str) -> Option<Wanted> {
    let (subject, takes, example) = match key {
        _ if in_json => (
            format!("`json`: `{name}`"),
            "text, a number, `true`, `false` or `null`",
            format!("{name}: whisper"),
        ),
        "json" => (
            "`json`".to_owned(),
            "a mapping of places to values",
            "json: { data.0.id: whisper }".to_owned(),
        ),
        "postgres" => (
            "`postgres`".to_owned(),
            "the name of a database",
            "postgres: orders".to_owned(),
        ),
        "within" => ("`within`".to_owned(), DURATION, "within: 10s".to_owned()),
        _ => return None,
    };
    Some(Wanted {
        subject,
        takes,
        hint: format!("Write it as in `{example}`."),
    })
}

fn shown(name: &str) -> String {
    escape(name.chars().take(64).collect::<String>().as_bytes())
}

const TRUE_OR_FALSE: &str = "`true` or `false`";
const WHOLE_NUMBER: &str = "a whole number";
const DURATION: &str = "a duration";
const WORD: &str = "one word";

/// Whether a key takes `true` or `false`.
pub(super) fn is_switch(name: &str) -> bool {
    key(name).0 == TRUE_OR_FALSE
}

/// Every key: its name, what it takes, and an example.
const KEYS: &[(&str, &str, &str)] = &[
    ("version", "the number 1", "version: 1"),
    ("protect", "a word or a list of words", "protect: [staging]"),
    ("store", "a path", "store: ../checkpoints"),
    (
        "defaults",
        "a mapping",
        "defaults: { user: clerk, connect_timeout: 10s }",
    ),
    (
        "profiles",
        "a mapping of names to profiles",
        "profiles: { web: { sources: { site: { directory: /srv/www } } } }",
    ),
    (
        "services",
        "a mapping of names to services",
        "services: { app: { unit: app.service } }",
    ),
    (
        "probes",
        "a mapping of names to probes",
        "probes: { app: { unit: app.service } }",
    ),
    (
        "packages",
        "the name of a package or a list of names",
        "packages: [nodejs, npm]",
    ),
    (
        "users",
        "a list of accounts",
        "users: [{ name: app, home: /home/app }]",
    ),
    ("name", WORD, "name: app"),
    ("uid", WHOLE_NUMBER, "uid: 1001"),
    ("groups", "a word or a list of words", "groups: [docker]"),
    ("home", "a path", "home: /home/app"),
    ("unit", "the name of a systemd unit", "unit: app.service"),
    (
        "process",
        "a list: the program and its arguments",
        "process: [node, server.js]",
    ),
    ("cwd", "a path", "cwd: /opt/app"),
    ("start", "`always`, `ask` or `never`", "start: always"),
    ("grace", DURATION, "grace: 5s"),
    (
        "reload",
        "a list: the program and its arguments",
        "reload: [asterisk, -rx, dialplan reload]",
    ),
    ("tcp", "a number from 1 to 65535", "tcp: 5060"),
    (
        "hosts",
        "a mapping of names to hosts",
        "hosts: { dev-vm: { address: 203.0.113.26, user: clerk } }",
    ),
    ("user", WORD, "user: clerk"),
    ("port", "a number from 1 to 65535", "port: 22"),
    (
        "identity",
        "a path or a list of paths",
        "identity: ~/.ssh/id_ed25519",
    ),
    ("jump", WORD, "jump: bastion"),
    ("keep", "a mapping", "keep: { last: 10, daily: 14 }"),
    ("last", WHOLE_NUMBER, "last: 10"),
    ("hourly", WHOLE_NUMBER, "hourly: 24"),
    ("daily", WHOLE_NUMBER, "daily: 14"),
    ("weekly", WHOLE_NUMBER, "weekly: 8"),
    ("monthly", WHOLE_NUMBER, "monthly: 6"),
    ("yearly", WHOLE_NUMBER, "yearly: 2"),
    ("within", DURATION, "within: 2d"),
    ("max_age", DURATION, "max_age: 20m"),
    ("connect_timeout", DURATION, "connect_timeout: 10s"),
    ("stall_timeout", DURATION, "stall_timeout: 60s"),
    ("timeout", DURATION, "timeout: 30s"),
    (
        "compression",
        "`auto`, `none`, `gzip` or `zstd`",
        "compression: auto",
    ),
    ("env", WORD, "env: dev"),
    ("access", "`read-only` or `writable`", "access: read-only"),
    (
        "address",
        "a host name or an IP address",
        "address: 203.0.113.26",
    ),
    ("tags", "a word or a list of words", "tags: [pbx, berlin]"),
    (
        "use",
        "the name of a profile or a list of names",
        "use: [web]",
    ),
    (
        "sources",
        "a mapping of names to sources",
        "sources: { etc: { directory: /etc } }",
    ),
    (
        "schedule",
        "text of five fields",
        "schedule: \"*/15 * * * *\"",
    ),
    ("directory", "a path", "directory: /opt/app"),
    (
        "directories",
        "a list of paths",
        "directories: [/etc/nginx, /opt/app]",
    ),
    (
        "files",
        "a pattern or a list of patterns",
        "files: [/etc/hosts, \"/var/log/app-*.log\"]",
    ),
    (
        "postgres",
        "the name of a database or a list of names",
        "postgres: orders",
    ),
    (
        "command",
        "a list: the program and its arguments",
        "command: [uname, -a]",
    ),
    ("shell", "text", "shell: \"dpkg -l | head\""),
    ("http", "a URL", "http: \"http://127.0.0.1:4000/status\""),
    ("optional", TRUE_OR_FALSE, "optional: true"),
    ("sudo", TRUE_OR_FALSE, "sudo: true"),
    ("may_shrink", TRUE_OR_FALSE, "may_shrink: true"),
    ("one_file_system", TRUE_OR_FALSE, "one_file_system: false"),
    ("globals", TRUE_OR_FALSE, "globals: true"),
    ("reads_only", TRUE_OR_FALSE, "reads_only: true"),
    (
        "exclude",
        "a pattern or a list of patterns",
        "exclude: [node_modules/, \"*.log\"]",
    ),
    ("unreadable", "`fail` or `skip`", "unreadable: skip"),
    ("newest", WHOLE_NUMBER, "newest: 3"),
    ("lines", "a regular expression", "lines: '^MONITORING_'"),
    ("dump", "`schema` or `full`", "dump: full"),
    ("format", "`plain` or `custom`", "format: custom"),
    ("run_as", WORD, "run_as: postgres"),
    (
        "host",
        "a host name, an IP address or the path of a socket",
        "host: 127.0.0.1",
    ),
    (
        "password",
        "`{env: NAME}` or `{file: PATH}`",
        "password: { env: ORDERS_PASSWORD }",
    ),
    ("max_bytes", "a size", "max_bytes: 16MiB"),
    ("file", "a name or a path", "file: answer.json"),
    (
        "headers",
        "a mapping of names to values",
        "headers: { Accept: application/json }",
    ),
    ("status", "a number from 100 to 599", "status: 200"),
    ("json", "`normalise`", "json: normalise"),
];

/// What the key takes, and an example.
fn key(name: &str) -> (&'static str, &'static str) {
    KEYS.iter().find(|(key, _, _)| *key == name).map_or(
        ("another type of value", "name: value"),
        |(_, takes, example)| (takes, example),
    )
}

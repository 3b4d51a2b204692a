//! Every key of the inventory with values of every wrong type: the message names the key and says what it
//! takes.

use std::collections::BTreeSet;

use fleet::inventory::schema;

use super::{parse, refusal, refusal_of, refusal_of_source};

/// Where a key is: the text before and behind `key: value`.
struct Context {
    /// The key of the schema's `definitions`, or empty for the file itself.
    definition: &'static str,
    before: &'static str,
    behind: &'static str,
}

const CONTEXTS: [Context; 7] = [
    Context {
        definition: "",
        before: "version: 1\n",
        behind: "\n",
    },
    Context {
        definition: "Defaults",
        before: "version: 1\ndefaults: { ",
        behind: " }\n",
    },
    Context {
        definition: "Profile",
        before: "version: 1\nprofiles: { p: { ",
        behind: " } }\n",
    },
    Context {
        definition: "Host",
        before: "version: 1\nhosts: { a: { ",
        behind: " } }\n",
    },
    Context {
        definition: "Keep",
        before: "version: 1\nhosts: { a: { keep: { ",
        behind: " } } }\n",
    },
    Context {
        definition: "User",
        before: "version: 1\nprofiles: { p: { users: [{ name: x, ",
        behind: " }] } }\n",
    },
    Context {
        definition: "SecretPlace",
        before: "version: 1\nhosts: { a: { sources: { s: { postgres: x, password: { ",
        behind: " } } } } }\n",
    },
];

const VALUES: [&str; 13] = [
    "{ q: r }",
    "[[x]]",
    "[{ q: r }]",
    "[x, y]",
    "[]",
    "{}",
    "-1",
    "1.5",
    "99999999999999999999",
    "true",
    "hunter two",
    "\"\"",
    "\"a\\0b\"",
];

/// Words of serde and of the parser, which no operator should read.
const RAW: [&str; 12] = [
    "invalid type",
    "invalid value",
    "invalid length",
    "unknown variant",
    "unknown field",
    "unexpected",
    "expected keys with values",
    "deserial",
    "serde",
    "sequence",
    "scalar",
    "another type of value",
];

/// The keys of a definition; none if the schema has no such definition.
fn keys(definition: &str) -> BTreeSet<String> {
    let schema = schema();
    let place = if definition.is_empty() {
        schema["properties"].clone()
    } else {
        schema["definitions"][definition]["properties"].clone()
    };
    let properties = place.as_object().expect("the schema has these properties");
    properties.keys().cloned().collect()
}

/// The kind of source that a key belongs to, as text before it.
fn source_before(key: &str) -> &'static str {
    match key {
        "exclude" | "one_file_system" | "unreadable" => "directory: /a, ",
        "newest" | "lines" => "files: /a, ",
        "dump" | "format" | "globals" | "host" | "port" | "user" | "password" | "run_as" => {
            "postgres: x, "
        }
        "max_bytes" | "reads_only" | "file" | "timeout" => "command: [x], ",
        "headers" | "status" | "json" => "http: \"http://h/\", ",
        "optional" | "sudo" | "may_shrink" => "directory: /a, ",
        _ => "",
    }
}

/// The kind of service or probe that a key belongs to, as text before it.
fn item_before(item: &str, key: &str) -> &'static str {
    match (item, key) {
        ("Service", "cwd") | ("Probe", "cwd") => "process: [x], ",
        ("Service", "process") => "cwd: /a, ",
        ("Service", "run_as" | "start" | "grace" | "reload") | ("Probe", "within" | "run_as") => {
            "unit: a.service, "
        }
        ("Probe", "status" | "json") => "http: \"http://h/\", ",
        _ => "",
    }
}

fn check(text: &str, key: &str, value: &str, told: &mut Vec<String>) {
    let Err(error) = parse(text) else {
        return;
    };
    let message = error.to_string();
    told.push(format!("{key}: {value} -> {message}"));
    let of_another_key = (value.contains("q: r") && message.contains("`q`"))
        || (key == "use" && message.contains("profile"));
    assert!(
        message.contains(&format!("`{key}`")) || of_another_key,
        "{key}: {value}: {message}"
    );
    for raw in RAW {
        assert!(!message.contains(raw), "{key}: {value}: {message}");
    }
    assert!(!message.contains("hunter") || message.contains("`hunter two`"));
    let place = message.starts_with("fleet.yaml:") || message.contains("problems in fleet.yaml");
    assert!(place, "{message}");
}

#[test]
fn a_wrong_value_is_told_with_its_key_for_every_key() {
    let mut told = Vec::new();
    for context in &CONTEXTS {
        for key in keys(context.definition) {
            for value in VALUES {
                let before = match (context.definition, &*key) {
                    (_, "version") => "",
                    ("User", "name") => "version: 1\nprofiles: { p: { users: [{ uid: 1, ",
                    _ => context.before,
                };
                let text = format!("{before}{key}: {value}{}", context.behind);
                check(&text, &key, value, &mut told);
            }
        }
    }
    for key in keys("Source") {
        for value in VALUES {
            let text = format!(
                "version: 1\nhosts: {{ a: {{ env: dev, access: writable, sources: {{ s: {{ {}{key}: \
                 {value} }} }} }} }}\n",
                source_before(&key)
            );
            check(&text, &key, value, &mut told);
        }
    }
    for (item, section) in [("Service", "services"), ("Probe", "probes")] {
        for key in keys(item) {
            for value in VALUES {
                let text = format!(
                    "version: 1\nhosts: {{ a: {{ {section}: {{ s: {{ {}{key}: {value} }} }} }} }}\n",
                    item_before(item, &key)
                );
                check(&text, &key, value, &mut told);
            }
        }
    }
    assert!(told.len() > 600, "{}", told.len());
}

#[test]
fn a_value_of_another_type_is_told_with_its_key_and_an_example() {
    for (text, told) in [
        (
            "hosts: { a: { env: [x] } }",
            "2:20: `env` must be one word, found a list\nhint: Write it as in `env: dev`.",
        ),
        (
            "hosts: { a: { port: hunter2 } }",
            "2:21: `port` must be a number from 1 to 65535, found text\n\
             hint: Write it as in `port: 22`.",
        ),
        (
            "hosts: { a: { port: 99999 } }",
            "2:21: `port` must be a number from 1 to 65535, found `99999`\n\
             hint: Write it as in `port: 22`.",
        ),
        (
            "hosts: { a: { keep: { last: -1 } } }",
            "2:29: `last` must be a whole number, found `-1`\nhint: Write it as in `last: 10`.",
        ),
        (
            "hosts: { a: { use: { b: hunter2 } } }",
            "2:20: `use` must be the name of a profile or a list of names, found a mapping\n\
             hint: Write it as in `use: [web]`.",
        ),
        (
            "hosts: { a: hunter2 }",
            "2:13: host `a` must be a mapping, found text\n\
             hint: Write it as in `a: { address: 203.0.113.26, user: clerk }`.",
        ),
        (
            "hosts: [hunter2]",
            "2:8: `hosts` must be a mapping of names to hosts, found a list\n\
             hint: Write it as in `hosts: { dev-vm: { address: 203.0.113.26, user: clerk } }`.",
        ),
        (
            "hosts: { a: { tags: [a, ~] } }",
            "2:25: `tags` must be a word or a list of words, found nothing in the list\n\
             hint: Write it as in `tags: [pbx, berlin]`.",
        ),
        // Where the parser names the place of a key, which is the place of its mapping, too.
        (
            "hosts:\n  a:\n    identity: 5\n",
            "4:5: `identity` must be a path or a list of paths, found a number\n\
             hint: Write it as in `identity: ~/.ssh/id_ed25519`.",
        ),
        (
            "hosts: { a: { sources: { s: { postgres: x, password: 5 } } } }",
            "2:44: `password` must be `{env: NAME}` or `{file: PATH}`, found a number\n\
             hint: Write it as in `password: { env: ORDERS_PASSWORD }`.",
        ),
        (
            "hosts: { a: { sources: { s: { http: \"http://h/\", headers: { A: [x] } } } } }",
            "2:61: `headers`: `A` must be text, `{env: NAME}` or `{file: PATH}`, found a list\n\
             hint: Write it as in `A: application/json`.",
        ),
        (
            "hosts: { a: { sources: { s: { command: [a, [b]] } } } }",
            "2:44: `command` must be a list: the program and its arguments, found a list in the list\n\
             hint: Write the program and each argument as an entry of the list, as in `command: \
             [systemctl, is-active, app.service]`; a line for a shell is written `shell: \"systemctl \
             is-active app.service\"`.",
        ),
    ] {
        assert_eq!(refusal_of(text), format!("fleet.yaml:{told}"), "{text}");
    }
    const INVENTORY: &str =
        "hint: Begin the file with `version: 1`, and name the hosts under `hosts:`.";
    for (text, found) in [("just text", "text"), ("- a\n", "a list")] {
        assert_eq!(
            refusal(text),
            format!("fleet.yaml:1:1: an inventory must be a mapping, found {found}\n{INVENTORY}")
        );
    }
}

#[test]
fn what_a_source_looks_like_is_shown() {
    for (body, told) in [
        (
            "app: /opt/app",
            "fleet.yaml:2:33: source `app` must be a mapping that names what to capture, found text\n\
             hint: Write `app: { directory: /opt/app }`.",
        ),
        (
            "app: hunter2",
            "fleet.yaml:2:33: source `app` must be a mapping that names what to capture, found text\n\
             hint: Write it as in `app: { directory: /opt/app }`.",
        ),
        (
            "app: { command: systemctl x }",
            "fleet.yaml:2:44: `command` must be a list: the program and its arguments, found text\n\
             hint: Write the program and each argument as an entry of the list, as in `command: \
             [systemctl, is-active, app.service]`; a line for a shell is written `shell: \"systemctl \
             is-active app.service\"`.",
        ),
        (
            "app: { directory: /a, sudo: yes }",
            "fleet.yaml:2:56: `sudo` must be `true` or `false`, found text\nhint: Did you mean `true`?",
        ),
        (
            "app: { directory: /a, exclude: { a: b } }",
            "fleet.yaml:2:59: `exclude` must be a pattern or a list of patterns, found a mapping\n\
             hint: Write it as in `exclude: [node_modules/, \"*.log\"]`.",
        ),
    ] {
        assert_eq!(
            refusal_of(&format!("hosts: {{ dev: {{ sources: {{ {body} }} }} }}")),
            told,
            "{body}"
        );
    }
}

#[test]
fn text_that_must_be_quoted_is_told_so() {
    for body in ["exclude: [*.log]", "exclude: *.log", "exclude: [a, *]"] {
        let told = refusal_of_source(&format!("directory: /a, {body}"));
        assert!(told.contains("in quotes"), "{body}: {told}");
    }
    assert_eq!(
        refusal_of_source("directory: /a, exclude: [*.log]"),
        "fleet.yaml:3:33: text that begins with `*` is an alias to YAML, and there is no anchor of that \
         name\n\
         hint: Put patterns, and any text that begins with `*`, in quotes, as in `exclude: [\"*.log\"]`."
    );
    assert_eq!(
        refusal_of_source("directory: /a, exclude: [\"*.log\", !keep.log]"),
        "fleet.yaml:3:51: text that begins with `!` is a tag to YAML\n\
         hint: Put patterns, and any text that begins with `!`, in quotes, as in `exclude: [\"*.log\", \
         \"!keep.log\"]`."
    );
    for (body, place) in [
        ("schedule: */15 * * * *", "4:15"),
        ("tags: [@prod]", "4:12"),
        ("user: `x`", "4:11"),
    ] {
        let told = refusal_of(&format!("hosts:\n  a:\n    {body}\n"));
        assert!(told.starts_with(&format!("fleet.yaml:{place}: ")), "{told}");
        assert!(told.contains("in quotes"), "{body}: {told}");
    }
}

#[test]
fn a_word_that_is_almost_one_of_the_choices_is_told_with_it() {
    for (body, told) in [
        (
            "access: writeable",
            "`access`: expected `read-only` or `writable`, found `writeable`\n\
             hint: Did you mean `writable`?",
        ),
        (
            "access: Read-Only",
            "`access`: expected `read-only` or `writable`, found `Read-Only`\n\
             hint: Did you mean `read-only`?",
        ),
        (
            "access: all",
            "`access`: expected `read-only` or `writable`\n\
             hint: Write one of them, or remove the key.",
        ),
        (
            "compression: gz",
            "`compression`: expected `auto`, `none`, `gzip` or `zstd`, found `gz`\n\
             hint: Did you mean `gzip`?",
        ),
        (
            "connect_timeout: 10",
            "`connect_timeout`: `10` has no unit\n\
             hint: Did you mean `10s`? Write a number with a unit, as in `30s`, `20m`, `1h30m` or `2d`; \
             the units are s, m, h, d and w.",
        ),
        (
            "max_age: 20 minutes",
            "`max_age`: `20 minutes` is not a duration\n\
             hint: Did you mean `20m`? Write a number with a unit, as in `30s`, `20m`, `1h30m` or `2d`; \
             the units are s, m, h, d and w.",
        ),
    ] {
        let refused = refusal_of(&format!("hosts:\n  a:\n    {body}\n"));
        let what = refused.splitn(4, ':').nth(3).map(str::trim_start);
        assert_eq!(what, Some(told), "{body}");
    }
    for (body, meant) in [
        ("directory: /a, unreadable: skp", "skip"),
        ("postgres: x, dump: fulll", "full"),
        ("postgres: x, format: costum", "custom"),
        ("http: \"http://h/\", json: normalize", "normalise"),
        ("command: [x], max_bytes: 16M", "16MiB"),
        ("command: [x], timeout: 30 sec", "30s"),
        ("directroy: /a", "directory"),
        ("comand: [x]", "command"),
    ] {
        let told = refusal_of_source(body);
        assert!(
            told.contains(&format!("hint: Did you mean `{meant}`?")),
            "{body}: {told}"
        );
    }
}

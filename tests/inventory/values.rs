//! Values of hosts and defaults that can't be what they should.

use std::time::Duration;

use fleet::inventory::SourceKind;

use super::{accepted, refusal_of, refusal_of_source};

#[test]
fn an_address_is_a_name_or_an_ip_and_nothing_else() {
    for (address, told) in [
        (
            "root@gw.example",
            "it holds a user before `@`\nhint: Write the user under `user`.",
        ),
        (
            "gw.example:22",
            "`gw.example:22` holds a port\nhint: Write the port under `port`.",
        ),
        (
            "\"[2001:db8::1]:22\"",
            "`[2001:db8::1]:22` has brackets\n\
             hint: Write an IPv6 address without brackets, and the port under `port`.",
        ),
    ] {
        assert_eq!(
            refusal_of(&format!("hosts:\n  a:\n    address: {address}\n")),
            format!("fleet.yaml:4:14: `address`: {told}")
        );
    }
    for address in [
        "-oProxyCommand=x",
        "a b",
        "a..b",
        "größe.example",
        "203.0.113",
        "203.0.113.256",
        "0x7f.1",
        "010.0.0.1.",
        "\"\"",
        "http://x/",
        "\"2001:db8::1::\"",
        "\"fe80::1%\"",
    ] {
        assert_eq!(
            refusal_of(&format!("hosts:\n  a:\n    address: {address}\n")),
            format!(
                "fleet.yaml:4:14: `address`: `{}` is neither a host name nor an IP address\n\
                 hint: Write a name such as `gw.example.org`, or an address such as `203.0.113.26` \
                 or `2001:db8::1`.",
                address.trim_matches('"')
            )
        );
    }
    for address in [
        "gw",
        "gw_1.example.org.",
        "203.0.113.26",
        "2001:db8::1",
        "fe80::1%eth0",
        "4me.example",
    ] {
        let inventory = accepted(&format!(
            "version: 1\nhosts:\n  a:\n    address: {address}\n"
        ));
        assert_eq!(inventory.hosts[0].address.as_deref(), Some(address));
    }
}

#[test]
fn words_for_other_programs_are_no_options() {
    for (key, value) in [
        ("user", "-x"),
        ("user", "\"a b\""),
        ("jump", "-oProxyCommand=x"),
        ("jump", "\"\""),
    ] {
        assert_eq!(
            refusal_of(&format!("hosts:\n  a:\n    {key}: {value}\n")),
            format!(
                "fleet.yaml:4:{}: `{key}`: `{}` can't be one\n\
                 hint: It is a single word that does not begin with `-`.",
                key.len() + 7,
                value.trim_matches('"')
            )
        );
    }
}

#[test]
fn defaults_are_checked_even_without_hosts() {
    for (text, told) in [
        ("defaults: { port: 0 }", "2:19: `port`: 0 is not a port"),
        ("defaults: { user: -x }", "2:19: `user`: `-x` can't be one"),
        (
            "defaults: { connect_timeout: 10 }",
            "2:30: `connect_timeout`: `10` has no unit",
        ),
        (
            "defaults: { stall_timeout: soon }",
            "2:28: `stall_timeout`: `soon` is not a duration",
        ),
        (
            "defaults: { compression: lz4 }",
            "2:26: `compression`: expected `auto`, `none`, `gzip` or `zstd`",
        ),
        (
            "defaults: { identity: [\"\"] }",
            "2:24: `identity`: it is empty or holds a NUL character",
        ),
        (
            "store: \"\"",
            "2:8: `store`: it is empty or holds a NUL character",
        ),
    ] {
        assert_eq!(
            refusal_of(text).lines().next(),
            Some(format!("fleet.yaml:{told}").as_str()),
            "{text}"
        );
    }
}

#[test]
fn durations_are_numbers_with_units_the_largest_first() {
    for (text, seconds) in [
        ("10s", 10),
        ("20m", 1_200),
        ("1h30m", 5_400),
        ("2d", 172_800),
        ("1w1d1h1m1s", 694_861),
        ("36500d", 3_153_600_000),
    ] {
        let inventory = accepted(&format!(
            "version: 1\nhosts: {{ a: {{ max_age: {text} }} }}\n"
        ));
        assert_eq!(
            inventory.hosts[0].max_age,
            Some(Duration::from_secs(seconds)),
            "{text}"
        );
    }
    for (text, why) in [
        ("20", "has no unit"),
        ("m", "is not a duration"),
        ("1.5h", "is not a duration"),
        ("-1h", "is not a duration"),
        ("1m1h", "is not a duration"),
        ("1m1m", "is not a duration"),
        ("1é", "is not a duration"),
        ("99999999999999999999s", "is not a duration"),
        ("0m", "is no time at all"),
        ("36501d", "is longer than a hundred years"),
        ("9999999999999999999w", "is longer than a hundred years"),
    ] {
        assert_eq!(
            refusal_of(&format!("hosts: {{ a: {{ max_age: {text} }} }}"))
                .lines()
                .next(),
            Some(format!("fleet.yaml:2:24: `max_age`: `{text}` {why}").as_str())
        );
    }
}

#[test]
fn schedules_have_five_fields() {
    for (text, why) in [
        ("", "CronPattern cannot be an empty string"),
        (
            "* * * * * *",
            "Invalid pattern: Pattern must have 5 fields when seconds are disallowed",
        ),
        ("61 * * * *", "Component error: Number out of bounds"),
        (
            "every day",
            "Invalid pattern: Pattern must have 5 fields when seconds are disallowed",
        ),
    ] {
        assert_eq!(
            refusal_of(&format!("hosts: {{ a: {{ schedule: \"{text}\" }} }}")),
            format!(
                "fleet.yaml:2:25: `schedule`: `{text}` is not a schedule: {why}\n\
                 hint: Write minute, hour, day of month, month and day of week, as in `*/15 * * * *`."
            )
        );
    }
}

#[test]
fn sizes_are_numbers_with_units() {
    for (text, bytes) in [
        ("1", 1),
        ("4096", 4096),
        ("2 KiB", 2048),
        ("16MiB", 16 << 20),
        ("1gib", 1 << 30),
        ("3MB", 3_000_000),
    ] {
        let inventory = accepted(&format!(
            "version: 1\nhosts: {{ a: {{ env: dev, access: writable, sources: {{ s: {{ shell: x, \
             max_bytes: {text} }} }} }} }}\n"
        ));
        let SourceKind::Command(command) = &inventory.hosts[0].sources[0].kind else {
            unreachable!("a shell source is a command");
        };
        assert_eq!(command.max_bytes, bytes, "{text}");
    }
    for text in ["0", "MiB", "-1", "1.5MiB", "99999999TiB", "1 x"] {
        assert_eq!(
            refusal_of_source(&format!("shell: x, max_bytes: {text}")),
            format!(
                "fleet.yaml:3:29: `max_bytes`: `{text}` is not a size\n\
                 hint: Write a number with a unit, as in `512KiB`, `16MiB` or `1GiB`; kB, MB and GB \
                 count by 1000."
            )
        );
    }
}

#[test]
fn a_retention_that_keeps_nothing_is_refused() {
    for keep in ["{}", "{ last: 0 }", "{ daily: 0, weekly: 0 }"] {
        assert_eq!(
            refusal_of(&format!("hosts:\n  a:\n    keep: {keep}\n")),
            "fleet.yaml:4:11: `keep`: it keeps nothing\n\
             hint: Keep at least one kind, as in `keep: { last: 10 }`; without `keep` nothing is \
             pruned."
        );
    }
    assert_eq!(
        refusal_of("hosts:\n  a:\n    keep: { within: long }\n")
            .lines()
            .next(),
        Some("fleet.yaml:4:21: `within`: `long` is not a duration")
    );
}

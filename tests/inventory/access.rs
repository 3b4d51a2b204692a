//! Tests of `access: writable`, and of hosts that are one machine.

use fleet::inventory::Access;

use super::{accepted, refusal_of};

/// The hint for a host that is prod and writable.
const PROD: &str = "Remove `access: writable`: a prod host is never written. `prod`, `production`, \
                    `prd`, `live` and the words of `protect` mean prod, also as a piece, as in `prod-eu`.";

#[test]
fn a_host_is_read_only_unless_it_says_otherwise() {
    let inventory = accepted(
        "version: 1\nhosts:\n  a: { env: dev }\n  b: { env: dev, access: read-only }\n  \
         c: { env: dev, access: writable }\n",
    );
    let access: Vec<_> = inventory
        .hosts
        .iter()
        .map(|host| {
            host.access
                .map(|(access, place)| (access, place.to_string()))
        })
        .collect();
    assert_eq!(
        access,
        [
            None,
            Some((Access::ReadOnly, "4:26".to_owned())),
            Some((Access::Writable, "5:26".to_owned())),
        ]
    );
}

#[test]
fn prod_is_never_writable_however_it_is_spelled() {
    for word in [
        "prod",
        "PROD",
        "Production",
        "\" prod \"",
        "!!str prod",
        "prd",
        "Live",
        "prod1",
        "prod-eu",
        "Production_EU",
        "eu.live",
    ] {
        let told = refusal_of(&format!(
            "hosts:\n  a:\n    env: {word}\n    access: writable\n"
        ));
        // The place is that of the word itself, behind its tag.
        let column = if word.starts_with('!') { 16 } else { 10 };
        let shown = word.trim_matches('"').trim().trim_start_matches("!!str ");
        assert_eq!(
            told,
            format!(
                "fleet.yaml:5:13: host `a` can't be `access: writable`, because its env is `{shown}` \
                 (see also fleet.yaml:4:{column})\n\
                 hint: {PROD}"
            )
        );
    }
}

#[test]
fn a_prod_tag_is_as_good_as_a_prod_env() {
    assert_eq!(
        refusal_of(
            "hosts:\n  a:\n    access: writable\n    env: dev\n    tags: [pbx, PRODUCTION]\n"
        ),
        format!(
            "fleet.yaml:4:13: host `a` can't be `access: writable`, because it has the tag `PRODUCTION` \
         (see also fleet.yaml:6:17)\n\
         hint: {PROD}"
        )
    );
    assert_eq!(
        refusal_of("hosts:\n  a: { access: writable, tags: prod }\n")
            .lines()
            .next(),
        Some(
            "fleet.yaml:3:16: host `a` can't be `access: writable`, because it has the tag `prod` \
             (see also fleet.yaml:3:32)"
        )
    );
}

#[test]
fn more_words_mean_prod_with_protect_wherever_it_is_in_the_file() {
    let hosts = "hosts:\n  a:\n    env: eu-staging\n    access: writable\n    tags: [tier1]\n";
    accepted(&format!("version: 1\n{hosts}"));
    for (protect, because) in [
        (
            "staging",
            "because its env is `eu-staging` (see also fleet.yaml:4:10)",
        ),
        (
            "[x, Staging]",
            "because its env is `eu-staging` (see also fleet.yaml:4:10)",
        ),
        (
            "[tier1]",
            "because it has the tag `tier1` (see also fleet.yaml:6:12)",
        ),
    ] {
        assert_eq!(
            refusal_of(&format!("{hosts}protect: {protect}\n")),
            format!(
                "fleet.yaml:5:13: host `a` can't be `access: writable`, {because}\nhint: {PROD}"
            )
        );
    }
    accepted(&format!("version: 1\n{hosts}protect: [stag, ier1]\n"));
    accepted(&format!("version: 1\n{hosts}protect: []\n"));
}

#[test]
fn no_word_of_protect_takes_another_away() {
    for protect in ["[]", "[staging]", "~"] {
        let told = refusal_of(&format!(
            "protect: {protect}\nhosts:\n  a: {{ env: live, access: writable }}\n"
        ));
        assert!(
            told.contains("because its env is `live`"),
            "{protect}: {told}"
        );
    }
    assert_eq!(
        refusal_of("protect: [\"!prod\"]\n"),
        "fleet.yaml:2:11: `protect`: `!prod` is not a word\n\
         hint: Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit."
    );
}

#[test]
fn an_env_that_is_no_word_to_yaml_is_refused() {
    for word in ["no", "Yes", "off", "true", "1", "1.5", "2024-01-01", "0x1f"] {
        assert_eq!(
            refusal_of(&format!("hosts:\n  a: {{ env: {word} }}\n")),
            format!(
                "fleet.yaml:3:13: `env`: expected a word, found `{word}`\n\
                 hint: Write a word such as `dev` or `staging`; numbers, `true`, `false`, `yes`, `no`, \
                 `on`, `off` and `null` are none."
            )
        );
    }
    assert_eq!(
        refusal_of("hosts:\n  a: { env: [dev] }\n"),
        "fleet.yaml:3:13: `env` must be one word, found a list\nhint: Write it as in `env: dev`."
    );
}

#[test]
fn a_host_without_env_counts_as_prod() {
    for env in ["", "    env:\n", "    env: ~\n"] {
        assert_eq!(
            refusal_of(&format!("hosts:\n  a:\n    access: writable\n{env}")),
            "fleet.yaml:4:13: host `a` is `access: writable` but has no `env`, and so counts as \
             prod (see also fleet.yaml:3:3)\n\
             hint: Set its environment, as in `env: dev`, or remove `access: writable`.",
            "{env:?}"
        );
    }
}

#[test]
fn access_is_one_of_two_words() {
    const CHOOSE: &str = "Write one of them, or remove the key.";
    for (word, found, hint) in [
        ("Writable", ", found `Writable`", "Did you mean `writable`?"),
        ("rw", "", CHOOSE),
        ("true", "", CHOOSE),
        ("", "", CHOOSE),
    ] {
        assert_eq!(
            refusal_of(&format!(
                "hosts:\n  a: {{ env: dev, access: \"{word}\" }}\n"
            )),
            format!(
                "fleet.yaml:3:26: `access`: expected `read-only` or `writable`{found}\n\
                 hint: {hint}"
            ),
        );
    }
}

#[test]
fn an_env_is_an_ascii_word_so_that_none_merely_looks_like_prod() {
    for word in ["\"p r\"", "рrod", "\"\"", "\"@x\""] {
        let told = refusal_of(&format!(
            "hosts:\n  a: {{ access: writable, env: {word} }}\n"
        ));
        assert_eq!(
            told,
            format!(
                "fleet.yaml:3:31: `env`: `{}` is not a word\n\
                 hint: Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit.",
                word.trim_matches('"')
            )
        );
    }
}

#[test]
fn defaults_and_profiles_can_say_neither_env_nor_access() {
    for (text, place, key) in [
        ("defaults: { access: writable }", "2:13", "access"),
        ("defaults: { env: dev }", "2:13", "env"),
        ("profiles: { p: { access: writable } }", "2:18", "access"),
        ("profiles: { p: { env: dev } }", "2:18", "env"),
    ] {
        assert_eq!(
            refusal_of(text),
            format!(
                "fleet.yaml:{place}: `{key}` is only allowed directly on a host\n\
                 hint: Set `{key}` on each host: write access is never inherited."
            )
        );
    }
}

#[test]
fn one_address_with_different_access_is_refused_however_it_is_spelled() {
    for (first, second, shown) in [
        ("203.0.113.9", "203.0.113.9", "203.0.113.9"),
        ("203.0.113.9", "203.0.113.9, port: 2222", "203.0.113.9"),
        ("GW.example.org", "gw.example.ORG.", "gw.example.org"),
        ("\"2001:db8::1\"", "\"2001:0DB8:0:0::1\"", "2001:db8::1"),
        ("\"::ffff:203.0.113.9\"", "203.0.113.9", "203.0.113.9"),
    ] {
        assert_eq!(
            refusal_of(&format!(
                "hosts:\n  live: {{ env: prod, address: {first} }}\n  \
                 dev: {{ env: dev, access: writable, address: {second} }}\n"
            )),
            format!(
                "fleet.yaml:4:47: hosts `dev` and `live` are one address, `{shown}`, with \
                 different access (see also fleet.yaml:3:31)\n\
                 hint: Remove one of the two hosts, correct its address, or give both the same \
                 access."
            )
        );
    }
}

#[test]
fn a_hosts_name_is_an_address_too() {
    assert_eq!(
        refusal_of(
            "hosts:\n  live: { env: prod }\n  dev: { env: dev, access: writable, address: Live }\n"
        )
        .lines()
        .next(),
        Some(
            "fleet.yaml:4:47: hosts `dev` and `live` are one address, `live`, with different \
             access (see also fleet.yaml:3:3)"
        )
    );
}

#[test]
fn one_address_with_the_same_access_is_fine() {
    let inventory = accepted(
        "version: 1\nhosts:\n  a: { env: prod, address: h.example }\n  b: { address: h.example, port: 2222 }\n  \
         c: { env: dev, access: writable, address: g.example }\n  \
         d: { env: test, access: writable, address: g.example }\n",
    );
    assert_eq!(inventory.hosts.len(), 4);
}

#[test]
fn host_names_that_differ_in_case_only_are_refused() {
    assert_eq!(
        refusal_of("hosts:\n  Web: {}\n  web: {}\n"),
        "fleet.yaml:4:3: hosts `web` and `Web` differ only in upper and lower case \
         (see also fleet.yaml:3:3)\n\
         hint: Rename one of them: on a case-insensitive file system their checkpoints would share a directory."
    );
}

#[test]
fn jumps_that_lead_in_a_circle_are_refused() {
    const HINT: &str = "hint: Change `jump` on one of them; `jump: none` reaches a host directly.";
    assert_eq!(
        refusal_of("hosts:\n  a: { jump: a }\n"),
        format!("fleet.yaml:3:14: `jump` of host `a` forms a loop: `a` → `a`\n{HINT}")
    );
    assert_eq!(
        refusal_of(
            "hosts:\n  z: { jump: a }\n  a: { jump: b }\n  b: { jump: \"x.example,c\" }\n  c: { jump: a }\n"
        ),
        format!("fleet.yaml:4:14: `jump` of host `a` forms a loop: `a` → `b` → `c` → `a`\n{HINT}")
    );
}

#[test]
fn a_bastion_of_the_defaults_is_not_reached_through_itself() {
    let inventory = accepted(
        "version: 1\ndefaults: { jump: bastion }\nhosts:\n  bastion: {}\n  a: {}\n  \
         b: { jump: none }\n  c: { jump: root@other.example:2222 }\n",
    );
    let jumps: Vec<_> = inventory
        .hosts
        .iter()
        .map(|host| host.jump.as_deref())
        .collect();
    assert_eq!(
        jumps,
        [
            None,
            Some("bastion"),
            Some("none"),
            Some("root@other.example:2222")
        ]
    );
}

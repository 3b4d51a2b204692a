//! Text that has not the shape of an inventory.

use super::{accepted, refusal, refusal_of};

#[test]
fn an_empty_file_is_told_from_a_broken_one() {
    for text in ["", "\n", "# only a comment\n", "---\n"] {
        assert_eq!(
            refusal(text),
            "fleet.yaml: the file is empty\n\
             hint: `fleet init` writes an inventory to begin with.",
            "{text:?}"
        );
    }
}

#[test]
fn tabs_are_pointed_at() {
    assert_eq!(
        refusal_of("hosts:\n\ta: {}\n"),
        "fleet.yaml:3:2: tab used for indentation\n\
         hint: Indent with spaces."
    );
}

#[test]
fn broken_yaml_is_pointed_at_and_never_quoted() {
    let told = refusal_of("hosts:\n  a: { user: \"hunter2 }\n");
    assert_eq!(
        told,
        "fleet.yaml:3:14: not valid YAML: unclosed quote\n\
         hint: Correct the file at that line. Text that begins with one of `* & ! | > % @ [ { #` or a \
         backquote, and text that holds `: ` or ` #`, goes in quotes."
    );
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_known_one() {
    assert_eq!(
        refusal_of(
            "profiles:\n  p:\n    sources:\n      s:\n        directory: /a\n        exlude: [x]\n"
        ),
        "fleet.yaml:7:9: unknown key `exlude`\n\
         hint: Did you mean `exclude`?"
    );
    assert_eq!(
        refusal_of("hosts:\n  a: { adress: x }\n"),
        "fleet.yaml:3:8: unknown key `adress`\n\
         hint: Did you mean `address`?"
    );
    assert_eq!(
        refusal_of("hosts:\n  a: { keep: { lats: 1 } }\n"),
        "fleet.yaml:3:16: unknown key `lats`\n\
         hint: Did you mean `last`?"
    );
}

#[test]
fn an_unknown_key_like_no_other_is_told_with_all_known_ones() {
    assert_eq!(
        refusal_of("machines: {}\n"),
        "fleet.yaml:2:1: unknown key `machines`\n\
         hint: Known here: `version`, `store`, `protect`, `defaults`, `profiles`, `hosts`."
    );
}

#[test]
fn terminal_codes_in_keys_are_escaped() {
    assert_eq!(
        refusal_of("\"\\e[2Jx\": 1\n").lines().next(),
        Some("fleet.yaml:2:1: unknown key `\\u{1b}[2Jx`")
    );
}

#[test]
fn a_duplicate_key_is_refused_at_every_depth() {
    assert_eq!(
        refusal_of("hosts: {}\nhosts: {}\n"),
        "fleet.yaml:3:1: duplicate key `hosts`\n\
         hint: Remove one of the two, or give it another name."
    );
    assert_eq!(
        refusal_of("hosts:\n  a: { env: dev }\n  b:\n  a: { env: prod }\n"),
        "fleet.yaml:5:3: duplicate key `a`\n\
         hint: Remove one of the two, or give it another name."
    );
    assert_eq!(
        refusal_of("hosts:\n  a:\n    access: read-only\n    access: writable\n"),
        "fleet.yaml:5:5: duplicate key `access`\n\
         hint: Remove one of the two, or give it another name."
    );
}

#[test]
fn the_version_is_needed() {
    assert_eq!(
        refusal("hosts: {}\n"),
        "fleet.yaml:1:1: `version` is missing\n\
         hint: Begin the file with `version: 1`."
    );
}

#[test]
fn another_version_explains_whatever_else_is_unknown() {
    for rest in ["", "machines: {}\n", "hosts: [1]\n"] {
        assert_eq!(
            refusal(&format!("version: 2\n{rest}")),
            "fleet.yaml:1:10: the inventory has version 2, and this fleet reads version 1\n\
             hint: Install a newer fleet.",
            "{rest:?}"
        );
    }
    assert_eq!(
        refusal("version: 0\n"),
        "fleet.yaml:1:10: the inventory has version 0, and this fleet reads version 1\n\
         hint: Write `version: 1`."
    );
}

#[test]
fn a_second_document_is_refused() {
    assert_eq!(
        refusal_of("---\nversion: 1\n"),
        "fleet.yaml:3:1: a second YAML document begins here\n\
         hint: Keep one document in the file, without `---` between parts."
    );
}

#[test]
fn merge_keys_are_refused_because_access_would_be_inherited() {
    assert_eq!(
        refusal_of("hosts:\n  a: &a { env: dev, access: writable }\n  b: { <<: *a }\n"),
        "fleet.yaml:4:8: merge keys (`<<`) can't be used in an inventory\n\
         hint: Put settings that hosts share into a profile or into `defaults`; set `env` and `access` on each host."
    );
}

#[test]
fn aliases_may_be_used_for_lists() {
    let inventory = accepted("version: 1\nhosts:\n  a: { tags: &t [x, y] }\n  b: { tags: *t }\n");
    let tags = |at: usize| -> Vec<&str> {
        let tags = &inventory.hosts[at].tags;
        tags.iter().map(|(tag, _)| tag.as_str()).collect()
    };
    assert_eq!(tags(0), ["x", "y"]);
    assert_eq!(tags(1), ["x", "y"]);
}

#[test]
fn what_is_reserved_for_later_is_refused_rather_than_ignored() {
    for text in [
        "hosts: { a: { probes: { x: { disk: /var } } } }",
        "profiles: { a: { probes: { x: { command: [x] } } } }",
        "hosts: { a: { services: { x: { docker: x } } } }",
        "notify: {}",
        "defaults: { copy: [x] }",
    ] {
        let told = refusal_of(text);
        assert!(told.contains("unknown key"), "{text}: {told}");
    }
}

#[test]
fn names_must_be_safe_as_file_names() {
    assert_eq!(
        refusal_of("hosts:\n  ../a: {}\n"),
        "fleet.yaml:3:3: `../a` is not a host name: use 1 to 128 letters, digits, `.`, `_` or `-`, \
         beginning with a letter or digit"
    );
    assert_eq!(
        refusal_of("profiles:\n  p q: {}\n"),
        "fleet.yaml:3:3: `p q` is not a profile name: use 1 to 128 letters, digits, `.`, `_` or \
         `-`, beginning with a letter or digit"
    );
    assert_eq!(
        refusal_of("profiles:\n  p: { sources: { .s: { directory: /a } } }\n"),
        "fleet.yaml:3:19: `.s` is not a source name: use 1 to 128 letters, digits, `.`, `_` or \
         `-`, beginning with a letter or digit"
    );
}

#[test]
fn several_problems_are_told_together_in_the_files_order() {
    assert_eq!(
        refusal_of("hosts:\n  b: { use: x }\n  a: { port: 0, max_age: 20 }\n"),
        "3 problems in fleet.yaml\n  \
           fleet.yaml:3:13: there is no profile `x`\n  \
           fleet.yaml:4:14: `port`: 0 is not a port\n  \
           fleet.yaml:4:26: `max_age`: `20` has no unit\n\
         hint: Line 3: Add it under `profiles`, or remove it from `use`.\n\
         Line 4: Ports go from 1 to 65535.\n\
         Line 4: Did you mean `20s`? Write a number with a unit, as in `30s`, `20m`, `1h30m` or `2d`; the units are s, \
         m, h, d and w."
    );
}

#[test]
fn no_more_than_twenty_problems_are_told() {
    let hosts: String = (0..25)
        .map(|n| format!("  h{n}: {{ port: 0 }}\n"))
        .collect();
    let told = refusal_of(&format!("hosts:\n{hosts}"));
    let (message, hints) = told.split_once("\nhint: ").expect("there are hints");
    assert_eq!(message.lines().next(), Some("25 problems in fleet.yaml"));
    assert_eq!(message.lines().count(), 22);
    assert_eq!(message.lines().last(), Some("  and 5 more"));
    assert_eq!(hints.lines().count(), 20);
}

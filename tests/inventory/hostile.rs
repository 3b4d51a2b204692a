//! Files that would cost too much, and text that is no inventory at all.

use std::fmt::Write;

use proptest::prelude::*;

use super::{accepted, parse, refusal, refusal_of, refusal_of_source};

#[test]
fn a_file_of_ten_megabytes_is_refused_by_its_size() {
    let mut text = String::from("version: 1\nhosts:\n");
    while text.len() < 10 << 20 {
        let n = text.len();
        writeln!(text, "  host-{n}: {{ env: dev, address: h{n}.example }}")
            .expect("a String takes all");
    }
    let bytes = text.len();
    assert_eq!(
        refusal(&text),
        format!(
            "fleet.yaml: the file has {bytes} bytes, and fleet reads at most 2097152\n\
             hint: Check that this file is a fleet inventory."
        )
    );
}

#[test]
fn ten_thousand_hosts_are_read() {
    let mut text = String::from(
        "version: 1\nprofiles: { p: { sources: { etc: { directory: /etc } } } }\nhosts:\n",
    );
    for n in 0..10_000 {
        writeln!(
            text,
            "  host-{n}: {{ env: dev, address: h{n}.example, use: [p], jump: host-0 }}"
        )
        .expect("a String takes all");
    }
    let text = text.replacen(", jump: host-0 }", " }", 1);
    assert_eq!(accepted(&text).hosts.len(), 10_000);
}

#[test]
fn a_chain_of_jumps_as_long_as_the_inventory_is_followed() {
    let mut text = String::from("version: 1\nhosts:\n  h0: {}\n");
    for n in 1..10_000 {
        writeln!(text, "  h{n}: {{ jump: h{} }}", n - 1).expect("a String takes all");
    }
    assert_eq!(accepted(&text).hosts.len(), 10_000);
}

#[test]
fn aliases_that_explode_are_refused() {
    let mut text =
        String::from("version: 1\nhosts:\n  a:\n    tags: &t0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let aliases = vec![format!("*t{}", n - 1); 10].join(", ");
        writeln!(text, "  h{n}: {{ tags: &t{n} [{aliases}] }}").expect("a String takes all");
    }
    // The first nested list is already not a tag; the unfolding must not have been paid for.
    assert_eq!(
        refusal(&text).lines().next(),
        Some("fleet.yaml:5:20: the key before this value must be of another type")
    );
    // Where a list belongs, it is unfolded for each alias, but only so often.
    let tags = vec!["x"; 1_000].join(", ");
    let mut text = format!("version: 1\nhosts:\n  a:\n    tags: &t [{tags}]\n");
    for n in 0..900 {
        writeln!(text, "  h{n}: {{ tags: *t }}").expect("a String takes all");
    }
    let told = refusal(&text);
    let (message, hint) = told.split_once('\n').expect("there is a hint");
    assert_eq!(
        message.rsplit_once(": ").map(|(_, what)| what),
        Some("the file's aliases or nesting exceed fleet's limit")
    );
    assert_eq!(
        hint,
        "hint: Use fewer aliases (`*name`), and put settings that hosts share into a profile."
    );
}

#[test]
fn an_alias_of_itself_is_refused() {
    assert_eq!(
        refusal_of("hosts: { a: { tags: &x [*x] } }").lines().next(),
        Some("fleet.yaml:2:25: the file's aliases or nesting exceed fleet's limit")
    );
}

#[test]
fn patterns_of_any_length_are_refused_before_they_are_compiled() {
    let long = "{a,".repeat(100_000);
    for (text, told) in [
        (
            format!("files: \"/{long}\""),
            "3:15: `files`: it is longer than 4096 bytes",
        ),
        (
            format!("directory: /a, exclude: \"{long}\""),
            "3:32: `exclude`: it is longer than 4096 bytes",
        ),
        (
            format!("files: /a, lines: \"{long}\""),
            "3:26: `lines`: it is longer than 4096 bytes",
        ),
    ] {
        assert_eq!(
            refusal_of_source(&text),
            format!("fleet.yaml:{told}\nhint: Shorten it.")
        );
    }
}

#[test]
fn thousands_of_roots_and_unknown_profiles_are_read_in_one_go() {
    let roots: Vec<String> = (0..20_000).map(|n| format!("/r{n}")).collect();
    accepted(&format!(
        "version: 1\nhosts: {{ a: {{ sources: {{ s: {{ directories: [{}] }} }} }} }}\n",
        roots.join(",")
    ));
    let profiles: String = (0..20_000).map(|n| format!("  p{n}:\n")).collect();
    let used: Vec<String> = (0..20_000).map(|n| format!("q{n}")).collect();
    assert_eq!(
        refusal_of(&format!(
            "profiles:\n{profiles}hosts:\n  a: {{ use: [{}] }}\n",
            used.join(",")
        ))
        .lines()
        .next(),
        Some("20000 problems in fleet.yaml")
    );
}

#[test]
fn nesting_is_bounded() {
    for text in [
        format!("hosts: {{ a: {{ tags: {}", "[".repeat(100_000)),
        format!("hosts: {{ a: {{ tags: {}", "{a: ".repeat(100_000)),
        format!(
            "hosts:\n  a:\n    tags:\n{}",
            (0..200)
                .map(|n| format!("{}- \n", " ".repeat(6 + n)))
                .collect::<String>()
        ),
    ] {
        let told = refusal_of(&text);
        let message = told.lines().next().unwrap_or_default();
        assert!(
            message.ends_with("aliases or nesting exceed fleet's limit")
                || message.contains("not valid YAML")
                || message.contains("must be"),
            "{message}"
        );
    }
}

#[test]
fn a_profile_times_many_hosts_is_bounded() {
    let mut text = String::from("version: 1\nprofiles:\n  p:\n    sources:\n");
    for n in 0..1_000 {
        writeln!(text, "      s{n}: {{ directory: /s{n} }}").expect("a String takes all");
    }
    text.push_str("hosts:\n");
    for n in 0..300 {
        writeln!(text, "  h{n}: {{ use: p }}").expect("a String takes all");
    }
    assert_eq!(
        refusal(&text),
        "fleet.yaml:1256:3: the hosts have more than 250000 sources, services and probes together\n\
         hint: Split the inventory."
    );
}

#[test]
fn no_message_holds_what_the_file_holds() {
    let secret = "hunter2";
    for text in [
        "hosts: { a: { port: hunter2 } }",
        "hosts: { a: { sources: { s: { postgres: x, password: hunter2 } } } }",
        "hosts: { a: { sources: { s: { postgres: x, password: { env: [hunter2] } } } } }",
        "hosts: { a: { sources: { s: { postgres: \"password=hunter2\" } } } }",
        "hosts: { a: { sources: { s: { http: \"http://u:hunter2@h\" } } } }",
        "hosts: { a: { sources: { s: { http: \"http://h\", headers: { a: \"hunter2\\n\" } } } } }",
        "hosts: { a: { sources: { s: { http: \"http://h\", headers: { a: [hunter2] } } } } }",
        "hosts: { a: { sources: { s: { shell: \"x hunter2\" } } } }",
        "hosts: { a: { address: \"u:hunter2@h\" } }",
        "hosts: { a: { access: hunter2 } }",
        "hosts: { a: { tags: [b, {c: hunter2}] } }",
        "hosts: { a: { sources: { s: { optional: hunter2 } } } }",
        "hosts: { a: \"hunter2",
        "hosts: { a: hunter2: b }",
        "hosts: hunter2\n\thunter2",
    ] {
        let told = refusal_of(text);
        assert!(!told.contains(secret), "{told}");
    }
}

/// Pieces from which something that is nearly an inventory is made.
fn nearly_an_inventory() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "version: 1\n",
        "hosts:\n",
        "  a:",
        " {",
        "}",
        " env: prod",
        ",",
        " access: writable",
        "\n",
        "    ",
        "sources:",
        " directory: /a",
        " &x",
        " *x",
        " <<:",
        " [",
        "]",
        "\"",
        "'",
        "- ",
        "? ",
        ": ",
        "|",
        ">",
        "!!str ",
        "!",
        "\t",
        "#",
        "---\n",
        "~",
        "profiles:\n",
        " jump: a",
        "\u{feff}",
        " http: http://[",
        "é",
        "\0",
        " use: p",
        "  p:",
        " max_age: 1",
        " keep:",
        " files: /[",
        " %",
        " headers:",
        " password:",
        " lines: (",
        " exclude: [",
        " address: a%",
        " schedule: '*'",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _outcome = parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn nothing_that_is_nearly_an_inventory_makes_it_panic(text in nearly_an_inventory()) {
        let _outcome = parse(&format!("version: 1\nhosts:\n{text}")).map_err(|error| error.to_string());
        let _outcome = parse(&text).map_err(|error| error.to_string());
    }
}

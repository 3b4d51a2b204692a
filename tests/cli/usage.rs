//! Wrong arguments and missing things: exit 2, a message that helps, JSON where it was asked for.

use insta::assert_snapshot;

use super::bed::Bed;

#[test]
fn wrong_arguments_are_told_and_exit_2() {
    let bed = Bed::with_inventory();
    let mut text = String::new();
    for arguments in [
        &["nonsense"][..],
        &["lss"],
        &["hosts", "--bogus"],
        &["show"],
        &["show", "dev-vm"],
        &["show", "dev-vm@yesterday"],
        &["cat", "dev-vm@latest"],
        &["guard", "explain", "prod-vm", "write"],
        &["guard", "explain", "../x"],
        &["checkpoint", "dev-vm", "-j", "0"],
        &["checkpoint", "dev-vm", "--only", "a/b"],
        &["hosts", "-q", "-v"],
        &["hosts", "--wait", "5"],
        &["hosts", "--color", "pink"],
        &["verify", "--all", "dev-vm"],
        &["export", "dev-vm@latest"],
        &["completions", "tcsh"],
    ] {
        let ran = bed.fleet(arguments);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        text.push_str(&format!(
            "$ fleet {}\n{}\n",
            arguments.join(" "),
            ran.stderr
        ));
    }
    assert_snapshot!(text);
}

#[test]
fn verbs_of_later_versions_say_what_helps_until_then() {
    let bed = Bed::new();
    let mut text = String::new();
    for verb in [
        "restore", "rollback", "pin", "prune", "run", "resume", "runs", "status", "schedule",
        "audit", "serve",
    ] {
        let ran = bed.fleet(&[verb, "dev-vm@latest", "--to", "new-vm"]);
        assert_eq!(ran.code, Some(2), "{verb}");
        text.push_str(&ran.stderr);
    }
    assert_snapshot!(text);
}

#[test]
fn usage_errors_are_json_too_where_that_was_asked_for() {
    let bed = Bed::with_inventory();
    for (arguments, shape, message, hint) in [
        (
            &["ls", "--json", "--bogus"][..],
            "ls",
            "unexpected argument '--bogus' found",
            "to pass '--bogus' as a value, use '-- --bogus'",
        ),
        (
            &["--json"],
            "ls",
            "'fleet' requires a subcommand but one was not provided",
            "Try `--help`.",
        ),
        (
            &["show", "--json"],
            "show",
            "the following required arguments were not provided: <CHECKPOINT>",
            "Try `--help`.",
        ),
        (
            &["export", "x@latest", "--json"],
            "export",
            "the following required arguments were not provided: --output <PATH>",
            "Try `--help`.",
        ),
        (
            &["checkpoint", "--json"],
            "checkpoint",
            "no host is selected",
            "Name hosts, `@ENV-or-TAG` groups, or say `--all`.",
        ),
        (
            &["checkpoint", "--json", "--bogus"],
            "checkpoint",
            "unexpected argument '--bogus' found",
            "to pass '--bogus' as a value, use '-- --bogus'",
        ),
        (
            &["guard", "explain", "prod-vn", "--json"],
            "guard-explain",
            "there is no host `prod-vn` in fleet.yaml",
            "Did you mean `prod-vm`?",
        ),
        (
            &["doctor", "@nowhere", "--json"],
            "doctor",
            "no host in fleet.yaml has the env or tag `nowhere`",
            "There are: @dev, @pbx, @prod.",
        ),
    ] {
        let ran = bed.fleet(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        let document = ran.document(shape);
        assert_eq!(document["error"]["message"], message, "{arguments:?}");
        assert_eq!(document["error"]["hint"], hint, "{arguments:?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
}

#[test]
fn an_inventory_that_is_not_there_says_how_to_make_one() {
    let bed = Bed::new();
    let mut text = String::new();
    for arguments in [
        &["hosts"][..],
        &["hosts", "-i", "other.yaml"],
        &["ls"],
        &["checkpoint", "dev-vm"],
        &["guard", "explain", "dev-vm"],
        &["trust", "dev-vm"],
        &["doctor", "dev-vm"],
    ] {
        let ran = bed.fleet(arguments);
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        text.push_str(&format!("$ fleet {}\n{}", arguments.join(" "), ran.stderr));
    }
    assert_snapshot!(text);
}

#[test]
fn a_wrong_inventory_is_told_with_its_places_before_any_work() {
    let bed = Bed::new();
    bed.write(
        "fleet.yaml",
        "version: 1\nhosts:\n  a:\n    env: prod\n    access: writable\n  b:\n    env: dev\n    access: writable\n    use: [nothing]\n",
    );
    let ran = bed.fleet(&["checkpoint", "--all", "--json"]);
    assert_snapshot!(ran.whole());
    assert_eq!(ran.lines("checkpoint").len(), 1);
    bed.write("fleet.yaml", "version: 1\nhosts: {\u{7}}\n");
    assert_eq!(bed.fleet(&["hosts"]).code, Some(2));
}

#[test]
fn the_inventory_is_looked_for_in_this_order() {
    let bed = Bed::new();
    let host =
        |name: &str| format!("version: 1\nhosts: {{ {name}: {{ address: 203.0.113.1 }} }}\n");
    let first = |ran: super::bed::Ran| ran.document("hosts")["hosts"][0]["name"].clone();
    bed.write(".config/fleet/fleet.yaml", &host("of-the-user"));
    assert_eq!(first(bed.fleet(&["hosts", "--json"])), "of-the-user");
    bed.write("fleet.yaml", &host("here"));
    assert_eq!(first(bed.fleet(&["hosts", "--json"])), "here");
    bed.write("inventory/fleet.yaml", &host("in-its-folder"));
    assert_eq!(first(bed.fleet(&["hosts", "--json"])), "in-its-folder");
    bed.write("env.yaml", &host("of-the-environment"));
    let run = |arguments: &[&str], file: &str| {
        let mut command = bed.command(arguments);
        let output = command.env("FLEET_INVENTORY", file).output();
        bed.ran(&output.expect("the program runs"))
    };
    assert_eq!(
        first(run(&["hosts", "--json"], "env.yaml")),
        "of-the-environment"
    );
    assert_eq!(first(run(&["hosts", "--json"], "")), "in-its-folder");
    for arguments in [
        ["-i", "fleet.yaml", "hosts", "--json"],
        ["hosts", "--json", "-i", "fleet.yaml"],
    ] {
        assert_eq!(first(run(&arguments, "env.yaml")), "here");
    }
}

//! Wrong arguments and missing things: exit 2, a message that helps, JSON where it was asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use super::fixture::CliFixture;

#[test]
fn wrong_arguments_are_told_and_exit_2() {
    let bed = CliFixture::with_inventory();
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

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn what_other_accounts_can_write_is_warned_of_once() {
    let bed = CliFixture::with_store();
    let (file, store) = (bed.path("fleet.yaml"), bed.path("checkpoints"));
    assert_eq!(bed.fleet(&["ls"]).stderr, "");
    set_mode(&file, 0o666);
    set_mode(&store, 0o777);
    assert_eq!(
        bed.fleet(&["ls"]).stderr,
        "warning: other accounts can write the inventory fleet.yaml (mode 0666); `chmod go-w fleet.yaml` \
         prevents it\n\
         warning: other accounts can write the store checkpoints (mode 0777); `chmod go-w checkpoints` \
         prevents it\n"
    );
    set_mode(&file, 0o600);
    set_mode(&store, 0o700);
}

#[test]
fn an_inventory_that_is_too_large_is_told_with_its_size() {
    let bed = CliFixture::new();
    bed.write("fleet.yaml", &"# many words\n".repeat(1 << 18));
    let ran = bed.fleet(&["hosts"]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(
        ran.stderr,
        "error: fleet.yaml: the file has 3407872 bytes, and fleet reads at most 2097152\n  hint: Check that this file is a fleet inventory.\n"
    );
}

/// Every text between backquotes that begins with `fleet`, in what fleet may print.
fn commands_named_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("a source file is text");
    let printed = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut words = Vec::new();
    for line in printed {
        for rest in line.split("`fleet ").skip(1) {
            let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            if !word.is_empty() {
                words.push(word);
            }
        }
    }
    words
}

#[test]
fn every_command_that_a_message_names_exists() {
    let help = CliFixture::new().fleet(&["--help"]).stdout;
    let known: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(known.contains("checkpoint"), "{help}");
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut named = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).expect("a folder of this repository") {
            let path = item.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| ending == "rs" || ending == "md")
            {
                named.extend(commands_named_in(&path));
            }
        }
    }
    assert!(named.contains("verify"), "{named:?}");
    let unknown: Vec<&String> = named
        .iter()
        .filter(|word| !known.contains(word.as_str()))
        .collect();
    assert_eq!(unknown, Vec::<&String>::new());
}

#[test]
fn verbs_of_later_versions_say_what_helps_until_then() {
    let bed = CliFixture::new();
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
    let bed = CliFixture::with_inventory();
    for (arguments, shape, code, message, hint) in [
        (
            &["ls", "--json", "--bogus"][..],
            "ls",
            "usage-invalid",
            "unexpected argument '--bogus' found",
            "to pass '--bogus' as a value, use '-- --bogus'",
        ),
        (
            &["--json"],
            "ls",
            "usage-invalid",
            "'fleet' requires a subcommand but one was not provided",
            "Try `--help`.",
        ),
        (
            &["show", "--json"],
            "show",
            "usage-invalid",
            "the following required arguments were not provided: <CHECKPOINT>",
            "Try `--help`.",
        ),
        (
            &["export", "x@latest", "--json"],
            "export",
            "usage-invalid",
            "the following required arguments were not provided: --output <PATH>",
            "Try `--help`.",
        ),
        (
            &["checkpoint", "--json"],
            "checkpoint",
            "nothing-selected",
            "no host is selected",
            "Name hosts or `@ENV-or-TAG` groups, or use `--all`.",
        ),
        (
            &["checkpoint", "--json", "--bogus"],
            "checkpoint",
            "usage-invalid",
            "unexpected argument '--bogus' found",
            "to pass '--bogus' as a value, use '-- --bogus'",
        ),
        (
            &["guard", "explain", "prod-vn", "--json"],
            "guard-explain",
            "unknown-host",
            "there is no host `prod-vn` in fleet.yaml",
            "Did you mean `prod-vm`?",
        ),
        (
            &["doctor", "@nowhere", "--json"],
            "doctor",
            "unknown-group",
            "no host in fleet.yaml has the env or tag `nowhere`",
            "There are: @dev, @pbx, @prod.",
        ),
    ] {
        let ran = bed.fleet(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        let document = ran.document(shape);
        assert_eq!(document["error"]["code"], code, "{arguments:?}");
        assert_eq!(document["error"]["message"], message, "{arguments:?}");
        assert_eq!(document["error"]["hint"], hint, "{arguments:?}");
        assert_ne!(ran.stderr, "", "{arguments:?}");
    }
}

#[test]
fn an_inventory_that_is_not_there_says_how_to_make_one() {
    let bed = CliFixture::new();
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
    let bed = CliFixture::new();
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
    let bed = CliFixture::new();
    let host =
        |name: &str| format!("version: 1\nhosts: {{ {name}: {{ address: 203.0.113.1 }} }}\n");
    let first =
        |ran: super::fixture::FleetOutput| ran.document("hosts")["hosts"][0]["name"].clone();
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

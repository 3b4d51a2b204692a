//! The reference pages agree with the program: commands, inventory keys, exit and error codes, JSON
//! shapes.

use std::fs;
use std::process::Command;

use fleet::fault::Code;
use fleet::report::json::schemas;
use serde_json::Value;

use super::markdown::{Page, root};

const PAGE: &str = "docs/src/reference/commands.md";

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .args(arguments)
        .arg("--help")
        .env_clear()
        .output()
        .expect("fleet starts");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The names under `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

/// The help without the options that every command has.
fn without_global(help: &str) -> String {
    let mut kept = String::new();
    let mut is_global = false;
    for line in help.lines() {
        is_global = line == "Global options:" || (is_global && !line.is_empty());
        if !is_global {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.replace("\n\n\n", "\n\n")
}

fn page() -> String {
    let main = help(&[]);
    let mut text = format!(
        "# Commands\n\n\
         The help of every command, as `fleet COMMAND --help` prints it. A test keeps this page in step with\n\
         the program. The global options are listed once, under `fleet`; they stand before or after the command.\n\n\
         ## fleet\n\n```text\n{main}```\n"
    );
    let mut add = |words: &[&str], help: &str| {
        let name = words.join(" ");
        let help = without_global(help);
        let help = help.trim_end();
        text.push_str(&format!("\n## fleet {name}\n\n```text\n{help}\n```\n"));
    };
    for verb in commands(&main) {
        let own = help(&[verb]);
        let inner = commands(&own);
        if inner.is_empty() {
            add(&[verb], &own);
        }
        for inner in inner {
            add(&[verb, inner], &help(&[verb, inner]));
        }
    }
    text
}

/// With `FLEET_UPDATE=1` the page is written instead.
#[test]
fn the_page_of_commands_is_what_help_prints() {
    let file = root().join(PAGE);
    let text = page();
    if std::env::var_os("FLEET_UPDATE").is_some() {
        fs::write(&file, &text).expect("the page");
    }
    let stored = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == text,
        "{PAGE} is stale; refresh it with `FLEET_UPDATE=1 cargo test --test all docs::reference`"
    );
}

const CODES_PAGE: &str = "docs/src/reference/error-codes.md";

fn codes_page() -> String {
    let mut text = "# Error codes\n\n\
         Every error has a code that names its cause: the `code` beside the message in\n\
         [JSON output](json.md), and that of a failed part in `checkpoint.json`. Match codes in alerts and\n\
         scripts: messages and hints may change, a code keeps its meaning. Errors that need the same answer share\n\
         a code, and later versions add codes. The [exit code](exit-codes.md) says how a run ended as a whole.\n\n\
         ```text\n\
         $ fleet checkpoint --all --json | jq -r 'select(.type == \"summary\") | .failed[] | .host + \" \" + .code'\n\
         ```\n\n\
         A test compares this page with the program.\n"
        .to_owned();
    for (group, codes) in Code::GROUPS {
        text.push_str(&format!(
            "\n## {group}\n\n| code | meaning | what usually helps |\n|---|---|---|\n"
        ));
        for code in *codes {
            let (meaning, fix) = (code.meaning(), code.fix());
            text.push_str(&format!("| `{code}` | {meaning} | {fix} |\n"));
        }
    }
    text
}

/// With `FLEET_UPDATE=1` the page is written instead.
#[test]
fn the_page_of_error_codes_lists_every_code() {
    let file = root().join(CODES_PAGE);
    let text = codes_page();
    if std::env::var_os("FLEET_UPDATE").is_some() {
        fs::write(&file, &text).expect("the page");
    }
    let stored = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == text,
        "{CODES_PAGE} is stale; refresh it with `FLEET_UPDATE=1 cargo test --test all docs::reference`"
    );
}

/// The names of the properties of a schema and of all its definitions.
fn keys(schema: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    let definitions = schema["definitions"].as_object();
    let all = definitions.into_iter().flat_map(|all| all.values());
    for one in all.chain([schema]) {
        let variants = ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| one[*key].as_array())
            .flatten();
        for object in variants.chain([one]) {
            let properties = object["properties"].as_object().into_iter();
            keys.extend(properties.flat_map(|all| all.keys().cloned()));
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

fn missing(page: &str, words: impl IntoIterator<Item = String>) -> Vec<String> {
    let spans: Vec<String> = Page::read(page).spans().into_iter().map(|s| s.1).collect();
    let is_there = |word: &String| {
        spans.iter().any(|span| {
            span.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
                .any(|piece| piece == word)
        })
    };
    words.into_iter().filter(|word| !is_there(word)).collect()
}

#[test]
fn every_key_of_the_inventory_is_described() {
    let schema = fs::read_to_string(root().join("inventory/fleet.schema.json")).expect("a schema");
    let schema = serde_json::from_str(&schema).expect("JSON");
    let missing = missing("docs/src/reference/inventory.md", keys(&schema));
    assert_eq!(missing, Vec::<String>::new());
}

/// What a schema of a field says of its type.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    for key in ["allOf", "anyOf"] {
        let options = schema[key].as_array().into_iter().flatten();
        let names: Vec<String> = options.map(type_of).filter(|name| name != "null").collect();
        if !names.is_empty() {
            return names.join(" or ");
        }
    }
    match &schema["const"] {
        Value::String(value) => return format!("`{value}`"),
        Value::Number(value) => return format!("always {value}"),
        _ => {}
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect::<Vec<_>>(),
    };
    if types == ["null"] {
        return "null".to_owned();
    }
    let name = types.into_iter().find(|name| *name != "null");
    match name {
        Some("array") => format!("list of {}", type_of(&schema["items"])),
        Some("string") => "text".to_owned(),
        Some("integer") => "number".to_owned(),
        Some("boolean") => "bool".to_owned(),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

fn sentence(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

/// The fields of an object as a table, or the words that a text may be.
fn table(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        let mut words: Vec<String> = Vec::new();
        for one in schema["oneOf"]
            .as_array()
            .into_iter()
            .flatten()
            .chain([schema])
        {
            let listed = one["enum"].as_array().into_iter().flatten();
            let all = listed.chain(one.get("const")).filter_map(Value::as_str);
            words.extend(all.map(|word| format!("`{word}`")));
        }
        return match words.as_slice() {
            [] => {
                let mut shown = type_of(schema);
                if let Some(first) = shown.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                format!("{shown}.\n")
            }
            words => format!("One of {}.\n", words.join(", ")),
        };
    };
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut text = "| field | type | meaning |\n|---|---|---|\n".to_owned();
    for (name, field) in properties {
        let optional = if required.contains(&name.as_str()) {
            ""
        } else {
            ", optional"
        };
        let kind = type_of(field);
        let meaning = match sentence(field) {
            text if text.is_empty() && name == "type" => "Tells the forms apart.".to_owned(),
            text => text,
        };
        text.push_str(&format!("| `{name}` | {kind}{optional} | {meaning} |\n"));
    }
    text
}

/// The generated part of the page: each shape, then the objects that shapes have in common.
fn json_tables() -> String {
    let mut text = String::new();
    // Each with the first shape that has it.
    let mut objects: Vec<(String, String, &str)> = Vec::new();
    for (name, schema) in schemas() {
        text.push_str(&format!("\n## {name}\n"));
        let definitions = schema["definitions"].as_object();
        let definition = |reference: &Value| {
            let name = reference["$ref"].as_str()?.rsplit('/').next()?;
            Some((name.to_owned(), definitions?.get(name)?))
        };
        let mut shown = Vec::new();
        for key in ["anyOf", "oneOf"] {
            for one in schema[key].as_array().into_iter().flatten() {
                let (object, body) = match definition(one) {
                    Some((object, body)) => (object, body),
                    None => (String::new(), one),
                };
                let is_failure = ["Errored", "WorkFailed"].contains(&object.as_str());
                if is_failure {
                    text.push_str(&format!(
                        "\nIf the command fails, in place of all that:\n\n{}",
                        table(body)
                    ));
                } else {
                    let about = match body["properties"]["type"]["const"].as_str() {
                        Some(kind) => format!("**`{kind}`**: {}", sentence(body)),
                        None => sentence(body),
                    };
                    text.push_str(&format!("\n{about}\n\n{}", table(body)));
                }
                shown.push(object);
            }
        }
        if schema["properties"].is_object() {
            text.push_str(&format!("\n{}\n\n{}", sentence(&schema), table(&schema)));
        }
        for (object, body) in definitions.into_iter().flatten() {
            let about = format!("{}\n\n{}", sentence(body), table(body));
            let is_known = objects
                .iter()
                .any(|(known, text, _)| known == object && *text == about);
            if !shown.contains(object) && !is_known {
                objects.push((object.clone(), about, name));
            }
        }
    }
    objects.sort();
    text.push_str("\n## Objects\n\nTypes that the tables above name.\n");
    for (name, body, shape) in &objects {
        let is_single = objects.iter().filter(|(other, ..)| other == name).count() == 1;
        let of = if is_single {
            String::new()
        } else {
            format!(" of `{shape}`")
        };
        text.push_str(&format!("\n### {name}{of}\n\n{}\n", body.trim()));
    }
    text
}

/// With `FLEET_UPDATE=1` the page is written instead.
#[test]
fn the_page_of_json_follows_the_schemas() {
    const END: &str = "The rest of this page is generated from the program's types.\n";
    let page = Page::read("docs/src/reference/json.md");
    let (head, _) = page.text.split_once(END).expect("a generated part");
    let text = format!("{head}{END}{}", json_tables());
    if std::env::var_os("FLEET_UPDATE").is_some() {
        fs::write(root().join(&page.name), &text).expect("the page");
    }
    assert!(
        Page::read(&page.name).text == text,
        "{} is stale; refresh it with `FLEET_UPDATE=1 cargo test --test all docs::reference`",
        page.name
    );
}

#[test]
fn every_exit_code_is_described() {
    use fleet::fault::ExitClass;
    let page = Page::read("docs/src/reference/exit-codes.md").text;
    for class in [
        ExitClass::Failed,
        ExitClass::Usage,
        ExitClass::Partial,
        ExitClass::Refused,
        ExitClass::Unreachable,
        ExitClass::Mismatch,
        ExitClass::Locked,
        ExitClass::Stale,
        ExitClass::Interrupted,
    ] {
        let row = format!("\n| {} |", class.status());
        assert!(page.contains(&row), "{}", class.status());
    }
}

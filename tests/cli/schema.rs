//! Tests of the JSON schemas: checked in, up to date, and true of everything that is printed.

use std::fs;
use std::path::{Path, PathBuf};

use fleet::report::json::schemas;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema")
}

fn text(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).expect("JSON") + "\n"
}

/// With `FLEET_UPDATE=1` the copies are written instead.
#[test]
fn the_checked_in_schemas_are_those_of_the_types() {
    if std::env::var_os("FLEET_UPDATE").is_some() {
        fs::create_dir_all(folder()).expect("a folder");
        for (name, schema) in schemas() {
            fs::write(folder().join(format!("{name}.json")), text(&schema)).expect("a file");
        }
    }
    let mut stale = Vec::new();
    for (name, schema) in schemas() {
        let stored = fs::read_to_string(folder().join(format!("{name}.json")));
        if stored.ok() != Some(text(&schema)) {
            stale.push(name);
        }
    }
    assert_eq!(
        stale,
        Vec::<&str>::new(),
        "refresh them with `FLEET_UPDATE=1 cargo test schema`"
    );
    let files = fs::read_dir(folder()).expect("schemas").count();
    assert_eq!(files, schemas().len());
}

#[test]
fn the_validator_finds_flaws() {
    for (document, flaw) in [
        (
            serde_json::json!({"version": 1, "checkpoints": "none"}),
            "$.checkpoints is no array",
        ),
        (
            serde_json::json!({"version": 2, "checkpoints": []}),
            "$.version is not 1",
        ),
        (
            serde_json::json!({"version": 1, "checkpoints": [], "extra": 0}),
            "$.extra is not described",
        ),
    ] {
        let found = flaws("ls", &document).join("\n");
        assert!(found.contains(flaw), "{found}");
    }
}

/// Where `value` does not fit the schema of `shape`; what the schema does not describe is a flaw too.
pub(crate) fn flaws(shape: &str, value: &Value) -> Vec<String> {
    let (_, root) = schemas()
        .into_iter()
        .find(|(name, _)| *name == shape)
        .expect("a shape with a schema");
    let mut flaws = Vec::new();
    check(&root, &root, value, "$", &mut flaws);
    flaws
}

fn check(schema: &Value, root: &Value, value: &Value, at: &str, flaws: &mut Vec<String>) {
    let Value::Object(rules) = schema else {
        assert_eq!(*schema, Value::Bool(true), "a schema is an object or true");
        return;
    };
    for (rule, wanted) in rules {
        match rule.as_str() {
            "$schema" | "title" | "description" | "definitions" | "format" | "minimum"
            | "maximum" | "default" => {}
            "$ref" => {
                let name = wanted.as_str().expect("text");
                let target = root.pointer(name.trim_start_matches('#'));
                check(target.expect("a definition"), root, value, at, flaws);
            }
            "allOf" => {
                for part in wanted.as_array().expect("a list") {
                    check(part, root, value, at, flaws);
                }
            }
            "anyOf" | "oneOf" => {
                let mut tried = Vec::new();
                let fits = wanted.as_array().expect("a list").iter().any(|option| {
                    let mut own = Vec::new();
                    check(option, root, value, at, &mut own);
                    tried.extend(own.iter().cloned());
                    own.is_empty()
                });
                if !fits {
                    flaws.extend(tried);
                }
            }
            "const" if value != wanted => flaws.push(format!("{at} is not {wanted}")),
            "enum" if !wanted.as_array().expect("a list").contains(value) => {
                flaws.push(format!("{at} is none of {wanted}"));
            }
            "const" | "enum" => {}
            "type" => {
                let types = match wanted {
                    Value::Array(types) => types.clone(),
                    one => vec![one.clone()],
                };
                let is = |name: &Value| match name.as_str().expect("text") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "boolean" => value.is_boolean(),
                    "null" => value.is_null(),
                    other => unreachable!("type {other}"),
                };
                if !types.iter().any(is) {
                    let names: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
                    flaws.push(format!("{at} is no {}", names.join(" or ")));
                }
            }
            "required" => {
                for name in wanted.as_array().expect("a list") {
                    let name = name.as_str().expect("text");
                    if value.get(name).is_none() {
                        flaws.push(format!("{at}.{name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    match wanted.get(name) {
                        Some(rule) => check(rule, root, inner, &format!("{at}.{name}"), flaws),
                        None => flaws.push(format!("{at}.{name} is not described")),
                    }
                }
            }
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    check(wanted, root, inner, &format!("{at}[{index}]"), flaws);
                }
            }
            other => unreachable!("the validator does not know `{other}`"),
        }
    }
}

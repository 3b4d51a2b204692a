//! Tests of the inventory: its meaning, and the errors of one that can't be read.

mod access;
mod examples;
mod excludes;
mod hostile;
mod keys;
mod meaning;
mod patterns;
mod services;
mod shape;
mod sources;
mod values;

use std::path::Path;

use fleet::fault::{ExitClass, Fault};
use fleet::inventory::{Error, Inventory};

fn parse(text: &str) -> Result<Inventory, Error> {
    Inventory::parse(text, Path::new("fleet.yaml"))
}

fn accepted(text: &str) -> Inventory {
    parse(text).expect("the inventory is fine")
}

/// Everything that an operator is told: the message, and the hint below it.
fn refusal(text: &str) -> String {
    let error = parse(text).expect_err("the inventory is refused");
    assert_eq!(error.exit_class(), ExitClass::Usage);
    match error.hint() {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_string(),
    }
}

/// As [`refusal`], for text in which a line of `version: 1` comes first.
fn refusal_of(rest: &str) -> String {
    refusal(&format!("version: 1\n{rest}"))
}

/// As [`refusal`], for the body of one source of a writable host: it begins at line 3.
fn refusal_of_source(body: &str) -> String {
    refusal(&format!(
        "version: 1\nhosts: {{ a: {{ env: dev, access: writable, sources: {{\n  s: {{ {body} }}\n}}}}}}\n"
    ))
}

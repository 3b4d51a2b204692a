//! Text to [`raw::File`], and the parser's complaints to [`Rule`]s. The only place that knows which
//! YAML library is used.
//!
//! What a file can cost is bounded here: its size, its depth, and what its aliases unfold to. No
//! message quotes the file beyond a key's name, for it may hold secrets.

use serde::Deserialize;
use serde_saphyr::Error;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

use super::error::{Problem, Rule};
use super::raw::{self, At, place_of};
use super::{FILE_MAX_BYTES, VERSION};
use crate::name::escape;

/// Far above what hosts and sources need.
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 250_000;
const ALIASES_MAX: usize = 1_000;
const ALIAS_EVENTS_MAX: usize = 100_000;

/// Names longer than this are cut in messages.
const SHOWN_KEY_MAX_CHARS: usize = 64;

pub(super) fn read(text: &str) -> Result<raw::File, Problem> {
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(Problem::of_file(Rule::TooLarge {
            bytes: text.len() as u64,
        }));
    }
    match serde_saphyr::from_str_with_options::<raw::File>(text, options()) {
        Ok(file) if file.version.value == VERSION => Ok(file),
        Ok(file) => Err(Problem::new(
            file.version.place,
            Rule::OtherVersion {
                found: file.version.value,
            },
        )),
        // A file of another version may have any keys: its version explains them all.
        Err(error) => {
            let problem = problem(&error);
            // Not read a second time when once was already too much.
            let other = if problem.rule == Rule::TooComplex {
                None
            } else {
                other_version(text)
            };
            Err(other.unwrap_or(problem))
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 2 * NODES_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_recorded_anchor_events: ALIAS_EVENTS_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_documents: 2,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_EVENTS_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn other_version(text: &str) -> Option<Problem> {
    #[derive(Deserialize)]
    struct VersionOnly {
        version: At<u64>,
    }

    let only: VersionOnly = serde_saphyr::from_str_with_options(text, options()).ok()?;
    (only.version.value != VERSION).then(|| {
        Problem::new(
            only.version.place,
            Rule::OtherVersion {
                found: only.version.value,
            },
        )
    })
}

fn problem(error: &Error) -> Problem {
    // Within an alias: where the alias stands, not what it stands for.
    let place = error
        .locations()
        .map(|locations| place_of(locations.reference_location))
        .filter(|place| place.line > 0);
    match (rule(innermost(error)), place) {
        // A document that is nothing but `---` or `~` has no place to miss a key at.
        (Rule::Empty, _) | (Rule::MissingKey { .. }, None) => Problem::of_file(Rule::Empty),
        (rule, Some(place)) => Problem::new(place, rule),
        (rule, None) => Problem::of_file(rule),
    }
}

fn innermost(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => innermost(error),
        error => error,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's error grows; what is not told apart here is a syntax error"
)]
fn rule(error: &Error) -> Rule {
    match error {
        Error::Eof { .. } => Rule::Empty,
        Error::MultipleDocuments { .. } => Rule::ManyDocuments,
        Error::MergeKeyNotAllowed { .. } => Rule::MergeKey,
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. } => Rule::TooComplex,
        Error::SerdeUnknownField {
            field, expected, ..
        } => unknown_key(field, expected),
        Error::DuplicateMappingKey { key, .. } => Rule::DuplicateKey {
            key: shown(key.as_deref().unwrap_or("?")),
        },
        Error::SerdeMissingField { field, .. } => Rule::MissingKey { key: field },
        Error::InvalidScalar { ty, .. } => wrong_type(number_of(ty), None),
        Error::InvalidBooleanStrict { .. } => wrong_type("`true` or `false`", None),
        Error::NullIntoString { .. } => wrong_type("text", Some("nothing")),
        Error::Unexpected { expected, .. } => wrong_type(shape_of(expected), None),
        Error::SerdeInvalidType {
            unexpected,
            expected,
            ..
        } => wrong_type(expected, Some(kind_of(unexpected))),
        Error::SerdeInvalidValue { expected, .. } => wrong_type(expected, None),
        other => syntax(&other.to_string()),
    }
}

fn unknown_key(field: &str, expected: &[&'static str]) -> Rule {
    let is_access = matches!(field, "env" | "access");
    // Only defaults and profiles are told why; a source is no place where one would look for them.
    if is_access && (expected.contains(&"sources") || expected.contains(&"max_age")) {
        return Rule::HostOnlyKey {
            key: field.to_owned(),
        };
    }
    Rule::UnknownKey {
        nearest: super::error::nearest(field, expected.iter().copied()),
        key: shown(field),
        known: expected.to_vec(),
    }
}

fn wrong_type(expected: &str, found: Option<&'static str>) -> Rule {
    Rule::WrongType {
        expected: expected.to_owned(),
        found,
    }
}

fn syntax(text: &str) -> Rule {
    let why = text.rsplit_once(" at line ").map_or(text, |(why, _)| why);
    if why.contains("tabs disallowed") {
        Rule::Tab
    } else {
        Rule::Syntax {
            why: escape(why.as_bytes()),
        }
    }
}

fn number_of(ty: &str) -> &'static str {
    match ty {
        "u16" => "a whole number up to 65535",
        "u32" | "u64" => "a whole number",
        "bool" => "`true` or `false`",
        _ => "another kind of value",
    }
}

fn shape_of(expected: &str) -> &'static str {
    if expected.contains("mapping") {
        "keys with values"
    } else if expected.contains("sequence") {
        "a list"
    } else if expected.contains("scalar") {
        "a single value"
    } else {
        "another kind of value"
    }
}

/// The first word of what serde found; the rest would be the value itself.
fn kind_of(unexpected: &str) -> &'static str {
    match unexpected.split(' ').next().unwrap_or_default() {
        "string" | "character" => "text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "map" => "keys with values",
        "sequence" => "a list",
        _ => "nothing",
    }
}

fn shown(key: &str) -> String {
    let mut text: String = key.chars().take(SHOWN_KEY_MAX_CHARS).collect();
    if text.len() < key.len() {
        text.push('…');
    }
    escape(text.as_bytes())
}

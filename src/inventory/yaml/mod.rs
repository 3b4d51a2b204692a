//! Parses YAML text into [`raw::File`], and turns the parser's errors into [`Rule`]s. The only place that
//! knows which YAML library is used.
//!
//! What a file can cost is bounded here: its size, its depth, and what its aliases unfold to. No
//! message quotes the file beyond a key's name and a number, for it may hold secrets.

mod locate;
mod wanted;

use serde::Deserialize;
use serde_saphyr::Error;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, Options};

use super::error::{Problem, Rule};
use super::raw::{self, At, place_of};
use super::{FILE_MAX_BYTES, Place, VERSION};
use crate::name::{did_you_mean, escape, nearest};

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
    match serde_saphyr::from_str_with_options::<raw::File>(text, options(DuplicateKeyPolicy::Error))
    {
        Ok(file) if file.version.value == VERSION => Ok(file),
        Ok(file) => Err(Problem::new(
            file.version.place,
            Rule::OtherVersion {
                found: file.version.value,
            },
        )),
        // A file of another version may have any keys: its version explains them all.
        Err(error) => {
            let problem = problem(&error, text);
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

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
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
        duplicate_keys: duplicate_keys,
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

    let only: VersionOnly =
        serde_saphyr::from_str_with_options(text, options(DuplicateKeyPolicy::Error)).ok()?;
    (only.version.value != VERSION).then(|| {
        Problem::new(
            only.version.place,
            Rule::OtherVersion {
                found: only.version.value,
            },
        )
    })
}

fn problem(error: &Error, text: &str) -> Problem {
    // Within an alias: where the alias is, not what it stands for.
    let place = error
        .locations()
        .map(|locations| place_of(locations.reference_location))
        .filter(|place| place.line > 0);
    match (rule(innermost(error), place, text), place) {
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
    reason = "the library's error grows; what is not distinguished here is a syntax error"
)]
fn rule(error: &Error, place: Option<Place>, text: &str) -> Rule {
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
        Error::InvalidScalar { .. }
        | Error::InvalidBooleanStrict { .. }
        | Error::NullIntoString { .. }
        | Error::Unexpected { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::SerdeInvalidLength { .. }
        | Error::SerdeUnknownVariant { .. }
        | Error::NonFiniteFloat { .. } => wrong_type(place, text),
        Error::UnknownAnchor { .. } => Rule::Unquoted {
            what: "text that begins with `*` is an alias to YAML, and there is no anchor of that name",
            hint: "Put patterns, and any text that begins with `*`, in quotes, as in `exclude: [\"*.log\"]`.",
        },
        Error::UnsupportedTag { .. } => Rule::Unquoted {
            what: "text that begins with `!` is a tag to YAML",
            hint: "Put patterns, and any text that begins with `!`, in quotes, as in `exclude: [\"*.log\", \"!keep.log\"]`.",
        },
        other => syntax(&other.to_string()),
    }
}

fn unknown_key(field: &str, expected: &[&'static str]) -> Rule {
    let is_access = matches!(field, "env" | "access");
    // Only defaults and profiles get the reason; a source is no place where one would look for them.
    if is_access && (expected.contains(&"sources") || expected.contains(&"max_age")) {
        return Rule::HostOnlyKey {
            key: field.to_owned(),
        };
    }
    Rule::UnknownKey {
        nearest: nearest(field, expected, |name| name).map(ToString::to_string),
        key: shown(field),
        known: expected.to_vec(),
    }
}

/// Says which key takes what. The file is read once more for it, as values of any type.
fn wrong_type(place: Option<Place>, text: &str) -> Rule {
    let options = options(DuplicateKeyPolicy::LastWins);
    let root = serde_saphyr::from_str_with_options::<At<locate::Shape>>(text, options).ok();
    let candidates = root
        .as_ref()
        .zip(place)
        .map(|(root, place)| locate::candidates(root, place));
    // A mapping begins where its first key does: if it is one that should be one, the key is meant.
    let found = candidates
        .into_iter()
        .flatten()
        .map(|found| (wanted::wanted(&found.keys), found))
        .find(|(wanted, found)| {
            !matches!(found.shape, locate::Shape::Mapping(_))
                || !wanted.takes.starts_with("a mapping")
        });
    let Some((wanted, found)) = found else {
        return Rule::WrongType {
            subject: "the key before this value".to_owned(),
            wants: "of another type",
            found: None,
            hint: "`inventory/fleet.schema.json` in an editor shows what each key takes."
                .to_owned(),
        };
    };
    let word = found.shape.word(wanted.takes.contains("number"));
    Rule::WrongType {
        hint: meant(&found.keys, found.shape).unwrap_or(wanted.hint),
        subject: wanted.subject,
        wants: wanted.takes,
        found: Some(if found.is_entry {
            format!("{word} in the list")
        } else {
            word
        }),
    }
}

/// What was surely meant, where the value tells.
fn meant(keys: &[&str], shape: &locate::Shape) -> Option<String> {
    let locate::Shape::Text(text) = shape else {
        return None;
    };
    let last = *keys.last()?;
    if keys.len() >= 2 && keys[keys.len() - 2] == "sources" && text.starts_with('/') {
        let (name, path) = (shown(last), escape(text.as_bytes()));
        return Some(format!("Write `{name}: {{ directory: {path} }}`."));
    }
    let is_switch = wanted::is_switch(last);
    match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "true" if is_switch => Some(did_you_mean("true")),
        "no" | "off" | "n" | "false" if is_switch => Some(did_you_mean("false")),
        _ => None,
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

fn shown(key: &str) -> String {
    let mut text: String = key.chars().take(SHOWN_KEY_MAX_CHARS).collect();
    if text.len() < key.len() {
        text.push('…');
    }
    escape(text.as_bytes())
}

//! Parses a probe, and the values that it wants in JSON.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::keyed::{Kinds, keyed, one_kind_and_its_keys};
use super::{At, Entries};

/// The keys that say what a probe checks, each with those that may be beside it.
pub(in super::super) const PROBE_KINDS: Kinds = &[
    ("unit", &["run_as"]),
    ("http", &["status", "json"]),
    ("tcp", &[]),
    ("process", &["cwd", "run_as"]),
    ("postgres", &["run_as"]),
];

/// The keys that may be beside every kind.
pub(in super::super) const PROBE_KEYS: &[&str] = &["within"];

fn kinds(schema: &mut Schema) {
    one_kind_and_its_keys(schema, PROBE_KINDS);
}

keyed! {
    /// A check that a host works: exactly one of `unit`, `http`, `tcp`, `process` and `postgres`, and what
    /// belongs to it.
    #[schemars(transform = kinds)]
    Probe {
        /// A systemd unit, with its type: it must be active.
        #[schemars(example = &"app.service")]
        unit: At<String>,
        /// What a web server must answer, asked through the SSH connection.
        #[schemars(example = &"http://127.0.0.1:4000/v1/models")]
        http: At<String>,
        /// A port of the host that must take connections.
        #[schemars(example = 5060, range(min = 1))]
        tcp: At<u16>,
        /// A program with its arguments: a process of it must run.
        #[schemars(
            example = ["node", "server.js"],
            extend("items" = { "type": ["string", "number"] })
        )]
        process: At<Vec<At<String>>>,
        /// A PostgreSQL database that must answer a query.
        #[schemars(example = &"orders")]
        postgres: At<String>,
        /// How long it may take until the check holds. Default: 10s.
        #[schemars(example = &"10s")]
        within: At<String>,
        /// The status that counts as success. Default: 200.
        #[schemars(range(min = 100, max = 599))]
        status: At<u16>,
        /// Values that the JSON of the answer must have, by their place: `data.0.id`.
        #[schemars(with = "Option<WantedJson>")]
        json: At<Entries<Scalar>>,
        /// The directory that the process runs in. Default: any.
        #[schemars(example = &"/opt/app")]
        cwd: At<String>,
        /// The account that the process runs as, whose user unit it is, or that asks the database.
        run_as: At<String>,
    }
}

/// A single JSON value.
pub(in super::super) enum Scalar {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true, false or null")
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }

            fn visit_none<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Scalar, E> {
                serde_json::Number::from_f64(number)
                    .map(Scalar::Number)
                    .ok_or_else(|| E::invalid_type(serde::de::Unexpected::Float(number), &self))
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// What `json` of a probe takes, for the schema.
pub(in super::super) struct WantedJson;

impl JsonSchema for WantedJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "WantedJson".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "minProperties": 1,
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        })
    }
}

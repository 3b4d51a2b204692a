//! Parses a source: the keys of all kinds side by side, and the table that says which of them belong
//! together.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::keyed::{Kinds, keyed, one_kind_and_its_keys};
use super::{At, Entries, OneOrMany};

const OF_DIRECTORY: &[&str] = &["exclude", "one_file_system", "unreadable"];
const OF_POSTGRES: &[&str] = &[
    "dump", "format", "globals", "run_as", "host", "port", "user", "password",
];
const OF_COMMAND: &[&str] = &["run_as", "timeout", "max_bytes", "reads_only", "file"];
const OF_HTTP: &[&str] = &["headers", "status", "json", "timeout", "max_bytes", "file"];

/// The keys that say what a source is, each with those that may stand beside it.
pub(in super::super) const KINDS: Kinds = &[
    ("directory", OF_DIRECTORY),
    ("directories", OF_DIRECTORY),
    ("files", &["newest", "lines"]),
    ("postgres", OF_POSTGRES),
    ("command", OF_COMMAND),
    ("shell", OF_COMMAND),
    ("http", OF_HTTP),
];

/// The keys that may stand beside every kind.
pub(in super::super) const COMMON_KEYS: &[&str] = &["optional", "sudo", "may_shrink"];

fn kinds(schema: &mut Schema) {
    one_kind_and_its_keys(schema, KINDS);
}

keyed! {
    /// One thing that is captured from a host: exactly one of `directory`, `directories`,
    /// `files`, `postgres`, `command`, `shell` and `http`, and what belongs to it.
    #[schemars(transform = kinds)]
    Source {
        /// A directory, with everything beneath it.
        #[schemars(example = &"/etc/asterisk")]
        directory: At<String>,
        /// Several directories, with everything beneath them.
        directories: At<Vec<At<String>>>,
        /// Single files, by pattern.
        #[schemars(example = &"/var/log/gw-smoke-*.log")]
        files: At<OneOrMany>,
        /// A PostgreSQL database, or several.
        postgres: At<OneOrMany>,
        /// A program with its arguments; what it prints is captured. A protected host needs
        /// `reads_only: true` beside it.
        #[schemars(
            example = ["asterisk", "-V"],
            extend("items" = { "type": ["string", "number"] })
        )]
        command: At<Vec<At<String>>>,
        /// Text for `sh -c`; what it prints is captured. A protected host needs `reads_only: true`
        /// beside it.
        shell: At<String>,
        /// What a web server answers, asked through the SSH connection.
        #[schemars(example = &"http://127.0.0.1:4000/v1/models")]
        http: At<String>,

        /// It may be missing on a host. Default: false.
        optional: At<bool>,
        /// It is read through sudo. Default: false.
        sudo: At<bool>,
        /// It may be empty, or much smaller than last time. Default: false.
        may_shrink: At<bool>,

        /// What is left out, by the rules of gitignore, relative to the directory.
        #[schemars(example = ["node_modules/", "*.log"])]
        exclude: At<OneOrMany>,
        /// Other file systems beneath the directory are left out. Default: true.
        one_file_system: At<bool>,
        /// What an unreadable entry means: `fail` (default), or `skip` for a warning.
        #[schemars(extend("enum" = ["fail", "skip", null]))]
        unreadable: At<String>,

        /// Only so many, the newest first.
        #[schemars(range(min = 1))]
        newest: At<u32>,
        /// Only the lines that match this regular expression.
        #[schemars(example = &"^MONITORING_")]
        lines: At<String>,

        /// How much of the database: `schema` (default) or `full`.
        #[schemars(extend("enum" = ["schema", "full", null]))]
        dump: At<String>,
        /// What pg_dump writes: `plain` (default) or `custom`.
        #[schemars(extend("enum" = ["plain", "custom", null]))]
        format: At<String>,
        /// Roles and tablespaces too. Default: false.
        globals: At<bool>,
        /// Account on the host that runs it.
        run_as: At<String>,
        /// The database server, as seen from the host. Default: its local socket.
        host: At<String>,
        /// Port of the database server.
        #[schemars(range(min = 1))]
        port: At<u16>,
        /// Database role.
        user: At<String>,
        /// Where on the workstation the database password lies.
        #[schemars(with = "Option<SecretPlace>")]
        password: At<SecretText>,

        /// It is stopped after this. Default: 30s for commands, 10s for http.
        #[schemars(example = &"30s")]
        timeout: At<String>,
        /// More than this is a failure. Default: 16MiB.
        #[schemars(example = &"16MiB", extend("type" = ["string", "integer", "null"]))]
        max_bytes: At<String>,
        /// You vouch that it changes nothing on the host.
        reads_only: At<bool>,
        /// Name of the captured file. Default: made from the source's name.
        file: At<String>,

        /// Sent along with the request; secrets are best kept in `{env: NAME}` or `{file: PATH}`.
        headers: At<Entries<SecretText>>,
        /// The status that counts as success. Default: 200.
        #[schemars(range(min = 100, max = 599))]
        status: At<u16>,
        /// `normalise`: the answer is JSON and is stored with sorted keys.
        #[schemars(extend("enum" = ["normalise", null]))]
        json: At<String>,
    }
}

/// Text, or where on the workstation a secret lies.
pub(in super::super) enum SecretText {
    Text(String),
    Place(SecretPlace),
}

/// Where on the workstation a secret lies: exactly one of the two.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(in super::super) struct SecretPlace {
    /// The environment variable that holds it.
    pub(in super::super) env: Option<At<String>>,
    /// The file that holds it.
    pub(in super::super) file: Option<At<String>>,
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;

        impl<'de> Visitor<'de> for SecretVisitor {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, `{env: NAME}` or `{file: PATH}`")
            }

            fn visit_str<E>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretText, A::Error> {
                SecretPlace::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(SecretText::Place)
            }
        }

        deserializer.deserialize_any(SecretVisitor)
    }
}

impl JsonSchema for SecretText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, generator.subschema_for::<SecretPlace>()],
        })
    }
}

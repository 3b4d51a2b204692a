//! Parses a service, and the accounts that a fresh host needs.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::keyed::{Kinds, keyed, one_kind_and_its_keys};
use super::{At, OneOrMany};

/// The keys that say what a service is, each with those that may be beside it.
pub(in super::super) const SERVICE_KINDS: Kinds =
    &[("unit", &["run_as"]), ("process", &["cwd", "run_as"])];

/// The keys that may be beside every kind.
pub(in super::super) const SERVICE_KEYS: &[&str] = &["start", "grace", "reload"];

fn kinds(schema: &mut Schema) {
    one_kind_and_its_keys(schema, SERVICE_KINDS);
}

keyed! {
    /// Something on a host that a restore stops and starts: exactly one of `unit` and `process`, and what
    /// belongs to it.
    #[schemars(transform = kinds)]
    Service {
        /// A systemd unit, with its type.
        #[schemars(example = &"app.service")]
        unit: At<String>,
        /// A program with its arguments, as the running process has them.
        #[schemars(
            example = ["node", "server.js"],
            extend("items" = { "type": ["string", "number"] })
        )]
        process: At<Vec<At<String>>>,
        /// The directory that the process runs in.
        #[schemars(example = &"/opt/app")]
        cwd: At<String>,
        /// The account that the process runs as, or the account whose user unit it is.
        run_as: At<String>,
        /// Whether a restore may start it: `always`, `ask` (default) or `never`.
        #[schemars(extend("enum" = ["always", "ask", "never", null]))]
        start: At<String>,
        /// How long it has for ending by itself. Default: 5s.
        #[schemars(example = &"5s")]
        grace: At<String>,
        /// A program with its arguments that makes it read its files again; it is then not stopped.
        #[schemars(
            example = ["asterisk", "-rx", "dialplan reload"],
            extend("items" = { "type": ["string", "number"] })
        )]
        reload: At<Vec<At<String>>>,
    }
}

/// An account that a fresh host needs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct User {
    /// Its name.
    pub(in super::super) name: At<String>,
    /// Its number. Default: one that the host picks.
    #[schemars(range(min = 1))]
    pub(in super::super) uid: Option<At<u32>>,
    /// Further groups that it belongs to.
    #[schemars(example = ["docker"])]
    pub(in super::super) groups: Option<OneOrMany>,
    /// Its home directory.
    #[schemars(example = &"/home/app")]
    pub(in super::super) home: Option<At<String>>,
}

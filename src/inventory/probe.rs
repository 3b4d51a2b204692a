//! Probes: checks that a host works.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use super::Place;
use super::url::HttpUrl;
use crate::name::{AccountName, ProbeName, RemotePath, UnitName, escape};

/// A check that a host works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its name, unique on a host.
    pub name: ProbeName,
    /// Its place in the file.
    pub place: Place,
    /// What is checked.
    pub kind: ProbeKind,
    /// It is tried again until it holds, but not longer than this.
    pub within: Duration,
}

/// The kinds of probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeKind {
    /// A systemd unit is active.
    Unit {
        /// The unit.
        unit: UnitName,
        /// The account in whose own service manager it is; none: the system's.
        run_as: Option<AccountName>,
    },
    /// A web server answers.
    Http(HttpProbe),
    /// Something takes connections at this port of the host's own addresses.
    Tcp {
        /// The port.
        port: NonZeroU16,
    },
    /// A process of this command runs.
    Process(ProcessProbe),
    /// A PostgreSQL server answers a query on a database.
    Postgres {
        /// The database.
        database: String,
        /// The account that asks; none: the one that logs in.
        run_as: Option<AccountName>,
    },
}

impl ProbeKind {
    /// The word for it in the inventory and in records.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unit { .. } => "unit",
            Self::Http(_) => "http",
            Self::Tcp { .. } => "tcp",
            Self::Process(_) => "process",
            Self::Postgres { .. } => "postgres",
        }
    }
}

/// `http:` of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// What is asked for, as seen from the host.
    pub url: HttpUrl,
    /// The status that counts as success.
    pub status: u16,
    /// Values that the JSON of the answer must have.
    pub json: Vec<(JsonPath, JsonValue)>,
}

/// `process:` of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessProbe {
    /// Program and arguments; of the program, its last component counts.
    pub argv: Vec<String>,
    /// The directory it runs in; none: any.
    pub cwd: Option<RemotePath>,
    /// The account it runs as; none: any that this login can see.
    pub run_as: Option<AccountName>,
}

/// A place in a JSON document: keys and, in lists, numbers from 0, joined by dots: `data.0.id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonPath(Vec<String>);

/// The text is no place in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a path of keys joined by dots")]
pub struct ParseJsonPathError {
    text: String,
}

impl FromStr for JsonPath {
    type Err = ParseJsonPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let keys: Vec<String> = text.split('.').map(str::to_owned).collect();
        if keys.iter().any(String::is_empty) {
            return Err(ParseJsonPathError {
                text: escape(text.as_bytes()),
            });
        }
        Ok(Self(keys))
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.join("."))
    }
}

impl JsonPath {
    /// What is at this place of `document`, if anything is.
    #[must_use]
    pub fn find<'a>(&self, document: &'a serde_json::Value) -> Option<&'a serde_json::Value> {
        self.0.iter().try_fold(document, |value, key| match value {
            serde_json::Value::Array(items) => items.get(key.parse::<usize>().ok()?),
            serde_json::Value::Object(members) => members.get(key),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => None,
        })
    }
}

/// A JSON value that is neither a list nor a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonValue {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// As it is in the inventory.
    Number(serde_json::Number),
    /// Text.
    Text(String),
}

impl JsonValue {
    /// Whether `found` is this value; numbers are compared by what they are, not by how they are written.
    #[must_use]
    pub fn is(&self, found: &serde_json::Value) -> bool {
        match (self, found) {
            (Self::Null, serde_json::Value::Null) => true,
            (Self::Bool(wanted), serde_json::Value::Bool(found)) => wanted == found,
            (Self::Text(wanted), serde_json::Value::String(found)) => wanted == found,
            (Self::Number(wanted), serde_json::Value::Number(found)) => {
                wanted == found || (wanted.as_f64().is_some() && wanted.as_f64() == found.as_f64())
            }
            _ => false,
        }
    }
}

/// As JSON writes it.
impl fmt::Display for JsonValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "`{}`", escape(text.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_lists_and_mappings() {
        let document = json!({ "data": [{ "id": "whisper" }], "n": 1.0, "none": null });
        let found = |path: &str| {
            let path: JsonPath = path.parse().expect("a path");
            path.find(&document).cloned()
        };
        assert_eq!(found("data.0.id"), Some(json!("whisper")));
        assert_eq!(found("none"), Some(json!(null)));
        for missing in ["data.1.id", "data.x", "n.0", "other"] {
            assert_eq!(found(missing), None, "{missing}");
        }
        for text in ["", ".", "a.", "a..b"] {
            assert!(text.parse::<JsonPath>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_are_the_same_however_they_are_written() {
        assert!(JsonValue::Number(1.into()).is(&json!(1.0)));
        assert!(JsonValue::Number(u64::MAX.into()).is(&json!(u64::MAX)));
        assert!(!JsonValue::Number(1.into()).is(&json!("1")));
        assert!(!JsonValue::Text("1".to_owned()).is(&json!(1)));
        assert!(!JsonValue::Null.is(&json!(false)));
        assert!(JsonValue::Bool(true).is(&json!(true)));
    }
}

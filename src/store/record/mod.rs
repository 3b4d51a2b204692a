//! The disk format: versioned records, apart from the domain's types, with conversions both ways.
//!
//! A record grows by added fields within its version, so unknown fields are tolerated. Everything
//! that is known must be well-formed: what does not read is damage, never a default.

pub(super) mod checkpoint;
pub(super) mod entry;
mod extended;
pub(super) mod facts;
mod failure;
pub(super) mod file_facts;
pub(super) mod host;
mod left_out;
mod path;
mod scan;
pub(super) mod store;

use data_encoding::BASE64;

/// A record whose fields do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct RecordError(pub(super) String);

impl RecordError {
    fn new(problem: impl Into<String>) -> Self {
        Self(problem.into())
    }

    /// For `map_err` on the parsers of names, digests and times.
    fn of(error: impl std::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// Any bytes as the two fields `x` and `x_b64`, of which one is set.
fn split_text(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(BASE64.encode(bytes))),
    }
}

/// The bytes behind the two fields `x` and `x_b64`.
fn join_text(
    what: &str,
    text: Option<String>,
    base64: Option<String>,
) -> Result<Vec<u8>, RecordError> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(base64)) => BASE64
            .decode(base64.as_bytes())
            .map_err(|e| RecordError::new(format!("{what}_b64: {e}"))),
        (None, None) => Err(RecordError::new(format!("{what} is missing"))),
        (Some(_), Some(_)) => Err(RecordError::new(format!("{what} is there twice"))),
    }
}

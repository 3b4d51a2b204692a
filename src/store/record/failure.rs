//! Why a part failed, in its record.

use serde::{Deserialize, Serialize};

use crate::fault::{Code, Problem};

#[derive(Serialize, Deserialize)]
pub(super) struct FailureRecord {
    /// Absent in records from before there were codes.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl From<&Problem> for FailureRecord {
    fn from(problem: &Problem) -> Self {
        Self {
            code: (problem.code != Code::Unrecorded).then(|| problem.code.to_string()),
            message: problem.message.clone(),
            hint: problem.hint.clone(),
        }
    }
}

impl From<FailureRecord> for Problem {
    /// A code that this program does not know is one of a newer fleet: the texts still say what happened.
    fn from(record: FailureRecord) -> Self {
        let code = record.code.as_deref().and_then(Code::of_word);
        let code = code.unwrap_or(Code::Unrecorded);
        Self::in_part(code, record.message, record.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Problem {
        let record: FailureRecord = serde_json::from_str(json).expect("a record");
        record.into()
    }

    #[test]
    fn a_record_without_a_code_or_with_a_newer_one_still_reads() {
        let expected = |code| Problem::in_part(code, "it shrank", None);
        for (json, code) in [
            (r#"{"message":"it shrank"}"#, Code::Unrecorded),
            (
                r#"{"code":"part-shrunk","message":"it shrank"}"#,
                Code::PartShrunk,
            ),
            (
                r#"{"code":"of-a-later-fleet","message":"it shrank"}"#,
                Code::Unrecorded,
            ),
        ] {
            assert_eq!(read(json), expected(code), "{json}");
        }
    }

    #[test]
    fn a_code_is_written_where_there_is_one() {
        let written = |code| {
            let problem = Problem::in_part(code, "it shrank", None);
            serde_json::to_string(&FailureRecord::from(&problem)).expect("JSON")
        };
        assert_eq!(
            written(Code::PartShrunk),
            r#"{"code":"part-shrunk","message":"it shrank"}"#
        );
        assert_eq!(written(Code::Unrecorded), r#"{"message":"it shrank"}"#);
    }
}

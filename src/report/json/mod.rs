//! The JSON that fleet prints: types of their own, so that no shape changes by accident.
//!
//! Every shape has a JSON Schema, made from these types and checked in; a test tells when a copy is
//! stale. Shapes grow by added fields only.

mod checkpoint;
mod diff;
mod doctor;
mod event;
mod facts;
mod guard;
mod hosts;
mod import;
mod problem;
mod restore;
mod show;
mod verify;
mod work;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

pub use checkpoint::{
    Checkpoint, Damaged, Ls, PartOutcome, PartState, SkippedNewer, State, Trigger,
};
pub use diff::{Attribute, Beneath, ChangeKind, ChangeLine, Diff, Difference, Log, Moment};
pub use doctor::{Doctor, DoctorHost, Finding, Grade, SourceFound, SourcePreview};
pub use event::{Event, FailedPart, PartEnd};
pub use facts::{Commit, Disk, Facts, Process, ProgramVersion, WorkTree};
pub use guard::{Decision, Explain, Judged, RuleSays};
pub use hosts::{Access, HostLine, Hosts, Protected, SourceLine};
pub use import::{Checked, Import, ImportEnd, Imported, MappedRoot, NotImported};
pub use problem::{Errored, Problem};
pub use restore::{RestorePlan, RestoreSummary};
pub use show::{Machine, PackUse, PartDetail, Show};
pub use verify::{StoreProblem, Verify};
pub use work::{Export, Init, KeyOffered, LeftOut, PathText, Trust, WorkFailed};

/// The version of all shapes: 1. It rises only when a field changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(1)
    }
}

impl JsonSchema for Version {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1 })
    }
}

/// Always the same word, as a `type` that tells lines apart.
macro_rules! tag {
    ($(#[$doc:meta])* $name:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name;

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($word)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "const": $word })
            }
        }
    };
}

tag!(
    /// `"summary"`: the last line of a command that works.
    SummaryTag,
    "summary"
);

/// What a query prints: its answer, or why there is none.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "only its schema is used: the two cases are printed as they are"
)]
enum Answer<T> {
    Given(T),
    Errored(Errored),
}

/// What a command that works prints last: what it did, or why it could not.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "only its schema is used: the two cases are printed as they are"
)]
enum Work<T> {
    Done(T),
    Failed(WorkFailed),
}

/// The JSON Schema (draft-07) of everything that is printed, by command.
#[must_use]
pub fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("checkpoint", schema_of::<Event>()),
        ("diff", schema_of::<Answer<Diff>>()),
        ("doctor", schema_of::<Answer<Doctor>>()),
        ("export", schema_of::<Work<Export>>()),
        ("guard-explain", schema_of::<Answer<Explain>>()),
        ("hosts", schema_of::<Answer<Hosts>>()),
        ("import", schema_of::<Work<Import>>()),
        ("restore", schema_of::<Work<RestoreSummary>>()),
        ("restore-plan", schema_of::<RestorePlan>()),
        ("init", schema_of::<Work<Init>>()),
        ("log", schema_of::<Answer<Log>>()),
        ("ls", schema_of::<Answer<Ls>>()),
        ("show", schema_of::<Answer<Show>>()),
        ("trust", schema_of::<Work<Trust>>()),
        ("verify", schema_of::<Answer<Verify>>()),
    ]
}

fn schema_of<T: JsonSchema>() -> serde_json::Value {
    SchemaSettings::draft07()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

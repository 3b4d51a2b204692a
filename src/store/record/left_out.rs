//! The file systems that a part left out, in its record.

use serde::{Deserialize, Serialize};

use super::RecordError;
use super::path::PathRecord;
use crate::manifest::LeftOut;

#[derive(Serialize, Deserialize)]
pub(super) struct LeftOutRecord {
    mount: PathRecord,
    kind: String,
}

pub(super) fn records(left_out: &[LeftOut]) -> Vec<LeftOutRecord> {
    let record = |one: &LeftOut| LeftOutRecord {
        mount: PathRecord::from(&one.path),
        kind: one.kind.clone(),
    };
    left_out.iter().map(record).collect()
}

pub(super) fn read(records: Vec<LeftOutRecord>) -> Result<Vec<LeftOut>, RecordError> {
    let read = |record: LeftOutRecord| {
        Ok(LeftOut {
            path: record.mount.try_into()?,
            kind: record.kind,
        })
    };
    records.into_iter().map(read).collect()
}

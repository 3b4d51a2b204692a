//! Parses the records that older systems put into their backups: `MANIFEST.txt` and
//! `CHECKPOINT_INFO.txt`.

use super::survey::Survey;
use super::taken::{Moment, moment_of_line};
use crate::name::{RemotePath, escape};

/// The files that are such a record, the more telling first.
const FILES: [&str; 2] = ["CHECKPOINT_INFO.txt", "MANIFEST.txt"];
/// What such a record says within its first lines.
const LINES_MAX: usize = 40;

/// What the system that made a backup wrote about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// Where it lies in the backup.
    pub(super) path: RemotePath,
    /// What it is called.
    pub(super) file: String,
    /// When the backup was made.
    pub(super) created: Option<Moment>,
    /// What for.
    pub(super) description: Option<String>,
    /// All of it.
    pub(super) text: Vec<u8>,
}

impl Record {
    /// The records in a backup: files at its top, or at the top of its only folder, that have the name
    /// and tell what such a record tells.
    pub(super) fn all_of(survey: &Survey) -> Vec<Self> {
        let mut records: Vec<Self> = survey
            .texts
            .iter()
            .filter_map(|(path, text)| Self::read(path, text))
            .collect();
        let rank = |record: &Self| FILES.iter().position(|name| *name == record.file);
        records.sort_by_key(|record| (record.path.member().len(), rank(record)));
        let Some(top) = records.first().and_then(|record| record.path.parent()) else {
            return records;
        };
        records.retain(|record| record.path.parent().as_ref() == Some(&top));
        records
    }

    fn read(path: &RemotePath, text: &[u8]) -> Option<Self> {
        let name = path.file_name();
        let file = FILES.into_iter().find(|file| file.as_bytes() == name)?;
        let shown = String::from_utf8_lossy(text);
        let mut record = Self {
            path: path.clone(),
            file: file.to_owned(),
            created: None,
            description: None,
            text: text.to_vec(),
        };
        let mut is_record = false;
        for line in shown.lines().take(LINES_MAX) {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let key = key
                .trim_matches(|c: char| !c.is_alphanumeric())
                .to_lowercase();
            let value = value.trim().trim_matches('*').trim();
            match key.as_str() {
                "created" | "timestamp" | "date" | "created at" | "backup date" => {
                    if record.created.is_none() {
                        record.created = moment_of_line(value);
                    }
                    is_record |= record.created.is_some();
                }
                "checkpoint" | "checkpoint name" => is_record = true,
                "description" if record.description.is_none() && !value.is_empty() => {
                    record.description = Some(escape(value.as_bytes()));
                }
                _ => {}
            }
        }
        is_record.then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, text: &str) -> Option<Record> {
        Record::read(&path.parse().expect("a path"), text.as_bytes())
    }

    #[test]
    fn a_record_says_when_and_what_for() {
        let record = read(
            "/CHECKPOINT_INFO.txt",
            "Checkpoint: checkpoint-20251107-114217\n\
             Timestamp: Fri Nov  7 11:42:17 AM UTC 2025\n\
             Description: [CRON-15MIN] Automatic checkpoint\n",
        )
        .expect("a record");
        assert_eq!(
            record.created.map(|created| created.time.to_string()),
            Some("2025-11-07T11:42:17Z".to_owned())
        );
        assert_eq!(
            record.description,
            Some("[CRON-15MIN] Automatic checkpoint".to_owned())
        );
    }

    #[test]
    fn another_file_of_that_name_is_none() {
        assert_eq!(
            read("/MANIFEST.txt", "include README.md\nName: something\n"),
            None
        );
        assert_eq!(read("/OTHER.txt", "Checkpoint: x\n"), None);
    }
}

//! Finds when a backup was taken: from the command line, its name, its own record, or its newest file.

use std::fmt;
use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use regex::bytes::Regex;

use super::record::Record;
use super::survey::Survey;
use crate::name::escape;

/// When a backup was taken, and what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupTime {
    /// The second.
    pub time: Timestamp,
    /// What says so.
    pub said_by: TimeSource,
    /// No time zone is given, and UTC is assumed.
    pub is_zone_assumed: bool,
}

/// What says when a backup was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeSource {
    /// The operator.
    Operator,
    /// The backup's name.
    Name,
    /// The name of the only folder in it.
    Folder(String),
    /// The record of the system that made it.
    Record(String),
    /// The backup's name, which has a date and no time: midnight.
    Date,
    /// The name of the only folder in it, which has a date and no time: midnight.
    FolderDate(String),
    /// The newest file in it.
    Newest,
}

impl TimeSource {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Name => "name",
            Self::Folder(_) => "folder",
            Self::Record(_) => "record",
            Self::Date | Self::FolderDate(_) => "date",
            Self::Newest => "newest",
        }
    }
}

impl fmt::Display for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("set with `--taken`"),
            Self::Name => f.write_str("from its name"),
            Self::Folder(name) => write!(f, "from the name of `{name}` in it"),
            Self::Record(file) => write!(f, "from {file} in it"),
            Self::Date => f.write_str("the day in its name, which has no time of day"),
            Self::FolderDate(name) => {
                write!(
                    f,
                    "from the date in the name of `{name}` in it, which has no time"
                )
            }
            Self::Newest => f.write_str("the modification time of its newest file"),
        }
    }
}

impl fmt::Display for BackupTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.said_by, f)?;
        if self.is_zone_assumed {
            f.write_str("; no time zone given, UTC assumed")?;
        }
        Ok(())
    }
}

/// When the backup called `name` was taken.
pub(super) fn taken(
    told: Option<Timestamp>,
    name: &str,
    survey: &Survey,
    record: Option<&Record>,
) -> Option<BackupTime> {
    if let Some(time) = told {
        return Some(BackupTime {
            time,
            said_by: TimeSource::Operator,
            is_zone_assumed: false,
        });
    }
    let as_said = |moment: Moment, said_by| BackupTime {
        time: moment.time,
        said_by,
        is_zone_assumed: !moment.has_zone,
    };
    let by_name = moment_in(name.as_bytes());
    if let Some(moment) = by_name.filter(|moment| moment.has_time) {
        return Some(as_said(moment, TimeSource::Name));
    }
    let by_folder = survey
        .only_folder()
        .and_then(|folder| Some((moment_in(folder)?, escape(folder))));
    if let Some((moment, folder)) = &by_folder
        && moment.has_time
    {
        return Some(as_said(*moment, TimeSource::Folder(folder.clone())));
    }
    if let Some(record) = record
        && let Some(moment) = record.created
    {
        return Some(as_said(moment, TimeSource::Record(record.file.clone())));
    }
    if let Some(moment) = by_name {
        return Some(as_said(moment, TimeSource::Date));
    }
    if let Some((moment, folder)) = by_folder {
        return Some(as_said(moment, TimeSource::FolderDate(folder)));
    }
    Some(BackupTime {
        time: Timestamp::from_second(survey.newest()?.seconds).ok()?,
        said_by: TimeSource::Newest,
        is_zone_assumed: false,
    })
}

/// A time that is somewhere in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) time: Timestamp,
    /// It is more than a day.
    pub(super) has_time: bool,
    /// It is marked as UTC.
    pub(super) has_zone: bool,
}

static MOMENT: LazyLock<Regex> = LazyLock::new(|| {
    let text = "([0-9]{4})([-.]?)([0-9]{2})([-.]?)([0-9]{2})\
                (?:[-_T. ]?([0-9]{2})([-:.]?)([0-9]{2})([-:.]?)([0-9]{2}))?";
    Regex::new(text).expect("a regular expression")
});

/// What may follow a time of day: a fraction of a second, and the zone.
static ZONE: LazyLock<Regex> = LazyLock::new(|| {
    let text = "^(?:[.,][0-9]{1,9})?(?: ?(Z|UTC|GMT)| ?([+-])([0-9]{2})(?:([:.-]?)([0-9]{2}))?)";
    Regex::new(text).expect("a regular expression")
});

/// No zone is further from UTC than this.
const OFFSET_MAX_HOURS: i32 = 14;

/// The last time that is in `text`; one with a time of day before one without.
pub(super) fn moment_in(text: &[u8]) -> Option<Moment> {
    let mut found: Option<Moment> = None;
    let mut from = 0;
    while let Some(hit) = MOMENT.captures_at(text, from) {
        let whole = hit.get(0).expect("the whole of it");
        // Digits that go on are some other number.
        let is_digit = |at: Option<usize>| {
            at.and_then(|at| text.get(at))
                .is_some_and(u8::is_ascii_digit)
        };
        let is_part = is_digit(whole.start().checked_sub(1)) || is_digit(Some(whole.end()));
        let moment = if is_part { None } else { moment_of(&hit) };
        from = match moment {
            Some(_) => whole.end(),
            None => whole.start() + 1,
        };
        let Some(mut moment) = moment else { continue };
        if moment.has_time
            && let Some((offset, zone_bytes)) = zone_of(&text[from..])
        {
            moment.time -= offset;
            moment.has_zone = true;
            from += zone_bytes;
        }
        if moment.has_time || !found.is_some_and(|before| before.has_time) {
            found = Some(moment);
        }
    }
    found
}

/// The zone that `rest` begins with, as its offset from UTC, and how many bytes say so.
///
/// After a time of day, `-` may also begin some other number. It counts as an offset only with hours
/// and minutes, as `-0500` and `-05:00`, and if there is a zone that has it.
fn zone_of(rest: &[u8]) -> Option<(SignedDuration, usize)> {
    let hit = ZONE.captures(rest)?;
    let end = hit.get(0)?.end();
    if rest.get(end).is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    if hit.get(1).is_some() {
        return Some((SignedDuration::ZERO, end));
    }
    let number = |at: usize| -> Option<i32> {
        std::str::from_utf8(hit.get(at)?.as_bytes())
            .ok()?
            .parse()
            .ok()
    };
    let is_west = hit.get(2)?.as_bytes() == b"-";
    let (hours, minutes) = (number(3)?, number(5));
    let separator = hit.get(4).map(|separator| separator.as_bytes());
    if is_west && !matches!(separator, Some(b"" | b":")) {
        return None;
    }
    let minutes = minutes.unwrap_or(0);
    if hours > OFFSET_MAX_HOURS || !matches!(minutes, 0 | 30 | 45) {
        return None;
    }
    let offset = SignedDuration::from_mins(i64::from(hours * 60 + minutes));
    Some((if is_west { -offset } else { offset }, end))
}

fn moment_of(hit: &regex::bytes::Captures<'_>) -> Option<Moment> {
    let number = |at: usize| -> Option<i16> {
        std::str::from_utf8(hit.get(at)?.as_bytes())
            .ok()?
            .parse()
            .ok()
    };
    let small = |at: usize| number(at).and_then(|n| i8::try_from(n).ok());
    let year = number(1).filter(|year| (1980..2200).contains(year))?;
    let date = Date::new(year, small(3)?, small(5)?).ok()?;
    let has_time = hit.get(6).is_some();
    let time = if has_time {
        Time::new(small(6)?, small(8)?, small(10)?, 0).ok()?
    } else {
        Time::midnight()
    };
    Some(Moment {
        time: utc(date, time)?,
        has_time,
        has_zone: false,
    })
}

fn utc(date: Date, time: Time) -> Option<Timestamp> {
    let zoned = DateTime::from_parts(date, time).to_zoned(TimeZone::UTC);
    Some(zoned.ok()?.timestamp())
}

/// A time as `date` writes it (`Tue Oct 28 05:32:05 PM UTC 2025`), or as RFC 3339 does, or any that
/// [`moment_in`] finds. One in a zone that is only a name other than UTC is none.
pub(super) fn moment_of_line(text: &str) -> Option<Moment> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = text.trim();
    if let Ok(time) = text.replacen(' ', "T", 1).parse::<Timestamp>() {
        return Some(Moment {
            time,
            has_time: true,
            has_zone: true,
        });
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_zone_name =
        |w: &&str| (3..=5).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_uppercase());
    let has_other_zone = words
        .iter()
        .filter(|word| is_zone_name(word))
        .any(|zone| !matches!(*zone, "UTC" | "GMT"));
    if has_other_zone {
        return None;
    }
    let month = words
        .iter()
        .find_map(|word| MONTHS.iter().position(|month| month == word));
    let Some(month) = month else {
        return moment_in(text.as_bytes());
    };
    let find = |fits: &dyn Fn(&str) -> bool| words.iter().find(|word| fits(word));
    let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit());
    let day: i8 = find(&|w| is_number(w) && w.len() <= 2)?.parse().ok()?;
    let year: i16 = find(&|w| is_number(w) && w.len() == 4)?.parse().ok()?;
    let is_offset = |w: &str| w.starts_with(['+', '-']);
    let mut clock = find(&|w| w.contains(':') && !is_offset(w))?.split(':');
    let mut next = || clock.next().map_or(Some(0), |n| n.parse::<i8>().ok());
    let (mut hour, minute, second) = (next()?, next()?, next()?);
    if find(&|w| w == "AM" || w == "PM").is_some() {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if words.contains(&"PM") { 12 } else { 0 };
    }
    let offset = match find(&is_offset) {
        None => None,
        Some(word) => {
            let (offset, bytes) = zone_of(word.as_bytes())?;
            Some(offset).filter(|_| bytes == word.len())
        }
    };
    let date = Date::new(year, i8::try_from(month + 1).ok()?, day).ok()?;
    Some(Moment {
        time: utc(date, Time::new(hour, minute, second, 0).ok()?)? - offset.unwrap_or_default(),
        has_time: true,
        has_zone: offset.is_some() || words.iter().any(is_zone_name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(moment: Option<Moment>) -> String {
        moment.map_or_else(String::new, |moment| {
            format!(
                "{}{}{}",
                moment.time,
                if moment.has_time { "" } else { " day" },
                if moment.has_zone { " zone" } else { "" }
            )
        })
    }

    #[test]
    fn names_of_the_old_systems_say_when() {
        for (name, time) in [
            ("checkpoint-20251028-173204", "2025-10-28T17:32:04Z"),
            (
                "gw-checkpoint-20250818T175013Z.tgz",
                "2025-08-18T17:50:13Z zone",
            ),
            (
                "monitoring_backup_20260102.tar.gz",
                "2026-01-02T00:00:00Z day",
            ),
            ("monitoring_backup_20260102_031500", "2026-01-02T03:15:00Z"),
            (
                "backup-working-7777-8888-dashboards-20251111-223928",
                "2025-11-11T22:39:28Z",
            ),
            ("etc 2025-10-28 17:32:04.tar", "2025-10-28T17:32:04Z"),
            (
                "pre-20240101-backup-20251111-223928",
                "2025-11-11T22:39:28Z",
            ),
            ("20251111-223928-from-20240101", "2025-11-11T22:39:28Z"),
            ("backup-20251399", ""),
            ("backup-202510281", ""),
            ("backup-20251028-996161", ""),
            ("1761672724", ""),
            // Offsets: east is ahead of UTC.
            ("gw_20261121T101500+0200.tgz", "2026-11-21T08:15:00Z zone"),
            ("gw_20261121_101500+0200", "2026-11-21T08:15:00Z zone"),
            ("gw-20261121-101500-0500.tgz", "2026-11-21T15:15:00Z zone"),
            ("2026-11-21T10-15-00+02:00", "2026-11-21T08:15:00Z zone"),
            ("2026-11-21T10-15-00+02-00", "2026-11-21T08:15:00Z zone"),
            ("2026-11-21T10:15:00-03:30.tar", "2026-11-21T13:45:00Z zone"),
            ("2026-11-21 10:15:00 +0545", "2026-11-21T04:30:00Z zone"),
            ("2026-11-21T10.15.00.250+01", "2026-11-21T09:15:00Z zone"),
            ("20261121T001500+0200", "2026-11-20T22:15:00Z zone"),
            ("20261121T101500.5Z", "2026-11-21T10:15:00Z zone"),
            ("20261121T101500+0000", "2026-11-21T10:15:00Z zone"),
            ("20261121T101500 UTC", "2026-11-21T10:15:00Z zone"),
            // What looks like one and is none.
            ("backup-20251111-223928-01", "2025-11-11T22:39:28Z"),
            ("backup-20251111-223928-03-30", "2025-11-11T22:39:28Z"),
            ("backup-20251111-223928-0107", "2025-11-11T22:39:28Z"),
            ("backup-20251111-223928-9900", "2025-11-11T22:39:28Z"),
            ("backup-20251111-223928+02001", "2025-11-11T22:39:28Z"),
            ("backup-20251111-223928Zebra", "2025-11-11T22:39:28Z"),
            ("backup-20251111+0200", "2025-11-11T00:00:00Z day"),
            // A year may follow as an offset does.
            ("20251111-223928-20261121-101500", "2026-11-21T10:15:00Z"),
            // As the old systems call their copies.
            ("SESSION_HANDOFF_2025-11-11.md", "2025-11-11T00:00:00Z day"),
            ("server-20260102.js", "2026-01-02T00:00:00Z day"),
            ("app.tar", ""),
        ] {
            assert_eq!(shown(moment_in(name.as_bytes())), time, "{name}");
        }
    }

    #[test]
    fn records_of_the_old_systems_say_when() {
        for (line, time) in [
            (
                "Tue Oct 28 05:32:05 PM UTC 2025",
                "2025-10-28T17:32:05Z zone",
            ),
            (
                "Tue Oct 28 12:00:05 AM UTC 2025",
                "2025-10-28T00:00:05Z zone",
            ),
            ("Tue Oct  8 17:32:05 UTC 2025", "2025-10-08T17:32:05Z zone"),
            ("Tue 28 Oct 2025 17:32:05", "2025-10-28T17:32:05Z"),
            ("Tue Oct 28 17:32:05 CET 2025", ""),
            ("Tue Oct 28 17:32:05 PM UTC 2025", ""),
            ("2025-10-28T19:32:05+02:00", "2025-10-28T17:32:05Z zone"),
            ("2025-10-28 17:32:05", "2025-10-28T17:32:05Z"),
            ("2025-10-28 17:32:05 UTC", "2025-10-28T17:32:05Z zone"),
            ("2025-10-28 19:32:05 +0200", "2025-10-28T17:32:05Z zone"),
            (
                "2025-10-28 19:32:05.123456789 +0200",
                "2025-10-28T17:32:05Z zone",
            ),
            ("2025-10-28 17:32:05 CET", ""),
            (
                "Tue Oct 28 19:32:05 +0200 2025",
                "2025-10-28T17:32:05Z zone",
            ),
            (
                "Tue, 28 Oct 2025 12:32:05 -0500",
                "2025-10-28T17:32:05Z zone",
            ),
            ("Tue Oct 28 19:32:05 +99 2025", ""),
            ("yesterday", ""),
        ] {
            assert_eq!(shown(moment_of_line(line)), time, "{line}");
        }
    }
}

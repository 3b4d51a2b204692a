//! Sizes, durations and counts as people read them.

use std::time::Duration;

use jiff::Timestamp;

use crate::manifest::FileTime;

const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// `26.1 MiB`; bytes below 1 KiB as `980 B`.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = 0;
    tenths = (tenths + 512) / 1024;
    // 10235 tenths would round to the next unit's 1.0 anyway.
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// `1.2 s`, `5 min 3 s`, `2 h 10 min`, `3 d 4 h`.
#[must_use]
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => {
            let tenths = (time.as_millis() + 50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long `then` lies back: `12 s`, `5 min`, `2 h`, `9 d`; `now` for what lies ahead.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.as_second().saturating_sub(then.as_second()) {
        ..1 => "now".to_owned(),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// `2026-11-21T10:15:00Z`, with a fraction if there is one; seconds since 1970 for what no calendar
/// has.
#[must_use]
pub fn file_time(time: FileTime) -> String {
    i32::try_from(time.nanoseconds)
        .ok()
        .and_then(|nanoseconds| Timestamp::new(time.seconds, nanoseconds).ok())
        .map_or_else(|| time.to_string(), |time| time.to_string())
}

/// `1 file`, `980 files`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_binary_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (27_367_834, "26.1 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn file_times_are_dates_where_calendars_have_them() {
        for (text, shown) in [
            ("1795256100", "2026-11-21T10:15:00Z"),
            ("1795256100.500000000", "2026-11-21T10:15:00.5Z"),
            ("-1.500000000", "1969-12-31T23:59:58.5Z"),
            ("9000000000000", "9000000000000"),
        ] {
            let time = FileTime::parse(text).expect("a time");
            assert_eq!(file_time(time), shown);
        }
    }

    #[test]
    fn durations_show_two_units_at_most() {
        for (millis, text) in [
            (0, "0.0 s"),
            (1_234, "1.2 s"),
            (59_900, "59.9 s"),
            (303_000, "5 min 3 s"),
            (7_800_000, "2 h 10 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn ages_show_one_unit() {
        let then = Timestamp::from_second(1_000_000).expect("a time");
        for (seconds, text) in [
            (-5, "now"),
            (0, "now"),
            (59, "59 s"),
            (300, "5 min"),
            (7_300, "2 h"),
            (172_799, "47 h"),
            (864_000, "10 d"),
        ] {
            let now = Timestamp::from_second(1_000_000 + seconds).expect("a time");
            assert_eq!(ago(then, now), text);
        }
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(
            [count(0, "file"), count(1, "file"), count(2, "file")],
            ["0 files", "1 file", "2 files"]
        );
    }
}

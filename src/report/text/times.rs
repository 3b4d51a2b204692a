//! Formats times: an age, and the time of a file.

use jiff::Timestamp;

use crate::manifest::FileTime;

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

/// When `then` was, seen from `now`: `12 s ago`, `2 h ago`; `just now` for less than a second.
#[must_use]
pub fn since(then: Timestamp, now: Timestamp) -> String {
    if then.as_second() >= now.as_second() {
        "just now".to_owned()
    } else {
        format!("{} ago", ago(then, now))
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let since_then = match text {
                "now" => "just now".to_owned(),
                text => format!("{text} ago"),
            };
            assert_eq!(since(then, now), since_then);
        }
    }
}

//! Sizes, durations, counts and long lists as people read them.

use std::fmt::Display;
use std::time::Duration;

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

/// `1 file`, `980 files`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}

/// So many are named by [`listing`]; the rest is counted.
pub(crate) const NAMED_MAX: usize = 10;

/// Formats the first ten of `items` as `a, b, c and 7 more`; `count` is how many there are in all.
pub(crate) fn listing<T: Display>(count: usize, items: &[T]) -> String {
    first_of(NAMED_MAX, count, items)
}

/// As [`listing`], with the first `named_max` of `items`.
pub(crate) fn first_of<T: Display>(
    named_max: usize,
    count: usize,
    items: impl IntoIterator<Item = T>,
) -> String {
    let named: Vec<String> = items
        .into_iter()
        .take(named_max)
        .map(|item| item.to_string())
        .collect();
    let mut text = named.join(", ");
    if count > named.len() {
        text.push_str(&format!(" and {} more", count - named.len()));
    }
    text
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
    fn the_first_of_many_are_named_and_the_rest_is_counted() {
        let eleven: Vec<u32> = (1..=11).collect();
        let ten = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10";
        for (count, items, text) in [
            (0, &[][..], ""),
            (1, &eleven[..1], "1"),
            (10, &eleven[..10], ten),
            (11, &eleven, &format!("{ten} and 1 more")),
            (30, &eleven[..2], "1, 2 and 28 more"),
        ] {
            assert_eq!(listing(count, items), text);
        }
        assert_eq!(first_of(2, 3, eleven.iter().rev()), "11, 10 and 1 more");
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
    fn one_is_no_plural() {
        assert_eq!(
            [count(0, "file"), count(1, "file"), count(2, "file")],
            ["0 files", "1 file", "2 files"]
        );
    }
}

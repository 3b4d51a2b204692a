//! Durations and sizes: numbers with a unit.

use std::borrow::Cow;
use std::time::Duration;

use super::{Refusal, quoted};
use crate::name::did_you_mean;

/// A number with its unit, several times, the largest unit first: `1h30m`.
///
/// Longer than nothing, and at most a hundred years, so that no clock overflows by it.
pub(in super::super) fn duration(text: &str) -> Result<Duration, Refusal> {
    const HINT: &str = "Write a number with a unit, as in `30s`, `20m`, `1h30m` or `2d`; the units are s, m, h, d and w.";
    const UNITS: [(char, u64); 5] = [
        ('w', 604_800),
        ('d', 86_400),
        ('h', 3_600),
        ('m', 60),
        ('s', 1),
    ];
    const MAX_SECONDS: u64 = 100 * 365 * 86_400;

    let refuse = |why: &str| {
        let hint = match with_unit(text) {
            Some(meant) => format!("{} {HINT}", did_you_mean(meant)).into(),
            None => Cow::from(HINT),
        };
        Refusal::new(format!("{} {why}", quoted(text)), hint)
    };
    if !text.trim().is_empty() && text.trim().chars().all(|c| c.is_ascii_digit()) {
        return Err(refuse("has no unit"));
    }
    let mut seconds: u64 = 0;
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    if rest.is_empty() {
        return Err(refuse("is not a duration"));
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let mut chars = tail.chars();
        let unit = chars.next();
        let size = units
            .find(|(letter, _)| Some(*letter) == unit)
            .map(|(_, size)| *size)
            .ok_or_else(|| refuse("is not a duration"))?;
        let number: u64 = number.parse().map_err(|_| refuse("is not a duration"))?;
        seconds = number
            .checked_mul(size)
            .and_then(|part| seconds.checked_add(part))
            .filter(|total| *total <= MAX_SECONDS)
            .ok_or_else(|| refuse("is longer than a hundred years"))?;
        rest = chars.as_str();
    }
    if seconds == 0 {
        return Err(refuse("is no time at all"));
    }
    Ok(Duration::from_secs(seconds))
}

/// A duration in the words of other tools: `10`, `10 sec`, `5 minutes`.
fn with_unit(text: &str) -> Option<String> {
    const WORDS: [(char, &[&str]); 5] = [
        ('s', &["", "s", "sec", "secs", "second", "seconds"]),
        ('m', &["m", "min", "mins", "minute", "minutes"]),
        ('h', &["h", "hr", "hrs", "hour", "hours"]),
        ('d', &["d", "day", "days"]),
        ('w', &["w", "wk", "week", "weeks"]),
    ];
    const DIGITS_MAX: usize = 9;
    let text = text.trim().to_ascii_lowercase();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim();
    let (letter, _) = WORDS.iter().find(|(_, words)| words.contains(&unit))?;
    let is_some = number.bytes().any(|digit| digit != b'0') && number.len() <= DIGITS_MAX;
    is_some.then(|| format!("{number}{letter}"))
}

/// A number of bytes, with or without a unit: `16MiB`.
pub(in super::super) fn size_bytes(text: &str) -> Result<u64, Refusal> {
    const HINT: &str = "Write a number with a unit, as in `512KiB`, `16MiB` or `1GiB`; kB, MB and GB count by 1000.";
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("tib", 1 << 40),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
    ];

    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start().to_ascii_lowercase();
    UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, size)| number.parse::<u64>().ok()?.checked_mul(*size))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| {
            // `16M` is 16 MiB to most tools.
            let is_number = !number.is_empty() && number.bytes().any(|digit| digit != b'0');
            let hint = match unit.as_str() {
                "k" | "m" | "g" | "t" if is_number => {
                    let meant = format!("{number}{}iB", unit.to_ascii_uppercase());
                    format!("{} {HINT}", did_you_mean(meant)).into()
                }
                _ => Cow::from(HINT),
            };
            Refusal::new(format!("{} is not a size", quoted(text)), hint)
        })
}

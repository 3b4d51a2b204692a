//! `HOST@STAMP`: what a checkpoint is called, and the ways a person may point at one.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{HostName, ParseNameError};

const STAMP_FORMAT: &str = "%Y%m%dT%H%M%SZ";
const STAMP_LENGTH: usize = 16;

/// The second in which a checkpoint began, in UTC: `20261121T101500Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(Timestamp);

impl Stamp {
    /// The stamp of the second that `time` is in.
    #[must_use]
    pub fn of(time: Timestamp) -> Self {
        let second = Timestamp::from_second(time.as_second())
            .expect("the second of a valid timestamp is a valid timestamp");
        Self(second)
    }

    /// The beginning of that second.
    #[must_use]
    pub fn time(self) -> Timestamp {
        self.0
    }

    /// The stamp one second later.
    #[must_use]
    pub fn next(self) -> Self {
        self.after_seconds(1)
    }

    /// The stamp so many seconds later.
    #[must_use]
    pub fn after_seconds(self, seconds: i64) -> Self {
        Self(
            self.0
                .saturating_add(SignedDuration::from_secs(seconds))
                .expect("a duration saturates, only calendar units can fail"),
        )
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.strftime(STAMP_FORMAT).to_string())
    }
}

impl FromStr for Stamp {
    type Err = ParseCheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseCheckpointError::Stamp(super::escape(text.as_bytes()));
        if text.len() != STAMP_LENGTH {
            return Err(refuse());
        }
        let civil = DateTime::strptime(STAMP_FORMAT, text).map_err(|_| refuse())?;
        let time = civil.to_zoned(TimeZone::UTC).map_err(|_| refuse())?;
        let stamp = Self(time.timestamp());
        // The parser is more lenient than the name of a folder may be.
        if stamp.to_string() == text {
            Ok(stamp)
        } else {
            Err(refuse())
        }
    }
}

/// The full name of one checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId {
    /// The host it was taken of.
    pub host: HostName,
    /// When it began.
    pub stamp: Stamp,
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.host, self.stamp))
    }
}

impl FromStr for CheckpointId {
    type Err = ParseCheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, stamp) = split(text)?;
        Ok(Self {
            host,
            stamp: stamp.parse()?,
        })
    }
}

/// A way to point at a checkpoint: `HOST@STAMP`, `HOST@latest`, `HOST@~N`, or a prefix of the stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointRef {
    /// The host it was taken of.
    pub host: HostName,
    /// Which of the host's checkpoints.
    pub which: Which,
}

/// Which of a host's checkpoints is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// `latest` is `~0`, `~1` is the one before it; partial ones are not counted.
    Back(u32),
    /// The only one whose stamp begins so.
    Prefix(String),
}

impl fmt::Display for CheckpointRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Back(0) => write!(f, "{}@latest", self.host),
            Which::Back(n) => write!(f, "{}@~{n}", self.host),
            Which::Prefix(prefix) => write!(f, "{}@{prefix}", self.host),
        }
    }
}

impl FromStr for CheckpointRef {
    type Err = ParseCheckpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, which) = split(text)?;
        let refuse = || ParseCheckpointError::Stamp(super::escape(which.as_bytes()));
        let which = if which == "latest" {
            Which::Back(0)
        } else if let Some(count) = which.strip_prefix('~') {
            let digits_only = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
            Which::Back(if digits_only {
                count.parse().map_err(|_| refuse())?
            } else {
                return Err(refuse());
            })
        } else if !which.is_empty()
            && which.len() <= STAMP_LENGTH
            && which
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b'T' || b == b'Z')
        {
            Which::Prefix(which.to_owned())
        } else {
            return Err(refuse());
        };
        Ok(Self { host, which })
    }
}

fn split(text: &str) -> Result<(HostName, &str), ParseCheckpointError> {
    let (host, rest) = text
        .split_once('@')
        .ok_or_else(|| ParseCheckpointError::NoAt(super::escape(text.as_bytes())))?;
    Ok((host.parse()?, rest))
}

/// The text points at no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseCheckpointError {
    /// There is no `@` in it.
    #[error("`{0}` is not a checkpoint: write HOST@STAMP, HOST@latest or HOST@~1")]
    NoAt(String),
    /// What is before the `@` is no host name.
    #[error(transparent)]
    Host(#[from] ParseNameError),
    /// What is behind the `@` is no stamp.
    #[error("`{0}` is not a stamp: write 20261121T101500Z, a prefix of it, `latest` or `~1`")]
    Stamp(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_read_back_what_they_print() {
        let stamp: Stamp = "20261121T101500Z".parse().expect("a stamp");
        assert_eq!(stamp.to_string(), "20261121T101500Z");
        assert_eq!(stamp.time().as_second(), 1_795_256_100);
        assert_eq!(stamp.next().to_string(), "20261121T101501Z");
    }

    #[test]
    fn stamps_refuse_dates_that_do_not_exist() {
        for text in [
            "20260231T000000Z",
            "20261121T101500",
            "2026-11-21",
            "20261121t101500z",
            "20261121T1015 0Z",
        ] {
            assert_eq!(
                text.parse::<Stamp>(),
                Err(ParseCheckpointError::Stamp(text.to_owned()))
            );
        }
    }

    #[test]
    fn references_name_the_ways_a_person_points() {
        for (text, which) in [
            ("dev-vm@latest", Which::Back(0)),
            ("dev-vm@~2", Which::Back(2)),
            ("dev-vm@2026", Which::Prefix("2026".to_owned())),
            (
                "dev-vm@20261121T101500Z",
                Which::Prefix("20261121T101500Z".to_owned()),
            ),
        ] {
            let parsed: CheckpointRef = text.parse().expect("a reference");
            assert_eq!((parsed.host.as_str(), &parsed.which), ("dev-vm", &which));
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn references_refuse_everything_else() {
        for text in [
            "dev-vm",
            "@latest",
            "dev-vm@",
            "dev-vm@newest",
            "dev-vm@~",
            "dev-vm@~-1",
            "dev-vm@../x",
            "a@b@c",
        ] {
            let refused = text.parse::<CheckpointRef>().map_err(|_| ());
            assert_eq!(refused, Err(()), "{text}");
        }
    }
}

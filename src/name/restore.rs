//! The name of one restore: what its lock, its record on the host and its staging folders are known by.

use std::fmt;
use std::str::FromStr;

/// So many hexadecimal digits: short enough to be a piece of a database's name.
const DIGITS: usize = 12;

/// The name of one restore: 12 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RestoreId(String);

/// The text names no restore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the ID of a restore: it has {DIGITS} hexadecimal digits")]
pub struct ParseRestoreIdError(String);

impl RestoreId {
    /// The ID made of these random bytes.
    #[must_use]
    pub fn of(random: [u8; DIGITS / 2]) -> Self {
        Self(data_encoding::HEXLOWER.encode(&random))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RestoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RestoreId {
    type Err = ParseRestoreIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == DIGITS && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseRestoreIdError(super::escape(text.as_bytes())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_nothing_else_is_one() {
        let id = RestoreId::of([0, 1, 2, 0xfd, 0xfe, 0xff]);
        assert_eq!(id.to_string(), "000102fdfeff");
        assert_eq!("000102fdfeff".parse(), Ok(id));
        for text in [
            "",
            "000102fdfef",
            "000102fdfeff0",
            "000102FDFEFF",
            "../../../etc",
            "00010 fdfeff",
        ] {
            assert!(text.parse::<RestoreId>().is_err(), "{text}");
        }
    }
}

//! Names of systemd units, and of the packages of a distribution.

use std::fmt;
use std::str::FromStr;

/// The longest name of a unit, by systemd.
const UNIT_MAX_BYTES: usize = 255;

/// The longest name of a package; longer than any that a distribution has.
const PACKAGE_MAX_BYTES: usize = 128;

/// The types of units that there are, as the end of the name.
const TYPES: [&str; 11] = [
    "service",
    "socket",
    "timer",
    "path",
    "target",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];

/// The full name of a systemd unit, with its type: `app.service`, `worker@2.service`.
///
/// Source: systemd.unit(5), "Description".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName(String);

/// The text cannot be the name of a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseUnitError {
    /// No type at the end.
    #[error("`{text}` has no unit type at its end")]
    NoType {
        /// The text, escaped.
        text: String,
    },
    /// `name@.service`, of which systemd runs nothing.
    #[error("`{text}` is a template, which is never active itself")]
    Template {
        /// The text, escaped.
        text: String,
    },
    /// Characters that no unit has, or a `-` at its beginning.
    #[error("`{text}` is not the name of a unit")]
    Characters {
        /// The text, escaped.
        text: String,
    },
}

impl UnitName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The type: `service`, `socket`, `timer` …
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.rsplit('.').next().unwrap_or_default()
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for UnitName {
    type Err = ParseUnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let escaped = || super::escape(text.as_bytes());
        let is_plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '.' | '\\' | '@' | '-');
        let is_fine = !text.is_empty()
            && text.len() <= UNIT_MAX_BYTES
            && !text.starts_with(['-', '.', '@'])
            && text.chars().all(is_plain);
        if !is_fine {
            return Err(ParseUnitError::Characters { text: escaped() });
        }
        match text.rsplit_once('.') {
            Some((name, _)) if name.ends_with('@') => {
                Err(ParseUnitError::Template { text: escaped() })
            }
            Some((_, kind)) if TYPES.contains(&kind) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(ParseUnitError::NoType { text: escaped() }),
        }
    }
}

/// The name of a package, as apt, dnf, apk and zypper take it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// The text cannot be the name of a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the name of a package")]
pub struct ParsePackageError {
    text: String,
}

impl PackageName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PackageName {
    type Err = ParsePackageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | ':');
        // apt-get takes `name-` and `name+` for removing and installing.
        let ends_well = !text.ends_with('-');
        if starts_well && ends_well && text.chars().all(is_plain) && text.len() <= PACKAGE_MAX_BYTES
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParsePackageError {
                text: super::escape(text.as_bytes()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_names_have_a_type_and_are_no_option() {
        for text in [
            "app.service",
            "worker@2.service",
            r"srv-a\x2db.mount",
            "a:b_c.timer",
        ] {
            assert_eq!(
                text.parse::<UnitName>().map(|unit| unit.to_string()),
                Ok(text.to_owned())
            );
        }
        for (text, told) in [
            ("app", "`app` has no unit type at its end"),
            ("app.js", "`app.js` has no unit type at its end"),
            (
                "worker@.service",
                "`worker@.service` is a template, which is never active itself",
            ),
            ("--now.service", "`--now.service` is not the name of a unit"),
            ("a b.service", "`a b.service` is not the name of a unit"),
            ("*.service", "`*.service` is not the name of a unit"),
            ("", "`` is not the name of a unit"),
        ] {
            let error = text.parse::<UnitName>().expect_err("no unit");
            assert_eq!(error.to_string(), told);
        }
        let unit: UnitName = "a.b.timer".parse().expect("a unit");
        assert_eq!(unit.kind(), "timer");
    }

    #[test]
    fn package_names_remove_nothing() {
        for text in ["nodejs", "g++", "libstdc++6", "libc6:i386", "python3.11"] {
            assert_eq!(
                text.parse::<PackageName>().map(|name| name.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["", "-y", "nodejs-", "a b", "./a.deb", "a=1", "a/sid"] {
            assert_eq!(
                text.parse::<PackageName>()
                    .map_err(|error| error.to_string()),
                Err(format!("`{text}` is not the name of a package"))
            );
        }
    }
}

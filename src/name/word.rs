//! Names of hosts, sources and profiles: single words that are safe as file names.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes; a file name may have 255, and stamps and endings are added to names.
const LENGTH_MAX_BYTES: usize = 128;

/// The text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a {what} name: use 1 to {LENGTH_MAX_BYTES} letters, digits, `.`, `_` or `-`, beginning with a letter or digit"
)]
pub struct ParseNameError {
    what: &'static str,
    text: String,
}

fn parse(what: &'static str, text: &str) -> Result<String, ParseNameError> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let all_fine = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if starts_well && all_fine && text.len() <= LENGTH_MAX_BYTES {
        Ok(text.to_owned())
    } else {
        Err(ParseNameError {
            what,
            text: super::escape(text.as_bytes()),
        })
    }
}

macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse($what, text).map(Self)
            }
        }
    };
}

word!(
    /// The name of a machine in the inventory; also its folder in the store.
    HostName,
    "host"
);
word!(
    /// The name of one thing that is captured from a host; also the name of its pack.
    SourceName,
    "source"
);
word!(
    /// The name of a reusable set of sources.
    ProfileName,
    "profile"
);
word!(
    /// The name of something on a host that can be stopped and started.
    ServiceName,
    "service"
);
word!(
    /// The name of a check that a host works.
    ProbeName,
    "probe"
);

/// An account of a host, as it may be in a command line without quotes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// The text cannot be the name of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an account name: use 1 to {LENGTH_MAX_BYTES} letters, digits, `.`, `_`, `-`, `+` or `@`, beginning with a letter, a digit or `_`"
)]
pub struct ParseAccountError {
    text: String,
}

impl AccountName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = ParseAccountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let is_plain =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@');
        if starts_well && text.chars().all(is_plain) && text.len() <= LENGTH_MAX_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseAccountError {
                text: super::escape(text.as_bytes()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_safe_as_file_names_are_taken() {
        for text in ["dev-vm", "a", "7777", "gw.example_1", &"x".repeat(128)] {
            assert_eq!(
                text.parse::<HostName>().map(|n| n.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for text in [
            "",
            ".",
            "..",
            ".x",
            "-rf",
            "a/b",
            "a b",
            "a\n",
            "é",
            &"x".repeat(129),
        ] {
            assert_eq!(
                text.parse::<SourceName>().map_err(|e| e.what),
                Err("source"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn an_account_name_needs_no_quotes_in_any_shell() {
        for text in ["postgres", "_apt", "svc-web.1", "ops@example.org", "1000"] {
            assert_eq!(
                text.parse::<AccountName>().map(|name| name.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["", "-u", "it's", "a b", "a!b", "$HOME", "#0", "a\n"] {
            assert_eq!(
                text.parse::<AccountName>().map_err(|error| error.text),
                Err(super::super::escape(text.as_bytes())),
                "{text:?}"
            );
        }
    }
}

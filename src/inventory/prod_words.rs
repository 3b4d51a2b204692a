//! `env` and `tags` of a host, and the words in them that mean prod.
//!
//! [`Env`] and [`Tag`] are parsed once, when the inventory is read, and carry the answer with them:
//! there is no other test for prod. The built-in words cannot be taken away; `protect` in the
//! inventory only adds to them.

use std::fmt;

use crate::name::escape;

/// Words that mean prod in every inventory.
const BUILT_IN: [&str; 4] = ["prod", "production", "prd", "live"];

/// What YAML 1.1 reads as a truth value or as nothing, and what a word is often mistaken for.
const YAML_CONSTANTS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];

/// The words that mean prod in one inventory: `prod`, `production`, `prd` and `live`, and those under `protect`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProdWords {
    added: Vec<String>,
}

impl ProdWords {
    /// The built-in words and those that `protect` adds, each read by [`plain_word`].
    pub(super) fn with(added: Vec<String>) -> Self {
        Self { added }
    }

    /// Whether `text` is one of the words, in upper or lower case, or has one as a piece of it: the
    /// pieces end where letters end, so `prod1`, `prod-eu` and `eu.live` mean prod, and `delivery`
    /// does not.
    fn are_in(&self, text: &str) -> bool {
        let added = self.added.iter().map(String::as_str);
        BUILT_IN
            .into_iter()
            .chain(added)
            .any(|word| has_piece(text, word))
    }
}

fn has_piece(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    // Two letters or two digits belong to one piece.
    let joins = |a: u8, b: u8| {
        (a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
            || (a.is_ascii_digit() && b.is_ascii_digit())
    };
    let (Some(&first), Some(&last)) = (word.first(), word.last()) else {
        return false;
    };
    text.windows(word.len()).enumerate().any(|(at, piece)| {
        let before = at.checked_sub(1).map(|at| text[at]);
        let behind = text.get(at + word.len()).copied();
        piece.eq_ignore_ascii_case(word)
            && !before.is_some_and(|before| joins(before, first))
            && !behind.is_some_and(|behind| joins(last, behind))
    })
}

/// The text can be neither an env nor a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseWordError {
    /// It has characters that no word has. ASCII only, so that no word merely looks like `prod`.
    #[error("`{0}` is not a word")]
    Characters(String),
    /// It is a number to YAML, or a truth value, or nothing.
    #[error("expected a word, found `{0}`")]
    Constant(String),
}

impl ParseWordError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Characters(_) => {
                "Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit."
            }
            Self::Constant(_) => {
                "Write a word such as `dev` or `staging`; numbers, `true`, `false`, `yes`, `no`, `on`, `off` and `null` are none."
            }
        }
    }
}

/// Letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
fn word(text: &str) -> Result<String, ParseWordError> {
    let text = text.trim();
    let fine = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if fine {
        Ok(text.to_owned())
    } else {
        Err(ParseWordError::Characters(escape(text.as_bytes())))
    }
}

/// A word that YAML does not read as something else: no number, date or truth value.
pub(super) fn plain_word(text: &str) -> Result<String, ParseWordError> {
    let word = word(text)?;
    let lower = word.to_ascii_lowercase();
    let is_prefixed_number = |prefix: &str, radix: u32| {
        lower
            .strip_prefix(prefix)
            .is_some_and(|digits| digits.chars().all(|c| c.is_digit(radix)))
    };
    let is_number = !lower.chars().any(|c| c.is_ascii_alphabetic())
        || (lower.starts_with(|c: char| c.is_ascii_digit()) && lower.parse::<f64>().is_ok())
        || is_prefixed_number("0x", 16)
        || is_prefixed_number("0o", 8)
        || is_prefixed_number("0b", 2);
    if is_number || YAML_CONSTANTS.contains(&lower.as_str()) {
        Err(ParseWordError::Constant(word))
    } else {
        Ok(word)
    }
}

macro_rules! judged_word {
    ($(#[$doc:meta])* $name:ident, $read:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            text: String,
            is_prod: bool,
        }

        impl $name {
            /// Reads it as the inventory has it.
            ///
            /// # Errors
            ///
            /// [`ParseWordError`] if it is no word.
            pub fn parse(text: &str, prod: &ProdWords) -> Result<Self, ParseWordError> {
                $read(text).map(|text| Self {
                    is_prod: prod.are_in(&text),
                    text,
                })
            }

            /// The word as the inventory has it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.text
            }

            /// Whether it means prod.
            #[must_use]
            pub(super) fn is_prod(&self) -> bool {
                self.is_prod
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.text)
            }
        }
    };
}

judged_word!(
    /// The `env` of a host: what it is there for, in one word that YAML does not read as something else.
    Env,
    plain_word
);
judged_word!(
    /// One of the `tags` of a host. A number is a good tag.
    Tag,
    word
);

#[cfg(test)]
mod tests {
    use super::*;

    fn is_prod(text: &str, added: &[&str]) -> bool {
        let prod = ProdWords::with(added.iter().map(|&word| word.to_owned()).collect());
        let env = Env::parse(text, &prod).expect("a word").is_prod();
        assert_eq!(
            Tag::parse(text, &prod).expect("a word").is_prod(),
            env,
            "{text}"
        );
        env
    }

    #[test]
    fn words_that_mean_prod_do_so_alone_and_as_pieces_in_any_case() {
        for text in [
            "prod",
            "production",
            "prd",
            "live",
            "PROD",
            "Live",
            " prod ",
            "prod1",
            "1prod",
            "prod-eu",
            "eu-prod",
            "Production_EU",
            "eu.live",
            "eu1live2",
            "a_prd.b",
            "prodprod-prod",
            "non-prod",
        ] {
            assert!(is_prod(text, &[]), "{text}");
        }
    }

    #[test]
    fn words_that_only_begin_or_end_like_prod_do_not_mean_it() {
        for text in [
            "dev",
            "staging",
            "delivery",
            "alive",
            "lively",
            "product",
            "productions",
            "preprod",
            "prodeu",
            "pr-od",
            "pro.d",
            "uprd",
        ] {
            assert!(!is_prod(text, &[]), "{text}");
        }
    }

    #[test]
    fn added_words_mean_prod_and_take_none_of_the_others_away() {
        for (text, added, expected) in [
            ("staging", &["staging"][..], true),
            ("Staging-2", &["STAGING"], true),
            ("restaging", &["staging"], false),
            ("tier1", &["tier1"], true),
            ("tier1-eu", &["tier1"], true),
            ("tier12", &["tier1"], false),
            ("tier2", &["tier1"], false),
            ("x-customer-a", &["customer-a"], true),
            ("ab-b-b", &["b-b"], true),
            ("prod-eu", &["staging"], true),
            ("live", &["dev"], true),
            ("dev", &["a", "dev"], true),
        ] {
            assert_eq!(is_prod(text, added), expected, "{text} with {added:?}");
        }
    }

    #[test]
    fn an_env_is_a_word_to_yaml_too() {
        for text in [
            "no",
            "No",
            "yes",
            "on",
            "OFF",
            "true",
            "false",
            "y",
            "n",
            "null",
            "1",
            "1.5",
            "0x1f",
            "0o17",
            "1e3",
            "1_000",
            "2024-01-01",
            "12.30",
        ] {
            assert_eq!(
                Env::parse(text, &ProdWords::default()),
                Err(ParseWordError::Constant(text.to_owned()))
            );
        }
        for text in ["north", "none", "2nd", "0xyz", "1e3x", "nulls", "on1"] {
            assert!(Env::parse(text, &ProdWords::default()).is_ok(), "{text}");
        }
        assert!(Tag::parse("2024", &ProdWords::default()).is_ok());
    }

    #[test]
    fn words_are_ascii_so_that_none_merely_looks_like_prod() {
        for text in ["p r", "рrod", "", "@x", "-x", "!prod", "*"] {
            let expected = ParseWordError::Characters(escape(text.as_bytes()));
            assert_eq!(
                Env::parse(text, &ProdWords::default()),
                Err(expected.clone())
            );
            assert_eq!(
                Tag::parse(text, &ProdWords::default()),
                Err(expected.clone())
            );
            assert_eq!(plain_word(text), Err(expected));
        }
    }
}

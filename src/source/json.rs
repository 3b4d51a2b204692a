//! JSON in a form that changes only when its content does: keys sorted, one value a line.
//!
//! Numbers stay as they were written, digit by digit; a key that occurs twice stays so. Nothing is
//! lost, whatever the sender made of it.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deeper nesting is refused, as serde_json itself does.
const DEPTH_MAX: usize = 128;

/// Why there is no normal form. Nothing of the content is quoted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It isn't text.
    #[error("it is not UTF-8 text")]
    Encoding,
    /// It isn't JSON.
    #[error("{what} at line {line}, column {column}")]
    Syntax {
        /// What is wrong.
        what: &'static str,
        /// From 1.
        line: usize,
        /// From 1; in bytes.
        column: usize,
    },
    /// Lists in lists in lists.
    #[error("it is nested deeper than {DEPTH_MAX} levels")]
    Depth,
    /// The normal form is much larger than what came.
    #[error("its normal form is larger than {limit_bytes} bytes")]
    TooLarge {
        /// How much would be taken.
        limit_bytes: usize,
    },
}

/// The normal form of `text`: keys sorted by their characters, indented by two blanks, a line end at the
/// end. No more than `limit_bytes` of it.
///
/// # Errors
///
/// [`Error`] if `text` is not one JSON value.
pub fn normalise(text: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Error> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let text = std::str::from_utf8(text).map_err(|_| Error::Encoding)?;
    let value: &RawValue = serde_json::from_str(text).map_err(|error| syntax(&error))?;
    let mut out = Limited {
        out: Vec::with_capacity(text.len() + text.len() / 2),
        limit_bytes,
    };
    write(&mut out, value, 0)?;
    out.push(b"\n")?;
    Ok(out.out)
}

fn syntax(error: &serde_json::Error) -> Error {
    Error::Syntax {
        what: match error.classify() {
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Data => "it is not JSON",
        },
        line: error.line(),
        column: error.column(),
    }
}

/// Text that may not grow without end: deep nesting is mostly indentation.
struct Limited {
    out: Vec<u8>,
    limit_bytes: usize,
}

impl Limited {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > self.limit_bytes - self.out.len() {
            return Err(Error::TooLarge {
                limit_bytes: self.limit_bytes,
            });
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, depth: usize) -> Result<(), Error> {
        const BLANKS: [u8; 2 * DEPTH_MAX] = [b' '; 2 * DEPTH_MAX];
        self.push(b"\n")?;
        self.push(&BLANKS[..2 * depth])
    }
}

fn write(out: &mut Limited, value: &RawValue, depth: usize) -> Result<(), Error> {
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'{' | b'[') if depth == DEPTH_MAX => Err(Error::Depth),
        Some(b'{') => {
            let Members(mut members) =
                serde_json::from_str(text).map_err(|error| syntax(&error))?;
            members.sort_by(|(one, _), (other, _)| one.sorts_by().cmp(other.sorts_by()));
            if members.is_empty() {
                return out.push(b"{}");
            }
            for (index, (key, value)) in members.iter().enumerate() {
                out.push(if index == 0 { b"{" } else { b"," })?;
                out.line(depth + 1)?;
                key.write(out)?;
                out.push(b": ")?;
                write(out, value, depth + 1)?;
            }
            out.line(depth)?;
            out.push(b"}")
        }
        Some(b'[') => {
            let Items(items) = serde_json::from_str(text).map_err(|error| syntax(&error))?;
            if items.is_empty() {
                return out.push(b"[]");
            }
            for (index, item) in items.iter().enumerate() {
                out.push(if index == 0 { b"[" } else { b"," })?;
                out.line(depth + 1)?;
                write(out, item, depth + 1)?;
            }
            out.line(depth)?;
            out.push(b"]")
        }
        Some(b'"') => Text::of(value).write(out),
        // Numbers, true, false and null: as they were written.
        Some(_) | None => out.push(text.as_bytes()),
    }
}

/// A string: decoded, or as it was written where it can't be (half a surrogate pair).
enum Text<'a> {
    Decoded(Cow<'a, str>),
    Raw(&'a str),
}

impl<'a> Text<'a> {
    fn of(value: &'a RawValue) -> Self {
        #[derive(Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
        match serde_json::from_str(value.get()) {
            Ok(Borrowed(text)) => Self::Decoded(text),
            Err(_) => Self::Raw(value.get()),
        }
    }

    fn sorts_by(&self) -> &str {
        match self {
            Self::Decoded(text) => text,
            Self::Raw(text) => text,
        }
    }

    fn write(&self, out: &mut Limited) -> Result<(), Error> {
        match self {
            Self::Raw(text) => out.push(text.as_bytes()),
            Self::Decoded(text) => {
                let mut wanting = Wanting { out, refused: None };
                match (serde_json::to_writer(&mut wanting, text), wanting.refused) {
                    (_, Some(error)) => Err(error),
                    // Nothing else can go wrong when a string is written to memory.
                    (_, None) => Ok(()),
                }
            }
        }
    }
}

struct Wanting<'a> {
    out: &'a mut Limited,
    refused: Option<Error>,
}

impl Write for Wanting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.out.push(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                self.refused = Some(error);
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The members of an object, in their order, those of one name too.
struct Members<'a>(Vec<(Text<'a>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Vec<(Text<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    members.push((Text::of(key), value));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

/// The items of a list.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemsVisitor;

        impl<'de> Visitor<'de> for ItemsVisitor {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(items)
            }
        }

        deserializer.deserialize_seq(ItemsVisitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(text: &str) -> Result<String, String> {
        normalise(text.as_bytes(), 1 << 20)
            .map(|text| String::from_utf8(text).expect("text"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_sorted_at_every_level() {
        assert_eq!(
            normal("{\"b\":[{\"z\":1,\"a\":{}},[]],\"a\":\"x\",\"\\u0041\":null}").as_deref(),
            Ok(
                "{\n  \"A\": null,\n  \"a\": \"x\",\n  \"b\": [\n    {\n      \"a\": {},\n      \"z\": 1\n    },\n    []\n  ]\n}\n"
            )
        );
    }

    #[test]
    fn numbers_keep_every_digit() {
        let numbers =
            "[12345678901234567890123,0.1000000000000000055511151231257827,1E400,-0,1.0,1e2]";
        let lines = numbers
            .replace('[', "[\n  ")
            .replace(',', ",\n  ")
            .replace(']', "\n]\n");
        assert_eq!(normal(numbers), Ok(lines));
    }

    #[test]
    fn nothing_is_lost() {
        assert_eq!(
            normal("{\"a\":2,\"b\":0,\"a\":1}").as_deref(),
            Ok("{\n  \"a\": 2,\n  \"a\": 1,\n  \"b\": 0\n}\n")
        );
        assert_eq!(
            normal("{\"\\ud800\":\"\\udfff\"}").as_deref(),
            Ok("{\n  \"\\ud800\": \"\\udfff\"\n}\n")
        );
    }

    #[test]
    fn one_string_has_one_spelling() {
        for text in ["\"\\u00e9\\/\\n\"", "\u{feff} \"\u{e9}/\\u000a\"\n"] {
            assert_eq!(normal(text).as_deref(), Ok("\"\u{e9}/\\n\"\n"));
        }
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place() {
        let cases = [
            ("", "it ends too early at line 1, column 0"),
            ("<html>", "it is not JSON at line 1, column 1"),
            ("{\"a\":\n1", "it ends too early at line 2, column 1"),
            ("{} x", "it is not JSON at line 1, column 4"),
            ("{\"a\" 1}", "it is not JSON at line 1, column 6"),
            ("[01]", "it is not JSON at line 1, column 3"),
        ];
        for (text, told) in cases {
            assert_eq!(normal(text), Err(told.to_owned()), "{text}");
        }
        assert_eq!(
            normalise(b"\"\xff\"", 9).map_err(|error| error.to_string()),
            Err("it is not UTF-8 text".to_owned())
        );
    }

    #[test]
    fn deep_nesting_has_an_end() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(normal(&nested(DEPTH_MAX)).is_ok());
        let told = Err("it is nested deeper than 128 levels".to_owned());
        assert_eq!(normal(&nested(DEPTH_MAX + 1)), told);
        assert_eq!(normal(&nested(200_000)), told);
    }

    #[test]
    fn the_normal_form_does_not_grow_without_end() {
        let deep = "[".repeat(100) + &"1,".repeat(1000) + "1" + &"]".repeat(100);
        let told = normalise(deep.as_bytes(), 4 * deep.len()).map_err(|error| error.to_string());
        assert_eq!(
            told,
            Err(format!(
                "its normal form is larger than {} bytes",
                4 * deep.len()
            ))
        );
        assert!(normalise(b"\"abc\"", 6).is_ok());
        assert!(matches!(
            normalise(b"\"abc\"", 5),
            Err(Error::TooLarge { limit_bytes: 5 })
        ));
        assert!(matches!(
            normalise(b"\"abc\"", 4),
            Err(Error::TooLarge { limit_bytes: 4 })
        ));
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            ".*".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                prop::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_content_stays_and_the_form_is_its_own(value in any_json()) {
            let text = value.to_string();
            let once = normalise(text.as_bytes(), 1 << 20).expect("JSON");
            let read: serde_json::Value = serde_json::from_slice(&once).expect("JSON");
            prop_assert_eq!(&read, &value);
            let twice = normalise(&once, 1 << 20).expect("JSON");
            prop_assert_eq!(twice, once);
        }
    }
}

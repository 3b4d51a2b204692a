//! Finds the key that a place of an inventory file belongs to, and what kind of value is there, so that a
//! complaint about a value can name its key. Read only when a file was refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::Place;
use super::super::raw::At;

/// A value without its meaning.
pub(super) enum Shape {
    Nothing,
    Bool,
    /// As it would be written.
    Number(String),
    Text(String),
    List(Vec<At<Shape>>),
    Mapping(Vec<(At<String>, At<Shape>)>),
}

impl Shape {
    /// The word for it; no value is quoted but a number, where one is meant.
    pub(super) fn word(&self, shows_numbers: bool) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Number(number) if shows_numbers => format!("`{number}`"),
            Self::Number(_) => "a number".to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

/// A value that a complaint may be about.
pub(super) struct Candidate<'a> {
    /// The keys that lead to it; the entries of a list have the list's keys.
    pub(super) keys: Vec<&'a str>,
    pub(super) shape: &'a Shape,
    /// It is an entry of a list.
    pub(super) is_entry: bool,
}

/// The values that begin at `place`, or whose key does, the outermost first.
pub(super) fn candidates(root: &At<Shape>, place: Place) -> Vec<Candidate<'_>> {
    let mut found = Vec::new();
    descend(root, false, place, &mut Vec::new(), &mut found);
    found
}

fn descend<'a>(
    node: &'a At<Shape>,
    is_entry: bool,
    place: Place,
    keys: &mut Vec<&'a str>,
    found: &mut Vec<Candidate<'a>>,
) {
    if node.place == place {
        found.push(Candidate {
            keys: keys.clone(),
            shape: &node.value,
            is_entry,
        });
    }
    match &node.value {
        Shape::Nothing | Shape::Bool | Shape::Number(_) | Shape::Text(_) => {}
        Shape::List(nodes) => {
            for node in nodes {
                descend(node, true, place, keys, found);
            }
        }
        Shape::Mapping(entries) => {
            for (key, node) in entries {
                keys.push(&key.value);
                if key.place == place {
                    found.push(Candidate {
                        keys: keys.clone(),
                        shape: &node.value,
                        is_entry: false,
                    });
                }
                descend(node, false, place, keys, found);
                keys.pop();
            }
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ShapeVisitor;

        impl<'de> Visitor<'de> for ShapeVisitor {
            type Value = Shape;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Nothing)
            }

            fn visit_none<E>(self) -> Result<Shape, E> {
                Ok(Shape::Nothing)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Bool)
            }

            fn visit_i64<E>(self, number: i64) -> Result<Shape, E> {
                Ok(Shape::Number(number.to_string()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
                Ok(Shape::Number(number.to_string()))
            }

            fn visit_i128<E>(self, number: i128) -> Result<Shape, E> {
                Ok(Shape::Number(number.to_string()))
            }

            fn visit_u128<E>(self, number: u128) -> Result<Shape, E> {
                Ok(Shape::Number(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Shape, E> {
                Ok(Shape::Number(number.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
                Ok(Shape::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = seq.next_element()? {
                    nodes.push(node);
                }
                Ok(Shape::List(nodes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Shape::Mapping(entries))
            }
        }

        deserializer.deserialize_any(ShapeVisitor)
    }
}

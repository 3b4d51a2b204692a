//! Items with a kind: a source, a service or a probe has exactly one key that says what it is, and the keys
//! that belong to that kind. One flat type each, for a choice of types would lose the places of the values.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::super::Place;
use super::At;

/// The keys that say what an item is, each with those that may be beside it.
pub(in super::super) type Kinds = &'static [(&'static str, &'static [&'static str])];

impl<T> At<T> {
    pub(in super::super) fn place(&self) -> Place {
        self.place
    }
}

/// A struct of optional values that can list the keys that are there.
macro_rules! keyed {
    ($(#[$outer:meta])* $type_name:ident { $($(#[$meta:meta])* $name:ident: $type:ty,)* }) => {
        #[derive(serde::Deserialize, schemars::JsonSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$outer])*
        pub(in super::super) struct $type_name {
            $($(#[$meta])* pub(in super::super) $name: Option<$type>,)*
        }

        impl $type_name {
            /// The keys that are there, each with the place of its value.
            pub(in super::super) fn keys(&self) -> Vec<(&'static str, super::super::Place)> {
                let mut keys = Vec::new();
                $(if let Some(value) = &self.$name {
                    keys.push((stringify!($name), value.place()));
                })*
                keys
            }
        }
    };
}

pub(super) use keyed;

/// Says in the schema what `kinds` says.
pub(super) fn one_kind_and_its_keys(schema: &mut Schema, kinds: Kinds) {
    let required: Vec<Value> = kinds
        .iter()
        .map(|(kind, _)| json!({ "required": [kind] }))
        .collect();
    let mut dependencies = Map::new();
    for (_, keys) in kinds {
        for key in *keys {
            let owners: Vec<Value> = kinds
                .iter()
                .filter(|(_, keys)| keys.contains(key))
                .map(|(kind, _)| json!({ "required": [kind] }))
                .collect();
            dependencies.insert((*key).to_owned(), json!({ "anyOf": owners }));
        }
    }
    schema.insert("oneOf".to_owned(), Value::Array(required));
    schema.insert("dependencies".to_owned(), Value::Object(dependencies));
}

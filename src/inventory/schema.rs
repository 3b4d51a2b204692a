//! The JSON Schema of an inventory file, for editors: draft-07, made from the types that read it.

use super::raw::File;

/// The schema, as it is checked in at `inventory/fleet.schema.json`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::generate::SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<File>()
        .to_value()
}

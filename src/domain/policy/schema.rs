//! The JSON Schema of policies, made of the types they are read into.

use schemars::generate::SchemaSettings;

use super::raw::RawPolicy;

/// The schema, as JSON Schema 2020-12.
///
/// What it cannot say, such as which names are roles, only [`super::Policy::parse`] checks.
pub fn schema() -> serde_json::Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<RawPolicy>().to_value()
}

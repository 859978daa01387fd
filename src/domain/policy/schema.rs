//! The JSON Schema of policies, made of the types they are read into.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::Value;

use super::raw::RawPolicy;

/// The schema, as JSON Schema 2020-12.
///
/// What it cannot say, such as which names are roles, only [`super::Policy::parse`] checks.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(AsWritten);
    settings.into_generator().into_root_schema_for::<RawPolicy>().to_value()
}

/// A field that need not be there must still have a value where it is, so that nothing is null; and
/// a description has no line ends of its own.
#[derive(Debug, Clone, Copy)]
struct AsWritten;

impl Transform for AsWritten {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
            any.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = any.as_mut_slice() {
                let only = std::mem::take(only);
                schema.remove("anyOf");
                for (name, value) in only {
                    if schema.get(&name).is_none() {
                        schema.insert(name, value);
                    }
                }
            }
        }
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        if let Some(Value::String(text)) = schema.get_mut("description") {
            *text = text.replace('\n', " ");
        }
    }
}

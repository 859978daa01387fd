//! Values of audit events, as defensively as they are written: JSON within strings, nulls, and
//! shapes nobody promised.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::id::PrincipalId;
use crate::domain::signal::Initiator;

/// A field that is taken if it has the expected shape, and else is as good as not there. For what
/// an event can be understood without.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// One property of an event's target before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) name: String,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
}

impl Change {
    pub(super) fn new(name: &str, old: &Value, new: &Value) -> Self {
        Self { name: name.to_owned(), old: plain(old), new: plain(new) }
    }

    /// Whether it is about a property, and that became another.
    pub(super) fn changes(&self, property: &str) -> bool {
        self.is(property) && self.old != self.new
    }

    pub(super) fn is(&self, property: &str) -> bool {
        self.name.eq_ignore_ascii_case(property)
    }

    /// The GUIDs it holds, as they are or in the field of an object that is named like it.
    pub(super) fn guids(&self) -> impl Iterator<Item = Uuid> {
        [&self.new, &self.old].into_iter().flatten().filter_map(|text| {
            guid(text).or_else(|| {
                let object: Value = serde_json::from_str(text).ok()?;
                guid(object.get(&self.name)?.as_str()?)
            })
        })
    }
}

/// A text that is a GUID and nothing else.
pub(super) fn guid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text.trim()).ok()
}

/// A service principal by its object id, in its one written form.
pub(super) fn service_principal(id: Uuid) -> Initiator {
    Initiator::ServicePrincipal(PrincipalId::new(&id.to_string()))
}

/// What a value says, be it said as it is (`guid`), as JSON in a string (`"\"guid\""`), or as a
/// list of one (`"[true]"`). Nothing where it says nothing.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => match serde_json::from_str(text) {
            Ok(Value::String(inner)) => filled(&inner),
            Ok(Value::Null) => None,
            Ok(Value::Array(items)) if items.is_empty() => None,
            Ok(Value::Array(items)) => match items.as_slice() {
                [Value::String(one)] => filled(one),
                [one] => Some(one.to_string()),
                _ => filled(text),
            },
            Ok(Value::Bool(_) | Value::Number(_) | Value::Object(_)) | Err(_) => filled(text),
        },
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some(value.to_string())
        }
    }
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GUID: &str = "22222222-2222-2222-2222-222222222222";

    #[test]
    fn a_guid_is_found_however_it_is_written() {
        let object = json!({"tenantId": GUID, "isServiceProvider": true});
        for value in [
            json!(GUID),
            json!(format!("\"{GUID}\"")),
            json!(format!("[\"{GUID}\"]")),
            json!(format!(" {GUID} ")),
            json!(format!("{{{}}}", GUID)),
            json!(object.to_string()),
            object,
        ] {
            for change in [
                Change::new("tenantId", &Value::Null, &value),
                Change::new("tenantId", &value, &json!("")),
            ] {
                let found: Vec<String> = change.guids().map(|it| it.to_string()).collect();
                assert_eq!(found, [GUID], "{change:?}");
            }
        }
        for value in [
            Value::Null,
            json!(""),
            json!("\"\""),
            json!("[]"),
            json!("null"),
            json!("{"),
            json!("{\"tenantId\": null}"),
            json!(7),
            json!([[["x"]]]),
            json!(format!("{GUID}x")),
        ] {
            let change = Change::new("tenantId", &value, &value);
            assert_eq!(change.guids().count(), 0, "{change:?}");
        }
    }

    #[test]
    fn a_property_changes_if_it_says_something_else_afterwards() {
        let changes =
            |old: Value, new: Value| Change::new("UserType", &old, &new).changes("usertype");
        assert!(changes(json!("[\"Guest\"]"), json!("[\"Member\"]")));
        assert!(changes(Value::Null, json!("\"Member\"")));
        assert!(changes(json!("[false]"), json!("[true]")));
        assert!(changes(json!("[\"a\"]"), json!("[\"a\",\"b\"]")));
        assert!(!changes(json!("[true]"), json!("true")));
        assert!(!changes(json!("Member"), json!("[\"Member\"]")));
        assert!(!changes(Value::Null, json!("")));
        assert!(!Change::new("Department", &json!("a"), &json!("b")).changes("UserType"));
    }
}

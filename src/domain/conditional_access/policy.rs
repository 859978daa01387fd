//! Conditional access policies in the form Graph gives them. What is not known is kept, not lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::domain::text::foreign;

/// A part of a policy in the form that is known, or anything else as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Read<T> {
    /// In the known form.
    Known(T),
    /// In another form, which no verdict may rest on.
    Other(Value),
}

impl<T> Read<T> {
    /// What is in the known form.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Other(_) => None,
        }
    }
}

/// Members that are not among the known ones, and annotations.
pub(super) type Rest = BTreeMap<String, Value>;

/// `conditionalAccessPolicy`, as far as it is used.
///
/// Source: Microsoft Graph documentation (v1.0), resource `conditionalAccessPolicy` and those it
/// is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionalAccessPolicy {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Its name, chosen by the tenant.
    #[serde(default)]
    pub display_name: Option<String>,
    /// `enabled`, `disabled` or `enabledForReportingButNotEnforced`.
    #[serde(default)]
    pub state: Option<Read<String>>,
    /// When it applies.
    #[serde(default)]
    pub conditions: Option<Read<ConditionSet>>,
    /// What it demands; nothing where it only governs the session.
    #[serde(default)]
    pub grant_controls: Option<Read<GrantControls>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

impl ConditionalAccessPolicy {
    /// A policy as Graph gives it. What has another form altogether is a policy of which nothing
    /// is understood.
    pub fn of(value: &Value) -> Self {
        Self::deserialize(value).unwrap_or_else(|_| {
            let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
            Self {
                id: text("id").unwrap_or_default(),
                display_name: text("displayName"),
                grant_controls: Some(Read::Other(value.clone())),
                ..Self::default()
            }
        })
    }

    /// Whether it is in force.
    pub fn is_enabled(&self) -> bool {
        self.state.as_ref().and_then(Read::known).is_some_and(|state| state == "enabled")
    }

    /// Its name, fit to show.
    pub fn name(&self) -> String {
        let name = foreign(self.display_name.as_deref().unwrap_or_default());
        let id = foreign(&self.id);
        match (name.as_str(), id.as_str()) {
            ("", "") => "a policy without a name".to_owned(),
            ("", id) => format!("policy {id}"),
            (_, _) => name,
        }
    }
}

/// `conditionalAccessConditionSet`: when a policy applies. All conditions must be met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionSet {
    /// To whom.
    #[serde(default)]
    pub users: Option<Read<Users>>,
    /// To what.
    #[serde(default)]
    pub applications: Option<Read<Applications>>,
    /// By which kind of client.
    #[serde(default)]
    pub client_app_types: Option<Read<Vec<String>>>,
    /// From where.
    #[serde(default)]
    pub locations: Option<Read<Locations>>,
    /// From which platform.
    #[serde(default)]
    pub platforms: Option<Read<Platforms>>,
    /// All other conditions.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `conditionalAccessUsers`: what is excluded is out, even if it is included too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Users {
    /// Object ids, `All`, `None` or `GuestsOrExternalUsers`.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_users: Vec<String>,
    /// Object ids or `GuestsOrExternalUsers`.
    #[serde(default, deserialize_with = "or_empty")]
    pub exclude_users: Vec<String>,
    /// Object ids; members of members count.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_groups: Vec<String>,
    /// Object ids; members of members count.
    #[serde(default, deserialize_with = "or_empty")]
    pub exclude_groups: Vec<String>,
    /// Template ids of built-in roles.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_roles: Vec<String>,
    /// Template ids of built-in roles.
    #[serde(default, deserialize_with = "or_empty")]
    pub exclude_roles: Vec<String>,
    /// Kinds of guests and external users.
    #[serde(default)]
    pub include_guests_or_external_users: Option<Read<GuestsOrExternalUsers>>,
    /// Kinds of guests and external users.
    #[serde(default)]
    pub exclude_guests_or_external_users: Option<Read<GuestsOrExternalUsers>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `conditionalAccessGuestsOrExternalUsers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuestsOrExternalUsers {
    /// Kinds, separated by commas.
    #[serde(default)]
    pub guest_or_external_user_types: Option<String>,
    /// Of which tenants.
    #[serde(default)]
    pub external_tenants: Option<Read<ExternalTenants>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `conditionalAccessExternalTenants`: all of them, or those enumerated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalTenants {
    /// `all` or `enumerated`.
    #[serde(default)]
    pub membership_kind: Option<String>,
    /// The tenants that are enumerated.
    #[serde(default, deserialize_with = "or_empty")]
    pub members: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `conditionalAccessApplications`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applications {
    /// Client ids, names of suites, or `All`, which the portal calls *all resources*.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_applications: Vec<String>,
    /// Client ids or names of suites.
    #[serde(default, deserialize_with = "or_empty")]
    pub exclude_applications: Vec<String>,
    /// User actions, such as registering a device.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_user_actions: Vec<String>,
    /// Authentication contexts.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_authentication_context_class_references: Vec<String>,
    /// Everything else, `applicationFilter` among it.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `conditionalAccessLocations`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Locations {
    /// Ids of named locations, `All` or `AllTrusted`.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_locations: Vec<String>,
    /// Ids of named locations, or `AllTrusted`.
    #[serde(default, deserialize_with = "or_empty")]
    pub exclude_locations: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `conditionalAccessPlatforms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Platforms {
    /// Platforms, or `all`.
    #[serde(default, deserialize_with = "or_empty")]
    pub include_platforms: Vec<String>,
    /// Platforms.
    #[serde(default, deserialize_with = "or_empty")]
    pub exclude_platforms: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `conditionalAccessGrantControls`: what must be satisfied before access is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantControls {
    /// `AND`: all of the controls; `OR`: any one of them.
    #[serde(default)]
    pub operator: Option<String>,
    /// `block`, `mfa`, `compliantDevice` and others.
    #[serde(default, deserialize_with = "or_empty")]
    pub built_in_controls: Vec<String>,
    /// Custom controls, which do not count as MFA.
    #[serde(default, deserialize_with = "or_empty")]
    pub custom_authentication_factors: Vec<String>,
    /// Terms of use to be agreed to.
    #[serde(default, deserialize_with = "or_empty")]
    pub terms_of_use: Vec<String>,
    /// The methods that must be signed in with.
    #[serde(default)]
    pub authentication_strength: Option<Read<AuthenticationStrength>>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// `authenticationStrengthPolicy`: combinations of methods, any one of which will do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationStrength {
    /// Its id; those built in have the same in every tenant.
    #[serde(default)]
    pub id: Option<String>,
    /// `mfa` or `none`.
    #[serde(default)]
    pub requirements_satisfied: Option<String>,
    /// Methods separated by commas: all of them together.
    #[serde(default, deserialize_with = "or_empty")]
    pub allowed_combinations: Vec<String>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}

/// Graph writes `null` for a list that is empty.
fn or_empty<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(list)?.unwrap_or_default())
}

/// The members that say something and are not known, by name. Annotations say nothing.
pub(super) fn unknown(rest: &Rest) -> impl Iterator<Item = (&str, &Value)> {
    rest.iter()
        .filter(|(name, value)| !name.contains('@') && !is_empty(value))
        .map(|(name, value)| (name.as_str(), value))
}

/// Whether a value says nothing: absent, an empty text or list, an object of such.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => {
            members.iter().all(|(name, value)| name.contains('@') || is_empty(value))
        }
        Value::Bool(_) | Value::Number(_) => false,
    }
}

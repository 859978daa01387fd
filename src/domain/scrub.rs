//! A snapshot without names: every id, name, address and domain of tenants, partners and people is
//! replaced by a made-up one, the same one everywhere. What is Microsoft's own stays: roles,
//! permissions, words of enumerations, dates. Text that people wrote is left out.
//!
//! Nothing is kept for being unknown: text in a field that this file does not know is replaced.

mod names;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use self::names::{Kind, Names};
use super::facts::Facts;
use super::grant::{Grant, Held, grants};
use super::id::{PrincipalId, Sha256Hex};
use super::policy::Policy;
use super::role;
use super::roster::Tenant;
use super::snapshot::{NamedTenant, Snapshot};

/// A snapshot without names, and the policy by which it is judged as the first one was by its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The policy, as YAML: what the first one says of this tenant.
    pub policy: String,
}

/// Parts whose keys are data: ids, names of accounts, scopes.
const KEYED: [&str; 12] = [
    "accounts",
    "constraints",
    "constraintsSince",
    "delegatedAccess",
    "directMembers",
    "guests",
    "members",
    "memberships",
    "objects",
    "roles",
    "tenantNames",
    "units",
];

/// Fields that hold words of Microsoft's enumerations.
const WORDS: &[&str] = &[
    "@odata.type",
    "accessContainerType",
    "account",
    "allowedCombinations",
    "assignmentType",
    "authenticationType",
    "builtInControls",
    "cause",
    "clientAppTypes",
    "excludePlatforms",
    "frequencyInterval",
    "groupTypes",
    "guestOrExternalUserTypes",
    "includePlatforms",
    "includeUserActions",
    "insiderRiskLevels",
    "membershipKind",
    "memberType",
    "mode",
    "objectType",
    "operator",
    "part",
    "partialEnablementStrategy",
    "policyType",
    "requirementsSatisfied",
    "servicePrincipalRiskLevels",
    "signInRiskLevels",
    "state",
    "status",
    "transferMethods",
    "type",
    "userRiskLevels",
    "userType",
];

/// Words that stand where ids do.
const PLACEHOLDERS: [&str; 7] = [
    "All",
    "AllTrusted",
    "GuestsOrExternalUsers",
    "MicrosoftAdminPortals",
    "None",
    "Office365",
    "Selected",
];

/// How Microsoft's own APIs call themselves.
const APIS: [&str; 6] = [
    "Microsoft Graph",
    "Windows Azure Active Directory",
    "Office 365 Exchange Online",
    "Office 365 SharePoint Online",
    "Office 365 Management APIs",
    "Windows Azure Service Management API",
];

/// Replaces every name of a snapshot of `tenant`.
///
/// Made-up names are numbered in the order in which they are met, so that nothing can be reckoned
/// back from them.
///
/// # Errors
/// Where what was made is no snapshot; then there is nothing to be shown.
pub fn scrub(
    snapshot: &Snapshot,
    tenant: &Tenant,
    policy: &Policy,
) -> Result<Scrubbed, serde_json::Error> {
    let mut names = Names::default();
    let policy = policy::scrubbed(tenant, policy, &mut names);
    let id = names.guid(&snapshot.tenant.id.to_string()).unwrap_or_default();
    let tenant_named = NamedTenant {
        id: serde_json::from_value(Value::String(id))?,
        name: names.name(Kind::Tenant, &snapshot.tenant.name),
    };
    let mut parts: BTreeMap<String, Value> =
        serde_json::from_value(serde_json::to_value(&snapshot.facts)?)?;
    // Its keys are digests over ids, and made anew below.
    parts.remove("takenAway");
    let parts: Map<String, Value> = parts
        .into_iter()
        .map(|(part, value)| {
            let value = Walk { part: &part, names: &mut names }.part(value);
            (part, value)
        })
        .collect();
    let mut facts: Facts = serde_json::from_value(Value::Object(parts))?;
    facts.taken_away = taken_away(&snapshot.facts, tenant, &mut names);
    let snapshot = Snapshot { tenant: tenant_named, facts, ..snapshot.clone() };
    Ok(Scrubbed { snapshot, policy })
}

/// What was taken away, by the likenesses of the grants as they are now. What nobody holds now is
/// known by no name and stays known by none.
fn taken_away(facts: &Facts, tenant: &Tenant, names: &mut Names) -> BTreeMap<Sha256Hex, u32> {
    if facts.taken_away.is_empty() {
        return BTreeMap::new();
    }
    let held = grants(facts, tenant).into_iter().filter_map(|grant| {
        let times = facts.taken_away.get(&grant.likeness())?;
        Some((renamed(grant, names).likeness(), *times))
    });
    held.collect()
}

/// The grant as far as its likeness goes.
fn renamed(mut grant: Grant, names: &mut Names) -> Grant {
    match &mut grant.held {
        Held::AppRole { resource, .. } => {
            *resource = resource.take().map(|id| names.plain(&id));
        }
        Held::ThroughGroup { group, .. } => {
            *group = PrincipalId::new(&names.plain(group.as_str()));
            grant.role.definition_id = names.plain(&grant.role.definition_id);
        }
        Held::Eligible { .. } | Held::Scheduled { .. } | Held::Assignment { .. } => {
            grant.role.definition_id = names.plain(&grant.role.definition_id);
        }
    }
    grant.principal = PrincipalId::new(&names.plain(grant.principal.as_str()));
    grant.scope = names.plain(&grant.scope);
    grant
}

/// Goes through one part of the facts.
struct Walk<'a> {
    part: &'a str,
    names: &'a mut Names,
}

impl Walk<'_> {
    fn part(&mut self, value: Value) -> Value {
        let kind = Kind::of_part(self.part);
        let is_keyed = KEYED.contains(&self.part);
        let Value::Object(fields) = value else { return self.value("", value, kind) };
        if !is_keyed {
            return self.object("", fields, kind);
        }
        let fields = fields.into_iter().map(|(key, value)| {
            let names = matches!(self.part, "tenantNames" | "units");
            // A name stands right under the id it belongs to.
            let under = if names { "displayName" } else { "" };
            let value = self.value(under, value, kind);
            (self.plain(&key), value)
        });
        Value::Object(fields.collect())
    }

    /// A value that stands under a key, in an object whose names are of a kind.
    fn value(&mut self, key: &str, value: Value, kind: Kind) -> Value {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
            Value::String(text) => Value::String(self.text(key, &text, kind)),
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.value(key, item, kind));
                Value::Array(items.collect())
            }
            Value::Object(fields) => self.object(key, fields, kind),
        }
    }

    fn object(&mut self, key: &str, fields: Map<String, Value>, kind: Kind) -> Value {
        let kind = match (key, fields.get("@odata.type").and_then(Value::as_str)) {
            ("customer", _) => Kind::Tenant,
            (_, Some(kind_of_object)) => Kind::of_object(kind_of_object).unwrap_or(kind),
            _ => kind,
        };
        // A built-in role is called what Microsoft calls it, whatever was said.
        let built_in = |key: &str| {
            let id = fields.get(key)?.as_str()?.parse().ok()?;
            role::by_id(id).map(|role| role.name.to_owned())
        };
        let role = (self.part == "roles").then(|| built_in("templateId").or(built_in("id")));
        let role = role.flatten();
        let fields = fields.into_iter().map(|(key, value)| {
            let value = match (&role, key.as_str(), value) {
                (Some(name), "displayName", Value::String(_)) => Value::String(name.clone()),
                (_, key, value) => self.value(key, value, kind),
            };
            (self.key(key), value)
        });
        Value::Object(fields.collect())
    }

    /// The name of a field, as Graph writes them: `lowerCamelCase`, `@odata.type`. Anything else is
    /// data.
    fn key(&mut self, key: String) -> String {
        let is_field = key.len() <= 64
            && key.starts_with(|c: char| c.is_ascii_lowercase() || c == '@')
            && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '@' | '.' | '_'));
        if is_field { key } else { self.plain(&key) }
    }

    fn text(&mut self, key: &str, text: &str, kind: Kind) -> String {
        let by_assignment = matches!(self.part, "assignments" | "active" | "eligible" | "apps");
        match key {
            "displayName" => self.names.name(kind, text),
            "governingTenantName" => self.names.name(Kind::Tenant, text),
            "resourceDisplayName" if APIS.contains(&text) => text.to_owned(),
            "resourceDisplayName" => self.names.name(Kind::Api, text),
            "detail" | "description" | "rule" => "(left out)".to_owned(),
            "appRoleId" if Uuid::try_parse(text).is_ok() => text.to_owned(),
            "id" | "roleAssignmentOriginId" if by_assignment => self.names.opaque_exact(text),
            key if WORDS.contains(&key) && is_words(text) => text.to_owned(),
            key if key.ends_with("DateTime") && is_moment(text) => text.to_owned(),
            key if key.to_ascii_lowercase().ends_with("duration") && is_duration(text) => {
                text.to_owned()
            }
            _ => self.plain(text),
        }
    }

    /// Text by its own shape.
    fn plain(&mut self, text: &str) -> String {
        if PLACEHOLDERS.contains(&text) || (self.part == "constraintsSince" && is_moment(text)) {
            return text.to_owned();
        }
        self.names.plain(text)
    }
}

/// `guest`, `b2bCollaborationGuest,internalGuest`, `#microsoft.graph.user`.
fn is_words(text: &str) -> bool {
    let is_id = Uuid::try_parse(text).is_ok();
    !is_id
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '#' | '.' | ',' | '-' | '_'))
}

fn is_moment(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

fn is_duration(text: &str) -> bool {
    text.starts_with('P') && text.parse::<jiff::Span>().is_ok()
}

//! Conditional access and what belongs to it, served as the scenario gives it
//! (<https://learn.microsoft.com/graph/api/resources/conditionalaccesspolicy>).

use http::StatusCode;
use indexmap::IndexMap;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::graph::Ask;
use super::ids;
use super::objects::object;
use super::query::Object;
use super::reply::{GraphError, Reply};
use super::scenario::ScenarioError;
use super::state::State;
use super::tenant::Tenant;

pub(crate) const POLICIES: &str = "identity/conditionalAccess/policies";
const LOCATIONS: &str = "identity/conditionalAccess/namedLocations";
const STRENGTHS: &str = "policies/authenticationStrengthPolicies";
const SECURITY_DEFAULTS: &str = "policies/identitySecurityDefaultsEnforcementPolicy";

const POLICY_PROPERTIES: &[&str] = &[
    "id",
    "conditions",
    "createdDateTime",
    "deletedDateTime",
    "description",
    "displayName",
    "grantControls",
    "modifiedDateTime",
    "sessionControls",
    "state",
    "templateId",
];
const LOCATION_PROPERTIES: &[&str] =
    &["id", "createdDateTime", "deletedDateTime", "displayName", "modifiedDateTime"];
const STRENGTH_PROPERTIES: &[&str] = &[
    "id",
    "allowedCombinations",
    "combinationConfigurations",
    "createdDateTime",
    "description",
    "displayName",
    "modifiedDateTime",
    "policyType",
    "requirementsSatisfied",
];

/// What a tenant has of it.
#[derive(Debug)]
pub(crate) struct ConditionalAccess {
    pub(crate) policies: Vec<Object>,
    locations: Vec<Object>,
    strengths: Vec<Object>,
    pub(crate) security_defaults: bool,
}

impl ConditionalAccess {
    pub(crate) fn new(tenant: &Tenant) -> Result<Self, ScenarioError> {
        let mut strengths = built_in_strengths();
        strengths.extend(raw(tenant, "authenticationStrengths", &tenant.authentication_strengths)?);
        Ok(Self {
            policies: raw(tenant, "conditionalAccess", &tenant.conditional_access)?,
            locations: raw(tenant, "namedLocations", &tenant.named_locations)?,
            strengths,
            security_defaults: tenant.security_defaults,
        })
    }
}

/// Objects given as Graph shows them, each with an id.
pub(crate) fn raw(
    tenant: &Tenant,
    what: &str,
    given: &[Value],
) -> Result<Vec<Object>, ScenarioError> {
    let objects = (1..).zip(given).map(|(number, value): (u32, &Value)| {
        let Value::Object(object) = value else {
            let place = format!("{}: {what}", tenant.name);
            return Err(ScenarioError::new(place, format!("number {number} is not an object")));
        };
        let mut whole = Object::new();
        let id = ids::guid(&[&tenant.id, what, &number.to_string()]);
        whole.insert("id".to_owned(), Value::from(id));
        whole.extend(object.clone());
        Ok(whole)
    });
    objects.collect()
}

/// At most one request a second of each tenant. What is refused does not count.
#[derive(Debug, Default)]
pub(crate) struct OncePerSecond {
    last: IndexMap<String, Timestamp>,
}

impl OncePerSecond {
    pub(crate) fn admits(&mut self, tenant: &str, now: Timestamp) -> bool {
        let second = SignedDuration::from_secs(1);
        let soon = self.last.get(tenant).is_some_and(|last| now.duration_since(*last) < second);
        if !soon {
            self.last.insert(tenant.to_owned(), now);
        }
        !soon
    }
}

/// Counts a request against the limit, where the scenario has it. The refusal says not when to
/// come back (<https://learn.microsoft.com/graph/throttling-limits>, "Conditional access service
/// limits").
pub(crate) fn throttled(state: &mut State, tenant: &str, ask: &Ask<'_>) -> Result<(), GraphError> {
    let limited = state.settings.throttle_conditional_access;
    if limited && !state.conditional_access_calls.admits(tenant, ask.asked.now) {
        return Err(GraphError::of(StatusCode::TOO_MANY_REQUESTS));
    }
    Ok(())
}

/// `GET identity/conditionalAccess/policies`
/// (<https://learn.microsoft.com/graph/api/conditionalaccessroot-list-policies>).
pub(crate) fn policies(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    throttled(state, tenant, ask)?;
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let all = filtered(ask, "state", &directory.conditional_access.policies)?;
    ask.list(&state.settings, POLICIES, POLICY_PROPERTIES, all)
}

/// `GET identity/conditionalAccess/namedLocations`
/// (<https://learn.microsoft.com/graph/api/conditionalaccessroot-list-namedlocations>).
pub(crate) fn locations(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    throttled(state, tenant, ask)?;
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let all = filtered(ask, "displayName", &directory.conditional_access.locations)?;
    ask.list(&state.settings, LOCATIONS, LOCATION_PROPERTIES, all)
}

/// `GET policies/authenticationStrengthPolicies`
/// (<https://learn.microsoft.com/graph/api/authenticationstrengthroot-list-policies>).
pub(crate) fn strengths(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let all = filtered(ask, "policyType", &directory.conditional_access.strengths)?;
    ask.list(&state.settings, STRENGTHS, STRENGTH_PROPERTIES, all)
}

fn filtered<'d>(
    ask: &Ask<'_>,
    field: &str,
    all: &'d [Object],
) -> Result<impl Iterator<Item = Object> + use<'d>, GraphError> {
    let wanted = ask.query.filter_on(&[field])?.map(|(name, value)| {
        let (name, value) = (name.to_owned(), Value::from(value));
        (name, value)
    });
    let is_wanted = move |it: &&Object| match &wanted {
        None => true,
        Some((name, value)) => it.get(name) == Some(value),
    };
    Ok(all.iter().filter(is_wanted).cloned())
}

/// `GET policies/identitySecurityDefaultsEnforcementPolicy`
/// (<https://learn.microsoft.com/graph/api/identitysecuritydefaultsenforcementpolicy-get>).
pub(crate) fn security_defaults(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    let directory = state.directories.get(tenant).ok_or_else(GraphError::unauthenticated)?;
    let policy = object(json!({
        "id": "00000000-0000-0000-0000-000000000005",
        "description": "Basic identity security mechanisms that Microsoft recommends.",
        "displayName": "Security Defaults",
        "isEnabled": directory.conditional_access.security_defaults,
    }));
    let known = ["id", "description", "displayName", "isEnabled"];
    Ok(ask.item(SECURITY_DEFAULTS, ask.query.choose(policy, &known)?))
}

/// The strengths every tenant has
/// (<https://learn.microsoft.com/entra/identity/authentication/concept-authentication-strengths>).
fn built_in_strengths() -> Vec<Object> {
    const RESISTANT: &[&str] = &["windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"];
    const PASSWORDLESS: &[&str] = &["deviceBasedPush"];
    const MULTIFACTOR: &[&str] = &[
        "temporaryAccessPassOneTime",
        "temporaryAccessPassMultiUse",
        "password,microsoftAuthenticatorPush",
        "password,softwareOath",
        "password,hardwareOath",
        "password,sms",
        "password,voice",
        "federatedMultiFactor",
        "microsoftAuthenticatorPush,federatedSingleFactor",
        "softwareOath,federatedSingleFactor",
        "hardwareOath,federatedSingleFactor",
        "sms,federatedSingleFactor",
        "voice,federatedSingleFactor",
    ];
    let strength = |number: u8, name: &str, combinations: &[&[&str]]| {
        object(json!({
            "id": format!("00000000-0000-0000-0000-{number:012}"),
            "createdDateTime": "2021-12-01T00:00:00Z",
            "modifiedDateTime": "2021-12-01T00:00:00Z",
            "displayName": name,
            "description": name,
            "policyType": "builtIn",
            "requirementsSatisfied": "mfa",
            "allowedCombinations": combinations.concat(),
            "combinationConfigurations": [],
        }))
    };
    vec![
        strength(2, "Multifactor authentication", &[RESISTANT, PASSWORDLESS, MULTIFACTOR]),
        strength(3, "Passwordless MFA", &[RESISTANT, PASSWORDLESS]),
        strength(4, "Phishing resistant MFA", &[RESISTANT]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_a_second_is_admitted_for_each_tenant() {
        let mut limit = OncePerSecond::default();
        let at = |ms: i64| Timestamp::from_millisecond(1_000_000 + ms).unwrap();
        let admitted = [("a", 0), ("a", 999), ("b", 999), ("a", 1000), ("a", 1999), ("a", 2000)];
        let admitted = admitted.map(|(tenant, ms)| limit.admits(tenant, at(ms)));
        assert_eq!(admitted, [true, false, true, true, false, true]);
    }
}

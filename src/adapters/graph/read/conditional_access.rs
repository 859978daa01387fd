//! What is demanded of people who sign in: conditional access, or security defaults.
//!
//! Source: Microsoft Graph documentation, "List policies" of `conditionalAccessRoot`; "Microsoft
//! Graph service-specific throttling limits": one request a second for each tenant, and a 429 that
//! does not say for how long.

use std::collections::BTreeMap;

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::super::{Graph, WHOM};
use super::garbled;
use crate::domain::id::TenantId;
use crate::ports::{Failure, Listed, PortError, ReadConditionalAccess};

const POLICIES: &str = "v1.0/identity/conditionalAccess/policies";
const STRENGTHS: &str = "v1.0/policies/authenticationStrengthPolicies";
const SECURITY_DEFAULTS: &str = "v1.0/policies/identitySecurityDefaultsEnforcementPolicy";

/// A connection that reads conditional access at the pace that Graph allows.
#[derive(Clone)]
pub struct ConditionalAccess {
    graph: Graph,
    paced: Graph,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecurityDefaults {
    is_enabled: bool,
}

impl ConditionalAccess {
    /// What is limited is read through `paced`, the rest through `graph`.
    pub(in super::super) fn new(graph: Graph, paced: Graph) -> Self {
        Self { graph, paced }
    }
}

#[async_trait]
impl ReadConditionalAccess for ConditionalAccess {
    async fn policies(&self, tenant: TenantId) -> Listed<Value> {
        let mut listed: Listed<Value> = self.paced.list(tenant, &[POLICIES]).await;
        let read = listed.items.len();
        listed.items.retain(Value::is_object);
        if listed.items.len() < read {
            let said = format!("{WHOM} answered with something else than policies");
            listed.failure = Some(PortError::new(Failure::Unintelligible, said));
        }
        if listed.items.iter_mut().any(|policy| unexplained(policy).is_some()) {
            let strengths: Listed<Value> = self.graph.list(tenant, &[STRENGTHS]).await;
            explain(&mut listed.items, strengths.items);
            listed.failure = listed.failure.or(strengths.failure);
        }
        listed
    }

    async fn security_defaults(&self, tenant: TenantId) -> Result<bool, PortError> {
        let url = self.graph.url(SECURITY_DEFAULTS)?;
        let json = self.graph.json(tenant, Method::GET, &url, None).await?;
        let SecurityDefaults { is_enabled } =
            serde_json::from_value(json).map_err(|error| garbled(&error))?;
        Ok(is_enabled)
    }
}

/// The authentication strength that a policy names without what it requires.
fn unexplained(policy: &mut Value) -> Option<&mut Value> {
    let strength = policy.pointer_mut("/grantControls/authenticationStrength")?;
    let bare = strength.is_object()
        && ["requirementsSatisfied", "allowedCombinations"]
            .iter()
            .all(|what| strength.get(what).is_none_or(Value::is_null));
    bare.then_some(strength)
}

/// Puts what strengths require in the place where policies name them.
fn explain(policies: &mut [Value], strengths: Vec<Value>) {
    let id = |strength: &Value| Some(strength.get("id")?.as_str()?.to_ascii_lowercase());
    let by_id: BTreeMap<String, Value> =
        strengths.into_iter().filter_map(|strength| Some((id(&strength)?, strength))).collect();
    for strength in policies.iter_mut().filter_map(unexplained) {
        if let Some(known) = id(strength).and_then(|id| by_id.get(&id)) {
            *strength = known.clone();
        }
    }
}

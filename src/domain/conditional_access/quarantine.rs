//! Quarantine: one conditional access policy that keeps a partner's people out.
//!
//! It names the partner's tenant, and no group, role or network, so that nothing the partner can
//! change lets it in again. Graph gives a policy no key of the caller's, so it is found again by a
//! tag at the end of its name, and there is never a second one.
//!
//! Source: Microsoft Graph documentation, "Create conditionalAccessPolicy" and the resources
//! `conditionalAccessGuestsOrExternalUsers` and `conditionalAccessEnumeratedExternalTenants`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::judge::judge;
use super::policy::{ConditionalAccessPolicy, Read};
use super::{DirectoryUser, ServiceProvider, SignInIdentity, UserKind};
use crate::domain::id::{PartnerId, PrincipalId, Sha256Hex, TenantId};
use crate::domain::roster::AffectedPartner;
use crate::domain::text::foreign;

/// How the name of every such policy begins.
pub const NAME: &str = "Partner Warden quarantine:";

/// The kinds of people that come from a partner's tenant.
const TYPES: &str =
    "b2bCollaborationGuest,b2bCollaborationMember,b2bDirectConnectUser,serviceProvider";

/// A partner's tenant that nobody has: for proving that others are left alone.
const SOMEBODY_ELSE: &str = "ffffffff-ffff-4fff-bfff-ffffffffffff";

/// The object id of nobody in particular.
const ANYBODY: &str = "00000000-0000-0000-0000-000000000000";

/// A policy that keeps one partner's people out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// What it is found by: [`tag`].
    pub tag: String,
    /// The partner's tenant.
    pub partner: PartnerId,
    /// The partner's name, fit to show.
    pub partner_name: String,
    /// The accounts it leaves out.
    pub leaves_out: BTreeSet<PrincipalId>,
    /// Whether it is in force, or only reports what it would do.
    pub in_force: bool,
}

/// What the policy about a partner in a tenant is found by: always the same, and no other's.
pub fn tag(tenant: TenantId, partner: PartnerId) -> String {
    let fields = ["quarantine/v1", &tenant.to_string(), &partner.to_string()];
    let digest = Sha256Hex::of_fields(&fields);
    format!("pwq-{}", digest.as_str().get(..16).unwrap_or_default())
}

/// Whether a policy, as Graph gives it, has a tag.
pub fn has_tag(policy: &Value, tag: &str) -> bool {
    let name = policy.get("displayName").and_then(Value::as_str).unwrap_or_default();
    name.starts_with(NAME) && name.ends_with(&format!("({tag})"))
}

impl Quarantine {
    /// The policy about a partner; nothing for one that is not known.
    pub fn new(
        tenant: TenantId,
        partner: &AffectedPartner,
        leaves_out: BTreeSet<PrincipalId>,
        in_force: bool,
    ) -> Option<Self> {
        let id = partner.id?;
        let (tag, partner_name) = (tag(tenant, id), foreign(&partner.name));
        Some(Self { tag, partner: id, partner_name, leaves_out, in_force })
    }

    /// Its name.
    pub fn name(&self) -> String {
        format!("{NAME} {} ({})", self.partner_name, self.tag)
    }

    /// The `state` it is to have.
    pub fn state(&self) -> &'static str {
        if self.in_force { "enabled" } else { "enabledForReportingButNotEnforced" }
    }

    /// The `conditionalAccessPolicy` to be made.
    pub fn document(&self) -> Value {
        json!({
            "displayName": self.name(),
            "state": self.state(),
            "conditions": {
                "clientAppTypes": ["all"],
                "applications": {"includeApplications": ["All"]},
                "users": {
                    "includeGuestsOrExternalUsers": {
                        "@odata.type": "#microsoft.graph.conditionalAccessGuestsOrExternalUsers",
                        "guestOrExternalUserTypes": TYPES,
                        "externalTenants": {
                            "@odata.type":
                                "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
                            "membershipKind": "enumerated",
                            "members": [self.partner],
                        },
                    },
                    "excludeUsers": self.leaves_out,
                },
            },
            "grantControls": {"operator": "OR", "builtInControls": ["block"]},
        })
    }

    /// The policy among those of a tenant that this one is; where several bear its tag, one that is
    /// as it should be.
    pub fn found_in<'a>(&self, policies: &'a [Value]) -> Option<&'a Value> {
        let mut tagged = policies.iter().filter(|policy| has_tag(policy, &self.tag));
        let first = tagged.clone().next();
        tagged.find(|policy| self.is_met_by(policy)).or(first)
    }

    /// Whether a policy, as Graph gives it, does all that this one is to do and nothing else. One
    /// that is in force does what one that only reports is to do.
    pub fn is_met_by(&self, policy: &Value) -> bool {
        let state = policy.get("state").and_then(Value::as_str);
        let in_force = state == Some("enabled");
        let reports = state == Some("enabledForReportingButNotEnforced");
        (in_force || (reports && !self.in_force)) && self.shortcoming_of(policy).is_none()
    }

    /// Why a policy, if it were in force, would not keep out the partner's people at every sign-in,
    /// or would have a bearing on somebody else; nothing where it is as it should be.
    ///
    /// It is judged by the same rules as the tenant's own policies. What is not understood counts
    /// as a shortcoming.
    pub fn shortcoming_of(&self, policy: &Value) -> Option<&'static str> {
        let mut policy = ConditionalAccessPolicy::of(policy);
        policy.state = Some(Read::Known("enabled".to_owned()));
        let judged = |who: &SignInIdentity<'_>| judge(&policy, who);
        let anybody = PrincipalId::new(ANYBODY);
        let user = |id, kind, home| {
            let (groups, roles, may_activate) = (None, None, None);
            SignInIdentity::User(DirectoryUser { id, kind, home, groups, roles, may_activate })
        };
        let provider = |partner| {
            let (is_flagged, roles) = (true, None);
            SignInIdentity::ServiceProvider(ServiceProvider { partner, is_flagged, roles })
        };
        let external = [UserKind::B2bCollaborationGuest, UserKind::B2bCollaborationMember];
        let own = [UserKind::Member, UserKind::InternalGuest];
        let home = Some(self.partner);
        let blocks = judged(&provider(self.partner)).blocks()
            && external.iter().all(|kind| judged(&user(&anybody, Some(*kind), home)).blocks());
        if !blocks {
            return Some("it would not keep all of the partner's people out");
        }
        let other: Option<PartnerId> = SOMEBODY_ELSE.parse().ok();
        let spares = own.iter().all(|kind| judged(&user(&anybody, Some(*kind), None)).leaves_alone())
            && other.is_some_and(|other| {
                judged(&provider(other)).leaves_alone()
                    && external
                        .iter()
                        .all(|kind| judged(&user(&anybody, Some(*kind), Some(other))).leaves_alone())
            });
        if !spares {
            return Some("it could keep somebody else out");
        }
        let left_out = |id| {
            let kinds = external.iter().chain(&own);
            kinds.map(|kind| user(id, Some(*kind), home)).all(|who| judged(&who).leaves_alone())
        };
        if !self.leaves_out.iter().all(left_out) || excluded(&policy).as_ref() != Some(&self.leaves_out) {
            return Some("it does not leave out exactly the protected accounts");
        }
        None
    }
}

/// The accounts that a policy leaves out by name.
fn excluded(policy: &ConditionalAccessPolicy) -> Option<BTreeSet<PrincipalId>> {
    let users = policy.conditions.as_ref().and_then(Read::known)?.users.as_ref()?.known()?;
    Some(users.exclude_users.iter().map(|id| PrincipalId::new(id)).collect())
}

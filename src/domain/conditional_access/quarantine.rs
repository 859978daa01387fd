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
        let spares =
            own.iter().all(|kind| judged(&user(&anybody, Some(*kind), None)).leaves_alone())
                && other.is_some_and(|other| {
                    judged(&provider(other)).leaves_alone()
                        && external.iter().all(|kind| {
                            judged(&user(&anybody, Some(*kind), Some(other))).leaves_alone()
                        })
                });
        if !spares {
            return Some("it could keep somebody else out");
        }
        let left_out = |id| {
            let kinds = external.iter().chain(&own);
            kinds.map(|kind| user(id, Some(*kind), home)).all(|who| judged(&who).leaves_alone())
        };
        if !self.leaves_out.iter().all(left_out)
            || excluded(&policy).as_ref() != Some(&self.leaves_out)
        {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const WOODGROVE: &str = "11111111-1111-1111-1111-111111111111";
    const CONTOSO: &str = "22222222-2222-2222-2222-222222222222";
    const BREAK_GLASS: &str = "5f3c6e1a-0000-4000-8000-000000000001";

    fn made(leaves_out: &[&str], in_force: bool) -> Quarantine {
        let id = Some(CONTOSO.parse().unwrap());
        let partner = AffectedPartner { id, name: "Contoso Reseller".into(), listed: true };
        let leaves_out = leaves_out.iter().map(|id| PrincipalId::new(id)).collect();
        Quarantine::new(WOODGROVE.parse().unwrap(), &partner, leaves_out, in_force).unwrap()
    }

    #[test]
    fn the_document_is_what_graph_takes() {
        let made = made(&[BREAK_GLASS], true);
        assert_eq!(made.tag, tag(WOODGROVE.parse().unwrap(), CONTOSO.parse().unwrap()));
        assert_eq!(
            made.document(),
            json!({
                "displayName": format!(
                    "Partner Warden quarantine: Contoso Reseller ({})",
                    made.tag
                ),
                "state": "enabled",
                "conditions": {
                    "clientAppTypes": ["all"],
                    "applications": {"includeApplications": ["All"]},
                    "users": {
                        "includeGuestsOrExternalUsers": {
                            "@odata.type":
                                "#microsoft.graph.conditionalAccessGuestsOrExternalUsers",
                            "guestOrExternalUserTypes": "b2bCollaborationGuest,\
                                b2bCollaborationMember,b2bDirectConnectUser,serviceProvider",
                            "externalTenants": {
                                "@odata.type":
                                    "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
                                "membershipKind": "enumerated",
                                "members": [CONTOSO],
                            },
                        },
                        "excludeUsers": [BREAK_GLASS],
                    },
                },
                "grantControls": {"operator": "OR", "builtInControls": ["block"]},
            })
        );
        let report = Quarantine { in_force: false, ..made };
        assert_eq!(report.document()["state"], "enabledForReportingButNotEnforced");
    }

    #[test]
    fn it_is_found_by_its_tag_whatever_the_partner_calls_itself() {
        let made = made(&[], true);
        let named = |name: &str| json!({"displayName": name});
        let tag = &made.tag;
        assert!(has_tag(&named(&format!("Partner Warden quarantine: Contoso 2 ({tag})")), tag));
        assert!(has_tag(&named(&format!("Partner Warden quarantine:  ({tag})")), tag));
        for other in [
            format!("Partner Warden quarantine: Contoso ({tag}) copy"),
            format!("Block Contoso ({tag})"),
            format!("Partner Warden quarantine: {tag}"),
            "Partner Warden quarantine: Contoso Reseller (pwq-0)".to_owned(),
        ] {
            assert!(!has_tag(&named(&other), tag), "{other}");
        }
        let elsewhere = super::tag(CONTOSO.parse().unwrap(), WOODGROVE.parse().unwrap());
        assert_ne!(elsewhere, made.tag);
        let hostile = Quarantine { partner_name: foreign("A\u{202e}\n(pwq-1)"), ..made.clone() };
        assert_eq!(hostile.name(), format!("Partner Warden quarantine: A (pwq-1) ({tag})"));
        let right = made.document();
        let off = json!({"id": "a", "displayName": made.name(), "state": "disabled"});
        let all = [off.clone(), right.clone()];
        assert_eq!(made.found_in(&all), Some(&right), "the one that is as it should be");
        assert_eq!(made.found_in(&all[..1]), Some(&off));
        assert_eq!(made.found_in(&[]), None);
    }

    /// As Graph gives it back: with every member that was not given.
    fn echoed(made: &Quarantine) -> Value {
        let mut policy = made.document();
        policy["id"] = "p-1".into();
        policy["createdDateTime"] = "2026-11-23T12:00:00Z".into();
        policy["modifiedDateTime"] = Value::Null;
        policy["sessionControls"] = Value::Null;
        policy["conditions"]["signInRiskLevels"] = json!([]);
        policy["conditions"]["platforms"] = Value::Null;
        policy["conditions"]["applications"]["excludeApplications"] = json!([]);
        policy["conditions"]["applications"]["includeUserActions"] = json!([]);
        for more in ["includeUsers", "includeGroups", "excludeGroups", "includeRoles"] {
            policy["conditions"]["users"][more] = json!([]);
        }
        policy["grantControls"]["customAuthenticationFactors"] = json!([]);
        policy["grantControls"]["termsOfUse"] = json!([]);
        policy
    }

    #[test]
    fn what_was_made_is_met_and_what_was_changed_is_not() {
        let (made, report) = (made(&[BREAK_GLASS], true), made(&[BREAK_GLASS], false));
        assert!(made.is_met_by(&echoed(&made)));
        assert!(report.is_met_by(&echoed(&report)));
        assert!(report.is_met_by(&echoed(&made)), "in force is more than reporting");
        assert!(!made.is_met_by(&echoed(&report)), "reporting keeps nobody out");
        let guests = "/conditions/users/includeGuestsOrExternalUsers";
        let changes: &[(&str, Value)] = &[
            ("/state", "disabled".into()),
            ("/state", Value::Null),
            ("/state", "somethingNew".into()),
            ("/grantControls/builtInControls", json!(["mfa"])),
            ("/grantControls", Value::Null),
            ("/conditions", Value::Null),
            ("/conditions/clientAppTypes", json!(["browser"])),
            ("/conditions/applications/includeApplications", json!(["Office365"])),
            ("/conditions/applications/excludeApplications", json!(["Office365"])),
            ("/conditions/platforms", json!({"includePlatforms": ["iOS"]})),
            ("/conditions/signInRiskLevels", json!(["high"])),
            ("/conditions/users/includeUsers", json!(["All"])),
            ("/conditions/users/includeRoles", json!(["62e90394-69f5-4237-9190-012177145e10"])),
            ("/conditions/users/excludeGroups", json!([BREAK_GLASS])),
            ("/conditions/users/excludeUsers", json!([])),
            ("/conditions/users/excludeUsers", json!([BREAK_GLASS, CONTOSO])),
            ("/conditions/users/excludeUsers", json!(["GuestsOrExternalUsers"])),
        ];
        let all: Vec<(String, Value)> = changes
            .iter()
            .map(|(at, to)| ((*at).to_owned(), to.clone()))
            .chain([
                (format!("{guests}/guestOrExternalUserTypes"), json!("serviceProvider")),
                (format!("{guests}/guestOrExternalUserTypes"), json!("b2bCollaborationGuest")),
                (format!("{guests}/externalTenants/members"), json!([])),
                (format!("{guests}/externalTenants/members"), json!([WOODGROVE])),
                (format!("{guests}/externalTenants/members"), json!([CONTOSO, SOMEBODY_ELSE])),
                (
                    format!("{guests}/externalTenants"),
                    json!({
                        "@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants",
                        "membershipKind": "all",
                    }),
                ),
            ])
            .collect();
        for (at, to) in all {
            let mut policy = echoed(&made);
            *policy.pointer_mut(&at).unwrap() = to.clone();
            assert!(!made.is_met_by(&policy), "{at} {to}");
        }
        assert!(!made.is_met_by(&json!({})) && !made.is_met_by(&Value::Null));
    }

    fn guid() -> impl Strategy<Value = String> {
        any::<u128>().prop_map(|number| Uuid::from_u128(number | 1).to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whoever the partner is and whoever is protected: its people are kept out, nobody else.
        #[test]
        fn it_keeps_out_the_partners_people_and_nobody_else(
            tenant in guid(),
            partner in guid(),
            name in any::<String>(),
            protected in prop::collection::btree_set(guid(), 0..5),
            stranger in guid(),
            in_force in any::<bool>(),
        ) {
            prop_assume!(partner != stranger && partner != SOMEBODY_ELSE);
            let id: PartnerId = partner.parse().unwrap();
            let affected = AffectedPartner { id: Some(id), name, listed: false };
            let leaves_out: BTreeSet<_> = protected.iter().map(|id| PrincipalId::new(id)).collect();
            let made = Quarantine::new(tenant.parse().unwrap(), &affected, leaves_out, in_force);
            let made = made.unwrap();
            let document = made.document();
            prop_assert_eq!(made.shortcoming_of(&document), None);
            prop_assert!(made.is_met_by(&echoed(&made)));
            prop_assert!(has_tag(&document, &made.tag));
            prop_assert!(made.name().chars().count() < 200);
            let mut policy = ConditionalAccessPolicy::of(&document);
            policy.state = Some(Read::Known("enabled".to_owned()));
            let home = [None, Some(id), Some(stranger.parse().unwrap())];
            let kinds = [
                UserKind::Member,
                UserKind::InternalGuest,
                UserKind::B2bCollaborationGuest,
                UserKind::B2bCollaborationMember,
            ];
            let ids = protected.iter().map(|id| (PrincipalId::new(id), true));
            let ids = ids.chain([(PrincipalId::new(ANYBODY), false)]);
            for (user, is_protected) in ids {
                for (kind, home) in kinds.iter().flat_map(|kind| home.map(|home| (*kind, home))) {
                    let signs_in_here =
                        matches!(kind, UserKind::Member | UserKind::InternalGuest);
                    if signs_in_here == home.is_some() {
                        continue;
                    }
                    let who = SignInIdentity::User(DirectoryUser {
                        id: &user,
                        kind: Some(kind),
                        home,
                        groups: None,
                        roles: None,
                        may_activate: None,
                    });
                    let judged = judge(&policy, &who);
                    if home == Some(id) && !is_protected {
                        prop_assert!(judged.blocks(), "{kind:?}");
                    } else {
                        prop_assert!(judged.leaves_alone(), "{kind:?} {home:?}");
                    }
                }
            }
        }
    }
}

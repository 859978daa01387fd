//! Conditional access as Microsoft evaluates it: whether somebody is made to prove who they are by
//! multifactor authentication (MFA).
//!
//! All enabled policies that apply to a sign-in must be satisfied, so one that demands MFA is
//! enough. Each policy is judged by itself (`judge`): a condition, a control or a member that is
//! not understood never counts as protecting. Where nothing protects for certain and something
//! might, the verdict is that it cannot be shown.
//!
//! MFA done at the partner's home counts where inbound trust accepts it; that is not part of the
//! verdict, because MFA is demanded all the same.
//!
//! Sources: Microsoft Entra documentation, *Conditional Access: Users and groups*, *Target
//! resources*, *Conditions*, *Grant*, *Authentication and Conditional Access for External ID*,
//! *Security defaults*.

mod conditions;
mod controls;
mod coverage;
mod judge;
mod policy;
pub mod quarantine;
mod scope;
mod trust;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::coverage::{Access, Coverage, coverage};
use self::judge::{Judged, judge, together};
pub use self::policy::{
    Applications, AuthenticationStrength, ConditionSet, ConditionalAccessPolicy, ExternalTenants,
    GrantControls, GuestsOrExternalUsers, Locations, Platforms, Read, Users,
};
pub use self::trust::{PartnerEntries, Trust};
use super::id::{PartnerId, PrincipalId};
use super::role::RoleTemplateId;

/// Somebody who signs in, as the conditional access evaluation of Graph calls it.
#[derive(Debug, Clone, Copy)]
pub enum SignInIdentity<'a> {
    /// A technician of a partner, by a delegated admin relationship.
    ServiceProvider(ServiceProvider<'a>),
    /// A user of the tenant's directory: a guest or an account of its own.
    User(DirectoryUser<'a>),
}

/// A technician of a partner, by a granular or an older delegated admin relationship.
///
/// There is no user object of such a technician in the tenant, so that policies for single users
/// and for groups of the tenant never concern them; policies for all users, and for all guests and
/// external users, do.
///
/// Source: Azure Identity Support blog of Microsoft Japan, *Conditional access for access to
/// customer tenants through Partner Center* (2022-07-25).
#[derive(Debug, Clone, Copy)]
pub struct ServiceProvider<'a> {
    /// The partner's tenant.
    pub partner: PartnerId,
    /// Whether the cross-tenant access policy has it as `isServiceProvider`, which is what makes
    /// *service provider users* of its people. With older delegated admin privileges alone this is
    /// not documented.
    pub is_flagged: bool,
    /// Built-in roles it holds for the whole directory; nothing where that is not known.
    pub roles: Option<&'a BTreeSet<RoleTemplateId>>,
}

/// A user of the tenant's directory.
#[derive(Debug, Clone, Copy)]
pub struct DirectoryUser<'a> {
    /// Its object id.
    pub id: &'a PrincipalId,
    /// What kind of user it is; nothing where that is not known.
    pub kind: Option<UserKind>,
    /// The tenant it signs in at, where that is another one and known.
    pub home: Option<PartnerId>,
    /// Every group it is a member of, directly or through other groups; nothing where that is not
    /// known.
    pub groups: Option<&'a BTreeSet<PrincipalId>>,
    /// Built-in roles it holds actively and for the whole directory; nothing where that is not
    /// known. Roles within an administrative unit and custom roles are not looked at by
    /// conditional access.
    pub roles: Option<&'a BTreeSet<RoleTemplateId>>,
    /// Built-in roles it may activate for the whole directory; nothing where that is not known.
    /// Conditional access looks at them once they are active: a policy that leaves their holders
    /// out then lets the account off, and one that includes them came too late.
    pub may_activate: Option<&'a BTreeSet<RoleTemplateId>>,
}

/// The kinds of users, by where they sign in and what they are here.
///
/// Source: Microsoft Entra documentation, *Authentication and Conditional Access for External ID*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserKind {
    /// Signs in here and is a member: nobody's guest.
    Member,
    /// Signs in here and is a guest.
    InternalGuest,
    /// Signs in elsewhere and is a guest here.
    B2bCollaborationGuest,
    /// Signs in elsewhere and is a member here.
    B2bCollaborationMember,
}

impl UserKind {
    /// The kind of a user, by `userType` and the sign-in name, which has `#EXT#` for those who sign
    /// in elsewhere. Nothing where either is missing or not understood.
    pub fn of(user_type: Option<&str>, user_principal_name: Option<&str>) -> Option<Self> {
        let external = user_principal_name?.to_ascii_uppercase().contains("#EXT#");
        let user_type = user_type?;
        if user_type.eq_ignore_ascii_case("Guest") {
            Some(if external { Self::B2bCollaborationGuest } else { Self::InternalGuest })
        } else if user_type.eq_ignore_ascii_case("Member") {
            Some(if external { Self::B2bCollaborationMember } else { Self::Member })
        } else {
            None
        }
    }
}

/// What the verdict rests on.
#[derive(Debug, Clone, Copy)]
pub struct Policies<'a> {
    /// The conditional access policies that were read.
    pub policies: &'a [ConditionalAccessPolicy],
    /// Whether these are all. If not, what is missing may protect.
    pub complete: bool,
    /// Whether security defaults are on; nothing where that was not read.
    pub security_defaults: Option<bool>,
}

/// Whether somebody is made to prove who they are by multifactor authentication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Mfa {
    /// At every sign-in, to whatever application.
    Enforced {
        /// The policies that see to it: one, or several that cover everything together.
        by: Vec<String>,
    },
    /// A policy that demands it of others leaves these out, and no other policy steps in.
    Exempted {
        /// The policies and how each leaves them out.
        by: Vec<Reason>,
    },
    /// No policy demands it at every sign-in.
    NotEnforced {
        /// Policies that might be taken for one that does, and why each is none.
        near_misses: Vec<Reason>,
    },
    /// What was read does not decide it.
    CannotBeShown {
        /// What leaves it open.
        why: Vec<Reason>,
    },
}

impl fmt::Display for Mfa {
    /// `enforced by A, B`, or what else it is and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verdict, reasons) = match self {
            Self::Enforced { by } => return write!(f, "enforced by {}", by.join(", ")),
            Self::Exempted { by } => ("exempted", by),
            Self::NotEnforced { near_misses } => ("not enforced", near_misses),
            Self::CannotBeShown { why } => ("cannot be shown", why),
        };
        f.write_str(verdict)?;
        for (n, reason) in reasons.iter().enumerate() {
            write!(f, "{} {reason}", if n == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

/// Why a policy does not count, or why a verdict is open. Fit to show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reason {
    /// The policy, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What is said of it: the rest of a sentence after the policy's name.
    pub why: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => write!(f, "“{policy}” {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// Roles whose holders security defaults ask for MFA at every sign-in. Others are asked when
/// Microsoft thinks it necessary.
///
/// Source: Microsoft Entra documentation, *Security defaults in Microsoft Entra ID*.
const ASKED_BY_SECURITY_DEFAULTS: &[&str] = &[
    "Global Administrator",
    "Application Administrator",
    "Authentication Administrator",
    "Authentication Policy Administrator",
    "Billing Administrator",
    "Cloud Application Administrator",
    "Conditional Access Administrator",
    "Exchange Administrator",
    "Helpdesk Administrator",
    "Identity Governance Administrator",
    "Password Administrator",
    "Privileged Authentication Administrator",
    "Privileged Role Administrator",
    "Security Administrator",
    "SharePoint Administrator",
    "Teams Administrator",
    "User Administrator",
];

/// Whether `who` is made to prove who they are by MFA, or is blocked, at every sign-in.
pub fn mfa(policies: &Policies<'_>, who: &SignInIdentity<'_>) -> Mfa {
    let judged: Vec<Judged<'_>> = policies.policies.iter().map(|one| judge(one, who)).collect();
    let mut by: Vec<String> =
        judged.iter().filter(|one| one.enforces()).map(Judged::name).collect();
    if by.is_empty() {
        let clear = judged.iter().filter(|one| one.is_clear());
        by = together(clear).into_iter().map(Judged::name).collect();
    }
    if !by.is_empty() {
        by.sort();
        by.dedup();
        return Mfa::Enforced { by };
    }
    if let Some(verdict) = by_security_defaults(policies, who) {
        return verdict;
    }
    let mut open: Vec<Reason> = judged.iter().filter_map(Judged::open).collect();
    open.extend(together(judged.iter()).into_iter().map(Judged::reason));
    let exempt: Vec<Reason> = judged.iter().filter_map(Judged::exempts).collect();
    if !policies.complete {
        open.push(general("not all conditional access policies could be read"));
    }
    let any_enabled = policies.policies.iter().any(ConditionalAccessPolicy::is_enabled);
    if policies.security_defaults.is_none() && !any_enabled {
        open.push(general(
            "no conditional access policy is enabled, and whether security defaults are on was not read",
        ));
    }
    if !open.is_empty() {
        open.extend(exempt);
        return Mfa::CannotBeShown { why: open };
    }
    if !exempt.is_empty() {
        return Mfa::Exempted { by: exempt };
    }
    let mut near: Vec<&Judged<'_>> = judged.iter().filter(|one| one.is_near_miss()).collect();
    near.sort_by_key(|one| (one.distance(), one.name()));
    Mfa::NotEnforced { near_misses: near.into_iter().map(Judged::reason).collect() }
}

fn general(why: &str) -> Reason {
    Reason { policy: None, why: why.to_owned() }
}

/// The verdict where security defaults are on. They treat guests like the tenant's own users; of
/// service providers Microsoft says nothing.
fn by_security_defaults(policies: &Policies<'_>, who: &SignInIdentity<'_>) -> Option<Mfa> {
    if policies.security_defaults != Some(true) {
        return None;
    }
    let why = match who {
        SignInIdentity::ServiceProvider(_) => {
            "security defaults are on, and Microsoft does not say whether they hold for service providers"
        }
        SignInIdentity::User(user) => {
            let asked = |role: &RoleTemplateId| {
                super::role::by_id(*role)
                    .is_some_and(|role| ASKED_BY_SECURITY_DEFAULTS.contains(&role.name))
            };
            if user.roles.is_some_and(|roles| roles.iter().any(asked)) {
                return Some(Mfa::Enforced { by: vec!["security defaults".to_owned()] });
            }
            "security defaults are on, and they demand MFA at every sign-in only of those who hold certain administrator roles"
        }
    };
    Some(Mfa::CannotBeShown { why: vec![general(why)] })
}

//! One thing wanted of one principal, for the tests of single guardrails.

use std::cell::OnceCell;

use super::{Administrators, Asked, Guard, Guardrail};
use crate::domain::facts::{DirectoryObject, Facts, Group};
use crate::domain::finding::testing::{Case, noon};
use crate::domain::grant::{Grant, Held, PrincipalKind, Role};
use crate::domain::id::{AssignmentId, PartnerId, PrincipalId};
use crate::domain::plan::wanted::{Known, Wanted};
use crate::domain::plan::{Circumstances, History, Remediation, Target};
use crate::domain::policy::{Do, Policy};
use crate::domain::role;
use crate::domain::roster::{AccountName, AffectedPartner};
use crate::domain::stop::Stop;

pub(super) use crate::domain::finding::testing::CONTOSO;

/// What a guardrail is asked about, with all that it may look at.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) policy: Policy,
    pub(super) facts: Facts,
    pub(super) wanted: Wanted,
    pub(super) own_apps: Vec<String>,
    pub(super) stopped: Option<Stop>,
    pub(super) episode: u32,
}

/// Checks what a guardrail says: nothing, or words that contain these.
#[track_caller]
pub(super) fn check(guardrail: Guardrail, it: &Question, expect: Option<&str>) {
    let said = |about: Circumstances<'_>| {
        let (facts, wanted, episode) = (&it.facts, &it.wanted, it.episode);
        let administrators = Administrators::of(facts, about);
        let domains = &OnceCell::new();
        guardrail(&Asked { about, facts, wanted, administrators, domains, episode })
    };
    check_now(said, it, expect);
}

/// What the first of all guardrails says that holds it back.
pub(super) fn first_of_all(it: &Question) -> Option<String> {
    in_circumstances(it, |about| Guard::new(&it.facts, about).holds_back(&it.wanted, it.episode))
}

/// The same of what holds everything back.
#[track_caller]
pub(super) fn check_now(
    passing: impl Fn(Circumstances<'_>) -> Option<String>,
    it: &Question,
    expect: Option<&str>,
) {
    match (in_circumstances(it, passing), expect) {
        (None, None) => {}
        (Some(said), Some(expect)) if said.contains(expect) => {}
        (said, expect) => panic!("said {said:?}, expected {expect:?}"),
    }
}

fn in_circumstances<T>(it: &Question, ask: impl Fn(Circumstances<'_>) -> T) -> T {
    let history = History::default();
    ask(Circumstances {
        policy: &it.policy,
        tenant: &it.policy.roster.tenants[0],
        history: &history,
        own_apps: &it.own_apps,
        stopped: it.stopped.as_ref(),
        now: noon(),
    })
}

fn question(target: Target, remediation: Remediation) -> Question {
    let id = CONTOSO.parse().unwrap();
    let partner =
        AffectedPartner { id: Some(id), name: "Contoso Reseller".to_owned(), listed: true };
    let wanted = Wanted {
        partner,
        remediation,
        target,
        act: Do::Revoke,
        because: Vec::new(),
        answers: Vec::new(),
        episode: None,
        goes_with: Vec::new(),
        quarantine: None,
        known: Known::Open,
    };
    Question {
        policy: Case::new().policy(),
        facts: Facts::default(),
        wanted,
        own_apps: Vec::new(),
        stopped: None,
        episode: 0,
    }
}

/// To take Reports Reader from Alice, a guest of Contoso's.
pub(super) fn guest() -> Question {
    let id: PartnerId = CONTOSO.parse().unwrap();
    let role = role::by_name("Reports Reader").unwrap();
    let grant = Grant {
        partner: AffectedPartner {
            id: Some(id),
            name: "Contoso Reseller".to_owned(),
            listed: true,
        },
        held: Held::Assignment {
            assignment: AssignmentId("assignment".to_owned()),
            scheduled: false,
        },
        principal: PrincipalId::new("cccccccc-0000-0000-0000-00000000000c"),
        kind: PrincipalKind::Guest,
        principal_name: "Alice".to_owned(),
        user_principal_name: Some("alice_contoso.example#EXT#@woodgrove.example".to_owned()),
        app_id: None,
        role: Role {
            definition_id: role.template_id.to_string(),
            template_id: Some(role.template_id),
            name: role.name.to_owned(),
            privileged: Some(false),
        },
        scope: "/".to_owned(),
        scope_name: None,
        ends: None,
        activated: false,
    };
    question(Target::Grant(Box::new(grant)), Remediation::RevokeRoleAssignment)
}

/// To keep a principal from signing in.
pub(super) fn principal(kind: PrincipalKind) -> Question {
    let target = Target::Principal {
        principal: PrincipalId::new("cccccccc-0000-0000-0000-00000000000c"),
        kind,
        name: "Alice".to_owned(),
        user_principal_name: Some("alice_contoso.example#EXT#@woodgrove.example".to_owned()),
        app_id: None,
    };
    question(target, Remediation::DisableGuest)
}

/// To do something to the partner as a whole.
pub(super) fn whole_partner() -> Question {
    question(Target::Partner, Remediation::Quarantine)
}

/// To end Contoso's relationship `RELATIONSHIP`.
pub(super) fn relationship() -> Question {
    let target = Target::Relationship {
        relationship: RELATIONSHIP.to_owned(),
        name: "Everything".to_owned(),
        etag: None,
        roles: Vec::new(),
        auto_extend: None,
        last: false,
    };
    question(target, Remediation::TerminateRelationship)
}

/// To take from a group what that relationship gives it.
pub(super) fn access_assignment() -> Question {
    let target = Target::AccessAssignment {
        relationship: RELATIONSHIP.to_owned(),
        name: "Everything".to_owned(),
        access_assignment: "used".to_owned(),
        etag: None,
        group: PrincipalId::new("cccccccc-0000-0000-0000-00000000000c"),
        group_name: "Helpdesk".to_owned(),
        roles: Vec::new(),
    };
    question(target, Remediation::DeleteAccessAssignment)
}

/// A relationship's id.
pub(super) const RELATIONSHIP: &str =
    "aaaaaaaa-0000-0000-0000-00000000000a-bbbbbbbb-0000-0000-0000-00000000000b";

/// A group, as the directory tells of it.
pub(super) fn group_object() -> DirectoryObject {
    DirectoryObject::Group(Group::named("Admins"))
}

impl Question {
    /// The same of another partner.
    pub(super) fn of(mut self, partner: PartnerId) -> Self {
        self.wanted.partner.id = Some(partner);
        self
    }

    /// The same by a program that signs in as these applications.
    pub(super) fn by(mut self, own_apps: &[&str]) -> Self {
        self.own_apps = own_apps.iter().map(ToString::to_string).collect();
        self
    }

    /// The same with more of the policy, as YAML from the left margin.
    pub(super) fn under(mut self, yaml: &str) -> Self {
        self.policy = Case::new().with_policy(yaml).policy();
        self
    }

    /// The same where the policy protects what is called so.
    pub(super) fn protecting(mut self, name: &str) -> Self {
        self.policy.guardrails.protected.push(AccountName::new(name));
        self
    }

    /// The same to an account of this name and kind.
    pub(super) fn to(mut self, new_kind: PrincipalKind, upn: &str) -> Self {
        match &mut self.wanted.target {
            Target::Grant(grant) => {
                (grant.kind, grant.user_principal_name) = (new_kind, Some(upn.to_owned()));
            }
            Target::Principal { kind, user_principal_name, .. } => {
                (*kind, *user_principal_name) = (new_kind, Some(upn.to_owned()));
            }
            Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => {
                panic!("this is done to no account")
            }
        }
        self
    }

    /// Whom it is done to.
    pub(super) fn principal(&self) -> PrincipalId {
        match &self.wanted.target {
            Target::Grant(grant) => grant.principal.clone(),
            Target::Principal { principal, .. } => principal.clone(),
            Target::Partner | Target::Relationship { .. } | Target::AccessAssignment { .. } => {
                panic!("this is done to no principal")
            }
        }
    }

    /// The grant that is to be taken away.
    pub(super) fn grant(&mut self) -> &mut Grant {
        match &mut self.wanted.target {
            Target::Grant(grant) => grant,
            Target::Principal { .. }
            | Target::Partner
            | Target::Relationship { .. }
            | Target::AccessAssignment { .. } => panic!("this takes no grant away"),
        }
    }
}

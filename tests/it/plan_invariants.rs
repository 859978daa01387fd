//! What holds of every plan, whatever the tenant and the policy.

use std::collections::BTreeMap;

use jiff::Timestamp;
use partner_warden::domain::facts::{
    DirectoryObject, Facts, Gap, GapCause, Named, Part, PartnerEntry, PartnerReference,
    RoleAssignment, ServicePrincipal, User,
};
use partner_warden::domain::finding::{Finding, FindingName, findings};
use partner_warden::domain::grant::grants;
use partner_warden::domain::id::{AssignmentId, PrincipalId};
use partner_warden::domain::plan::{
    Circumstances, History, PastStep, Plan, Step, StepState, Verdict, plan,
};
use partner_warden::domain::policy::{Mode, Policy};
use partner_warden::domain::role;
use partner_warden::sim::{CONTOSO, Scenario, WOODGROVE};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::harness::{ENFORCE, Town};

const STRANGER: &str = "44444444-4444-4444-4444-444444444444";
const GLOBAL_ADMINISTRATOR: &str = "Global Administrator";
const ROLES: [&str; 6] = [
    GLOBAL_ADMINISTRATOR,
    "User Administrator",
    "Exchange Administrator",
    "Reports Reader",
    "Directory Readers",
    "99999999-9999-9999-9999-999999999999",
];
const FINDINGS: [&str; 6] = [
    "privileged-role",
    "role-not-allowed",
    "unlisted-partner",
    "guest-with-role",
    "unclassified-principal",
    "unreadable",
];

/// How a holder is known to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    OwnUser,
    OwnGroup,
    OwnApp,
    /// A guest of somebody who is no partner.
    OtherGuest,
    PartnerGroup,
    StrangerGroup,
    PartnerGuest,
    GivenAccount,
    PartnerApp,
    /// Nothing says whose it is.
    Unresolvable,
    /// Two things are said of it that do not agree.
    Contradictory,
    /// Its home is nonsense.
    Garbled,
}

use Kind::{
    Contradictory, Garbled, GivenAccount, OtherGuest, OwnApp, OwnGroup, OwnUser, PartnerApp,
    PartnerGroup, PartnerGuest, StrangerGroup, Unresolvable,
};

const KINDS: [Kind; 12] = [
    OwnUser,
    OwnGroup,
    OwnApp,
    OtherGuest,
    PartnerGroup,
    StrangerGroup,
    PartnerGuest,
    GivenAccount,
    PartnerApp,
    Unresolvable,
    Contradictory,
    Garbled,
];

/// One role held by somebody.
#[derive(Debug, Clone, Copy)]
struct Held {
    kind: Kind,
    number: u8,
    role: &'static str,
    in_unit: bool,
}

impl Held {
    fn principal(self) -> PrincipalId {
        let kind = KINDS.iter().position(|kind| *kind == self.kind).unwrap();
        PrincipalId::new(&format!("{kind:08x}-0000-4000-8000-{:012x}", self.number))
    }

    fn upn(self) -> String {
        let name = format!("{:?}{}", self.kind, self.number).to_lowercase();
        match self.kind {
            PartnerGuest => format!("{name}_contoso-reseller.example#EXT#@woodgrove.example"),
            OtherGuest => format!("{name}_customer.example#EXT#@woodgrove.example"),
            OwnUser | OwnGroup | OwnApp | PartnerGroup | StrangerGroup | GivenAccount
            | PartnerApp | Unresolvable | Contradictory | Garbled => {
                format!("{name}@woodgrove.example")
            }
        }
    }

    /// The partner it belongs to.
    fn partner(self) -> Option<&'static str> {
        match self.kind {
            PartnerGroup | PartnerGuest | GivenAccount | PartnerApp => Some(CONTOSO),
            StrangerGroup => Some(STRANGER),
            OwnUser | OwnGroup | OwnApp | OtherGuest | Unresolvable | Contradictory | Garbled => {
                None
            }
        }
    }

    fn object(self) -> Option<DirectoryObject> {
        let display_name = Some(format!("{:?} {}", self.kind, self.number));
        let owner = |kind| if kind == PartnerApp { CONTOSO } else { WOODGROVE };
        Some(match self.kind {
            OwnUser | OtherGuest | PartnerGuest | GivenAccount | Contradictory | Garbled => {
                let upn = Some(self.upn());
                DirectoryObject::User(User {
                    display_name,
                    user_principal_name: upn,
                    ..User::default()
                })
            }
            OwnGroup => DirectoryObject::Group(Named { display_name }),
            OwnApp | PartnerApp => DirectoryObject::ServicePrincipal(ServicePrincipal {
                display_name,
                app_id: None,
                app_owner_organization_id: Some(owner(self.kind).to_owned()),
            }),
            PartnerGroup | StrangerGroup => DirectoryObject::PartnerReference(PartnerReference {
                display_name,
                external_partner_tenant_id: self.partner().map(str::to_owned),
                object_type: Some("Group".to_owned()),
            }),
            Unresolvable => return None,
        })
    }

    fn assignment(self) -> RoleAssignment {
        let definition = role::by_name(self.role).map(|role| role.template_id.to_string());
        let scope = if self.in_unit { "/administrativeUnits/au-1" } else { "/" };
        let home = match self.kind {
            PartnerGroup | StrangerGroup => self.partner(),
            Contradictory => Some(STRANGER),
            Garbled => Some("nowhere"),
            OwnUser | OwnGroup | OwnApp | OtherGuest | PartnerGuest | GivenAccount | PartnerApp
            | Unresolvable => None,
        };
        RoleAssignment {
            id: AssignmentId(format!("{}-{}-{}", self.principal(), self.role, self.in_unit)),
            principal_id: self.principal(),
            role_definition_id: definition.unwrap_or_else(|| self.role.to_owned()),
            directory_scope_id: scope.to_owned(),
            principal_organization_id: home.map(str::to_owned),
        }
    }
}

/// A tenant, a policy, and what was done before.
#[derive(Debug, Clone)]
struct World {
    held: Vec<Held>,
    providers: Vec<&'static str>,
    mode: &'static str,
    allowed: Vec<&'static str>,
    unlisted: Vec<&'static str>,
    excepted: Option<&'static str>,
    responses: Vec<Option<&'static str>>,
    protected: Vec<Held>,
    most: u32,
    done: u32,
    past: Vec<Option<(u32, StepState)>>,
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn held() -> impl Strategy<Value = Held> {
    let parts = (select(KINDS.to_vec()), 0..2_u8, select(ROLES.to_vec()), any::<bool>());
    parts.prop_map(|(kind, number, role, in_unit)| Held { kind, number, role, in_unit })
}

fn some_roles() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(ROLES.to_vec(), 0..3)
}

fn world() -> impl Strategy<Value = World> {
    let acts = ["ignore", "record", "ticket", "approve", "quarantine", "revoke"];
    let states = [
        StepState::Intended,
        StepState::Revoked,
        StepState::Verified,
        StepState::Refused,
        StepState::Unverified,
    ];
    let tenant = (vec(held(), 0..12), subsequence(vec![CONTOSO, STRANGER], 0..=2));
    let policy = (
        select(vec!["observe", "approve", "enforce"]),
        some_roles(),
        some_roles(),
        proptest::option::of(select(ROLES.to_vec())),
        vec(proptest::option::weighted(0.8, select(acts.to_vec())), FINDINGS.len()),
        vec(held(), 0..3),
        0..6_u32,
    );
    let past = vec(proptest::option::of((0..4_u32, select(states.to_vec()))), 12);
    (tenant, policy, 0..4_u32, past).prop_map(
        |(
            (held, providers),
            (mode, allowed, unlisted, excepted, responses, protected, most),
            done,
            past,
        )| World {
            held,
            providers,
            mode,
            allowed,
            unlisted,
            excepted,
            responses,
            protected,
            most,
            done,
            past,
        },
    )
}

impl World {
    fn facts(&self) -> Facts {
        let held = self.held.iter();
        let guest = |held: &&Held| matches!(held.kind, PartnerGuest | OtherGuest);
        let user = |held: &Held| match held.object() {
            Some(DirectoryObject::User(user)) => Some((held.principal(), user)),
            _ => None,
        };
        Facts {
            assignments: held.clone().map(|held| held.assignment()).collect(),
            objects: held
                .clone()
                .filter_map(|held| Some((held.principal(), held.object()?)))
                .collect(),
            guests: held.filter(guest).filter_map(user).collect(),
            partner_entries: self
                .providers
                .iter()
                .map(|id| PartnerEntry {
                    tenant_id: (*id).to_owned(),
                    is_service_provider: Some(true),
                    ..PartnerEntry::default()
                })
                .collect(),
            ..Facts::default()
        }
    }

    fn policy(&self) -> Policy {
        let list = |items: &[&str]| serde_json::to_string(items).unwrap();
        let given: Vec<String> =
            (0..2).map(|number| Held { number, ..a(GivenAccount) }.upn()).collect();
        let protected: Vec<String> = self
            .protected
            .iter()
            .map(|held| match held.object() {
                Some(DirectoryObject::User(_)) => held.upn(),
                _ => held.principal().to_string(),
            })
            .collect();
        let exceptions = self.excepted.map_or_else(String::new, |role| {
            format!(
                "exceptions:\n  - {{partner: Contoso Reseller, role: {role}, until: 2027-01-01, \
                 reason: migration}}\n"
            )
        });
        let respond = FINDINGS.iter().zip(&self.responses);
        let respond: Vec<String> = respond
            .filter_map(|(finding, act)| Some(format!("{finding}: {{do: {}}}", (*act)?)))
            .collect();
        let text = format!(
            "version: 1\nmode: {}\ntenants:\n  - id: {WOODGROVE}\n    name: Woodgrove\n    \
             partners:\n      - id: {CONTOSO}\n        name: Contoso Reseller\n        domains: \
             [contoso-reseller.example]\n        accounts: {}\n        allow: {{roles: {}}}\n    \
             unlisted: {{allow: {{roles: {}}}}}\n{exceptions}respond: {{{}}}\nguardrails: \
             {{protected: {}, maxRevocations: {}, per: 1h}}\n",
            self.mode,
            serde_json::to_string(&given).unwrap(),
            list(&self.allowed),
            list(&self.unlisted),
            respond.join(", "),
            serde_json::to_string(&protected).unwrap(),
            self.most,
        );
        Policy::parse(&text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}")).policy
    }

    fn history(&self, facts: &Facts, policy: &Policy) -> History {
        let grants = grants(facts, &policy.roster.tenants[0]);
        let past = grants.iter().zip(&self.past).filter_map(|(grant, past)| {
            let (episode, state) = (*past)?;
            Some((grant.key(), PastStep { episode, state, at: now() }))
        });
        History { steps: past.collect::<BTreeMap<_, _>>(), revocations: self.done }
    }

    fn plan(&self) -> Plan {
        let (facts, policy) = (self.facts(), self.policy());
        let history = self.history(&facts, &policy);
        let (policy, tenant) = (&policy, &policy.roster.tenants[0]);
        let about = Circumstances { policy, tenant, history: &history, own_apps: &[], now: now() };
        plan(&facts, about)
    }

    fn findings(&self, facts: &Facts) -> Vec<Finding> {
        let policy = self.policy();
        findings(facts, &policy.roster.tenants[0], &policy, now())
    }

    /// What the assignment of a step was made from.
    fn held_by(&self, step: &Step) -> Held {
        let is_it = |held: &&Held| Some(&held.assignment().id) == step.grant.assignment();
        *self.held.iter().find(is_it).unwrap()
    }

    /// Whether the policy lets the partner hold the role.
    fn allows(&self, held: Held) -> bool {
        match held.partner() {
            Some(STRANGER) => self.unlisted.contains(&held.role),
            Some(_) => self.allowed.contains(&held.role) || self.excepted == Some(held.role),
            None => false,
        }
    }
}

fn a(kind: Kind) -> Held {
    Held { kind, number: 0, role: GLOBAL_ADMINISTRATOR, in_unit: false }
}

fn steps(plan: &Plan) -> Vec<&Step> {
    plan.cases.iter().flat_map(|case| &case.steps).collect()
}

/// Whether it will be done, now or when a person agrees.
fn goes_ahead(step: &Step) -> bool {
    matches!(step.verdict, Verdict::CarryOut | Verdict::AwaitApproval)
}

/// The findings as they can be compared: without order.
fn told(findings: &[Finding]) -> Vec<String> {
    let mut told: Vec<String> = findings.iter().map(|finding| format!("{finding:?}")).collect();
    told.sort();
    told
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_step_is_about_the_tenants_own_or_about_nobody_knows_whom(world in world()) {
        let plan = world.plan();
        for step in steps(&plan) {
            prop_assert!(world.held_by(step).partner().is_some(), "{plan}");
        }
    }

    #[test]
    fn the_protected_are_left_alone(world in world()) {
        let plan = world.plan();
        let protected = |held: Held| world.protected.iter().any(|p| p.principal() == held.principal());
        for step in steps(&plan).into_iter().filter(|step| goes_ahead(step)) {
            prop_assert!(!protected(world.held_by(step)), "{plan}");
        }
    }

    #[test]
    fn no_step_is_about_what_the_policy_allows(world in world()) {
        let plan = world.plan();
        for step in steps(&plan) {
            prop_assert!(!world.allows(world.held_by(step)), "{plan}");
        }
    }

    #[test]
    fn the_window_is_never_overdrawn(world in world()) {
        let plan = world.plan();
        let now = steps(&plan).iter().filter(|step| step.verdict == Verdict::CarryOut).count();
        prop_assert!(now <= world.most.saturating_sub(world.done) as usize, "{plan}");
    }

    #[test]
    fn the_mode_is_a_ceiling(world in world()) {
        let plan = world.plan();
        prop_assert_eq!(plan.mode.to_string(), world.mode);
        if plan.mode == Mode::Approve {
            prop_assert!(steps(&plan).iter().all(|step| step.verdict != Verdict::CarryOut), "{plan}");
        }
    }

    #[test]
    fn each_grant_has_one_step_at_the_most(world in world()) {
        let plan = world.plan();
        let mut ids: Vec<_> = steps(&plan).into_iter().map(|step| step.grant.assignment()).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), all, "{}", plan);
    }

    #[test]
    fn nobody_is_locked_out(world in world()) {
        let is_own = |held: &Held| held.kind == OwnUser && held.role == GLOBAL_ADMINISTRATOR;
        let someone_stays = world.held.iter().any(|held| is_own(held) && !held.in_unit);
        let plan = world.plan();
        for step in steps(&plan).into_iter().filter(|step| goes_ahead(step)) {
            let is_last = world.held_by(step).role == GLOBAL_ADMINISTRATOR && !someone_stays;
            prop_assert!(!is_last, "{plan}");
        }
    }

    #[test]
    fn a_gap_takes_no_finding_away(world in world()) {
        let facts = world.facts();
        let before = told(&world.findings(&facts));
        for part in [
            Part::RoleAssignments,
            Part::Principals,
            Part::Guests,
            Part::PartnerEntries,
            Part::RoleDefinitions,
        ] {
            let mut facts = facts.clone();
            let detail = "(detail)".to_owned();
            facts.gaps.push(Gap { part, cause: GapCause::Unavailable, detail });
            let mut left = world.findings(&facts);
            left.retain(|finding| finding.finding != FindingName::Unreadable);
            // Where principals could not be read, the gap stands for those of whom nothing is
            // known.
            let stands_for = |told: &&String| {
                part == Part::Principals && told.contains("finding: UnclassifiedPrincipal")
            };
            let after = told(&left);
            let gone: Vec<&String> =
                before.iter().filter(|told| !after.contains(*told) && !stands_for(told)).collect();
            prop_assert!(gone.is_empty(), "{part:?}: {gone:#?}");
        }
    }

    #[test]
    fn the_order_of_assignments_changes_no_finding(
        (world, order) in world().prop_flat_map(|world| {
            let order = Just(world.held.clone()).prop_shuffle();
            (Just(world), order)
        })
    ) {
        let turned = World { held: order, ..world.clone() };
        let (before, after) = (world.findings(&world.facts()), world.findings(&turned.facts()));
        prop_assert_eq!(told(&before), told(&after));
    }
}

/// What the plan says would be done is done by nobody in the weaker modes.
#[tokio::test]
async fn nothing_is_written_to_graph_in_the_weaker_modes() {
    for mode in ["observe", "approve"] {
        let policy = ENFORCE.replace("mode: enforce", &format!("mode: {mode}"));
        let town = Town::new(Scenario::woodgrove(), &policy).await;
        let held = town.held();
        let warden = town.serve();
        warden.role_was_added().await;
        town.messages("the ticket", |messages| !messages.is_empty()).await;
        warden.stop().await;
        assert_eq!((town.sim.count("DELETE", ""), town.held()), (0, held), "{mode}");
    }
}

//! What holds of every plan, whatever the tenant and the policy.

use jiff::Timestamp;
use partner_warden::domain::facts::{
    self, AppRoleAssignment, DirectoryObject, Facts, Gap, GapCause, Group, Member, Part,
    PartnerEntry, PartnerReference, RoleAssignment, ScheduleInstance, ServicePrincipal, User,
};
use partner_warden::domain::finding::{Finding, FindingName, findings};
use partner_warden::domain::grant::{Grant, PrincipalKind, grants};
use partner_warden::domain::id::{AssignmentId, PrincipalId};
use partner_warden::domain::plan::Target;
use partner_warden::domain::plan::{
    Circumstances, History, PastStep, Plan, Remediation, Step, StepState, Verdict, plan,
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
const FINDINGS: [&str; 12] = [
    "privileged-role",
    "role-not-allowed",
    "unlisted-partner",
    "guest-with-role",
    "role-via-group",
    "standing-access",
    "dedicated-account-drift",
    "partner-app-privileged",
    "allowance-expired",
    "reappeared",
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

/// By what a role is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Assigned,
    Eligible,
    /// Active by a schedule that no assignment shows.
    Scheduled,
    /// In a group of the tenant's own that holds the role.
    InGroup,
    /// In one that may activate it.
    InEligibleGroup,
    /// An application permission instead of a role.
    Permitted,
}

const WAYS: [Way; 6] = [
    Way::Assigned,
    Way::Eligible,
    Way::Scheduled,
    Way::InGroup,
    Way::InEligibleGroup,
    Way::Permitted,
];

/// `RoleManagement.ReadWrite.Directory`.
const PERMISSION: &str = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8";

/// One role held by somebody.
#[derive(Debug, Clone, Copy)]
struct Held {
    way: Way,
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

    /// As the policy names it to protect it.
    fn protected(self) -> String {
        match self.object() {
            Some(DirectoryObject::User(_)) => self.upn(),
            _ => self.principal().to_string(),
        }
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
            OwnGroup => DirectoryObject::Group(Group { display_name, ..Group::default() }),
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

    fn definition(self) -> String {
        let built_in = role::by_name(self.role).map(|role| role.template_id.to_string());
        built_in.unwrap_or_else(|| self.role.to_owned())
    }

    fn scope(self) -> &'static str {
        if self.in_unit { "/administrativeUnits/au-1" } else { "/" }
    }

    /// The group through which it is held.
    fn group(self) -> PrincipalId {
        let way = WAYS.iter().position(|way| *way == self.way).unwrap();
        let role = ROLES.iter().position(|role| *role == self.role).unwrap();
        PrincipalId::new(&format!(
            "99999999-{way:04x}-4000-8000-{role:04x}{:08x}",
            u8::from(self.in_unit)
        ))
    }

    /// The id of the assignment, eligibility, schedule or permission.
    fn id(self) -> AssignmentId {
        let holder = match self.way {
            Way::InGroup | Way::InEligibleGroup => self.group(),
            Way::Assigned | Way::Eligible | Way::Scheduled | Way::Permitted => self.principal(),
        };
        let way = match self.way {
            Way::Assigned | Way::InGroup => "a",
            Way::Eligible | Way::InEligibleGroup => "e",
            Way::Scheduled => "s",
            Way::Permitted => "p",
        };
        AssignmentId(format!("{way}-{holder}-{}-{}", self.role, self.in_unit))
    }

    /// Adds what is held to what a tenant looks like.
    fn put_into(self, facts: &mut Facts) {
        let schedule = |principal_id| ScheduleInstance {
            id: self.id(),
            principal_id,
            role_definition_id: self.definition(),
            directory_scope_id: self.scope().to_owned(),
            end_date_time: self.in_unit.then(now),
            member_type: Some("Direct".to_owned()),
            assignment_type: Some("Assigned".to_owned()),
            role_assignment_origin_id: None,
        };
        match self.way {
            Way::Assigned => facts.assignments.push(self.assignment()),
            Way::Eligible => facts.eligible.push(schedule(self.principal())),
            Way::Scheduled => facts.active.push(schedule(self.principal())),
            Way::InGroup | Way::InEligibleGroup => {
                let group = DirectoryObject::Group(Group::named("Admins"));
                let known = facts.objects.insert(self.group(), group).is_some();
                let object = self.object().unwrap_or(DirectoryObject::Other);
                let member = Member { id: self.principal(), object };
                let members = facts.members.entry(self.group()).or_default();
                if !members.contains(&member) {
                    members.push(member);
                }
                if known {
                    // Its role is there already.
                } else if self.way == Way::InGroup {
                    facts.assignments.push(RoleAssignment {
                        id: self.id(),
                        principal_id: self.group(),
                        principal_organization_id: Some(WOODGROVE.to_owned()),
                        ..self.assignment()
                    });
                } else {
                    facts.eligible.push(schedule(self.group()));
                }
            }
            Way::Permitted => facts.apps.push(facts::PartnerApp {
                id: self.principal(),
                app: ServicePrincipal {
                    display_name: Some("App".to_owned()),
                    app_id: None,
                    app_owner_organization_id: Some(self.partner().unwrap_or(WOODGROVE).to_owned()),
                },
                app_roles: vec![AppRoleAssignment {
                    id: self.id(),
                    app_role_id: PERMISSION.to_owned(),
                    resource_display_name: Some("Microsoft Graph".to_owned()),
                    resource_id: None,
                }],
            }),
        }
        if let Some(object) = self.object() {
            facts.objects.insert(self.principal(), object.clone());
            if let (PartnerGuest | OtherGuest, DirectoryObject::User(user)) = (self.kind, object) {
                facts.guests.insert(self.principal(), user);
            }
        }
    }

    fn assignment(self) -> RoleAssignment {
        let home = match self.kind {
            PartnerGroup | StrangerGroup => self.partner(),
            Contradictory => Some(STRANGER),
            Garbled => Some("nowhere"),
            OwnUser | OwnGroup | OwnApp | OtherGuest | PartnerGuest | GivenAccount | PartnerApp
            | Unresolvable => None,
        };
        RoleAssignment {
            id: self.id(),
            principal_id: self.principal(),
            role_definition_id: self.definition(),
            directory_scope_id: self.scope().to_owned(),
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
    /// Whether the allowance ran out, and whether roles have to be activated and to end.
    ended: bool,
    demands: bool,
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
    let parts = (
        select(WAYS.to_vec()),
        select(KINDS.to_vec()),
        0..2_u8,
        select(ROLES.to_vec()),
        any::<bool>(),
    );
    parts.prop_map(|(way, kind, number, role, in_unit)| Held { way, kind, number, role, in_unit })
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
        (proptest::bool::weighted(0.2), any::<bool>()),
        vec(proptest::option::weighted(0.8, select(acts.to_vec())), FINDINGS.len()),
        vec(held(), 0..3),
        0..6_u32,
    );
    let past = vec(proptest::option::of((0..4_u32, select(states.to_vec()))), 12);
    (tenant, policy, 0..4_u32, past).prop_map(
        |(
            (held, providers),
            (mode, allowed, unlisted, excepted, (ended, demands), responses, protected, most),
            done,
            past,
        )| World {
            held,
            providers,
            mode,
            allowed,
            unlisted,
            excepted,
            ended,
            demands,
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
        let mut facts = Facts {
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
        };
        self.held.iter().for_each(|held| held.put_into(&mut facts));
        facts
    }

    fn policy(&self) -> Policy {
        let list = |items: &[&str]| serde_json::to_string(items).unwrap();
        let given: Vec<String> =
            (0..2).map(|number| Held { number, ..a(GivenAccount) }.upn()).collect();
        let protected: Vec<String> = self.protected.iter().map(|held| held.protected()).collect();
        let exceptions = self.excepted.map_or_else(String::new, |role| {
            format!(
                "exceptions:\n  - {{partner: Contoso Reseller, role: {role}, until: 2027-01-01, \
                 reason: migration}}\n"
            )
        });
        let respond = FINDINGS.iter().zip(&self.responses);
        let respond: Vec<String> = respond
            .filter_map(|(finding, act)| {
                let act = (*act)?;
                let also = if matches!(act, "approve" | "revoke") {
                    ", also: [revoke-sessions, disable-guest, disable-app], ifRefused: quarantine"
                } else {
                    ""
                };
                Some(format!("{finding}: {{do: {act}{also}}}"))
            })
            .collect();
        let text = format!(
            "version: 1\nmode: {}\ntenants:\n  - id: {WOODGROVE}\n    name: Woodgrove\n    \
             partners:\n      - id: {CONTOSO}\n        name: Contoso Reseller\n        domains: \
             [contoso-reseller.example]\n        accounts: {}\n        allow: {{roles: {}{}}}\n        require: \
             {{{}}}\n    unlisted: {{allow: {{roles: {}}}}}\n{exceptions}respond: {{{}}}\nguardrails: \
             {{protected: {}, maxRevocations: {}, per: 1h}}\n",
            self.mode,
            serde_json::to_string(&given).unwrap(),
            list(&self.allowed),
            if self.ended { ", until: 2026-11-01" } else { "" },
            if self.demands { "eligible: true, maxDuration: P30D" } else { "" },
            list(&self.unlisted),
            respond.join(", "),
            serde_json::to_string(&protected).unwrap(),
            self.most,
        );
        Policy::parse(&text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}")).policy
    }

    /// With the accounts that the policy protects, each of which is there.
    fn facts_to_decide(&self) -> Facts {
        let mut facts = self.facts();
        for held in &self.protected {
            let found =
                facts::GivenAccount::Present { id: held.principal(), user: User::default() };
            facts.protected.insert(held.protected().to_lowercase(), found);
        }
        facts
    }

    fn history(&self, facts: &Facts, policy: &Policy) -> History {
        let grants = grants(facts, &policy.roster.tenants[0]);
        let mut history = History { revocations: self.done, ..History::default() };
        for (grant, past) in grants.iter().zip(&self.past) {
            let Some((episode, state)) = *past else { continue };
            let past = PastStep { episode, state, at: now(), approved: false };
            history.take_in(grant.key(), Some(grant.likeness()), past);
        }
        history
    }

    fn plan(&self) -> Plan {
        let (mut facts, policy) = (self.facts_to_decide(), self.policy());
        let history = self.history(&facts, &policy);
        facts.taken_away = history.taken_away();
        let (policy, tenant) = (&policy, &policy.roster.tenants[0]);
        let about = Circumstances {
            policy,
            tenant,
            history: &history,
            own_apps: &[],
            stopped: None,
            now: now(),
        };
        plan(&facts, about)
    }

    fn findings(&self, facts: &Facts) -> Vec<Finding> {
        let policy = self.policy();
        findings(facts, &policy.roster.tenants[0], &policy, now())
    }

    /// What a grant was made from.
    fn held_by(&self, grant: &Grant) -> Held {
        let is_it =
            |held: &&Held| held.id() == *grant.held.id() && held.principal() == grant.principal;
        *self.held.iter().find(is_it).unwrap()
    }

    fn grants(&self) -> Vec<Grant> {
        grants(&self.facts(), &self.policy().roster.tenants[0])
    }

    /// Whether the policy lets the partner hold the role.
    fn allows(&self, held: Held) -> bool {
        match held.partner() {
            _ if held.way == Way::Permitted => false,
            Some(STRANGER) => self.unlisted.contains(&held.role),
            Some(_) => {
                (self.allowed.contains(&held.role) && !self.ended)
                    || self.excepted == Some(held.role)
            }
            None => false,
        }
    }
}

fn a(kind: Kind) -> Held {
    Held { way: Way::Assigned, kind, number: 0, role: GLOBAL_ADMINISTRATOR, in_unit: false }
}

fn every_step(plan: &Plan) -> Vec<&Step> {
    plan.cases.iter().flat_map(|case| &case.steps).collect()
}

/// The steps that take grants away.
fn steps(plan: &Plan) -> Vec<&Step> {
    every_step(plan).into_iter().filter(|step| step.grant().is_some()).collect()
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
            prop_assert!(world.held_by(step.grant().unwrap()).partner().is_some(), "{plan}");
        }
    }

    #[test]
    fn no_grant_is_about_the_tenants_own_or_about_somebody_elses(world in world()) {
        for grant in world.grants() {
            let kind = world.held_by(&grant).kind;
            prop_assert!(!matches!(kind, OwnUser | OwnGroup | OwnApp | OtherGuest), "{grant:?}");
            let partner = grant.partner.id.map(|id| id.to_string());
            prop_assert_ne!(partner.as_deref(), Some(WOODGROVE));
        }
    }

    #[test]
    fn every_way_a_partner_holds_a_role_is_a_grant(world in world()) {
        let grants = world.grants();
        for held in &world.held {
            let Some(partner) = held.partner() else { continue };
            // An application of somebody who is no partner here.
            let is_partner = partner != STRANGER || world.providers.contains(&STRANGER);
            if held.way == Way::Permitted && !is_partner {
                continue;
            }
            let is_it = |grant: &&Grant| {
                let by = held.id() == *grant.held.id() && held.principal() == grant.principal;
                // A schedule that belongs to an assignment is told with it.
                let with = held.way == Way::Scheduled
                    && grant.assignment().is_some()
                    && grant.principal == held.principal()
                    && grant.role.definition_id == held.definition()
                    && grant.scope == held.scope();
                by || with
            };
            let grant = grants.iter().find(is_it);
            let told = grant.and_then(|grant| grant.partner.id).map(|id| id.to_string());
            prop_assert_eq!(told.as_deref(), Some(partner), "{:?}", held);
        }
    }

    #[test]
    fn nothing_is_taken_away_but_a_grant_that_was_seen_and_by_its_own_call(world in world()) {
        let (plan, grants) = (world.plan(), world.grants());
        for step in steps(&plan).into_iter().filter(|step| goes_ahead(step)) {
            let grant = step.grant().unwrap();
            prop_assert!(grants.contains(grant), "{plan}");
            prop_assert_eq!(step.remediation, Remediation::of(&grant.held), "{}", plan);
        }
    }

    #[test]
    fn the_protected_are_left_alone(world in world()) {
        let plan = world.plan();
        let protected = |held: Held| world.protected.iter().any(|p| p.principal() == held.principal());
        for step in steps(&plan).into_iter().filter(|step| goes_ahead(step)) {
            prop_assert!(!protected(world.held_by(step.grant().unwrap())), "{plan}");
        }
    }

    #[test]
    fn no_step_is_about_what_the_policy_allows(world in world()) {
        let plan = world.plan();
        for step in steps(&plan) {
            prop_assert!(!world.allows(world.held_by(step.grant().unwrap())), "{plan}");
        }
    }

    #[test]
    fn the_window_is_never_overdrawn(world in world()) {
        let plan = world.plan();
        let now = every_step(&plan).iter().filter(|step| step.verdict == Verdict::CarryOut).count();
        prop_assert!(now <= world.most.saturating_sub(world.done) as usize, "{plan}");
    }

    #[test]
    fn the_mode_is_a_ceiling(world in world()) {
        let plan = world.plan();
        prop_assert_eq!(plan.mode.to_string(), world.mode);
        if plan.mode == Mode::Approve {
            prop_assert!(every_step(&plan).iter().all(|step| step.verdict != Verdict::CarryOut), "{plan}");
        }
    }

    #[test]
    fn each_grant_has_one_step_at_the_most(world in world()) {
        let plan = world.plan();
        let mut ids: Vec<_> = every_step(&plan).into_iter().map(Step::key).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), all, "{}", plan);
    }

    #[test]
    fn nobody_is_locked_out(world in world()) {
        let is_own = |held: &Held| {
            held.kind == OwnUser && held.way == Way::Assigned && held.role == GLOBAL_ADMINISTRATOR
        };
        let someone_stays = world.held.iter().any(|held| is_own(held) && !held.in_unit);
        let plan = world.plan();
        for step in steps(&plan).into_iter().filter(|step| goes_ahead(step)) {
            let grant = step.grant().unwrap();
            let mut roles = std::iter::once(&grant.role).chain(grant.held.also());
            let is_one = roles.any(|role| role.name == GLOBAL_ADMINISTRATOR);
            prop_assert!(someone_stays || !is_one, "{plan}");
        }
    }

    #[test]
    fn what_accompanies_is_about_a_guest_or_an_application_that_loses_something(world in world()) {
        let plan = world.plan();
        for step in every_step(&plan) {
            let Target::Principal { principal, kind, .. } = &step.target else { continue };
            let of = |held: &&Held| held.principal() == *principal;
            prop_assert!(world.held.iter().filter(of).all(|held| held.partner().is_some()), "{plan}");
            let fits = matches!(kind, PrincipalKind::Guest | PrincipalKind::App);
            prop_assert!(fits, "{plan}");
            if goes_ahead(step) {
                prop_assert!(!world.protected.iter().any(|held| of(&held)), "{plan}");
                let is_its = |it: &&Step| it.grant().is_some_and(|it| it.principal == *principal);
                let begun = |it: &&Step| goes_ahead(it) || matches!(it.verdict, Verdict::Already(_));
                prop_assert!(steps(&plan).into_iter().filter(is_its).any(|it| begun(&it)), "{plan}");
            }
        }
    }

    #[test]
    fn who_is_kept_out_is_a_partner_and_protected_accounts_are_left_out(world in world()) {
        let plan = world.plan();
        for step in every_step(&plan) {
            let Target::Partner = &step.target else { continue };
            let made = step.quarantine.as_ref().unwrap();
            let partner = made.partner.to_string();
            prop_assert!([CONTOSO, STRANGER].contains(&partner.as_str()), "{plan}");
            prop_assert_eq!(made.in_force, plan.mode == Mode::Enforce);
            if goes_ahead(step) {
                prop_assert_eq!(made.shortcoming_of(&made.document()), None);
                let left_out = |held: &Held| made.leaves_out.contains(&held.principal());
                prop_assert!(world.protected.iter().all(left_out), "{plan}");
            }
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
            Part::ActiveSchedules,
            Part::EligibleSchedules,
            Part::GroupMembers,
            Part::Accounts,
            Part::PartnerApps,
            Part::Governance,
        ] {
            let mut facts = facts.clone();
            let detail = "(detail)".to_owned();
            facts.gaps.push(Gap { part, cause: GapCause::Unavailable, detail });
            let mut left = world.findings(&facts);
            left.retain(|finding| finding.finding != FindingName::Unreadable);
            // Where principals could not be read, the gap stands for those of whom nothing is
            // known; where the schedules could not be, it is not known for how long.
            let stands_for = |told: &&String| {
                part == Part::Principals && told.contains("finding: UnclassifiedPrincipal")
                    || part == Part::ActiveSchedules && told.contains("finding: StandingAccess")
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

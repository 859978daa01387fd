//! It acts safely, whatever happens in which order: random tenants, policies, events and faults,
//! run through the real pipeline and the real ledger against a tenant held in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use partner_warden::adapters::recorder::Recorder;
use partner_warden::adapters::sqlite::Sqlite;
use partner_warden::adapters::stop_file::StopFile;
use partner_warden::domain::case::{Case, Outcome};
use partner_warden::domain::facts::{
    Customer, DelegatedAdminRelationship, DirectoryObject, GivenAccount, GovernanceRelationship,
    InboundTrust, Member, PartnerApp, PartnerEntry, PartnerReference, RoleAssignment,
    RoleDefinition, ScheduleInstance, ServiceProviderConstraints, SignIn, User,
};
use partner_warden::domain::id::{AssignmentId, PartnerId, PrincipalId, TenantId};
use partner_warden::domain::plan::{Step, StepState};
use partner_warden::domain::policy::{Mode, Policy};
use partner_warden::domain::role;
use partner_warden::domain::roster::AccountName;
use partner_warden::domain::stop::Stop;
use partner_warden::pipeline::observe::Readers;
use partner_warden::pipeline::{READ_AGAIN, World, Writers, respond, verify};
use partner_warden::ports::{
    Clock, Failure, Ledger as _, Listed, Look, PortError, ReadActiveSchedules, ReadAuditContent,
    ReadConditionalAccess, ReadCrossTenantAccess, ReadCustomers, ReadEligibleSchedules,
    ReadGovernance, ReadGroupMembers, ReadObjects, ReadPartnerApps, ReadRelationships, ReadRoles,
    ReadServicePrincipals, ReadTenantNames, ReadUsers, RevokeRoleAssignment, StopSwitch,
    TurnStopSwitch as _,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

const WOODGROVE: &str = "11111111-1111-1111-1111-111111111111";
const CONTOSO: &str = "22222222-2222-2222-2222-222222222222";
const ROLES: [&str; 3] = ["Global Administrator", "User Administrator", "Reports Reader"];

/// Who may hold a role: name, user principal name, and whether anything may ever be taken from it.
const HOLDERS: [(&str, &str, bool); 8] = [
    ("megan", "megan@woodgrove.example", false),
    ("own guest", "bob_customer.example#EXT#@woodgrove.example", false),
    ("admin agents", "", true),
    ("helpdesk agents", "", true),
    ("alice", "alice_contoso.example#EXT#@woodgrove.example", true),
    ("eve", "eve_contoso.example#EXT#@woodgrove.example", true),
    ("protected guest", "pat_contoso.example#EXT#@woodgrove.example", false),
    ("protected by id", "ida_contoso.example#EXT#@woodgrove.example", false),
];

/// What happens.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A role is given to a holder, under an id of its own.
    Given {
        holder: usize,
        role: usize,
    },
    /// A signal: the tenant is looked at.
    Signal,
    /// What is due is read again.
    Verify,
    /// Time passes, in minutes.
    Pass(i64),
    Stop,
    Resume,
    /// The switch is engaged while the next write is under way.
    StopWhileWriting,
    /// What was taken away last is there again under its own id.
    ComesBack,
    /// The next call that can meets a fault.
    Fault(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A write fails, and nothing came of it.
    Before,
    /// A write fails, though it took effect.
    After,
    Refused,
    Denied,
    /// The role assignments are read in part.
    Unread,
    /// The principals are not read.
    Unresolved,
    /// It is not read again who holds what.
    UnreadAgain,
}

const FAULTS: [Fault; 7] = [
    Fault::Before,
    Fault::After,
    Fault::Refused,
    Fault::Denied,
    Fault::Unread,
    Fault::Unresolved,
    Fault::UnreadAgain,
];

/// A tenant, the time, and what was seen of both.
struct Town {
    now: Timestamp,
    held: Vec<RoleAssignment>,
    given: usize,
    faults: Vec<Fault>,
    stop_while_writing: bool,
    stopped: bool,
    taken: Vec<(Timestamp, RoleAssignment)>,
    /// When each assignment was last asked to be taken away, and last seen to be gone, as counts of
    /// what happened.
    asked: BTreeMap<AssignmentId, usize>,
    seen_gone: BTreeMap<AssignmentId, usize>,
    happened: usize,
    rules: Rules,
    wrong: Vec<String>,
}

/// What the policy says.
#[derive(Debug, Clone, Copy)]
struct Rules {
    mode: Mode,
    limit: usize,
    /// From the first minute to this one a change is planned.
    planned_until: i64,
}

fn begin() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn id_of(holder: usize) -> PrincipalId {
    PrincipalId::new(&format!("aaaaaaaa-0000-0000-0000-{holder:012}"))
}

fn role_id(name: &str) -> String {
    role::by_name(name).unwrap().template_id.to_string()
}

impl Rules {
    fn policy(&self) -> Policy {
        let until = begin() + minutes(self.planned_until);
        let planned = if self.planned_until > 0 {
            format!("plannedChanges: [{{from: {}, until: {until}, reason: move}}], ", begin())
        } else {
            String::new()
        };
        let text = format!(
            "version: 1\nmode: {}\ntenants:\n  - id: {WOODGROVE}\n    name: Woodgrove\n    \
             partners:\n      - id: {CONTOSO}\n        name: Contoso\n        domains: \
             [contoso.example]\nrespond:\n  privileged-role: {{do: revoke}}\n  role-not-allowed: \
             {{do: revoke}}\n  reappeared: {{do: revoke}}\nguardrails: {{{planned}protected: \
             [\"{}\", {}], maxRevocations: {}, per: 1h}}\n",
            self.mode,
            HOLDERS[6].1.to_uppercase(),
            id_of(7).as_str().to_uppercase(),
            self.limit,
        );
        Policy::parse(&text).unwrap_or_else(|wrong| panic!("{wrong:?} in\n{text}")).policy
    }
}

impl Town {
    fn new(rules: Rules) -> Self {
        let mut town = Self {
            now: begin(),
            held: Vec::new(),
            given: 0,
            faults: Vec::new(),
            stop_while_writing: false,
            stopped: false,
            taken: Vec::new(),
            asked: BTreeMap::new(),
            seen_gone: BTreeMap::new(),
            happened: 0,
            rules,
            wrong: Vec::new(),
        };
        town.give(0, 2);
        town
    }

    fn give(&mut self, holder: usize, role: usize) {
        self.given += 1;
        let foreign = matches!(holder, 2 | 3);
        self.held.push(RoleAssignment {
            id: AssignmentId(format!("assignment-{}", self.given)),
            principal_id: id_of(holder),
            role_definition_id: role_id(ROLES[role]),
            directory_scope_id: "/".to_owned(),
            principal_organization_id: foreign.then(|| CONTOSO.to_owned()),
        });
    }

    /// Whether this fault waits; it is over then.
    fn meets(&mut self, fault: Fault) -> bool {
        let waits = self.faults.iter().position(|it| *it == fault);
        waits.map(|at| self.faults.remove(at)).is_some()
    }

    fn saw(&mut self, gone: impl Fn(&RoleAssignment) -> bool) {
        self.happened += 1;
        let there: BTreeSet<&AssignmentId> = self.held.iter().map(|held| &held.id).collect();
        for (_, taken) in &self.taken {
            if gone(taken) && !there.contains(&taken.id) {
                self.seen_gone.insert(taken.id.clone(), self.happened);
            }
        }
    }

    fn keeps_an_administrator(&self) -> bool {
        let administrator = role_id(ROLES[0]);
        let mut held = self.held.iter();
        held.any(|it| it.role_definition_id == administrator && it.principal_id == id_of(0))
    }

    /// A call to take something away arrives: none may that is forbidden.
    fn asked_to_take(&mut self, id: &AssignmentId) -> Option<usize> {
        self.happened += 1;
        self.asked.insert(id.clone(), self.happened);
        let rules = self.rules;
        if self.stopped {
            self.wrong.push("written while stopped".to_owned());
        }
        if rules.mode != Mode::Enforce {
            self.wrong.push(format!("written in {}", rules.mode));
        }
        if self.now < begin() + minutes(rules.planned_until) {
            self.wrong.push("written during a planned change".to_owned());
        }
        let at = self.held.iter().position(|held| held.id == *id)?;
        let holder = (0..HOLDERS.len()).find(|n| id_of(*n) == self.held[at].principal_id).unwrap();
        if !HOLDERS[holder].2 {
            self.wrong.push(format!("taken from {}", HOLDERS[holder].0));
        }
        if self.held[at].role_definition_id == role_id(ROLES[0]) && !self.keeps_an_administrator() {
            self.wrong.push("nobody of the tenant's own is Global Administrator".to_owned());
        }
        let since = self.now - SignedDuration::from_hours(1);
        let within = self.taken.iter().filter(|(at, _)| *at > since).count();
        if within >= rules.limit {
            self.wrong.push(format!("{within} were taken away within the hour, and one more"));
        }
        Some(at)
    }

    fn take(&mut self, at: Option<usize>) {
        if let Some(at) = at {
            let held = self.held.remove(at);
            self.taken.push((self.now, held));
        }
    }
}

fn user(upn: &str) -> User {
    User {
        user_principal_name: Some(upn.to_owned()),
        account_enabled: Some(true),
        ..User::default()
    }
}

/// All ports to the tenant.
struct Tenant {
    town: Mutex<Town>,
    stop: StopFile,
}

impl Tenant {
    fn town(&self) -> MutexGuard<'_, Town> {
        self.town.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failed(kind: Failure) -> PortError {
    PortError::new(kind, "a fault")
}

impl Clock for Tenant {
    fn now(&self) -> Timestamp {
        self.town().now
    }
}

/// The real switch, as the tenant hears of it.
#[async_trait]
impl StopSwitch for Tenant {
    async fn stopped(&self) -> Result<Option<Stop>, PortError> {
        self.stop.stopped().await
    }
}

#[async_trait]
impl ReadRoles for Tenant {
    async fn assignments(&self, _: TenantId) -> Listed<RoleAssignment> {
        let mut town = self.town();
        if town.meets(Fault::Unread) {
            let half = town.held.len() / 2;
            return Listed::new(town.held[..half].to_vec(), [failed(Failure::Transient)]);
        }
        town.saw(|_| true);
        Listed::new(town.held.clone(), [])
    }

    async fn assignments_of(
        &self,
        _: TenantId,
        principal: &PrincipalId,
    ) -> Result<Vec<RoleAssignment>, PortError> {
        let mut town = self.town();
        if town.meets(Fault::UnreadAgain) {
            return Err(failed(Failure::Transient));
        }
        town.saw(|taken| taken.principal_id == *principal);
        Ok(town.held.iter().filter(|held| held.principal_id == *principal).cloned().collect())
    }

    async fn definitions(&self, _: TenantId) -> Listed<RoleDefinition> {
        Listed::nothing()
    }
}

#[async_trait]
impl ReadObjects for Tenant {
    async fn objects(
        &self,
        _: TenantId,
        ids: &[PrincipalId],
    ) -> Listed<(PrincipalId, DirectoryObject)> {
        if self.town().meets(Fault::Unresolved) {
            return Listed::failed(failed(Failure::Transient));
        }
        let objects = HOLDERS.iter().enumerate().map(|(n, (name, upn, _))| {
            let object = if upn.is_empty() {
                DirectoryObject::PartnerReference(PartnerReference {
                    display_name: Some((*name).to_owned()),
                    external_partner_tenant_id: Some(CONTOSO.to_owned()),
                    ..PartnerReference::default()
                })
            } else {
                DirectoryObject::User(user(upn))
            };
            (id_of(n), object)
        });
        Listed::new(objects.filter(|(id, _)| ids.contains(id)).collect(), [])
    }

    async fn unit_names(&self, _: TenantId, _: &[PrincipalId]) -> Vec<(PrincipalId, String)> {
        Vec::new()
    }
}

#[async_trait]
impl ReadUsers for Tenant {
    async fn guests(&self, _: TenantId) -> Listed<(PrincipalId, User)> {
        let all = HOLDERS.iter().enumerate().filter(|(_, (_, upn, _))| upn.contains("#EXT#"));
        Listed::new(all.map(|(n, (_, upn, _))| (id_of(n), user(upn))).collect(), [])
    }

    async fn accounts(
        &self,
        _: TenantId,
        names: &[AccountName],
    ) -> Listed<(AccountName, GivenAccount)> {
        let found = names.iter().map(|name| {
            let n = HOLDERS.iter().position(|(_, upn, _)| upn.to_lowercase() == name.as_str());
            let present =
                |n: usize| GivenAccount::Present { id: id_of(n), user: user(HOLDERS[n].1) };
            (name.clone(), n.map_or(GivenAccount::Missing, present))
        });
        Listed::new(found.collect(), [])
    }

    async fn sign_ins(
        &self,
        _: TenantId,
        _: &[PrincipalId],
    ) -> Listed<(PrincipalId, Option<SignIn>)> {
        Listed::nothing()
    }
}

/// What this tenant has none of.
macro_rules! nothing {
    ($($port:ident { $(fn $name:ident($($argument:ty),*) -> $listed:ty;)+ })+) => {
        $(
            #[async_trait]
            impl $port for Tenant {
                $(
                    async fn $name(&self, _: TenantId $(, _: $argument)*) -> Listed<$listed> {
                        Listed::nothing()
                    }
                )+
            }
        )+
    };
}

nothing! {
    ReadActiveSchedules { fn active() -> ScheduleInstance; }
    ReadEligibleSchedules { fn eligible() -> ScheduleInstance; }
    ReadGroupMembers {
        fn members(&[PrincipalId]) -> (PrincipalId, Vec<Member>);
        fn direct_members(&[PrincipalId]) -> (PrincipalId, BTreeSet<PrincipalId>);
        fn memberships(&[PrincipalId]) -> (PrincipalId, BTreeSet<PrincipalId>);
    }
    ReadPartnerApps {
        fn partner_apps(&[PartnerId]) -> PartnerApp;
        fn app_sign_ins(&[PrincipalId]) -> (PrincipalId, Option<SignIn>);
    }
    ReadGovernance { fn governance() -> GovernanceRelationship; }
    ReadRelationships {
        fn relationships() -> DelegatedAdminRelationship;
        fn relationships_now(&[String]) -> DelegatedAdminRelationship;
    }
    ReadCustomers { fn customers() -> Customer; }
}

#[async_trait]
impl ReadCrossTenantAccess for Tenant {
    async fn partner_entries(&self, _: TenantId) -> Listed<PartnerEntry> {
        Listed::nothing()
    }

    async fn default_trust(&self, _: TenantId) -> Result<InboundTrust, PortError> {
        Ok(InboundTrust::default())
    }

    async fn constraints(
        &self,
        _: TenantId,
        _: &[PartnerId],
    ) -> Listed<(PartnerId, ServiceProviderConstraints)> {
        Listed::nothing()
    }
}

#[async_trait]
impl ReadConditionalAccess for Tenant {
    async fn policies(&self, _: TenantId) -> Listed<Value> {
        Listed::nothing()
    }

    async fn security_defaults(&self, _: TenantId) -> Result<bool, PortError> {
        Ok(true)
    }
}

#[async_trait]
impl ReadTenantNames for Tenant {
    async fn tenant_name(&self, _: TenantId, _: PartnerId) -> Option<String> {
        None
    }
}

#[async_trait]
impl ReadServicePrincipals for Tenant {
    async fn service_principal(
        &self,
        _: TenantId,
        _: &str,
    ) -> Result<Option<PrincipalId>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl ReadAuditContent for Tenant {
    async fn audit_content(&self, _: TenantId, _: &str) -> Result<Bytes, PortError> {
        Err(failed(Failure::Gone))
    }
}

#[async_trait]
impl RevokeRoleAssignment for Tenant {
    async fn revoke(&self, _: &Step, _: TenantId, id: &AssignmentId) -> Result<Outcome, PortError> {
        let (at, stops) = {
            let mut town = self.town();
            let at = town.asked_to_take(id);
            let stops = std::mem::take(&mut town.stop_while_writing).then_some(town.now);
            town.stopped |= stops.is_some();
            (at, stops)
        };
        if let Some(now) = stops {
            self.stop.stop(&Stop::new("while it writes", now)).await.unwrap();
        }
        let mut town = self.town();
        if town.meets(Fault::Before) {
            return Err(failed(Failure::Transient));
        }
        if town.meets(Fault::Denied) {
            return Err(failed(Failure::Denied));
        }
        let outcome = |state, acted_at| Outcome { state, detail: None, request_id: None, acted_at };
        if town.meets(Fault::Refused) {
            return Ok(outcome(StepState::Refused, None));
        }
        town.take(at);
        if town.meets(Fault::After) {
            return Err(failed(Failure::Transient));
        }
        Ok(outcome(StepState::Revoked, Some(town.now)))
    }
}

/// The pipeline about the tenant.
struct Run {
    tenant: Arc<Tenant>,
    world: World,
    store: Arc<Sqlite>,
    _folder: tempfile::TempDir,
}

impl Run {
    fn new(rules: Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(Sqlite::open(&path).unwrap());
        let stop = StopFile::beside(&path);
        let tenant = Arc::new(Tenant { town: Mutex::new(Town::new(rules)), stop });
        let readers = Readers {
            roles: tenant.clone(),
            active: tenant.clone(),
            eligible: tenant.clone(),
            objects: tenant.clone(),
            users: tenant.clone(),
            groups: tenant.clone(),
            partner_apps: tenant.clone(),
            cross_tenant_access: tenant.clone(),
            conditional_access: tenant.clone(),
            governance: tenant.clone(),
            tenant_names: tenant.clone(),
            relationships: tenant.clone(),
            customers: tenant.clone(),
            delegated_access: None,
        };
        let recorder = Writers::all(&Arc::new(Recorder));
        let writers = match rules.mode {
            Mode::Observe => recorder,
            Mode::Approve | Mode::Enforce => Writers { roles: tenant.clone(), ..recorder },
        };
        let world = World {
            clock: tenant.clone(),
            readers,
            service_principals: tenant.clone(),
            audit_content: tenant.clone(),
            writers,
            ledger: store.clone(),
            marks: store.clone(),
            stop: tenant.clone(),
            policy: Arc::new(rules.policy()),
            own_apps: vec!["own".to_owned()],
            read_again: READ_AGAIN.to_vec(),
            decisions: None,
        };
        Self { tenant, world, store, _folder: folder }
    }

    async fn happens(&self, event: Event) {
        let town = || self.tenant.town();
        match event {
            Event::Given { holder, role } => town().give(holder, role),
            Event::Signal => self.look().await,
            Event::Verify => self.verify().await,
            Event::Pass(passed) => {
                let mut town = town();
                town.now += minutes(passed);
            }
            Event::Stop => {
                let now = {
                    let mut town = town();
                    town.stopped = true;
                    town.now
                };
                self.tenant.stop.stop(&Stop::new("INC-7", now)).await.unwrap();
            }
            Event::Resume => {
                town().stopped = false;
                self.tenant.stop.resume().await.unwrap();
            }
            Event::StopWhileWriting => town().stop_while_writing = true,
            Event::ComesBack => {
                let mut town = town();
                let last = town.taken.last().map(|(_, last)| last.clone());
                let back = last.filter(|last| !town.held.contains(last));
                town.held.extend(back);
            }
            Event::Fault(fault) => town().faults.push(fault),
        }
        self.holds(event).await;
    }

    async fn look(&self) {
        let look = Look { tenant: WOODGROVE.parse().unwrap(), waiting: Vec::new() };
        respond(&self.world, &look).await.unwrap();
    }

    async fn verify(&self) {
        let due = self.store.due_verifications(self.world.clock.now()).await.unwrap();
        if !due.is_empty() {
            verify(&self.world, WOODGROVE.parse().unwrap(), &due).await.unwrap();
        }
    }

    /// What must hold at any moment.
    async fn holds(&self, after: Event) {
        let cases = self.store.cases(WOODGROVE.parse().unwrap()).await.unwrap();
        let town = self.tenant.town();
        assert!(town.wrong.is_empty(), "after {after:?}: {:?}", town.wrong);
        for id in verified(&cases) {
            let asked = town.asked.get(&id).copied().unwrap_or_default();
            let seen = town.seen_gone.get(&id).copied().unwrap_or_default();
            assert!(seen > asked || asked == 0, "{} is called gone and was not seen so", id.0);
        }
    }

    /// All faults are over, nothing is stopped or planned, and time passes until nothing changes.
    async fn settles(&self) -> BTreeSet<(String, String)> {
        self.tenant.town().faults.clear();
        self.tenant.town().stop_while_writing = false;
        self.happens(Event::Resume).await;
        // What is refused for a partner's group is tried again after a day.
        for passed in [24 * 60, 61, 61, 24 * 60, 61, 61] {
            self.happens(Event::Pass(passed)).await;
            self.happens(Event::Signal).await;
            for again in [0, 1, 2, 10, 61] {
                self.happens(Event::Pass(again)).await;
                self.happens(Event::Verify).await;
            }
        }
        let town = self.tenant.town();
        let held = town.held.iter();
        held.map(|it| (it.principal_id.as_str().to_owned(), it.role_definition_id.clone()))
            .collect()
    }
}

/// The assignments that cases call gone.
fn verified(cases: &[Case]) -> impl Iterator<Item = AssignmentId> {
    let rows = cases
        .iter()
        .flat_map(|case| &case.rows)
        .filter(|row| row.step.as_ref().is_some_and(|step| step.state == StepState::Verified));
    rows.filter_map(|row| row.findings.first()?.grant.as_ref()?.assignment().cloned())
}

fn events() -> impl Strategy<Value = Event> {
    let given = (0..HOLDERS.len(), 0..ROLES.len());
    prop_oneof![
        4 => given.prop_map(|(holder, role)| Event::Given { holder, role }),
        4 => Just(Event::Signal),
        3 => Just(Event::Verify),
        2 => select(vec![0, 1, 5, 30, 59, 60, 61]).prop_map(Event::Pass),
        1 => Just(Event::Stop),
        1 => Just(Event::Resume),
        1 => Just(Event::StopWhileWriting),
        1 => Just(Event::ComesBack),
        3 => select(FAULTS.to_vec()).prop_map(Event::Fault),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let mode = prop_oneof![
        8 => Just(Mode::Enforce),
        1 => Just(Mode::Approve),
        1 => Just(Mode::Observe),
    ];
    (mode, select(vec![0, 1, 2, 3, 50]), select(vec![0, 0, 1, 60]))
        .prop_map(|(mode, limit, planned_until)| Rules { mode, limit, planned_until })
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// How many histories are tried; each takes some milliseconds.
fn histories(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(histories(100))]

    #[test]
    fn nothing_forbidden_is_done_and_nothing_false_is_claimed(
        rules in rules(),
        events in vec(events(), 1..30),
    ) {
        wait(async {
            let run = Run::new(rules);
            for event in events {
                run.happens(event).await;
            }
            run.settles().await;
        });
    }
}

proptest! {
    #![proptest_config(histories(30))]

    #[test]
    fn whatever_the_order_the_end_is_the_same(
        (events, turned) in vec(events(), 1..20).prop_flat_map(|events| {
            (Just(events.clone()), Just(events).prop_shuffle())
        }),
    ) {
        let rules = Rules { mode: Mode::Enforce, limit: 1000, planned_until: 0 };
        // What comes back under its own id is left to a person after a while, so that it matters
        // how often it was seen.
        let counts = |event: &Event| !matches!(event, Event::ComesBack);
        let end = |events: Vec<Event>| wait(async {
            let run = Run::new(rules);
            for event in events.into_iter().filter(counts) {
                run.happens(event).await;
            }
            run.settles().await
        });
        let (one, other) = (end(events), end(turned));
        prop_assert_eq!(&one, &other);
        // With somebody of the tenant's own in charge, nothing is left with the partner.
        let megan_is = (id_of(0).as_str().to_owned(), role_id(ROLES[0]));
        if one.contains(&megan_is) {
            let takeable: Vec<PrincipalId> =
                (0..HOLDERS.len()).filter(|n| HOLDERS[*n].2).map(id_of).collect();
            prop_assert!(one.iter().all(|(id, _)| takeable.iter().all(|it| it.as_str() != id)));
        }
    }
}

//! How long judging takes for each grant, and whether that stays the same as a tenant grows.
//!
//! Tenants with 100, 10,000 and 1,000,000 grants go through `grants`, `findings` and `plan`. A
//! tenth of the grants breaks the policy. What counts is the last column: near 1, time grows with
//! the number of grants and no faster. Some of its rise is the memory's, which is slower the more
//! of it is used.
//!
//! `make bench-findings` runs it; with numbers behind it (`-- 1000 100000`), tenants of those sizes.
//! It fails where a grant costs more than four times as much in the largest tenant as in the one with
//! 10,000 (or the smallest above): a rule that goes through all grants for each of them would cost a
//! hundred times as much. Both are measured in the same run, so the machine's speed makes no
//! difference.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use partner_warden::domain::facts::{
    AppRoleAssignment, DirectoryObject, Facts, Group, Member, PartnerApp, PartnerEntry,
    PartnerReference, RoleAssignment, ScheduleInstance, ServicePrincipal, User,
};
use partner_warden::domain::finding::findings;
use partner_warden::domain::grant::grants;
use partner_warden::domain::id::{AssignmentId, PrincipalId};
use partner_warden::domain::plan::{Circumstances, History, plan};
use partner_warden::domain::policy::Policy;
use partner_warden::domain::role;

const SIZES: [usize; 4] = [100, 10_000, 100_000, 1_000_000];

/// The least size from which on a grant may not cost more than [`GROWTH_MAX`] times as much in any
/// larger one. Below, what is done once for a tenant counts.
const COMPARED_FROM: usize = 10_000;

/// How many times as much a grant may cost in the largest tenant.
const GROWTH_MAX: f64 = 4.0;

/// Partners the policy names.
const PARTNERS: usize = 20;

/// How long each size is measured at the least, and how often at the most.
const AT_LEAST: Duration = Duration::from_secs(2);
const AT_MOST: u32 = 20_000;

const READER: &str = "Directory Readers";
const ADMINISTRATOR: &str = "Exchange Administrator";
const MAIL_READ_WRITE: &str = "e2a3a72e-5f79-4c64-b1b1-878b674786c9";

fn main() -> ExitCode {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    let policy = Policy::parse(&policy()).expect("the policy is sound").policy;
    let tenant = &policy.roster.tenants[0];
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a moment");
    let history = History::default();
    let about = Circumstances {
        policy: &policy,
        tenant,
        history: &history,
        own_apps: &[],
        stopped: None,
        now,
    };

    println!("{:>9}  {:8}  {:>12}  {:>7}", "grants", "stage", "ns for each", "ratio");
    let mut before: [Option<f64>; 3] = [None; 3];
    let mut measured: Vec<(usize, &str, f64)> = Vec::new();
    for size in sizes {
        let facts = facts(size);
        assert_eq!(grants(&facts, tenant).len(), size, "each is a grant");
        let broken =
            findings(&facts, tenant, &policy, now).iter().filter(|it| it.grant.is_some()).count();
        assert!(broken >= size / 10, "a tenth breaks the policy");
        let stages: [(&str, &dyn Fn() -> Duration); 3] = [
            ("grants", &|| timed(|| grants(&facts, tenant))),
            ("findings", &|| timed(|| findings(&facts, tenant, &policy, now))),
            ("plan", &|| timed(|| plan(&facts, about))),
        ];
        for ((name, run), before) in stages.into_iter().zip(&mut before) {
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
            let each = mean(run).as_secs_f64() * 1e9 / size as f64;
            let ratio = before.map_or_else(String::new, |before| format!("{:.2}", each / before));
            println!("{size:>9}  {name:8}  {each:>12.0}  {ratio:>7}");
            *before = Some(each);
            measured.push((size, name, each));
        }
    }
    verdict(&measured)
}

/// Compares the largest size with the smallest that is compared, stage by stage.
fn verdict(measured: &[(usize, &str, f64)]) -> ExitCode {
    let sizes = || measured.iter().map(|(size, ..)| *size).filter(|size| *size >= COMPARED_FROM);
    let (Some(small), Some(large)) = (sizes().min(), sizes().max()) else {
        return ExitCode::SUCCESS;
    };
    let of = |wanted: usize| measured.iter().filter(move |(size, ..)| *size == wanted);
    let mut grown = false;
    for ((_, name, one), (.., other)) in of(small).zip(of(large)) {
        let growth = other / one;
        if growth > GROWTH_MAX {
            grown = true;
            println!(
                "{name}: a grant costs {growth:.1} times as much among {large} as among {small}, \
                 and may cost {GROWTH_MAX} times as much: something grows faster than the tenant"
            );
        }
    }
    if grown { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// How long `work` takes, without getting rid of what it made.
fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = spent();
    let made = black_box(work());
    let took = spent().saturating_sub(begun);
    drop(made);
    took
}

/// The time this thread has had a processor, where Linux tells; else the time that went by, in
/// which others may have had it.
fn spent() -> Duration {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| BEGUN.elapsed(), Duration::from_nanos)
}

/// The mean of as many runs as fit into [`AT_LEAST`]; the processor's time is counted in steps of
/// some milliseconds, which one short run would fall through.
fn mean(run: &dyn Fn() -> Duration) -> Duration {
    let mut total = run();
    let mut runs = 1;
    while total < AT_LEAST && runs < AT_MOST {
        total += run();
        runs += 1;
    }
    total / runs
}

fn policy() -> String {
    let partners: Vec<String> = (0..PARTNERS)
        .map(|n| {
            format!(
                "      - id: {}\n        name: Partner {n}\n        domains: [partner{n}.example]\n        \
                 accounts: [svc{n}@woodgrove.example]\n        allow: {{roles: [{READER}, \
                 {MAIL_READ_WRITE}]}}\n        require: {{maxDuration: P1000D}}\n",
                partner(n)
            )
        })
        .collect();
    let partners = partners.concat();
    format!(
        "version: 1\nmode: enforce\ntenants:\n  - id: 11111111-1111-1111-1111-111111111111\n    \
         name: Woodgrove\n    partners:\n{partners}respond: {{role-not-allowed: {{do: revoke}}}}\n"
    )
}

fn partner(n: usize) -> String {
    format!("22222222-0000-4000-8000-{n:012x}")
}

fn definition(role: &str) -> String {
    role::by_name(role).expect("a role").template_id.to_string()
}

/// A tenant with so many grants, in about the mixture of a large one, and with more service
/// providers and groups the larger it is.
fn facts(size: usize) -> Facts {
    let mut facts = Facts::default();
    for n in 0..size.div_ceil(100) {
        facts.partner_entries.push(PartnerEntry {
            tenant_id: partner(n),
            is_service_provider: Some(true),
            ..PartnerEntry::default()
        });
    }
    for n in 0..size {
        add(&mut facts, n);
    }
    facts
}

fn add(facts: &mut Facts, n: usize) {
    let id = PrincipalId::new(&format!("33333333-0000-4000-8000-{n:012x}"));
    let whose = n / 10 % PARTNERS;
    let group = DirectoryObject::PartnerReference(PartnerReference {
        display_name: Some(format!("Agents {n}")),
        external_partner_tenant_id: Some(partner(whose)),
        object_type: Some("Group".to_owned()),
    });
    let user = User {
        display_name: Some(format!("Guest {n}")),
        user_principal_name: Some(format!("g{n}_partner{whose}.example#EXT#@woodgrove.example")),
        mail: Some(format!("g{n}@partner{whose}.example")),
        user_type: Some("Guest".to_owned()),
        account_enabled: None,
    };
    let guest = DirectoryObject::User(user.clone());
    match n % 10 {
        0..=3 => hold(facts, id, group, READER, true),
        4 | 5 => {
            facts.guests.insert(id.clone(), user);
            hold(facts, id, guest, READER, true);
        }
        6 => {
            facts.guests.insert(id.clone(), user);
            facts.eligible.push(schedule(&id, READER));
            facts.objects.insert(id, guest);
        }
        7 => {
            let within = PrincipalId::new(&format!("44444444-0000-4000-8000-{:012x}", n / 1000));
            if !facts.objects.contains_key(&within) {
                let named = Group::named(&format!("Readers {n}"));
                hold(facts, within.clone(), DirectoryObject::Group(named), READER, true);
            }
            facts.guests.insert(id.clone(), user);
            facts.members.entry(within).or_default().push(Member { id, object: guest });
        }
        8 => facts.apps.push(PartnerApp {
            id,
            app: ServicePrincipal {
                display_name: Some(format!("App {n}")),
                app_id: None,
                app_owner_organization_id: Some(partner(whose)),
            },
            app_roles: vec![AppRoleAssignment {
                id: AssignmentId(format!("permission-{n}")),
                app_role_id: MAIL_READ_WRITE.to_owned(),
                resource_display_name: Some("Microsoft Graph".to_owned()),
                resource_id: None,
            }],
        }),
        _ => hold(facts, id, group, ADMINISTRATOR, false),
    }
}

fn hold(facts: &mut Facts, id: PrincipalId, object: DirectoryObject, role: &str, ends: bool) {
    facts.assignments.push(RoleAssignment {
        id: AssignmentId(format!("assignment-{id}")),
        principal_id: id.clone(),
        role_definition_id: definition(role),
        directory_scope_id: "/".to_owned(),
        principal_organization_id: None,
    });
    if ends {
        facts.active.push(schedule(&id, role));
    }
    facts.objects.insert(id, object);
}

fn schedule(id: &PrincipalId, role: &str) -> ScheduleInstance {
    ScheduleInstance {
        id: AssignmentId(format!("schedule-{id}")),
        principal_id: id.clone(),
        role_definition_id: definition(role),
        directory_scope_id: "/".to_owned(),
        end_date_time: "2027-11-23T12:00:00Z".parse().ok(),
        member_type: Some("Direct".to_owned()),
        assignment_type: Some("Assigned".to_owned()),
        role_assignment_origin_id: Some(AssignmentId(format!("assignment-{id}"))),
    }
}

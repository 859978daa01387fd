//! What happens, made at random.

use partner_warden::domain::approval::Answer;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::cast::{CUSTOMERS, HOLDERS, KEPT, MEGAN, MSP, PAT, ROLES, SVC, Sort, TENANTS};
use super::state::{Given, WAYS, Way};

/// What happens.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A role is given in a tenant, under an id of its own.
    Given(usize, Given),
    /// People take away what was given last to a partner, by other means than this program.
    Withdrawn(usize),
    /// A relationship of the partner's own tenant.
    Related {
        customer: usize,
        roles: Vec<usize>,
        extends: bool,
    },
    /// An account is called otherwise from now on.
    Renamed(usize, usize),
    /// Nobody of the tenant's own is Global Administrator any more.
    Demoted(usize),
    /// What was taken away last is there again under its own id.
    ComesBack(usize),
    /// An audit event about somebody comes in, this many times.
    Signal {
        tenant: usize,
        holder: usize,
        times: usize,
    },
    /// The periodic look.
    Sweep(usize),
    /// The worker does what is due.
    Work,
    /// The periodic look, at once.
    Look(usize),
    /// What is due is read again.
    Verify,
    /// The same at each time at which it is due, to the last; this may not be read meanwhile.
    VerifyToTheLast(Option<Read>),
    /// What was taken away last comes back, is found, taken away and seen to be gone, so many times.
    ComesBackAndGoes(usize, usize),
    /// This is never read from now on, until all can be read again.
    Blind(Read, Cause),
    Sighted,
    /// Messages are sent.
    Deliver,
    /// A person answers the question that was asked last but so many.
    Decide {
        back: usize,
        answer: Answer,
        person: usize,
    },
    /// The periodic look, after which a person answers the question that was asked last, if one
    /// was, and another look.
    Answered {
        tenant: usize,
        answer: Answer,
        person: usize,
    },
    /// A role is given, and the periodic look, at whose writes this happens.
    GivenAmid(Fault, usize, Given),
    /// Time passes, in minutes.
    Pass(i64),
    Stop,
    Resume,
    /// The switch is engaged while the next write is under way.
    StopWhileWriting,
    /// The process is started anew.
    Restart,
    /// The process is killed once it has come so many steps further.
    KilledAfter(usize),
    /// The next call that can meets a fault.
    Fault(Fault),
}

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A write fails, and nothing came of it (500, 409, 412).
    Before,
    /// A write comes at the wrong time (429).
    Throttled,
    /// A write fails, though it took effect.
    After,
    /// Graph refuses to take a grant away (400, 403).
    Refused,
    /// Graph refuses to do anything else.
    RefusedOther,
    /// This program is not let in (401).
    Denied,
    /// Graph says that it is done, and nothing came of it.
    Idle,
    /// It is read in part.
    Unread(Read, Cause),
    /// What is read is as it was before the last change.
    Lagging(Read),
    /// Nobody can tell whether all is stopped.
    StopUnreadable,
    /// A sink takes nothing, or takes it and does not say so.
    SinkDown,
    SinkLost,
}

/// Why something is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Broken,
    Throttled,
    Denied,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Read {
    Assignments,
    AssignmentsOf,
    Active,
    Eligible,
    Objects,
    Guests,
    Accounts,
    SignIns,
    Members,
    DirectMembers,
    Apps,
    Policies,
    Relationships,
}

pub(super) const READS: [Read; 13] = [
    Read::Assignments,
    Read::AssignmentsOf,
    Read::Active,
    Read::Eligible,
    Read::Objects,
    Read::Guests,
    Read::Accounts,
    Read::SignIns,
    Read::Members,
    Read::DirectMembers,
    Read::Apps,
    Read::Policies,
    Read::Relationships,
];

/// What shows whether something is gone.
const PROVING: [Read; 5] =
    [Read::AssignmentsOf, Read::AssignmentsOf, Read::Members, Read::SignIns, Read::Eligible];

/// What may lag behind.
const LAGGING: [Read; 5] =
    [Read::Assignments, Read::AssignmentsOf, Read::Active, Read::Members, Read::Apps];

fn on_writes() -> impl Strategy<Value = Fault> + Clone {
    use Fault::{After, Before, Denied, Idle, Refused, RefusedOther, Throttled};
    let lost = [After, After, After];
    let refused = [Refused, Refused, RefusedOther, Denied];
    select([&[Before, Throttled, Idle, Idle], &lost[..], &refused[..]].concat())
}

fn faults() -> impl Strategy<Value = Fault> {
    use Fault::{Lagging, SinkDown, SinkLost, StopUnreadable, Unread};
    let causes = vec![Cause::Broken, Cause::Throttled, Cause::Denied];
    prop_oneof![
        8 => on_writes(),
        6 => (select(READS.to_vec()), select(causes)).prop_map(|(read, why)| Unread(read, why)),
        2 => select(LAGGING.to_vec()).prop_map(Lagging),
        1 => Just(StopUnreadable),
        2 => select(vec![SinkDown, SinkLost]),
    ]
}

fn given() -> impl Strategy<Value = Given> {
    let ways = prop_oneof![2 => Just(Way::Assigned), 5 => select(WAYS.to_vec())];
    let app = HOLDERS.iter().position(|it| matches!(it.sort, Sort::App(_))).unwrap();
    prop_oneof![
        12 => (0..HOLDERS.len(), 0..ROLES.len(), ways),
        1 => (0..ROLES.len()).prop_map(move |role| (app, role, Way::Permitted)),
    ]
}

/// Anything at all.
pub(super) fn events() -> impl Strategy<Value = Event> {
    let customer = || select(CUSTOMERS.to_vec());
    let renamed = select(vec![PAT, KEPT, SVC, MEGAN]);
    let answer = prop_oneof![2 => Just(Answer::Approve), 1 => Just(Answer::Refuse)];
    let decided = (0..2_usize, answer.clone(), 0..3_usize);
    let answered = (customer(), answer, 0..3_usize);
    prop_oneof![
        12 => (customer(), given()).prop_map(|(tenant, given)| Event::Given(tenant, given)),
        1 => customer().prop_map(|tenant| {
            Event::Given(tenant, (MEGAN, 0, Way::Assigned))
        }),
        1 => customer().prop_map(Event::Withdrawn),
        6 => (on_writes(), customer(), given())
            .prop_map(|(fault, tenant, given)| Event::GivenAmid(fault, tenant, given)),
        1 => related(),
        1 => (customer(), renamed).prop_map(|(tenant, holder)| Event::Renamed(tenant, holder)),
        1 => customer().prop_map(Event::Demoted),
        3 => customer().prop_map(Event::ComesBack),
        4 => signal(),
        3 => (0..TENANTS.len()).prop_map(Event::Sweep),
        6 => Just(Event::Work),
        9 => select(vec![0, 0, 1, 1, MSP]).prop_map(Event::Look),
        4 => Just(Event::Verify),
        3 => option::of(select(PROVING.to_vec())).prop_map(Event::VerifyToTheLast),
        2 => (customer(), 1..6_usize).prop_map(|(tenant, times)| {
            Event::ComesBackAndGoes(tenant, times)
        }),
        2 => blind(),
        2 => Just(Event::Sighted),
        2 => Just(Event::Deliver),
        4 => answered.prop_map(|(tenant, answer, person)| {
            Event::Answered { tenant, answer, person }
        }),
        3 => decided.prop_map(|(back, answer, person)| Event::Decide { back, answer, person }),
        4 => select(vec![0, 1, 5, 30, 59, 60, 61, 24 * 60]).prop_map(Event::Pass),
        1 => Just(Event::Stop),
        2 => Just(Event::Resume),
        1 => Just(Event::StopWhileWriting),
        1 => Just(Event::Restart),
        2 => (1..30_usize).prop_map(Event::KilledAfter),
        9 => faults().prop_map(Event::Fault),
    ]
}

fn blind() -> impl Strategy<Value = Event> {
    let reads = vec![
        Read::AssignmentsOf,
        Read::AssignmentsOf,
        Read::Accounts,
        Read::SignIns,
        Read::Members,
        Read::DirectMembers,
    ];
    (select(reads), select(vec![Cause::Broken, Cause::Denied]))
        .prop_map(|(read, why)| Event::Blind(read, why))
}

fn signal() -> impl Strategy<Value = Event> {
    let place = (select(CUSTOMERS.to_vec()), 0..HOLDERS.len());
    (place, 1..4_usize).prop_map(|((tenant, holder), times)| Event::Signal {
        tenant,
        holder,
        times,
    })
}

fn related() -> impl Strategy<Value = Event> {
    let roles = subsequence((0..ROLES.len()).collect::<Vec<_>>(), 1..4);
    (select(CUSTOMERS.to_vec()), roles, any::<bool>())
        .prop_map(|(customer, roles, extends)| Event::Related { customer, roles, extends })
}

/// Whether an event leads to the same end whenever it happens.
///
/// What people take away, what comes back and is left to a person after a while, whose word was
/// given about what, and what Graph refuses or pretends to do for whoever comes next: there it
/// matters how far things were; what could not be read for long is left to a person too. A protected account that is renamed holds others back.
pub(super) fn leads_to_the_same_end(event: &Event) -> bool {
    match event {
        Event::Withdrawn(_)
        | Event::Renamed(..)
        | Event::Demoted(_)
        | Event::ComesBack(_)
        | Event::ComesBackAndGoes(..)
        | Event::VerifyToTheLast(Some(_))
        | Event::Blind(..)
        | Event::Answered { .. }
        | Event::Decide { .. }
        | Event::GivenAmid(Fault::Idle | Fault::RefusedOther, ..)
        | Event::Fault(Fault::Idle | Fault::RefusedOther | Fault::Lagging(_)) => false,
        Event::Given(..)
        | Event::GivenAmid(..)
        | Event::Related { .. }
        | Event::Signal { .. }
        | Event::Sweep(_)
        | Event::Work
        | Event::Look(_)
        | Event::Verify
        | Event::VerifyToTheLast(None)
        | Event::Sighted
        | Event::Deliver
        | Event::Pass(_)
        | Event::Stop
        | Event::Resume
        | Event::StopWhileWriting
        | Event::Restart
        | Event::KilledAfter(_)
        | Event::Fault(_) => true,
    }
}

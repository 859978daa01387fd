//! What tickets have to say: that they are there, and what those decided who work with them.
//!
//! That a ticket may have changed is a reason to read it, and nothing more: what is decided is read
//! from its system. A ticket answers the same question as the page of decisions does, in the same
//! way and once. The tickets of a tenant in which people are asked are read again every minute too,
//! since what a system calls back with may be lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::World;
use super::deliver::{BUSY, Counter, Desk, LEFT_ALONE};
use crate::domain::approval::{Answer, Asked, Decision, NotDecided};
use crate::domain::case::Case;
use crate::domain::id::{SinkName, TenantId};
use crate::domain::plan::StepState;
use crate::domain::roster::Tenant;
use crate::domain::signal::Subject;
use crate::domain::ticket::answer::{Asks, Shown, may_decide};
use crate::domain::ticket::open_question;
use crate::domain::ticket::said::{Standing, TicketKey, TicketRef};
use crate::ports::ticket::{Class, SinkError, Teller, TicketSystem};
use crate::ports::{Decide, Look, PortError, Waiting, chain};

/// How often tickets are read again in which people are asked.
const POLL_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// How long reading them may take where nothing else waits, and where something does: whatever is
/// not read by then is read the next time, and nobody keeps access for longer because of a ticket
/// system that does not answer.
const WITHIN: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(5)];

/// Most of them that are read at a time, and at once.
const MOST: usize = 50;
const AT_ONCE: usize = 4;

/// How often a decision is tried while others decide about the same.
const RACES: usize = 5;

/// Where it is remembered what is asked in tickets.
const MARK: &str = "asked-in-tickets";

/// Where tickets are, and where it is written down what they decide.
pub struct Tickets {
    /// Where they are.
    pub desk: Arc<Desk>,
    /// What people are asked.
    pub decide: Arc<dyn Decide>,
}

/// What is remembered of a tenant beside its cases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    /// When something else passes for which steps wait, so that the tenant is to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    look_by: Option<Timestamp>,
    /// What is asked in tickets, by their keys.
    #[serde(default)]
    asks: BTreeMap<TicketKey, Asks>,
}

/// What there is to heed of what waits.
pub(super) struct Heed {
    /// What waits beside tickets.
    pub(super) rest: Vec<Waiting>,
    /// Whether tickets are a reason to look at the tenant.
    pub(super) news: bool,
    /// When tickets are to be read again, where that is all that steps which are held wait for.
    pub(super) poll: Option<Timestamp>,
}

/// Whether the tickets are there that have to be before anything is written, of cases that go on.
pub(super) async fn gates(
    world: &World,
    cases: &[Case],
) -> Result<BTreeMap<String, BTreeMap<SinkName, bool>>, PortError> {
    let mut known: BTreeMap<String, BTreeMap<SinkName, bool>> = BTreeMap::new();
    for case in cases {
        for ticket in &case.tickets {
            if case.goes_on() && gates_at(world, &ticket.sink) {
                let there = is_there(world, &ticket.key).await?;
                known.entry(case.partner.key()).or_default().insert(ticket.sink.clone(), there);
            }
        }
    }
    Ok(known)
}

fn gates_at(world: &World, sink: &SinkName) -> bool {
    world.policy.tickets.get(sink).is_some_and(|sink| sink.common.gate)
}

/// Where nobody knows of tickets, none is there.
async fn is_there(world: &World, key: &str) -> Result<bool, PortError> {
    let Some(tickets) = &world.tickets else { return Ok(false) };
    let link = tickets.desk.links.link(&TicketKey(key.to_owned())).await?;
    Ok(link.is_some_and(|link| link.is_there()))
}

/// Reads again the tickets that what waits is about, or all in which people are asked where it is
/// time to, and writes down what they decide.
///
/// # Errors
/// Those of the store. What a ticket system says is none.
pub(super) async fn heed(world: &World, tenant: &Tenant, look: &Look) -> Result<Heed, PortError> {
    let waiting = look.waiting.iter().cloned();
    let (about, rest): (Vec<Waiting>, Vec<Waiting>) =
        waiting.partition(|waiting| waiting.subject.is_a_ticket());
    let held = Subject::held();
    let polls = world.policy.decides_in_tickets() && rest.iter().any(|it| it.subject == held);
    let mut heed = Heed { rest, news: false, poll: None };
    let Some(tickets) = world.tickets.as_ref().filter(|_| polls || !about.is_empty()) else {
        return Ok(heed);
    };
    let cases = world.ledger.cases(tenant.id).await?;
    let about: BTreeSet<Subject> = about.into_iter().map(|waiting| waiting.subject).collect();
    heed.news = has_opened(world, &cases, &about).await?;
    let mut questions = questions(world, tickets, &cases);
    if questions.is_empty() {
        return Ok(heed);
    }
    let now = world.clock.now();
    let asking: BTreeSet<TicketKey> = questions.iter().map(|it| it.key.clone()).collect();
    questions.retain(|question| polls || about.contains(&Subject::ticket(&question.key)));
    // Where there are too many, others are the first in each minute.
    let first = usize::try_from(now.as_second().div_euclid(60)).unwrap_or(0);
    let first = first.checked_rem(questions.len()).unwrap_or(0);
    questions.rotate_left(first);
    questions.truncate(MOST);

    let (was, mut memory) = remembered(world, tenant.id).await?;
    let others = heed.rest.iter().any(|waiting| waiting.subject != held);
    let within = WITHIN[usize::from(others)];
    let read = read_all(tickets, &questions, &memory.asks, (now, within)).await?;
    memory.asks.retain(|key, _| asking.contains(key));
    for (at, read) in &read {
        if let (Some(question), Read::Shows { asks, .. }) = (questions.get(*at), read) {
            memory.asks.insert(question.key.clone(), asks.clone());
        }
    }
    let look_by = memory.look_by;
    // What a ticket still has to change outlives its answer; where somebody else has written, the
    // next reading tells.
    if remember(world, tenant.id, was, &memory).await? {
        for (at, read) in &read {
            let Some(question) = questions.get(*at) else { continue };
            heed.news |= match read {
                Read::Decided => true,
                Read::Shows { answer: Some(answer), standing, at, .. } => {
                    take(world, tickets, question, (*answer, standing, at)).await?
                }
                Read::Shows { answer: None, .. } => false,
            };
        }
    }
    if polls
        && !heed.news
        && let Some(by) = look_by.filter(|by| now < *by)
    {
        heed.rest.retain(|waiting| waiting.subject != held);
        heed.poll = Some(next_poll(now, by));
    }
    Ok(heed)
}

/// When tickets are read again, where something else passes at `by`.
pub(super) fn next_poll(now: Timestamp, by: Timestamp) -> Timestamp {
    (now + POLL_EVERY).min(by)
}

/// Whether anything is asked in tickets about these cases.
pub(super) fn are_asked(world: &World, cases: &[Case]) -> bool {
    let decides = |sink: &SinkName| {
        world.policy.tickets.get(sink).is_some_and(|sink| sink.common.decide.any())
    };
    let mut cases = cases.iter().filter(|case| case.sinks.iter().any(decides));
    world.tickets.is_some() && cases.any(|case| open_question(case).is_some())
}

/// Remembers when something else passes for which steps wait; nothing where that is not known.
pub(super) async fn look_by(
    world: &World,
    tenant: TenantId,
    by: Option<Timestamp>,
) -> Result<(), PortError> {
    for _ in 0..RACES {
        let (was, memory) = remembered(world, tenant).await?;
        if memory.look_by == by {
            return Ok(());
        }
        let memory = Memory { look_by: by, ..memory };
        if remember(world, tenant, was, &memory).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether a ticket is there for which steps wait that it was said to be about.
async fn has_opened(
    world: &World,
    cases: &[Case],
    about: &BTreeSet<Subject>,
) -> Result<bool, PortError> {
    for case in cases {
        for ticket in &case.tickets {
            if waits(case)
                && gates_at(world, &ticket.sink)
                && about.contains(&Subject::ticket(&TicketKey(ticket.key.clone())))
                && is_there(world, &ticket.key).await?
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn waits(case: &Case) -> bool {
    let mut steps = case.rows.iter().filter_map(|row| row.step.as_ref());
    steps.any(|step| step.state == StepState::Held && step.waits)
}

/// What is asked in a ticket.
struct Question<'a> {
    key: TicketKey,
    sink: &'a SinkName,
    counter: &'a Counter,
    system: &'a dyn TicketSystem,
    /// Whether the system has approvals of its own.
    approves_itself: bool,
    asked: &'a Asked,
    /// The number of the last that is to be said in the ticket.
    last: u32,
}

/// What is asked in tickets that may decide.
fn questions<'a>(world: &'a World, tickets: &'a Tickets, cases: &'a [Case]) -> Vec<Question<'a>> {
    let asking = cases.iter().filter_map(|case| Some((case, open_question(case)?)));
    let of = |(case, asked): (&'a Case, &'a Asked)| {
        let all = case.tickets.iter().filter(|ticket| ticket.open);
        all.filter_map(move |ticket| {
            let counter = tickets.desk.sinks.get(&ticket.sink)?;
            let Teller::Tickets(system) = &counter.teller else { return None };
            counter.common.decide.any().then(|| Question {
                key: TicketKey(ticket.key.clone()),
                sink: &ticket.sink,
                counter,
                system: system.as_ref(),
                approves_itself: world
                    .policy
                    .tickets
                    .get(&ticket.sink)
                    .is_some_and(|sink| sink.settings.has_approvals()),
                asked,
                last: ticket.sequence,
            })
        })
    };
    asking.flat_map(of).collect()
}

/// What reading a ticket came to.
enum Read {
    /// What is asked in it stands otherwise by now than at the last look.
    Decided,
    /// It shows this.
    Shows { asks: Asks, answer: Option<Answer>, standing: Standing, at: TicketRef },
}

/// Reads tickets as far as time reaches, and says of each what that came to. What cannot be read is
/// read the next time.
async fn read_all(
    tickets: &Tickets,
    questions: &[Question<'_>],
    known: &BTreeMap<TicketKey, Asks>,
    (now, within): (Timestamp, Duration),
) -> Result<Vec<(usize, Read)>, PortError> {
    let mut reads = Vec::new();
    for (at, question) in questions.iter().enumerate() {
        let read = read(tickets, question, known.get(&question.key), now);
        reads.push(read.map(move |read| (at, read)).boxed());
    }
    let mut reads = futures_util::stream::iter(reads).buffer_unordered(AT_ONCE);
    let mut all = Vec::new();
    let reading = async {
        while let Some((at, read)) = reads.next().await {
            all.extend(read?.map(|read| (at, read)));
        }
        Ok(())
    };
    match tokio::time::timeout(within, reading).await {
        Ok(read) => read?,
        Err(_) => warn!("not all tickets could be read in time in which people are asked"),
    }
    Ok(all)
}

async fn read(
    tickets: &Tickets,
    question: &Question<'_>,
    known: Option<&Asks>,
    now: Timestamp,
) -> Result<Option<Read>, PortError> {
    let Question { asked, sink, counter, .. } = question;
    let Some(proposal) = tickets.decide.proposal(&asked.id).await? else { return Ok(None) };
    if proposal.standing(now) != asked.standing {
        return Ok(Some(Read::Decided));
    }
    let desk = &tickets.desk;
    if desk.left_alone(sink).is_some_and(|until| now < until) {
        return Ok(None);
    }
    let link = desk.links.link(&question.key).await?;
    let Some(link) = link.filter(|link| link.is_there()) else { return Ok(None) };
    let known = known.filter(|asks| asks.proposal == asked.id);
    // Before all is said, the question may not stand in it.
    if known.is_none() && link.said < question.last {
        return Ok(None);
    }
    let Some(at) = link.at else { return Ok(None) };
    let standing = match question.system.read(&at).await {
        Ok(standing) => standing,
        Err(error) => {
            leave_alone(desk, sink, &error, now);
            warn!(%sink, ticket = at.human, "the ticket cannot be read: {}", chain(&error));
            return Ok(None);
        }
    };
    let asks = known.cloned().unwrap_or_else(|| Asks::new(asked.id.clone()));
    let shown = Shown::of(&standing, &counter.common.decide, question.approves_itself);
    let (asks, answer) = asks.read(shown);
    Ok(Some(Read::Shows { asks, answer, standing, at }))
}

/// Leaves a system alone that wants to be, or that nobody is let in to.
fn leave_alone(desk: &Desk, sink: &SinkName, error: &SinkError, now: Timestamp) {
    let pause = match error.class {
        Class::RateLimited(after) => {
            after.map_or(BUSY, |after| SignedDuration::try_from(after).unwrap_or(BUSY))
        }
        Class::Auth | Class::Config => LEFT_ALONE,
        Class::Transient | Class::Ambiguous | Class::Conflict | Class::TooLarge | Class::Gone => {
            return;
        }
    };
    desk.leave_alone(sink, now + pause);
}

/// Writes down what a ticket decides. Says whether what is asked stands otherwise now.
async fn take(
    world: &World,
    tickets: &Tickets,
    question: &Question<'_>,
    (answer, standing, at): (Answer, &Standing, &TicketRef),
) -> Result<bool, PortError> {
    let Question { asked, sink, counter, .. } = question;
    let (now, said) = (world.clock.now(), answer.as_str());
    if !may_decide(&standing.by, &counter.common.decide) {
        warn!(%sink, ticket = at.human, "the ticket says {said}, and not by anybody who may decide");
        return Ok(false);
    }
    let kind = world.policy.tickets.get(*sink).map_or("ticket", |sink| sink.settings.kind());
    for _ in 0..RACES {
        let Some(proposal) = tickets.decide.proposal(&asked.id).await? else { return Ok(false) };
        let decision = Decision::in_ticket(answer, (kind, &at.human), &standing.by, now);
        let new = match proposal.decide(decision, now) {
            Ok(new) => new,
            Err(NotDecided::Over(standing)) => return Ok(standing != asked.standing),
            Err(NotDecided::SamePerson) => return Ok(false),
            Err(NotDecided::Nobody) => {
                warn!(
                    %sink,
                    ticket = at.human,
                    "the ticket says {said}, and not who said so: two people have to agree"
                );
                return Ok(false);
            }
        };
        if tickets.decide.decided(&new).await? {
            let of = &new.question;
            info!(
                tenant.name = of.tenant_name,
                partner.name = of.partner.name,
                %sink,
                ticket = at.human,
                "a ticket decided: {said}"
            );
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is remembered, as it is written and as it is read. What cannot be read is forgotten: a ticket
/// then answers nothing before it has changed once more.
async fn remembered(
    world: &World,
    tenant: TenantId,
) -> Result<(Option<String>, Memory), PortError> {
    let text = world.marks.mark(tenant, MARK).await?;
    let memory = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
    Ok((text, memory.unwrap_or_default()))
}

/// Remembers it, if nobody else has remembered something since. Says whether it is remembered.
async fn remember(
    world: &World,
    tenant: TenantId,
    was: Option<String>,
    memory: &Memory,
) -> Result<bool, PortError> {
    let text = serde_json::to_string(memory).unwrap_or_default();
    if was.as_deref() == Some(text.as_str()) {
        return Ok(true);
    }
    world.marks.set_mark(tenant, MARK, was.as_deref(), &text).await
}

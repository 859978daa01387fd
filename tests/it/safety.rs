//! It acts safely, whatever happens in which order: random tenants, policies, events and faults,
//! run through the real pipeline, queue and ledger against tenants held in memory.
//!
//! What must hold is judged by what the tenants are really like and by what the policy file says
//! (`arrival`, `holds`), never by what the program thinks of either.

mod arrival;
mod book;
mod cast;
mod consent;
mod events;
mod holds;
mod mended;
mod reached;
mod reads;
mod rules;
mod run;
mod seeds;
mod sink;
mod state;
mod town;
mod writes;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;

use self::cast::{CUSTOMERS, HOLDERS, MEGAN, ROLES, TENANTS, Whose, role_id};
use self::events::{Event, events, leads_to_the_same_end};
use self::holds::{End, is_takeable};
use self::rules::{Rules, rules, unhindered};
use self::run::Run;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A history, for people.
fn told(rules: &Rules, events: &[Event]) -> String {
    let mut text = format!("the policy (and a Global Administrator: {})\n", rules.administrator);
    for line in rules.text().lines() {
        let _ = writeln!(text, "    {line}");
    }
    text.push_str("what happens\n");
    text + &happened(events)
}

fn happened(events: &[Event]) -> String {
    let mut text = String::new();
    for (n, event) in events.iter().enumerate() {
        let event = if let Event::Given(tenant, (holder, role, way)) = event {
            let (tenant, holder) = (TENANTS[*tenant].1, HOLDERS[*holder].name);
            format!("{tenant}: {holder} is given {} ({way:?})", ROLES[*role])
        } else {
            format!("{event:?}")
        };
        let _ = writeln!(text, "{:4}. {event}", n + 1);
    }
    text
}

#[test]
fn nothing_forbidden_is_done_and_nothing_false_is_claimed() {
    let reached = RefCell::new(BTreeMap::<String, u64>::new());
    let cases = seeds::each(
        "safety::nothing_forbidden_is_done_and_nothing_false_is_claimed",
        200,
        &(rules(), vec(events(), 1..60)),
        |(rules, events)| told(rules, events),
        |(rules, events)| {
            wait(async {
                let mut run = Run::new(rules);
                for event in &events {
                    run.happens(event).await;
                    run.holds(event).await?;
                }
                run.settles().await;
                run.holds(&Event::Work).await?;
                run.holds_at_the_end().await?;
                for (what, times) in &run.tenants.town().reached {
                    *reached.borrow_mut().entry(what.clone()).or_default() += times;
                }
                Ok(())
            })
        },
    );
    let reached = reached.into_inner();
    let missing = reached::missing(&reached);
    assert!(
        cases < 200 || missing.is_empty(),
        "{cases} histories never reached {missing:?}: {reached:#?}"
    );
}

/// What partners' principals still have that they were not allowed, with somebody of the tenant's
/// own in charge.
fn left_over(rules: &Rules, end: &End) -> Vec<String> {
    let mut left = Vec::new();
    for tenant in CUSTOMERS {
        let name = TENANTS[tenant].1;
        let in_charge = format!("{name}: {} holds {}", HOLDERS[MEGAN].name, role_id(0));
        if !end.held.contains(&in_charge) {
            continue;
        }
        for (n, holder) in HOLDERS.iter().enumerate() {
            if !is_takeable(n) || rules.protects(n) {
                continue;
            }
            for (role, _) in ROLES.iter().enumerate() {
                let held = format!("{name}: {} holds {}", holder.name, role_id(role));
                let late = cast::begin() + cast::minutes(72 * 60);
                let allowed = match holder.whose {
                    Whose::Partner(partner) => rules.allows(tenant, partner, role, late),
                    Whose::Stranger => rules.unlisted.contains(&role),
                    Whose::Own | Whose::Support | Whose::Ours | Whose::Nobody => false,
                };
                if !allowed && end.held.contains(&held) {
                    left.push(held);
                }
            }
        }
    }
    left
}

#[test]
fn whatever_the_order_the_end_is_the_same() {
    let happens = events().prop_filter("the same end", leads_to_the_same_end);
    // Each with its place in the other order.
    let both = vec((happens, any::<u16>()), 1..30);
    let orders = |events: &[(Event, u16)]| {
        // Who is put into a group again after being taken out of it has come back.
        let mut joined = BTreeSet::new();
        let is_news = |(event, _): &&(Event, u16)| {
            let (Event::Given(tenant, (holder, _, way))
            | Event::GivenAmid(_, tenant, (holder, _, way))) = event
            else {
                return true;
            };
            !way.is_by_a_group() || joined.insert((*tenant, *holder))
        };
        let events: Vec<(Event, u16)> = events.iter().filter(is_news).cloned().collect();
        let one: Vec<Event> = events.iter().map(|(event, _)| event.clone()).collect();
        let mut other = events;
        other.sort_by_key(|(_, place)| *place);
        (one, other.into_iter().map(|(event, _)| event).collect::<Vec<_>>())
    };
    let end = |rules: &Rules, events: &[Event]| {
        wait(async {
            let mut run = Run::new(rules.clone());
            for event in events {
                run.happens(event).await;
                run.holds(event).await?;
            }
            run.settles().await;
            run.holds_at_the_end().await?;
            Ok::<_, String>(run.end().await)
        })
    };
    seeds::each(
        "safety::whatever_the_order_the_end_is_the_same",
        80,
        &(unhindered(), both),
        |(rules, events)| {
            let (one, other) = orders(events);
            format!("{}and in the other order\n{}", told(rules, &one), happened(&other))
        },
        |(rules, events)| {
            let (one, other) = orders(&events);
            let (one, other) = (end(&rules, &one)?, end(&rules, &other)?);
            if one != other {
                return Err(format!("it ends so: {one:#?}\nand the other way round: {other:#?}"));
            }
            let left = left_over(&rules, &one);
            if left.is_empty() { Ok(()) } else { Err(format!("left over: {left:?}")) }
        },
    );
}

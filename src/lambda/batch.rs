//! A batch of the work queue, sorted by tenant: pure.

use crate::domain::id::TenantId;
use crate::domain::signal::{Envelope, Signal};
use crate::domain::work::{Due, Work};
use crate::ports::Waiting;

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its id, by which SQS is told that it failed.
    pub id: String,
    /// Its message group, which is the tenant's id.
    pub group: String,
    /// What it carries.
    pub body: String,
}

/// A batch, sorted.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What there is to do, by tenant, the tenant of the first message first.
    pub tenants: Vec<OfTenant>,
    /// What cannot be read, with the reason.
    pub poison: Vec<(Arrived, String)>,
}

/// What arrived for one tenant.
#[derive(Debug, PartialEq, Eq)]
pub struct OfTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// The ids of the messages that brought it.
    pub messages: Vec<String>,
    /// The signals among it, each alone.
    pub signals: Vec<Waiting>,
}

/// Sorts messages by tenant, each tenant's in their order.
///
/// What cannot be read is set apart. It holds nothing back, since no message needs the one before
/// it: each is a reason to look, and a look sees the whole tenant.
pub fn sort(messages: Vec<Arrived>) -> Batch {
    let mut batch = Batch::default();
    for message in messages {
        let work = match read(&message) {
            Ok(work) => work,
            Err(why) => {
                batch.poison.push((message, why));
                continue;
            }
        };
        let tenant = work.tenant();
        let at = batch.tenants.iter().position(|other| other.tenant == tenant);
        let at = at.unwrap_or_else(|| {
            batch.tenants.push(OfTenant { tenant, messages: Vec::new(), signals: Vec::new() });
            batch.tenants.len() - 1
        });
        let of_tenant = &mut batch.tenants[at];
        of_tenant.messages.push(message.id);
        match work {
            Work::Signal(envelope) => of_tenant.signals.push(waiting(envelope.signal())),
            Work::Due(Due::V1 { .. }) => {}
        }
    }
    batch
}

fn read(message: &Arrived) -> Result<Work, String> {
    // serde_json's own text may quote the message; where it is wrong is all that is told.
    let work: Work = serde_json::from_str(&message.body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("no message that this version can read (line {line}, column {column})")
    })?;
    if message.group != work.tenant().to_string() {
        return Err("its message group is not its tenant".to_owned());
    }
    Ok(work)
}

fn waiting(signal: Signal) -> Waiting {
    Waiting {
        subject: signal.subject.clone(),
        generation: 0,
        signals: 1,
        settling: false,
        first: Some(Envelope::V1 { signal }),
        attempts: 1,
    }
}

/// Lays together what is about the same subject, once it is known that all of it is to be looked
/// at.
pub fn coalesce(waiting: Vec<Waiting>) -> Vec<Waiting> {
    let mut together: Vec<Waiting> = Vec::new();
    for one in waiting {
        let Some(other) = together.iter_mut().find(|other| other.subject == one.subject) else {
            together.push(one);
            continue;
        };
        other.signals = other.signals.saturating_add(one.signals);
        // A new signal beside a settling look wants a settling look of its own.
        other.settling &= one.settling;
        other.attempts = other.attempts.max(one.attempts);
        other.first = other.first.take().or(one.first);
    }
    together
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const WOODGROVE: &str = "11111111-1111-1111-1111-111111111111";
    const FABRIKAM: &str = "44444444-4444-4444-4444-444444444444";
    const SIGNAL: &str = include_str!("../../events/queue/signal-v1.json");
    const DUE: &str = include_str!("../../events/queue/due-v1.json");

    fn of(tenant: &str, id: &str, body: &str) -> Arrived {
        let body = body.replace(WOODGROVE, tenant);
        Arrived { id: id.to_owned(), group: tenant.to_owned(), body }
    }

    fn arrived(id: &str, body: &str) -> Arrived {
        of(WOODGROVE, id, body)
    }

    #[test]
    fn each_tenant_has_its_own_messages_in_their_order() {
        let batch = sort(vec![
            arrived("1", SIGNAL),
            of(FABRIKAM, "2", SIGNAL),
            arrived("3", DUE),
            arrived("4", SIGNAL),
        ]);
        let sorted = batch
            .tenants
            .iter()
            .map(|one| (one.tenant.to_string(), one.messages.join(" "), one.signals.len()));
        let expected = [(WOODGROVE, "1 3 4", 2), (FABRIKAM, "2", 1)];
        assert!(sorted.eq(expected.map(|(t, m, s)| (t.to_owned(), m.to_owned(), s))), "{batch:?}");
        assert_eq!(batch.poison, []);
    }

    #[test]
    fn what_cannot_be_read_is_set_apart_and_not_quoted() {
        let mut elsewhere = arrived("3", SIGNAL);
        FABRIKAM.clone_into(&mut elsewhere.group);
        let batch = sort(vec![
            arrived("1", "{\"version\":\"1\",\"signal\":{\"hunter2\":true}}"),
            arrived("2", SIGNAL),
            elsewhere,
            arrived("4", &SIGNAL.replace("\"1\"", "\"99\"")),
            arrived("5", ""),
        ]);
        assert_eq!(batch.tenants[0].messages, ["2"]);
        let ids: Vec<&str> = batch.poison.iter().map(|(message, _)| message.id.as_str()).collect();
        assert_eq!(ids, ["1", "3", "4", "5"]);
        assert!(batch.poison.iter().all(|(_, why)| !why.contains("hunter2")), "{batch:?}");
        assert_eq!(batch.poison[1].1, "its message group is not its tenant");
    }

    #[test]
    fn signals_of_one_subject_are_one_and_keep_the_first() {
        let later = SIGNAL.replace("05:06:07Z", "05:06:09Z");
        let batch = sort(vec![arrived("1", SIGNAL), arrived("2", &later), arrived("3", SIGNAL)]);
        let together = coalesce(batch.tenants.into_iter().next().unwrap().signals);
        let [one] = together.as_slice() else { panic!("{together:?}") };
        assert_eq!((one.signals, one.settling), (3, false));
        let first: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        assert_eq!(one.first.clone().unwrap().signal().received_at, first);
    }

    #[test]
    fn a_settling_look_with_a_new_signal_is_no_settling_look() {
        let signal = sort(vec![arrived("1", SIGNAL)]).tenants.remove(0).signals.remove(0);
        let settling =
            Waiting { settling: true, signals: 0, first: None, attempts: 2, ..signal.clone() };
        let alone = coalesce(vec![settling.clone(), settling.clone()]);
        assert_eq!((alone.len(), alone[0].settling), (1, true));
        let both = coalesce(vec![settling, signal]);
        assert_eq!((both.len(), both[0].settling, both[0].attempts), (1, false, 2));
        assert!(both[0].first.is_some());
    }
}

//! A batch of the work queue, sorted by tenant: pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::errand::{Errand, Queued, Task};
use crate::domain::id::TenantId;
use crate::domain::signal::{Envelope, Sender, Signal, Subject};
use crate::ports::Waiting;

/// How far the clocks of two machines may be apart. AWS keeps those of Lambda within milliseconds.
pub const SKEW: SignedDuration = SignedDuration::from_secs(1);

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
    pub tenants: Vec<Due>,
    /// What cannot be read, with the reason.
    pub poison: Vec<(Arrived, String)>,
}

/// What is due in one tenant.
#[derive(Debug, PartialEq, Eq)]
pub struct Due {
    /// The tenant.
    pub tenant: TenantId,
    /// The messages that brought it.
    pub messages: Vec<String>,
    /// What to look for, by subject.
    pub reasons: Vec<Reason>,
}

/// Why to look at a tenant: everything of one subject.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    /// The newest signal was received, or the last errand due, at this time.
    pub at: Timestamp,
    /// Whether a look that was put off, and not a new signal alone, is among it.
    pub put_off: bool,
    /// Whether a look after which Graph may go on changing is wanted.
    pub settles: bool,
    /// What is told of it.
    pub waiting: Waiting,
}

/// Sorts messages by tenant, each tenant's in their order.
///
/// What cannot be read is set apart. It holds nothing back, since no message needs the one before
/// it: each is a reason to look, and a look sees the whole tenant.
pub fn sort(messages: Vec<Arrived>) -> Batch {
    let mut batch = Batch::default();
    for message in messages {
        let queued = match read(&message) {
            Ok(queued) => queued,
            Err(why) => {
                batch.poison.push((message, why));
                continue;
            }
        };
        let tenant = queued.tenant();
        let at = batch.tenants.iter().position(|due| due.tenant == tenant);
        let at = at.unwrap_or_else(|| {
            batch.tenants.push(Due { tenant, messages: Vec::new(), reasons: Vec::new() });
            batch.tenants.len() - 1
        });
        batch.tenants[at].messages.push(message.id);
        batch.tenants[at].add(queued);
    }
    batch
}

fn read(message: &Arrived) -> Result<Queued, String> {
    // serde_json's own text may quote the message; where it is wrong is all that is told.
    let queued: Queued = serde_json::from_str(&message.body).map_err(|error| {
        format!(
            "no message this version can read (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    if message.group != queued.tenant().to_string() {
        return Err("its message group is not its tenant".to_owned());
    }
    Ok(queued)
}

impl Due {
    fn add(&mut self, queued: Queued) {
        let reason = match queued {
            Queued::Signal { signal } => Reason::of_signal(signal),
            Queued::Errand { errand: Errand { due, task, .. } } => match task {
                Task::Verify => return,
                Task::Look { subject, signals, settling, first, attempts } => Reason {
                    at: due,
                    put_off: true,
                    settles: signals > 0 && !settling,
                    waiting: Waiting {
                        subject,
                        generation: 0,
                        signals,
                        settling,
                        first: first.map(|signal| Envelope::V1 { signal }),
                        attempts: attempts.saturating_add(1),
                    },
                },
            },
        };
        let same = |other: &&mut Reason| other.waiting.subject == reason.waiting.subject;
        match self.reasons.iter_mut().find(same) {
            Some(other) => other.join(reason),
            None => self.reasons.push(reason),
        }
    }

    /// Takes out what needs no look of its own: a complete snapshot was read after it, or a
    /// settling look of its subject is yet to come.
    ///
    /// `looked` is when the last complete snapshot was begun; `settles_at` when a subject's
    /// settling look is due.
    pub fn drop_satisfied(
        &mut self,
        now: Timestamp,
        looked: Option<Timestamp>,
        settles_at: &BTreeMap<Subject, Timestamp>,
    ) {
        self.reasons.retain(|reason| {
            let seen = looked.is_some_and(|looked| looked >= reason.at + SKEW);
            let settles_at = settles_at.get(&reason.waiting.subject);
            let will_be_seen = settles_at.is_some_and(|due| *due > now) && !reason.put_off;
            !seen && !will_be_seen
        });
    }
}

impl Reason {
    fn of_signal(signal: Signal) -> Self {
        Self {
            at: signal.received_at,
            put_off: false,
            // The schedule comes round again anyway.
            settles: signal.sender != Sender::Schedule,
            waiting: Waiting {
                subject: signal.subject.clone(),
                generation: 0,
                signals: 1,
                settling: false,
                first: Some(Envelope::V1 { signal }),
                attempts: 1,
            },
        }
    }

    /// Two reasons of one subject are one.
    fn join(&mut self, other: Self) {
        self.at = self.at.max(other.at);
        self.put_off |= other.put_off;
        self.settles |= other.settles;
        let (ours, theirs) = (&mut self.waiting, other.waiting);
        ours.signals = ours.signals.saturating_add(theirs.signals);
        ours.settling &= theirs.settling;
        ours.attempts = ours.attempts.max(theirs.attempts);
        ours.first = ours.first.take().or(theirs.first);
    }
}

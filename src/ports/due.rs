//! What is needed where no process stays awake to wait for what comes due, and where several
//! workers might see to one tenant at once.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use serde::{Deserialize, Serialize};

use super::{DueVerification, PortError, Waiting};
use crate::domain::id::TenantId;
use crate::domain::signal::{Envelope, Subject};

/// Have a worker see to a tenant.
#[async_trait]
pub trait Later: Send + Sync {
    /// A worker sees to what is due of the tenant, not before `at`. Asking twice for the same
    /// moment is asking once.
    ///
    /// What lies further ahead than the queue can wait is not asked for: the store knows when it
    /// is due, and the sweep asks by [`DueTenants`].
    async fn see_to(
        &self,
        tenant: TenantId,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<(), PortError>;
}

/// One worker for each tenant at a time.
///
/// Whoever has lost the lease is refused by the ledger, whatever its clock says.
#[async_trait]
pub trait Lease: Send + Sync {
    /// Takes the lease, or holds it for longer. Says whether it is held now: not where another
    /// worker holds it.
    async fn hold(
        &self,
        tenant: TenantId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, PortError>;
    /// Lets go of the lease, if it is still held.
    async fn let_go(&self, tenant: TenantId) -> Result<(), PortError>;
}

/// Signals about one subject that wait for the settling look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settling {
    /// The subject.
    pub subject: Subject,
    /// When the look is due.
    pub due: Timestamp,
    /// How many signals have joined since the last look.
    pub signals: u32,
    /// The first of them.
    pub first: Option<Envelope>,
    /// How often the look was made in vain.
    #[serde(default)]
    pub attempts: u32,
    /// Whether it is the settling look of one that succeeded, which is owed to earlier signals.
    #[serde(default)]
    pub owed: bool,
}

/// What is remembered of the looks at a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looks {
    /// When the last complete snapshot was begun to be read. Whatever was received before is
    /// satisfied by it.
    pub read_at: Option<Timestamp>,
    /// What waits for its settling look.
    pub settling: Vec<Settling>,
}

/// What signals in hand come to, beside what is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted {
    /// What the look now is for. Nothing: no look is needed.
    pub look: Vec<Waiting>,
    /// What is remembered until the settling look: to be written down before the messages go.
    pub joined: Option<Looks>,
}

/// Most subjects that are remembered apart; what is more settles as the tenant as a whole.
const SUBJECTS_MAX: usize = 500;

impl Looks {
    /// Sorts what has arrived, with what has come due.
    ///
    /// A signal that a complete snapshot satisfies needs no look of its own; where that snapshot
    /// was read so soon after it that Graph may not have replicated yet, a settling look is
    /// remembered. A signal about a subject that waits for its settling look joins it. What is
    /// left is looked at now, and with it everything whose settling look is due.
    pub fn sort(
        &self,
        arrived: Vec<Waiting>,
        now: Timestamp,
        settle_after: Option<SignedDuration>,
    ) -> Sorted {
        let mut looks = self.clone();
        let mut look = Vec::new();
        let mut joined = false;
        for waiting in arrived {
            // A snapshot of who may do what says nothing about subscriptions.
            if let Some(received) = self.satisfied(&waiting)
                && !waiting.subject.is_about_subscriptions()
            {
                joined |= looks.settle_late(waiting, received, settle_after);
                continue;
            }
            match looks.settling.iter_mut().find(|it| it.subject == waiting.subject) {
                Some(settling) => {
                    settling.signals = settling.signals.saturating_add(waiting.signals);
                    settling.first = settling.first.take().or(waiting.first);
                    joined = true;
                }
                None => look.push(waiting),
            }
        }
        let due = looks.settling.iter().filter(|it| it.due <= now);
        look.extend(due.map(|it| Waiting {
            subject: it.subject.clone(),
            generation: 0,
            signals: it.signals,
            settling: it.owed,
            first: it.first.clone(),
            attempts: it.attempts.saturating_add(1),
        }));
        Sorted { look, joined: joined.then_some(looks) }
    }

    /// When a signal was received, if the last complete snapshot was begun after that.
    fn satisfied(&self, waiting: &Waiting) -> Option<Timestamp> {
        let Envelope::V1 { signal } = waiting.first.as_ref()?;
        let received = signal.received_at;
        self.read_at.is_some_and(|read| received < read).then_some(received)
    }

    /// Remembers a settling look for a signal that is satisfied already, unless one is to come
    /// that serves it too. Says whether there is something new to remember.
    fn settle_late(
        &mut self,
        waiting: Waiting,
        received: Timestamp,
        settle_after: Option<SignedDuration>,
    ) -> bool {
        let Some(after) = settle_after.filter(|_| waiting.wants_to_settle()) else { return false };
        // Half the time is taken for enough, else each signal of a storm would put the look off.
        let enough = received + after / 2;
        let served = self.read_at.is_some_and(|read| read >= enough)
            || self.settling.iter().any(|it| it.due >= enough && it.subject != Subject::held());
        if !served {
            self.settling.retain(|it| it.subject != Subject::tenant());
            self.settling.push(Settling {
                subject: Subject::tenant(),
                due: received + after,
                signals: waiting.signals,
                first: waiting.first,
                attempts: 0,
                owed: true,
            });
        }
        !served
    }

    /// What is to be remembered after a look that is to be made again at `due`.
    #[must_use]
    pub fn again(mut self, look: &[Waiting], due: Timestamp) -> Self {
        self = self.without(look);
        self.settling.extend(look.iter().map(|waiting| Settling {
            subject: waiting.subject.clone(),
            due,
            signals: waiting.signals,
            first: waiting.first.clone(),
            attempts: waiting.attempts,
            owed: waiting.settling,
        }));
        self
    }

    /// Without these, which are not looked at again.
    #[must_use]
    pub fn without(mut self, look: &[Waiting]) -> Self {
        self.settling.retain(|it| look.iter().all(|waiting| waiting.subject != it.subject));
        self
    }

    /// What is to be remembered after a look at a complete snapshot that was begun to be read at
    /// `read_at`. `settle` is when the settling look of what was not yet settled comes.
    #[must_use]
    pub fn after(
        mut self,
        look: &[Waiting],
        read_at: Timestamp,
        settle: Option<Timestamp>,
    ) -> Self {
        self.read_at = self.read_at.max(Some(read_at));
        for waiting in look {
            self.settling.retain(|it| it.subject != waiting.subject);
            let settles = !waiting.settling && waiting.wants_to_settle();
            if let Some(due) = settle.filter(|_| settles) {
                let subject = waiting.subject.clone();
                let (signals, first, attempts, owed) = (0, None, 0, true);
                self.settling.push(Settling { subject, due, signals, first, attempts, owed });
            }
        }
        if self.settling.len() > SUBJECTS_MAX {
            // Looks go on meanwhile, so the latest serves them all.
            let apart = |it: &Settling| {
                it.subject.is_about_subscriptions() || it.subject == Subject::held()
            };
            let (kept, mut all): (Vec<_>, Vec<_>) = self.settling.into_iter().partition(apart);
            let due = all.iter().map(|it| it.due).max();
            let signals = all.iter().map(|it| it.signals).sum();
            let first = all.iter_mut().find_map(|it| it.first.take());
            let attempts = all.iter().map(|it| it.attempts).max().unwrap_or_default();
            let (subject, owed) = (Subject::tenant(), true);
            let whole = due.map(|due| Settling { subject, due, signals, first, attempts, owed });
            self.settling = kept.into_iter().chain(whole).collect();
        }
        self
    }

    /// With a look at this time on account of what is held back, and with none at another.
    #[must_use]
    pub fn taking_up(mut self, at: Option<Timestamp>) -> Self {
        let subject = Subject::held();
        self.settling.retain(|it| it.subject != subject);
        let (signals, first, attempts, owed) = (0, None, 0, true);
        self.settling.extend(at.map(|due| Settling {
            subject,
            due,
            signals,
            first,
            attempts,
            owed,
        }));
        self
    }

    /// When the next settling look is due, if one waits.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.settling.iter().map(|it| it.due).min()
    }
}

/// What is remembered of the looks at tenants, so that a storm of signals is few looks.
#[async_trait]
pub trait RememberLooks: Send + Sync {
    /// What is remembered, as it stands at this moment.
    async fn looks(&self, tenant: TenantId) -> Result<Looks, PortError>;
    /// Remembers this from now on. Needs the tenant's [`Lease`].
    async fn remember(&self, tenant: TenantId, looks: &Looks) -> Result<(), PortError>;
}

/// Which tenants have something due.
#[async_trait]
pub trait DueTenants: Send + Sync {
    /// The tenants with a settling look, a step to read again or a message that is due. What was
    /// written a moment ago may be missing.
    async fn due_tenants(&self, now: Timestamp) -> Result<BTreeSet<TenantId>, PortError>;
    /// The steps of one tenant whose effect is due to be read again, the longest due first; as
    /// they stand at this moment. 100 at the most.
    async fn due_verifications_of(
        &self,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Vec<DueVerification>, PortError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{WOODGROVE, noon};
    use crate::domain::id::Sha256Hex;
    use crate::domain::signal::{Sender, Signal};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(noon().as_second() + seconds).unwrap()
    }

    fn signals(sender: Sender, subject: &str, seconds: i64) -> Waiting {
        let signal = Signal {
            tenant: WOODGROVE.parse().unwrap(),
            sender,
            what: "Add member to role".to_owned(),
            subject: Subject::object(subject),
            event_id: None,
            event_at: None,
            received_at: at(seconds),
            digest: Sha256Hex::of(b"event"),
            initiator: None,
            removal: false,
            about: Vec::new(),
            content_uri: None,
        };
        Waiting {
            subject: Subject::object(subject),
            generation: 0,
            signals: 1,
            settling: false,
            first: Some(Envelope::V1 { signal }),
            attempts: 1,
        }
    }

    fn about(look: &[Waiting]) -> Vec<(Subject, u32, bool)> {
        look.iter().map(|w| (w.subject.clone(), w.signals, w.settling)).collect()
    }

    const SETTLE: Option<SignedDuration> = Some(SignedDuration::from_secs(120));

    #[test]
    fn the_first_signal_is_looked_at_and_settles_once() {
        let sorted = Looks::default().sort(vec![signals(Sender::Audit, "a", 0)], at(0), SETTLE);
        assert_eq!(about(&sorted.look), [(Subject::object("a"), 1, false)]);
        assert_eq!(sorted.joined, None);
        let looks = Looks::default().after(&sorted.look, at(1), Some(at(121)));
        assert_eq!((looks.read_at, looks.next_due()), (Some(at(1)), Some(at(121))));
        assert_eq!(looks.sort(vec![], at(120), SETTLE), Sorted::default());
        let settling = looks.sort(vec![], at(121), SETTLE).look;
        assert_eq!(about(&settling), [(Subject::object("a"), 0, true)]);
        let looks = looks.after(&settling, at(122), Some(at(242)));
        assert_eq!(looks, Looks { read_at: Some(at(122)), settling: vec![] });
    }

    #[test]
    fn what_a_snapshot_satisfied_is_not_looked_at_again() {
        let looks = Looks { read_at: Some(at(100)), settling: vec![] };
        let look = |seconds| {
            looks.sort(vec![signals(Sender::Audit, "a", seconds)], at(200), SETTLE).look.len()
        };
        assert_eq!(look(99), 0);
        assert_eq!(look(100), 1, "it may have come after the first page was read");
        assert_eq!(look(101), 1);
    }

    #[test]
    fn what_was_satisfied_at_once_settles_all_the_same() {
        let looks = Looks { read_at: Some(at(100)), settling: vec![] };
        let sort = |looks: &Looks, seconds, settle_after| {
            looks.sort(vec![signals(Sender::Audit, "a", seconds)], at(101), settle_after)
        };
        assert_eq!(sort(&looks, 40, SETTLE), Sorted::default(), "read a minute after it");
        assert_eq!(sort(&looks, 99, None), Sorted::default(), "settling is off");
        let joined = sort(&looks, 99, SETTLE).joined.unwrap();
        assert_eq!(joined.next_due(), Some(at(219)));
        assert_eq!(sort(&joined, 99, SETTLE), Sorted::default(), "one look serves both");
        let settling = joined.sort(vec![], at(219), SETTLE).look;
        assert_eq!(about(&settling), [(Subject::tenant(), 1, true)]);
    }

    #[test]
    fn what_comes_while_its_subject_settles_joins_it_and_another_subject_does_not() {
        let first = vec![signals(Sender::Audit, "a", 0)];
        let looks = Looks::default().after(&first, at(1), Some(at(121)));
        let arrived = vec![signals(Sender::Audit, "a", 5), signals(Sender::Audit, "b", 6)];
        let sorted = looks.sort(arrived, at(7), SETTLE);
        assert_eq!(about(&sorted.look), [(Subject::object("b"), 1, false)]);
        let joined = sorted.joined.unwrap();
        assert_eq!((joined.settling[0].signals, joined.settling[0].due), (1, at(121)));
        let more = joined.sort(vec![signals(Sender::Audit, "a", 8)], at(8), SETTLE);
        let more = more.joined.unwrap();
        assert_eq!(more.settling[0].signals, 2);
        let first = more.settling[0].first.clone().unwrap().signal();
        assert_eq!(first.received_at, at(5));
        let due = more.sort(vec![signals(Sender::Audit, "a", 121)], at(121), SETTLE);
        assert_eq!(about(&due.look), [(Subject::object("a"), 3, true)]);
    }

    #[test]
    fn the_periodic_look_does_not_settle_nor_does_anything_where_that_is_off() {
        let sweep = vec![signals(Sender::Schedule, "a", 0)];
        assert_eq!(Looks::default().after(&sweep, at(1), Some(at(121))).settling, []);
        let signal = vec![signals(Sender::Graph, "a", 0)];
        assert_eq!(Looks::default().after(&signal, at(1), None).settling, []);
    }

    #[test]
    fn an_older_snapshot_does_not_turn_back_a_newer_one() {
        let looks = Looks { read_at: Some(at(10)), settling: vec![] };
        assert_eq!(looks.after(&[], at(5), None).read_at, Some(at(10)));
    }

    #[test]
    fn too_many_subjects_settle_as_the_whole_tenant() {
        let look: Vec<Waiting> =
            (0..=500).map(|n| signals(Sender::Audit, &format!("object {n}"), 0)).collect();
        let looks = Looks::default().after(&look[1..], at(1), Some(at(121)));
        assert_eq!(looks.settling.len(), 500);
        let looks = looks.after(&look[..1], at(1), Some(at(131)));
        let [settling] = looks.settling.as_slice() else { panic!("{}", looks.settling.len()) };
        assert_eq!((&settling.subject, settling.due), (&Subject::tenant(), at(131)));
    }

    #[test]
    fn a_look_made_in_vain_is_due_again_and_settles_once_it_succeeds() {
        let first = vec![signals(Sender::Audit, "a", 0)];
        let looks = Looks::default().again(&first, at(30));
        assert_eq!(looks.next_due(), Some(at(30)));
        // What comes meanwhile waits for it.
        let sorted = looks.sort(vec![signals(Sender::Audit, "a", 5)], at(5), None);
        assert_eq!(about(&sorted.look), []);
        let due = sorted.joined.unwrap().sort(vec![], at(30), None).look;
        assert_eq!(about(&due), [(Subject::object("a"), 2, false)]);
        assert_eq!(due[0].attempts, 2);
        let settled = looks.clone().after(&due, at(31), Some(at(151)));
        assert_eq!(settled.next_due(), Some(at(151)));
        assert_eq!(about(&settled.sort(vec![], at(151), None).look).len(), 1);
        assert!(settled.sort(vec![], at(151), None).look[0].settling);
        assert_eq!(looks.without(&due).settling, []);
    }

    #[test]
    fn a_settling_look_made_in_vain_is_still_owed() {
        let first = vec![signals(Sender::Audit, "a", 0)];
        let looks = Looks::default().after(&first, at(1), Some(at(121)));
        let joined = looks.sort(vec![signals(Sender::Audit, "a", 5)], at(5), SETTLE);
        let due = joined.joined.clone().unwrap().sort(vec![], at(121), SETTLE).look;
        let again = joined.joined.unwrap().again(&due, at(151));
        let due = again.sort(vec![], at(151), SETTLE).look;
        assert_eq!(about(&due), [(Subject::object("a"), 1, true)]);
        assert_eq!(due[0].attempts, 2);
        assert_eq!(again.after(&due, at(152), Some(at(272))).settling, []);
    }

    #[test]
    fn no_snapshot_satisfies_what_is_said_of_subscriptions() {
        let looks = Looks { read_at: Some(at(100)), settling: vec![] };
        for subject in [Subject::subscriptions(), Subject::reauthorization()] {
            let said = Waiting { subject: subject.clone(), ..signals(Sender::Graph, "a", 5) };
            let sorted = looks.sort(vec![said.clone()], at(101), SETTLE);
            assert_eq!(about(&sorted.look), [(subject.clone(), 1, false)]);
            let many = (0..500).map(|n| signals(Sender::Audit, &format!("object {n}"), 0));
            let all: Vec<Waiting> = many.chain([said]).collect();
            let crowded = Looks::default().after(&all, at(1), Some(at(121)));
            let kept = crowded.settling.iter().map(|it| &it.subject);
            assert!(kept.eq(&[subject, Subject::tenant()]), "{:?}", crowded.settling);
        }
    }

    #[test]
    fn what_is_held_back_is_taken_up_when_it_is_said_and_nothing_waits_for_it() {
        let looks = Looks::default().taking_up(Some(at(3600)));
        assert_eq!(looks.next_due(), Some(at(3600)));
        // A signal is looked at at once, and its settling look comes all the same.
        let sorted = looks.sort(vec![signals(Sender::Audit, "a", 5)], at(5), SETTLE);
        assert_eq!(about(&sorted.look), [(Subject::object("a"), 1, false)]);
        let read = Looks { read_at: Some(at(6)), ..looks.clone() };
        let late = read.sort(vec![signals(Sender::Audit, "a", 5)], at(7), SETTLE).joined.unwrap();
        assert_eq!(late.next_due(), Some(at(125)));
        let crowd: Vec<Waiting> =
            (0..=500).map(|n| signals(Sender::Audit, &format!("object {n}"), 0)).collect();
        let crowd = looks.clone().after(&crowd, at(1), Some(at(121)));
        assert_eq!((crowd.settling.len(), crowd.next_due()), (2, Some(at(121))));
        // At its time it is a look of its own.
        assert_eq!(looks.sort(vec![], at(3599), SETTLE), Sorted::default());
        let due = looks.sort(vec![], at(3600), SETTLE).look;
        assert_eq!(about(&due), [(Subject::held(), 0, true)]);
        let moved = looks.clone().without(&due).taking_up(Some(at(3630)));
        assert_eq!((moved.settling.len(), moved.next_due()), (1, Some(at(3630))));
        let over = looks.after(&due, at(3601), Some(at(3721))).taking_up(None);
        assert_eq!(over, Looks { read_at: Some(at(3601)), settling: vec![] });
    }
}

//! Signals in, looks out: coalescing, leases, settling, retries.

use super::*;
use crate::domain::signal::{Envelope, Subject};
use crate::ports::{EndLook, Look, Queue, Settle, Waiting};
use crate::wire::schedule;
use jiff::SignedDuration;

const LEASE: SignedDuration = SignedDuration::from_mins(15);
const SETTLE: Settle = Settle::After(SignedDuration::from_mins(2));
const LEASE_SECONDS: i64 = 15 * 60;
const SETTLE_SECONDS: i64 = 2 * 60;

impl Given {
    /// A signal about an object of Woodgrove arrives some seconds after noon.
    async fn arrives(&self, object: &str, seconds: i64) {
        let signal = signal(WOODGROVE, object, at(seconds));
        self.store.enqueue(vec![signal]).await.unwrap();
    }

    async fn sweep(&self, seconds: i64) {
        let signal = schedule::sweep(tenant(WOODGROVE), at(seconds));
        self.store.enqueue(vec![signal]).await.unwrap();
    }

    async fn claim(&self, seconds: i64) -> Option<Look> {
        self.store.claim(at(seconds), LEASE, &[]).await.unwrap()
    }

    async fn claimed(&self, seconds: i64) -> Look {
        self.claim(seconds).await.unwrap()
    }

    async fn complete(&self, look: &Look, seconds: i64, settle: Settle) {
        self.store.complete(look, at(seconds), settle, None).await.unwrap();
    }

    /// Seconds after noon at which something is due.
    async fn next_due(&self) -> Option<i64> {
        let due = self.store.next_due().await.unwrap();
        due.map(|due| due.as_second() - noon().as_second())
    }

    async fn rows(&self) -> i64 {
        self.number("SELECT COUNT(*) FROM looks").await
    }
}

/// What a look is about: each subject with its signals, and whether it settles.
fn about(look: &Look) -> Vec<(Subject, u32, bool)> {
    look.waiting.iter().map(|w| (w.subject.clone(), w.signals, w.settling)).collect()
}

fn object(name: &str) -> Subject {
    Subject::object(name)
}

/// When the first signal was received, in seconds after noon.
fn first(waiting: &Waiting) -> Option<i64> {
    let first = waiting.first.clone().map(Envelope::signal);
    first.map(|signal| signal.received_at.as_second() - noon().as_second())
}

#[tokio::test]
async fn a_claimed_signal_is_seen_by_nobody_else_until_the_lease_ends() {
    let given = given();
    assert_eq!(given.claim(0).await, None);
    assert_eq!(given.next_due().await, None);
    given.arrives("alice", 0).await;
    assert_eq!(given.next_due().await, Some(0));
    assert_eq!(given.claim(-1).await, None, "not before it is due");
    let look = given.claimed(5).await;
    assert_eq!(look.tenant, tenant(WOODGROVE));
    assert_eq!(about(&look), [(object("alice"), 1, false)]);
    let end = 5 + LEASE_SECONDS;
    assert_eq!(given.next_due().await, Some(end));
    assert_eq!(given.claim(5).await, None);
    assert_eq!(given.claim(end - 1).await, None);
    let again = given.claimed(end).await;
    assert_eq!(about(&again), about(&look));
    assert_eq!((look.waiting[0].attempts, again.waiting[0].attempts), (1, 2));
}

#[tokio::test]
async fn ten_thousand_signals_about_one_object_are_one_look() {
    let given = given();
    given.arrives("alice", 0).await;
    let later = signal(WOODGROVE, "alice", at(1));
    let enqueued = (1..10_000).map(|_| {
        let (store, later) = (given.store.clone(), later.clone());
        async move { store.enqueue(vec![later]).await }
    });
    for result in join_all(enqueued).await {
        result.unwrap();
    }
    assert_eq!(given.rows().await, 1);
    let look = given.claimed(2).await;
    assert_eq!(about(&look), [(object("alice"), 10_000, false)]);
    assert_eq!(first(&look.waiting[0]), Some(0));
}

#[tokio::test]
async fn everything_due_of_a_tenant_comes_in_one_look() {
    let given = given();
    given.arrives("bob", 1).await;
    given.arrives("alice", 0).await;
    given.arrives("carol", 9).await;
    given.store.enqueue(vec![signal(CONTOSO, "dave", at(0))]).await.unwrap();
    given.sweep(2).await;
    let look = given.claimed(5).await;
    let expect =
        [(object("alice"), 1, false), (object("bob"), 1, false), (Subject::sweep(), 1, false)];
    assert_eq!(about(&look), expect);
    assert_eq!(given.claimed(5).await.tenant, tenant(CONTOSO));
    assert_eq!(given.claim(9).await, None, "while a tenant is looked at, its news waits");
    given.complete(&look, 10, Settle::No).await;
    assert_eq!(about(&given.claimed(10).await), [(object("carol"), 1, false)]);
}

#[tokio::test]
async fn the_tenant_that_waits_longest_is_first_and_busy_ones_are_passed_over() {
    let given = given();
    for (id, seconds) in [(CONTOSO, 3), (STRANGER, 1), (WOODGROVE, 2)] {
        given.store.enqueue(vec![signal(id, "alice", at(seconds))]).await.unwrap();
    }
    let next = async |busy: &[&str]| {
        let busy: Vec<TenantId> = busy.iter().map(|id| tenant(id)).collect();
        let look = given.store.claim(at(5), LEASE, &busy).await.unwrap();
        look.map(|look| look.tenant.to_string())
    };
    assert_eq!(next(&[STRANGER]).await.as_deref(), Some(WOODGROVE));
    assert_eq!(next(&[STRANGER, CONTOSO]).await, None);
    assert_eq!(next(&[]).await.as_deref(), Some(STRANGER));
    assert_eq!(next(&[]).await.as_deref(), Some(CONTOSO));
    assert_eq!(next(&[]).await, None);
}

#[tokio::test]
async fn a_look_is_followed_by_one_settling_look_and_then_by_nothing() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.complete(&look, 10, SETTLE).await;
    let due = 10 + SETTLE_SECONDS;
    assert_eq!(given.next_due().await, Some(due));
    assert_eq!(given.claim(due - 1).await, None);
    let settling = given.claimed(due).await;
    assert_eq!(about(&settling), [(object("alice"), 0, true)]);
    assert_eq!((settling.waiting[0].attempts, first(&settling.waiting[0])), (1, None));
    given.complete(&settling, due + 1, SETTLE).await;
    assert_eq!((given.rows().await, given.next_due().await), (0, None));
}

#[tokio::test]
async fn signals_during_a_look_lead_to_one_further_look() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.arrives("alice", 1).await;
    given.arrives("alice", 2).await;
    given.complete(&look, 10, SETTLE).await;
    let due = 10 + SETTLE_SECONDS;
    assert_eq!(given.claim(due - 1).await, None);
    let further = given.claimed(due).await;
    assert_eq!(about(&further), [(object("alice"), 2, true)]);
    assert_eq!(first(&further.waiting[0]), Some(1), "the first that no look has satisfied");
    given.complete(&further, due + 1, SETTLE).await;
    assert_eq!(given.rows().await, 0);
}

#[tokio::test]
async fn signals_during_the_settling_look_are_not_lost() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.complete(&look, 0, SETTLE).await;
    let settling = given.claimed(SETTLE_SECONDS).await;
    given.arrives("alice", SETTLE_SECONDS).await;
    given.complete(&settling, SETTLE_SECONDS, SETTLE).await;
    let further = given.claimed(2 * SETTLE_SECONDS).await;
    assert_eq!(about(&further), [(object("alice"), 1, true)]);
    given.complete(&further, 2 * SETTLE_SECONDS, SETTLE).await;
    assert_eq!(given.rows().await, 0);
}

#[tokio::test]
async fn signals_during_the_settling_wait_neither_hasten_nor_multiply_it() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.complete(&look, 0, SETTLE).await;
    for seconds in 1..=5 {
        given.arrives("alice", seconds).await;
    }
    assert_eq!(given.next_due().await, Some(SETTLE_SECONDS));
    assert_eq!(given.claim(SETTLE_SECONDS - 1).await, None);
    let settling = given.claimed(SETTLE_SECONDS).await;
    assert_eq!(about(&settling), [(object("alice"), 5, true)]);
    assert_eq!(first(&settling.waiting[0]), Some(1));
    given.complete(&settling, SETTLE_SECONDS + 1, SETTLE).await;
    assert_eq!(given.rows().await, 0);
}

#[tokio::test]
async fn without_settling_only_a_newer_signal_leads_to_another_look() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.complete(&look, 5, Settle::No).await;
    assert_eq!(given.rows().await, 0);
    given.arrives("bob", 10).await;
    let look = given.claimed(10).await;
    given.arrives("bob", 11).await;
    given.complete(&look, 15, Settle::No).await;
    assert_eq!(given.next_due().await, Some(15));
    let look = given.claimed(15).await;
    assert_eq!(about(&look), [(object("bob"), 1, false)]);
    given.complete(&look, 16, Settle::No).await;
    assert_eq!(given.rows().await, 0);
}

#[tokio::test]
async fn a_new_subject_does_not_wait_for_another_to_settle() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.complete(&look, 0, SETTLE).await;
    given.arrives("bob", 1).await;
    let look = given.claimed(1).await;
    assert_eq!(about(&look), [(object("bob"), 1, false)]);
    given.complete(&look, 2, SETTLE).await;
    let both = given.claimed(SETTLE_SECONDS + 2).await;
    assert_eq!(about(&both), [(object("alice"), 0, true), (object("bob"), 0, true)]);
}

#[tokio::test]
async fn the_periodic_look_does_not_settle() {
    let given = given();
    given.sweep(0).await;
    let look = given.claimed(0).await;
    given.complete(&look, 1, SETTLE).await;
    assert_eq!(given.rows().await, 0);
    given.sweep(10).await;
    given.arrives("alice", 10).await;
    let look = given.claimed(10).await;
    given.complete(&look, 10, SETTLE).await;
    let settling = given.claimed(10 + SETTLE_SECONDS).await;
    assert_eq!(about(&settling), [(object("alice"), 0, true)]);
}

#[tokio::test]
async fn a_look_that_failed_comes_again_when_it_is_due() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.arrives("alice", 1).await;
    given.store.retry(&look, at(30), "Graph is down").await.unwrap();
    assert_eq!(given.next_due().await, Some(30));
    assert_eq!(given.claim(29).await, None);
    let again = given.claimed(30).await;
    assert_eq!(about(&again), [(object("alice"), 2, false)]);
    assert_eq!(again.waiting[0].attempts, 2);
    assert_eq!(first(&again.waiting[0]), Some(0), "nothing has satisfied the first one yet");
    given.complete(&again, 31, SETTLE).await;
    let settling = given.claimed(31 + SETTLE_SECONDS).await;
    assert_eq!(settling.waiting[0].attempts, 1, "a look that was made counts anew");
}

/// Lets the first nine looks fail and returns the tenth.
async fn tenth(given: &Given) -> Look {
    for seconds in 0..9 {
        let look = given.claimed(seconds).await;
        assert_eq!(i64::from(look.waiting[0].attempts), seconds + 1);
        given.store.retry(&look, at(seconds + 1), "Graph is down").await.unwrap();
    }
    given.claimed(9).await
}

#[tokio::test]
async fn a_look_that_failed_ten_times_is_buried_with_the_reason() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = tenth(&given).await;
    assert!(given.dead_letters().await.is_empty());
    given.arrives("bob", 9).await;
    given.store.retry(&look, at(10), "Graph is still down").await.unwrap();
    let letters = given.dead_letters().await;
    let [[kind, what, content, reason]] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(kind, "look");
    assert_eq!(*what, format!("{WOODGROVE} {}", object("alice").as_str()));
    assert_eq!(reason, "Graph is still down");
    let envelope: Envelope = serde_json::from_str(content).unwrap();
    assert_eq!(envelope.signal().received_at, at(0));
    assert_eq!(about(&given.claimed(10).await), [(object("bob"), 1, false)]);
}

#[tokio::test]
async fn what_came_during_the_tenth_look_is_not_buried_with_it() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = tenth(&given).await;
    given.arrives("alice", 9).await;
    given.store.retry(&look, at(10), "Graph is still down").await.unwrap();
    let letters = given.dead_letters().await;
    let envelope: Envelope = serde_json::from_str(&letters[0][2]).unwrap();
    assert_eq!((letters.len(), envelope.signal().received_at), (1, at(0)));
    let look = given.claimed(10).await;
    assert_eq!(about(&look), [(object("alice"), 1, false)]);
    assert_eq!((look.waiting[0].attempts, first(&look.waiting[0])), (1, Some(9)));
}

#[tokio::test]
async fn an_envelope_that_cannot_be_read_is_still_a_reason_to_look() {
    let given = given();
    given.arrives("alice", 0).await;
    given.sql("UPDATE looks SET first = '{\"version\":\"9\"}'").await;
    let look = tenth(&given).await;
    assert_eq!(about(&look), [(object("alice"), 1, false)]);
    assert_eq!(look.waiting[0].first, None);
    given.store.retry(&look, at(10), "Graph is down").await.unwrap();
    assert_eq!(given.dead_letters().await[0][2], r#"{"version":"9"}"#, "kept as it is");
}

#[tokio::test]
async fn a_crash_frees_what_was_claimed_and_loses_nothing() {
    let given = given();
    given.arrives("alice", 0).await;
    given.arrives("alice", 1).await;
    given.arrives("bob", 1).await;
    let before = given.claimed(2).await;
    let given = given.after_a_crash();
    assert_eq!(given.next_due().await, Some(0));
    given.arrives("alice", 3).await;
    let look = given.claimed(4).await;
    assert_eq!(about(&look), [(object("alice"), 3, false), (object("bob"), 1, false)]);
    assert_eq!((first(&look.waiting[0]), first(&look.waiting[1])), (Some(0), Some(1)));
    assert_eq!((before.waiting[0].attempts, look.waiting[0].attempts), (1, 2));
}

#[tokio::test]
async fn what_is_held_back_is_taken_up_when_it_is_said_and_at_no_other_time() {
    let given = given();
    let end = async |look: &Look, seconds: i64, settle, take_up: Option<i64>| {
        given.store.complete(look, at(seconds), settle, take_up.map(at)).await.unwrap();
    };
    given.arrives("alice", 0).await;
    end(&given.claimed(0).await, 1, SETTLE, Some(3600)).await;
    assert_eq!(given.next_due().await, Some(1 + SETTLE_SECONDS));
    let settling = given.claimed(1 + SETTLE_SECONDS).await;
    assert_eq!(about(&settling), [(object("alice"), 0, true)]);
    // A later look knows better when.
    end(&settling, 200, SETTLE, Some(3700)).await;
    assert_eq!((given.next_due().await, given.rows().await), (Some(3700), 1));
    // Whatever is heard meanwhile is looked at at once.
    given.arrives("alice", 300).await;
    let look = given.claimed(300).await;
    assert_eq!(about(&look), [(object("alice"), 1, false)]);
    // Nothing was read, and nothing is known anew.
    end(&look, 301, Settle::Unread, None).await;
    assert_eq!(given.next_due().await, Some(3700));
    assert_eq!(given.claim(3699).await, None);
    let held = given.claimed(3700).await;
    assert_eq!(about(&held), [(Subject::held(), 0, true)]);
    assert_eq!(held.waiting[0].first, None);
    // It is held still.
    end(&held, 3701, Settle::Unread, Some(3706)).await;
    assert_eq!(given.next_due().await, Some(3706));
    let held = given.claimed(3706).await;
    assert_eq!(held.waiting[0].attempts, 1, "it was not in vain");
    end(&held, 3707, SETTLE, None).await;
    assert_eq!((given.next_due().await, given.rows().await), (None, 0));
    // A look after which nothing is held back ends what waited.
    given.arrives("alice", 4000).await;
    end(&given.claimed(4000).await, 4001, Settle::No, Some(9000)).await;
    given.arrives("bob", 5000).await;
    end(&given.claimed(5000).await, 5001, Settle::No, None).await;
    assert_eq!((given.next_due().await, given.rows().await), (None, 0));
}

#[tokio::test]
async fn what_is_held_back_and_looked_at_in_vain_is_tried_again() {
    let given = given();
    given.arrives("alice", 0).await;
    let look = given.claimed(0).await;
    given.store.complete(&look, at(1), Settle::No, Some(at(60))).await.unwrap();
    let held = given.claimed(60).await;
    given.store.retry(&held, at(90), "Graph is away").await.unwrap();
    assert_eq!(given.next_due().await, Some(90));
    assert_eq!(about(&given.claimed(90).await), [(Subject::held(), 0, true)]);
}

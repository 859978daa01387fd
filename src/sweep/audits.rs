//! The poll of a tenant's audit log, so that a tenant is guarded to whose events nobody forwards.
//!
//! The log shows events late and out of order, so every poll reaches back behind the one before
//! it, and remembers which events it has heard. Its place moves on only over what is durably
//! queued.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use super::agreement::Found;
use super::{Sweep, kept, words};
use crate::domain::id::Sha256Hex;
use crate::domain::roster::Tenant;
use crate::domain::signal::Signal;
use crate::ports::{AuditPage, AuditsFrom, PortError};
use crate::wire::audit::Whose;
use crate::wire::{Verified, audit, schedule};

/// Most pages of one poll. What is left is read by the next one, soon after.
const PAGES_MAX: usize = 10;

/// Most events remembered as heard. One that is forgotten is a reason to look once more.
const SEEN_MAX: usize = 1500;

/// Entra keeps audit events for 7 days where there is no premium licence. What a poll that is
/// later than this cannot read any more, a look covers.
const RETENTION: SignedDuration = SignedDuration::from_hours(6 * 24);

/// How a poll went.
#[derive(Debug, Default)]
pub struct Polled {
    /// Pages read.
    pub pages: usize,
    /// Events on them.
    pub events: usize,
    /// Events that are a new reason to look.
    pub fresh: usize,
    /// Whether it stopped before the end.
    pub more: bool,
    /// What kept it from going on, in words.
    pub trouble: Option<String>,
}

/// How far the log was read.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// When the last poll began that came to the end.
    watermark: Option<Timestamp>,
    /// A poll that has not come to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pass: Option<Pass>,
    /// The events heard, with the second in which each happened.
    #[serde(default)]
    seen: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Pass {
    /// When it began.
    began: Timestamp,
    /// Where it began to read.
    since: Timestamp,
    /// Everything that happened before this and was visible is queued.
    at: Timestamp,
}

impl Position {
    /// The pass that now goes on, or begins.
    fn pass(&self, now: Timestamp, overlap: SignedDuration) -> Pass {
        match (self.pass, self.watermark) {
            (Some(pass), _) => Pass { since: pass.at, ..pass },
            (None, Some(watermark)) => {
                let since = watermark.min(now) - overlap;
                Pass { began: now, since, at: since }
            }
            (None, None) => Pass { began: now, since: now - overlap, at: now - overlap },
        }
    }

    /// Whether events may have happened that no poll will ever show.
    fn may_miss(&self, now: Timestamp) -> bool {
        self.watermark.is_none_or(|watermark| now.duration_since(watermark) > RETENTION)
            && self.pass.is_none()
    }

    /// The signals that were not heard before.
    fn fresh(&self, signals: Vec<Verified<Signal>>) -> Vec<Verified<Signal>> {
        signals.into_iter().filter(|it| !self.seen.contains_key(&name(it.as_ref()))).collect()
    }

    fn heard(&mut self, signals: &[(String, i64)]) {
        self.seen.extend(signals.iter().cloned());
    }

    /// The end was reached.
    fn finish(&mut self, pass: Pass, overlap: SignedDuration) {
        self.pass = None;
        self.watermark = Some(pass.began);
        // What happened earlier is not read again.
        let oldest = (pass.began - overlap).as_second();
        self.seen.retain(|_, at| *at >= oldest);
    }

    /// Forgets the oldest of too many.
    fn bound(&mut self) {
        let mut times: Vec<i64> = self.seen.values().copied().collect();
        if times.len() > SEEN_MAX {
            times.sort_unstable();
            let oldest = times[times.len() - SEEN_MAX];
            self.seen.retain(|_, at| *at > oldest);
        }
    }
}

impl Pass {
    /// Moves on over a page that is queued; not over one that is out of order, behind which
    /// older events may follow.
    fn over(&mut self, page: &AuditPage) {
        let times: Vec<Timestamp> = page.events.iter().filter_map(happened).collect();
        if times.is_sorted() && times.first().is_none_or(|first| *first >= self.at) {
            self.at = times.last().copied().unwrap_or(self.at);
        }
    }
}

fn happened(event: &Value) -> Option<Timestamp> {
    event.get("activityDateTime")?.as_str()?.parse().ok()
}

/// What an event is remembered by.
fn name(signal: &Signal) -> String {
    let id = signal.event_id.as_deref().filter(|id| !id.is_empty());
    let digest = id.map_or_else(|| signal.digest.clone(), |id| Sha256Hex::of(id.as_bytes()));
    digest.as_str().get(..16).unwrap_or_default().to_owned()
}

impl Sweep {
    /// Reads on in a tenant's audit log and queues what is new in it. What it cannot read any more
    /// is covered by a look, unless one was queued a moment ago.
    pub(super) async fn poll(
        &self,
        tenant: &Tenant,
        covered: bool,
    ) -> Result<(Polled, Vec<Found>), PortError> {
        let mut kept = kept::read::<Position>(self.marks.as_ref(), tenant.id, kept::AUDITS).await?;
        let mut position = kept.value.take().unwrap_or_default();
        let now = self.clock.now();
        if position.may_miss(now) && !covered {
            self.enqueue.enqueue(vec![schedule::sweep(tenant.id, now)]).await?;
        }
        let mut pass = position.pass(now, self.times.overlap);
        let mut from = AuditsFrom::Since(pass.since);
        let (mut polled, mut found) = (Polled::default(), Vec::new());
        loop {
            let page = match self.audits.audits(tenant.id, &from).await {
                Ok(page) => page,
                Err(error) => {
                    polled.trouble = Some(words(&error));
                    break;
                }
            };
            polled.pages += 1;
            polled.events += page.events.len();
            let (roster, own_apps) = (&self.policy.roster, self.own_apps.as_slice());
            let whose = Whose { tenant: None, roster, own_apps, now: self.clock.now() };
            let received = audit::polled(&page.events, tenant.id, whose);
            let rejects = received.rejects;
            let fresh = position.fresh(received.signals);
            if let Some(first) = rejects.first().filter(|_| !fresh.is_empty()) {
                let rejects = rejects.len();
                warn!(tenant.name, rejects, "events of the audit log are not understood: {first}");
            }
            let heard: Vec<(String, i64)> = fresh.iter().map(|it| seen(it.as_ref(), now)).collect();
            found.extend(fresh.iter().filter_map(|signal| Found::of(signal.as_ref())));
            polled.fresh += fresh.len();
            if !fresh.is_empty() {
                self.enqueue.enqueue(fresh).await?;
            }
            position.heard(&heard);
            pass.over(&page);
            position.pass = Some(pass);
            let stopped = page.next.is_some() && polled.pages >= PAGES_MAX;
            if stopped && pass.at <= pass.since {
                // So many events that not one second of them could be read, or out of order: a
                // look now covers them all.
                self.enqueue.enqueue(vec![schedule::sweep(tenant.id, now)]).await?;
                position.finish(pass, self.times.overlap);
            } else if page.next.is_none() {
                position.finish(pass, self.times.overlap);
            }
            position.bound();
            let mine = kept::write(
                self.marks.as_ref(),
                tenant.id,
                kept::AUDITS,
                &mut kept,
                position.clone(),
            );
            if !mine.await? {
                info!(tenant.name, "somebody else reads this audit log");
                break;
            }
            match page.next {
                Some(next) if !stopped => from = AuditsFrom::Page(next),
                _ => break,
            }
        }
        polled.more = polled.trouble.is_none() && position.pass.is_some();
        if polled.fresh > 0 || polled.more {
            let Polled { pages, events, fresh, more, .. } = &polled;
            info!(tenant.name, pages, events, fresh, more, "the audit log was read");
        }
        self.tell(tenant, "audit-log", polled.trouble.clone(), false).await?;
        Ok((polled, found))
    }
}

fn seen(signal: &Signal, now: Timestamp) -> (String, i64) {
    (name(signal), signal.event_at.unwrap_or(now).as_second())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::finding::testing::noon;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn at(minutes: i64) -> Timestamp {
        noon() + SignedDuration::from_mins(minutes)
    }

    fn page(minutes: &[i64]) -> AuditPage {
        let event = |minutes: &i64| json!({"activityDateTime": at(*minutes).to_string()});
        AuditPage { events: minutes.iter().map(event).collect(), next: Some("more".into()) }
    }

    #[test]
    fn a_poll_reaches_back_behind_the_beginning_of_the_one_before_it() {
        let first = Position::default();
        assert!(first.may_miss(noon()));
        assert_eq!(first.pass(noon(), HOUR).since, at(-60));
        let mut position = first.clone();
        position.finish(first.pass(noon(), HOUR), HOUR);
        assert!(!position.may_miss(at(5)));
        assert_eq!(position.pass(at(5), HOUR).since, at(-60));
        assert!(position.may_miss(at(7 * 24 * 60)), "older events are not kept any more");
    }

    #[test]
    fn a_poll_that_stopped_goes_on_where_everything_before_is_queued() {
        let mut position = Position { watermark: Some(at(-5)), ..Position::default() };
        let mut pass = position.pass(noon(), HOUR);
        pass.over(&page(&[-64, -50, -50]));
        position.pass = Some(pass);
        let on = position.pass(at(1), HOUR);
        assert_eq!((on.since, on.began), (at(-50), noon()));
        // What became visible while it was under way lies after its beginning, less the overlap.
        position.finish(on, HOUR);
        assert_eq!(position.pass(at(5), HOUR).since, at(-60));
    }

    #[test]
    fn nothing_is_passed_over_where_the_order_cannot_be_relied_on() {
        let position = Position { watermark: Some(noon()), ..Position::default() };
        for minutes in [&[-10, -20][..], &[-100, -90]] {
            let mut pass = position.pass(noon(), HOUR);
            pass.over(&page(minutes));
            assert_eq!(pass.at, at(-60), "{minutes:?}");
        }
        let mut pass = position.pass(noon(), HOUR);
        pass.over(&page(&[]));
        assert_eq!(pass.at, at(-60));
    }

    #[test]
    fn events_are_remembered_as_long_as_they_are_read_again_and_no_more_than_so_many() {
        let mut position = Position::default();
        position.heard(&[("old".into(), at(-61).as_second()), ("new".into(), at(-59).as_second())]);
        position.finish(position.pass(noon(), HOUR), HOUR);
        assert_eq!(position.seen.keys().collect::<Vec<_>>(), ["new"]);
        let many: Vec<(String, i64)> =
            (0..2000).map(|n| (format!("{n:016}"), at(0).as_second() + n)).collect();
        position.heard(&many);
        position.bound();
        assert!(position.seen.len() <= SEEN_MAX && position.seen.len() >= SEEN_MAX - 1);
        assert!(position.seen.contains_key("0000000000001999"));
        assert!(serde_json::to_string(&position).unwrap().len() < 64 * 1024);
    }
}

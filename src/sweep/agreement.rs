//! Whether the events that forwarders bring and those that the poll finds are the same.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{Sweep, kept};
use crate::domain::roster::Tenant;
use crate::domain::signal::{Sender, Signal};
use crate::ports::{Heard, PortError};

/// Most events that are waited for at a time.
const WAITING_MAX: usize = 200;

/// An event that the poll found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    event: String,
    happened: Timestamp,
}

impl Found {
    /// An event with an id, by which a forwarder's can be told to be the same.
    pub(super) fn of(signal: &Signal) -> Option<Self> {
        let event = signal.event_id.clone().filter(|id| !id.is_empty())?;
        Some(Self { event, happened: signal.event_at.unwrap_or(signal.received_at) })
    }
}

/// How it stands between forwarders and the poll.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing was compared yet.
    #[default]
    Unknown,
    /// Nobody forwards this tenant's events: the poll guards alone.
    Alone,
    /// What the poll finds, forwarders bring too.
    Agreeing,
    /// Forwarders used to bring events, and do not bring those the poll finds.
    Missing {
        /// When the first of the missing events happened.
        since: Timestamp,
    },
}

/// What is remembered of the comparison.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// How it stands.
    pub standing: Standing,
    /// How many events are missing since it stands so.
    #[serde(default)]
    pub missing: u64,
    /// Events that the poll found and that may yet be brought: when each happened, and when it
    /// was found, in seconds.
    #[serde(default)]
    waiting: BTreeMap<String, (i64, i64)>,
}

impl Agreement {
    /// Compares anew; says whether it stands differently now.
    fn compare(
        &mut self,
        found: &[Found],
        heard: &Heard,
        now: Timestamp,
        tolerance: SignedDuration,
    ) -> bool {
        let before = self.standing;
        for Found { event, happened } in found {
            if self.waiting.len() < WAITING_MAX {
                self.waiting.insert(event.clone(), (happened.as_second(), now.as_second()));
            }
        }
        if !heard.last.contains_key(&Sender::Audit) {
            self.waiting.clear();
            self.missing = 0;
            if self.standing != Standing::Unknown || !found.is_empty() {
                self.standing = Standing::Alone;
            }
            return self.standing != before;
        }
        let (mut brought, mut missing) = (false, Vec::new());
        self.waiting.retain(|event, (happened, found)| {
            let overdue = now.as_second() - *found >= tolerance.as_secs();
            if heard.brought.contains(event) {
                brought = true;
            } else if overdue {
                missing.push(*happened);
            } else {
                return true;
            }
            false
        });
        if let Some(first) = missing.iter().min() {
            self.missing += missing.len() as u64;
            if !matches!(self.standing, Standing::Missing { .. }) {
                let since = Timestamp::from_second(*first).unwrap_or(now);
                self.standing = Standing::Missing { since };
            }
        } else if brought {
            (self.standing, self.missing) = (Standing::Agreeing, 0);
        }
        self.standing != before
    }
}

impl Sweep {
    /// Compares what the poll found with what senders brought, and tells when that changes.
    pub(super) async fn compare(
        &self,
        tenant: &Tenant,
        found: &[Found],
    ) -> Result<Option<Agreement>, PortError> {
        let marks = self.marks.as_ref();
        let mut kept = kept::read::<Agreement>(marks, tenant.id, kept::AGREEMENT).await?;
        let mut agreement = kept.value.take().unwrap_or_default();
        let now = self.clock.now();
        let asked = found.iter().map(|found| found.event.clone());
        let asked: Vec<String> = asked.chain(agreement.waiting.keys().cloned()).collect();
        let heard = self.heard.heard(tenant.id, &asked).await?;
        let changed = agreement.compare(found, &heard, now, self.times.tolerance);
        let written =
            kept::write(marks, tenant.id, kept::AGREEMENT, &mut kept, agreement.clone()).await?;
        if changed && written {
            match agreement.standing {
                Standing::Missing { since } => warn!(
                    tenant.name,
                    "events by way of /hooks/audit are missing since {since}; the poll of the \
                     audit log sees them: mend the forwarder of this tenant's audit events"
                ),
                Standing::Agreeing => info!(
                    tenant.name,
                    "the events by way of /hooks/audit are those that the audit log shows"
                ),
                Standing::Alone => info!(
                    tenant.name,
                    "nobody forwards this tenant's audit events; the poll of its audit log guards"
                ),
                Standing::Unknown => {}
            }
        }
        Ok(Some(agreement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::noon;

    const TOLERANCE: SignedDuration = SignedDuration::from_mins(30);

    fn at(minutes: i64) -> Timestamp {
        noon() + SignedDuration::from_mins(minutes)
    }

    fn found(event: &str, minutes: i64) -> Found {
        Found { event: event.to_owned(), happened: at(minutes) }
    }

    fn heard(sender: Sender, brought: &[&str]) -> Heard {
        Heard {
            last: [(sender, at(-600))].into(),
            brought: brought.iter().map(|event| (*event).to_owned()).collect(),
        }
    }

    #[test]
    fn a_tenant_without_a_forwarder_is_told_of_once_and_never_warned_of() {
        let mut agreement = Agreement::default();
        let notifications = heard(Sender::Graph, &[]);
        assert!(!agreement.compare(&[], &notifications, at(0), TOLERANCE));
        assert!(agreement.compare(&[found("a", -5)], &notifications, at(0), TOLERANCE));
        assert_eq!(agreement.standing, Standing::Alone);
        assert!(!agreement.compare(&[found("b", 5)], &notifications, at(60), TOLERANCE));
    }

    #[test]
    fn a_forwarder_that_fails_is_told_of_once_with_the_first_event_it_missed() {
        let mut agreement = Agreement::default();
        let audit = |brought: &[&str]| heard(Sender::Audit, brought);
        assert!(agreement.compare(&[found("a", -5)], &audit(&["a"]), at(0), TOLERANCE));
        assert_eq!(agreement.standing, Standing::Agreeing);
        // It may come later than the poll.
        assert!(!agreement.compare(&[found("b", 1), found("c", 2)], &audit(&[]), at(5), TOLERANCE));
        assert!(!agreement.compare(&[], &audit(&["c"]), at(34), TOLERANCE));
        assert!(agreement.compare(&[], &audit(&[]), at(35), TOLERANCE));
        assert_eq!(agreement.standing, Standing::Missing { since: at(1) });
        assert_eq!(agreement.missing, 1);
        assert!(!agreement.compare(&[found("d", 40)], &audit(&[]), at(41), TOLERANCE));
        assert!(!agreement.compare(&[], &audit(&[]), at(80), TOLERANCE));
        assert_eq!(
            (agreement.standing, agreement.missing),
            (Standing::Missing { since: at(1) }, 2)
        );
        assert!(agreement.compare(&[found("e", 85)], &audit(&["e"]), at(86), TOLERANCE));
        assert_eq!((agreement.standing, agreement.missing), (Standing::Agreeing, 0));
    }

    #[test]
    fn a_storm_does_not_fill_the_memory() {
        let mut agreement = Agreement::default();
        let many: Vec<Found> = (0..1000).map(|n| found(&format!("e{n}"), 0)).collect();
        agreement.compare(&many, &heard(Sender::Audit, &[]), at(0), TOLERANCE);
        assert_eq!(agreement.waiting.len(), WAITING_MAX);
    }
}

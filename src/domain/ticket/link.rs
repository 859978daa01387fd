//! What is known of a ticket in its system: that it is being opened, that it is there, that it is
//! ended. It is what keeps a ticket from being opened twice.
//!
//! A search alone cannot: Jira's may lag by minutes behind what was opened
//! (<https://developer.atlassian.com/cloud/jira/platform/search-and-reconcile/>).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::MessageKind;
use super::said::{TicketKey, TicketRef};
use crate::domain::id::{SinkName, TenantId};

/// How long an attempt to open a ticket may take before it is taken for lost with its process:
/// longer than any call and what is read before it.
pub const ATTEMPT: SignedDuration = SignedDuration::from_mins(4);

/// What is known of a ticket in its system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The ticket's key.
    pub key: TicketKey,
    /// The sink.
    pub sink: SinkName,
    /// The tenant it is about.
    pub tenant: Option<TenantId>,
    /// How far it has come.
    pub state: LinkState,
    /// The ticket, once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<TicketRef>,
    /// The number of the last that was said in it; 0 before anything was.
    pub said: u32,
    /// Whether somebody else is told in its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fell_back: bool,
    /// The store's own mark: it rises with each change.
    #[serde(skip)]
    pub revision: i64,
}

/// How far a ticket has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum LinkState {
    /// There is none.
    Free,
    /// It is being opened, or was when the process ended.
    Reserved {
        /// When it was sent, or was about to be.
        since: Timestamp,
        /// Nobody else tries before.
        until: Timestamp,
    },
    /// It was opened or not: the answer is lost.
    Unknown {
        /// When it was sent.
        since: Timestamp,
    },
    /// It is there; whoever is merely told has taken what opens it.
    Linked,
    /// It was ended after all that was to be said.
    Closed,
}

/// What is to be done next with a ticket, to say something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Nothing: it was said.
    Nothing,
    /// Nothing before this moment.
    Wait(Timestamp),
    /// Open it.
    Open {
        /// Whether it is looked for first, and taken if it is there.
        find: bool,
    },
    /// Say it.
    Say,
    /// End it.
    End,
    /// A person has to look: it was opened or not, and the system cannot be asked.
    Stuck,
}

impl Link {
    /// A ticket of which nothing is known.
    pub fn new(key: TicketKey, sink: SinkName, tenant: Option<TenantId>) -> Self {
        let (at, said, fell_back, revision) = (None, 0, false, 0);
        Self { key, sink, tenant, state: LinkState::Free, at, said, fell_back, revision }
    }

    /// Whether the ticket is there, or was to the end of what it is about.
    pub fn is_there(&self) -> bool {
        match self.state {
            LinkState::Linked | LinkState::Closed => true,
            LinkState::Free | LinkState::Reserved { .. } | LinkState::Unknown { .. } => false,
        }
    }

    /// What is to be done next, to say `number`. A ticket is found `found_after` it was opened at the
    /// latest, and never if nothing; `closes` tells whether tickets are ended.
    pub fn next(
        &self,
        (kind, number): (MessageKind, u32),
        found_after: Option<SignedDuration>,
        closes: bool,
        now: Timestamp,
    ) -> Move {
        match self.state {
            LinkState::Free => Move::Open { find: found_after.is_some() },
            LinkState::Reserved { until, .. } if now < until => Move::Wait(until),
            LinkState::Reserved { since, .. } | LinkState::Unknown { since } => {
                again(found_after, since, now)
            }
            LinkState::Linked | LinkState::Closed if number > self.said => Move::Say,
            LinkState::Linked if kind == MessageKind::Closed && closes => Move::End,
            LinkState::Linked | LinkState::Closed => Move::Nothing,
        }
    }
}

/// What is to be done about an attempt whose outcome is not known.
fn again(found_after: Option<SignedDuration>, since: Timestamp, now: Timestamp) -> Move {
    match found_after {
        Some(lag) if now < since + lag => Move::Wait(since + lag),
        Some(_) => Move::Open { find: true },
        None => Move::Stuck,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::noon;

    const STRONG: Option<SignedDuration> = Some(SignedDuration::ZERO);
    const LAGS: Option<SignedDuration> = Some(SignedDuration::from_mins(2));
    const BLIND: Option<SignedDuration> = None;

    fn at(minutes: i64) -> Timestamp {
        noon() + SignedDuration::from_mins(minutes)
    }

    fn link(state: LinkState, said: u32) -> Link {
        let key = TicketKey("pw1-0".to_owned());
        Link { state, said, ..Link::new(key, SinkName("s".to_owned()), None) }
    }

    fn opening(state: LinkState, found_after: Option<SignedDuration>, minutes: i64) -> Move {
        link(state, 0).next((MessageKind::Opened, 1), found_after, true, at(minutes))
    }

    #[test]
    fn what_is_not_known_is_looked_for_and_opened() {
        for (after, find) in [(STRONG, true), (LAGS, true), (BLIND, false)] {
            assert_eq!(opening(LinkState::Free, after, 0), Move::Open { find }, "{after:?}");
        }
    }

    #[test]
    fn a_ticket_is_there_once_it_was_opened_and_as_long_as_it_was_not_deleted() {
        let now = at(0);
        for (state, there) in [
            (LinkState::Free, false),
            (LinkState::Reserved { since: now, until: now }, false),
            (LinkState::Unknown { since: now }, false),
            (LinkState::Linked, true),
            (LinkState::Closed, true),
        ] {
            assert_eq!(link(state, 1).is_there(), there, "{state:?}");
        }
    }

    #[test]
    fn while_somebody_opens_it_nobody_else_does() {
        let reserved = LinkState::Reserved { since: at(0), until: at(4) };
        for after in [STRONG, LAGS, BLIND] {
            assert_eq!(opening(reserved, after, 3), Move::Wait(at(4)), "{after:?}");
        }
    }

    #[test]
    fn after_a_lost_answer_no_second_ticket_is_opened_blindly() {
        let reserved = LinkState::Reserved { since: at(0), until: at(0) };
        for state in [LinkState::Unknown { since: at(0) }, reserved] {
            for (after, minutes, expect) in [
                (STRONG, 0, Move::Open { find: true }),
                (LAGS, 1, Move::Wait(at(2))),
                (LAGS, 2, Move::Open { find: true }),
                (BLIND, 0, Move::Stuck),
                (BLIND, 600, Move::Stuck),
            ] {
                assert_eq!(opening(state, after, minutes), expect, "{after:?} after {minutes} min");
            }
        }
    }

    #[test]
    fn what_was_said_is_not_said_again_and_the_end_comes_after_the_last_word() {
        let next = |state, said, kind, number, closes| {
            link(state, said).next((kind, number), STRONG, closes, at(0))
        };
        let (linked, closed) = (LinkState::Linked, LinkState::Closed);
        let (updated, ends) = (MessageKind::Updated, MessageKind::Closed);
        assert_eq!(next(linked, 1, updated, 2, true), Move::Say);
        assert_eq!(next(linked, 2, updated, 2, true), Move::Nothing);
        assert_eq!(next(linked, 2, ends, 3, true), Move::Say);
        assert_eq!(next(linked, 3, ends, 3, true), Move::End);
        assert_eq!(next(linked, 3, ends, 3, false), Move::Nothing, "the policy keeps it open");
        assert_eq!(next(closed, 3, ends, 3, true), Move::Nothing);
        assert_eq!(next(linked, 1, MessageKind::Opened, 1, true), Move::Nothing);
    }
}

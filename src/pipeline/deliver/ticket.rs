//! A message into a ticket: opened once, told in order, ended at the end.

use jiff::Timestamp;
use tracing::warn;

use super::{Desk, Failed, Told, unknown};
use crate::domain::sink::Common;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::link::{ATTEMPT, Link, LinkState, Move};
use crate::domain::ticket::said::{Said, TicketKey, TicketRef};
use crate::ports::Delivery;
use crate::ports::ticket::{Class, SinkError, TicketSystem};

/// Most moves for one message: it is opened, told, taken up again and ended at the most, and once
/// more where its ticket was deleted in between.
const MOVES: usize = 8;

/// Says a message in its ticket.
pub(super) async fn tell(
    desk: &Desk,
    system: &dyn TicketSystem,
    common: &Common,
    delivery: &Delivery,
) -> Result<Told, Failed> {
    let caps = system.caps();
    let said = Said::of(&delivery.id, &delivery.body, common, caps.title_max);
    let said = said.map_err(|error| {
        SinkError::new(Class::Config, format!("ticket sink {}: {error}", delivery.sink))
    })?;
    // Whatever waits behind it says all that it says.
    if said.kind == MessageKind::Updated && delivery.more {
        return Ok(Told::Known);
    }
    let known = desk.links.link(&TicketKey(delivery.ticket.clone())).await?;
    let mut at_hand = AtHand {
        desk,
        system,
        said: &said,
        attempts: delivery.attempts,
        link: known.unwrap_or_else(|| unknown(delivery)),
    };
    for _ in 0..MOVES {
        let now = desk.clock.now();
        let next =
            at_hand.link.next((said.kind, said.number), caps.find.after(), common.close, now);
        let moved = match next {
            Move::Nothing => return Ok(Told::Known),
            Move::Wait(until) => return Ok(Told::NotYet(until)),
            Move::Open { find } => at_hand.open(find, now).await?,
            Move::Say => at_hand.say(caps.comment).await?,
            Move::End => at_hand.end().await?,
            Move::Stuck => {
                let whom = format!("ticket sink {}", delivery.sink);
                let said = format!(
                    "{whom} may have opened the ticket or not, and cannot be asked; look for {} \
                     there, then have the message sent again with redrive",
                    delivery.ticket
                );
                return Err(SinkError::new(Class::Gone, said).into());
            }
        };
        if !moved {
            // Somebody else works on the same ticket.
            return Ok(Told::NotYet(desk.clock.now() + ATTEMPT));
        }
    }
    let said = format!("ticket sink {} does not come to an end with it", delivery.sink);
    Err(SinkError::new(Class::Transient, said).into())
}

struct AtHand<'a> {
    desk: &'a Desk,
    system: &'a dyn TicketSystem,
    said: &'a Said,
    attempts: u32,
    link: Link,
}

impl AtHand<'_> {
    /// Writes down how far the ticket has come. Says whether nobody else has meanwhile.
    async fn note(&mut self, link: Link) -> Result<bool, Failed> {
        let Some(revision) = self.desk.links.put_link(&link).await? else { return Ok(false) };
        self.link = Link { revision, ..link };
        Ok(true)
    }

    async fn open(&mut self, find: bool, now: Timestamp) -> Result<bool, Failed> {
        let before = self.link.state;
        let reserved = LinkState::Reserved { since: now, until: now + ATTEMPT };
        if !self.note(Link { state: reserved, ..self.link.clone() }).await? {
            return Ok(false);
        }
        let ended = self.opened(find).await;
        let error = match ended {
            Ok((at, said)) => {
                let state = LinkState::Linked;
                return self.note(Link { state, at: Some(at), said, ..self.link.clone() }).await;
            }
            Err(error) => error,
        };
        let state = match (error.class, before) {
            (Class::Ambiguous, _) => LinkState::Unknown { since: now },
            // What was not known before is not known better now.
            (_, LinkState::Unknown { since } | LinkState::Reserved { since, .. }) => {
                LinkState::Unknown { since }
            }
            (_, LinkState::Free | LinkState::Linked | LinkState::Closed) => LinkState::Free,
        };
        self.note(Link { state, ..self.link.clone() }).await?;
        Err(error.into())
    }

    /// Takes the ticket that is there, or opens one. Says the number of the last that was said in
    /// it.
    async fn opened(&self, find: bool) -> Result<(TicketRef, u32), SinkError> {
        if find && let Some(found) = self.found().await? {
            return Ok(found);
        }
        match self.system.open(self.said).await {
            Ok(at) => Ok((at, self.said.number)),
            Err(error) if error.class == Class::Conflict => {
                self.found().await?.ok_or(SinkError { class: Class::Config, ..error })
            }
            Err(error) if error.class == Class::TooLarge => {
                let most = self.system.caps().body_max / 2;
                let shorter = Said { text: self.said.text.clone().cut(most), ..self.said.clone() };
                self.system.open(&shorter).await.map(|at| (at, self.said.number))
            }
            Err(error) => Err(error),
        }
    }

    async fn found(&self) -> Result<Option<(TicketRef, u32)>, SinkError> {
        let found = self.system.find(&self.said.key).await?;
        if found.len() > 1 {
            let others: Vec<&str> = found.iter().skip(1).map(|it| it.at.human.as_str()).collect();
            let (key, others) = (&self.said.key, others.join(", "));
            warn!(ticket.key = %key, "several tickets have the same key; the oldest is taken, beside {others}");
        }
        let Some(first) = found.into_iter().next() else { return Ok(None) };
        // It may be there with other words than these: an opening is in it, all else may not be.
        let opens = self.said.kind == MessageKind::Opened;
        let said = if opens { self.said.number } else { self.said.number.saturating_sub(1) };
        Ok(Some((first.at, said)))
    }

    async fn say(&mut self, comments: bool) -> Result<bool, Failed> {
        let Some(at) = self.link.at.clone() else { return self.gone().await };
        match self.spoken(&at, comments).await {
            Ok(()) => self.note(Link { said: self.said.number, ..self.link.clone() }).await,
            Err(error) if error.class == Class::Gone => self.gone().await,
            Err(error) => Err(error.into()),
        }
    }

    async fn spoken(&self, at: &TicketRef, comments: bool) -> Result<(), SinkError> {
        let standing = self.system.read(at).await?;
        // Somebody has ended it, and what it is about still stands.
        if !standing.open && self.said.kind != MessageKind::Closed {
            self.system.reopen(at, self.said).await?;
        }
        let again = self.attempts > 0;
        if !comments || again && self.system.has_said(at, &self.said.mark()).await? == Some(true) {
            return Ok(());
        }
        match self.system.comment(at, self.said).await {
            Err(error) if error.class == Class::TooLarge => {
                let most = self.system.caps().body_max / 2;
                let text = self.said.text.clone().cut(most);
                self.system.comment(at, &Said { text, ..self.said.clone() }).await
            }
            ended => ended,
        }
    }

    async fn end(&mut self) -> Result<bool, Failed> {
        if let Some(at) = self.link.at.clone() {
            match self.system.close(&at, self.said).await {
                Ok(()) => {}
                Err(error) if error.class == Class::Gone => {
                    warn!(ticket.key = %self.said.key, "{} is gone, and so is what it was about", at.human);
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.note(Link { state: LinkState::Closed, ..self.link.clone() }).await
    }

    /// The ticket was deleted: what is still to be said opens another one.
    async fn gone(&mut self) -> Result<bool, Failed> {
        warn!(ticket.key = %self.said.key, "the ticket is not there any more; another one is opened");
        self.note(Link { state: LinkState::Free, at: None, ..self.link.clone() }).await
    }
}

//! A sink tried with a ticket about nothing, on the way that every message goes: opened, found,
//! spoken in, ended, and read again after each. What is remembered of it is kept in memory, so that
//! neither the store nor a `serve` beside it knows of it.

mod memory;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;

use self::memory::Memory;
use super::{Counter, Desk, Failed, Told, tell};
use crate::domain::finding::Severity;
use crate::domain::id::SinkName;
use crate::domain::text::{count, foreign, one_line};
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::link::{Link, LinkState};
use crate::domain::ticket::said::{TicketKey, TicketRef, mark};
use crate::domain::ticket::tryout::{key, message};
use crate::ports::ticket::{Class, Find, SinkError, Teller, TicketSystem};
use crate::ports::{Clock, Delivery, chain};

/// The pause before a ticket is looked for again, in a system whose search lags behind.
const AGAIN: Duration = Duration::from_secs(2);

/// The sink that is tried, as a person knows it.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Its name in the policy.
    pub name: SinkName,
    /// Its kind.
    pub kind: &'static str,
    /// Where it is, fit to show.
    pub place: String,
}

/// What was tried, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Whether a ticket could be opened, without opening one.
    Preflight,
    /// Opening one.
    Open,
    /// Finding it by its key.
    Find,
    /// Saying something in it.
    Comment,
    /// Reading it, and what was said in it.
    ReadBack,
    /// Ending it.
    Close,
    /// Reading that it is ended.
    ReadClosed,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Preflight => "preflight",
            Self::Open => "opened",
            Self::Find => "found by its key",
            Self::Comment => "commented",
            Self::ReadBack => "read back",
            Self::Close => "closed",
            Self::ReadClosed => "read back as closed",
        })
    }
}

/// What was seen of a step that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The step.
    pub step: Step,
    /// Whether it was left out, for a reason that is told.
    pub left_out: bool,
    /// What was seen.
    pub said: String,
}

/// The first thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// The step.
    pub step: Step,
    /// What is wrong.
    pub said: String,
    /// What to do about it.
    pub mend: String,
}

/// What a sink was seen to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its name in the policy.
    pub sink: String,
    /// Its kind.
    pub kind: &'static str,
    /// Whether it keeps tickets that can be read again.
    pub keeps_tickets: bool,
    /// The key of the ticket.
    pub key: String,
    /// The ticket, once there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketRef>,
    /// What holds, in order.
    pub steps: Vec<Seen>,
    /// What does not. Nothing was tried after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Whether a ticket may be left that somebody has to close by hand.
    pub left_behind: bool,
}

/// What to do about an answer of a sink, for the person who set it up.
pub fn mend(class: Class, tried: &Tried) -> String {
    let Tried { name, kind, place } = tried;
    let page = format!("docs/tickets/{kind}.md");
    match class {
        Class::Auth => format!(
            "see that what stands under tickets.{name} in the secrets is valid, and that its account \
             has the rights that {page} lists"
        ),
        Class::Config => format!(
            "compare tickets.{name} in the policy with {page} and with what is set up at {place}"
        ),
        Class::RateLimited(Some(after)) => {
            let seconds = usize::try_from(after.as_secs()).unwrap_or(usize::MAX);
            format!("it wants to be left alone: try again in {}", count(seconds, "second"))
        }
        Class::RateLimited(None) => {
            "it wants to be left alone: try again in some minutes".to_owned()
        }
        Class::Transient => {
            format!(
                "see that the system at {place} is in order and can be reached from this machine, \
                 then try again"
            )
        }
        Class::Ambiguous => format!(
            "see that {place} leads to the system itself and not to a proxy or a sign-in page; what \
             was asked for may have been done, so look there before you try again"
        ),
        Class::Conflict => format!("look at {place} for what has that key already"),
        Class::TooLarge => format!("let {place} take texts of some thousand characters"),
        Class::Gone => format!(
            "see at {place} whether a rule moves, merges or deletes tickets, or whether messages are \
             wanted there at all"
        ),
    }
}

/// Tries a sink; `heard` hears of each step that holds as soon as it does. The ticket is as bad as
/// `severity` says.
pub async fn try_sink(
    tried: &Tried,
    mut counter: Counter,
    clock: Arc<dyn Clock>,
    severity: Severity,
    heard: impl FnMut(&Seen),
) -> Report {
    // Whatever else the author's own texts say: this one is to be known by its title.
    counter.common.templates.title = None;
    let key = key(&tried.name, clock.now());
    let (teller, closes) = (counter.teller.clone(), counter.common.close);
    let memory = Arc::new(Memory::default());
    let desk = Desk {
        outbox: memory.clone(),
        links: memory.clone(),
        enqueue: memory,
        sinks: BTreeMap::from([(tried.name.clone(), counter)]),
        clock,
        again: Vec::new(),
        alone: Mutex::default(),
    };
    let report = Report {
        sink: tried.name.to_string(),
        kind: tried.kind,
        keeps_tickets: matches!(teller, Teller::Tickets(_)),
        key: key.to_string(),
        ticket: None,
        steps: Vec::new(),
        trouble: None,
        left_behind: false,
    };
    let mut trying = Trying { desk, tried, key, severity, report, heard };
    let ended = match &teller {
        Teller::Tickets(system) => trying.tickets(system.as_ref(), closes).await,
        Teller::Messages(notify) => {
            let ready = notify.preflight().await;
            trying.messages(ready).await
        }
    };
    trying.report.trouble = ended.err();
    trying.report
}

struct Trying<'a, F> {
    desk: Desk,
    tried: &'a Tried,
    key: TicketKey,
    severity: Severity,
    report: Report,
    heard: F,
}

impl<F: FnMut(&Seen)> Trying<'_, F> {
    fn holds(&mut self, step: Step, said: impl Into<String>) {
        self.seen(Seen { step, left_out: false, said: said.into() });
    }

    fn left_out(&mut self, step: Step, said: impl Into<String>) {
        self.seen(Seen { step, left_out: true, said: said.into() });
    }

    fn seen(&mut self, seen: Seen) {
        (self.heard)(&seen);
        self.report.steps.push(seen);
    }

    fn refused(&self, step: Step, error: &SinkError) -> Trouble {
        Trouble { step, said: one_line(&chain(error)), mend: mend(error.class, self.tried) }
    }

    /// Sends a message as the courier does, once.
    async fn say(&self, step: Step, kind: MessageKind) -> Result<(), Trouble> {
        let now = self.desk.clock.now();
        let message = message(kind, &self.key, &self.tried.name, self.severity, now);
        let trouble = |said: String| {
            let mend = "this is a fault of Partner Warden itself; please report it".to_owned();
            Trouble { step, said, mend }
        };
        let body = serde_json::to_string(&message).map_err(|error| trouble(error.to_string()))?;
        let delivery = Delivery {
            number: 0,
            sink: self.tried.name.clone(),
            ticket: self.key.to_string(),
            id: message.id,
            body,
            attempts: 0,
            more: false,
        };
        match tell(&self.desk, &delivery, now).await {
            Ok(Told::Known) => Ok(()),
            Ok(Told::NotYet(until)) => Err(trouble(format!("nothing is said before {until}"))),
            Err(Failed::Sink(error)) => Err(self.refused(step, &error)),
            Err(Failed::Store(error)) => Err(trouble(chain(&error))),
        }
    }

    /// What is known of the ticket.
    async fn link(&self, step: Step) -> Result<Link, Trouble> {
        let known = self.desk.links.link(&self.key).await.ok().flatten();
        known.ok_or_else(|| Trouble {
            step,
            said: "nothing is known of the ticket that was opened".to_owned(),
            mend: "this is a fault of Partner Warden itself; please report it".to_owned(),
        })
    }

    async fn messages(&mut self, ready: Result<String, SinkError>) -> Result<(), Trouble> {
        let ready = ready.map_err(|error| self.refused(Step::Preflight, &error))?;
        self.holds(Step::Preflight, one_line(&ready));
        self.say(Step::Open, MessageKind::Opened).await?;
        self.report.left_behind = true;
        self.holds(Step::Open, "the message that a ticket is opened was taken");
        self.say(Step::Close, MessageKind::Closed).await?;
        self.report.left_behind = false;
        self.holds(Step::Close, "the message that it is closed was taken");
        Ok(())
    }

    async fn tickets(&mut self, system: &dyn TicketSystem, closes: bool) -> Result<(), Trouble> {
        let ready = system.preflight().await;
        let ready = ready.map_err(|error| self.refused(Step::Preflight, &error))?;
        self.holds(Step::Preflight, one_line(&ready));

        // Where the answer is lost, the ticket may be there.
        self.report.left_behind = true;
        let opened = self.say(Step::Open, MessageKind::Opened).await;
        let link = self.link(Step::Open).await;
        if opened.is_err() {
            let unsent = link.as_ref().map_or(true, |link| link.state == LinkState::Free);
            self.report.left_behind = !unsent;
        }
        opened?;
        let Some(at) = link?.at else { return Err(self.strange(Step::Open, "it has no id")) };
        self.report.ticket = Some(at.clone());
        let place = at.url.as_deref().map_or_else(String::new, |url| format!(" {}", one_line(url)));
        self.holds(Step::Open, format!("{}{place}", foreign(&at.human)));

        self.find(system, &at).await?;

        let comments = system.caps().comment;
        self.say(Step::Comment, MessageKind::Updated).await?;
        if comments {
            self.holds(Step::Comment, "something was said in it");
        } else {
            let why = "in this system nobody would see what is said later";
            self.left_out(Step::Comment, why);
        }
        self.read_back(system, &at, comments).await?;
        self.end(system, &at, closes).await
    }

    fn strange(&self, step: Step, said: &str) -> Trouble {
        Trouble { step, said: said.to_owned(), mend: mend(Class::Config, self.tried) }
    }

    /// Looks for the ticket by its key, for as long as the system's search may lag behind.
    async fn find(&mut self, system: &dyn TicketSystem, at: &TicketRef) -> Result<(), Trouble> {
        let lag = match system.caps().find {
            Find::Strong => Duration::ZERO,
            Find::Eventual(lag) => lag,
            Find::Never => {
                let why = "this system cannot be searched by the key; a ticket whose opening is in \
                           doubt is left to a person";
                self.left_out(Step::Find, why);
                return Ok(());
            }
        };
        let attempts = lag.as_millis() / AGAIN.as_millis() + 1;
        for attempt in 1..=attempts {
            let found = system.find(&self.key).await;
            let found = found.map_err(|error| self.refused(Step::Find, &error))?;
            match found.as_slice() {
                [] if attempt < attempts => tokio::time::sleep(AGAIN).await,
                [] => break,
                [one] if one.at.id == at.id && one.standing.open => {
                    self.holds(Step::Find, format!("{} finds it, and it alone", self.key));
                    return Ok(());
                }
                [one] if one.at.id == at.id => {
                    return Err(self.strange(
                        Step::Find,
                        "it was just opened and counts as closed; does a rule end new tickets?",
                    ));
                }
                others => {
                    let names: Vec<String> =
                        others.iter().map(|it| foreign(&it.at.human)).collect();
                    let said = format!("{} finds {} in its place", self.key, names.join(", "));
                    return Err(self.strange(Step::Find, &said));
                }
            }
        }
        let said = format!(
            "{} finds nothing, though the ticket is there: one whose opening is in doubt would be \
             opened twice",
            self.key
        );
        Err(self.strange(Step::Find, &said))
    }

    async fn read_back(
        &mut self,
        system: &dyn TicketSystem,
        at: &TicketRef,
        comments: bool,
    ) -> Result<(), Trouble> {
        let standing = system.read(at).await;
        let standing = standing.map_err(|error| self.refused(Step::ReadBack, &error))?;
        if !standing.open {
            return Err(self.strange(
                Step::ReadBack,
                "it counts as closed, and nobody has closed it; does a rule of the system?",
            ));
        }
        let state = if standing.states.is_empty() {
            "open".to_owned()
        } else {
            let states: Vec<String> = standing.states.iter().map(|it| foreign(it)).collect();
            format!("open ({})", states.join(", "))
        };
        if !comments {
            self.holds(Step::ReadBack, state);
            return Ok(());
        }
        let said = system.has_said(at, &mark(&self.key, 2)).await;
        match said.map_err(|error| self.refused(Step::ReadBack, &error))? {
            Some(true) => self.holds(Step::ReadBack, format!("{state}, with what was said in it")),
            None => {
                let unseen = "whether the comment is there cannot be seen by a program";
                self.holds(Step::ReadBack, format!("{state}; {unseen}"));
            }
            Some(false) => {
                return Err(self.strange(
                    Step::ReadBack,
                    "what was said in it cannot be read again: it would be said twice whenever an \
                     answer is lost",
                ));
            }
        }
        Ok(())
    }

    async fn end(
        &mut self,
        system: &dyn TicketSystem,
        at: &TicketRef,
        closes: bool,
    ) -> Result<(), Trouble> {
        self.say(Step::Close, MessageKind::Closed).await?;
        if !closes {
            let name = &self.tried.name;
            let why = format!("tickets.{name}.close is false, so people close tickets there");
            self.left_out(Step::Close, why);
            return Ok(());
        }
        self.holds(Step::Close, "it was ended");
        let standing = system.read(at).await;
        let standing = standing.map_err(|error| self.refused(Step::ReadClosed, &error))?;
        if standing.open {
            return Err(self.strange(
                Step::ReadClosed,
                "it was ended, and is still open: its account may not end tickets, or the state it \
                 is given does not end them",
            ));
        }
        self.report.left_behind = false;
        self.holds(Step::ReadClosed, "closed");
        Ok(())
    }
}

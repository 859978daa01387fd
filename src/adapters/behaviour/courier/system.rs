//! A ticket system in memory, which can be out of order in every way that counts.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::domain::markup::{Markup, plain};
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef, says};
use crate::ports::ticket::{Caps, Class, Find, Found, SinkError, TicketSystem};

/// How a system is out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It answers so, and does nothing.
    Says(Class),
    /// It does what it is asked, and the answer is lost.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) key: String,
    pub(super) open: bool,
    pub(super) said: Vec<String>,
    pub(super) deleted: bool,
}

/// A ticket system in memory.
pub(super) struct System {
    caps: Caps,
    pub(super) tickets: Mutex<Vec<Ticket>>,
    /// What is wrong with the calls of this name, from the next on.
    faults: Mutex<Vec<(&'static str, Fault)>>,
    pub(super) calls: Mutex<Vec<&'static str>>,
    /// How long what was opened cannot be found, in calls of `find`.
    pub(super) hidden: AtomicU32,
}

impl System {
    pub(super) fn new(find: Find) -> Arc<Self> {
        let markup = Markup::Plain;
        let caps = Caps { find, comment: true, markup, title_max: 255, body_max: 10_000 };
        Arc::new(Self {
            caps,
            tickets: Mutex::default(),
            faults: Mutex::default(),
            calls: Mutex::default(),
            hidden: AtomicU32::new(0),
        })
    }

    pub(super) fn tickets(&self) -> Vec<Ticket> {
        self.tickets.lock().unwrap().clone()
    }

    pub(super) fn only(&self) -> Ticket {
        let tickets = self.tickets();
        assert_eq!(tickets.len(), 1, "{tickets:?}");
        tickets[0].clone()
    }

    /// The next calls of this name fail so, one for each.
    pub(super) fn fails(&self, call: &'static str, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults.iter().map(|fault| (call, *fault)));
    }

    /// Every call fails so until it is mended.
    pub(super) fn down(&self) {
        self.fails("all", &[Fault::Says(Class::Transient)]);
    }

    pub(super) fn up(&self) {
        self.faults.lock().unwrap().clear();
    }

    pub(super) fn count(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|it| **it == call).count()
    }

    fn call(
        &self,
        call: &'static str,
        does: impl FnOnce(&mut Vec<Ticket>),
    ) -> Result<(), SinkError> {
        self.calls.lock().unwrap().push(call);
        let fault = {
            let mut faults = self.faults.lock().unwrap();
            let at = faults.iter().position(|it| it.0 == call || it.0 == "all");
            at.map(|at| if faults[at].0 == "all" { faults[at] } else { faults.remove(at) })
        };
        if let Some((_, Fault::Says(class))) = fault {
            return Err(SinkError::new(class, "out of order"));
        }
        does(&mut self.tickets.lock().unwrap());
        match fault {
            Some(_) => Err(SinkError::new(Class::Ambiguous, "the answer is lost")),
            None => Ok(()),
        }
    }

    fn one(&self, at: &TicketRef) -> Result<usize, SinkError> {
        let at: usize = at.id.parse().unwrap();
        let gone = || SinkError::new(Class::Gone, "it is not there");
        let there = self.tickets.lock().unwrap().get(at).is_some_and(|ticket| !ticket.deleted);
        if there { Ok(at) } else { Err(gone()) }
    }
}

pub(super) fn place(at: usize) -> TicketRef {
    TicketRef { id: at.to_string(), human: format!("T-{at}"), url: None }
}

#[async_trait]
impl TicketSystem for System {
    fn caps(&self) -> Caps {
        self.caps
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        Ok("ready".to_owned())
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let mut found = Vec::new();
        self.call("find", |tickets| {
            if self.hidden.load(Ordering::SeqCst) > 0 {
                self.hidden.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            let own = tickets.iter().enumerate().filter(|it| it.1.key == key.0 && !it.1.deleted);
            found.extend(own.map(|(at, ticket)| Found {
                at: place(at),
                standing: Standing { open: ticket.open, states: vec![], by: vec![] },
            }));
        })?;
        Ok(found)
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        let mut at = 0;
        self.call("open", |tickets| {
            at = tickets.len();
            let said_first = vec![plain(&said.text)];
            let key = said.key.0.clone();
            tickets.push(Ticket { key, open: true, said: said_first, deleted: false });
        })?;
        Ok(place(at))
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        let at = self.one(at)?;
        let mut open = false;
        self.call("read", |tickets| open = tickets[at].open)?;
        Ok(Standing { open, states: vec![], by: vec![] })
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        let at = self.one(at)?;
        self.call("comment", |tickets| tickets[at].said.push(plain(&said.text)))
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        let at = self.one(at)?;
        Ok(Some(self.tickets.lock().unwrap()[at].said.iter().any(|said| says(said, mark))))
    }

    async fn close(&self, at: &TicketRef, _: &Said) -> Result<(), SinkError> {
        let at = self.one(at)?;
        self.call("close", |tickets| tickets[at].open = false)
    }

    async fn reopen(&self, at: &TicketRef, _: &Said) -> Result<(), SinkError> {
        let at = self.one(at)?;
        self.call("reopen", |tickets| tickets[at].open = true)
    }
}

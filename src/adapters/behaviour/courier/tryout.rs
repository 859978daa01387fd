//! A sink that is tried, and one that does not do as it says at each step. No store is needed.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::system::{Fault, System, place};
use super::{Hands, sink};
use crate::domain::finding::Severity;
use crate::domain::sink::Common;
use crate::domain::ticket::MessageKind;
use crate::domain::ticket::said::{Said, Standing, TicketKey, TicketRef};
use crate::pipeline::deliver::Counter;
use crate::pipeline::deliver::tryout::{Report, Seen, Step, Tried, try_sink};
use crate::ports::Delivery;
use crate::ports::ticket::{Caps, Class, Find, Found, Notify, SinkError, Teller, TicketSystem};

/// A system that says it did something and did not.
struct Liar {
    inner: Arc<System>,
    about: &'static str,
}

#[async_trait]
impl TicketSystem for Liar {
    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    async fn preflight(&self) -> Result<String, SinkError> {
        match self.about {
            "preflight" => Err(SinkError::new(Class::Auth, "ticket sink security answered 401")),
            _ => self.inner.preflight().await,
        }
    }

    async fn find(&self, key: &TicketKey) -> Result<Vec<Found>, SinkError> {
        let mut found = self.inner.find(key).await?;
        match self.about {
            "find none" => found.clear(),
            "find another" => found.iter_mut().for_each(|it| it.at = place(7)),
            "find two" => found.extend(found.clone()),
            "find closed" => found.iter_mut().for_each(|it| it.standing.open = false),
            _ => {}
        }
        Ok(found)
    }

    async fn open(&self, said: &Said) -> Result<TicketRef, SinkError> {
        self.inner.open(said).await
    }

    async fn read(&self, at: &TicketRef) -> Result<Standing, SinkError> {
        self.inner.read(at).await
    }

    async fn comment(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        match self.about {
            "comment" if said.kind == MessageKind::Updated => Ok(()),
            "end at once" => self.inner.close(at, said).await,
            _ => self.inner.comment(at, said).await,
        }
    }

    async fn has_said(&self, at: &TicketRef, mark: &str) -> Result<Option<bool>, SinkError> {
        match self.about {
            "no reading" => Ok(None),
            _ => self.inner.has_said(at, mark).await,
        }
    }

    async fn close(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        match self.about {
            "close" => Ok(()),
            _ => self.inner.close(at, said).await,
        }
    }

    async fn reopen(&self, at: &TicketRef, said: &Said) -> Result<(), SinkError> {
        self.inner.reopen(at, said).await
    }
}

async fn tried_with(teller: Teller, common: Common) -> (Report, Vec<Seen>) {
    let tried = Tried {
        name: sink("security"),
        kind: "redmine",
        place: "https://redmine.example".to_owned(),
    };
    let mut heard = Vec::new();
    let clock = Arc::new(Hands(AtomicI64::new(0)));
    let counter = Counter { teller, common };
    let told = |seen: &Seen| heard.push(seen.clone());
    let report = try_sink(&tried, counter, clock, Severity::Info, told).await;
    (report, heard)
}

async fn tried(system: Arc<dyn TicketSystem>, common: Common) -> Report {
    let (report, heard) = tried_with(Teller::Tickets(system), common).await;
    assert_eq!(report.steps, heard, "each is told as soon as it is seen");
    report
}

fn steps(report: &Report) -> Vec<Step> {
    report.steps.iter().map(|seen| seen.step).collect()
}

#[tokio::test]
async fn a_system_that_does_as_it_says_ends_with_one_closed_ticket() {
    let system = System::new(Find::Strong);
    let mut common = Common::default();
    common.templates.title = Some("Please look".to_owned());
    let report = tried(system.clone(), common).await;
    assert_eq!((&report.trouble, report.left_behind), (&None, false));
    let all = [
        Step::Preflight,
        Step::Open,
        Step::Find,
        Step::Comment,
        Step::ReadBack,
        Step::Close,
        Step::ReadClosed,
    ];
    assert_eq!(steps(&report), all);
    assert!(report.steps.iter().all(|seen| !seen.left_out));
    let ticket = system.only();
    assert_eq!((ticket.key, ticket.open, ticket.said.len()), (report.key, false, 3));
    assert_eq!(report.ticket.unwrap().human, "T-0");
}

#[tokio::test]
async fn the_first_thing_that_does_not_hold_is_told_and_nothing_is_tried_after_it() {
    for (about, step, before, words) in [
        ("preflight", Step::Preflight, 0, "401"),
        ("find none", Step::Find, 2, "finds nothing"),
        ("find another", Step::Find, 2, "finds T-7 in its place"),
        ("find two", Step::Find, 2, "finds T-0, T-0 in its place"),
        ("find closed", Step::Find, 2, "counts as closed"),
        ("comment", Step::ReadBack, 4, "cannot be read again"),
        ("end at once", Step::ReadBack, 4, "nobody has closed it"),
        ("close", Step::ReadClosed, 6, "is still open"),
    ] {
        let inner = System::new(Find::Strong);
        let liar = Arc::new(Liar { inner: inner.clone(), about });
        let report = tried(liar, Common::default()).await;
        let trouble = report.trouble.as_ref().unwrap_or_else(|| panic!("{about} went unseen"));
        assert_eq!((trouble.step, report.steps.len()), (step, before), "{about}");
        assert!(trouble.said.contains(words), "{about}: {}", trouble.said);
        assert!(trouble.mend.contains("docs/tickets/redmine.md"), "{about}: {}", trouble.mend);
        let open = inner.tickets().iter().any(|ticket| ticket.open);
        // One that is closed and was not closed by us is nothing to be sure of either.
        assert!(report.left_behind || !open, "{about}");
        assert_eq!(report.ticket.is_some(), before >= 2, "{about}");
    }
}

#[tokio::test]
async fn what_a_system_refuses_is_told_with_what_to_do_about_it() {
    for (class, words) in [
        (Class::Auth, "has the rights that docs/tickets/redmine.md lists"),
        (Class::Config, "compare tickets.security in the policy"),
        (Class::RateLimited(Some(Duration::from_secs(90))), "again in 90 seconds"),
        (Class::Transient, "the system at https://redmine.example is in order"),
    ] {
        let system = System::new(Find::Strong);
        system.fails("open", &[Fault::Says(class)]);
        let report = tried(system.clone(), Common::default()).await;
        let trouble = report.trouble.unwrap();
        assert_eq!((trouble.step, trouble.said.as_str()), (Step::Open, "out of order"));
        assert!(trouble.mend.contains(words), "{}", trouble.mend);
        assert!(!report.left_behind, "it says itself that it did nothing");
        assert_eq!(system.tickets(), []);
    }
}

#[tokio::test]
async fn a_ticket_whose_opening_is_in_doubt_is_told_to_be_looked_for() {
    let system = System::new(Find::Strong);
    system.fails("open", &[Fault::Lost]);
    let report = tried(system.clone(), Common::default()).await;
    assert_eq!(report.trouble.as_ref().unwrap().step, Step::Open);
    assert!(report.left_behind);
    assert_eq!(system.only().key, report.key);
}

#[tokio::test(start_paused = true)]
async fn a_search_that_lags_behind_is_waited_for() {
    let system = System::new(Find::Eventual(Duration::from_mins(2)));
    // The courier looks once before it opens.
    system.hidden.store(4, Ordering::SeqCst);
    let report = tried(system.clone(), Common::default()).await;
    assert_eq!((report.trouble, system.count("find")), (None, 5));

    let system = System::new(Find::Eventual(Duration::from_secs(10)));
    system.hidden.store(100, Ordering::SeqCst);
    let report = tried(system, Common::default()).await;
    assert_eq!(report.trouble.unwrap().step, Step::Find);
}

#[tokio::test]
async fn what_cannot_be_seen_or_is_not_wanted_is_left_out_and_said() {
    let system = System::new(Find::Never);
    let report = tried(system.clone(), Common { close: false, ..Common::default() }).await;
    let left_out: Vec<Step> =
        report.steps.iter().filter(|seen| seen.left_out).map(|seen| seen.step).collect();
    assert_eq!((&report.trouble, left_out), (&None, vec![Step::Find, Step::Close]));
    assert!(report.left_behind && system.only().open, "people close tickets there");

    let liar = Liar { inner: System::new(Find::Strong), about: "no reading" };
    let report = tried(Arc::new(liar), Common::default()).await;
    assert_eq!(report.trouble, None);
    assert!(report.steps[4].said.contains("cannot be seen"), "{:?}", report.steps[4]);
}

/// Somebody who is told, and takes so many messages.
struct Listener {
    takes: AtomicU32,
    heard: Mutex<Vec<String>>,
}

#[async_trait]
impl Notify for Listener {
    async fn preflight(&self) -> Result<String, SinkError> {
        Ok("messages go somewhere".to_owned())
    }

    async fn tell(&self, delivery: &Delivery, _: Timestamp) -> Result<(), SinkError> {
        let left = self.takes.load(Ordering::SeqCst);
        if left == 0 {
            return Err(SinkError::new(Class::Gone, "it answered 410"));
        }
        self.takes.store(left - 1, Ordering::SeqCst);
        self.heard.lock().unwrap().push(delivery.body.clone());
        Ok(())
    }
}

#[tokio::test]
async fn who_is_only_told_hears_of_the_beginning_and_of_the_end() {
    for takes in 0..=2 {
        let listener = Arc::new(Listener { takes: takes.into(), heard: Mutex::default() });
        let teller = Teller::Messages(listener.clone());
        let (report, _) = tried_with(teller, Common::default()).await;
        let heard = listener.heard.lock().unwrap().clone();
        assert!(heard.iter().all(|body| body.contains("TEST by Partner Warden")), "{heard:?}");
        assert!(!report.keeps_tickets);
        let all = [Step::Preflight, Step::Open, Step::Close];
        let (count, failed) = match takes {
            0 => (1, Some(Step::Open)),
            1 => (2, Some(Step::Close)),
            _ => (3, None),
        };
        assert_eq!(steps(&report), all[..count]);
        assert_eq!(report.trouble.map(|it| it.step), failed);
        assert_eq!(report.left_behind, takes == 1);
    }
}

//! The adapters of ticket systems against the systems themselves, which `make test-tickets` starts.

mod pipeline;
mod proxy;
mod redmine;
mod request_tracker;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use indexmap::IndexMap;
use partner_warden::adapters::http::{Http, Patience};
use partner_warden::adapters::ticket::{Making, SLOW, teller};
use partner_warden::config::environment;
use partner_warden::domain::finding::Severity;
use partner_warden::domain::id::SinkName;
use partner_warden::domain::markup::{Block, Document, Span};
use partner_warden::domain::secret::Secret;
use partner_warden::domain::sink::{Common, Settings, Sink};
use partner_warden::domain::ticket::MessageKind;
use partner_warden::domain::ticket::said::{Said, TicketKey, mark};
use partner_warden::ports::ticket::{Class, Teller, TicketSystem};

use self::proxy::Proxy;

/// What a partner may call itself.
const NAME: &str = "<b>Contoso</b> *\"O'Neil\"* {{include(x)}} #1 @admin \\ [x](http://x.example)";

/// What the servers' script says.
fn told(name: &str) -> String {
    let told = environment(name);
    told.unwrap_or_else(|| panic!("no {name}: run these tests by `make test-tickets`"))
}

/// A system as the policy and the secrets make it.
fn system(settings: Settings, common: Common, secret: (&str, &str)) -> Arc<dyn TicketSystem> {
    let sink = Sink { common, settings };
    let name = SinkName("security".to_owned());
    let http = Http::new(Patience::default()).unwrap();
    let secrets = [(secret.0.to_owned(), Secret::new(secret.1))].into();
    let making = Making { name: &name, common: &sink.common, secrets, http: &http, slow: SLOW };
    match teller(&sink, &making).unwrap() {
        Teller::Tickets(system) => system,
        Teller::Messages(_) => panic!("this keeps no tickets"),
    }
}

/// A key that no other test has, nor another attempt at this one.
fn key(test: &str) -> TicketKey {
    let mut hasher = DefaultHasher::new();
    test.hash(&mut hasher);
    TicketKey(format!("pw1-{:016x}{:010x}", hasher.finish(), std::process::id()))
}

fn said(key: &TicketKey, kind: MessageKind, number: u32) -> Said {
    Said {
        key: key.clone(),
        number,
        kind,
        title: format!("{NAME} {key}"),
        text: Document {
            blocks: vec![
                Block::Heading(vec![Span::Text("What was found".to_owned())]),
                Block::List(vec![vec![Span::Text(NAME.to_owned())]]),
                Block::Paragraph(vec![Span::Code(mark(key, number))]),
            ],
        },
        severity: Severity::High,
        priority: None,
        fields: IndexMap::new(),
    }
}

/// A ticket from its first day to its last.
async fn lives(system: &dyn TicketSystem, key: &TicketKey) {
    system.preflight().await.unwrap();
    assert_eq!(system.find(key).await.unwrap(), []);
    let at = system.open(&said(key, MessageKind::Opened, 1)).await.unwrap();
    let found = system.find(key).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].at, at);
    assert!(found[0].standing.open);
    assert!(system.read(&at).await.unwrap().open);
    assert_eq!(system.has_said(&at, &mark(key, 1)).await.unwrap(), Some(true));

    assert_eq!(system.has_said(&at, &mark(key, 2)).await.unwrap(), Some(false));
    system.comment(&at, &said(key, MessageKind::Updated, 2)).await.unwrap();
    assert_eq!(system.has_said(&at, &mark(key, 2)).await.unwrap(), Some(true));

    let last = said(key, MessageKind::Closed, 3);
    for _ in 0..2 {
        system.close(&at, &last).await.unwrap();
        assert!(!system.read(&at).await.unwrap().open);
        assert!(!system.find(key).await.unwrap()[0].standing.open);
    }
    for _ in 0..2 {
        system.reopen(&at, &said(key, MessageKind::Updated, 4)).await.unwrap();
        assert!(system.read(&at).await.unwrap().open);
        assert!(system.find(key).await.unwrap()[0].standing.open);
    }
    assert_eq!(system.find(key).await.unwrap().len(), 1);

    // The ticket of somebody else, to whom its number leads us.
    let other = TicketKey(key.as_str().replace("pw1-", "pw1-x"));
    for ended in [
        system.comment(&at, &said(&other, MessageKind::Updated, 2)).await,
        system.close(&at, &said(&other, MessageKind::Closed, 3)).await,
        system.reopen(&at, &said(&other, MessageKind::Updated, 4)).await,
    ] {
        assert_eq!(ended.unwrap_err().class, Class::Gone);
    }
    assert!(system.read(&at).await.unwrap().open);
}

/// The system goes away, comes back, and loses an answer on the way.
async fn goes_and_comes_back(proxy: &mut Proxy, system: &dyn TicketSystem, key: &TicketKey) {
    proxy.close().await;
    for error in [
        system.preflight().await.unwrap_err(),
        system.find(key).await.unwrap_err(),
        system.open(&said(key, MessageKind::Opened, 1)).await.unwrap_err(),
    ] {
        assert_eq!(error.class, Class::Transient, "{error}");
    }
    proxy.open().await;
    assert_eq!(system.find(key).await.unwrap(), []);

    // It takes the ticket, and we never hear of it.
    proxy.lose("POST ");
    let unheard = system.open(&said(key, MessageKind::Opened, 1)).await.unwrap_err();
    assert_eq!(unheard.class, Class::Ambiguous, "{unheard}");
    let found = system.find(key).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");

    proxy.close().await;
    let at = &found[0].at;
    let ending = said(key, MessageKind::Closed, 2);
    assert_eq!(system.close(at, &ending).await.unwrap_err().class, Class::Transient);
    proxy.open().await;
    assert!(system.read(at).await.unwrap().open);

    // It closes the ticket, and we never hear of it; then it is closed, and that is all.
    proxy.lose("PUT ");
    assert_eq!(system.close(at, &ending).await.unwrap_err().class, Class::Ambiguous);
    system.close(at, &ending).await.unwrap();
    assert!(!system.read(at).await.unwrap().open);
}

//! Which ticket is where: written by whoever read it last, and found from both ends.

use super::{Given, Store, at, tenant};
use crate::domain::finding::testing::WOODGROVE;
use crate::domain::id::SinkName;
use crate::domain::ticket::link::{Link, LinkState};
use crate::domain::ticket::said::{TicketKey, TicketRef};
use crate::ports::ticket::{TicketLinks as _, WhoseTicket as _};

fn sink(name: &str) -> SinkName {
    SinkName(name.to_owned())
}

fn link() -> Link {
    let key = TicketKey("pw1-0123".to_owned());
    Link::new(key, sink("security"), Some(tenant(WOODGROVE)))
}

fn there(id: &str) -> TicketRef {
    let url = Some(format!("https://tickets.example/{id}"));
    TicketRef { id: id.to_owned(), human: format!("SEC-{id}"), url }
}

pub(in crate::adapters) async fn of_two_who_reserve_a_ticket_one_does<S: Store>() {
    let given = Given::<S>::new().await;
    assert_eq!(given.store.link(&link().key).await.unwrap(), None);
    let reserved = LinkState::Reserved { since: at(0), until: at(240) };
    let mine = Link { state: reserved, ..link() };
    assert_eq!(given.store.put_link(&mine).await.unwrap(), Some(1));
    assert_eq!(given.store.put_link(&link()).await.unwrap(), None, "somebody was first");
    let read = given.store.link(&link().key).await.unwrap().unwrap();
    assert_eq!(read, Link { revision: 1, ..mine });
    let linked = Link { state: LinkState::Linked, at: Some(there("7")), said: 1, ..read.clone() };
    assert_eq!(given.store.put_link(&linked).await.unwrap(), Some(2));
    let late = Link { state: LinkState::Unknown { since: at(0) }, ..read };
    assert_eq!(given.store.put_link(&late).await.unwrap(), None, "it was read before that");
    let given = given.after_a_crash().await;
    let read = given.store.link(&link().key).await.unwrap();
    assert_eq!(read, Some(Link { revision: 2, ..linked }));
}

pub(in crate::adapters) async fn a_ticket_is_found_by_the_systems_own_id<S: Store>() {
    let given = Given::<S>::new().await;
    let linked = Link { state: LinkState::Linked, at: Some(there("7")), ..link() };
    given.store.put_link(&linked).await.unwrap().unwrap();
    let key_of = async |name: &str, id: &str| given.store.key_of(&sink(name), id).await.unwrap();
    assert_eq!(key_of("security", "7").await, Some(link().key));
    assert_eq!(key_of("security", "8").await, None);
    assert_eq!(key_of("helpdesk", "7").await, None, "each system has ids of its own");
}

pub(in crate::adapters) async fn a_door_is_told_whose_a_ticket_is<S: Store>() {
    let given = Given::<S>::new().await;
    let linked = Link { state: LinkState::Linked, at: Some(there("7")), ..link() };
    given.store.put_link(&linked).await.unwrap().unwrap();
    let nobodys = Link {
        key: TicketKey("pw1-4567".to_owned()),
        tenant: None,
        state: LinkState::Linked,
        at: Some(there("8")),
        ..link()
    };
    given.store.put_link(&nobodys).await.unwrap().unwrap();
    let whose =
        async |name: &str, id: &str| given.store.whose_ticket(&sink(name), id).await.unwrap();
    assert_eq!(whose("security", "7").await, Some((link().key, tenant(WOODGROVE))));
    for (name, id) in [("security", "8"), ("security", "9"), ("helpdesk", "7")] {
        assert_eq!(whose(name, id).await, None, "{name} {id}");
    }
}

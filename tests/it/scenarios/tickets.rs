//! How tickets reach their sink.

use partner_warden::sim::{Rule, Scenario, Then};

use crate::harness::{Backend, ENFORCE, LIMIT, Town, kinds, on_each};

on_each! {
    a_sink_that_is_down_at_first_gets_every_message_once_and_in_order
    a_ticket_that_waited_for_its_sink_when_the_process_died_is_delivered_by_the_next
    trouble_with_the_sink_does_not_keep_anything_from_being_revoked
}

async fn a_sink_that_is_down_at_first_gets_every_message_once_and_in_order(on: Backend) {
    let down = Rule::new("/inbox/", Then::status(500)).times(1);
    let town = Town::on(on, Scenario::woodgrove().fault(down), ENFORCE).await;
    let warden = town.start().await;
    let _schedule = warden.hasten();
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(kinds(&messages), ["ticket.opened", "ticket.closed"]);
    let delivered = town.sim.deliveries("security");
    assert!(delivered.iter().all(|delivery| delivery.verified && delivery.count == 1));
    assert_eq!(town.sim.count("POST", "/inbox/security"), 3);
}

async fn a_ticket_that_waited_for_its_sink_when_the_process_died_is_delivered_by_the_next(
    on: Backend,
) {
    let down = Rule::new("/inbox/", Then::status(503)).times(1);
    let town = Town::on(on, Scenario::woodgrove().fault(down), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let refused = town.sim.wait_for("the first attempt", LIMIT, |view| {
        view.calls().find(|call| call.path.starts_with("/inbox/")).and_then(|call| call.status)
    });
    assert_eq!(refused.await.unwrap(), 503);
    // What is known of the attempt is written down.
    warden.idle(&town).await;
    warden.kill();

    let warden = town.start().await;
    let _schedule = warden.hasten();
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(kinds(&messages), ["ticket.opened", "ticket.closed"]);
    let delivered = town.sim.deliveries("security");
    assert!(delivered.iter().all(|delivery| delivery.count == 1), "{delivered:?}");
    assert_eq!(town.deletes().len(), 2);
}

async fn trouble_with_the_sink_does_not_keep_anything_from_being_revoked(on: Backend) {
    let down = Rule::new("/inbox/", Then::status(500)).forever();
    let town = Town::on(on, Scenario::woodgrove().fault(down), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let wait = town
        .sim
        .wait_for("both revocations", LIMIT, |view| (view.deletions().len() == 2).then_some(()));
    wait.await.unwrap();
    warden.stop().await;
    assert_eq!(town.sim.deliveries("security"), []);
}

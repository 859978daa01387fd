//! What a person relies on, from the event to the ticket, through the real process.

use partner_warden::sim::Scenario;

use crate::harness::{ENFORCE, Town};

#[tokio::test]
async fn a_partners_power_is_taken_away_proven_gone_and_told_once() {
    let town = Town::new(Scenario::woodgrove().lag_reads(0), ENFORCE).await;
    let warden = town.serve();
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    let kinds: Vec<&str> = messages.iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&"ticket.opened"), Some(&"ticket.closed")));
    let key = &messages[0]["data"]["key"];
    assert!(messages.iter().all(|message| message["data"]["key"] == *key));
    assert_eq!(
        town.held(),
        [
            "HelpdeskAgents: Service Support Administrator",
            "Megan Bowen: Global Administrator",
            "Break Glass: Global Administrator",
            "Partner Warden: Directory Readers",
        ]
    );
    assert_eq!(town.sim.deletions().len(), 2);
}

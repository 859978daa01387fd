//! What happens more than once, and what may happen once only.

use partner_warden::sim::{INBOX_SECRET, Rule, Scenario, Tenant, Then, WOODGROVE, When};

use crate::harness::{
    Backend, ENFORCE, LIMIT, Town, body, is_of_a_look, kinds, on_each, role_given_to, steps,
};

on_each! {
    the_same_event_once_more_changes_nothing
    access_that_comes_back_is_taken_away_again_and_the_new_ticket_says_so
    what_was_refused_for_an_account_is_tried_again_and_for_a_partners_group_it_is_not
    what_is_still_seen_after_the_deletion_is_not_called_gone
    what_lingers_is_not_deleted_twice
    an_event_for_one_tenant_leaves_the_other_alone
    an_event_that_names_no_tenant_is_a_reason_to_look_at_all
}

/// A second tenant under guard.
const FABRIKAM: &str = "44444444-4444-4444-4444-444444444444";

async fn the_same_event_once_more_changes_nothing(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.role_was_added().await;
    warden.role_was_added_again(1).await;
    town.looked(2).await;
    warden.idle(&town).await;
    warden.stop().await;

    assert_eq!(town.deletes().len(), 2);
    assert_eq!(town.sim.deliveries("security").len(), messages.len());
    // Nothing is said that is not recorded.
    assert_eq!(town.records().await.len(), 2);
    assert_eq!(town.next_look().await, None);
}

async fn access_that_comes_back_is_taken_away_again_and_the_new_ticket_says_so(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let first = town.closed_ticket().await;
    town.sim.grant(WOODGROVE, "AdminAgents", "Global Administrator").unwrap();
    warden.role_was_added_again(1).await;
    let messages = town
        .messages("a second ticket, closed", |messages| {
            messages.iter().filter(|message| message["type"] == "ticket.closed").count() == 2
        })
        .await;
    warden.stop().await;

    let second = &messages[first.len()..];
    assert_eq!(kinds(second).first(), Some(&"ticket.opened"));
    assert_ne!(second[0]["data"]["key"], first[0]["data"]["key"]);
    assert_eq!(second[0]["data"]["severity"], "critical");
    assert_eq!(
        second[0]["data"]["title"],
        "Woodgrove: Removed access came back: Contoso Reseller holds Global Administrator"
    );
    let again = "It had been taken away before and came back.";
    assert!(body(&second[0]).contains(again), "{}", body(&second[0]));
    assert_eq!(
        town.deletes(),
        [
            "AdminAgents: Global Administrator → 204",
            "Alice: User Administrator → 204",
            "AdminAgents: Global Administrator → 204",
        ]
    );
    assert_eq!(town.held().len(), 4);
}

async fn what_was_refused_for_an_account_is_tried_again_and_for_a_partners_group_it_is_not(
    on: Backend,
) {
    // As while the write permission is missing.
    let denied = Rule::new("roleAssignments/", Then::status(403)).method("DELETE").times(2);
    let neither = Rule::new("roleAssignmentScheduleRequests", Then::status(403));
    let scenario = Scenario::woodgrove().fault(denied).fault(neither);
    let town = Town::on(on, scenario, ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    town.messages("the critical ticket", |messages| {
        messages.last().is_some_and(|last| last["data"]["severity"] == "critical")
    })
    .await;
    warden.role_was_added_again(1).await;
    town.messages("the account's revocation, verified", |messages| {
        messages.last().is_some_and(|last| steps(last)[1].ends_with(": verified"))
    })
    .await;
    warden.stop().await;
    assert_eq!(
        town.deletes(),
        [
            "AdminAgents: Global Administrator → 403",
            "Alice: User Administrator → 403",
            "Alice: User Administrator → 204",
        ]
    );
}

async fn what_is_still_seen_after_the_deletion_is_not_called_gone(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove().lag_reads(1), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    warden.stop().await;
    let waits = "Done: revoke Global Administrator from AdminAgents. Not yet seen to be gone; it \
                 is read again.";
    assert!(body(&messages[0]).contains(waits), "{}", body(&messages[0]));
    let delivered = town.sim.deliveries("security");
    assert!(delivered.iter().all(|delivery| delivery.body["type"] != "ticket.closed"));
    let records = town.records().await;
    assert!(records.last().unwrap().case.is_open());
    assert_eq!(town.deletes().len(), 2);
}

async fn what_lingers_is_not_deleted_twice(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove().lag_reads(50), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    town.looked(2).await;
    warden.stop().await;
    assert_eq!(town.deletes().len(), 2);
    assert!(steps(&messages[0]).iter().all(|step| step.ends_with(": revoked")), "{messages:#?}");
    assert!(town.records().await.last().unwrap().case.is_open());
}

/// Two tenants with the same partner in both.
async fn two_tenants(on: Backend) -> Town {
    let fabrikam = Tenant::new(FABRIKAM, "Fabrikam")
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
        .member("Dana Ivers", "dana@fabrikam.example", "Global Administrator");
    let scenario = Scenario::woodgrove().tenant(fabrikam).sink("security", INBOX_SECRET);
    let policy = ENFORCE.replace(
        "respond:",
        &format!(
            "  - id: {FABRIKAM}
    name: Fabrikam
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        domains: [contoso-reseller.example]
respond:"
        ),
    );
    Town::on(on, scenario, &policy).await
}

async fn an_event_for_one_tenant_leaves_the_other_alone(on: Backend) {
    let town = two_tenants(on).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert!(messages.iter().all(|message| message["data"]["tenant"]["name"] == "Woodgrove"));
    let calls = town.sim.calls();
    let strays: Vec<_> =
        calls.iter().filter(|call| call.tenant.as_deref() == Some(FABRIKAM)).collect();
    assert!(strays.is_empty(), "{strays:?}");
    assert_eq!(town.sim.assignments(FABRIKAM).len(), 2);
}

async fn an_event_that_names_no_tenant_is_a_reason_to_look_at_all(on: Backend) {
    let town = two_tenants(on).await;
    let warden = town.start().await;
    let event = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    assert_eq!(warden.audit_at("/hooks/audit", &event).await.status, 202);
    town.messages("a ticket closed for each tenant", |messages| {
        let closed = messages.iter().filter(|message| message["type"] == "ticket.closed");
        let mut names: Vec<_> = closed.map(|m| m["data"]["tenant"]["name"].clone()).collect();
        names.sort_by_key(ToString::to_string);
        names == ["Fabrikam", "Woodgrove"]
    })
    .await;
    warden.stop().await;
    assert_eq!(town.held().len(), 4);
    assert_eq!(town.sim.assignments(FABRIKAM).len(), 1);
}

/// What is heard of a tenant while a deletion is under way there waits for it, and others do not.
#[tokio::test]
async fn while_a_deletion_is_under_way_nobody_else_sees_to_the_tenant() {
    let town = two_tenants(Backend::Embedded).await;
    let warden = town.start().await;
    let hold = town.sim.hold("DELETE", "/roleAssignments/", When::BeforeEffect);
    warden.role_was_added().await;
    tokio::time::timeout(LIMIT, hold.reached()).await.unwrap();
    // Another subject, of which nobody has heard yet.
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    let event = role_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29");
    let path = format!("/hooks/audit?tenant={FABRIKAM}");
    assert_eq!(warden.audit_at(&path, &event).await.status, 202);
    let of = |name: &'static str| {
        move |messages: &[serde_json::Value]| {
            messages.iter().any(|message| {
                message["data"]["tenant"]["name"] == name && message["type"] == "ticket.closed"
            })
        }
    };
    town.messages("Fabrikam's ticket, closed", of("Fabrikam")).await;
    let calls = town.sim.calls();
    let in_woodgrove = calls.iter().filter(|call| call.tenant.as_deref() == Some(WOODGROVE));
    assert_eq!(in_woodgrove.clone().filter(|call| is_of_a_look(call)).count(), 1);
    assert_eq!(in_woodgrove.filter(|call| call.method == "DELETE").count(), 1);
    hold.release();
    town.messages("Woodgrove's ticket, closed", of("Woodgrove")).await;
    town.looked(2).await;
    warden.idle(&town).await;
    warden.stop().await;
    let mut deletes = town.deletes();
    deletes.sort();
    assert_eq!(
        deletes,
        [
            "AdminAgents: Global Administrator → 204",
            "Alice: User Administrator → 204",
            "Alice: User Administrator → 204",
        ]
    );
}

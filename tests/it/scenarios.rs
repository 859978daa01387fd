//! What a person relies on, from the event to the ticket, through the real process.

use partner_warden::domain::plan::StepState;
use partner_warden::domain::record::RecordEvent;
use partner_warden::sim::Scenario;

use crate::harness::{Backend, ENFORCE, Town, body, kinds, on_each, steps};

mod again;
mod approve;
mod sign_in;
mod content;
mod door;
mod own;
mod partner_side;
mod passing;
mod quarantine;
mod remedies;
mod stop;
mod tickets;
mod unreadable;
mod untouched;

on_each! {
    a_partners_power_is_taken_away_proven_gone_and_told_once
    a_change_notification_from_graph_is_as_good_a_reason_as_an_audit_event
    observe_changes_nothing_and_says_what_it_would_have_done
    approve_changes_nothing_and_waits_for_a_person
    what_microsoft_refuses_is_tried_once_and_told_with_the_steps_to_do_it_by_hand
    the_records_tell_the_whole_story_in_order
}

async fn a_partners_power_is_taken_away_proven_gone_and_told_once(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    let kinds = kinds(&messages);
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

async fn a_change_notification_from_graph_is_as_good_a_reason_as_an_audit_event(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    let body = include_str!("../../events/graph/user-updated.json");
    assert_eq!(warden.graph(body).await, 202);
    town.closed_ticket().await;
    assert_eq!(town.held().len(), 4);
}

async fn observe_changes_nothing_and_says_what_it_would_have_done(on: Backend) {
    let policy = ENFORCE.replace("mode: enforce", "mode: observe");
    let town = Town::on(on, Scenario::woodgrove(), &policy).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    insta::assert_snapshot!(body(&messages[0]), @r"
    What was found
    - privileged-role (critical): AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.
    - role-not-allowed (high): AdminAgents, a principal of Contoso Reseller's own directory, holds Global Administrator, which the policy does not allow it.
    - privileged-role (critical): Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds the privileged role User Administrator.
    - role-not-allowed (high): Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User Administrator, which the policy does not allow it.
    - guest-with-role (high): Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User Administrator.

    What was done
    - Would revoke Global Administrator from AdminAgents, but mode observe changes nothing: it would be DELETE /v1.0/roleManagement/directory/roleAssignments/sB-8EfUrZfJYMM4sjgMdD9d52no4KnfpUj6PSG_EOeQ-1.
      By hand: Open https://admin.microsoft.com/AdminPortal/Home#/partners as Global Administrator (Microsoft 365 admin center > Settings > Partner relationships), choose Contoso Reseller, choose Remove roles, then Yes.
    - Would revoke User Administrator from Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), but mode observe changes nothing: it would be DELETE /v1.0/roleManagement/directory/roleAssignments/8MGK0lvLWnbDEPEAIrfCWIuiCUBD3Uh7DQoGsWGan4w-1.
      By hand: Open https://entra.microsoft.com as Privileged Role Administrator, choose Roles & admins > User Administrator > Assignments, tick Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), choose Remove assignments.

    About privileged-role
    A privileged role lets its holder take over accounts or the whole tenant. Held by a partner it works outside your own conditional access, so whoever breaks into the partner is inside your tenant; NOBELIUM used exactly that.
    Mend: Give the partner only the roles its work needs (Microsoft lists them by task), for a limited time. To take this one away: Microsoft 365 admin center > Settings > Partner relationships > the partner > Remove roles; for a guest or an account of your own: Microsoft Entra admin center > Roles & admins > the role > Assignments > Remove (one that may be activated: the tab Eligible assignments; one that is held by being in a group: Groups > the group > Members).
    https://learn.microsoft.com/entra/identity/role-based-access-control/privileged-roles-permissions

    About role-not-allowed
    Every role beyond those agreed is access nobody asked for and nobody watches. Partners collect such roles over the years, often by default templates.
    Mend: Take the role away (Microsoft 365 admin center > Settings > Partner relationships > the partner; or Microsoft Entra admin center > Roles & admins > the role), or, if it is needed, add it to the partner's `allow.roles` in the policy with an end.
    https://learn.microsoft.com/partner-center/customers/gdap-least-privileged-roles-by-task

    About guest-with-role
    A guest account is a second way in beside delegated administration: it has no end, does not show under Partner relationships, and stays when the relationship ends.
    Mend: Microsoft Entra admin center > Roles & admins > the role > Assignments: remove the guest. If the partner needs the role, let it ask for it by delegated administration, or give it an account of your own that your MFA rules cover.
    https://learn.microsoft.com/entra/external-id/user-properties
    ");
    warden.stop().await;

    assert_eq!(town.deletes(), [""; 0]);
    assert_eq!(town.held().len(), 6);
    let records = town.records().await;
    assert_eq!(records.len(), 1);
    let states = records[0].case.rows.iter().filter_map(|row| Some(row.step.as_ref()?.state));
    assert!(states.eq([StepState::Described, StepState::Described]), "{:#?}", records[0]);
}

async fn approve_changes_nothing_and_waits_for_a_person(on: Backend) {
    let policy = ENFORCE.replace("mode: enforce", "mode: approve");
    let town = Town::on(on, Scenario::woodgrove(), &policy).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    let text = body(&messages[0]);
    for line in [
        "- Waits for a person to agree: revoke Global Administrator from AdminAgents.",
        "- Waits for a person to agree: revoke User Administrator from Alice \
         (alice_contoso-reseller.example#EXT#@woodgrove.example).",
    ] {
        assert!(text.lines().any(|other| other == line), "{text}");
    }
    warden.stop().await;
    assert_eq!(town.deletes(), [""; 0]);
}

async fn what_microsoft_refuses_is_tried_once_and_told_with_the_steps_to_do_it_by_hand(
    on: Backend,
) {
    let town = Town::on(on, Scenario::woodgrove().refuse_foreign_deletion(), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let alice = "revoke User Administrator from Alice \
                 (alice_contoso-reseller.example#EXT#@woodgrove.example): verified";
    let messages = town
        .messages("the guest's revocation, verified", |messages| {
            messages.last().is_some_and(|last| steps(last).iter().any(|step| step == alice))
        })
        .await;
    let last = messages.last().unwrap();
    assert_eq!(steps(last), ["revoke Global Administrator from AdminAgents: refused", alice]);
    assert_eq!(last["data"]["severity"], "critical");
    insta::assert_snapshot!(last["data"]["title"].as_str().unwrap(), @r"Woodgrove: Microsoft refused to remove access: Contoso Reseller holds Global Administrator and 1 more role");
    let done = body(last).split_once("What was done\n").unwrap().1.split_once("\n\n").unwrap().0;
    insta::assert_snapshot!(done, @r"
    - Refused by Microsoft Graph: revoke Global Administrator from AdminAgents: Microsoft Graph answered 403 Authorization_RequestDenied: Insufficient privileges to complete the operation.
      By hand: Open https://admin.microsoft.com/AdminPortal/Home#/partners as Global Administrator (Microsoft 365 admin center > Settings > Partner relationships), choose Contoso Reseller, choose Remove roles, then Yes.
    - Done: revoke User Administrator from Alice (alice_contoso-reseller.example#EXT#@woodgrove.example). Read again and seen to be gone.
    ");

    // What was refused once is not asked for again, whatever happens.
    warden.role_was_added_again(1).await;
    town.looked(2).await;
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    town.looked(3).await;
    warden.stop().await;
    assert_eq!(
        town.deletes(),
        ["AdminAgents: Global Administrator → 403", "Alice: User Administrator → 204"]
    );
}

async fn the_records_tell_the_whole_story_in_order(on: Backend) {
    let town = Town::on(on, Scenario::woodgrove(), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    town.closed_ticket().await;
    warden.stop().await;

    let records = town.records().await;
    let events: Vec<RecordEvent> = records.iter().map(|record| record.event).collect();
    assert_eq!(events, [RecordEvent::Looked, RecordEvent::Verified]);
    let first = records[0].signals.first.as_ref().unwrap();
    assert_eq!((first.what.as_str(), records[0].signals.count), ("Add member to role", 1));
    for step in records[1].case.rows.iter().filter_map(|row| row.step.as_ref()) {
        let read_at = records[0].read_at.unwrap();
        let (acted, verified) = (step.acted_at.unwrap(), step.verified_at.unwrap());
        assert!(first.received_at <= read_at && read_at <= acted && acted <= verified);
        assert!(step.request_id.is_some(), "{step:?}");
    }
}

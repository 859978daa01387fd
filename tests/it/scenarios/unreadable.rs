//! What cannot be read is never taken for an absence.

use partner_warden::sim::{
    CONTOSO, INBOX_SECRET, Principal, Rule, Scenario, Tenant, Then, WOODGROVE,
};
use serde_json::Value;

use crate::harness::{Backend, ENFORCE, Town, body, findings, on_each, steps};

on_each! {
    what_may_not_be_read_any_more_is_told_loudly_once_and_once_when_it_is_over
    assignments_on_many_pages_are_all_judged_and_told_in_one_ticket
    a_page_that_cannot_be_read_is_told_and_what_was_read_is_acted_on
    a_look_that_was_not_whole_is_due_again
    role_assignments_that_may_not_be_read_are_told_with_the_permission
    holders_that_may_not_be_resolved_are_left_alone_and_told_once
    guests_that_may_not_be_listed_are_told_and_nobody_is_taken_for_one
    partner_entries_that_may_not_be_read_are_told_and_do_not_hold_up_the_rest
    a_part_that_can_be_read_again_is_told_so_while_another_still_cannot
    a_busy_microsoft_is_waited_for
    an_answer_that_got_lost_leaves_no_doubt_behind
    a_sign_in_that_is_refused_is_told_with_its_mend_and_without_the_secret
}

/// Waits until a message to the sink is about what could not be read; returns the last one.
async fn gap(town: &Town) -> Value {
    let about = |message: &&Value| findings(message).iter().any(|f| f.starts_with("unreadable"));
    let messages = town
        .messages("a ticket about what cannot be read", |messages| {
            messages.iter().any(|m| about(&m))
        })
        .await;
    messages.iter().rfind(about).unwrap().clone()
}

/// Waits until so many tickets are closed.
async fn closed(town: &Town, number: usize) {
    town.messages(&format!("{number} closed"), |messages| {
        messages.iter().filter(|m| m["type"] == "ticket.closed").count() == number
    })
    .await;
}

/// Woodgrove with so many guests of the partner's, each with a role. Nothing but role assignments
/// tells of it: there is no Privileged Identity Management.
fn guests(number: usize) -> Tenant {
    (1..=number).fold(
        Tenant::new(WOODGROVE, "Woodgrove").without_licence().member(
            "Megan Bowen",
            "megan@woodgrove.example",
            "Global Administrator",
        ),
        |tenant, n| {
            let mail = format!("guest{n}@contoso-reseller.example");
            tenant.guest(&format!("Guest {n}"), &mail, "User Administrator")
        },
    )
}

fn scenario(tenant: Tenant) -> Scenario {
    Scenario::default().tenant(tenant).sink("security", INBOX_SECRET)
}

async fn assignments_on_many_pages_are_all_judged_and_told_in_one_ticket(on: Backend) {
    let town = Town::on(on, scenario(guests(25)).page_size(4), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(messages.iter().filter(|m| m["type"] == "ticket.opened").count(), 1);
    assert_eq!(steps(messages.last().unwrap()).len(), 25);
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
    assert_eq!(town.deletes().len(), 25);
}

async fn a_page_that_cannot_be_read_is_told_and_what_was_read_is_acted_on(on: Backend) {
    let broken = Rule::new("roleAssignments?$skiptoken", Then::status(500)).forever();
    let town = Town::on(on, scenario(guests(25)).page_size(10).fault(broken), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let gap = gap(&town).await;
    insta::assert_snapshot!(gap["data"]["findings"][0]["text"].as_str().unwrap(), @r"Unknown, because the directory role assignments could not be read whole: Microsoft Graph answered 500. Unknown with it: every finding about roles.");
    closed(&town, 1).await;
    // Megan and nine guests are on the first page.
    assert_eq!(town.deletes().len(), 9);
    assert_eq!(town.held().len(), 17);

    // The look is repeated, and an event about something else repeats it at once.
    town.sim.clear_faults();
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    closed(&town, 3).await;
    warden.stop().await;
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
    assert_eq!(town.deletes().len(), 25);
}

async fn a_look_that_was_not_whole_is_due_again(on: Backend) {
    let broken = Rule::new("/beta/roleManagement/directory/roleAssignments", Then::Html200);
    let town = Town::on(on, Scenario::woodgrove().fault(broken.forever()), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    gap(&town).await;
    warden.stop().await;
    assert!(town.next_look().await.is_some());
}

async fn role_assignments_that_may_not_be_read_are_told_with_the_permission(on: Backend) {
    let denied = Rule::new("roleAssignments", Then::status(403)).method("GET").forever();
    let town = Town::on(on, Scenario::woodgrove().fault(denied), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let gap = gap(&town).await;
    warden.stop().await;
    assert_eq!(findings(&gap), ["unreadable: directory role assignments"]);
    assert_eq!(gap["data"]["severity"], "high");
    insta::assert_snapshot!(body(&gap), @r"
    What was found
    - unreadable (high): Unknown, because the directory role assignments could not be read whole: Microsoft Graph answered 403 Authorization_RequestDenied: Insufficient privileges to complete the operation. The application permission it takes: RoleManagement.Read.Directory. Unknown with it: every finding about roles.

    What was done
    - Nothing was changed; the policy asks for a ticket only.

    About unreadable
    What cannot be read cannot be called safe. As long as this lasts, a partner may hold power that no finding speaks of.
    Mend: If the sign-in was refused, do what the finding says. If access was denied, grant the named application permission to the app registration and give admin consent (Microsoft Entra admin center > App registrations > API permissions). If Graph was busy or out of reach, nothing needs doing: it is read again by itself, and this closes when it was read whole.
    https://learn.microsoft.com/graph/permissions-reference
    ");
    assert_eq!(town.deletes(), [""; 0]);
}

async fn holders_that_may_not_be_resolved_are_left_alone_and_told_once(on: Backend) {
    let town =
        Town::on(on, Scenario::woodgrove().without_permission("Directory.Read.All"), ENFORCE).await;
    let before = town.held();
    let warden = town.start().await;
    warden.role_was_added().await;
    let gap = gap(&town).await;
    warden.stop().await;
    // None of the tenant's own administrators is listed. The permission is also what applications
    // are read with.
    let unreadable =
        ["unreadable: principals that hold roles", "unreadable: applications of partners"];
    assert_eq!(findings(&gap), unreadable);
    let text = gap["data"]["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("The application permission it takes: Directory.Read.All."), "{text}");
    // Graph names the home of the partner's group itself. Whether anybody of the tenant's own is
    // Global Administrator could not be seen.
    let records = town.records().await;
    let held: Vec<String> = records
        .iter()
        .flat_map(|record| &record.case.rows)
        .filter_map(|row| row.step.as_ref())
        .map(|step| format!("{}: {}", step.state.as_str(), step.detail.as_ref().unwrap()))
        .collect();
    insta::assert_snapshot!(held.join("\n"), @r"held: it could not be read who of the tenant's own people holds Global Administrator, so this could lock the tenant out");
    assert_eq!(town.deletes(), [""; 0]);
    assert_eq!(town.held(), before);
}

async fn guests_that_may_not_be_listed_are_told_and_nobody_is_taken_for_one(on: Backend) {
    // Nothing but the list of guests tells that she is one.
    let renamed = Principal {
        user_principal_name: Some("alice@woodgrove.example".to_owned()),
        ..Principal::guest("Alice", "alice@contoso-reseller.example")
    };
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .principal(renamed, "User Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator");
    let denied = Rule::new("/v1.0/users", Then::status(403)).forever();
    let town = Town::on(on, scenario(tenant).fault(denied), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let gap = gap(&town).await;
    assert_eq!(findings(&gap), ["unreadable: guest accounts"]);
    let text = gap["data"]["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("The application permission it takes: User.Read.All."), "{text}");
    assert_eq!(town.deletes(), [""; 0]);

    // Once they can be listed, she is known for what she is.
    town.sim.clear_faults();
    warden.role_was_added_again(1).await;
    closed(&town, 2).await;
    warden.stop().await;
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
}

async fn partner_entries_that_may_not_be_read_are_told_and_do_not_hold_up_the_rest(on: Backend) {
    let scenario = Scenario::woodgrove().without_permission("Policy.Read.All");
    let town = Town::on(on, scenario, ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let gap = gap(&town).await;
    assert_eq!(findings(&gap), ["unreadable: partner entries of the cross-tenant access policy"]);
    let text = gap["data"]["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("The application permission it takes: Policy.Read.All."), "{text}");
    closed(&town, 1).await;
    warden.stop().await;
    assert_eq!(town.deletes().len(), 2);
}

async fn a_part_that_can_be_read_again_is_told_so_while_another_still_cannot(on: Backend) {
    let denied = |path: &str| Rule::new(path, Then::status(403)).forever();
    let granted_later = Rule::new("/v1.0/users", Then::status(403)).times(1);
    let scenario = Scenario::woodgrove()
        .fault(denied("/v1.0/policies/crossTenantAccessPolicy/partners"))
        .fault(granted_later);
    let town = Town::on(on, scenario, ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let first = gap(&town).await;
    assert_eq!(findings(&first).len(), 2, "{first:#}");
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    town.messages("the ticket without the guests", |messages| {
        messages.iter().any(|message| {
            findings(message) == ["unreadable: partner entries of the cross-tenant access policy"]
        })
    })
    .await;
}

async fn a_busy_microsoft_is_waited_for(on: Backend) {
    let scenario = Scenario::woodgrove()
        .fault(Rule::new("/oauth2/", Then::throttle(1)))
        .fault(Rule::new("/beta/roleManagement/directory/roleAssignments", Then::throttle(1)))
        .fault(Rule::new("getByIds", Then::status(503)))
        .fault(Rule::new("roleAssignments/", Then::throttle(1)).method("DELETE"))
        .fault(Rule::new("roleAssignments/", Then::status(503)).method("DELETE"));
    let town = Town::on(on, scenario, ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert!(messages.iter().all(|m| !body(m).contains("unreadable")), "{messages:#?}");
    assert_eq!(town.sim.deletions().len(), 2);
    let busy = town.sim.calls().iter().filter(|c| matches!(c.status, Some(429 | 503))).count();
    assert_eq!(busy, 5);
}

async fn an_answer_that_got_lost_leaves_no_doubt_behind(on: Backend) {
    // Nobody answers the first DELETE, nor its repetition.
    let lost = Rule::new("roleAssignments/", Then::Drop).method("DELETE").times(2);
    let town = Town::on(on, Scenario::woodgrove().fault(lost), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(town.sim.deletions().len(), 2);
}

async fn a_sign_in_that_is_refused_is_told_with_its_mend_and_without_the_secret(on: Backend) {
    let wrong = "not-the-clients-secret";
    let town =
        Town::on(on, Scenario::woodgrove(), ENFORCE).await.secret("graphClientSecret", Some(wrong));
    let warden = town.start().await;
    warden.role_was_added().await;
    let gap = gap(&town).await;
    let log = warden.stop().await;
    let text = gap["data"]["findings"][0]["text"].as_str().unwrap();
    insta::assert_snapshot!(text, @r"Unknown, because the sign-in was refused: Microsoft's sign-in answered 401 invalid_client AADSTS7000215; put a client secret that is valid into graphClientSecret. Unknown with it: everything.");
    assert_eq!(findings(&gap), ["unreadable: the tenant"]);
    assert_eq!(town.sim.count("POST", "/oauth2/"), 1, "asked once, not once for each part");
    assert_eq!(town.sim.count("GET", "/beta/") + town.sim.count("GET", "/v1.0/"), 0);
    assert!(!gap.to_string().contains(wrong) && !log.contains(wrong));
}

async fn what_may_not_be_read_any_more_is_told_loudly_once_and_once_when_it_is_over(on: Backend) {
    let denied = Rule::new("/v1.0/users", Then::status(403)).forever();
    let town = Town::on(on, Scenario::woodgrove().fault(denied), ENFORCE).await;
    let warden = town.start().await;
    let who = ["1", "2", "3"].map(|n| format!("00000000-0000-4000-8000-00000000000{n}"));
    for (looks, who) in (1..).zip(&who[..2]) {
        warden.role_was_given_to(who).await;
        town.looked(looks).await;
    }
    town.sim.clear_faults();
    warden.role_was_given_to(&who[2]).await;
    warden.logged("over: the guest accounts are read again", 1).await;
    let log = warden.stop().await;
    let told: Vec<&str> =
        log.lines().filter(|line| line.contains("\"code\":\"read-denied\"")).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    let first = "this program may not read the guest accounts; grant its application User.Read.All";
    assert!(told[0].contains("\"ERROR\"") && told[0].contains(first), "{told:#?}");
}

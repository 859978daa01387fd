//! Who is never touched, whatever an event or the policy says.

use partner_warden::sim::{CLIENT_ID, CONTOSO, PartnerEntry, Role, Scenario, Tenant, WOODGROVE};

use serde_json::Value;

use crate::harness::{Backend, ENFORCE, Town, body, findings, kinds, on_each, steps};

on_each! {
    an_event_that_names_the_tenants_own_people_takes_nothing_from_them
    a_protected_account_is_kept_even_if_the_policy_lays_it_to_a_partner
    the_application_it_signs_in_with_is_kept_even_if_it_is_a_partners
    a_tenant_whose_only_global_administrator_is_the_partner_is_not_locked_out
    an_unlisted_partner_and_a_holder_nobody_knows_become_tickets
    microsofts_support_may_hold_its_role_while_a_case_is_open
}

/// A tenant that has nothing to do with Woodgrove.
const FABRIKAM: &str = "33333333-3333-3333-3333-333333333333";

/// Where Microsoft's support comes from.
const MICROSOFT_SUPPORT: &str = "b4c546a4-7dac-46a6-a7dd-ed822a11efd3";

/// Woodgrove without a partner's power, and with every kind of holder of its own.
fn woodgrove() -> Tenant {
    Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .partner_entry(PartnerEntry { tenant_id: FABRIKAM.to_owned(), ..PartnerEntry::default() })
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator")
        .member("Svc", "svc-contoso@woodgrove.example", "User Administrator")
        .group("Administrators", &["Megan Bowen"], "Privileged Role Administrator")
        .service_principal("Backup", "backup", WOODGROVE, "Global Reader")
        .service_principal("Fabrikam Sync", "sync", FABRIKAM, "Directory Readers")
        .guest("Bob", "bob@fabrikam.example", "User Administrator")
        .guest("Mallory", "mallory@notcontoso-reseller.example", "Helpdesk Administrator")
}

fn scenario(tenant: Tenant) -> Scenario {
    Scenario::default().tenant(tenant).sink("security", partner_warden::sim::INBOX_SECRET)
}

async fn an_event_that_names_the_tenants_own_people_takes_nothing_from_them(on: Backend) {
    let tenant = woodgrove().guest("Alice", "alice@contoso-reseller.example", None);
    let town = Town::on(on, scenario(tenant), ENFORCE).await;
    let before = town.held();
    let warden = town.start().await;
    let own = ["Megan Bowen", "Break Glass", "Administrators", "Backup", "Fabrikam Sync", "Bob"];
    for (name, times) in own.into_iter().zip(1..) {
        let id = town.sim.principal_id(WOODGROVE, name).unwrap();
        warden.role_was_given_to(&id).await;
        town.looked(times).await;
    }
    // The next look would have taken in whatever the former had left over.
    town.sim.grant(WOODGROVE, "Alice", "User Administrator").unwrap();
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(kinds(&messages).first(), Some(&"ticket.opened"));
    for message in &messages {
        assert!(steps(message).iter().all(|step| step.contains("Alice")), "{message:#}");
    }
    assert_eq!(town.deletes().len(), 1);
    assert_eq!(town.held(), before);
}

async fn a_protected_account_is_kept_even_if_the_policy_lays_it_to_a_partner(on: Backend) {
    let accounts = "accounts: [breakglass@woodgrove.example, svc-contoso@woodgrove.example]";
    let policy = ENFORCE.replace(
        "domains: [contoso-reseller.example]",
        &format!("domains: [contoso-reseller.example]\n        {accounts}"),
    );
    let town = Town::on(on, scenario(woodgrove()), &policy).await;
    let warden = town.start().await;
    let id = town.sim.principal_id(WOODGROVE, "Break Glass").unwrap();
    warden.role_was_given_to(&id).await;
    let verified = "revoke User Administrator from Svc (svc-contoso@woodgrove.example): verified";
    let messages = town
        .messages("the dedicated account's revocation, verified", |messages| {
            messages.last().is_some_and(|last| steps(last).iter().any(|step| step == verified))
        })
        .await;
    let last = messages.last().unwrap();
    assert_eq!(
        steps(last),
        [
            "revoke Global Administrator from Break Glass (breakglass@woodgrove.example): held",
            verified,
        ]
    );
    let why = "Held back: revoke Global Administrator from Break Glass \
               (breakglass@woodgrove.example): the account is protected by the policy \
               (guardrails.protected)";
    assert!(body(last).contains(why), "{}", body(last));
    warden.stop().await;
    assert_eq!(town.deletes(), ["Svc: User Administrator → 204"]);
}

async fn the_application_it_signs_in_with_is_kept_even_if_it_is_a_partners(on: Backend) {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .service_principal("Partner Warden", CLIENT_ID, CONTOSO, "Privileged Role Administrator");
    let town = Town::on(on, scenario(tenant), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    let why = "Held back: revoke Privileged Role Administrator from Partner Warden: this is the \
               application Partner Warden itself signs in with";
    assert!(body(&messages[0]).contains(why), "{}", body(&messages[0]));
    warden.stop().await;
    assert_eq!(town.deletes(), [""; 0]);
}

async fn a_tenant_whose_only_global_administrator_is_the_partner_is_not_locked_out(on: Backend) {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(CONTOSO, "Contoso Reseller")
        .partner_group("AdminAgents", CONTOSO, "Global Administrator")
        .guest("Alice", "alice@contoso-reseller.example", "Global Administrator")
        .member("Svc", "svc-contoso@woodgrove.example", "Global Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "User Administrator")
        .member("Break Glass", "breakglass@woodgrove.example", None)
        .group("Administrators", &["Megan Bowen"], "Global Administrator")
        .service_principal("Automation", "automation", WOODGROVE, "Global Administrator");
    let policy = ENFORCE.replace(
        "domains: [contoso-reseller.example]",
        "domains: [contoso-reseller.example]\n        accounts: [svc-contoso@woodgrove.example]",
    );
    let town = Town::on(on, scenario(tenant), &policy).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    assert_eq!(steps(&messages[0]).len(), 3);
    assert!(steps(&messages[0]).iter().all(|step| step.ends_with(": held")), "{messages:#?}");
    let why = "Held back: revoke Global Administrator from AdminAgents: no user of the tenant's \
               own was seen to hold Global Administrator, so this could lock the tenant out; give \
               the role to one of its own people first.";
    assert!(body(&messages[0]).contains(why), "{}", body(&messages[0]));

    // Once somebody of its own holds the role, nothing holds the rest back.
    town.sim.grant(WOODGROVE, "Megan Bowen", "Global Administrator").unwrap();
    warden.role_was_given_to("5b1d0c6e-92f4-4e7a-8c35-a7e60d4f1b29").await;
    town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(
        town.held(),
        [
            "Megan Bowen: User Administrator",
            "Administrators: Global Administrator",
            "Automation: Global Administrator",
            "Megan Bowen: Global Administrator",
        ]
    );
}

async fn an_unlisted_partner_and_a_holder_nobody_knows_become_tickets(on: Backend) {
    let nobody = "abababab-abab-abab-abab-abababababab";
    let tenant = woodgrove()
        .partner(FABRIKAM, "Fabrikam Services")
        .partner_group("Helpdesk", FABRIKAM, "Helpdesk Administrator")
        .unresolvable(nobody, "User Administrator");
    let policy = ENFORCE.replace(
        "guardrails:",
        "  unlisted-partner: {do: ticket, ticket: security}\n  \
         unclassified-principal: {do: revoke, ticket: security}\nguardrails:",
    );
    // Only what else there is to say about a holder would revoke.
    let policy = policy
        .replace("privileged-role: {do: revoke", "privileged-role: {do: ticket")
        .replace("role-not-allowed: {do: revoke", "role-not-allowed: {do: ticket");
    let town = Town::on(on, scenario(tenant), &policy).await;
    let before = town.held();
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("two tickets", |messages| messages.len() == 2).await;
    warden.stop().await;

    // Tickets about different partners come in any order.
    let about = |name: &str| {
        let of = |message: &&Value| message["data"]["partner"]["name"] == name;
        messages.iter().find(of).unwrap_or_else(|| panic!("none about {name}: {messages:#?}"))
    };
    let name = format!("“Fabrikam Services” (calls itself so; tenant {FABRIKAM})");
    let (unlisted, unknown) = (about(&name), about("no known partner"));
    assert!(findings(unlisted).contains(&"unlisted-partner: Helpdesk".to_owned()));
    assert_eq!(findings(unknown), [format!("unclassified-principal: principal {nobody}")]);
    assert_eq!((steps(unlisted).len(), steps(unknown).len()), (0, 0));
    assert_eq!(town.deletes(), [""; 0]);
    assert_eq!(town.held(), before);
}

async fn microsofts_support_may_hold_its_role_while_a_case_is_open(on: Backend) {
    let role = Role {
        name: "Microsoft 365 Support Engineer".to_owned(),
        id: Some("00cf5c54-4693-4f59-a0ac-ab79ef0a974d".to_owned()),
        privileged: false,
        built_in: true,
    };
    let name = role.name.clone();
    let tenant = woodgrove()
        .role(role)
        .partner(MICROSOFT_SUPPORT, "Microsoft Support")
        .partner_group("Support Engineers", MICROSOFT_SUPPORT, name.as_str());
    let town = Town::on(on, scenario(tenant), ENFORCE).await;
    let before = town.held();
    let warden = town.start().await;
    warden.role_was_added().await;
    town.looked(1).await;
    warden.stop().await;
    assert_eq!(town.records().await.len(), 0);
    assert_eq!(town.next_look().await, None);
    assert_eq!(town.held(), before);
}

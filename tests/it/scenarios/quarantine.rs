//! Keeping a partner's people out, ending a guest's sessions, disabling guests and applications.

use partner_warden::sim::{INBOX_SECRET, Rule, Scenario, Tenant, Then, View, WOODGROVE};
use serde_json::Value;

use crate::harness::{Backend, ENFORCE, Town, body, on_each, steps};

on_each! {
    what_microsoft_refuses_to_take_away_leads_to_a_quarantine_and_the_ticket_says_so
    a_quarantine_that_somebody_takes_back_is_made_again_and_never_twice
    a_quarantine_that_graph_refuses_is_told_with_what_to_mend
    a_busy_graph_makes_no_second_policy
    a_guest_that_loses_a_role_is_signed_out_and_disabled
    what_accompanies_is_ended_although_the_role_is_gone_before_it
    an_application_of_the_partners_is_disabled
    observe_and_protected_accounts_make_no_quarantine
}

const POLICIES: &str = "/identity/conditionalAccess/policies";
const BLOCK: &str = "block Contoso Reseller's people by conditional access";
const REFUSED: &str = "revoke Global Administrator from AdminAgents: refused";

/// Woodgrove with one power of the partner's, which the tenant cannot take away.
fn agents() -> Scenario {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner_group("AdminAgents", partner_warden::sim::CONTOSO, "Global Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator");
    scenario(tenant).refuse_foreign_deletion()
}

fn scenario(tenant: Tenant) -> Scenario {
    Scenario::default().tenant(tenant).sink("security", INBOX_SECRET)
}

/// The policy, in which a refusal leads to a quarantine.
fn if_refused() -> String {
    ENFORCE.replace("{do: revoke, ticket", "{do: revoke, ifRefused: quarantine, ticket")
}

fn also() -> String {
    let also = "{do: revoke, also: [revoke-sessions, disable-guest, disable-app], ticket";
    ENFORCE.replace("{do: revoke, ticket", also)
}

/// The names and states of the policies that keep a partner out.
fn quarantines(town: &Town) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = town.sim.conditional_access(WOODGROVE).into_iter();
    all.map(|policy| format!("{}: {}", text(&policy["displayName"]), text(&policy["state"])))
        .collect()
}

/// Waits until the last ticket shows these steps.
async fn shown(town: &Town, expect: &[&str]) -> Vec<Value> {
    let what = format!("{expect:?}");
    town.messages(&what, |messages| messages.last().is_some_and(|last| steps(last) == expect)).await
}

fn posts(town: &Town) -> usize {
    town.sim.count("POST", POLICIES)
}

const MADE: &str = "Partner Warden quarantine: Contoso Reseller (pwq-d2fa615f7e7ca7f9): enabled";

async fn what_microsoft_refuses_to_take_away_leads_to_a_quarantine_and_the_ticket_says_so(
    on: Backend,
) {
    let town = Town::on(on, agents(), &if_refused()).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let verified = format!("{BLOCK}: verified");
    let messages = shown(&town, &[REFUSED, &verified]).await;
    let last = messages.last().unwrap();
    assert_eq!(quarantines(&town), [MADE]);
    insta::assert_snapshot!(last["data"]["title"].as_str().unwrap(), @"Woodgrove: Microsoft refused to remove access: Contoso Reseller holds Global Administrator");
    let done = body(last).split_once("What was done\n").unwrap().1.split_once("\n\n").unwrap().0;
    insta::assert_snapshot!(done, @r"
    - Refused by Microsoft Graph: revoke Global Administrator from AdminAgents: Microsoft Graph answered 403 Authorization_RequestDenied: Insufficient privileges to complete the operation.
      By hand: Open https://admin.microsoft.com/AdminPortal/Home#/partners as Global Administrator (Microsoft 365 admin center > Settings > Partner relationships), choose Contoso Reseller, choose Remove roles, then Yes.
    - Done: block Contoso Reseller's people by conditional access. Read again and seen to be so. It stays until somebody deletes the policy, or restores what was before. Whether it holds for the old kind of delegated administration (DAP) too, Microsoft does not say.
    ");
    let glass = town.sim.principal_id(WOODGROVE, "Break Glass").unwrap();
    let policy = town.sim.conditional_access(WOODGROVE).remove(0);
    assert_eq!(policy["conditions"]["users"]["excludeUsers"], serde_json::json!([glass]));
    // The next look finds it in force, and leaves it at that.
    warden.role_was_added_again(1).await;
    town.looked(3).await;
    warden.idle(&town).await;
    warden.stop().await;
    assert_eq!((posts(&town), town.sim.count("PATCH", POLICIES)), (1, 0));
    assert_eq!(town.sim.deliveries("security").len(), messages.len(), "nothing new to tell");
}

async fn a_quarantine_that_somebody_takes_back_is_made_again_and_never_twice(on: Backend) {
    let town = Town::on(on, agents(), &if_refused()).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let verified = format!("{BLOCK}: verified");
    let first = shown(&town, &[REFUSED, &verified]).await;
    town.sim.drop_policies(WOODGROVE, "Partner Warden quarantine");
    warden.role_was_added_again(1).await;
    let messages = town
        .messages("the quarantine, made again", |messages| {
            messages[first.len()..].iter().any(|it| steps(it) == [REFUSED, &verified])
        })
        .await;
    warden.stop().await;
    assert_eq!(quarantines(&town), [MADE]);
    assert_eq!(posts(&town), 2);
    let told = body(messages.last().unwrap());
    assert!(told.contains("It had been done before."), "{told}");
}

async fn a_quarantine_that_graph_refuses_is_told_with_what_to_mend(on: Backend) {
    let mut scenario = agents();
    scenario.tenants[0].security_defaults = true;
    let town = Town::on(on, scenario, &if_refused()).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = shown(&town, &[REFUSED, &format!("{BLOCK}: refused")]).await;
    let told = body(messages.last().unwrap());
    assert!(told.contains("cannot be used while security defaults are on"), "{told}");
    assert!(told.contains("choose Conditional Access > Policies > New policy"), "{told}");
    warden.stop().await;
    assert_eq!(quarantines(&town), [""; 0]);
    for status in [403, 409] {
        let no = Rule::new(POLICIES, Then::status(status)).method("POST").forever();
        let town = Town::on(on, agents().fault(no), &if_refused()).await;
        let warden = town.start().await;
        warden.role_was_added().await;
        shown(&town, &[REFUSED, &format!("{BLOCK}: refused")]).await;
        warden.stop().await;
        assert_eq!((quarantines(&town).len(), posts(&town)), (0, 1), "{status}");
    }
}

async fn a_busy_graph_makes_no_second_policy(on: Backend) {
    let busy = |status| Rule::new(POLICIES, Then::status(status)).method("POST");
    let scenario = agents().fault(busy(429)).fault(busy(500));
    let town = Town::on(on, scenario, &if_refused()).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    shown(&town, &[REFUSED, &format!("{BLOCK}: verified")]).await;
    warden.stop().await;
    assert_eq!((quarantines(&town), posts(&town)), (vec![MADE.to_owned()], 3));
}

/// A guest that holds two roles.
fn alice() -> Scenario {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator");
    scenario(tenant)
}

const ALICE: &str = "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example)";

async fn a_guest_that_loses_a_role_is_signed_out_and_disabled(on: Backend) {
    let town = Town::on(on, alice(), &also()).await;
    town.sim.grant(WOODGROVE, "Alice", "Helpdesk Administrator").unwrap();
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    let last = messages.last().unwrap();
    assert_eq!(
        steps(last),
        [
            format!("revoke User Administrator from {ALICE}: verified"),
            format!("revoke Helpdesk Administrator from {ALICE}: verified"),
            format!("end the sessions of {ALICE}: verified"),
            format!("keep {ALICE} from signing in: verified"),
        ]
    );
    assert_eq!(town.sim.is_enabled(WOODGROVE, "Alice"), Some(false));
    assert!(town.sim.sessions_ended(WOODGROVE, "Alice").is_some());
    for own in ["Megan Bowen", "Break Glass"] {
        assert_eq!(town.sim.is_enabled(WOODGROVE, own), Some(true));
        assert_eq!(town.sim.sessions_ended(WOODGROVE, own), None);
    }
    assert_eq!(town.sim.count("POST", "/revokeSignInSessions"), 1);
    assert_eq!(town.sim.count("PATCH", "/users/"), 1);
    let told = body(last);
    assert!(told.contains(&format!("Done: end the sessions of {ALICE}. Read again")), "{told}");
    let records = town.records().await;
    let rows = records.iter().flat_map(|record| &record.case.rows);
    let calls = rows.filter_map(|row| row.step.as_ref()).filter_map(|step| step.request_id.clone());
    assert_eq!(calls.collect::<std::collections::BTreeSet<_>>().len(), 4);
}

/// Graph does not let the guest be disabled for a while, and meanwhile the role is gone.
async fn what_accompanies_is_ended_although_the_role_is_gone_before_it(on: Backend) {
    let busy = Rule::new("/users/", Then::throttle(60)).method("PATCH").times(1);
    let town = Town::on(on, alice().fault(busy), &also()).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let refused = |view: &View<'_>| (view.count("PATCH", "/users/") == 1).then_some(());
    town.sim.wait_for("the busy answer", crate::harness::LIMIT, refused).await.unwrap();
    let alice = town.sim.principal_id(WOODGROVE, "Alice").unwrap();
    warden.role_was_given_to(&alice).await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    let last = messages.last().unwrap();
    assert_eq!(steps(last)[2], format!("keep {ALICE} from signing in: verified"));
    assert_eq!(town.sim.is_enabled(WOODGROVE, "Alice"), Some(false));
    assert_eq!(town.sim.count("PATCH", "/users/"), 2);
    assert_eq!(town.sim.count("POST", "/revokeSignInSessions"), 1);
}

async fn an_application_of_the_partners_is_disabled(on: Backend) {
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .partner(partner_warden::sim::CONTOSO, "Contoso Reseller")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .service_principal("Backup", "backup", partner_warden::sim::CONTOSO, "Global Reader")
        .service_principal("Own", "own", WOODGROVE, "Global Reader");
    let town = Town::on(on, scenario(tenant), &also()).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(
        steps(messages.last().unwrap()),
        ["revoke Global Reader from Backup: verified", "keep Backup from signing in: verified"]
    );
    assert_eq!(town.sim.is_enabled(WOODGROVE, "Backup"), Some(false));
    assert_eq!(town.sim.is_enabled(WOODGROVE, "Own"), Some(true));
}

async fn observe_and_protected_accounts_make_no_quarantine(on: Backend) {
    let quarantine =
        ENFORCE.replace("privileged-role: {do: revoke", "privileged-role: {do: quarantine");
    let observe = quarantine.replace("mode: enforce", "mode: observe");
    let town = Town::on(on, agents(), &observe).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
    warden.stop().await;
    let told = body(&messages[0]);
    let would = "Would block Contoso Reseller's people by conditional access, report-only, but mode \
                 observe changes nothing: it would be POST";
    assert!(told.contains(would), "{told}");
    assert!(told.contains("leaving out 1 protected account"), "{told}");
    assert_eq!(posts(&town), 0);
    let typo = quarantine.replace("breakglass@", "breakglas@");
    let town = Town::on(on, agents(), &typo).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let held = format!("{BLOCK}: held");
    let messages = town
        .messages("the held step", |messages| {
            messages.last().is_some_and(|last| steps(last).contains(&held))
        })
        .await;
    warden.stop().await;
    let told = body(messages.last().unwrap());
    assert!(told.contains("there is no such account to be left out; mend its name"), "{told}");
    assert_eq!((posts(&town), quarantines(&town).len()), (0, 0));
}

//! There and back: what was so before a revocation is so after it was restored, in whole.

use partner_warden::sim::{Assignment, Moment, WOODGROVE};

use super::undo::{MAIL, Undo, everything};
use super::*;
use crate::harness::{kinds, on_each, steps};

on_each! {
    everything_at_once_comes_back_as_it_was_and_is_proven
    a_quarantine_is_ended_by_taking_its_policy_away
    who_may_not_sign_in_may_again
    whatever_can_be_put_back_is
}

/// What one step undone is called in the plan, and that it came back.
fn undone(told: &Value) -> Vec<String> {
    let items = told["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let outcome = &item["outcome"];
            let (done, state) = (item["hadDone"].as_str().unwrap(), &outcome["state"]);
            format!("{done}: {} seen {}", state.as_str().unwrap(), outcome["seen"])
        })
        .collect()
}

/// Restores what the last record tells of, and compares the tenant with what it was. Says what the
/// steps that were undone had done.
async fn comes_back(town: &Town, before: &[String]) -> Vec<String> {
    let record = town.last_record().await;
    let (code, done) = town.says(&insist(&record)).await;
    assert_eq!(code, Some(0), "{done:#}");
    let undone = undone(&done);
    assert!(!undone.is_empty());
    for line in &undone {
        assert!(line.ends_with(": restored seen true"), "{done:#}");
    }
    assert_eq!(town.whole(), before, "{done:#}");
    let last = town.last_record().await;
    assert_ne!(last, record);
    let (_, shown) = town.says(&["records", "show", &last]).await;
    assert_eq!(shown["record"]["event"], "restored", "{shown:#}");
    assert_eq!(shown["record"]["calls"][0]["state"], "restored", "{shown:#}");
    let told = town.command(&["records", "show", &last]).await.out;
    let summaries = undone.iter().map(|it| it.strip_suffix(": restored seen true").unwrap());
    let summaries: Vec<String> = summaries.map(str::to_owned).collect();
    for summary in &summaries {
        assert!(told.contains(&format!("restored: {summary}\n")), "{summary} in {told}");
    }
    town.is_whole().await;
    // A second time there is nothing to do.
    let (code, again) = town.says(&insist(&record)).await;
    assert_eq!(code, Some(0), "{again:#}");
    let verdicts = again["items"].as_array().unwrap().iter().map(|it| &it["verdict"]);
    assert!(verdicts.clone().all(|it| it == "needless"), "{again:#}");
    assert_eq!(town.whole(), before);
    assert_eq!(town.last_record().await, last, "nothing was written down");
    summaries
}

/// The next look takes away again what was put back although the policy forbids it, and a new ticket
/// says so.
async fn is_taken_away_again(town: &Town, before: &[String]) {
    let first = town.sim.deliveries("security").len();
    let warden = town.start().await;
    warden.role_was_added_again(1).await;
    let messages = town
        .messages("a new ticket, closed", |messages| {
            let new = kinds(messages.get(first..).unwrap_or_default());
            new.first() == Some(&"ticket.opened") && new.last() == Some(&"ticket.closed")
        })
        .await;
    warden.stop().await;
    let title = messages[first]["data"]["title"].as_str().unwrap();
    assert!(title.contains("Removed access came back: "), "{title}");
    assert_ne!(town.whole(), before);
}

#[tokio::test]
async fn each_way_comes_back_as_it_was() {
    let until = |role| Assignment::new("Alice", role).until(Moment::in_days(20));
    let with_alice = |tenant: Tenant| tenant.guest("Alice", MAIL, None);
    let unit = "/administrativeUnits/Branch Offices";
    let branches = |tenant: Tenant| tenant.administrative_unit("Branch Offices", &["Megan Bowen"]);
    let nested = |tenant: Tenant| {
        with_alice(tenant).group("Help", &["Alice", "Megan Bowen"], None).group(
            "Admins",
            &["Help"],
            "User Administrator",
        )
    };
    let agents =
        |tenant: Tenant| tenant.partner_group("AdminAgents", CONTOSO, "User Administrator");
    let app = "aaaaaaaa-0000-4000-8000-000000000001";
    let permission = "RoleManagement.ReadWrite.Directory";
    let ways: [(&str, Tenant); 9] = [
        ("a role", woodgrove().guest("Alice", MAIL, "User Administrator")),
        ("a role of a partner's own group", agents(woodgrove())),
        (
            "a role in an administrative unit",
            branches(with_alice(woodgrove()))
                .assignment(Assignment::new("Alice", "User Administrator").scope(unit)),
        ),
        ("active until", with_alice(woodgrove()).assignment(until("User Administrator"))),
        ("eligible until", with_alice(woodgrove()).eligible(until("Exchange Administrator"))),
        (
            "eligible for ever, in an administrative unit",
            branches(with_alice(woodgrove()))
                .eligible(Assignment::new("Alice", "User Administrator").scope(unit)),
        ),
        (
            "a member of a group",
            with_alice(woodgrove()).group(
                "Admins",
                &["Alice", "Megan Bowen"],
                "User Administrator",
            ),
        ),
        ("a member of a group in a group", nested(woodgrove())),
        (
            "a permission of an application",
            woodgrove()
                .service_principal("Backup", app, CONTOSO, None)
                .app_role("Backup", permission)
                .app_role("Backup", "User.Read.All"),
        ),
    ];
    for (way, tenant) in ways {
        let (town, before) = after_on(Backend::Embedded, scenario(tenant), &everything()).await;
        let undone = comes_back(&town, &before).await;
        assert_eq!(undone.len(), 1, "{way}: {undone:?}");
        is_taken_away_again(&town, &before).await;
    }
}

/// What a schedule alone had shown has an assignment once it is given anew.
#[tokio::test]
async fn what_no_assignment_showed_comes_back_with_one() {
    let schedule = Assignment::new("Alice", "User Administrator");
    let tenant = woodgrove().guest("Alice", MAIL, None).derived_instance(schedule);
    let (town, _) = after_on(Backend::Embedded, scenario(tenant), &everything()).await;
    let gone = town.held();
    let (code, done) = town.says(&insist(&town.last_record().await)).await;
    assert_eq!(code, Some(0), "{done:#}");
    let [undone] = undone(&done).try_into().unwrap();
    assert!(undone.ends_with(": restored seen true"), "{undone}");
    let back: Vec<String> = town.held().into_iter().filter(|it| !gone.contains(it)).collect();
    assert_eq!(back, ["Alice: User Administrator"]);
    let before = town.whole();
    is_taken_away_again(&town, &before).await;
    assert_eq!(town.held(), gone);
}

async fn everything_at_once_comes_back_as_it_was_and_is_proven(on: Backend) {
    let until = |role, days| Assignment::new("Alice", role).until(Moment::in_days(days));
    let mut tenant = woodgrove()
        .guest("Alice", MAIL, "User Administrator")
        .assignment(until("Exchange Administrator", 20))
        .eligible(until("Helpdesk Administrator", 30))
        .group("Night", &["Alice"], None)
        .group("Help", &["Alice", "Megan Bowen"], None)
        .group("Admins", &["Help", "Night", "Alice"], "Security Administrator")
        .service_principal("Backup", "backup", CONTOSO, None)
        .app_role("Backup", "RoleManagement.ReadWrite.Directory");
    tenant = tenant.partner_group("AdminAgents", CONTOSO, "Privileged Role Administrator");
    let (town, before) = after_on(on, scenario(tenant), &everything()).await;
    let undone = comes_back(&town, &before).await;
    assert_eq!(undone.len(), 6, "{undone:?}");
    is_taken_away_again(&town, &before).await;
}

/// One after the other, and each a second time, which does nothing.
async fn whatever_can_be_put_back_is(on: Backend) {
    for undo in Undo::ALL {
        let it = undo.taken_away(on).await;
        let (code, done) = it.town.says(&insist(&it.record)).await;
        assert_eq!(code, Some(0), "{undo:?}: {done:#}");
        let told = undone(&done);
        assert_eq!(told.len(), undo.steps(), "{undo:?}: {told:?}");
        assert!(told.iter().all(|it| it.ends_with(": restored seen true")), "{undo:?}: {told:?}");
        assert_eq!((it.whole(), it.calls()), (it.before.clone(), undo.calls()), "{undo:?}");
        let (code, again) = it.town.says(&insist(&it.record)).await;
        assert_eq!((code, &again["items"][0]["verdict"]), (Some(0), &"needless".into()));
        assert_eq!((it.whole(), it.calls()), (it.before.clone(), undo.calls()), "{undo:?}");
    }
}

async fn who_may_not_sign_in_may_again(on: Backend) {
    let also = "{do: revoke, also: [disable-guest, disable-app], ticket";
    let policy = everything().replace("{do: revoke, ticket", also);
    let tenant = woodgrove().guest("Alice", MAIL, "User Administrator").service_principal(
        "Backup",
        "backup",
        CONTOSO,
        "Global Administrator",
    );
    let (town, before) = after_on(on, scenario(tenant), &policy).await;
    for principal in ["Alice", "Backup"] {
        assert_eq!(town.sim.is_enabled(WOODGROVE, principal), Some(false));
    }
    let undone = comes_back(&town, &before).await;
    let off = undone.iter().filter(|it| it.starts_with("keep ")).count();
    assert_eq!((undone.len(), off), (4, 2), "{undone:?}");
}

async fn a_quarantine_is_ended_by_taking_its_policy_away(on: Backend) {
    let policy = everything().replace("{do: revoke, ticket", "{do: quarantine, ticket");
    let tenant = woodgrove().partner_group("AdminAgents", CONTOSO, "Global Administrator");
    let town = Town::on(on, scenario(tenant), &policy).await;
    let before = town.whole();
    let block = "block Contoso Reseller's people by conditional access";
    let warden = town.start().await;
    warden.role_was_added().await;
    let verified = [format!("{block}: verified")];
    let quarantined = |messages: &[Value]| messages.last().is_some_and(|it| steps(it) == verified);
    town.messages("the quarantine", quarantined).await;
    warden.stop().await;
    assert_ne!(town.whole(), before);
    let undone = comes_back(&town, &before).await;
    assert_eq!(undone, [block]);
    // The policy still asks for it, and somebody is told.
    let first = town.sim.deliveries("security").len();
    let warden = town.start().await;
    warden.role_was_added_again(1).await;
    town.messages("the quarantine, made again", |messages| {
        messages[first..].iter().any(|it| steps(it) == verified)
    })
    .await;
    warden.stop().await;
    assert_ne!(town.whole(), before);
}

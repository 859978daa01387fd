//! What keeps something from being put back, and what is asked of the person.

use partner_warden::sim::{Principal, PrincipalKind};
use rusqlite::Connection;

use super::*;
use crate::harness::steps;

#[tokio::test]
async fn what_the_policy_would_take_away_again_is_put_back_once_somebody_insists() {
    let town = after(alice(), ENFORCE).await;
    let (before, record) = (town.held(), town.last_record().await);
    let (code, plan) = town.says(&["restore", &record]).await;
    assert_eq!(code, Some(1));
    let why = refusal(&plan);
    assert!(why.contains("allow User Administrator to Contoso Reseller first"), "{why}");
    assert!(why.ends_with("or say --anyway"), "{why}");
    // Nobody is there to be asked, and what comes of it is told before.
    let asked = town.command(&["restore", &record, "--anyway"]).await;
    assert_eq!(asked.code, Some(2), "{}", asked.out);
    assert!(asked.err.contains("say --yes"), "{}", asked.err);
    let told = "    afterwards: the next look takes it away again, unless you allow User \
                Administrator to Contoso Reseller first";
    assert!(asked.out.contains(told), "{}", asked.out);
    assert_eq!(town.held(), before);
    let arguments = [insist(&record).as_slice(), &["--why", "CHG-4711"]].concat();
    let (code, done) = town.says(&arguments).await;
    assert_eq!(code, Some(0), "{done:#}");
    assert!(town.held().contains(&"Alice: User Administrator".to_owned()), "{:?}", town.held());
    // Why is written down before it is done.
    let records = town.records().await;
    let begun = &records[records.len() - 2].case.rows[0].step;
    let begun = begun.as_ref().unwrap();
    assert_eq!(begun.detail.as_deref(), Some("it is being put back: CHG-4711"));
    assert!(begun.restoring);
}

#[tokio::test]
async fn what_the_policy_allows_by_now_is_put_back_without_insisting_and_lasts() {
    let town = after(alice(), ENFORCE).await;
    let record = town.last_record().await;
    let path = town.folder.path().join("policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    let allowed = policy.replace("Directory Readers,", "Directory Readers, User Administrator,");
    std::fs::write(&path, allowed).unwrap();
    let (code, done) = town.says(&["restore", &record, "--yes"]).await;
    assert_eq!(code, Some(0), "{done:#}");
    assert_eq!(item(&done)["afterwards"], Value::Null, "{done:#}");
    let held = town.held();
    assert!(held.contains(&"Alice: User Administrator".to_owned()), "{held:?}");
    let told = town.sim.deliveries("security").len();
    let warden = town.serve();
    warden.role_was_added_again(1).await;
    town.looked(2).await;
    warden.idle(&town).await;
    warden.stop().await;
    assert_eq!((town.held(), town.sim.deliveries("security").len()), (held, told));
}

#[tokio::test]
async fn while_all_is_stopped_nothing_is_put_back_unless_somebody_says_so() {
    let town = after(alice(), ENFORCE).await;
    let (before, record) = (town.whole(), town.last_record().await);
    assert_eq!(town.command(&["stop", "--why", "INC-7"]).await.code, Some(0));
    let (code, plan) = town.says(&insist(&record)).await;
    assert_eq!((code, town.whole()), (Some(1), before.clone()), "{plan:#}");
    let why = refusal(&plan);
    assert!(why.contains("by the stop switch: INC-7"), "{why}");
    assert!(why.ends_with("or say --while-stopped to put this back all the same"), "{why}");
    // One that cannot be read counts as engaged.
    let switch = town.folder.path().join("store.db.stop");
    std::fs::write(&switch, "garbled").unwrap();
    let (code, plan) = town.says(&insist(&record)).await;
    assert_eq!(code, Some(1));
    assert!(refusal(&plan).contains("the stop switch cannot be read"), "{plan:#}");
    assert_eq!(town.last_record().await, record, "nothing was written down");
    let stopped = [insist(&record).as_slice(), &["--while-stopped"]].concat();
    let (code, done) = town.says(&stopped).await;
    assert_eq!(code, Some(0), "{done:#}");
    assert!(town.held().contains(&"Alice: User Administrator".to_owned()));
}

/// What `restore` says of Alice's role once the directory has changed.
async fn refused_since(change: impl FnOnce(&Town), expect: &str) {
    let town = after(alice(), ENFORCE).await;
    change(&town);
    let (before, record) = (town.whole(), town.last_record().await);
    let (code, plan) = town.says(&insist(&record)).await;
    assert_eq!(code, Some(1), "{plan:#}");
    assert!(refusal(&plan).contains(expect), "{plan:#}");
    assert_eq!(town.whole(), before);
    assert_eq!(town.sim.count("POST", "roleManagement"), 0);
    assert_eq!(town.last_record().await, record, "nothing was written down");
}

#[tokio::test]
async fn whoever_was_deleted_or_became_the_tenants_own_gets_nothing_back() {
    refused_since(
        |town| town.sim.forget(WOODGROVE, "Alice").unwrap(),
        "Alice is not in the directory of Woodgrove any more",
    )
    .await;
    let own = |principal: &mut Principal| {
        principal.kind = PrincipalKind::Member;
        principal.user_principal_name = Some("alice@woodgrove.example".into());
        principal.mail = Some("alice@woodgrove.example".into());
    };
    refused_since(
        |town| town.sim.alter(WOODGROVE, "Alice", own).unwrap(),
        "Alice is not Contoso Reseller's any more, but Woodgrove's own",
    )
    .await;
}

#[tokio::test]
async fn an_application_that_another_tenant_owns_by_now_gets_nothing_back() {
    const FABRIKAM: &str = "66666666-6666-4666-8666-666666666666";
    let tenant = woodgrove().partner(FABRIKAM, "Fabrikam").service_principal(
        "Backup",
        "backup",
        CONTOSO,
        "Global Administrator",
    );
    let town = after(scenario(tenant), ENFORCE).await;
    let sold = |principal: &mut Principal| principal.home_tenant = Some(FABRIKAM.into());
    town.sim.alter(WOODGROVE, "Backup", sold).unwrap();
    let before = town.whole();
    let (code, plan) = town.says(&insist(&town.last_record().await)).await;
    assert_eq!((code, town.whole()), (Some(1), before));
    assert!(refusal(&plan).contains("by now, and not to Contoso Reseller"), "{plan:#}");
}

#[tokio::test]
async fn to_a_protected_account_it_is_given_and_said_that_it_stays() {
    let town = after(alice(), ENFORCE).await;
    let path = town.folder.path().join("policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    let upn = "alice_contoso-reseller.example#EXT#@woodgrove.example";
    let protected = policy.replace("protected: [", &format!("protected: ['{upn}', "));
    assert_ne!(policy, protected);
    std::fs::write(&path, protected).unwrap();
    let (code, done) = town.says(&["restore", &town.last_record().await, "--yes"]).await;
    assert_eq!(code, Some(0), "{done:#}");
    let told = item(&done)["afterwards"].as_str().unwrap();
    assert!(told.starts_with("it is protected by the policy (guardrails.protected)"), "{told}");
    let warden = town.serve();
    warden.role_was_added_again(1).await;
    let held = |messages: &[Value]| {
        messages.last().is_some_and(|it| steps(it).iter().any(|step| step.ends_with(": held")))
    };
    town.messages("the held step", held).await;
    warden.stop().await;
    assert!(town.held().contains(&"Alice: User Administrator".to_owned()));
}

#[tokio::test]
async fn a_record_of_a_tenant_that_the_policy_does_not_name_is_refused() {
    let town = after(alice(), ENFORCE).await;
    let path = town.folder.path().join("policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, policy.replace(WOODGROVE, "99999999-1111-4111-8111-111111111111"))
        .unwrap();
    let before = town.whole();
    let run = town.command(&insist(&town.last_record().await)).await;
    assert_eq!((run.code, town.whole()), (Some(2), before), "{}", run.out);
    let said = format!("the policy no longer names the tenant {WOODGROVE}");
    assert!(run.err.contains(&said), "{}", run.err);
}

#[tokio::test]
async fn a_record_that_was_tampered_with_is_refused_and_so_is_one_behind_another() {
    let town = after(alice(), ENFORCE).await;
    let record = town.last_record().await;
    let before = town.whole();
    let sql = |statement: &str| {
        let store = Connection::open(town.folder.path().join("store.db")).unwrap();
        store.execute_batch(statement).unwrap();
    };
    // It asks for more than was taken, or for somebody else; or another record was changed.
    for (change, back) in [
        ("sequence = 2", ("User Administrator", "Global Administrator")),
        ("sequence = 1", ("Woodgrove", "Woodgrave")),
    ] {
        let (is, was) = (back.1, back.0);
        let replace = |from: &str, to: &str| {
            sql(&format!(
                "UPDATE records SET record = replace(record, '{from}', '{to}') WHERE {change}"
            ));
        };
        replace(was, is);
        let run = town.command(&insist(&record)).await;
        assert_eq!((run.code, town.whole()), (Some(2), before.clone()), "{}", run.out);
        assert!(run.err.contains("cannot be trusted, so nothing is done by it"), "{}", run.err);
        assert!(run.err.contains("was changed after it was sealed"), "{}", run.err);
        replace(is, was);
    }
    assert_eq!(town.sim.count("POST", "roleManagement"), 0);
    let (code, done) = town.says(&insist(&record)).await;
    assert_eq!(code, Some(0), "{done:#}");
}

#[tokio::test]
async fn what_cannot_be_undone_is_said_before_it_is_done_and_refused_afterwards() {
    let also = "{do: revoke, also: [revoke-sessions], ticket";
    let policy = ENFORCE.replace("{do: revoke, ticket", also);
    let observed = Town::new(alice().lag_reads(0), &policy.replace("enforce", "observe")).await;
    let warden = observed.serve();
    warden.role_was_added().await;
    let messages = observed.messages("the ticket", |messages| !messages.is_empty()).await;
    let log = warden.stop().await;
    let lasting = "sessions that were ended stay ended; sign in anew";
    let body = crate::harness::body(&messages[0]);
    assert!(body.contains(&format!(" It cannot be undone: {lasting}.\n")), "{body}");
    assert_eq!(body.matches("It cannot be undone").count(), 1, "the role can be given back");
    assert!(log.contains(&format!("it cannot be undone: {lasting}")), "{log}");

    let town = after(alice(), &policy).await;
    let last = town.sim.deliveries("security").pop().unwrap().body;
    assert!(!crate::harness::body(&last).contains("cannot be undone"), "it is done");
    let (code, done) = town.says(&insist(&town.last_record().await)).await;
    assert_eq!(code, Some(1), "{done:#}");
    let items = done["items"].as_array().unwrap();
    let refused: Vec<&Value> = items.iter().filter(|it| it["verdict"] == "refused").collect();
    assert_eq!((items.len(), refused.len()), (2, 1), "{done:#}");
    assert_eq!(refused[0]["reason"], lasting);
    assert!(town.held().contains(&"Alice: User Administrator".to_owned()));
}

#[tokio::test]
async fn a_record_that_is_not_there_is_wrong_input() {
    let town = after(alice(), ENFORCE).await;
    let run = town.command(&["restore", "rec-000000000000", "--yes"]).await;
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("there is no record rec-000000000000"), "{}", run.err);
}

#[tokio::test]
async fn beside_a_serve_nothing_is_put_back() {
    let town = after(alice(), ENFORCE).await;
    let record = town.last_record().await;
    let warden = town.serve();
    let run = town.command(&insist(&record)).await;
    assert_eq!(run.code, Some(2), "{}", run.out);
    assert!(run.err.contains("in use"), "{}", run.err);
    warden.stop().await;
}

//! What a partner holds over its customers is made less in its own tenant, through the real process,
//! whatever Graph makes of it.

use partner_warden::domain::plan::StepState;
use partner_warden::sim::{CONTOSO, Changes, Rule, Sim, Then, When};
use serde_json::Value;

use crate::cli::{run, warden};
use crate::harness::{Backend, LIMIT, Town, body, kinds, on_each, steps};
use crate::partner_ways::{ENFORCE, PartnerWay, contoso, everything, relationship, roles};
use crate::scenarios::approve::{ask_at, asked};

on_each! {
    each_is_ended_proven_and_told
    observe_says_by_which_call_each_would_be_ended
    a_busy_or_broken_graph_is_asked_again_until_each_is_ended
    what_graph_refuses_is_told_with_the_steps_by_hand_and_tried_again_at_the_next_look
    what_somebody_else_changes_meanwhile_is_never_overwritten
    what_comes_back_is_ended_again_in_a_ticket_of_its_own
    the_groups_lose_global_administrator_too_or_it_is_told_that_they_do_not
    the_last_way_to_a_customer_is_given_up_by_a_persons_word_only
    what_the_policy_protects_is_left_as_it_is
}

fn calls(town: &Town, way: PartnerWay) -> usize {
    let (method, path) = way.call();
    town.sim.count(method, path)
}

/// How often the relationships were listed.
async fn looked(town: &Town, times: usize) {
    let list = "/v1.0/tenantRelationships/delegatedAdminRelationships";
    let wait = town.sim.wait_for("a look at the partner", LIMIT, |view| {
        let lists = view.calls().filter(|call| call.path.as_ref() == list && call.status.is_some());
        (lists.count() >= times).then_some(())
    });
    wait.await.unwrap();
}

async fn each_is_ended_proven_and_told(on: Backend) {
    for way in PartnerWay::ALL {
        let changes = Changes { deletions_accepted: true, ..Changes::default() };
        let town = Town::on(on, way.scenario(changes), ENFORCE).await;
        let other = town.sim.relationship(CONTOSO, "Other");
        let warden = town.start().await;
        warden.partner_changed(1).await;
        let messages = town.closed_ticket().await;
        warden.stop().await;
        assert_eq!(kinds(&messages).first(), Some(&"ticket.opened"), "{way:?}");
        assert_eq!(steps(messages.last().unwrap()), [format!("{}: verified", way.summary())]);
        assert_eq!((calls(&town, way), way.has_ended(&town.sim)), (1, true), "{way:?}");
        assert_eq!(town.sim.relationship(CONTOSO, "Other"), other, "nothing else is touched");
        let records = town.records_of(CONTOSO).await;
        let case = &records.last().unwrap().case;
        assert!(!case.is_open(), "{case:#?}");
        let done: Vec<_> = case.rows.iter().filter_map(|row| row.step.as_ref()).collect();
        let [step] = done.as_slice() else { panic!("{case:#?}") };
        assert_eq!(step.state, StepState::Verified);
        assert!(step.request_id.is_some() && step.acted_at <= step.verified_at, "{step:#?}");
    }
}

async fn observe_says_by_which_call_each_would_be_ended(on: Backend) {
    let policy = ENFORCE.replace("mode: enforce", "mode: observe");
    for way in PartnerWay::ALL {
        let town = Town::on(on, way.scenario(Changes::default()), &policy).await;
        let before = everything(&town.sim);
        let warden = town.start().await;
        warden.partner_changed(1).await;
        let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
        warden.stop().await;
        let text = body(&messages[0]);
        let would =
            format!("- Would {}, but mode observe changes nothing: it would be ", way.summary());
        let line = text.lines().find_map(|line| line.strip_prefix(&would));
        let (method, path) = way.call();
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(line.starts_with(method) && line.contains(path), "{line}");
        let for_good = matches!(way, PartnerWay::GlobalAdministrator | PartnerWay::TooLong);
        assert_eq!(line.contains("It cannot be undone: "), for_good, "{line}");
        assert_eq!((calls(&town, way), everything(&town.sim)), (0, before), "{way:?}");
    }
}

async fn a_busy_or_broken_graph_is_asked_again_until_each_is_ended(on: Backend) {
    for way in PartnerWay::ALL {
        let (method, path) = way.call();
        let rule = |then| Rule::new(path, then).method(method);
        let scenario = way
            .scenario(Changes::default())
            .fault(rule(Then::throttle(0)))
            .fault(rule(Then::status(500)))
            .fault(rule(Then::Drop));
        let town = Town::on(on, scenario, ENFORCE).await;
        let warden = town.start().await;
        warden.partner_changed(1).await;
        let messages = town.closed_ticket().await;
        warden.stop().await;
        assert_eq!(steps(messages.last().unwrap()), [format!("{}: verified", way.summary())]);
        assert_eq!((calls(&town, way), way.has_ended(&town.sim)), (4, true), "{way:?}");
    }
}

/// What the command `restore` says as JSON of the last record, with its exit code.
fn restored(town: &Town, more: &[&str]) -> (Option<i32>, Value) {
    let told = |arguments: &[&str]| -> (Option<i32>, Value) {
        let mut command = warden(&[arguments, &["--json"]].concat());
        let run = run(command.envs(town.variables()), Some(&town.folder));
        let json = serde_json::from_str(&run.out);
        (run.code, json.unwrap_or_else(|error| panic!("{error}: {}{}", run.out, run.err)))
    };
    let (_, list) = told(&["records", "list"]);
    let record = list["records"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap();
    told(&[&["restore", record], more].concat())
}

/// What can be put back is, and the rest is told before anything is tried.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_ended_is_put_back_where_microsoft_lets_it() {
    for way in PartnerWay::ALL {
        let mut scenario = way.scenario(Changes::default());
        if way == PartnerWay::AccessAssignment {
            // Microsoft gives a group nothing beyond what was agreed on.
            let agreed = ["Directory Readers", "Exchange Administrator"];
            let mut used = relationship("Everything", &agreed).used_by("Helpers");
            used.access_assignments[0].roles = vec!["Exchange Administrator".to_owned()];
            scenario = contoso(vec![used], Changes::default());
        }
        let town = Town::new(scenario, ENFORCE).await;
        let warden = town.serve();
        warden.partner_changed(1).await;
        let proven = format!("{}: verified", way.summary());
        town.messages("what is proven", |messages| {
            messages.last().is_some_and(|last| steps(last).contains(&proven))
        })
        .await;
        warden.stop().await;
        let writes = || {
            let calls = town.sim.calls().into_iter();
            calls
                .filter(|call| call.method != "GET" && call.path.contains("/delegatedAdmin"))
                .count()
        };
        let before = writes();
        let (code, plan) = restored(&town, &["--anyway", "--yes"]);
        let item = &plan["items"][0];
        let why = match way {
            PartnerWay::GlobalAdministrator => "no role be added to an active relationship",
            PartnerWay::TooLong => "a relationship that has ended stays ended",
            PartnerWay::AccessAssignment | PartnerWay::AutoExtend => {
                assert_eq!(code, Some(0), "{way:?}: {plan:#}");
                let outcome = &item["outcome"];
                assert_eq!(
                    (&outcome["state"], &outcome["seen"]),
                    (&"restored".into(), &true.into())
                );
                assert_eq!((writes(), way.has_ended(&town.sim)), (before + 1, false), "{way:?}");
                // A second time there is nothing to do.
                let (code, again) = restored(&town, &["--anyway", "--yes"]);
                let verdict = &again["items"][0]["verdict"];
                assert_eq!((code, verdict), (Some(0), &"needless".into()), "{again:#}");
                assert_eq!(writes(), before + 1, "{way:?}");
                continue;
            }
        };
        assert_eq!((code, &item["verdict"]), (Some(1), &"refused".into()), "{way:?}: {plan:#}");
        assert!(item["reason"].as_str().unwrap().contains(why), "{plan:#}");
        assert_eq!((writes(), way.has_ended(&town.sim)), (before, true), "{way:?}");
    }
}

async fn refused(town: &Town) -> Value {
    let messages = town.messages("the refusal", |messages| {
        messages.last().is_some_and(|last| steps(last).iter().any(|it| it.ends_with(": refused")))
    });
    messages.await.pop().unwrap()
}

async fn what_graph_refuses_is_told_with_the_steps_by_hand_and_tried_again_at_the_next_look(
    on: Backend,
) {
    for (way, code) in [
        (PartnerWay::GlobalAdministrator, 403),
        (PartnerWay::AccessAssignment, 409),
        (PartnerWay::AutoExtend, 400),
        (PartnerWay::TooLong, 403),
    ] {
        let (method, path) = way.call();
        let rule = Rule::new(path, Then::status(code)).method(method);
        let scenario = way.scenario(Changes::default()).fault(rule);
        let town = Town::on(on, scenario, ENFORCE).await;
        let warden = town.start().await;
        warden.partner_changed(1).await;
        let told = refused(&town).await;
        assert_eq!(told["data"]["severity"], "critical", "{way:?}");
        let said = format!(
            "- Refused by Microsoft Graph: {}: Microsoft Graph answered {code} ",
            way.summary()
        );
        let text = body(&told);
        assert!(text.contains(&said) && text.contains("\n  By hand: "), "{text}");
        warden.partner_changed(2).await;
        let messages = town.closed_ticket().await;
        warden.stop().await;
        assert_eq!(steps(messages.last().unwrap()), [format!("{}: verified", way.summary())]);
        assert_eq!((calls(&town, way), way.has_ended(&town.sim)), (2, true), "{way:?}");
    }
}

async fn what_somebody_else_changes_meanwhile_is_never_overwritten(on: Backend) {
    let way = PartnerWay::AutoExtend;
    let (method, path) = way.call();
    let town = Town::on(on, way.scenario(Changes::default()), ENFORCE).await;
    let hold = town.sim.hold(method, path, When::BeforeEffect);
    let warden = town.start().await;
    warden.partner_changed(1).await;
    hold.reached().await;
    town.sim.auto_extend(CONTOSO, "Everything", "P180D");
    hold.release();
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(steps(messages.last().unwrap()), [format!("{}: verified", way.summary())]);
    let answers: Vec<Option<u16>> = town
        .sim
        .calls()
        .into_iter()
        .filter(|call| call.method == method && call.path.contains(path))
        .map(|call| call.status)
        .collect();
    assert_eq!(answers, [Some(412), Some(202)]);
    assert!(way.has_ended(&town.sim));
}

async fn what_comes_back_is_ended_again_in_a_ticket_of_its_own(on: Backend) {
    for way in
        [PartnerWay::GlobalAdministrator, PartnerWay::AccessAssignment, PartnerWay::AutoExtend]
    {
        // Reading again is the first read, and the next look the second.
        let changes = Changes { come_back: Some(1), ..Changes::default() };
        let town = Town::on(on, way.scenario(changes), ENFORCE).await;
        let warden = town.start().await;
        warden.partner_changed(1).await;
        let first = town.closed_ticket().await;
        assert_eq!(calls(&town, way), 1, "{way:?}");
        warden.partner_changed(2).await;
        let messages = town
            .messages("a second ticket, closed", |messages| {
                kinds(messages).iter().filter(|kind| **kind == "ticket.closed").count() == 2
            })
            .await;
        warden.stop().await;
        let second = &messages[first.len()..];
        assert_eq!(kinds(second).first(), Some(&"ticket.opened"), "{way:?}");
        assert_ne!(second[0]["data"]["key"], first[0]["data"]["key"]);
        assert_eq!(second[0]["data"]["severity"], "critical", "{way:?}");
        let told = steps(second.last().unwrap());
        assert_eq!(told, [format!("{}: verified", way.summary())]);
        assert_eq!(calls(&town, way), 2, "{way:?}");
    }
}

/// Microsoft documents neither whether a group loses what is taken out of the relationship.
async fn the_groups_lose_global_administrator_too_or_it_is_told_that_they_do_not(on: Backend) {
    let both = ["Global Administrator", "Directory Readers"];
    let drop = PartnerWay::GlobalAdministrator.summary();
    let take = PartnerWay::AccessAssignment.summary();
    // A group that has nothing else by it loses all, and then it is taken out.
    let mut alone = relationship("Everything", &both).used_by("Helpers");
    alone.access_assignments[0].roles = vec!["Global Administrator".to_owned()];
    let town = Town::on(on, contoso(vec![alone], Changes::default()), ENFORCE).await;
    let warden = town.start().await;
    warden.partner_changed(1).await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    let told = steps(messages.last().unwrap());
    assert_eq!(told, [format!("{take}: verified"), format!("{drop}: verified")]);
    assert!(PartnerWay::AccessAssignment.has_ended(&town.sim));
    assert_eq!(roles(&everything(&town.sim)).len(), 1);

    for groups_keep_roles in [false, true] {
        let changes = Changes { groups_keep_roles, ..Changes::default() };
        let used = relationship("Everything", &both).used_by("Helpers");
        let town = Town::on(on, contoso(vec![used], changes), ENFORCE).await;
        let warden = town.start().await;
        warden.partner_changed(1).await;
        town.messages("the drop, verified", |messages| {
            messages.last().is_some_and(|last| steps(last) == [format!("{drop}: verified")])
        })
        .await;
        warden.partner_changed(2).await;
        if groups_keep_roles {
            let held = format!("{take}: held");
            let messages = town
                .messages("what the group keeps", |messages| {
                    messages.last().is_some_and(|last| steps(last).contains(&held))
                })
                .await;
            let text = body(messages.last().unwrap());
            let why = "it also gives Helpers Directory Readers, which nothing asks to be taken \
                       away; take only Global Administrator away, by hand";
            assert!(text.contains(why), "{text}");
        } else {
            town.closed_ticket().await;
        }
        warden.stop().await;
        assert_eq!(calls(&town, PartnerWay::GlobalAdministrator), 1);
        assert_eq!(calls(&town, PartnerWay::AccessAssignment), 0);
    }
}

async fn the_last_way_to_a_customer_is_given_up_by_a_persons_word_only(on: Backend) {
    let only = relationship("Everything", &["Directory Readers"]).lasting("P730D");
    let town = Town::on(on, contoso(vec![only], Changes::default()), ENFORCE).await;
    let town = ask_at(town);
    let warden = town.start().await;
    warden.partner_changed(1).await;
    let path = asked(&town, "").await;
    let last =
        format!("{}; no other relationship with Woodgrove is seen", PartnerWay::TooLong.summary());
    let messages = town.messages("the question", |messages| !messages.is_empty()).await;
    assert_eq!(steps(messages.last().unwrap()), [format!("{last}: awaiting-approval")]);
    let page = warden.request("GET", &path, &[], "").await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    assert!(page.contains("no other relationship with Woodgrove is seen"), "{page}");
    assert!(page.contains("a relationship that has ended stays ended"), "{page}");
    warden.partner_changed(2).await;
    looked(&town, 2).await;
    assert_eq!(calls(&town, PartnerWay::TooLong), 0, "nobody has said anything");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let decided = warden.post(&path, &headers, "decision=approve&name=Ravi").await;
    assert_eq!(decided.status, 303);
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert_eq!(steps(messages.last().unwrap()), [format!("{last}: verified")]);
    assert!(PartnerWay::TooLong.has_ended(&town.sim));
    assert_eq!(calls(&town, PartnerWay::TooLong), 1);
}

async fn what_the_policy_protects_is_left_as_it_is(on: Backend) {
    for way in PartnerWay::ALL {
        let scenario = way.scenario(Changes::default());
        let sim = Sim::start(scenario.clone(), ([127, 0, 0, 1], 0).into());
        let id = everything(&sim.await.unwrap())["id"].as_str().unwrap().to_uppercase();
        let policy = format!("{ENFORCE}guardrails: {{protected: [{id}]}}\n");
        let town = Town::on(on, scenario, &policy).await;
        let before = everything(&town.sim);
        let warden = town.start().await;
        warden.partner_changed(1).await;
        let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
        warden.stop().await;
        assert_eq!(steps(messages.last().unwrap()), [format!("{}: held", way.summary())]);
        let why = "the relationship is protected by the policy (guardrails.protected)";
        assert!(body(messages.last().unwrap()).contains(why), "{}", body(&messages[0]));
        assert_eq!((calls(&town, way), everything(&town.sim)), (0, before), "{way:?}");
    }
}

//! Each way to hold power is ended by its own call, through the real process, whatever Graph makes
//! of it.

use partner_warden::domain::plan::StepState;
use partner_warden::sim::{Answer, Rule, Scenario, Tenant, Then, WOODGROVE};
use serde_json::{Value, json};

use crate::harness::{Backend, Town, body, kinds, on_each, steps};
use crate::ways::{ENFORCE, Way};

on_each! {
    each_way_is_ended_proven_gone_and_told
    observe_says_by_which_call_each_way_would_be_ended
    a_busy_or_broken_graph_is_asked_again_until_each_way_is_ended
    what_graph_refuses_is_told_with_the_steps_by_hand_and_tried_again_at_the_next_look
    nobody_is_taken_out_of_a_group_that_a_rule_or_a_directory_on_premises_keeps
    whoever_is_in_a_group_in_every_way_is_taken_out_of_each
    who_is_out_of_one_group_and_not_of_the_next_is_told_with_both
    a_refused_deletion_is_a_request_to_end_the_schedule
    what_comes_back_is_ended_again_and_the_new_ticket_says_so
}

/// How often the call that ends it was made.
fn calls(town: &Town, way: Way) -> usize {
    let (method, path) = way.call();
    town.sim.count(method, path)
}

async fn refused(town: &Town) -> Value {
    let messages = town.messages("the refusal", |messages| {
        messages.last().is_some_and(|last| steps(last).iter().any(|it| it.ends_with(": refused")))
    });
    messages.await.pop().unwrap()
}

async fn each_way_is_ended_proven_gone_and_told(on: Backend) {
    for way in Way::ALL {
        let town = Town::on(on, way.scenario(), ENFORCE).await;
        let before = town.held();
        let warden = town.start().await;
        warden.role_was_added().await;
        let messages = town.closed_ticket().await;
        warden.stop().await;
        assert_eq!(kinds(&messages).first(), Some(&"ticket.opened"), "{way:?}");
        assert_eq!(steps(messages.last().unwrap()), [format!("{}: verified", way.summary())]);
        assert_eq!(calls(&town, way), 1, "{way:?}");
        assert_eq!(town.held(), before, "no assignment of anybody's is touched");
        let records = town.records().await;
        let case = &records.last().unwrap().case;
        assert!(!case.is_open(), "{case:#?}");
        let mut done = case.rows.iter().filter_map(|row| row.step.as_ref());
        let step = done.next().unwrap();
        assert_eq!(step.state, StepState::Verified);
        assert!(step.request_id.is_some() && step.acted_at <= step.verified_at, "{step:#?}");
        assert!(done.next().is_none(), "{case:#?}");
    }
}

async fn observe_says_by_which_call_each_way_would_be_ended(on: Backend) {
    let policy = ENFORCE.replace("mode: enforce", "mode: observe");
    for way in Way::ALL {
        let town = Town::on(on, way.scenario(), &policy).await;
        let warden = town.start().await;
        warden.role_was_added().await;
        let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
        warden.stop().await;
        let text = body(&messages[0]);
        let would =
            format!("- Would {}, but mode observe changes nothing: it would be ", way.summary());
        let line = text.lines().find_map(|line| line.strip_prefix(&would));
        let (method, path) = way.call();
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(line.starts_with(method) && line.contains(path), "{line}");
        assert_eq!(calls(&town, way), 0);
    }
}

async fn a_busy_or_broken_graph_is_asked_again_until_each_way_is_ended(on: Backend) {
    for way in Way::ALL {
        let (method, path) = way.call();
        let rule = |then, skip| Rule::new(path, then).method(method).skip(skip);
        let scenario = way
            .scenario()
            .fault(rule(Then::throttle(0), 0))
            .fault(rule(Then::status(500), 0))
            .fault(rule(Then::Drop, 0));
        let town = Town::on(on, scenario, ENFORCE).await;
        let warden = town.start().await;
        warden.role_was_added().await;
        let messages = town.closed_ticket().await;
        warden.stop().await;
        assert_eq!(steps(messages.last().unwrap()), [format!("{}: verified", way.summary())]);
        assert_eq!(calls(&town, way), 4, "{way:?}");
    }
}

async fn what_graph_refuses_is_told_with_the_steps_by_hand_and_tried_again_at_the_next_look(
    on: Backend,
) {
    for (way, code) in [
        (Way::Eligible, 403),
        (Way::Scheduled, 409),
        (Way::Member, 403),
        (Way::Nested, 412),
        (Way::AppRole, 409),
    ] {
        let (method, path) = way.call();
        let rule = Rule::new(path, Then::status(code)).method(method);
        let town = Town::on(on, way.scenario().fault(rule), ENFORCE).await;
        let warden = town.start().await;
        warden.role_was_added().await;
        let told = refused(&town).await;
        assert_eq!(told["data"]["severity"], "critical", "{way:?}");
        let said = format!(
            "- Refused by Microsoft Graph: {}: Microsoft Graph answered {code} ",
            way.summary()
        );
        let text = body(&told);
        assert!(text.contains(&said) && text.contains("\n  By hand: Open https://"), "{text}");
        warden.role_was_added_again(1).await;
        let messages = town.closed_ticket().await;
        warden.stop().await;
        assert_eq!(steps(messages.last().unwrap()), [format!("{}: verified", way.summary())]);
        assert_eq!(calls(&town, way), 2, "{way:?}");
    }
}

async fn nobody_is_taken_out_of_a_group_that_a_rule_or_a_directory_on_premises_keeps(on: Backend) {
    // The one who is asked what groups are says so.
    for (property, value, why) in [
        ("groupTypes", json!(["DynamicMembership"]), "a rule says who is in Admins"),
        (
            "onPremisesSyncEnabled",
            json!(true),
            "who is in Admins is kept by a directory on premises",
        ),
    ] {
        let town = Town::on(on, Way::Member.scenario(), ENFORCE).await;
        let alter = |name: &str, kind: &str| {
            let id = town.sim.principal_id(WOODGROVE, name).unwrap();
            let mut object = json!({"@odata.type": kind, "id": id, "displayName": name});
            if kind.ends_with("group") {
                object[property] = value.clone();
            } else {
                object["userPrincipalName"] = json!("megan@woodgrove.example");
            }
            object
        };
        let objects = json!({"value": [
            alter("Admins", "#microsoft.graph.group"),
            alter("Megan Bowen", "#microsoft.graph.user"),
        ]});
        let answer =
            Answer { status: http::StatusCode::OK, retry_after: None, body: Some(objects) };
        town.sim.add_fault(
            Rule::new("/directoryObjects/getByIds", Then::Answer(answer)).method("POST").forever(),
        );
        let warden = town.start().await;
        warden.role_was_added().await;
        let messages = town.messages("the ticket", |messages| !messages.is_empty()).await;
        warden.stop().await;
        let text = body(&messages[0]);
        let held = format!("- Held back: {}: {why}", Way::Member.summary());
        assert!(text.contains(&held), "{text}");
        assert_eq!(calls(&town, Way::Member), 0);
    }
}

/// Alice in the group Admins by way of each of these: the groups Help and Night, and by herself.
pub(super) fn in_all_of(members: &[&str]) -> Scenario {
    let scenario = Way::Nested.scenario();
    let mut tenant = scenario.tenants[0].clone().group("Night", &["Alice"], None);
    for principal in &mut tenant.principals {
        if principal.name == "Admins" {
            principal.members = members.iter().map(|name| (*name).to_owned()).collect();
        }
    }
    Scenario { tenants: vec![tenant], ..scenario }
}

async fn whoever_is_in_a_group_in_every_way_is_taken_out_of_each(on: Backend) {
    let scenario = in_all_of(&["Help", "Night", "Alice"]);
    let town = Town::on(on, scenario, ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    let told = steps(messages.last().unwrap());
    assert_eq!(told.len(), 1);
    assert!(
        told[0].ends_with(", by which it is in Admins, which holds User Administrator: verified"),
        "{told:?}"
    );
    for group in ["Admins", "Help", "Night"] {
        assert!(told[0].contains(group), "{told:?}");
    }
    assert_eq!(calls(&town, Way::Nested), 3);
}

async fn who_is_out_of_one_group_and_not_of_the_next_is_told_with_both(on: Backend) {
    let scenario = in_all_of(&["Help", "Night"]);
    let second = Rule::new("/members/", Then::status(403)).method("DELETE").skip(1);
    let town = Town::on(on, scenario.fault(second), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let told = refused(&town).await;
    let is_in =
        |group: &str| town.sim.members(WOODGROVE, group).iter().any(|member| member == "Alice");
    let (gone, left) = if is_in("Night") { ("Help", "Night") } else { ("Night", "Help") };
    assert!(!is_in(gone) && is_in(left));
    warden.stop().await;
    let records = town.records().await;
    let record = records.last().unwrap();
    let text = body(&told);
    assert!(text.contains(&format!("done in part: it is out of {gone} (request-id ")), "{text}");
    assert!(text.contains(&format!(", and still in {left}, by which it keeps all: ")), "{text}");
    let step = record.case.rows.iter().find_map(|row| row.step.as_ref()).unwrap();
    assert_eq!((step.state, step.verified_at), (StepState::Refused, None), "{step:#?}");
    assert!(record.case.is_open() && step.acted_at.is_some(), "{step:#?}");
    assert_eq!(record.timeline.verified, None);
    let said = record.calls[0].said.as_deref().unwrap();
    assert!(said.contains(&format!("out of {gone}")) && said.contains(&format!("in {left}")));
    // The next look takes away what is left, and only then it is proven.
    let warden = town.start().await;
    warden.role_was_added_again(1).await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    assert!(steps(messages.last().unwrap())[0].ends_with(": verified"));
    assert_eq!(calls(&town, Way::Nested), 3);
    let records = town.records().await;
    let last = records.last().unwrap();
    assert!(!last.case.is_open() && last.timeline.verified.is_some(), "{last:#?}");
    let reread = &last.after.as_ref().unwrap().steps[0];
    assert!(reread.read_at.is_some() && reread.found.is_empty(), "{reread:#?}");
}

async fn a_refused_deletion_is_a_request_to_end_the_schedule(on: Backend) {
    let refusal = Rule::new("/roleAssignments/", Then::status(403)).method("DELETE").forever();
    let scenario = Way::Scheduled.scenario();
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator");
    let scenario = Scenario { tenants: vec![tenant], ..scenario };
    let town = Town::on(on, scenario.fault(refusal), ENFORCE).await;
    let warden = town.start().await;
    warden.role_was_added().await;
    let messages = town.closed_ticket().await;
    warden.stop().await;
    let summary = Way::Scheduled.summary();
    assert_eq!(steps(messages.last().unwrap()), [format!("{summary}: verified")]);
    assert_eq!(town.deletes(), ["Alice: User Administrator → 403"]);
    assert_eq!(calls(&town, Way::Scheduled), 1);
    assert_eq!(town.held(), ["Megan Bowen: Global Administrator"]);
}

async fn what_comes_back_is_ended_again_and_the_new_ticket_says_so(on: Backend) {
    for way in [Way::Eligible, Way::Member, Way::Nested, Way::AppRole] {
        let town = Town::on(on, way.scenario(), ENFORCE).await;
        let warden = town.start().await;
        warden.role_was_added().await;
        let first = town.closed_ticket().await;
        way.give_back(&town).await;
        warden.role_was_added_again(1).await;
        let messages = town
            .messages("a second ticket, closed", |messages| {
                kinds(messages).iter().filter(|kind| **kind == "ticket.closed").count() == 2
            })
            .await;
        warden.stop().await;
        let second = &messages[first.len()..];
        assert_eq!(kinds(second).first(), Some(&"ticket.opened"), "{way:?}");
        assert_ne!(second[0]["data"]["key"], first[0]["data"]["key"]);
        let title = second[0]["data"]["title"].as_str().unwrap();
        assert!(title.contains("Removed access came back: "), "{way:?}: {title}");
        let told = steps(second.last().unwrap());
        assert_eq!(told, [format!("{}: verified", way.summary())]);
        // One of the requests was that of the administrator.
        let others = usize::from(way == Way::Eligible);
        assert_eq!(calls(&town, way), 2 + others, "{way:?}");
    }
}

//! A partner's own tenant: its relationships with the groups that use them, and its customers.

use super::batch::{answering, batches};
use super::*;
use crate::domain::facts::{Customer, DelegatedAdminRelationship};
use crate::ports::{ReadCustomers as _, ReadRelationships as _};
use crate::sim::{ADATUM, PartnerSide, Relationship};

const RELATIONSHIPS: &str = "/v1.0/tenantRelationships/delegatedAdminRelationships";
const CONTRACTS: &str = "/v1.0/contracts";

pub(super) fn contoso() -> TenantId {
    CONTOSO.parse().unwrap()
}

/// Contoso with relationships of each kind, on pages of two.
fn partner() -> Scenario {
    let used = |name: &str, status: &str| {
        Relationship::new(name, WOODGROVE, &["Exchange Administrator"])
            .status(status)
            .used_by("Helpers")
    };
    let side = PartnerSide::default()
        .customer(WOODGROVE, "Woodgrove", true)
        .customer(ADATUM, "Adatum", false)
        .customer("99999999-9999-9999-9999-999999999999", "Proseware", false)
        .relationship(used("Mail", "active").used_by("Night"))
        .relationship(used("Wish", "approvalPending"))
        .relationship(used("Past", "terminated"))
        .relationship(used("Soon", "activating"))
        .relationship(Relationship::new("Unused", ADATUM, &["Directory Readers"]));
    let tenant = Tenant::new(CONTOSO, "Contoso Reseller")
        .group("Helpers", &[], None)
        .group("Night", &[], None)
        .partner_side(side);
    Scenario::default().tenant(tenant).page_size(2)
}

/// The name of each, and how many groups have roles by it.
fn told(listed: &Listed<DelegatedAdminRelationship>) -> Vec<(&str, usize)> {
    let items = listed.items.iter();
    items.map(|it| (it.display_name.as_deref().unwrap(), it.groups().len())).collect()
}

/// A relationship in force, as Graph writes one.
fn relationship(id: &str) -> Value {
    json!({"id": id, "displayName": id, "status": "active", "@odata.etag": format!("W/\"{id}\"")})
}

/// A list of what is used by it: one assignment for each of these groups.
fn used_by(groups: &[&str]) -> Value {
    let used = groups.iter().map(|group| {
        json!({"id": format!("of {group}"), "status": "active",
            "accessContainer": {"accessContainerId": group}})
    });
    json!({"value": used.collect::<Vec<_>>()})
}

/// A server with these relationships, what it answers about who uses each, and one more group on
/// the second page of that.
async fn using(
    relationships: &'static [&'static str],
    answer: impl Fn(&Asked, &str) -> Value + Send + Sync + 'static,
) -> (Server, Graph) {
    let batch = answering(answer);
    serving(move |asked| {
        if asked.line.ends_with("$batch") {
            return batch(asked);
        }
        if asked.line.ends_with("skip") {
            return ok(&used_by(&["last"]));
        }
        let all: Vec<Value> = relationships.iter().map(|id| relationship(id)).collect();
        ok(&json!({"value": all}))
    })
    .await
}

fn found(body: &Value) -> Value {
    json!({"status": 200, "body": body})
}

#[tokio::test]
async fn every_page_is_read_and_who_uses_it_is_asked_of_what_gives_power() {
    let (sim, graph) = given(partner()).await;
    let listed = graph.relationships(contoso()).await;
    assert_eq!(failure(&listed), None);
    let expect = [("Mail", 2), ("Wish", 0), ("Past", 0), ("Soon", 1), ("Unused", 0)];
    assert_eq!(told(&listed), expect);
    let pages = sim.count("GET", RELATIONSHIPS) - sim.count("GET", "accessAssignments");
    assert_eq!((pages, sim.count("GET", "accessAssignments")), (3, 3));
    assert_eq!(sim.count("POST", "$batch"), 1);
    // What a later change to them must be made against.
    let mail = &listed.items[0];
    assert!(mail.etag.as_deref().is_some_and(|etag| etag.starts_with("W/")), "{mail:?}");
    assert!(mail.access_assignments.iter().all(|it| it.etag.is_some()), "{mail:?}");
    assert_eq!(mail.customer_id(), Some(WOODGROVE.parse().unwrap()));
}

#[tokio::test]
async fn a_page_of_them_that_fails_leaves_those_before_it() {
    for (status, kind) in [
        (403, Failure::Denied),
        (404, Failure::Gone),
        (429, Failure::Throttled(None)),
        (503, Failure::Transient),
    ] {
        let (sim, graph) = given(partner()).await;
        sim.add_fault(Rule::new("skiptoken", Then::status(status)).forever());
        let listed = graph.relationships(contoso()).await;
        assert_eq!(told(&listed), [("Mail", 2), ("Wish", 0)], "{status}");
        assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(kind), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_of_all_is_a_failure_and_no_empty_list() {
    for (status, kind, asked) in [
        (403, Failure::Denied, 1),
        (404, Failure::Gone, 1),
        (400, Failure::Refused, 1),
        (429, Failure::Throttled(None), CALLS),
    ] {
        let (sim, graph) = given(partner()).await;
        sim.add_fault(Rule::new(RELATIONSHIPS, Then::status(status)).forever());
        sim.add_fault(Rule::new(CONTRACTS, Then::status(status)).forever());
        let relationships = graph.relationships(contoso()).await;
        let customers = graph.customers(contoso()).await;
        assert_eq!((relationships.items.len(), customers.items.len()), (0, 0));
        for failed in [failure(&relationships), failure(&customers)] {
            assert_eq!(failed.map(|(kind, _)| kind), Some(kind), "{status}");
        }
        let counts = (sim.count("GET", RELATIONSHIPS), sim.count("GET", CONTRACTS));
        assert_eq!(counts, (asked, asked), "{status}");
        assert_eq!(sim.count("POST", "$batch"), 0, "nobody is asked about");
    }
}

#[tokio::test]
async fn what_is_busy_once_is_read_all_the_same() {
    let (sim, graph) = given(partner()).await;
    sim.add_fault(Rule::new(RELATIONSHIPS, Then::throttle(0)));
    sim.add_fault(Rule::new("accessAssignments", Then::throttle(0)));
    let listed = graph.relationships(contoso()).await;
    assert_eq!((listed.items.len(), failure(&listed)), (5, None));
    assert_eq!(told(&listed)[0], ("Mail", 2));
    assert_eq!(sim.count("POST", "$batch"), 2);
}

#[tokio::test]
async fn who_uses_each_is_laid_to_its_own_and_read_to_the_last_page() {
    let (server, graph) = using(&["a", "b", "c"], |asked, url| {
        let mut page = used_by(&[&format!("first of {url}")]);
        if url.contains("/b/") {
            let next = format!("{}{RELATIONSHIPS}/b/accessAssignments?skip", asked.origin);
            page["@odata.nextLink"] = json!(next);
        }
        found(&page)
    })
    .await;
    let listed = graph.relationships(contoso()).await;
    assert_eq!((told(&listed), failure(&listed)), (vec![("a", 1), ("b", 2), ("c", 1)], None));
    for it in &listed.items {
        let first = it.access_assignments[0].group().unwrap();
        let path = format!("/{}/accessassignments", it.id);
        assert!(first.as_str().ends_with(&path), "{first:?} of {}", it.id);
    }
    assert_eq!(batches(&server).len(), 1);
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_not_followed_for_any_of_them() {
    let elsewhere = Server::start(|_| ok(&used_by(&["forged"]))).await;
    let there = format!("{}v1.0/more", elsewhere.origin);
    let said = "Microsoft Graph names a next page at another place; it is not followed";
    let expect = Some((Failure::Unintelligible, said));

    let link = there.clone();
    let (_server, graph) = serving(move |asked| {
        let nobody = answering(|_, _| found(&json!({"value": []})));
        if asked.line.ends_with("$batch") {
            return nobody(asked);
        }
        ok(&json!({"value": [relationship("a")], "@odata.nextLink": link}))
    })
    .await;
    let listed = graph.relationships(contoso()).await;
    assert_eq!((listed.items.len(), failure(&listed)), (1, expect));

    let link = there.clone();
    let (_server, graph) = using(&["a", "b"], move |_, url| {
        let mut page = used_by(&["group"]);
        if url.contains("/a/") {
            page["@odata.nextLink"] = json!(link);
        }
        found(&page)
    })
    .await;
    let listed = graph.relationships(contoso()).await;
    assert_eq!((told(&listed), failure(&listed)), (vec![("a", 1), ("b", 1)], expect));

    let (_server, graph) = serving(move |_| {
        let contract = json!({"customerId": WOODGROVE, "displayName": "Woodgrove"});
        ok(&json!({"value": [contract], "@odata.nextLink": there}))
    })
    .await;
    let listed = graph.customers(contoso()).await;
    assert_eq!((listed.items.len(), failure(&listed)), (1, expect));
    assert_eq!(elsewhere.asked(), []);
}

#[tokio::test]
async fn one_of_which_it_cannot_be_read_who_uses_it_is_told_and_hides_no_other() {
    for (status, kind) in [
        (403, Failure::Denied),
        (404, Failure::Gone),
        (429, Failure::Throttled(None)),
        (500, Failure::Transient),
    ] {
        let (_server, graph) = using(&["a", "b", "c"], move |_, url| {
            if url.contains("/b/") {
                return json!({"status": status});
            }
            found(&used_by(&["group"]))
        })
        .await;
        let listed = graph.relationships(contoso()).await;
        assert_eq!(told(&listed), [("a", 1), ("b", 0), ("c", 1)], "{status}");
        assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(kind), "{status}");
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_asked_for_is_told_and_not_asked_for() {
    let (server, graph) = using(&["a", "..", "b"], |_, _| found(&used_by(&["group"]))).await;
    let listed = graph.relationships(contoso()).await;
    assert_eq!(told(&listed), [("a", 1), ("..", 0), ("b", 1)]);
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Unintelligible));
    let path = |id: &str| format!("/tenantRelationships/delegatedAdminRelationships/{id}");
    let asked = ["a", "b"].map(|id| format!("{}/accessAssignments", path(id)));
    assert_eq!(batches(&server), [asked]);
}

#[tokio::test]
async fn customers_are_read_page_by_page_and_one_without_a_name_is_one_too() {
    let (sim, graph) = given(partner()).await;
    let listed = graph.customers(contoso()).await;
    let names = |items: &[Customer]| -> Vec<Option<String>> {
        items.iter().map(|it| it.display_name.clone()).collect()
    };
    let all = ["Woodgrove", "Adatum", "Proseware"].map(|name| Some(name.to_owned()));
    assert_eq!((names(&listed.items), failure(&listed)), (all.to_vec(), None));
    assert_eq!(listed.items[1].id(), Some(ADATUM.parse().unwrap()));
    assert_eq!(sim.count("GET", CONTRACTS), 2);

    let (_server, graph) = serving(|_| {
        let nameless = json!({"customerId": WOODGROVE, "displayName": null});
        ok(&json!({"value": [{"displayName": "S3cret"}, nameless]}))
    })
    .await;
    let listed = graph.customers(contoso()).await;
    assert_eq!(names(&listed.items), [None]);
    assert_eq!(failure(&listed).map(|(kind, _)| kind), Some(Failure::Unintelligible));
    assert!(!chain(&listed.failure.unwrap()).contains("S3cret"));
}

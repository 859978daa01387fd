//! What comes of changes to relationships in Microsoft's own time, as the simulator has it: it is seen.

use super::reduce::Way::{Delete, Drop, End, Stop};
use super::reduce::{ALL, READERS, WAYS, Way, details};
use super::relationships::contoso;
use super::*;
use crate::adapters::http::{Http, Patience};
use crate::domain::facts::Facts;
use crate::domain::finding::testing::partner_side::Msp;
use crate::domain::plan::{Remediation, Target};
use crate::domain::proof::{Seen, seen};
use crate::ports::{ReadRelationships as _, ReduceRelationships as _, With};
use crate::sim::{Changes, PartnerSide, Relationship, When};

/// A simulated partner whose relationship gives cause to all four.
async fn partner(changes: Changes) -> Sim {
    let roles = ["Global Administrator", "Directory Readers"];
    let everything = Relationship::new("Everything", WOODGROVE, &roles).auto_extending();
    let mut everything = everything.used_by("Helpers");
    everything.access_assignments[0].roles = vec!["Global Administrator".to_owned()];
    let other = Relationship::new("Other", WOODGROVE, &["Directory Readers"]).lasting("P90D");
    let side = PartnerSide::default()
        .customer(WOODGROVE, "Woodgrove", false)
        .relationship(everything)
        .relationship(other)
        .changing(changes);
    let tenant = Tenant::new(CONTOSO, "Contoso Reseller").group("Helpers", &[], None);
    start(Scenario::default().tenant(tenant.partner_side(side))).await
}

/// The step that does it, planned from what Graph shows.
async fn step(graph: &Graph, way: Way) -> Step {
    let remediation = match way {
        Drop => Remediation::DropGlobalAdministrator,
        Stop => Remediation::StopAutoExtend,
        Delete => Remediation::DeleteAccessAssignment,
        End => Remediation::TerminateRelationship,
    };
    let policy = if way == End {
        "respond: {gdap-too-long: {do: revoke}}"
    } else {
        "respond: {gdap-global-administrator: {do: revoke}, gdap-auto-extend: {do: revoke}}"
    };
    let policy = Msp::new().with_policy(policy).allow(&["Directory Readers"]).at_most("P180D");
    let policy = policy.policy();
    let relationships = graph.relationships(contoso()).await.items;
    let facts = Facts { relationships, ..Facts::default() };
    let (tenant, history) = (&policy.roster.tenants[0], &History::default());
    let (policy, now) = (&policy, noon());
    let about = Circumstances { policy, tenant, history, own_apps: &[], stopped: None, now };
    let plan = plan(&facts, about);
    let mut steps = plan.cases.into_iter().flat_map(|case| case.steps);
    steps.find(|step| step.remediation == remediation).unwrap()
}

async fn carry_out(graph: &Graph, step: &Step) -> Result<Outcome, PortError> {
    let (revoker, customer) = (graph.revoker(), step.partner.id.unwrap());
    match &step.target {
        Target::Relationship { relationship, roles, .. } => {
            let with = With { relationship, customer };
            if step.remediation == Remediation::DropGlobalAdministrator {
                revoker.drop_global_administrator(contoso(), with, roles).await
            } else if step.remediation == Remediation::StopAutoExtend {
                revoker.stop_auto_extend(contoso(), with).await
            } else {
                revoker.terminate(contoso(), with).await
            }
        }
        Target::AccessAssignment { relationship, access_assignment, group, roles, .. } => {
            revoker
                .delete_access_assignment(contoso(), relationship, access_assignment, group, roles)
                .await
        }
        Target::Grant(_) | Target::Principal { .. } | Target::Partner => panic!("{step:?}"),
    }
}

async fn looked_at(graph: &Graph, step: &Step) -> Seen {
    let (Target::Relationship { relationship, .. } | Target::AccessAssignment { relationship, .. }) =
        &step.target
    else {
        panic!("{step:?}")
    };
    let ids = std::slice::from_ref(relationship);
    let read = graph.relationships_now(contoso(), ids).await;
    assert!(read.failure.is_none(), "{:?}", read.failure);
    seen(step, &Facts { relationships: read.items, ..Facts::default() })
}

/// Microsoft takes its time: what is done is seen to be, what failed is seen to have, and what does
/// not come to an end is still there.
#[tokio::test]
async fn what_comes_of_it_in_microsofts_own_time_is_seen() {
    let slow = Changes { take: 3_600_000, ..Changes::default() };
    let fails = Changes { fail: true, ..Changes::default() };
    for way in WAYS {
        let sim = partner(Changes::default()).await;
        let graph = graph(&sim.origin());
        let it = step(&graph, way).await;
        assert_eq!(looked_at(&graph, &it).await, Seen::There, "{way:?}");
        assert_eq!(carry_out(&graph, &it).await.unwrap().state, StepState::Revoked);
        assert_eq!(looked_at(&graph, &it).await, Seen::Gone, "{way:?}");

        let sim = partner(slow).await;
        let graph = self::graph(&sim.origin());
        let it = step(&graph, way).await;
        assert_eq!(carry_out(&graph, &it).await.unwrap().state, StepState::Revoked);
        for _ in 0..3 {
            assert_eq!(looked_at(&graph, &it).await, Seen::There, "{way:?} takes its time");
        }

        let sim = partner(fails).await;
        let graph = self::graph(&sim.origin());
        let it = step(&graph, way).await;
        assert_eq!(carry_out(&graph, &it).await.unwrap().state, StepState::Revoked);
        let what = match way {
            Drop | Stop => "delegatedAdminRelationshipUpdate",
            End => "terminate",
            // Microsoft has no operation of it; the access assignment itself says `error`.
            Delete => {
                assert_eq!(looked_at(&graph, &it).await, Seen::There);
                continue;
            }
        };
        let seen = looked_at(&graph, &it).await;
        assert!(matches!(&seen, Seen::Failed { what: it, .. } if it == what), "{way:?}: {seen:?}");
    }
}

/// A read that lags shows an etag that is none any more.
#[tokio::test]
async fn what_lags_is_never_changed_by_what_it_was() {
    let sim = partner(Changes { lag_reads: 2, ..Changes::default() }).await;
    let graph = graph(&sim.origin());
    let stop = step(&graph, Stop).await;
    let drop = step(&graph, Drop).await;
    assert_eq!(carry_out(&graph, &stop).await.unwrap().state, StepState::Revoked);
    let outcome = carry_out(&graph, &drop).await.unwrap();
    assert_eq!(outcome.state, StepState::Revoked, "{outcome:?}");
    let shown = sim.relationship(CONTOSO, "Everything").unwrap();
    assert_eq!(shown["accessDetails"], details(&[READERS]));
    assert_eq!(shown["autoExtendDuration"], "PT0S");
    assert_eq!(sim.count("PATCH", ALL), 3, "one of them against what it was");
}

#[tokio::test]
async fn what_timed_out_after_it_took_effect_is_found_done() {
    for way in WAYS {
        let sim = partner(Changes::default()).await;
        let hasty = Patience { total: std::time::Duration::from_millis(500), ..QUICK };
        let client_id = CLIENT_ID.to_owned();
        let credential = Credential::Secret { client_id, secret: Secret::new(CLIENT_SECRET) };
        let (http, origin) = (Http::new(hasty).unwrap(), sim.origin());
        let graph = Graph::new(http, origin.clone(), origin, credential, Arc::new(SystemClock));
        let it = step(&graph, way).await;
        let (method, rest) = match way {
            Drop | Stop => ("PATCH", ""),
            Delete => ("DELETE", "/accessAssignments/"),
            End => ("POST", "/requests"),
        };
        let hold = sim.hold(method, rest, When::AfterEffect);
        let outcome = carry_out(&graph, &it).await.unwrap();
        assert_eq!(outcome.state, StepState::Revoked, "{way:?}: {outcome:?}");
        assert!(outcome.detail.is_some(), "it was so already: {outcome:?}");
        hold.release();
        assert_eq!(looked_at(&graph, &it).await, Seen::Gone, "{way:?}");
    }
}

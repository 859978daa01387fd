//! Taking away what is held by schedules, groups and permissions: what is asked for, and what counts
//! as done, as refused, as not done yet, and as unknown.

use super::*;
use crate::domain::grant::{Grant, grants};
use crate::ports::{
    RemoveAppRole as _, RemoveEligibility as _, RemoveGroupMember as _,
    RemoveScheduledAssignment as _,
};

/// A way to hold a role.
#[derive(Debug, Clone, Copy)]
enum Way {
    Eligible,
    Scheduled,
    Member,
    AppRole,
}

const WAYS: [Way; 4] = [Way::Eligible, Way::Scheduled, Way::Member, Way::AppRole];

const GROUP: &str = "99999999-0000-0000-0000-00000000000a";
const WHO: &str = "99999999-0000-0000-0000-00000000000b";

fn grant(scope: &str) -> Grant {
    let upn = "svc@woodgrove.example";
    let mut case = Case::new().account(upn).eligible(upn, "Reports Reader", None);
    case.facts.eligible[0].directory_scope_id = scope.to_owned();
    grants(&case.facts, &case.policy().roster.tenants[0]).remove(0)
}

impl Way {
    async fn remove(self, graph: &Graph) -> Result<Outcome, PortError> {
        let (revoker, grant) = (graph.revoker(), grant("/"));
        let [group, who] = [GROUP, WHO].map(PrincipalId::new);
        let step = revoke::step().id;
        match self {
            Self::Eligible => revoker.remove_eligibility(&step, woodgrove(), &grant).await,
            Self::Scheduled => revoker.remove_scheduled(&step, woodgrove(), &grant).await,
            Self::Member => revoker.remove_member(woodgrove(), &group, &who).await,
            Self::AppRole => {
                revoker.remove_app_role(woodgrove(), &who, &AssignmentId("a-1".to_owned())).await
            }
        }
    }

    /// The request it takes.
    fn line(self) -> String {
        match self {
            Self::Eligible => {
                "POST /v1.0/roleManagement/directory/roleEligibilityScheduleRequests".to_owned()
            }
            Self::Scheduled => {
                "POST /v1.0/roleManagement/directory/roleAssignmentScheduleRequests".to_owned()
            }
            Self::Member => format!("DELETE /v1.0/groups/{GROUP}/members/{WHO}/$ref"),
            Self::AppRole => format!("DELETE /v1.0/servicePrincipals/{WHO}/appRoleAssignments/a-1"),
        }
    }

    fn is_request(self) -> bool {
        matches!(self, Self::Eligible | Self::Scheduled)
    }

    /// The answer that Graph documents.
    fn done(self) -> Response {
        if self.is_request() {
            created(&json!({"id": "r", "status": "Revoked"}))
        } else {
            status(204)
        }
    }
}

fn created(body: &Value) -> Response {
    let mut answer = ok(body);
    *answer.status_mut() = StatusCode::CREATED;
    answer
}

fn error(code: u16, name: &str, message: &str) -> Response {
    let mut answer = ok(&json!({"error": {"code": name, "message": message}}));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}

/// What comes of a removal that is answered so.
async fn removed(
    way: Way,
    answer: impl Fn() -> Response + Send + Sync + 'static,
) -> (Result<Outcome, PortError>, usize) {
    let (server, graph) = serving(move |_| answer()).await;
    let outcome = way.remove(&graph).await;
    let asked = server.asked().iter().filter(|asked| asked.line == way.line()).count();
    (outcome, asked)
}

#[tokio::test]
async fn each_removal_is_one_request_and_graphs_word_for_it_is_enough() {
    for way in WAYS {
        let (server, graph) = serving(move |_| with(way.done(), "request-id", "r-7")).await;
        let outcome = way.remove(&graph).await.unwrap();
        assert_eq!((outcome.state, outcome.detail), (StepState::Revoked, None), "{way:?}");
        assert_eq!(outcome.request_id.as_deref(), Some("r-7"));
        assert!(outcome.acted_at.is_some());
        let asked = server.asked();
        let asked: Vec<&Asked> =
            asked.iter().filter(|asked| !asked.line.ends_with("/token")).collect();
        assert_eq!(asked.len(), 1, "{way:?}");
        assert_eq!(asked[0].line, way.line());
        assert_eq!(asked[0].body.is_empty(), !way.is_request(), "{way:?}");
    }
}

#[tokio::test]
async fn a_request_to_end_a_schedule_names_who_what_and_where_and_no_more() {
    let scope = "/administrativeUnits/au-1";
    let (server, graph) = serving(|_| created(&json!({"status": "Revoked"}))).await;
    let (step, grant) = (revoke::step().id, grant(scope));
    graph.revoker().remove_scheduled(&step, woodgrove(), &grant).await.unwrap();
    let asked = server.asked();
    let body: Value = serde_json::from_slice(&asked.last().unwrap().body).unwrap();
    let expect = json!({
        "action": "adminRemove",
        "principalId": grant.principal,
        "roleDefinitionId": "4a5d8f65-41da-4de4-8968-e035b65339cf",
        "directoryScopeId": scope,
        "justification": format!("Partner Warden, step {}", step.0.short()),
    });
    assert_eq!(body, expect);
}

#[tokio::test]
async fn what_is_not_there_was_gone_already() {
    let gone = || error(404, "Request_ResourceNotFound", "It does not exist.");
    let check = |way: Way, (outcome, asked): (Result<Outcome, PortError>, usize)| {
        let outcome = outcome.unwrap();
        assert_eq!(outcome.state, StepState::Revoked, "{way:?}");
        assert_eq!(outcome.detail.as_deref(), Some("it was already gone"), "{way:?}");
        assert_eq!(asked, 1);
    };
    for way in WAYS {
        check(way, removed(way, gone).await);
    }
    let no_role =
        || error(400, "RoleAssignmentDoesNotExist", "The Role assignment does not exist.");
    let no_grant = || {
        let said = "EntitlementGrant being updated or deleted is not found.";
        error(400, "Request_BadRequest", said)
    };
    check(Way::Eligible, removed(Way::Eligible, no_role).await);
    check(Way::Scheduled, removed(Way::Scheduled, no_role).await);
    check(Way::AppRole, removed(Way::AppRole, no_grant).await);
    // The same words elsewhere, and other words with the same code, say nothing of the kind.
    for (way, answer) in [
        (Way::Member, error(400, "RoleAssignmentDoesNotExist", "x")),
        (Way::Member, error(400, "Request_BadRequest", "EntitlementGrant being updated")),
        (Way::AppRole, error(400, "Request_BadRequest", "Invalid object identifier")),
        (Way::Scheduled, error(400, "Request_BadRequest", "RoleAssignmentDoesNotExist")),
    ] {
        let body = Mutex::new(Some(answer));
        let answer = move || body.lock().unwrap().take().unwrap();
        let (outcome, _) = removed(way, answer).await;
        assert_eq!(outcome.unwrap().state, StepState::Refused, "{way:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_an_outcome_in_graphs_own_words() {
    for way in WAYS {
        for code in [400, 403, 405, 409, 412] {
            let answer = move || error(code, "SomeCode", "Because.");
            let (outcome, asked) = removed(way, answer).await;
            let outcome = outcome.unwrap();
            assert_eq!((outcome.state, outcome.acted_at), (StepState::Refused, None), "{way:?}");
            let said = format!("Microsoft Graph answered {code} SomeCode: Because");
            assert_eq!((outcome.detail, asked), (Some(said), 1));
        }
    }
}

#[tokio::test]
async fn a_removal_without_a_plain_answer_leaves_its_outcome_unknown() {
    for way in WAYS {
        let check = async |code: u16, expect: Failure, calls: usize| {
            let (outcome, asked) = removed(way, move || status(code)).await;
            assert_eq!((outcome.unwrap_err().kind, asked), (expect, calls), "{way:?} {code}");
        };
        check(500, Failure::Transient, CALLS).await;
        check(503, Failure::Transient, CALLS).await;
        check(429, Failure::Throttled(None), CALLS).await;
        check(401, Failure::Denied, 2).await;
        // Not Graph's word that it is done.
        check(200, Failure::Unintelligible, 1).await;
        check(202, Failure::Unintelligible, 1).await;
        check(302, Failure::Unintelligible, 1).await;
    }
    for way in [Way::Eligible, Way::Scheduled] {
        let (outcome, _) = removed(way, || status(201)).await;
        assert_eq!(outcome.unwrap_err().kind, Failure::Unintelligible, "{way:?}");
    }
}

#[tokio::test]
async fn what_a_request_has_not_done_is_not_called_done() {
    for way in [Way::Eligible, Way::Scheduled] {
        let with_status = async |status: &'static str| {
            let body = json!({"id": "r", "status": status});
            removed(way, move || created(&body)).await.0
        };
        for done in ["Revoked", "Provisioned", "revoked"] {
            assert_eq!(with_status(done).await.unwrap().state, StepState::Revoked, "{done}");
        }
        for never in ["Failed", "Denied", "Canceled", "AdminDenied", "TimedOut", "Invalid"] {
            let outcome = with_status(never).await.unwrap();
            let said =
                format!("Microsoft Graph took the request and did not carry it out ({never})");
            assert_eq!((outcome.state, outcome.detail), (StepState::Refused, Some(said)));
        }
        for asked in ["PendingApproval", "PendingAdminDecision"] {
            let outcome = with_status(asked).await.unwrap();
            let said = format!(
                "the request waits in Privileged Identity Management for somebody to approve it \
                 ({asked})"
            );
            assert_eq!((outcome.state, outcome.detail), (StepState::Refused, Some(said)));
            assert_eq!(outcome.acted_at, None);
        }
        for later in ["PendingProvisioning", "PendingRevocation", "Granted", "ScheduleCreated", "X"]
        {
            let error = with_status(later).await.unwrap_err();
            assert_eq!(error.kind, Failure::Transient, "{later}");
            let said = format!(
                "Microsoft Graph took the request and has not carried it out yet ({later})"
            );
            assert_eq!(error.said, said);
        }
        // It was taken; whether it came about is read again.
        for silent in [json!({"id": "r"}), json!({"id": "r", "status": null})] {
            let (outcome, _) = removed(way, move || created(&silent)).await;
            assert_eq!(outcome.unwrap().state, StepState::Revoked);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_done_yet_is_tried_again_later() {
    for code in ["PendingRoleAssignmentRequest", "ActiveDurationTooShort"] {
        for way in [Way::Eligible, Way::Scheduled] {
            let (outcome, asked) = removed(way, || error(400, code, "Not yet.")).await;
            let error = outcome.unwrap_err();
            assert_eq!((error.kind, asked), (Failure::Transient, 1), "{way:?}");
            assert_eq!(error.said, format!("Microsoft Graph answered 400 {code}: Not yet"));
        }
    }
}

#[tokio::test]
async fn an_id_that_is_no_segment_of_a_path_is_not_asked_for() {
    for odd in ["", ".", "..", "a\tb"] {
        let (server, graph) = serving(|_| status(204)).await;
        let (revoker, odd) = (graph.revoker(), PrincipalId::new(odd));
        let who = PrincipalId::new(WHO);
        let id = AssignmentId("a-1".to_owned());
        for outcome in [
            revoker.remove_member(woodgrove(), &odd, &who).await,
            revoker.remove_member(woodgrove(), &who, &odd).await,
            revoker.remove_app_role(woodgrove(), &odd, &id).await,
        ] {
            assert_eq!(outcome.unwrap().state, StepState::Refused, "{odd:?}");
        }
        assert_eq!(server.asked().len(), 0);
    }
}

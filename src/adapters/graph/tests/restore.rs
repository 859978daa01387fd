//! Putting back: what is asked for, and what counts as done, as refused, and as unknown.

use super::*;
use crate::domain::conditional_access::quarantine::tag;
use crate::domain::restore::Restoration;
use crate::ports::PutBack as _;

const WHO: &str = "99999999-0000-0000-0000-00000000000b";
const ROLE: &str = "4a5d8f65-41da-4de4-8968-e035b65339cf";
const UNIT: &str = "/administrativeUnits/au-1";
const GROUPS: [&str; 2] =
    ["99999999-0000-0000-0000-00000000000a", "99999999-0000-0000-0000-00000000000c"];
const RELATIONSHIP: &str = "aaaaaaaa-0000-0000-0000-000000000001-22222222";
const RELATIONSHIPS: &str = "/v1.0/tenantRelationships/delegatedAdminRelationships";
const POLICIES: &str = "/v1.0/identity/conditionalAccess/policies";

fn who() -> PrincipalId {
    PrincipalId::new(WHO)
}

fn contoso() -> PartnerId {
    CONTOSO.parse().unwrap()
}

fn schedule(eligible: bool, ends: Option<&str>) -> Restoration {
    Restoration::AssignSchedule {
        eligible,
        principal: who(),
        role_definition_id: ROLE.to_owned(),
        scope: UNIT.to_owned(),
        ends: ends.map(|ends| ends.parse().unwrap()),
    }
}

fn assign() -> Restoration {
    let (role_definition_id, scope) = (ROLE.to_owned(), UNIT.to_owned());
    Restoration::AssignRole { principal: who(), role_definition_id, scope }
}

fn join(groups: &[&str]) -> Restoration {
    let groups = groups.iter().map(|id| PrincipalId::new(id)).collect();
    Restoration::AddGroupMember { groups, member: who() }
}

fn app_role() -> Restoration {
    let (resource, app_role_id) = ("api".to_owned(), "role-1".to_owned());
    Restoration::AssignAppRole { app: who(), resource, app_role_id }
}

fn access() -> Restoration {
    Restoration::CreateAccessAssignment {
        relationship: RELATIONSHIP.to_owned(),
        group: PrincipalId::new(GROUPS[0]),
        roles: vec![ROLE.to_owned(), "role-2".to_owned()],
    }
}

fn auto_extend() -> Restoration {
    let (relationship, duration) = (RELATIONSHIP.to_owned(), "P180D".to_owned());
    Restoration::AutoExtend { relationship, duration }
}

fn end_quarantine() -> Restoration {
    Restoration::EndQuarantine { partner: contoso() }
}

/// What is done by one call of which nothing is read before.
fn plain() -> [Restoration; 8] {
    [
        assign(),
        schedule(false, None),
        schedule(true, Some("2026-12-31T00:00:00Z")),
        join(&GROUPS[..1]),
        app_role(),
        Restoration::EnableAccount { account: who() },
        Restoration::EnableApp { app: who() },
        access(),
    ]
}

fn is_request(restoration: &Restoration) -> bool {
    matches!(restoration, Restoration::AssignSchedule { .. })
}

fn answered(code: u16, body: &Value) -> Response {
    let mut answer = ok(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap();
    answer
}

fn error(code: u16, name: &str, message: &str) -> Response {
    answered(code, &json!({"error": {"code": name, "message": message}}))
}

/// What comes of putting back where Graph answers so, with what was asked, in order; signing in is
/// left out.
async fn put_back(
    restoration: &Restoration,
    answer: impl Fn(&Asked) -> Response + Send + Sync + 'static,
) -> (Result<Outcome, PortError>, Vec<Asked>) {
    let (server, graph) = serving(answer).await;
    let restorer = graph.restorer(None);
    let outcome = restorer.put_back(woodgrove(), restoration, "CHG-1", noon()).await;
    let asked = server.asked().into_iter();
    (outcome, asked.filter(|asked| !asked.line.ends_with("/token")).collect())
}

/// What is sent for it: the line, and the body without the server's own address.
async fn sent(restoration: &Restoration) -> Vec<(String, Value)> {
    let done = |_: &Asked| with(answered(201, &json!({"id": "x"})), "request-id", "r-7");
    let (outcome, asked) = put_back(restoration, done).await;
    let outcome = outcome.unwrap();
    assert_eq!((outcome.state, outcome.detail), (StepState::Restored, None), "{restoration:?}");
    assert_eq!(outcome.request_id.as_deref(), Some("r-7"));
    assert!(outcome.acted_at.is_some());
    let told = asked.into_iter().map(|asked| {
        assert_eq!(asked.if_match, None, "{}", asked.line);
        let body = String::from_utf8(asked.body.to_vec()).unwrap();
        let body = body.replace(asked.origin.trim_end_matches('/'), "");
        (asked.line, serde_json::from_str(&body).unwrap())
    });
    told.collect()
}

#[tokio::test]
async fn a_role_is_assigned_to_who_had_it_where_they_had_it() {
    let body = json!({
        "@odata.type": "#microsoft.graph.unifiedRoleAssignment",
        "principalId": WHO,
        "roleDefinitionId": ROLE,
        "directoryScopeId": UNIT,
    });
    assert_eq!(sent(&assign()).await, [(format!("POST {V1}"), body)]);
}

#[tokio::test]
async fn a_schedule_begins_now_and_ends_when_it_would_have() {
    for (eligible, requests) in
        [(false, "roleAssignmentScheduleRequests"), (true, "roleEligibilityScheduleRequests")]
    {
        let for_ever = json!({"type": "noExpiration"});
        let until = json!({"type": "afterDateTime", "endDateTime": "2026-12-31T00:00:00Z"});
        for (ends, expiration) in [(None, for_ever), (Some("2026-12-31T00:00:00Z"), until)] {
            let body = json!({
                "action": "adminAssign",
                "principalId": WHO,
                "roleDefinitionId": ROLE,
                "directoryScopeId": UNIT,
                "justification": "CHG-1",
                "scheduleInfo": {"startDateTime": noon().to_string(), "expiration": expiration},
            });
            let line = format!("POST /v1.0/roleManagement/directory/{requests}");
            assert_eq!(sent(&schedule(eligible, ends)).await, [(line, body)]);
        }
    }
}

#[tokio::test]
async fn a_member_joins_each_of_the_groups_it_was_in() {
    let body = json!({"@odata.id": format!("/v1.0/directoryObjects/{WHO}")});
    let into = |group: &str| (format!("POST /v1.0/groups/{group}/members/$ref"), body.clone());
    assert_eq!(sent(&join(&GROUPS)).await, GROUPS.map(into));
}

#[tokio::test]
async fn an_application_has_its_permission_of_the_same_api() {
    let body = json!({"principalId": WHO, "resourceId": "api", "appRoleId": "role-1"});
    let line = format!("POST /v1.0/servicePrincipals/{WHO}/appRoleAssignments");
    assert_eq!(sent(&app_role()).await, [(line, body)]);
}

#[tokio::test]
async fn who_may_not_sign_in_may_again() {
    let body = json!({"accountEnabled": true});
    let account = Restoration::EnableAccount { account: who() };
    assert_eq!(sent(&account).await, [(format!("PATCH /v1.0/users/{WHO}"), body.clone())]);
    let app = Restoration::EnableApp { app: who() };
    assert_eq!(sent(&app).await, [(format!("PATCH /v1.0/servicePrincipals/{WHO}"), body)]);
}

#[tokio::test]
async fn a_group_is_given_the_roles_it_had() {
    let body = json!({
        "accessContainer": {
            "accessContainerId": GROUPS[0],
            "accessContainerType": "securityGroup",
        },
        "accessDetails": {
            "unifiedRoles": [{"roleDefinitionId": ROLE}, {"roleDefinitionId": "role-2"}],
        },
    });
    let line = format!("POST {RELATIONSHIPS}/{RELATIONSHIP}/accessAssignments");
    assert_eq!(sent(&access()).await, [(line, body)]);
}

#[tokio::test]
async fn a_relationship_is_changed_against_what_it_is_now() {
    let answer = |asked: &Asked| match asked.line.split_once(' ').unwrap().0 {
        "GET" => ok(&json!({"@odata.etag": "W/\"7\"", "autoExtendDuration": "PT0S"})),
        _ => answered(202, &json!({})),
    };
    let (outcome, asked) = put_back(&auto_extend(), answer).await;
    assert_eq!(outcome.unwrap().state, StepState::Restored);
    let [read, change] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(read.line, format!("GET {RELATIONSHIPS}/{RELATIONSHIP}"));
    assert_eq!(change.line, format!("PATCH {RELATIONSHIPS}/{RELATIONSHIP}"));
    assert_eq!(change.if_match.as_deref(), Some("W/\"7\""));
    let body: Value = serde_json::from_slice(&change.body).unwrap();
    assert_eq!(body, json!({"autoExtendDuration": "P180D"}));
    // Somebody changed it between the two.
    let answer = |asked: &Asked| match asked.line.split_once(' ').unwrap().0 {
        "GET" => ok(&json!({"@odata.etag": "W/\"7\""})),
        _ => error(412, "PreconditionFailed", "It was changed."),
    };
    let (outcome, asked) = put_back(&auto_extend(), answer).await;
    let outcome = outcome.unwrap();
    let said = "Microsoft Graph answered 412 PreconditionFailed: It was changed: it was changed in \
                the meantime; run it again";
    assert_eq!((outcome.state, outcome.detail.as_deref()), (StepState::Refused, Some(said)));
    assert_eq!(asked.len(), 2);
}

/// Policies as Graph lists them: ours about this partner twice, ours about another, and others.
fn policies() -> Value {
    let own = tag(woodgrove(), contoso());
    let other = tag(woodgrove(), WOODGROVE.parse().unwrap());
    let named = |id: &str, name: String| json!({"id": id, "displayName": name});
    json!({"value": [
        named("p-1", format!("Partner Warden quarantine: Contoso ({own})")),
        named("p-2", format!("Partner Warden quarantine: Other ({other})")),
        named("p-3", format!("Somebody's own ({own})")),
        named("p-4", format!("Partner Warden quarantine: Contoso, again ({own})")),
    ]})
}

#[tokio::test]
async fn every_policy_of_ours_about_the_partner_goes_and_no_other() {
    let answer = |asked: &Asked| {
        if asked.line.starts_with("GET") { ok(&policies()) } else { status(204) }
    };
    let (outcome, asked) = put_back(&end_quarantine(), answer).await;
    assert_eq!(outcome.unwrap().state, StepState::Restored);
    let writes: Vec<&Asked> = asked.iter().filter(|it| !it.line.starts_with("GET")).collect();
    assert!(writes.iter().all(|it| it.body.is_empty()));
    let lines: Vec<&str> = writes.iter().map(|it| it.line.as_str()).collect();
    let of = |id: &str| format!("DELETE {POLICIES}/{id}");
    assert_eq!(lines, [of("p-1"), of("p-4")]);
    // One that is gone already is gone.
    let gone = |asked: &Asked| {
        if asked.line.starts_with("GET") { ok(&policies()) } else { error(404, "NotFound", "No.") }
    };
    let outcome = put_back(&end_quarantine(), gone).await.0.unwrap();
    let said = Some("it was already gone");
    assert_eq!((outcome.state, outcome.detail.as_deref()), (StepState::Restored, said));
}

#[tokio::test]
async fn where_no_policy_of_ours_is_listed_nothing_is_deleted() {
    let none = |_: &Asked| ok(&json!({"value": [{"id": "p-3", "displayName": "Own"}]}));
    let (outcome, asked) = put_back(&end_quarantine(), none).await;
    let outcome = outcome.unwrap();
    let said = Some("there is nothing to put it back with");
    assert_eq!((outcome.state, outcome.detail.as_deref()), (StepState::Refused, said));
    assert!(asked.iter().all(|it| it.line.starts_with("GET")), "{asked:?}");
}

#[tokio::test]
async fn what_cannot_be_read_before_is_not_changed() {
    for restoration in [end_quarantine(), auto_extend()] {
        for code in [403, 404] {
            let (outcome, asked) = put_back(&restoration, move |_| status(code)).await;
            let outcome = outcome.unwrap();
            assert_eq!(outcome.state, StepState::Refused, "{restoration:?}, {code}");
            assert!(outcome.detail.unwrap().contains(&code.to_string()));
            assert!(asked.iter().all(|it| it.line.starts_with("GET")), "{asked:?}");
        }
        let (outcome, asked) = put_back(&restoration, |_| status(503)).await;
        assert_eq!(outcome.unwrap_err().kind, Failure::Transient, "{restoration:?}");
        assert!(asked.iter().all(|it| it.line.starts_with("GET")), "{asked:?}");
    }
}

#[tokio::test]
async fn what_graph_takes_now_or_later_is_put_back() {
    for restoration in plain() {
        for code in [200, 201, 202, 204] {
            // Of a request it is told how it stands.
            if code == 204 && is_request(&restoration) {
                continue;
            }
            let answer = move |_: &Asked| match code {
                204 => status(204),
                _ => answered(code, &json!({"status": "Provisioned"})),
            };
            let (outcome, asked) = put_back(&restoration, answer).await;
            assert_eq!(outcome.unwrap().state, StepState::Restored, "{restoration:?}, {code}");
            assert_eq!(asked.len(), 1);
        }
    }
}

#[tokio::test]
async fn what_is_there_already_is_put_back() {
    for (code, name, message) in [
        (400, "RoleAssignmentExists", "The Role assignment already exists."),
        (409, "RoleAssignmentExists", "The Role assignment already exists."),
        (
            400,
            "Request_BadRequest",
            "A conflicting object with one or more of the specified property values is present in \
             the directory.",
        ),
        (
            400,
            "Request_BadRequest",
            "One or more added object references already exist for the following modified \
             properties: 'members'.",
        ),
        (400, "Request_BadRequest", "Permission being assigned already exists on the object"),
    ] {
        for restoration in plain() {
            let (outcome, asked) =
                put_back(&restoration, move |_| error(code, name, message)).await;
            let outcome = outcome.unwrap();
            assert_eq!(outcome.state, StepState::Restored, "{restoration:?}, {message}");
            assert!(outcome.detail.unwrap().ends_with(", so it is there already"), "{message}");
            assert_eq!(asked.len(), 1);
        }
    }
    // The same code says other things too.
    for (code, name, message) in [
        (400, "Request_BadRequest", "Resource does not exist."),
        (409, "Conflict", "added object references already exist"),
        (500, "RoleAssignmentExists", "x"),
    ] {
        let (outcome, _) = put_back(&assign(), move |_| error(code, name, message)).await;
        let is_done = outcome.is_ok_and(|outcome| outcome.state == StepState::Restored);
        assert!(!is_done, "{code} {name}");
    }
}

#[tokio::test]
async fn a_refusal_is_an_outcome_in_graphs_own_words() {
    for restoration in plain() {
        for code in [400, 403, 404, 405, 409] {
            let (outcome, asked) =
                put_back(&restoration, move |_| error(code, "SomeCode", "Because.")).await;
            let outcome = outcome.unwrap();
            let said = format!("Microsoft Graph answered {code} SomeCode: Because");
            assert_eq!((outcome.state, outcome.acted_at), (StepState::Refused, None));
            assert_eq!((outcome.detail, asked.len()), (Some(said), 1), "{restoration:?}");
        }
    }
}

#[tokio::test]
async fn what_has_no_plain_answer_is_not_known() {
    for restoration in plain() {
        let check = async |code: u16, expect: Failure, calls: usize| {
            let (outcome, asked) = put_back(&restoration, move |_| status(code)).await;
            let kind = outcome.unwrap_err().kind;
            assert_eq!((kind, asked.len()), (expect, calls), "{restoration:?} {code}");
        };
        check(500, Failure::Transient, CALLS).await;
        check(503, Failure::Transient, CALLS).await;
        check(429, Failure::Throttled(None), CALLS).await;
        check(401, Failure::Denied, 2).await;
        check(302, Failure::Unintelligible, 1).await;
    }
    for restoration in [schedule(false, None), schedule(true, None)] {
        let (outcome, _) = put_back(&restoration, |_| status(201)).await;
        assert_eq!(outcome.unwrap_err().kind, Failure::Unintelligible);
    }
}

#[tokio::test]
async fn what_a_request_has_not_done_is_not_called_done() {
    for restoration in [schedule(false, None), schedule(true, None)] {
        let with_status = async |status: &'static str| {
            let body = json!({"id": "r", "status": status});
            put_back(&restoration, move |_| answered(201, &body)).await.0
        };
        assert_eq!(with_status("Provisioned").await.unwrap().state, StepState::Restored);
        for never in ["Failed", "Denied", "Canceled", "PendingApproval"] {
            let outcome = with_status(never).await.unwrap();
            assert_eq!((outcome.state, outcome.acted_at), (StepState::Refused, None), "{never}");
            assert!(outcome.detail.unwrap().contains(never));
        }
        for later in ["PendingProvisioning", "Granted", "ScheduleCreated", "X"] {
            assert_eq!(with_status(later).await.unwrap_err().kind, Failure::Transient, "{later}");
        }
        // One about the same waits, maybe ours.
        let waits = |_: &Asked| error(400, "PendingRoleAssignmentRequest", "Not yet.");
        let (outcome, asked) = put_back(&restoration, waits).await;
        assert_eq!((outcome.unwrap_err().kind, asked.len()), (Failure::Transient, 1));
    }
}

#[tokio::test]
async fn of_several_calls_the_first_that_is_refused_ends_it_and_says_how_far_it_came() {
    let second = |asked: &Asked| {
        if asked.line.contains(GROUPS[1]) { error(403, "No", "No.") } else { status(204) }
    };
    let (outcome, asked) = put_back(&join(&GROUPS), second).await;
    let said = "Microsoft Graph answered 403 No: No; 1 of 2 changes were made before it";
    let outcome = outcome.unwrap();
    assert_eq!((outcome.state, outcome.detail.as_deref()), (StepState::Refused, Some(said)));
    assert_eq!(asked.len(), 2);
    let first = |_: &Asked| error(403, "No", "No.");
    let (outcome, asked) = put_back(&join(&GROUPS), first).await;
    let said = "Microsoft Graph answered 403 No: No; 0 of 2 changes were made before it";
    assert_eq!((outcome.unwrap().detail.as_deref(), asked.len()), (Some(said), 1));
}

#[tokio::test]
async fn an_id_that_is_no_segment_of_a_path_is_not_asked_for() {
    for odd in ["", ".", "..", "a\tb"] {
        let id = PrincipalId::new(odd);
        for restoration in [
            join(&[odd]),
            Restoration::EnableAccount { account: id.clone() },
            Restoration::EnableApp { app: id.clone() },
            Restoration::CreateAccessAssignment {
                relationship: odd.to_owned(),
                group: who(),
                roles: Vec::new(),
            },
            Restoration::AutoExtend { relationship: odd.to_owned(), duration: "P180D".to_owned() },
        ] {
            let (outcome, asked) = put_back(&restoration, |_| status(204)).await;
            assert_eq!(outcome.unwrap().state, StepState::Refused, "{odd:?}: {restoration:?}");
            assert_eq!(asked.len(), 0, "{odd:?}: {restoration:?}");
        }
    }
}

#[tokio::test]
async fn the_writing_application_signs_in_for_itself() {
    let (server, graph) = serving(|_| status(204)).await;
    let secret = Secret::new("the writer's own");
    let writer = Credential::Secret { client_id: "writer".to_owned(), secret };
    let account = Restoration::EnableAccount { account: who() };
    let outcome = graph.restorer(Some(writer)).put_back(woodgrove(), &account, "x", noon()).await;
    assert_eq!(outcome.unwrap().state, StepState::Restored);
    let asked = server.asked();
    let sign_in = asked.iter().find(|it| it.line.ends_with("/token")).unwrap();
    let sent = String::from_utf8(sign_in.body.to_vec()).unwrap();
    assert!(sent.contains("client_id=writer"), "{sent}");
}

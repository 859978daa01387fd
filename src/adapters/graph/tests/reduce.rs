//! Making relationships less, and ending them: against what was read and nothing else, whatever Graph
//! answers.

use super::relationships::contoso;
use super::*;
use crate::ports::{ReduceRelationships as _, With};

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Drop,
    Stop,
    Delete,
    End,
}

use Way::{Delete, Drop, End, Stop};

pub(super) const WAYS: [Way; 4] = [Drop, Stop, Delete, End];

pub(super) const ALL: &str = "/v1.0/tenantRelationships/delegatedAdminRelationships";
const ID: &str = "aaaaaaaa-0000-0000-0000-00000000000a-bbbbbbbb-0000-0000-0000-00000000000b";
const USED: &str = "cccccccc-0000-0000-0000-00000000000c";
const GROUP: &str = "dddddddd-0000-0000-0000-00000000000d";
const ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";
pub(super) const READERS: &str = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b";

pub(super) fn details(roles: &[&str]) -> Value {
    let roles: Vec<Value> = roles.iter().map(|id| json!({"roleDefinitionId": id})).collect();
    json!({"unifiedRoles": roles})
}

impl Way {
    async fn carry_out(self, graph: &Graph) -> Result<Outcome, PortError> {
        let revoker = graph.revoker();
        let with = With { relationship: ID, customer: WOODGROVE.parse().unwrap() };
        // As somebody else may write them.
        let roles = [READERS.to_uppercase(), ADMINISTRATOR.to_owned()];
        match self {
            Drop => revoker.drop_global_administrator(contoso(), with, &roles).await,
            Stop => revoker.stop_auto_extend(contoso(), with).await,
            Delete => {
                let group = PrincipalId::new(&GROUP.to_uppercase());
                revoker.delete_access_assignment(contoso(), ID, USED, &group, &roles).await
            }
            End => revoker.terminate(contoso(), with).await,
        }
    }

    /// What is read, as it was when the change was decided.
    fn thing(self) -> Value {
        let roles = details(&[ADMINISTRATOR, READERS]);
        if self == Delete {
            let container = json!({"accessContainerId": GROUP});
            return json!({"id": USED, "status": "active", "accessContainer": container,
                "accessDetails": roles});
        }
        json!({"id": ID, "status": "active", "customer": {"tenantId": WOODGROVE},
            "accessDetails": roles, "autoExtendDuration": "P180D"})
    }

    fn thing_with(self, name: &str, value: Value) -> Value {
        let mut thing = self.thing();
        thing[name] = value;
        thing
    }

    /// What the change makes of it, and what is said of one that is so already.
    fn done(self) -> (&'static str, Value, &'static str) {
        match self {
            Drop => ("accessDetails", details(&[READERS]), "it was already gone"),
            Stop => ("autoExtendDuration", json!("PT0S"), "it does not extend itself any more"),
            Delete => ("status", json!("deleting"), "it is being deleted already"),
            End => ("status", json!("terminationRequested"), "it is being ended already"),
        }
    }

    fn read_line(self) -> String {
        let used =
            if self == Delete { format!("/accessAssignments/{USED}") } else { String::new() };
        format!("GET {ALL}/{ID}{used}")
    }

    fn write_line(self) -> String {
        match self {
            Drop | Stop => format!("PATCH {ALL}/{ID}"),
            Delete => format!("DELETE {ALL}/{ID}/accessAssignments/{USED}"),
            End => format!("POST {ALL}/{ID}/requests"),
        }
    }

    fn body(self) -> Option<Value> {
        match self {
            Drop => Some(json!({"accessDetails": details(&[READERS])})),
            Stop => Some(json!({"autoExtendDuration": "PT0S"})),
            Delete => None,
            End => Some(json!({"action": "terminate"})),
        }
    }

    /// Graph's word that it does it.
    fn word(self) -> u16 {
        match self {
            Drop | Stop => 202,
            Delete => 204,
            End => 201,
        }
    }
}

/// What happens to a request that writes.
#[derive(Debug, Clone)]
enum Fate {
    /// It is done, and answered so.
    Done(u16),
    /// It is not done, and answered so.
    Not(u16),
    /// Somebody else changes this of the thing first.
    Overtaken(&'static str, Value),
    /// The thing is gone first.
    Gone,
    /// It is not done for now, and may be asked for again after so many seconds.
    Later(u64),
}

/// One thing of a tenant, and what is to happen to each write in turn.
struct Held {
    thing: Option<Value>,
    version: u64,
    fates: Vec<Fate>,
}

impl Held {
    fn set(&mut self, name: &str, value: Value) {
        self.version += 1;
        if let Some(thing) = &mut self.thing {
            thing[name] = value;
        }
    }

    fn shown(&self) -> Option<Value> {
        let mut thing = self.thing.clone()?;
        if thing["@odata.etag"].is_null() {
            thing["@odata.etag"] = json!(format!("W/\"{}\"", self.version));
        }
        Some(thing)
    }
}

fn error(code: u16) -> Response {
    let mut answer = ok(&json!({"error": {"code": "SomeCode", "message": "Because."}}));
    *answer.status_mut() = code.try_into().unwrap();
    with(answer, "request-id", "r-7")
}

fn answer(way: Way, held: &mut Held, asked: &Asked) -> Response {
    let Some(shown) = held.shown() else { return error(404) };
    if asked.line == way.read_line() {
        return with(ok(&shown), "request-id", "r-1");
    }
    assert_eq!(asked.line, way.write_line());
    let (field, value, _) = way.done();
    let fate = if held.fates.is_empty() { Fate::Done(way.word()) } else { held.fates.remove(0) };
    match &fate {
        Fate::Overtaken(name, value) => held.set(name, value.clone()),
        Fate::Gone => held.thing = None,
        Fate::Done(_) | Fate::Not(_) | Fate::Later(_) => {}
    }
    let Some(shown) = held.shown() else { return error(404) };
    if let Fate::Later(seconds) = fate {
        return with(error(429), "retry-after", &seconds.to_string());
    }
    if let Fate::Not(code) = fate {
        return error(code);
    }
    match (way, asked.if_match.as_deref()) {
        (End, None) if shown["status"] == "active" => {}
        (End, None) => return error(400),
        (End, Some(_)) | (_, None) => panic!("{asked:?}"),
        (_, etag) if etag == shown["@odata.etag"].as_str() => {}
        _ => return error(412),
    }
    held.set(field, value);
    let code = if let Fate::Done(code) = fate { code } else { way.word() };
    let mut answer = if code == 200 { ok(&held.shown().unwrap()) } else { status(code) };
    *answer.status_mut() = code.try_into().unwrap();
    let at = format!("{}{ALL}/{ID}/operations/op-1", asked.origin);
    with(with(answer, "location", &at), "request-id", "r-2")
}

/// A server that keeps the thing as Graph does.
async fn keeping(way: Way, thing: Value, fates: &[Fate]) -> (Server, Graph) {
    let held = Held { thing: Some(thing), version: 1, fates: fates.to_vec() };
    let held = Mutex::new(held);
    serving(move |asked| answer(way, &mut held.lock().unwrap(), asked)).await
}

/// What comes of a change, and the etags it was asked for with, one for each time.
async fn came_of(
    way: Way,
    thing: Value,
    fates: &[Fate],
) -> (Result<Outcome, PortError>, Vec<Option<String>>) {
    let (server, graph) = keeping(way, thing, fates).await;
    let outcome = way.carry_out(&graph).await;
    let writes = server.asked().into_iter().filter(|asked| asked.line == way.write_line());
    (outcome, writes.map(|asked| asked.if_match).collect())
}

async fn done(way: Way, thing: Value, fates: &[Fate]) -> (StepState, String, usize) {
    let (outcome, writes) = came_of(way, thing, fates).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.acted_at.is_some(), outcome.state == StepState::Revoked, "{way:?}");
    (outcome.state, outcome.detail.unwrap_or_default(), writes.len())
}

#[tokio::test]
async fn each_change_is_one_read_and_one_request_against_what_was_read() {
    for way in WAYS {
        let (server, graph) = keeping(way, way.thing(), &[]).await;
        let outcome = way.carry_out(&graph).await.unwrap();
        let detail =
            (way.word() == 202).then_some("Microsoft does it in its own time (operation op-1)");
        assert_eq!((outcome.state, outcome.detail.as_deref()), (StepState::Revoked, detail));
        assert_eq!(
            (outcome.request_id.as_deref(), outcome.acted_at.is_some()),
            (Some("r-2"), true)
        );
        let asked = server.asked();
        let asked: Vec<&Asked> = asked.iter().filter(|it| it.line.contains(ALL)).collect();
        let [read, write] = asked.as_slice() else { panic!("{asked:#?}") };
        assert_eq!((&read.line, &write.line), (&way.read_line(), &way.write_line()));
        let etag = (way != End).then_some("W/\"1\"");
        assert_eq!((read.if_match.as_deref(), write.if_match.as_deref()), (None, etag), "{way:?}");
        let body: Option<Value> = serde_json::from_slice(&write.body).ok();
        assert_eq!(body, way.body(), "{way:?}");
    }
}

#[tokio::test]
async fn every_word_of_graph_that_it_does_it_is_taken() {
    for (way, codes) in [
        (Drop, vec![200, 202, 204]),
        (Stop, vec![200, 202, 204]),
        (Delete, vec![202, 204]),
        (End, vec![201, 202]),
    ] {
        for code in codes {
            let (state, detail, writes) = done(way, way.thing(), &[Fate::Done(code)]).await;
            assert_eq!((state, writes), (StepState::Revoked, 1), "{way:?} {code}");
            assert_eq!(detail.contains("in its own time"), code == 202, "{detail}");
        }
    }
    // The documentation has it that a list without Global Administrator may be passed over.
    let (server, graph) = serving(|_| ok(&Drop.thing_with("@odata.etag", json!("e")))).await;
    let outcome = Drop.carry_out(&graph).await.unwrap();
    assert_eq!(outcome.state, StepState::Revoked, "reading it again decides");
    assert_eq!(outcome.detail.as_deref(), Some("Microsoft Graph took it and shows it as it was"));
    assert_eq!(server.lines("PATCH").len(), 1);
}

#[tokio::test]
async fn what_is_so_already_is_not_asked_for() {
    for way in WAYS {
        let (name, value, said) = way.done();
        let expect = (StepState::Revoked, said.to_owned(), 0);
        assert_eq!(done(way, way.thing_with(name, value), &[]).await, expect, "{way:?}");
        let ended = if way == Delete { ["deleted", "Deleted"] } else { ["terminated", "expired"] };
        for ended in ended {
            let said = if way == Delete {
                "it was already gone"
            } else {
                "the relationship has ended already"
            };
            let expect = (StepState::Revoked, said.to_owned(), 0);
            assert_eq!(done(way, way.thing_with("status", json!(ended)), &[]).await, expect);
        }
        let (server, graph) = serving(|_| error(404)).await;
        let outcome = way.carry_out(&graph).await.unwrap();
        assert_eq!(
            (outcome.state, outcome.request_id.as_deref()),
            (StepState::Revoked, Some("r-7"))
        );
        assert_eq!(outcome.detail.as_deref(), Some("it was already gone"));
        assert_eq!(server.lines(ALL), [way.read_line()]);
    }
}

/// What is not as it was when the change was decided.
fn others(way: Way) -> Vec<(Value, &'static str)> {
    let with = |name: &str, value: Value| way.thing_with(name, value);
    let roles = (with("accessDetails", details(&[ADMINISTRATOR])), "it gives other roles now");
    if way == Delete {
        let group = with("accessContainer", json!({"accessContainerId": READERS}));
        return vec![roles, (group, "it is for another group now")];
    }
    let customer = "it is with another customer now";
    let mut others = vec![
        (with("customer", json!({"tenantId": CONTOSO})), customer),
        (with("customer", Value::Null), customer),
        (with("status", json!("expiring")), "its status is expiring now"),
        (with("status", json!("approved")), "its status is approved now"),
        (with("status", json!("unknownFutureValue")), "its status is unknownFutureValue now"),
    ];
    if way == Drop {
        others.push(roles);
        // Nothing is known of its roles, so they are not as they were.
        others.push((with("accessDetails", Value::Null), "it gives other roles now"));
    }
    others
}

#[tokio::test]
async fn what_is_not_as_it_was_is_left_as_it_is() {
    for way in WAYS {
        for (other, why) in others(way) {
            let said = format!("it was not asked to, since {why}; the next look decides anew");
            assert_eq!(done(way, other, &[]).await, (StepState::Refused, said, 0), "{way:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_changed_without_an_etag() {
    for way in [Drop, Stop, Delete] {
        for etag in [json!(""), json!("line\nbreak")] {
            let (state, said, writes) = done(way, way.thing_with("@odata.etag", etag), &[]).await;
            assert_eq!((state, writes), (StepState::Refused, 0), "{way:?}");
            assert!(said.contains("does not say what is to be changed"), "{said}");
        }
    }
}

#[tokio::test]
async fn what_somebody_changed_in_the_meantime_is_read_again_and_judged_anew() {
    for way in [Drop, Stop, Delete] {
        // It is as it was in all that was decided on.
        let overtaken = Fate::Overtaken("displayName", json!("Another name"));
        let (outcome, etags) = came_of(way, way.thing(), std::slice::from_ref(&overtaken)).await;
        assert_eq!(outcome.unwrap().state, StepState::Revoked, "{way:?}");
        let etags: Vec<&str> = etags.iter().flatten().map(String::as_str).collect();
        assert_eq!(etags, ["W/\"1\"", "W/\"2\""], "never with one that was not read");

        // It is otherwise.
        for (other, why) in others(way) {
            let (name, value) = ["status", "customer", "accessDetails", "accessContainer"]
                .into_iter()
                .find(|name| other[*name] != way.thing()[*name])
                .map(|name| (name, other[name].clone()))
                .unwrap();
            let (state, said, writes) =
                done(way, way.thing(), &[Fate::Overtaken(name, value)]).await;
            assert_eq!((state, writes), (StepState::Refused, 1), "{way:?}: {said}");
            assert!(said.contains(why), "{said}");
        }

        // It is done.
        let (name, value, said) = way.done();
        let expect = (StepState::Revoked, said.to_owned(), 1);
        assert_eq!(done(way, way.thing(), &[Fate::Overtaken(name, value)]).await, expect);

        // It never comes to rest.
        let restless = [overtaken.clone(), overtaken.clone(), overtaken.clone(), overtaken];
        let (state, said, writes) = done(way, way.thing(), &restless).await;
        assert_eq!((state, writes), (StepState::Refused, 3), "{way:?}");
        let expect = "Microsoft Graph answered 412 SomeCode: Because: somebody changed it each time \
                      it was to be changed; the next look decides anew";
        assert_eq!(said, expect);
    }
}

#[tokio::test]
async fn a_refusal_is_an_outcome_in_graphs_own_words_unless_it_is_so_all_the_same() {
    for way in WAYS {
        for code in [400, 403, 405, 409, 428] {
            let said = format!("Microsoft Graph answered {code} SomeCode: Because");
            let expect = (StepState::Refused, said, 1);
            assert_eq!(done(way, way.thing(), &[Fate::Not(code)]).await, expect, "{way:?}");
        }
        let gone = done(way, way.thing(), &[Fate::Gone]).await;
        assert_eq!(gone, (StepState::Revoked, "it was already gone".to_owned(), 1), "{way:?}");
        // What may not even be read is refused too.
        let (server, graph) = serving(|_| error(403)).await;
        let outcome = way.carry_out(&graph).await.unwrap();
        assert_eq!(
            (outcome.state, outcome.request_id.as_deref()),
            (StepState::Refused, Some("r-7"))
        );
        assert_eq!(server.lines(ALL), [way.read_line()]);
    }
}

#[tokio::test]
async fn a_change_without_a_plain_answer_leaves_its_outcome_unknown() {
    for way in WAYS {
        let check = async |fate: Fate, expect: Failure, calls: usize| {
            let (outcome, writes) = came_of(way, way.thing(), &vec![fate.clone(); 9]).await;
            let expect = (expect, calls);
            assert_eq!((outcome.unwrap_err().kind, writes.len()), expect, "{way:?} {fate:?}");
        };
        check(Fate::Not(500), Failure::Transient, CALLS).await;
        check(Fate::Not(503), Failure::Transient, CALLS).await;
        check(Fate::Not(429), Failure::Throttled(None), CALLS).await;
        let two_minutes = Some(std::time::Duration::from_mins(2));
        check(Fate::Later(120), Failure::Throttled(two_minutes), 1).await;
        check(Fate::Not(401), Failure::Denied, 2).await;
        // Not Graph's word that it does it.
        check(Fate::Not(203), Failure::Unintelligible, 1).await;
        check(Fate::Not(302), Failure::Unintelligible, 1).await;
        // Where the read has no plain answer, nothing is asked for.
        for (code, kind) in
            [(500, Failure::Transient), (429, Failure::Throttled(None)), (401, Failure::Denied)]
        {
            let (server, graph) = serving(move |_| status(code)).await;
            assert_eq!(way.carry_out(&graph).await.unwrap_err().kind, kind, "{way:?} {code}");
            assert!(server.lines(ALL).iter().all(|line| *line == way.read_line()));
        }
        let (server, graph) = serving(|_| ok(&json!([]))).await;
        assert_eq!(way.carry_out(&graph).await.unwrap_err().kind, Failure::Unintelligible);
        assert_eq!(server.lines(ALL), [way.read_line()]);
    }
}

#[tokio::test]
async fn a_busy_or_broken_graph_is_asked_again_until_it_does_it() {
    for way in WAYS {
        let fates = [Fate::Later(0), Fate::Not(500), Fate::Not(503)];
        let (state, _, writes) = done(way, way.thing(), &fates).await;
        assert_eq!((state, writes), (StepState::Revoked, 4), "{way:?}");
    }
}

#[tokio::test]
async fn what_took_effect_with_its_answer_lost_is_found_done() {
    for way in WAYS {
        for code in [500, 503, 504] {
            let (state, said, writes) = done(way, way.thing(), &[Fate::Done(code)]).await;
            assert_eq!((state, writes), (StepState::Revoked, 2), "{way:?} {code}");
            assert_eq!(said, way.done().2);
        }
    }
}

#[tokio::test]
async fn an_id_that_is_no_segment_of_a_path_is_not_asked_for() {
    for odd in ["", ".", "..", "a\tb"] {
        let (server, graph) = serving(|_| status(204)).await;
        let (revoker, group) = (graph.revoker(), PrincipalId::new(GROUP));
        let with = With { relationship: odd, customer: WOODGROVE.parse().unwrap() };
        for outcome in [
            revoker.drop_global_administrator(contoso(), with, &[]).await,
            revoker.stop_auto_extend(contoso(), with).await,
            revoker.terminate(contoso(), with).await,
            revoker.delete_access_assignment(contoso(), odd, USED, &group, &[]).await,
            revoker.delete_access_assignment(contoso(), ID, odd, &group, &[]).await,
        ] {
            assert_eq!(outcome.unwrap().state, StepState::Refused, "{odd:?}");
        }
        assert_eq!(server.asked().len(), 0);
    }
}

//! Many reads in few requests: whose answer is whose, what is asked again, what is never known.

use std::time::Duration;

use super::super::batch::Get;
use super::*;
use crate::adapters::http::{Http, Patience};

/// What a server answers to each request of a batch, by its url.
pub(super) fn answering(
    each: impl Fn(&Asked, &str) -> Value + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Response + Send + Sync + 'static {
    move |asked| {
        let answers = requests(asked).into_iter().map(|request| {
            let mut answer = each(asked, request["url"].as_str().unwrap());
            answer["id"] = request["id"].clone();
            answer
        });
        // In another order than they were asked in.
        let mut answers: Vec<Value> = answers.collect();
        answers.reverse();
        ok(&json!({"responses": answers}))
    }
}

fn requests(asked: &Asked) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    body["requests"].as_array().unwrap().clone()
}

/// The urls of each batch that the server was sent.
pub(super) fn batches(server: &Server) -> Vec<Vec<String>> {
    let sent = server.asked().into_iter().filter(|asked| asked.line.ends_with("$batch"));
    let urls = |asked: Asked| {
        let urls = requests(&asked).into_iter();
        urls.map(|request| request["url"].as_str().unwrap().to_owned()).collect()
    };
    sent.map(urls).collect()
}

fn gets(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Get> {
    names.into_iter().map(|name| Get::new(&["things", name.as_ref()], "").unwrap()).collect()
}

/// Of each answer what it is, or of what kind and in what words the failure.
async fn ended(graph: &Graph, gets: &[Get]) -> Vec<String> {
    let answers = graph.batch(woodgrove(), "v1.0", gets).await;
    let ended = answers.into_iter().map(|answer| match answer {
        Ok(answer) => answer["is"].as_str().unwrap().to_owned(),
        Err(error) => format!("{:?}: {error}", error.kind),
    });
    ended.collect()
}

#[tokio::test]
async fn an_answer_is_laid_to_its_own_request_and_no_batch_is_too_large() {
    let each = |_: &Asked, url: &str| json!({"status": 200, "body": {"is": url}});
    let (server, graph) = serving(answering(each)).await;
    let names: Vec<String> = (0..45).map(|number| number.to_string()).collect();
    let expect: Vec<String> = names.iter().map(|name| format!("/things/{name}")).collect();
    assert_eq!(ended(&graph, &gets(&names)).await, expect);
    let mut sizes: Vec<usize> = batches(&server).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [5, 20, 20]);
    assert_eq!(ended(&graph, &[]).await, [""; 0]);
    assert_eq!(batches(&server).len(), 3, "nothing is not asked for");
}

#[tokio::test]
async fn what_is_busy_or_broken_is_asked_again_by_itself() {
    let hour = Duration::from_hours(1);
    let slow = Patience { first_pause: hour, longest_pause: hour, ..QUICK };
    let (server, graph) = serving(answering(|asked, url| match url {
        // The header's own word counts, or this would take an hour.
        "/things/busy" if asked.before < 2 => {
            json!({"status": 429, "headers": {"retry-after": "0"}})
        }
        "/things/broken" if asked.before < 3 => {
            json!({"status": 503, "headers": {"Retry-After": "0"}, "body": null})
        }
        _ => json!({"status": 200, "body": {"is": url}}),
    }))
    .await;
    let credential =
        Credential::Secret { client_id: CLIENT_ID.to_owned(), secret: Secret::new(CLIENT_SECRET) };
    let (http, origin) = (Http::new(slow).unwrap(), server.origin.clone());
    let clock = Arc::new(SystemClock);
    let impatient = Graph::new(http, origin.clone(), origin, credential, clock);
    let names = ["one", "busy", "broken", "two"];
    assert_eq!(
        ended(&impatient, &gets(names)).await,
        ["/things/one", "/things/busy", "/things/broken", "/things/two"]
    );
    let sent = batches(&server);
    assert_eq!(sent[1], ["/things/busy", "/things/broken"], "the others are answered");
    assert_eq!(sent[2], ["/things/broken"]);
    assert_eq!((sent.len(), graph.origin == impatient.origin), (3, true));
}

#[tokio::test]
async fn patience_has_an_end_and_leaves_the_other_answers() {
    let (server, graph) = serving(answering(|_, url| match url {
        "/things/busy" => json!({"status": 429}),
        "/things/broken" => json!({"status": 500, "body": "Z2FyYmxlZA=="}),
        // Longer than is waited for on the spot.
        "/things/later" => json!({"status": 429, "headers": {"Retry-After": "7"}}),
        "/things/denied" => {
            let error = json!({"error": {"code": "Authorization_RequestDenied", "message": "No."}});
            json!({"status": 403, "body": error})
        }
        "/things/gone" => json!({"status": 404}),
        "/things/odd" => json!({"status": 7}),
        _ => json!({"status": 200, "body": {"is": url}}),
    }))
    .await;
    let names = ["busy", "one", "broken", "later", "denied", "gone", "odd"];
    assert_eq!(
        ended(&graph, &gets(names)).await,
        [
            "Throttled(None): Microsoft Graph answered 429",
            "/things/one",
            "Transient: Microsoft Graph answered 500",
            "Throttled(Some(7s)): Microsoft Graph answered 429",
            "Denied: Microsoft Graph answered 403 Authorization_RequestDenied: No",
            "Gone: Microsoft Graph answered 404",
            "Unintelligible: Microsoft Graph answered a batch with a status that is none",
        ]
    );
    let sent = batches(&server);
    assert_eq!(sent.len(), CALLS);
    assert!(sent[1..].iter().all(|urls| *urls == ["/things/busy", "/things/broken"]), "{sent:?}");
}

#[tokio::test]
async fn a_missing_answer_is_a_failure_and_so_is_one_that_came_twice() {
    let (server, graph) = serving(|asked| {
        let is = |id: &str, is: &str| json!({"id": id, "status": 200, "body": {"is": is}});
        assert_eq!(requests(asked).len(), 4);
        let answers = [is("1", "one"), is("3", "a"), is("3", "b"), is("99", "no"), is("x", "no")];
        ok(&json!({"responses": answers}))
    })
    .await;
    let few = "Unintelligible: Microsoft Graph answered a batch with fewer answers than it had \
               requests";
    assert_eq!(
        ended(&graph, &gets(["zero", "one", "two", "three"])).await,
        [few, "one", few, "Unintelligible: Microsoft Graph answered a batch with two to one"]
    );
    assert_eq!(batches(&server).len(), 1);
}

#[tokio::test]
async fn a_batch_that_fails_whole_fails_for_every_request() {
    async fn check(answer: fn(&Asked) -> Response, expect: &str, calls: usize) {
        let (server, graph) = serving(answer).await;
        assert_eq!(ended(&graph, &gets(["one", "two"])).await, [expect, expect]);
        assert_eq!(batches(&server).len(), calls, "{expect}");
    }
    check(|_| status(503), "Transient: Microsoft Graph answered 503", CALLS).await;
    check(|_| status(403), "Denied: Microsoft Graph answered 403", 1).await;
    let page = |_: &Asked| Response::new("<html>".into());
    check(page, "Unintelligible: Microsoft Graph answered with no JSON", 1).await;
    let odd = "Unintelligible: Microsoft Graph answered with something else than expected (Data)";
    check(|_| ok(&json!({"responses": 7})), odd, 1).await;
    // A second attempt that fails as a whole takes back no answer of the first.
    let (_server, graph) = serving(|asked| match asked.before {
        0 | 1 => answering(|_, url| match url {
            "/things/busy" => json!({"status": 429}),
            _ => json!({"status": 200, "body": {"is": url}}),
        })(asked),
        _ => status(400),
    })
    .await;
    let ended = ended(&graph, &gets(["busy", "one"])).await;
    assert_eq!(ended, ["Throttled(None): Microsoft Graph answered 429", "/things/one"]);
}

#[tokio::test]
async fn a_sign_in_that_is_refused_is_not_tried_for_each_request() {
    let sim = start(Scenario::woodgrove()).await;
    let graph = connect(&sim.origin(), "wrong", Arc::new(SystemClock));
    let answers = graph.batch(woodgrove(), "v1.0", &gets(["one", "two"])).await;
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind, Failure::SignInRefused);
    }
    assert_eq!((sign_ins(&sim), sim.count("POST", "$batch")), (1, 0));
}

#[tokio::test]
async fn a_token_that_is_not_accepted_any_more_is_replaced() {
    let (server, graph) = serving(|asked| {
        if asked.before == 1 {
            return status(401);
        }
        answering(|_, url| json!({"status": 200, "body": {"is": url}}))(asked)
    })
    .await;
    assert_eq!(ended(&graph, &gets(["one"])).await, ["/things/one"]);
    assert_eq!((batches(&server).len(), server.lines("/oauth2/").len()), (2, 2));
}

#[tokio::test]
async fn what_follows_an_answer_is_read_too_and_nowhere_else() {
    let elsewhere = Server::start(|_| ok(&json!({"value": [assignment("forged")]}))).await;
    let forged = elsewhere.origin.join("more").unwrap().to_string();
    let (server, graph) = serving(move |asked| {
        if asked.line == "GET /v1.0/more" {
            let link = format!("{}/v1.0/last", asked.origin);
            return ok(&json!({"value": [assignment("b")], "@odata.nextLink": link}));
        }
        if asked.line == "GET /v1.0/last" {
            return ok(&json!({"value": [assignment("c")]}));
        }
        let forged = forged.clone();
        answering(move |asked, url| {
            let link = match url {
                "/things/long" => format!("{}/v1.0/more", asked.origin),
                "/things/forged" => forged.clone(),
                _ => return json!({"status": 200, "body": {"value": [{"id": 7}]}}),
            };
            let page = json!({"value": [assignment("a")], "@odata.nextLink": link});
            json!({"status": 200, "body": page})
        })(asked)
    })
    .await;
    let lists: Vec<Listed<Value>> =
        graph.batch_lists(woodgrove(), "v1.0", &gets(["long", "forged"])).await;
    let ids = |listed: &Listed<Value>| {
        let ids = listed.items.iter().map(|item| item["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>().join(" ")
    };
    let said = "Microsoft Graph names a next page at another place; it is not followed";
    assert_eq!((ids(&lists[0]), failure(&lists[0])), ("a b c".into(), None));
    assert_eq!(ids(&lists[1]), "a", "what came with the link stands");
    assert_eq!(failure(&lists[1]), Some((Failure::Unintelligible, said)));
    assert_eq!((elsewhere.asked(), server.lines("GET").len()), (vec![], 2));
    let odd: Vec<Listed<crate::domain::facts::RoleAssignment>> =
        graph.batch_lists(woodgrove(), "v1.0", &gets(["odd"])).await;
    assert_eq!(failure(&odd[0]).unwrap().0, Failure::Unintelligible);
}

#[tokio::test]
async fn a_name_is_one_segment_of_the_path_whatever_is_in_it() {
    let each = |_: &Asked, url: &str| json!({"status": 200, "body": {"is": url}});
    let (server, graph) = serving(answering(each)).await;
    let name = "a/b?c#d%2e e$f'\u{e4}";
    let get = Get::new(&["users", name], "$select=id").unwrap();
    let expect = "/users/a%2Fb%3Fc%23d%252e%20e$f'%C3%A4?$select=id";
    assert_eq!(ended(&graph, std::slice::from_ref(&get)).await, [expect]);
    for unfit in ["", ".", "..", "a\nb"] {
        let error = Get::new(&["users", unfit], "").unwrap_err();
        assert_eq!(error.kind, Failure::Unintelligible, "{unfit:?}");
    }
    let advanced = [get.clone().advanced(), get];
    graph.batch(woodgrove(), "beta", &advanced).await;
    let sent = requests(server.asked().last().unwrap());
    assert_eq!(sent[0]["headers"], json!({"ConsistencyLevel": "eventual"}));
    assert_eq!((&sent[1]["headers"], &sent[1]["method"]), (&Value::Null, &json!("GET")));
    assert!(server.asked().last().unwrap().line.ends_with("POST /beta/$batch"));
}

//! What is kept of cases, read, handed out and proven on the command line beside a real `serve`.

use std::path::Path;

use partner_warden::sim::Scenario;
use rusqlite::Connection;
use serde_json::Value;

use crate::cli::{Run, run, warden};
use crate::harness::{ENFORCE, Town, Warden};

/// A town in which one case was opened and closed. What guards it still runs.
async fn guarded() -> (Town, Warden) {
    let town = Town::new(Scenario::woodgrove().lag_reads(0), ENFORCE).await;
    let warden = town.serve();
    warden.role_was_added().await;
    town.closed_ticket().await;
    (town, warden)
}

impl Town {
    /// What `records …` says of the town's store. It is told nothing but where that is.
    fn records_command(&self, arguments: &[&str]) -> Run {
        let store = self.variables().find(|(name, _)| *name == "WARDEN_STORE").unwrap();
        let mut command = warden(&[&["records"], arguments].concat());
        run(command.envs([store]), Some(&self.folder))
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let run = self.records_command(&[arguments, &["--json"]].concat());
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}", run.err))
    }

    /// The names of the records that are kept.
    fn kept(&self) -> Vec<String> {
        let list = self.json(&["list"]);
        let records = list["records"].as_array().unwrap().iter();
        records.map(|record| record["id"].as_str().unwrap().to_owned()).collect()
    }

    fn place(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Tampers with the store.
    fn sql(&self, statement: &str) {
        let store = Connection::open(self.folder.path().join("store.db")).unwrap();
        store.execute_batch(statement).unwrap();
    }
}

/// The evidence of a case, in a file of its own.
fn exported(town: &Town, id: &str, name: &str) -> String {
    let path = town.place(name);
    let run = town.records_command(&["export", id, "--out", &path]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(0), "", ""));
    path
}

/// `records verify`, without any setting.
fn verified(arguments: &[&str]) -> Run {
    run(&mut warden(&[&["records", "verify"], arguments].concat()), None)
}

#[tokio::test]
async fn what_is_kept_is_listed_told_and_proven_while_serve_runs() {
    let (town, warden) = guarded().await;
    let list = town.json(&["list"]);
    let [looked, proven] = list["records"].as_array().unwrap().as_slice() else {
        panic!("{list:#}")
    };
    assert_eq!((&looked["event"], &looked["open"]), (&"looked".into(), &true.into()));
    assert_eq!((&proven["event"], &proven["open"]), (&"verified".into(), &false.into()));
    assert_eq!(proven["partner"]["name"], "Contoso Reseller");
    assert_eq!((&proven["chain"], &proven["sequence"]), (&"store".into(), &2.into()));

    let look = town.json(&["show", looked["id"].as_str().unwrap()]);
    let record = &look["record"];
    assert_eq!(record["signals"]["first"]["what"], "Add member to role");
    let before = record["before"]["grants"].as_array().unwrap();
    assert!(before.len() > 2, "what is allowed was there too: {before:#?}");
    let calls = record["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call["requestId"].is_string() && call["at"].is_string()));
    let proof = town.json(&["show", proven["id"].as_str().unwrap()]);
    let again = proof["record"]["after"]["steps"].as_array().unwrap();
    assert_eq!(again.iter().map(|step| &step["seen"]).collect::<Vec<_>>(), ["gone", "gone"]);
    for step in again {
        let (read, found) = (step["readAt"].as_str().unwrap(), &step["found"]);
        assert!(found.is_null() && read <= proof["record"]["readAt"].as_str().unwrap(), "{step:#}");
    }
    let told = town.records_command(&["show", proven["id"].as_str().unwrap()]).out;
    assert_eq!(told.matches("there still: nothing that was seen").count(), 2, "{told}");
    assert!(told.contains("time to revoke: ") && told.contains("\n  verified: "), "{told}");
    let moments = ["event", "received", "decided", "revoked", "verified"];
    let moments = moments.map(|name| proof["record"]["timeline"][name].as_str().unwrap());
    assert!(moments[1..].is_sorted(), "{moments:?}");
    assert!(proof["secondsToRevoke"].as_f64() <= proof["secondsToVerify"].as_f64());
    assert_eq!(proof["previous"], look["link"]);

    let whole = town.json(&["verify"]);
    assert_eq!((&whole["verdict"], &whole["chains"][0]["records"]), (&"whole".into(), &2.into()));
    assert_eq!(whole["chains"][0]["head"], proof["link"]);
    warden.stop().await;
    assert_eq!(town.json(&["verify"]), whole, "nobody has it open any more");
}

#[tokio::test]
async fn the_list_is_narrowed_by_tenant_partner_and_time() {
    let (town, warden) = guarded().await;
    warden.stop().await;
    for (arguments, number) in [
        (["--tenant", "woodgrove"], 2),
        (["--tenant", "11111111-1111-1111-1111-111111111111"], 2),
        (["--tenant", "Fabrikam"], 0),
        (["--partner", "Contoso Reseller"], 2),
        (["--partner", "33333333-3333-3333-3333-333333333333"], 0),
        (["--since", "2020-01-01"], 2),
        (["--since", "9000-01-01T00:00Z"], 0),
    ] {
        let list = town.json(&[["list"].as_slice(), &arguments].concat());
        assert_eq!(list["records"].as_array().unwrap().len(), number, "{arguments:?}");
    }
    let wrong = town.records_command(&["list", "--since", "yesterday"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("give a day such as 2026-11-25"), "{}", wrong.err);
}

#[tokio::test]
async fn evidence_is_proven_with_nothing_but_itself_and_forgery_is_told() {
    let (town, warden) = guarded().await;
    let [first, last] = town.kept().try_into().unwrap();
    let path = exported(&town, &first, "case.json");
    let again = town.records_command(&["export", &first, "--out", &path]);
    assert_eq!(again.code, Some(2));
    assert!(again.err.contains("is there already; name another file"), "{}", again.err);
    warden.stop().await;

    let head = town.json(&["show", &last])["link"].as_str().unwrap().to_owned();
    let proven = verified(&[&path, "--head", &head, "--json"]);
    assert_eq!(proven.code, Some(0), "{}{}", proven.out, proven.err);
    let proof: Value = serde_json::from_str(&proven.out).unwrap();
    assert_eq!((&proof["noted"], &proof["chains"][0]["noted"]), (&true.into(), &2.into()));
    let other = head.chars().rev().collect::<String>();
    let other = verified(&[&path, "--head", &other]);
    assert_eq!(other.code, Some(1));
    assert!(other.out.contains("the noted link is NOT in it"), "{}", other.out);

    let text = std::fs::read_to_string(&path).unwrap();
    let forged = town.place("forged.json");
    std::fs::write(&forged, text.replace("Woodgrove", "Woodgrave")).unwrap();
    let told = verified(&[&forged]);
    assert_eq!(told.code, Some(1));
    assert!(
        told.out.contains(&format!("BROKEN: record 1 ({first}): it was changed")),
        "{}",
        told.out
    );
    std::fs::write(&forged, text.get(..text.len() / 2).unwrap()).unwrap();
    let told = verified(&[&path, &forged]);
    assert_eq!(told.code, Some(2));
    assert!(told.out.contains("cannot be told: it is not JSON"), "{}", told.out);
    assert_eq!(verified(&[&town.place("nowhere.json")]).code, Some(2));
}

#[tokio::test]
async fn a_store_that_was_tampered_with_is_told_and_where() {
    let (town, warden) = guarded().await;
    warden.stop().await;
    let [first, last] = town.kept().try_into().unwrap();
    let told = |town: &Town| {
        let run = town.records_command(&["verify"]);
        assert_eq!(run.code, Some(1), "{}{}", run.out, run.err);
        run.out
    };
    std::fs::copy(town.place("store.db"), town.place("kept.db")).unwrap();
    let restored = |town: &Town| {
        std::fs::copy(town.place("kept.db"), town.place("store.db")).unwrap();
    };
    town.sql(
        "UPDATE records SET record = replace(record, 'Contoso', 'Fabrikam') WHERE sequence = 1",
    );
    assert!(told(&town).starts_with(&format!("store: BROKEN: record 1 ({first}): it was changed")));
    restored(&town);
    town.sql("DELETE FROM records WHERE sequence = 1");
    assert_eq!(
        told(&town),
        format!("store: BROKEN: record 2 ({last}): record 1 is missing before it\n")
    );
    restored(&town);
    town.sql("DELETE FROM records WHERE sequence = 2");
    let cut = "the chain had 2 records, and those behind it are missing";
    assert_eq!(told(&town), format!("store: BROKEN: record 1 ({first}): {cut}\n"));
    restored(&town);
    assert_eq!(town.records_command(&["verify"]).code, Some(0));
}

#[tokio::test]
async fn what_is_not_there_is_told_with_the_mend() {
    let (town, serve) = guarded().await;
    serve.stop().await;
    for arguments in [["show", "rec-\u{1b}[2J"], ["export", "rec-\u{1b}[2J"]] {
        let run = town.records_command(&arguments);
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
        let told = "error: there is no record rec- [2J; `records list` shows those there are\n";
        assert_eq!(run.err, told);
    }
    for subcommand in [&["list"][..], &["verify"], &["show", "rec-1"]] {
        let mut command = warden(&[&["records"], subcommand].concat());
        let run = run(command.env("WARDEN_STORE", "sqlite:/nowhere/store.db"), None);
        assert_eq!(run.code, Some(2), "{subcommand:?}");
        let told =
            "error: there is no store /nowhere/store.db; set WARDEN_STORE to the one to read\n";
        assert_eq!(run.err, told);
    }
    assert!(!Path::new("partner-warden.db").exists(), "a reader made a store");
    let short = verified(&["--head", "abc"]);
    assert_eq!(short.code, Some(2));
    assert!(short.err.contains("a link has 64 hexadecimal digits"), "{}", short.err);
}

/// Whether it is a part of a length of time, such as `12m`.
fn is_length(word: &str) -> bool {
    let number = word.strip_suffix(['d', 'h', 'm', 's']);
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Moments, lengths of time, links, names of records and of requests differ at every run.
fn shape(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let hex = bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let parts: Vec<&str> = bare.split('-').collect();
        let is_guid = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
        let replacement = match bare.len() {
            64 if hex => "LINK",
            16 if bare.starts_with("rec-") => "RECORD",
            36 if is_guid && !bare.starts_with("1111") && !bare.starts_with("2222") => "REQUEST",
            10 if parts.len() == 3 && bare.starts_with("20") => "DAY",
            5 | 12 if bare.contains(':') => "TIME",
            _ if bare.contains('.') && bare.parse::<f64>().is_ok() => "SECONDS",
            _ => return word.to_owned(),
        };
        word.replace(bare, replacement)
    };
    let lines = text.lines().map(|line| {
        let words = line.split(' ').filter(|word| !is_length(word));
        let words: Vec<String> = words.map(word).collect();
        words.join(" ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_page_shows_what_the_commands_say() {
    let page = include_str!("../../docs/records.md");
    let (town, warden) = guarded().await;
    warden.stop().await;
    let [first, last] = town.kept().try_into().unwrap();
    let path = exported(&town, &first, "case.json");
    let (_, head) = town
        .records_command(&["verify"])
        .out
        .rsplit_once("head: ")
        .map(|(a, b)| (a.to_owned(), b.split(' ').next().unwrap().to_owned()))
        .unwrap();
    for (shown, arguments) in [
        ("records list", vec!["list"]),
        ("records show rec-4e86d79d6d02", vec!["show", &first]),
        ("records show rec-8b72909dbb5b", vec!["show", &last]),
        ("records verify\n", vec!["verify"]),
        ("records verify case.json", vec!["verify", &path, "--head", &head]),
    ] {
        let said = town.records_command(&arguments);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let begins = format!("$ partner-warden {shown}");
        let (_, block) = page.split_once(&begins).unwrap_or_else(|| panic!("no {begins}"));
        let block = block.split_once("```").unwrap().0;
        let block = if shown.ends_with('\n') { block } else { block.split_once('\n').unwrap().1 };
        let said = said.out.replace("…/case.json", "case.json");
        assert_eq!(shape(block), shape(&said), "docs/records.md shows otherwise:\n{said}");
    }
}

#[tokio::test]
async fn every_field_for_programs_is_described_on_the_page() {
    let page = include_str!("../../docs/records.md");
    let (town, warden) = guarded().await;
    warden.stop().await;
    let [first, last] = town.kept().try_into().unwrap();
    let path = exported(&town, &last, "case.json");
    let bundle: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let mut answers = [
        town.json(&["list"]),
        town.json(&["show", &first]),
        town.json(&["show", &last]),
        town.json(&["verify"]),
        bundle,
    ];
    for answer in &mut answers {
        // A case's rows are those of the tickets and of the scan.
        if let Some(case) = answer.pointer_mut("/record/case") {
            case.as_object_mut().unwrap().remove("rows");
            case.as_object_mut().unwrap().remove("tickets");
        }
        if let Some(before) = answer.pointer_mut("/record/before") {
            before.as_object_mut().unwrap().remove("grants");
        }
        for name in names(answer) {
            assert!(
                page.contains(&format!("`{name}`")),
                "docs/records.md does not describe {name}"
            );
        }
    }
}

fn names(json: &Value) -> Vec<String> {
    match json {
        Value::Object(fields) => {
            let below = fields.values().flat_map(names);
            below.chain(fields.keys().cloned()).collect()
        }
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

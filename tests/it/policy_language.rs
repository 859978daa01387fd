//! The policy language at the command line: its schema, its examples, its tests.

use std::fs;
use std::path::{Path, PathBuf};

use partner_warden::domain::facts::{Facts, PartnerEntry};
use partner_warden::domain::policy::Policy;
use partner_warden::domain::snapshot::Snapshot;
use serde_json::Value;

use crate::cli::{file, run, warden};

/// The example policies.
fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|is| is == "yaml")).collect();
    found.sort();
    found
}

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/policy.schema.json")
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let printed = run(&mut warden(&["policy", "schema"]), None);
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    #[expect(clippy::disallowed_methods, reason = "a switch of the tests, not of the program")]
    let bless = std::env::var_os("WARDEN_BLESS").is_some_and(|value| value == "1");
    if bless {
        fs::write(published(), &printed.out).unwrap();
    }
    let committed = fs::read_to_string(published()).unwrap_or_default();
    assert_eq!(committed, printed.out, "policy/policy.schema.json lags behind: run `make bless`");
}

/// What the schema says against a policy.
fn against(yaml: &str) -> Option<String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    let text = fs::read_to_string(published()).unwrap();
    compiler.add_resource("policy", serde_json::from_str(&text).unwrap()).unwrap();
    let schema = compiler.compile("policy", &mut schemas).unwrap();
    let policy: Value = serde_saphyr::from_str(yaml).unwrap();
    schemas.validate(&policy, schema).err().map(|error| error.to_string())
}

#[test]
fn the_schema_takes_the_examples_and_names_itself_in_them() {
    assert!(examples().len() >= 2);
    for example in examples() {
        let text = fs::read_to_string(&example).unwrap();
        assert_eq!(against(&text), None, "{}", example.display());
        let first = text.lines().next().unwrap();
        assert_eq!(first, "# yaml-language-server: $schema=policy.schema.json");
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses_by_its_shape() {
    let example = fs::read_to_string(&examples()[0]).unwrap();
    for (right, wrong) in [
        ("version: 1\n", "version: 2\n"),
        ("mode: enforce", "mode: enforced"),
        ("    partners:", "    parnters:"),
        ("privileged-role: {do: revoke", "priviledged-role: {do: revoke"),
        ("privileged-role: {do: revoke", "privileged-role: {do: reveoke"),
        ("maxRevocations: 5", "maxRevocations: -5"),
        ("    reason: mailbox migration\n", ""),
        ("kind: webhook", "kind: fax"),
        ("          until: 2027-03-31", "          until:"),
        ("given: {member: ", "given: {membr: "),
        ("given: {unreadable: guests}", "given: {unreadable: everything}"),
        ("do: ticket, heldBack:", "do: tikket, heldBack:"),
    ] {
        let text = example.replacen(right, wrong, 1);
        assert_ne!(text, example, "{right}");
        assert!(against(&text).is_some(), "{wrong}");
        let (_folder, path) = file("policy.yaml", &text);
        let checked = run(&mut warden(&["policy", "check", &path]), None);
        assert_eq!(checked.code, Some(2), "{wrong}");
    }
}

#[test]
fn the_schema_and_the_program_agree_about_sinks_that_ask_for_little_or_much() {
    let mail = "kind: email, server: 'smtp.woodgrove.example:587', from: a@woodgrove.example";
    for (sink, well) in [
        ("kind: teams".to_owned(), true),
        ("kind: teams, gate: false, close: true".to_owned(), true),
        ("kind: teams, channel: general".to_owned(), false),
        ("kind: slack".to_owned(), true),
        ("kind: slack, channel: C0123456789".to_owned(), true),
        ("kind: slack, channel: '#security'".to_owned(), false),
        (format!("{mail}, to: [b@woodgrove.example]"), true),
        (format!("{mail}, tls: implicit, user: a, to: [b@woodgrove.example]"), true),
        (format!("{mail}, to: []"), false),
        (format!("{mail}, tls: maybe, to: [b@woodgrove.example]"), false),
    ] {
        let text = format!(
            "version: 1\ntenants: [{{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}}]\n\
             tickets: {{chat: {{{sink}}}}}\n"
        );
        assert_eq!(against(&text).is_none(), well, "{sink}: {:?}", against(&text));
        let (_folder, path) = file("policy.yaml", &text);
        let checked = run(&mut warden(&["policy", "check", &path]), None);
        assert_eq!(checked.code == Some(0), well, "{sink}: {}", checked.err);
    }
}

#[test]
fn the_examples_hold_together_and_pass_their_tests() {
    for example in examples() {
        let path = example.to_str().unwrap();
        let check = run(&mut warden(&["policy", "check", path]), None);
        assert_eq!((check.code, check.err.as_str()), (Some(0), ""));
        assert!(!check.out.contains("warning:"), "{}", check.out);
        let test = run(&mut warden(&["policy", "test", path]), None);
        assert_eq!((test.code, test.err.as_str()), (Some(0), ""), "{}", test.out);
        assert!(test.out.contains(" passed\n"), "{}", test.out);
    }
}

#[test]
fn what_a_policy_means_is_told_in_plain_words() {
    let told = run(&mut warden(&["policy", "check", "policy/example.yaml"]), None);
    let until_findings = told.out.split("\n  what is done").next().unwrap();
    insta::assert_snapshot!(until_findings, @r"
    policy/example.yaml holds together: mode enforce
      guards Woodgrove (11111111-1111-1111-1111-111111111111), a customer's tenant
        Contoso Reseller may hold Directory Readers, Service Support Administrator; that ends at the end of 2027-03-31
          guests from contoso-reseller.example are its people
          was given svc-contoso@woodgrove.example
        any other partner may hold no role
    ");
    let after = told.out.split("\n  exceptions\n").nth(1).unwrap();
    insta::assert_snapshot!(after, @r"
        Contoso Reseller may hold Exchange Administrator, which ends at 2026-12-24T18:00:00Z: mailbox migration (CHG-4711)

      guardrails
        nothing is ever taken from breakglass@woodgrove.example
        at most 5 revocations in a tenant within 1 hour

      tickets
        security: webhook http://127.0.0.1:9090/inbox/security

    It has 8 tests: `partner-warden policy test policy/example.yaml` runs them.
    ");
    for line in [
        "    privileged-role           revoke, ticket to security\n",
        "    unlisted-partner          ticket, ticket to security (built in, high)\n",
    ] {
        assert!(told.out.contains(line), "{}", told.out);
    }
    let json = run(&mut warden(&["policy", "check", "--json", "policy/example.yaml"]), None);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["version"], &json["ok"], &json["mode"]),
        (&1.into(), &true.into(), &"enforce".into())
    );
    assert_eq!(json["tenants"][0]["parties"][0]["allow"]["until"], "2027-04-01T00:00:00Z");
    assert_eq!(json["responses"][0]["do"], "revoke");
    assert_eq!(json["responses"][0]["builtIn"], false);
    assert_eq!(json["guardrails"]["per"], "PT1H");
}

#[test]
fn mistakes_are_told_to_programs_too() {
    let (_folder, path) = file("policy.yaml", "version: 1\nmode: enforced\ntenants: [5]\n");
    let told = run(&mut warden(&["policy", "check", "--json", &path]), None);
    assert_eq!((told.code, told.err.as_str()), (Some(2), ""));
    let json: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(
        (&json["problems"][0]["line"], &json["problems"][0]["column"]),
        (&2.into(), &7.into())
    );
    assert_eq!(json["problems"].as_array().unwrap().len(), 2);
}

const FAILING: &str = "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        allow: {roles: [Directory Readers], until: 2030-01-01}
respond: {privileged-role: {do: revoke}, role-not-allowed: {do: approve}}
tests:
  - name: passes until 2030
    given: Contoso Reseller holds Directory Readers
    expect: nothing
  - name: does not come true
    at: 2026-12-01
    given: {partner: Contoso Reseller, role: Global Administrator}
    expect: [guest-with-role, ticket]
";

#[test]
fn a_test_that_fails_is_told_with_what_came_instead() {
    let (folder, path) = file("policy.yaml", FAILING);
    let told = run(&mut warden(&["policy", "test", "--at", "2026-12-01", &path]), Some(&folder));
    insta::assert_snapshot!(told.out, @r"
    ok   passes until 2030
           from 2030-01-02T00:00:00Z on it will fail, since something the policy allows ends then; give it an `at`
    FAIL does not come true
           …/policy.yaml:14, tenant Woodgrove
           guest-with-role is not found
           the response is revoke, and must be ticket
           expected  guest-with-role, ticket
           found     privileged-role, role-not-allowed, revoke
           the plan  (what would be done)
             Woodgrove (enforce)
               Contoso Reseller
                 critical privileged-role: AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.
                 high role-not-allowed: AdminAgents, a principal of Contoso Reseller's own directory, holds Global Administrator, which the policy does not allow it.
                 → revoke Global Administrator from AdminAgents (privileged-role, role-not-allowed)

    1 of 2 tests failed, 1 passed
    ");
    assert_eq!((told.code, told.err.as_str()), (Some(1), ""));
    let json = run(&mut warden(&["policy", "test", "--json", &path]), Some(&folder));
    assert_eq!(json.code, Some(1));
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &1.into()));
    assert_eq!(json["tests"][0]["failsFrom"], "2030-01-02T00:00:00Z");
    assert_eq!(json["tests"][1]["do"], "revoke");
    assert_eq!(json["tests"][1]["differences"][0], "guest-with-role is not found");
    let later = run(&mut warden(&["policy", "test", "--at", "2030-01-02", &path]), None);
    assert!(later.out.contains("FAIL passes until 2030"), "{}", later.out);
}

/// A policy whose test is given a file of facts.
const BY_FILE: &str = "version: 1
tenants: [{id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}]
tests: [{name: from a file, at: 2026-12-01, given: {facts: facts.json}, expect: [unlisted-partner]}]
";

#[test]
fn a_test_may_be_given_a_file_of_facts_beside_the_policy() {
    let (folder, path) = file("policy.yaml", BY_FILE);
    let facts = folder.path().join("facts.json");
    let test = || run(&mut warden(&["policy", "test", &path]), Some(&folder));
    let told = test();
    insta::assert_snapshot!(told.err, @"error: …/policy.yaml:3: cannot read …/facts.json: No such file or directory (os error 2)");
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    let policy = Policy::parse(BY_FILE).unwrap().policy;
    let entry = PartnerEntry {
        tenant_id: "33333333-3333-3333-3333-333333333333".to_owned(),
        is_service_provider: Some(true),
        ..PartnerEntry::default()
    };
    let found = Facts { partner_entries: vec![entry], ..Facts::default() };
    let read_at = "2026-11-30T12:00:00Z".parse().unwrap();
    let whole = Snapshot::new(&policy.roster.tenants[0], read_at, found).to_json();
    fs::write(&facts, &whole).unwrap();
    assert_eq!(test().code, Some(0), "{}", test().err);

    let with = |old: &str, new: &str| {
        assert!(whole.contains(old), "{old}");
        whole.replacen(old, new, 1)
    };
    let half = whole.get(..whole.len() / 2).unwrap().to_owned();
    let other = with("11111111-", "44444444-");
    for (text, said) in [
        (with("\"version\": 1", "\"version\": 2"), "is a snapshot of version 2, and this program"),
        (with("\"gaps\": []", "\"gaps\": [{\"part\":\"moon\"}]"), "facts.gaps[0].part"),
        ("nonsense".to_owned(), "is not JSON"),
        (half, "is not JSON: EOF"),
        // A part that is not there would be taken for an empty one.
        (with("\"guests\"", "\"gests\""), "is facts.guests: is left out, and nothing would be"),
        (r#"{"version":1,"facts":{}}"#.to_owned(), "missing field `tenant`"),
        (other, "is a snapshot of Woodgrove (44444444-1111-1111-1111-111111111111), and the test"),
    ] {
        fs::write(&facts, text).unwrap();
        let told = test();
        assert!(told.code == Some(2) && told.err.contains(said), "{}", told.err);
    }
}

#[test]
fn a_policy_that_does_not_hold_together_is_not_tested() {
    let (folder, path) = file("policy.yaml", &FAILING.replace("do: revoke", "do: revok"));
    let told = run(&mut warden(&["policy", "test", &path]), Some(&folder));
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert!(told.err.contains("…/policy.yaml:9:33: `revok` is not one of"), "{}", told.err);
}

#[test]
fn a_policy_without_tests_passes_and_says_so() {
    let text = FAILING.split("tests:").next().unwrap();
    let (folder, path) = file("policy.yaml", text);
    let told = run(&mut warden(&["policy", "test", &path]), Some(&folder));
    assert_eq!(told.out, "…/policy.yaml has no tests; write them under `tests:`\n");
    assert_eq!(told.code, Some(0));
}

#[test]
fn a_finding_is_explained_with_what_the_policy_does_about_it() {
    let arguments = ["policy", "explain", "guest-with-role", "--policy", "policy/example.yaml"];
    let told = run(&mut warden(&arguments), None);
    // The texts are the rule's own.
    let told_after = told.out.split("\nMicrosoft's page\n").nth(1).unwrap();
    insta::assert_snapshot!(told_after, @r"
      https://learn.microsoft.com/entra/external-id/user-properties

    What is read for it, and the permission that takes
      directory role assignments: RoleManagement.Read.Directory
      active role schedules of Privileged Identity Management: RoleAssignmentSchedule.Read.Directory
      eligible role schedules of Privileged Identity Management: RoleEligibilitySchedule.Read.Directory
      principals that hold roles: Directory.Read.All
      members of groups that hold roles: GroupMember.Read.All
      guest accounts: User.Read.All
      partner entries of the cross-tenant access policy: Policy.Read.All
      tenant governance relationships: TenantGovernance-Relationship.Read.All

    What this policy does about it
      revoke, ticket to security; mode enforce
    ");
    let beginning = "guest-with-role (high)\nA partner's guest account holds a role the policy does \
                     not allow.\n\nWhy it matters\n  ";
    assert!(told.out.starts_with(beginning), "{}", told.out);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let mut command = warden(&["policy", "explain", "--json", "unreadable"]);
    let json = run(command.env("WARDEN_POLICY", "policy/example.yaml"), None);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["response"]["do"], "ticket");
    assert_eq!(json["response"]["builtIn"], true);
    assert_eq!(json["foundOn"], serde_json::json!(["customer", "partner"]));
}

#[test]
fn all_findings_are_listed_with_a_line_each() {
    let told = run(&mut warden(&["policy", "explain"]), None);
    let (list, rest) = told.out.split_once("\n\n").unwrap();
    assert_eq!(rest, "`partner-warden policy explain NAME` says more of one.\n");
    assert_eq!(list.lines().count(), 21);
    for line in list.lines() {
        let (name, text) = line.split_once(' ').unwrap();
        assert!(text.trim().len() > 20, "{line}");
        let one = run(&mut warden(&["policy", "explain", name]), None);
        assert!(one.code == Some(0) && one.out.contains("\nHow to mend it by hand\n"), "{name}");
    }
    let unknown = run(&mut warden(&["policy", "explain", "priviledged-role"]), None);
    insta::assert_snapshot!(unknown.err, @"error: `priviledged-role` is not the name of a finding; did you mean `privileged-role`?");
    assert_eq!(unknown.code, Some(2));
    let nothing = run(&mut warden(&["policy", "explain", "moon"]), None);
    insta::assert_snapshot!(nothing.err, @"error: `moon` is not the name of a finding; `partner-warden policy explain` lists them");
}

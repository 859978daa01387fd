//! What a policy may say, and what it is told when it may not.

use jiff::Timestamp;

use super::*;

const HEAD: &str = "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
";

fn parse(text: &str) -> Checked {
    Policy::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Checks every problem of a policy.
#[track_caller]
fn wrong(text: &str, expect: &[&str]) {
    let problems = Policy::parse(text).err().unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, expect);
}

/// Checks the problems of the lines added below [`HEAD`], whose eighth line is the first of them.
#[track_caller]
fn wrong_below(more: &str, expect: &[&str]) {
    wrong(&format!("{HEAD}{more}"), expect);
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_smallest_policy_observes_and_allows_nothing() {
    let Checked { policy, warnings, .. } = parse(HEAD);
    assert_eq!(policy.mode, Mode::Observe);
    assert_eq!(policy.roster.tenants[0].partners[0].allow, Allowance::nothing());
    assert_eq!(policy.roster.tenants[0].unlisted, Allowance::nothing());
    assert!(warnings.is_empty());
}

#[test]
fn the_built_in_responses_never_write() {
    let policy = parse(HEAD).policy;
    for severity in [Severity::Critical, Severity::High] {
        assert_eq!(policy.response(FindingName::PrivilegedRole, severity).act, Do::Ticket);
    }
    for severity in [Severity::Medium, Severity::Low, Severity::Info] {
        assert_eq!(policy.response(FindingName::PrivilegedRole, severity).act, Do::Record);
    }
}

#[test]
fn every_part_of_the_example_is_understood() {
    let text = include_str!("../../../policy/example.yaml");
    let Checked { policy, warnings, .. } = parse(text);
    let tenant = &policy.roster.tenants[0];
    let partner = &tenant.partners[0];
    let readers = crate::domain::role::by_name("Directory Readers").unwrap().template_id;
    assert!(partner.allow.covers(readers, at("2027-03-31T23:59:59Z")), "to the end of the day");
    assert!(!partner.allow.covers(readers, at("2027-04-01T00:00:00Z")));
    assert_eq!(partner.domains, ["contoso-reseller.example"]);
    let exception = &policy.exceptions[0];
    assert_eq!(exception.until, at("2026-12-24T18:00:00Z"));
    assert_eq!(policy.guardrails.max_revocations, 5);
    assert_eq!(policy.guardrails.per, SignedDuration::from_hours(1));
    assert_eq!(policy.default_sink(), Some(&SinkName("security".into())));
    assert_eq!(policy.response(FindingName::PrivilegedRole, Severity::Critical).act, Do::Revoke);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn an_exception_is_for_its_partner_role_tenant_and_time() {
    let policy = parse(&format!(
        "{HEAD}exceptions:\n  - {{tenant: 11111111-1111-1111-1111-111111111111, partner: contoso \
         RESELLER, role: exchange administrator, until: 2026-12-24T18:00Z, reason: migration}}\n"
    ))
    .policy;
    let tenant = policy.roster.tenants[0].id;
    let partner = policy.roster.tenants[0].partners[0].id;
    let role = |name| crate::domain::role::by_name(name).unwrap().template_id;
    let exchange = role("Exchange Administrator");
    let before = at("2026-12-24T17:59:59Z");
    let passes =
        |tenant, partner, role, now| policy.exception(tenant, partner, role, now).is_some();
    let other = "99999999-9999-9999-9999-999999999999";
    assert!(passes(tenant, partner, exchange, before));
    assert!(!passes(tenant, partner, exchange, at("2026-12-24T18:00:00Z")));
    assert!(!passes(tenant, partner, role("Global Administrator"), before));
    assert!(!passes(other.parse().unwrap(), partner, exchange, before));
    assert!(!passes(tenant, other.parse().unwrap(), exchange, before));
}

#[test]
fn what_has_no_effect_is_said() {
    let text = format!(
        "{HEAD}        require: {{mfa: true, maxDuration: P180D, eligible: false}}\n\
         respond: {{mfa-not-enforced: {{do: ticket}}, privileged-role: {{do: quarantine}}}}\n\
         tests: [{{name: x}}]\n"
    );
    let warnings: Vec<String> = parse(&text).warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "8:18: `require.mfa` is not checked by this version; no finding speaks of it",
            "8:18: `require.maxDuration` is not checked by this version; no finding speaks of it",
            "9:29: `mfa-not-enforced` is not looked for by this version",
            "9:60: `quarantine` is not carried out by this version: it opens a ticket",
            "10:8: `tests` are not run by this version",
        ]
    );
}

#[test]
fn what_does_not_have_the_shape_is_placed() {
    wrong("", &["1:1: unexpected end of input"]);
    wrong("version: 1\n", &["1:1: missing field `tenants`"]);
    wrong(
        "version: 2\ntenants: []\n",
        &[
            "1:10: policy version 2 is not known; this program reads version 1",
            "2:10: no tenant is named; add the tenant to guard",
        ],
    );
    wrong_below(
        "modee: enforce\n",
        &[
            "8:1: unknown field `modee`, expected one of version, mode, tenants, respond, exceptions, \
         guardrails, tickets, tests",
        ],
    );
    wrong_below(
        "mode: enforse\n",
        &["8:7: unknown variant `enforse`, expected one of observe, approve, enforce"],
    );
    wrong_below(
        "respond: {privileged-role: {do: delete}}\n",
        &["8:33: unknown variant `delete`, expected one of ignore, record, ticket, approve, \
         quarantine, revoke"],
    );
}

#[test]
fn every_mistake_of_meaning_is_told_at_once_with_the_nearest_spelling() {
    wrong_below(
        "        domains: [contoso reseller]
        accounts: [svc]
        allow: {roles: [Globl Administrator, Directory Readers], until: soon}
    unlisted: {allow: {roles: [Nonsense of the highest order]}}
respond:
  priviledged-role: {do: revoke}
  role-not-allowed: {do: ticket, ticket: securty}
exceptions:
  - {partner: Contoso, role: Exchange Administrator, until: 2026-13-01, reason: \"\"}
guardrails: {protected: [break glass], per: forever}
tickets: {security: {kind: webhook, url: http://tickets.example}, other: {kind: jira}}
",
        &[
            "8:19: `contoso reseller` is not a domain such as contoso-reseller.example",
            "9:20: `svc` names no account; give a user principal name (name@domain) or an object \
             id",
            "10:25: `Globl Administrator` is not a built-in role (a custom role is named by its \
             id); did you mean `Global Administrator`?",
            "10:73: `soon` is not a moment; write 2027-03-31 (the whole day, UTC) or \
             2026-12-24T18:00Z",
            "11:32: `Nonsense of the highest order` is not a built-in role (a custom role is named \
             by its id)",
            "13:21: `priviledged-role` is not the name of a finding; did you mean \
             `privileged-role`?",
            "14:42: no ticket sink `securty` under `tickets`; it has: security, other",
            "16:15: no partner `Contoso`; named are: Contoso Reseller",
            "16:61: `2026-13-01` is not a moment; write 2027-03-31 (the whole day, UTC) or \
             2026-12-24T18:00Z",
            "16:81: this must not be empty",
            "17:26: `break glass` names no account; give a user principal name (name@domain) or an \
             object id",
            "17:45: `forever` is not a duration such as PT15M, P180D or 1h",
            "18:42: the url must be https (plain http only to this machine)",
            "18:81: `jira` is not a kind of ticket sink; there is: webhook",
        ],
    );
}

#[test]
fn names_and_ids_are_unique_and_a_tenant_is_not_its_own_partner() {
    wrong(
        "version: 1
tenants:
  - {id: 11111111-1111-1111-1111-111111111111, name: A, partners: [
      {id: 11111111-1111-1111-1111-111111111111, name: Self},
      {id: 22222222-2222-2222-2222-222222222222, name: Twice},
      {id: 22222222-2222-2222-2222-222222222222, name: twice}]}
  - {id: 11111111-1111-1111-1111-111111111111, name: B}
  - {id: 44444444, name: C}
  - {id: 55555555-5555-5555-5555-555555555555, name: D, side: partner}
",
        &[
            "4:12: the tenant is named as its own partner",
            "6:12: partner 22222222-2222-2222-2222-222222222222 is named twice",
            "6:12: two partners are called `twice`",
            "7:10: tenant 11111111-1111-1111-1111-111111111111 is named twice",
            "8:10: `44444444` is not a tenant id; it is a GUID such as \
             11111111-1111-1111-1111-111111111111",
            "9:5: `side: partner` is not guarded by this version; only `side: customer` is",
        ],
    );
}

#[test]
fn durations_are_those_whose_length_is_known() {
    for (text, seconds) in [("PT15M", 900), ("1h", 3600), ("P180D", 15_552_000), ("90s", 90)] {
        assert_eq!(duration(text), Some(SignedDuration::from_secs(seconds)), "{text}");
    }
    for text in ["", "5", "off", "P1M", "P1Y", "-PT1M", "PT0S"] {
        assert_eq!(duration(text), None, "{text}");
    }
}

#[test]
fn plain_http_goes_to_this_machine_only() {
    for (url, expect) in [
        ("https://graph.microsoft.com", true),
        ("http://127.0.0.1:8080/x", true),
        ("http://localhost", true),
        ("http://[::1]:1", true),
        ("http://10.0.0.1", false),
        ("http://localhost.evil.example", false),
        ("http://graph.microsoft.com", false),
        ("ftp://127.0.0.1", false),
    ] {
        assert_eq!(is_protected(&Url::parse(url).unwrap()), expect, "{url}");
    }
}

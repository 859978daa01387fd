//! What a policy may say, and what it is told when it may not.

use jiff::Timestamp;

use super::*;
use crate::domain::sink::Settings;

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
fn a_planned_change_covers_what_it_names_from_its_first_moment_to_its_last() {
    let tail = "guardrails:
  plannedChanges:
    - {from: 2026-12-01, until: 2026-12-31, reason: the whole month}
    - {tenant: Woodgrove, partner: Contoso Reseller, from: 2026-11-23T12:00Z, until: 2026-11-23T13:00Z, reason: move, ticket: CHG-1}
";
    let Checked { policy, warnings, endings, .. } = parse(&format!("{HEAD}{tail}"));
    assert_eq!((warnings.len(), endings.len()), (0, 2));
    let rails = &policy.guardrails;
    let tenant = policy.roster.tenants[0].id;
    let other: TenantId = "33333333-3333-3333-3333-333333333333".parse().unwrap();
    let contoso = Some(policy.roster.tenants[0].partners[0].id);
    let reason = |tenant, partner, now: &str| {
        rails.planned_change(tenant, partner, at(now)).map(|change| change.reason.as_str())
    };
    for (tenant, partner, now, expect) in [
        (tenant, contoso, "2026-11-23T11:59:59.999Z", None),
        (tenant, contoso, "2026-11-23T12:00:00Z", Some("move")),
        (tenant, contoso, "2026-11-23T12:59:59.999Z", Some("move")),
        (tenant, contoso, "2026-11-23T13:00:00Z", None),
        (tenant, Some(other.into()), "2026-11-23T12:00:00Z", None),
        (tenant, None, "2026-11-23T12:00:00Z", None),
        (other, contoso, "2026-11-23T12:00:00Z", None),
        (other, None, "2026-12-01T00:00:00Z", Some("the whole month")),
        (tenant, contoso, "2026-12-31T23:59:59Z", Some("the whole month")),
        (tenant, contoso, "2027-01-01T00:00:00Z", None),
    ] {
        assert_eq!(reason(tenant, partner, now), expect, "{now}");
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

/// Checks every warning of a policy at a moment.
#[track_caller]
fn warned(text: &str, now: &str, expect: &[&str]) {
    let warnings = parse(text).warnings(at(now));
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, expect);
}

const NOW: &str = "2026-11-25T00:00:00Z";

#[test]
fn what_looks_like_a_mistake_is_warned_of() {
    warned(
        &format!(
            "{HEAD}        domains: [contoso.example]
        accounts: [svc@woodgrove.example]
        allow: {{roles: [Global Administrator, Directory Readers, directory readers]}}
    unlisted: {{allow: {{roles: [62e90394-69f5-4237-9190-012177145e10]}}}}
respond: {{privileged-role: {{do: quarantine}}, dap-active: {{do: record}}}}
guardrails: {{protected: [SVC@woodgrove.example, eve@mail.contoso.example, own@woodgrove.example]}}
"
        ),
        NOW,
        &[
            "10:25: GLOBAL ADMINISTRATOR is allowed to Contoso Reseller: whoever takes over that \
             partner owns the whole tenant, and nothing here will say so",
            "10:66: `directory readers` is named twice",
            "11:32: GLOBAL ADMINISTRATOR is allowed to any partner that is not named: whoever \
             takes over that partner owns the whole tenant, and nothing here will say so",
            "12:33: `quarantine` opens tickets, and `tickets` names nowhere for them to go: they \
             are only recorded",
            "12:46: `dap-active` is only found in a tenant with `side: partner`, and there is none",
            "13:26: `SVC@woodgrove.example` was given to Contoso Reseller: as long as it is \
             protected, nothing is ever taken from it",
            "13:49: `eve@mail.contoso.example` protects nobody: guests of Contoso Reseller have a \
             user principal name such as name_domain#EXT#@tenant; give that, or the object id",
        ],
    );
    warned(
        "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Contoso
    side: partner
    customers:
      - id: 22222222-2222-2222-2222-222222222222
        name: Woodgrove
        require: {mfa: true, maxDuration: P90D, eligible: true}
      - id: 33333333-3333-3333-3333-333333333333
        name: Fabrikam
        require: {mfa: false}
respond: {guest-with-role: {do: record}, unreadable: {do: record}, dap-active: {do: record}}
",
        NOW,
        &[
            "9:24: `require.mfa` has no effect on a customer: it is about how partners sign in to \
             a tenant with `side: customer`",
            "9:59: `require.eligible` has no effect on a customer: it is about how partners sign \
             in to a tenant with `side: customer`",
            "13:11: `guest-with-role` is only found in a tenant with `side: customer`, and there \
             is none",
        ],
    );
    warned(
        "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - {id: 22222222-2222-2222-2222-222222222222, name: A, domains: [a.example],
         accounts: [svc@woodgrove.example]}
      - {id: 33333333-3333-3333-3333-333333333333, name: B, domains: [b.example, a.example],
         accounts: [SVC@woodgrove.example]}
",
        NOW,
        &[
            "8:14: the domain a.example is A's too: its guests are taken for A's",
            "8:14: an account of B is A's too: it is taken for A's",
        ],
    );
}

#[test]
fn people_are_asked_as_the_policy_says() {
    use crate::domain::approval::{Approvals, OnExpiry};
    assert_eq!(parse(HEAD).policy.approvals, Approvals::default());
    assert_eq!(Approvals::default().on_expiry, OnExpiry::AskAgain, "silence takes nothing away");
    let text = format!("{HEAD}approvals: {{expire: 2h, onExpiry: carry-out, people: 2}}\n");
    let (expire, on_expiry) = (SignedDuration::from_hours(2), OnExpiry::CarryOut);
    let Checked { policy, .. } =
        parse(&text.replacen("version: 1", "version: 1\nmode: enforce", 1));
    assert_eq!(policy.approvals, Approvals { expire, on_expiry, people: 2 });
    warned(
        &text,
        NOW,
        &[
            "8:54: unless people sign in (WARDEN_APPROVER_SIGN_IN=entra), two are told apart by the \
           names they give",
        ],
    );
    let asks = |mode: &str, act: &str| {
        let rest = format!("respond: {{privileged-role: {{do: {act}}}}}\nmode: {mode}\n");
        parse(&format!("{HEAD}{rest}")).policy.asks()
    };
    for (mode, act, expect) in [
        ("observe", "approve", false),
        ("approve", "ticket", false),
        ("approve", "revoke", true),
        ("enforce", "revoke", false),
        ("enforce", "approve", true),
    ] {
        assert_eq!(asks(mode, act), expect, "{mode} {act}");
    }
}

#[test]
fn what_goes_with_a_response_is_read_and_warned_of_where_it_has_no_effect() {
    let sink = "tickets: {s: {kind: webhook, url: https://x.example}}\n";
    let text = format!(
        "{HEAD}respond:
  privileged-role: {{do: revoke, also: [revoke-sessions, disable-app], ifRefused: quarantine}}
  role-not-allowed: {{do: approve}}
{sink}"
    );
    warned(&text, NOW, &[]);
    let policy = parse(&text).policy;
    let response = policy.response(FindingName::PrivilegedRole, Severity::Critical);
    assert_eq!(response.also, [Also::RevokeSessions, Also::DisableApp].into());
    assert!(response.quarantine_if_refused && policy.speaks_of_quarantine());
    let other = policy.response(FindingName::RoleNotAllowed, Severity::High);
    assert!(other.also.is_empty() && !other.quarantine_if_refused);
    let quiet = text.replace(", ifRefused: quarantine", "");
    assert!(!parse(&quiet).policy.speaks_of_quarantine());
    assert!(parse(&quiet.replace("approve", "quarantine")).policy.speaks_of_quarantine());
    warned(
        &format!(
            "{HEAD}respond:
  privileged-role: {{do: quarantine, also: [disable-guest]}}
  role-not-allowed: {{do: ticket, ifRefused: quarantine}}
  guest-with-role: {{do: revoke, also: [disable-guest, disable-guest]}}
  gdap-auto-extend: {{do: quarantine}}
{sink}"
        ),
        NOW,
        &[
            "9:44: `disable-guest` has no effect here: it goes with `revoke` or `approve`, in a \
             customer's tenant",
            "10:45: `ifRefused` has no effect here: it goes with `revoke` or `approve`, in a \
             customer's tenant",
            "11:55: `disable-guest` is named twice",
            "12:3: `gdap-auto-extend` is only found in a tenant with `side: partner`, and there is \
             none",
            "12:26: `quarantine` has no effect on `gdap-auto-extend`: it blocks a partner's people \
             in a customer's tenant",
        ],
    );
}

#[test]
fn what_cannot_be_done_on_a_partners_side_is_warned_of() {
    let partner = HEAD.replace("    name: Woodgrove\n", "    name: Woodgrove\n    side: partner\n");
    let partner = partner.replace("    partners:\n", "    customers:\n");
    assert!(partner.contains("side: partner") && partner.contains("customers:"), "{partner}");
    let tail = |act: &str, tail: &str| {
        format!(
            "respond:
  dap-active: {{do: {act}}}
  gdap-auto-extend: {{do: quarantine}}
  gdap-too-long: {{do: revoke, also: [disable-guest], ifRefused: quarantine}}
  unreadable: {{do: quarantine}}
tickets: {{s: {{kind: webhook, url: https://x.example}}}}
{tail}"
        )
    };
    let of = |act: &str, more: &str| -> Vec<String> {
        let warnings = parse(&format!("{partner}{}", tail(act, more))).warnings(at(NOW));
        warnings.iter().map(|it| it.message.clone()).collect()
    };
    let only_customers = |name: &str| {
        format!(
            "`quarantine` has no effect on `{name}`: it blocks a partner's people in a customer's \
             tenant"
        )
    };
    let others = [
        only_customers("gdap-auto-extend"),
        "`disable-guest` has no effect here: it goes with `revoke` or `approve`, in a customer's \
         tenant"
            .to_owned(),
        "`ifRefused` has no effect here: it goes with `revoke` or `approve`, in a customer's tenant"
            .to_owned(),
        only_customers("unreadable"),
    ];
    assert_eq!(of("ticket", ""), others);
    for act in ["revoke", "approve"] {
        let dap = format!(
            "`{act}` has no effect on `dap-active` beyond a ticket: Microsoft lets only a person \
             take delegated admin privileges away, and the ticket tells them how"
        );
        assert_eq!(of(act, ""), [&[dap], others.as_slice()].concat());
    }
    assert_eq!(of("quarantine", ""), [&[only_customers("dap-active")], others.as_slice()].concat());
    // With a customer's tenant beside it, there is somewhere to block.
    let customer = "  - id: 44444444-4444-4444-4444-444444444444\n    name: Fabrikam\nrespond";
    let both = format!("{partner}{}", tail("ticket", "")).replacen("respond", customer, 1);
    let warnings = parse(&both).warnings(at(NOW));
    assert!(warnings.iter().all(|it| it.message != others[3]), "{warnings:?}");

    let id = "aaaaaaaa-0000-0000-0000-00000000000a-bbbbbbbb-0000-0000-0000-00000000000b";
    let protect = format!("guardrails: {{protected: [{id}]}}\n");
    let policy = parse(&format!("{partner}{protect}"));
    assert_eq!(policy.warnings(at(NOW)), []);
    assert_eq!(policy.policy.guardrails.protected, [AccountName::new(id)]);
    assert_eq!(policy.policy.guardrails.protected_accounts().count(), 0);
    let warnings = parse(&format!("{HEAD}{protect}")).warnings(at(NOW));
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.message.ends_with("`side: partner`, and there is none"), "{warning}");
}

#[test]
fn where_a_person_may_be_asked_about_the_last_relationship_people_are_asked() {
    let asks = |side: &str, act: &str, mode: &str| {
        let text = format!(
            "version: 1\nmode: {mode}\ntenants:\n  - id: {}\n    name: W\n    side: \
             {side}\nrespond: {{gdap-too-long: {{do: {act}}}}}\n",
            "11111111-1111-1111-1111-111111111111"
        );
        parse(&text).policy.asks()
    };
    assert!(asks("partner", "revoke", "enforce"));
    assert!(!asks("partner", "ticket", "enforce"));
    assert!(!asks("customer", "revoke", "enforce"));
    assert!(!asks("partner", "revoke", "observe"));
}

#[test]
fn what_ends_is_warned_of_once_it_is_past_and_not_before() {
    let text = format!(
        "{HEAD}        allow: {{roles: [Directory Readers], until: 2026-11-24}}
exceptions:
  - {{partner: Contoso Reseller, role: Exchange Administrator, until: 2026-11-25T00:00:01Z, \
         reason: x}}
"
    );
    let allowance = "8:52: this allowance ended at the end of 2026-11-24: Contoso Reseller may hold \
                     nothing by it";
    let exception = "10:70: this exception ended at 2026-11-25T00:00:01Z: Contoso Reseller may no \
                     longer hold Exchange Administrator by it";
    warned(&text, "2026-11-24T23:59:59Z", &[]);
    warned(&text, "2026-11-25T00:00:00Z", &[allowance]);
    warned(&text, "2026-11-25T00:00:01Z", &[allowance, exception]);
}

#[test]
fn what_is_no_policy_is_placed() {
    wrong("", &["1:1: this must be fields (`name: value`), not nothing"]);
    wrong("- 1\n", &["1:1: this must be fields (`name: value`), not a list"]);
    wrong("a: [\n", &["1:4: unclosed bracket '['"]);
    wrong("version: 1\n", &["1:1: `tenants` is missing"]);
    wrong("version: 1\nversion: 1\n", &["2:1: `version` is written twice"]);
    wrong("version: 1\ntenants:\n", &["2:8: `tenants` is empty; write its value, or leave it out"]);
    wrong("version: one\nmode: enforce\n", &["1:10: this must be a whole number, not `one`"]);
    wrong(
        "version: 2\ntenants: []\n",
        &[
            "1:10: policy version 2 is not known; this program reads version 1",
            "2:10: no tenant is named; add the tenant to guard",
        ],
    );
}

/// What may be wrong below the first partner of a policy whose first lines are [`HEAD`], and what is
/// said of it.
#[rustfmt::skip]
const MISTAKES: &[(&str, &[&str])] = &[
    ("modee: enforce", &["8:1: unknown field `modee`; did you mean `mode`?"]),
    ("zzz: 1", &["8:1: unknown field `zzz`; there is: version, mode, tenants, respond, exceptions, guardrails, approvals, tickets, records, tests"]),
    ("mode: enforced", &["8:7: `enforced` is not one of observe, approve, enforce; did you mean `enforce`?"]),
    ("mode: [enforce]", &["8:7: this must be one of observe, approve, enforce, not a list"]),
    // Tenants and partners.
    ("    side: custommer", &["8:11: `custommer` is not one of customer, partner; did you mean `customer`?"]),
    ("    parnters: []", &["8:5: unknown field `parnters`; did you mean `partners`?"]),
    ("    customers: []", &["8:16: `customers` belongs to a tenant with `side: partner`; a customer's tenant lists its `partners`"]),
    ("    side: partner", &["6:7: `partners` belongs to a customer's tenant; a tenant with `side: partner` lists its `customers`"]),
    ("        domain: [a.example]", &["8:9: unknown field `domain`; did you mean `domains`?"]),
    ("        domains: [contoso reseller]", &["8:19: `contoso reseller` is not a domain such as contoso-reseller.example"]),
    ("        accounts: [svc]", &["8:20: `svc` names no account; give a user principal name (name@domain) or an object id"]),
    ("        accounts: svc@x.example", &["8:19: this must be a list, not `svc@x.example`; write [svc@x.example]"]),
    ("        allow: [Directory Readers]", &["8:16: this must be fields (`name: value`), not a list"]),
    ("        allow: {roles: [Globl Administrator, Directory Readers]}", &["8:25: `Globl Administrator` is not a built-in role (a custom role is named by its id); did you mean `Global Administrator`?"]),
    ("        allow: {roles: [Owner of all]}", &["8:25: `Owner of all` is not a built-in role (a custom role is named by its id)"]),
    ("        allow: {roles: [], until: }", &["8:33: `until` is empty; write its value, or leave it out"]),
    ("        allow: {roles: [], until: 2026-02-30}", &["8:35: `2026-02-30` is not a moment; write 2027-03-31 (the whole day, UTC) or 2026-12-24T18:00Z"]),
    ("        require: {mfa: sometimes, maxduration: P1D}", &["8:24: this must be true or false, not `sometimes`", "8:35: unknown field `maxduration`; did you mean `maxDuration`?"]),
    ("        require: {maxDuration: P1M}", &["8:32: `P1M` is not a duration of fixed length such as PT15M, P180D or 1h"]),
    ("    unlisted: {roles: []}", &["8:16: unknown field `roles`; there is: allow"]),
    // Responses.
    ("respond: {priviledged-role: {do: reveoke}}", &["8:11: `priviledged-role` is not the name of a finding; did you mean `privileged-role`?", "8:34: `reveoke` is not one of ignore, record, ticket, approve, quarantine, revoke; did you mean `revoke`?"]),
    ("respond: {privileged-role: revoke}", &["8:28: this must be fields (`name: value`), not `revoke`"]),
    ("respond: {privileged-role: {ticket: s}}", &["8:28: `do` is missing"]),
    ("respond: {privileged-role: }", &["8:11: `privileged-role` is empty; write its value"]),
    ("respond: {privileged-role: {do: ticket, ticket: securty}}\ntickets: {security: {kind: webhook, url: https://x.example}}", &["8:49: no ticket sink `securty` under `tickets`; did you mean `security`?"]),
    ("respond: {privileged-role: {do: record, ticket: me}}", &["8:49: no ticket sink `me` under `tickets`; it has: none"]),
    ("respond: {privileged-role: {do: revoke, also: [revoke-session, disable], ifrefused: quarantine}}", &["8:48: `revoke-session` is not one of revoke-sessions, disable-guest, disable-app; did you mean `revoke-sessions`?", "8:64: `disable` is not one of revoke-sessions, disable-guest, disable-app; did you mean `disable-app`?", "8:74: unknown field `ifrefused`; did you mean `ifRefused`?"]),
    ("respond: {privileged-role: {do: revoke, also: revoke-sessions, ifRefused: ticket}}", &["8:47: this must be a list, not `revoke-sessions`; write [revoke-sessions]", "8:75: `ticket` is not quarantine"]),
    // Exceptions.
    ("exceptions:\n  - {partner: Contoso Reselle, tenant: Woodgrov, role: Global Admin, until: soon, reason: \"\"}", &[
        "9:15: no partner `Contoso Reselle`; did you mean `Contoso Reseller`?",
        "9:40: no tenant `Woodgrov`; did you mean `Woodgrove`?",
        "9:56: `Global Admin` is not a built-in role (a custom role is named by its id); did you mean `Global Administrator`?",
        "9:77: `soon` is not a moment; write 2027-03-31 (the whole day, UTC) or 2026-12-24T18:00Z",
        "9:91: this must not be empty",
    ]),
    ("exceptions:\n  - {partner: Contoso Reselle, role: Global Admin, until: soon, reason: \"\"}", &[
        "9:15: no partner `Contoso Reselle`; did you mean `Contoso Reseller`?",
        "9:38: `Global Admin` is not a built-in role (a custom role is named by its id); did you mean `Global Administrator`?",
        "9:59: `soon` is not a moment; write 2027-03-31 (the whole day, UTC) or 2026-12-24T18:00Z",
        "9:73: this must not be empty",
    ]),
    ("exceptions:\n  - {partner: Fabrikam, role: Reports Reader, until: 2027-01-01, reason: x}", &["9:15: no partner `Fabrikam`; named are: Contoso Reseller"]),
    ("exceptions:\n  - {partner: Contoso Reseller, role: Reports Reader, reason: x}", &["9:5: `until` is missing"]),
    ("exceptions:\n  - {partner: Contoso Reseller, role: Reports Reader, until: 2027-01-01}", &["9:5: `reason` is missing"]),
    // Guardrails.
    ("guardrails: {protected: [break glass], per: forever, maxRevocations: -1}", &["8:26: `break glass` names nothing that can be protected; give an account's user principal name (name@domain), an object id, a customer's tenant id or a relationship's id (GUID-GUID)", "8:45: `forever` is not a duration of fixed length such as PT15M, P180D or 1h", "8:70: this must be a whole number from 0 to 4294967295, not `-1`"]),
    ("approvals: {expire: never, onExpiry: maybe, people: 3}", &["8:21: `never` is not a duration of fixed length such as PT15M, P180D or 1h", "8:38: `maybe` is not one of ask-again, hold, carry-out", "8:53: `people` is 1 or 2"]),
    ("approvals: {expire: PT10S}", &["8:21: nobody can answer within less than a minute; give PT1M or more"]),
    ("mode: approve\napprovals: {onExpiry: carry-out}", &["9:23: in `mode: approve` nothing is carried out without a person's word; use ask-again or hold"]),
    ("guardrails: {maxRevocation: 5}", &["8:14: unknown field `maxRevocation`; did you mean `maxRevocations`?"]),
    ("guardrails: {maxRevocations: 5.5}", &["8:30: this must be a whole number, not `5.5`"]),
    ("guardrails: {plannedChanges: {}}", &["8:30: this must be a list, not fields"]),
    ("guardrails:\n  plannedChanges: [{until: 2026-12-24, reason: x}, {from: 2026-12-24, reason: x}, {from: 2026-12-24, until: 2026-12-24}]", &["9:20: `from` is missing", "9:52: `until` is missing", "9:83: `reason` is missing"]),
    ("guardrails:\n  plannedChanges: [{partner: Contoso, tenant: Woodgrov, from: soon, until: later, reason: \"\"}]", &[
        "9:30: no partner `Contoso`; did you mean `Contoso Reseller`?",
        "9:47: no tenant `Woodgrov`; did you mean `Woodgrove`?",
        "9:63: `soon` is not a moment; write 2027-03-31 (from its first moment, UTC) or 2026-12-24T18:00Z",
        "9:76: `later` is not a moment; write 2027-03-31 (the whole day, UTC) or 2026-12-24T18:00Z",
        "9:91: this must not be empty",
    ]),
    ("guardrails:\n  plannedChanges: [{from: 2026-12-24T18:00Z, until: 2026-12-24T18:00Z, reason: x}]", &["9:53: it ends before it begins: `until` is after `from`"]),
    ("guardrails:\n  plannedChanges: [{from: 2026-12-01, until: 2027-01-01, reason: x}]", &["9:46: a planned change lasts 31 days at the most: nothing is taken away meanwhile; for longer, set `mode`"]),
    // Tickets.
    ("tickets: {s: {kind: fax}}", &["8:21: `fax` is not one of {kinds}"]),
    ("tickets: {s: {kind: webhook}}", &["8:14: `url` is missing"]),
    ("tickets: {s: {url: https://x.example}}", &["8:14: `kind` is missing"]),
    ("tickets: {s: {kind: webhook, url: \"http://x.example\"}}", &["8:35: the url must be https (plain http only to this machine)"]),
    ("tickets: {s: {kind: webhook, url: x}}", &["8:35: not a url: relative URL without a base"]),
    ("tickets: {s: {kind: webhook, url: https://x.example, project: SEC}}", &["8:54: unknown field `project`; there is: kind, gate, fallback, close, priority, fields, templates, decide, url, format"]),
    ("tickets:\n  a: {kind: webhook, url: https://x.example, fallback: b}\n  b: {kind: webhook, url: https://x.example, fallback: c}\n  c: {kind: webhook, url: https://x.example}", &["9:56: `b` has a fallback itself; name that one here"]),
    ("tickets: {s: {kind: webhook, url: https://x.example, fallback: s}}", &["8:64: a sink cannot stand in for itself"]),
    ("tickets: {s: {kind: github, repository: woodgrove/security, decide: {approve: [Resolved]}}}", &["8:69: `Resolved` ends a ticket, or is where this program itself brings one: nobody agrees to anything by it; name a status that is for agreeing alone"]),
    ("tickets: {s: {kind: github, repository: woodgrove/security, decide: {approve: [go, completed], refuse: [go]}}}", &["8:69: `go` cannot both agree and refuse", "8:69: `completed` ends a ticket, or is where this program itself brings one: nobody agrees to anything by it; name a status that is for agreeing alone"]),
    ("tickets: {s: {kind: webhook, url: https://x.example, decide: {approve: [Done]}}}", &["8:62: nothing in a webhook sink can decide"]),
    ("tickets: {s: {kind: pagerduty, priority: {high: P1}}}", &["8:11: `P1` under `priority.high` is not one of critical, error, warning, info"]),
    // Records.
    ("records: {keep: ever}", &["8:17: `ever` is not a length of time such as P2Y, P18M or P90D"]),
    ("records: {keep: P0D}", &["8:17: `P0D` is not a length of time such as P2Y, P18M or P90D"]),
    ("records: {keep: -P2Y}", &["8:17: `-P2Y` is not a length of time such as P2Y, P18M or P90D"]),
    ("records: {kept: P2Y}", &["8:11: unknown field `kept`; there is: keep"]),
    // Tests.
    ("tests: [{name: a}]", &["8:9: `expect` is missing"]),
    ("tests: [{name: \"\", expect: nothing}]", &["8:16: this must not be empty"]),
    ("tests: [{name: a, expect: nothing}, {name: A, expect: nothing}]", &["8:44: two tests are called `A`"]),
    ("tests: [{name: a, tenant: Contoso, expect: nothing}]", &["8:27: no tenant `Contoso`; named are: Woodgrove"]),
    ("tests: [{name: a, at: now, expect: nothing}]", &["8:23: `now` is not a moment; write 2027-03-31 (its noon, UTC) or 2026-12-24T18:00Z"]),
    ("tests: [{name: a, mode: on, expect: nothing}]", &["8:25: `on` is not one of observe, approve, enforce"]),
    ("tests: [{name: a, expect: [privilegd-role, revok]}]", &["8:28: `privilegd-role` is neither the name of a finding nor a response; did you mean `privileged-role`?", "8:44: `revok` is neither the name of a finding nor a response; did you mean `revoke`?"]),
    ("tests: [{name: a, expect: [not privilegd-role, revoke, ticket]}]", &["8:28: `privilegd-role` is not the name of a finding; did you mean `privileged-role`?", "8:56: the strongest response is one: two are named here"]),
    ("tests: [{name: a, expect: [unreadable, not unreadable]}]", &["8:27: `unreadable` is expected, and not expected"]),
    ("tests: [{name: a, expect: {}}]", &["8:27: this expects nothing in particular, so it cannot fail"]),
    ("tests: [{name: a, expect: {do: revok, findings: [x]}}]", &["8:32: `revok` is not one of ignore, record, ticket, approve, quarantine, revoke; did you mean `revoke`?", "8:50: `x` is not the name of a finding"]),
    ("tests: [{name: a, expect: {finding: [x]}}]", &["8:28: unknown field `finding`; did you mean `findings`?"]),
    ("tests: [{name: a, given: {partner: Contoso, role: Global Admin}, expect: nothing}]", &["8:51: `Global Admin` is not a built-in role (a custom role is named by its id); did you mean `Global Administrator`?", "8:36: no partner `Contoso`; did you mean `Contoso Reseller`?"]),
    ("tests: [{name: a, given: Fabrikam holds Reports Reader, expect: nothing}]", &["8:26: no partner `Fabrikam`; named are: Contoso Reseller"]),
    ("tests: [{name: a, given: nonsense, expect: nothing}]", &["8:26: `nonsense` is not a sentence that is understood; write `Contoso Reseller holds Global Administrator`, `… may activate …`, or fields such as {partner: …, role: …}"]),
    ("tests: [{name: a, given: {}, expect: nothing}]", &["8:26: what is this about? Name one of partner, stranger, guest, account, app, member, unknown, unreadable, mfa, mfaExempts, trustsMfaOf, conditionalAccess, governedBy, relationship, dap, administrators"]),
    ("tests: [{name: a, given: {partnr: x}, expect: nothing}]", &["8:27: unknown field `partnr`; did you mean `partner`?"]),
    ("tests: [{name: a, given: {partner: Contoso Reseller, guest: a@b.example}, expect: nothing}]", &["8:26: `partner` and `guest` are two facts; write each as one of its own"]),
    ("tests: [{name: a, given: {mfa: nobody, role: Reports Reader}, expect: nothing}]", &["8:26: `role` says nothing of `mfa`, which stands alone"]),
    ("tests: [{name: a, given: {partner: Contoso Reseller, enabled: false}, expect: nothing}]", &["8:26: `enabled` says nothing of `partner`, which takes role, roles, eligible, activated, until, scope, takenAwayBefore, group"]),
    ("tests: [{name: a, given: {account: a@x.example}, expect: nothing}]", &["8:36: no account that was given to a partner `a@x.example`; named are: none"]),
    ("tests: [{name: a, given: {app: X}, expect: nothing}]", &["8:26: say by `of` which partner owns the application"]),
    ("tests: [{name: a, given: {guest: alice}, expect: nothing}]", &["8:34: `alice` is not a mail address; a guest is named by one"]),
    ("tests: [{name: a, given: {dap: Contoso Reseller}, expect: nothing}]", &["8:26: `dap` is about a tenant with `side: partner`"]),
    ("tests: [{name: a, given: [{facts: a.json}, {mfa: nobody}], expect: nothing}]", &["8:27: `facts` is the whole tenant: nothing else may be given beside it"]),
    ("tests: [{name: a, given: {unreadable: guest}, expect: nothing}]", &["8:39: `guest` is not one of role-assignments, principals, guests, partner-entries, role-definitions, active-schedules, eligible-schedules, group-members, accounts, memberships, partner-apps, service-provider-constraints, governance, conditional-access, relationships, delegated-access; did you mean `guests`?"]),
    // A name that is no harm to who reads it.
    ("exceptions: [{partner: \"\\e[2J\\u202egnp\", role: Reports Reader, until: 2027-01-01, reason: x}]", &["8:24: no partner ` [2Jgnp`; named are: Contoso Reseller"]),
];

#[test]
fn every_mistake_is_told_with_its_place_and_the_nearest_spelling() {
    let told = |below: &str| {
        let problems = Policy::parse(&format!("{HEAD}{below}\n")).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let differ: Vec<String> = MISTAKES
        .iter()
        .filter(|(below, expect)| {
            let kinds = Settings::KINDS.join(", ");
            let mut expect: Vec<String> =
                expect.iter().map(|line| line.replace("{kinds}", &kinds)).collect();
            expect.sort_by_key(|line| {
                let mut place = line.split(':').map(|number| number.parse().unwrap_or(0));
                (place.next(), place.next())
            });
            told(below) != expect
        })
        .map(|(below, _)| format!("{below}\n  {}", told(below).join("\n  ")))
        .collect();
    assert!(differ.is_empty(), "otherwise than expected:\n{}", differ.join("\n"));
}

#[test]
fn mistakes_of_every_kind_are_told_in_one_run_and_none_for_another() {
    wrong_below(
        "        domains: [contoso reseller]
        alow: {roles: [Owner]}
    unlisted: {allow: {roles: [Globl Administrator]}}
mode: enforse
respond:
  priviledged-role: {do: revoke}
  role-not-allowed: {do: tickets, ticket: securty}
exceptions:
  - {partner: Contoso Reseler, role: Exchange Administrator, until: 2026-13-01, reason: \"\"}
  - {partner: Fabrikam, role: Exchange Administrator, until: 2027-01-01, reason: x}
tests:
  - {name: a, given: {partnr: x}, expect: {}}
",
        &[
            "8:19: `contoso reseller` is not a domain such as contoso-reseller.example",
            "9:9: unknown field `alow`; did you mean `allow`?",
            "10:32: `Globl Administrator` is not a built-in role (a custom role is named by its \
             id); did you mean `Global Administrator`?",
            "11:7: `enforse` is not one of observe, approve, enforce; did you mean `enforce`?",
            "13:3: `priviledged-role` is not the name of a finding; did you mean \
             `privileged-role`?",
            "14:26: `tickets` is not one of ignore, record, ticket, approve, quarantine, revoke; \
             did you mean `ticket`?",
            "16:15: no partner `Contoso Reseler`; did you mean `Contoso Reseller`?",
            "16:69: `2026-13-01` is not a moment; write 2027-03-31 (the whole day, UTC) or \
             2026-12-24T18:00Z",
            "16:89: this must not be empty",
            "19:23: unknown field `partnr`; did you mean `partner`?",
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
  - {id: 55555555-5555-5555-5555-555555555555, name: D, side: partner, customers: [
      {id: 55555555-5555-5555-5555-555555555555, name: Self, domains: [a.example]},
      {id: x, name: Y}]}
",
        &[
            "4:12: the tenant is named as its own partner",
            "6:12: partner 22222222-2222-2222-2222-222222222222 is named twice",
            "6:12: two partners are called `twice`",
            "7:10: tenant 11111111-1111-1111-1111-111111111111 is named twice",
            "8:10: `44444444` is not a tenant id; it is a GUID such as \
             11111111-1111-1111-1111-111111111111",
            "10:12: the tenant is named as its own customer",
            "10:72: a customer has neither `domains` nor `accounts`; those attribute accounts to \
             partners",
            "11:12: `x` is not a customer id (the customer's own tenant); it is a GUID such as \
             11111111-1111-1111-1111-111111111111",
        ],
    );
}

/// Two tenants that know the same partner, and others of the same name.
const TWO: &str = "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - {id: 22222222-2222-2222-2222-222222222222, name: Contoso}
      - {id: 33333333-3333-3333-3333-333333333333, name: Fabrikam}
  - id: 99999999-9999-9999-9999-999999999999
    name: Tailspin
    partners:
      - {id: 22222222-2222-2222-2222-222222222222, name: Contoso}
      - {id: 44444444-4444-4444-4444-444444444444, name: Fabrikam}
";

#[test]
fn with_several_tenants_a_name_is_taken_only_where_it_is_one() {
    let exception = |partner: &str, tenant: &str| {
        format!(
            "{TWO}exceptions: [{{partner: {partner}, {tenant}role: Reports Reader, until: \
             2027-01-01, reason: x}}]\n"
        )
    };
    let read = |text: &str| parse(text).policy.exceptions[0].clone();
    let id = |digit: &str| digit.repeat(8);
    let contoso = read(&exception("contoso", ""));
    assert_eq!(contoso.tenant, None);
    assert!(contoso.partner.to_string().starts_with(&id("2")));
    let fabrikam = read(&exception("Fabrikam", "tenant: tailspin, "));
    assert!(fabrikam.tenant.unwrap().to_string().starts_with(&id("9")));
    assert!(fabrikam.partner.to_string().starts_with(&id("4")));
    let by_id = "tenant: 11111111-1111-1111-1111-111111111111, ";
    assert!(read(&exception("Fabrikam", by_id)).partner.to_string().starts_with(&id("3")));
    let stranger = exception("55555555-5555-5555-5555-555555555555", "");
    assert!(read(&stranger).partner.to_string().starts_with(&id("5")));
    wrong(
        &exception("Fabrikam", ""),
        &["13:24: several partners are called `Fabrikam`; give the id"],
    );
    wrong(
        &format!("{TWO}tests: [{{name: a, expect: nothing}}]\n"),
        &["13:9: the policy has several tenants: say which by `tenant`"],
    );
    let of_tailspin = format!(
        "{TWO}tests: [{{name: a, tenant: Tailspin, given: Fabrikam holds Reports Reader, expect: \
         nothing}}]\n"
    );
    assert!(parse(&of_tailspin).tests[0].tenant.to_string().starts_with(&id("9")));
}

#[test]
fn anchors_aliases_and_merge_keys_are_the_same_as_what_they_stand_for() {
    let text = "version: 1
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - &usual
        id: 22222222-2222-2222-2222-222222222222
        name: Contoso
        allow: &readers {roles: [Directory Readers], until: 2027-03-31}
        require: {mfa: true}
      - <<: *usual
        id: 33333333-3333-3333-3333-333333333333
        name: Fabrikam
    unlisted: {allow: *readers}
";
    let tenant = parse(text).policy.roster.tenants[0].clone();
    let [contoso, fabrikam] = tenant.partners.as_slice() else { panic!("{tenant:?}") };
    assert_eq!(contoso.allow.roles.len(), 1);
    assert_eq!((&fabrikam.allow, fabrikam.require), (&contoso.allow, contoso.require));
    assert_eq!((fabrikam.name.as_str(), &tenant.unlisted), ("Fabrikam", &contoso.allow));
    // A mistake is told where it is used.
    wrong(
        &text.replace("2027-03-31", "soon"),
        &[
            "9:61: `soon` is not a moment; write 2027-03-31 (the whole day, UTC) or \
             2026-12-24T18:00Z",
            "11:13: `soon` is not a moment; write 2027-03-31 (the whole day, UTC) or \
             2026-12-24T18:00Z",
            "14:23: `soon` is not a moment; write 2027-03-31 (the whole day, UTC) or \
             2026-12-24T18:00Z",
        ],
    );
}

#[test]
fn a_file_that_unfolds_without_end_is_refused() {
    let mut text = "version: 1\ntenants: []\na: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let of = [format!("*a{}", level - 1).as_str(); 9].join(", ");
        text.push_str(&[&format!("b{level}: &a{level} ["), &of, "]\n"].concat());
    }
    let problems = Policy::parse(&text).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn what_looks_like_a_number_is_text_as_it_was_written_where_text_belongs() {
    let text = format!(
        "{HEAD}exceptions: [{{partner: Contoso Reseller, role: Reports Reader, until: 2027-01-01, \
         reason: 007, ticket: 1.10}}]\n"
    )
    .replace("Woodgrove", "1_000");
    let policy = parse(&text).policy;
    let exception = &policy.exceptions[0];
    assert_eq!((exception.reason.as_str(), exception.ticket.as_deref()), ("007", Some("1.10")));
    assert_eq!(policy.roster.tenants[0].name, "1_000");
}

#[test]
fn every_finding_has_a_response_of_its_own() {
    for rule in crate::domain::finding::rules() {
        let text = format!("{HEAD}respond: {{{}: {{do: approve}}}}\n", rule.name);
        let policy = parse(&text).policy;
        assert_eq!(policy.response(rule.name, rule.severity).act, Do::Approve, "{}", rule.name);
        assert!(policy.answers(rule.name));
    }
}

#[test]
fn ends_and_lengths_are_told_in_words() {
    assert_eq!(end_in_words(at("2027-04-01T00:00:00Z")), "at the end of 2027-03-31");
    assert_eq!(end_in_words(at("2027-04-01T00:00:01Z")), "at 2027-04-01T00:00:01Z");
    for (seconds, words) in [
        (1, "1 second"),
        (90, "90 seconds"),
        (5400, "90 minutes"),
        (7200, "2 hours"),
        (172_800, "2 days"),
    ] {
        assert_eq!(length_in_words(SignedDuration::from_secs(seconds)), words);
    }
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

proptest::proptest! {
    #[test]
    fn a_policy_broken_anywhere_is_read_or_told_to_be_wrong(
        from in 0..4000_usize,
        length in 0..40_usize,
        put in "[]{}:,&*<!|>#'\"\\-\n 0-9a-z]{0,6}",
    ) {
        let text = include_str!("../../../policy/example.yaml");
        let broken: String =
            text.chars().take(from).chain(put.chars()).chain(text.chars().skip(from + length)).collect();
        if let Err(problems) = Policy::parse(&broken) {
            assert!(!problems.is_empty());
            for problem in problems {
                assert!(!problem.message.is_empty() && !problem.message.contains('\n'), "{problem}");
            }
        }
    }
}

#[test]
fn records_are_kept_for_ever_or_as_long_as_is_said() {
    let keep = |records: &str| parse(&format!("{HEAD}{records}\n")).policy.keep;
    let days = |days: i64| Some(SignedDuration::from_hours(days * 24));
    assert_eq!(parse(HEAD).policy.keep, None);
    assert_eq!(keep("records: {}"), None);
    for (written, kept) in [
        ("P2Y", days(732)),
        ("P18M", days(558)),
        ("P1Y6M", days(366 + 186)),
        ("P13W", days(91)),
        ("P90D", days(90)),
        ("P1YT12H", Some(SignedDuration::from_hours(366 * 24 + 12))),
    ] {
        assert_eq!(keep(&format!("records: {{keep: {written}}}")), kept, "{written}");
    }
    // Six minutes, where six months may be meant.
    let slip = parse(&format!("{HEAD}records: {{keep: PT6M}}\n"));
    assert_eq!(slip.policy.keep, Some(SignedDuration::from_mins(6)));
    let [warning] = slip.warnings.as_slice() else { panic!("{:?}", slip.warnings) };
    assert!(warning.message.starts_with("`PT6M`: what is removed so soon is missing"));
    let fine = parse(&format!("{HEAD}records: {{keep: P30D}}\n"));
    assert_eq!(fine.warnings, []);
}

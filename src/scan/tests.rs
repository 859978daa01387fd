//! What a scan says of tenants described in a few words.

use jiff::Timestamp;
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::table::{Paper, text};
use super::view::View;
use super::{Verdict, verdict};
use crate::domain::facts::{
    AccessDetails, Customer, DelegatedAdminRelationship, Facts, GapCause, GovernanceRelationship,
    Part, UnifiedRole,
};
use crate::domain::finding::testing::{CONTOSO, Case, STRANGER, noon};
use crate::domain::policy::Policy;
use crate::domain::scan::scanned;

const PLAIN: Paper = Paper { width: 80, colours: false };

fn view(facts: &Facts, policy: &Policy) -> View {
    let tenant = policy.roster.tenants.first().unwrap();
    View::new(&[scanned(facts, tenant, policy, noon(), noon())], policy)
}

fn table(case: &Case, paper: Paper) -> String {
    text(&view(&case.facts, &case.policy()), paper)
}

fn woodgrove() -> Case {
    Case::new()
        .allow(&["Service Support Administrator"])
        .except("Exchange Administrator", "2026-12-24T18:00Z")
        .foreign_group("AdminAgents", "Global Administrator")
        .foreign_group("HelpdeskAgents", "Service Support Administrator")
        .foreign_group("Migration", "Exchange Administrator")
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
        .partner_app("Contoso Sync", "Application Administrator")
        .scoped("Branch", "User Administrator", "/administrativeUnits/1")
        .stranger_group("Strangers", "Reports Reader")
        .calls_itself(STRANGER, "Fabrikam")
        .service_provider("44444444-4444-4444-4444-444444444444")
        .unresolvable("99999999-0000-0000-0000-000000000000", "Reports Reader")
}

#[test]
fn a_table_fits_80_columns() {
    insta::assert_snapshot!(table(&woodgrove(), PLAIN), @r"
    Woodgrove (11111111-1111-1111-1111-111111111111)
    its partners, read 2026-11-23 12:00 UTC

    Contoso Reseller (22222222-2222-2222-2222-222222222222)
    Role                   Held by                How         Until   Policy
    ────────────────────────────────────────────────────────────────────────────────
    Global Administrator   AdminAgents            delegated   -       not allowed
    Service Support        HelpdeskAgents         delegated   -       allowed
    Administrator
    Exchange               Migration              delegated   -       excepted until
    Administrator                                                     2026-12-24
    User Administrator     Alice                  guest       -       not allowed
                           alice_contoso-resell
                           er.example#EXT#@wood
                           grove.example
    Application            Contoso Sync           app         -       not allowed
    Administrator
    User Administrator     Branch                 delegated   -       not allowed
    (scope /administrati
    veUnits/1)

    “Fabrikam” (calls itself so; tenant 33333333-3333-3333-3333-333333333333), not
    named by the policy
    Role             Held by     How         Until   Policy
    ────────────────────────────────────────────────────────────
    Reports Reader   Strangers   delegated   -       not allowed

    unnamed tenant 44444444-4444-4444-4444-444444444444, not named by the policy:
    holds no role

    It could not be told whose these are
    Role             Held by                         How         Until   Policy
    ────────────────────────────────────────────────────────────────────────────────
    Reports Reader   principal 99999999-0000-0000-   not known   -       not allowed
                     0000-000000000000

    Findings
    critical   privileged-role
               AdminAgents, a principal of Contoso Reseller's own directory, holds
               the privileged role Global Administrator.
    critical   privileged-role
               Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a
               guest of Contoso Reseller, holds the privileged role User
               Administrator.
    critical   privileged-role
               Contoso Sync, an application of Contoso Reseller, holds the
               privileged role Application Administrator.
    critical   privileged-role
               Branch, a principal of Contoso Reseller's own directory, holds the
               privileged role User Administrator (scope /administrativeUnits/1).
    high       role-not-allowed
               AdminAgents, a principal of Contoso Reseller's own directory, holds
               Global Administrator, which the policy does not allow it.
    high       role-not-allowed
               Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a
               guest of Contoso Reseller, holds User Administrator, which the policy
               does not allow it.
    high       role-not-allowed
               Contoso Sync, an application of Contoso Reseller, holds Application
               Administrator, which the policy does not allow it.
    high       role-not-allowed
               Branch, a principal of Contoso Reseller's own directory, holds User
               Administrator (scope /administrativeUnits/1), which the policy does
               not allow it.
    high       role-not-allowed
               Strangers, a principal of “Fabrikam” (calls itself so; tenant
               33333333-3333-3333-3333-333333333333)'s own directory, holds Reports
               Reader, which the policy does not allow it.
    high       unlisted-partner
               “Fabrikam” (calls itself so; tenant
               33333333-3333-3333-3333-333333333333), a partner the policy does not
               name, holds Reports Reader through Strangers.
    high       unlisted-partner
               unnamed tenant 44444444-4444-4444-4444-444444444444 is a service
               provider of this tenant and the policy does not name it.
    high       guest-with-role
               Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a
               guest of Contoso Reseller, holds User Administrator.
    high       partner-app-privileged
               Contoso Sync, an application of Contoso Reseller, holds Application
               Administrator.
    high       unclassified-principal (not proven)
               principal 99999999-0000-0000-0000-000000000000 holds Reports Reader,
               and it cannot be told whose it is.

    Woodgrove: 14 findings (4 critical, 10 high).
    partner-warden policy explain RULE says why it matters and how to mend it.
    ");
}

#[test]
fn a_table_fits_120_columns_and_all_others() {
    insta::assert_snapshot!(table(&woodgrove(), Paper { width: 120, colours: false }), @r"
    Woodgrove (11111111-1111-1111-1111-111111111111)
    its partners, read 2026-11-23 12:00 UTC

    Contoso Reseller (22222222-2222-2222-2222-222222222222)
    Role                            Held by                                               How         Until   Policy
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    Global Administrator            AdminAgents                                           delegated   -       not allowed
    Service Support Administrator   HelpdeskAgents                                        delegated   -       allowed
    Exchange Administrator          Migration                                             delegated   -       excepted until
                                                                                                              2026-12-24
    User Administrator              Alice                                                 guest       -       not allowed
                                    alice_contoso-reseller.example#EXT#@woodgrove.examp
                                    le
    Application Administrator       Contoso Sync                                          app         -       not allowed
    User Administrator (scope       Branch                                                delegated   -       not allowed
    /administrativeUnits/1)

    “Fabrikam” (calls itself so; tenant 33333333-3333-3333-3333-333333333333), not named by the policy
    Role             Held by     How         Until   Policy
    ────────────────────────────────────────────────────────────
    Reports Reader   Strangers   delegated   -       not allowed

    unnamed tenant 44444444-4444-4444-4444-444444444444, not named by the policy: holds no role

    It could not be told whose these are
    Role             Held by                                          How         Until   Policy
    ─────────────────────────────────────────────────────────────────────────────────────────────────
    Reports Reader   principal 99999999-0000-0000-0000-000000000000   not known   -       not allowed

    Findings
    critical   privileged-role
               AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.
    critical   privileged-role
               Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds the
               privileged role User Administrator.
    critical   privileged-role
               Contoso Sync, an application of Contoso Reseller, holds the privileged role Application Administrator.
    critical   privileged-role
               Branch, a principal of Contoso Reseller's own directory, holds the privileged role User Administrator (scope
               /administrativeUnits/1).
    high       role-not-allowed
               AdminAgents, a principal of Contoso Reseller's own directory, holds Global Administrator, which the policy
               does not allow it.
    high       role-not-allowed
               Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User
               Administrator, which the policy does not allow it.
    high       role-not-allowed
               Contoso Sync, an application of Contoso Reseller, holds Application Administrator, which the policy does not
               allow it.
    high       role-not-allowed
               Branch, a principal of Contoso Reseller's own directory, holds User Administrator (scope
               /administrativeUnits/1), which the policy does not allow it.
    high       role-not-allowed
               Strangers, a principal of “Fabrikam” (calls itself so; tenant 33333333-3333-3333-3333-333333333333)'s own
               directory, holds Reports Reader, which the policy does not allow it.
    high       unlisted-partner
               “Fabrikam” (calls itself so; tenant 33333333-3333-3333-3333-333333333333), a partner the policy does not
               name, holds Reports Reader through Strangers.
    high       unlisted-partner
               unnamed tenant 44444444-4444-4444-4444-444444444444 is a service provider of this tenant and the policy does
               not name it.
    high       guest-with-role
               Alice (alice_contoso-reseller.example#EXT#@woodgrove.example), a guest of Contoso Reseller, holds User
               Administrator.
    high       partner-app-privileged
               Contoso Sync, an application of Contoso Reseller, holds Application Administrator.
    high       unclassified-principal (not proven)
               principal 99999999-0000-0000-0000-000000000000 holds Reports Reader, and it cannot be told whose it is.

    Woodgrove: 14 findings (4 critical, 10 high).
    partner-warden policy explain RULE says why it matters and how to mend it.
    ");
    for width in [60, 80, 100, 120, 160] {
        for line in table(&woodgrove(), Paper { width, colours: false }).lines() {
            assert!(line.width() <= usize::from(width), "{width}: {line}");
        }
    }
}

#[test]
fn what_could_not_be_read_is_told_with_the_permission_that_mends_it() {
    let case = Case::new()
        .gap(Part::Guests, GapCause::Denied)
        .gap(Part::EligibleSchedules, GapCause::Unavailable);
    let said = table(&case, Paper { width: 120, colours: false });
    assert!(said.contains("User.Read.All"), "{said}");
    for words in [
        "Contoso Reseller (22222222-2222-2222-2222-222222222222): holds no role that could be seen",
        "\nCould not be read\nhigh",
        "Woodgrove: nothing was seen that breaks the policy; 2 parts could not be read whole.",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert_eq!(said.matches("unreadable").count(), 2, "{said}");
}

#[test]
fn a_refused_sign_in_shows_nobody_as_harmless() {
    let case = Case::new().gap(Part::RoleAssignments, GapCause::SignInRefused);
    let said = table(&case, PLAIN);
    assert!(said.contains("Who holds power is not known."), "{said}");
    assert!(!said.contains("holds no role"), "{said}");
}

#[test]
fn a_clean_tenant_is_told_in_few_words() {
    insta::assert_snapshot!(table(&Case::new(), PLAIN), @r"
    Woodgrove (11111111-1111-1111-1111-111111111111)
    its partners, read 2026-11-23 12:00 UTC

    Contoso Reseller (22222222-2222-2222-2222-222222222222): holds no role

    Woodgrove: nothing breaks the policy.
    ");
}

#[test]
fn colours_are_added_and_nothing_else() {
    let case = woodgrove().gap(Part::Guests, GapCause::Denied);
    let coloured = table(&case, Paper { width: 80, colours: true });
    let mut plain = String::new();
    for (at, piece) in coloured.split('\u{1b}').enumerate() {
        plain.push_str(if at == 0 { piece } else { piece.split_once('m').unwrap().1 });
    }
    assert_eq!(plain, table(&case, PLAIN));
    for colour in
        ["\u{1b}[31mnot allowed\u{1b}[0m\n", "\u{1b}[1;31mcritical\u{1b}[0m ", "\u{1b}[32mallowed"]
    {
        assert!(coloured.contains(colour), "{colour:?}\n{coloured}");
    }
}

#[test]
fn a_name_that_ends_like_a_judgement_is_not_coloured_as_one() {
    let case = Case::new().foreign_group("This one here is allowed", "Global Administrator");
    let coloured = table(&case, Paper { width: 160, colours: true });
    assert!(
        coloured.contains("is allowed") && !coloured.contains("\u{1b}[32mallowed"),
        "{coloured}"
    );
}

/// Names that try to be more than names.
const HOSTILE: [&str; 9] = [
    "\u{1b}[2J\u{1b}[31mred",
    "\u{9b}31m c1",
    "abc\u{202e}gnirts",
    "two\nlines\r\nand a \ttab",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }} {% raw %}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} 名前はここに長く長く続きます 表の外へ出たい",
    "\u{0}\u{7}\u{8}\u{7f}\u{feff}",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

/// The name wherever another tenant, or whoever made a file, may put one.
fn hostile(name: &str) -> Case {
    let mut case = Case::new()
        .foreign_group(name, "Global Administrator")
        .guest(name, "alice@contoso-reseller.example", "User Administrator")
        .partner_app(name, "Application Administrator")
        .scoped("scoped", "User Administrator", name)
        .stranger_group(name, "Reports Reader")
        .foreign_group("custom", name)
        .calls_itself(STRANGER, name)
        .unresolvable(name, name);
    let guests = case.facts.guests.keys().cloned().collect::<Vec<_>>();
    for guest in &guests {
        if let Some(user) = case.facts.guests.get_mut(guest) {
            user.user_principal_name = Some(format!("{name}_contoso-reseller.example#EXT#@{name}"));
        }
    }
    case.facts.units.insert(name.to_lowercase(), name.to_owned());
    case.facts.governance.push(GovernanceRelationship {
        id: name.to_owned(),
        status: Some(name.to_owned()),
        governing_tenant_id: Some(name.to_owned()),
        governing_tenant_name: Some(name.to_owned()),
    });
    case.facts.relationships.push(relationship(name));
    case = case.gap(Part::Guests, GapCause::Denied);
    for gap in &mut case.facts.gaps {
        gap.detail = name.to_owned();
    }
    case
}

fn relationship(name: &str) -> DelegatedAdminRelationship {
    DelegatedAdminRelationship {
        id: name.to_owned(),
        display_name: Some(name.to_owned()),
        customer: Some(Customer {
            tenant_id: Some(CONTOSO.to_owned()),
            display_name: Some(name.to_owned()),
        }),
        access_details: Some(AccessDetails {
            unified_roles: vec![
                UnifiedRole { role_definition_id: "62e90394-69f5-4237-9190-012177145e10".into() },
                UnifiedRole { role_definition_id: name.to_owned() },
            ],
        }),
        status: Some(name.to_owned()),
        auto_extend_duration: Some(format!("P180D{name}")),
        ..DelegatedAdminRelationship::default()
    }
}

fn is_dangerous(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}' | '\u{feff}')
}

#[test]
fn no_name_breaks_a_table_or_reaches_the_terminal() {
    for name in HOSTILE {
        for width in [60, 80, 120] {
            let said = table(&hostile(name), Paper { width, colours: false });
            assert!(!said.contains(is_dangerous), "{name:?}:\n{said:?}");
            for line in said.lines() {
                assert!(line.width() <= usize::from(width), "{name:?}: {line}");
            }
            assert!(said.contains("Could not be read\nhigh"), "{name:?}:\n{said}");
        }
    }
}

#[test]
fn no_name_breaks_the_json() {
    for name in HOSTILE {
        let case = hostile(name);
        let json = view(&case.facts, &case.policy()).to_json();
        assert!(!json.contains(is_dangerous), "{name:?}");
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["tenants"][0]["gaps"][0]["part"], "guests");
        assert!(!strings(&read).iter().any(|text| text.contains(is_dangerous)), "{name:?}");
        assert!(!strings(&read).iter().any(|text| text.contains('\n')), "{name:?}");
    }
}

fn strings(json: &Value) -> Vec<&str> {
    match json {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| std::iter::once(key.as_str()).chain(strings(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => vec![],
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "most of them are expected")]
fn the_json_has_the_form_that_is_documented() {
    let mut case = Case::new()
        .allow(&["Service Support Administrator"])
        .foreign_group("AdminAgents", "Global Administrator")
        .foreign_group("HelpdeskAgents", "Service Support Administrator")
        .gap(Part::Guests, GapCause::Denied);
    case.facts.governance.push(GovernanceRelationship {
        governing_tenant_id: Some(STRANGER.to_owned()),
        governing_tenant_name: Some("Fabrikam".to_owned()),
        status: Some("active".to_owned()),
        ..GovernanceRelationship::default()
    });
    let policy = case.policy();
    let mut view = view(&case.facts, &policy);
    // Their words are the business of each rule.
    for rule in view.rules.values_mut() {
        (rule.why, rule.mend, rule.page) = ("…", "…", "…");
    }
    for tenant in &mut view.tenants {
        tenant.findings.retain(|finding| finding.finding.as_str() != "role-not-allowed");
        for gap in &mut tenant.gaps {
            gap.blinds.truncate(1);
        }
    }
    insta::assert_snapshot!(view.to_json(), @r#"
    {
      "version": 1,
      "policy": "7971afcfbb733256ce9f4257adb6f962927c08889776f9c7f7db20543c6f7111",
      "tenants": [
        {
          "id": "11111111-1111-1111-1111-111111111111",
          "name": "Woodgrove",
          "side": "customer",
          "readAt": "2026-11-23T12:00:00Z",
          "judgedAt": "2026-11-23T12:00:00Z",
          "complete": false,
          "partners": [
            {
              "id": "22222222-2222-2222-2222-222222222222",
              "name": "Contoso Reseller",
              "listed": true,
              "grants": [
                {
                  "role": {
                    "name": "Global Administrator",
                    "definitionId": "62e90394-69f5-4237-9190-012177145e10",
                    "privileged": true
                  },
                  "principal": {
                    "id": "02268557-11a9-fbde-2361-e21713824f85",
                    "name": "AdminAgents",
                    "kind": "foreign-group"
                  },
                  "held": "assignment",
                  "heldBy": "02268557-11a9-fbde-2361-e21713824f85-GlobalAdministrator",
                  "eligible": false,
                  "activated": false,
                  "scope": "/",
                  "policy": "not-allowed"
                },
                {
                  "role": {
                    "name": "Service Support Administrator",
                    "definitionId": "f023fd81-a637-4b56-95fd-791ac0226033",
                    "privileged": false
                  },
                  "principal": {
                    "id": "19a49192-6848-8c3c-ad17-3b3816ffb2b0",
                    "name": "HelpdeskAgents",
                    "kind": "foreign-group"
                  },
                  "held": "assignment",
                  "heldBy": "19a49192-6848-8c3c-ad17-3b3816ffb2b0-ServiceSupportAdministrator",
                  "eligible": false,
                  "activated": false,
                  "scope": "/",
                  "policy": "allowed"
                }
              ]
            }
          ],
          "governedBy": [
            {
              "id": "33333333-3333-3333-3333-333333333333",
              "name": "Fabrikam",
              "status": "active"
            }
          ],
          "coverage": [
            {
              "partner": {
                "id": "22222222-2222-2222-2222-222222222222",
                "name": "Contoso Reseller",
                "listed": true
              },
              "access": {
                "by": "service-provider"
              },
              "mfa": {
                "verdict": "cannot-be-shown",
                "why": [
                  {
                    "why": "no conditional access policy is enabled, and whether security defaults are on was not read"
                  }
                ]
              }
            }
          ],
          "findings": [
            {
              "finding": "privileged-role",
              "severity": "critical",
              "partner": {
                "id": "22222222-2222-2222-2222-222222222222",
                "name": "Contoso Reseller",
                "listed": true
              },
              "subject": "AdminAgents",
              "role": "Global Administrator",
              "text": "AdminAgents, a principal of Contoso Reseller's own directory, holds the privileged role Global Administrator.",
              "certain": true,
              "respond": "ticket",
              "principal": "02268557-11a9-fbde-2361-e21713824f85",
              "heldBy": "02268557-11a9-fbde-2361-e21713824f85-GlobalAdministrator"
            },
            {
              "finding": "unlisted-partner",
              "severity": "high",
              "partner": {
                "id": "33333333-3333-3333-3333-333333333333",
                "name": "“Fabrikam” (calls itself so; tenant 33333333-3333-3333-3333-333333333333)",
                "listed": false
              },
              "subject": "tenant governance relationship",
              "text": "“Fabrikam” (calls itself so; tenant 33333333-3333-3333-3333-333333333333) governs this tenant by a tenant governance relationship and the policy does not name it.",
              "certain": true,
              "respond": "ticket"
            },
            {
              "finding": "unreadable",
              "severity": "high",
              "partner": {
                "id": null,
                "name": "no known partner",
                "listed": false
              },
              "subject": "guest accounts",
              "text": "Unknown, because the guest accounts could not be read whole: (detail). The application permission it takes: User.Read.All. Unknown with it: guest-with-role, mfa-not-enforced, mfa-exempted, inbound-trust and every other finding about who holds which role.",
              "certain": false,
              "respond": "ticket"
            }
          ],
          "gaps": [
            {
              "part": "guests",
              "what": "guest accounts",
              "cause": "denied",
              "detail": "(detail)",
              "permission": "User.Read.All",
              "blinds": [
                "privileged-role"
              ]
            }
          ]
        }
      ],
      "rules": {
        "privileged-role": {
          "why": "…",
          "mend": "…",
          "page": "…"
        },
        "role-not-allowed": {
          "why": "…",
          "mend": "…",
          "page": "…"
        },
        "unlisted-partner": {
          "why": "…",
          "mend": "…",
          "page": "…"
        },
        "unreadable": {
          "why": "…",
          "mend": "…",
          "page": "…"
        }
      }
    }
    "#);
}

#[test]
fn every_field_of_the_json_is_described_on_its_page() {
    let page = include_str!("../../docs/scan.md");
    let mut case = hostile("name").except("User Administrator", "2026-12-24T18:00Z");
    case.facts.delegated_access.insert(CONTOSO.parse().unwrap(), true);
    let json = serde_json::to_value(view(&case.facts, &case.policy())).unwrap();
    let mut keys = Vec::new();
    names(&json, &mut keys);
    keys.sort_unstable();
    keys.dedup();
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys.iter().filter(|key| !key.contains('-') && **key != "unreadable") {
        assert!(page.contains(&format!("`{key}`")), "docs/scan.md does not describe {key}");
    }
}

fn names<'a>(json: &'a Value, found: &mut Vec<&'a str>) {
    match json {
        Value::Object(fields) => {
            for (key, value) in fields {
                found.push(key);
                names(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_partners_own_tenant_is_told_by_its_customers() {
    let policy = "version: 1\ntenants:\n  - id: 22222222-2222-2222-2222-222222222222\n    name: Contoso\n    \
                  side: partner\n    customers:\n      - {id: 11111111-1111-1111-1111-111111111111, name: Woodgrove}\n";
    let policy = Policy::parse(policy).unwrap().policy;
    let mut facts = Facts::default();
    let with = |name: &str, customer: &str, extends: &str| DelegatedAdminRelationship {
        customer: Some(Customer {
            tenant_id: Some(customer.to_owned()),
            display_name: Some("whatever".to_owned()),
        }),
        status: Some("active".to_owned()),
        end_date_time: Some("2027-03-31T00:00:00Z".parse().unwrap()),
        auto_extend_duration: Some(extends.to_owned()),
        ..relationship(name)
    };
    facts.relationships = vec![
        with("Support", "11111111-1111-1111-1111-111111111111", "PT0S"),
        with("Migration", "33333333-3333-3333-3333-333333333333", "P180D"),
    ];
    facts.delegated_access.insert("33333333-3333-3333-3333-333333333333".parse().unwrap(), true);
    let view = view(&facts, &policy);
    let said = text(&view, PLAIN);
    let (customers, _) = said.split_once("\nFindings").unwrap_or((&said, ""));
    insta::assert_snapshot!(customers, @r"
    Contoso (22222222-2222-2222-2222-222222222222)
    a partner's own tenant, its customers, read 2026-11-23 12:00 UTC

    Woodgrove (11111111-1111-1111-1111-111111111111)
    Relationship   Roles                           Status   Until        Extends
    ────────────────────────────────────────────────────────────────────────────
    Support        Global Administrator, Support   active   2027-03-31   no

    unnamed tenant 33333333-3333-3333-3333-333333333333, not named by the policy:
    lets this partner administer by the old, unlimited way (DAP)
    Relationship   Roles                             Status   Until        Extends
    ──────────────────────────────────────────────────────────────────────────────
    Migration      Global Administrator, Migration   active   2027-03-31   P180D
    ");
}

fn verdict_of(case: &Case) -> Verdict {
    let policy = case.policy();
    let tenant = policy.roster.tenants.first().unwrap();
    let read_at: Timestamp = noon();
    verdict(&[scanned(&case.facts, tenant, &policy, read_at, noon())], &policy)
}

#[test]
fn a_scan_comes_to_what_its_exit_code_says() {
    let found = || Case::new().foreign_group("AdminAgents", "Global Administrator");
    let unsure =
        || Case::new().unresolvable("99999999-0000-0000-0000-000000000000", "Reports Reader");
    let ignore = "respond: {privileged-role: {do: ignore}, role-not-allowed: {do: ignore}, unreadable: {do: ignore}}";
    for (case, code) in [
        (Case::new(), 0),
        (found(), 1),
        (Case::new().gap(Part::Guests, GapCause::Denied), 2),
        (Case::new().gap(Part::RoleAssignments, GapCause::SignInRefused), 2),
        (found().gap(Part::Guests, GapCause::Unavailable), 1),
        // What is not proven is a finding, unless what was not read could prove or disprove it.
        (unsure(), 1),
        (unsure().gap(Part::Guests, GapCause::Denied), 2),
        (found().with_policy(ignore), 0),
        (Case::new().gap(Part::Guests, GapCause::Denied).with_policy(ignore), 2),
    ] {
        assert_eq!(verdict_of(&case).exit_code(), code, "{:#?}", case.findings());
    }
}

#[test]
fn one_tenant_that_was_not_read_makes_several_unknown() {
    let (clean, unread) = (Case::new(), Case::new().gap(Part::Guests, GapCause::Denied));
    let policy = clean.policy();
    let tenant = policy.roster.tenants.first().unwrap();
    let scans = [&clean, &unread].map(|case| scanned(&case.facts, tenant, &policy, noon(), noon()));
    assert_eq!(verdict(&scans, &policy), Verdict::Unknown);
    let said = text(&View::new(&scans, &policy), Paper { width: 120, colours: false });
    let last =
        "2 tenants: nothing was seen that breaks the policy; 1 part could not be read whole.\n";
    assert!(said.contains(last), "{said}");
}

//! A tenant in which everything is wrong between a customer and its partners, and one in which
//! everything only looks so.

use std::collections::BTreeMap;

use super::testing::{Case, STRANGER};
use super::{Finding, FindingName, rules};
use crate::domain::facts::{GapCause, Part};

const SUPPORT: &str = "b4c546a4-7dac-46a6-a7dd-ed822a11efd3";
const MICROSOFT: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";
const MAIL_READ_WRITE: &str = "e2a3a72e-5f79-4c64-b1b1-878b674786c9";

/// What is about conditional access, or about a partner's own tenant.
const ELSEWHERE: [FindingName; 8] = [
    FindingName::MfaNotEnforced,
    FindingName::MfaExempted,
    FindingName::InboundTrust,
    FindingName::GdapGlobalAdministrator,
    FindingName::GdapAutoExtend,
    FindingName::GdapTooLong,
    FindingName::GdapRoleNotAllowed,
    FindingName::DapActive,
];

fn here(case: &Case) -> Vec<Finding> {
    let found = case.findings().into_iter();
    found.filter(|finding| !ELSEWHERE.contains(&finding.finding)).collect()
}

/// What may not be told: everybody here has a right to what they have.
fn look_alikes() -> Case {
    Case::new()
        .allow(&["Directory Readers", "Global Reader", MAIL_READ_WRITE])
        .require("eligible: true")
        .member("Megan", "Global Administrator")
        .own_group("Operators", "User Administrator")
        .member_in("Operators", "Lee")
        .guest_in("Operators", "Dan", "dan@customer.example")
        .own_app("Backup", "Application Administrator")
        .guest("Bob", "bob@customer.example", "User Administrator")
        .foreign_group("Readers", "Global Reader")
        .activated("Readers", "Global Reader", "2026-11-23T18:00:00Z")
        .account("svc-reader@woodgrove.example")
        .eligible("svc-reader@woodgrove.example", "Directory Readers", None)
        .app_with("Contoso Mail", MAIL_READ_WRITE, "Microsoft Graph")
        .app_of(MICROSOFT, "Office", MAIL_READ_WRITE, "Microsoft Graph")
        .service_provider(SUPPORT)
        .microsoft_support("Microsoft 365 Support Engineer")
        .provider_since(SUPPORT, "2026-11-20T08:00:00Z")
        .own_organisation("77777777-7777-7777-7777-777777777777")
        .collaborator("66666666-6666-6666-6666-666666666666")
}

#[test]
fn nothing_is_said_of_what_only_looks_wrong() {
    assert_eq!(here(&look_alikes()), []);
}

#[test]
fn each_finding_is_raised_once_where_its_condition_is_met_once() {
    let case = look_alikes()
        // Privileged, not allowed, a guest's, through a group, all the time, allowed once, back.
        .except("Security Administrator", "2026-11-01T00:00Z")
        .own_group("Admins", "Security Administrator")
        .guest_in("Admins", "Alice", "alice@contoso-reseller.example")
        .taken_away("Security Administrator", 1)
        .app_with("Contoso Sync", "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8", "Microsoft Graph")
        .account_missing("svc-contoso@woodgrove.example")
        .service_provider(STRANGER)
        .provider_since(SUPPORT, "2026-10-01T08:00:00Z")
        .unresolvable("dddddddd-0000-0000-0000-000000000001", "Reports Reader")
        .gap(Part::ServiceProviderConstraints, GapCause::Denied);
    let mut often: BTreeMap<FindingName, Vec<String>> = BTreeMap::new();
    for finding in here(&case) {
        often.entry(finding.finding).or_default().push(finding.text);
    }
    for rule in rules().filter(|rule| !ELSEWHERE.contains(&rule.name)) {
        let texts = often.remove(&rule.name).unwrap_or_default();
        assert_eq!(texts.len(), 1, "{}: {texts:#?}", rule.name);
    }
    assert!(often.is_empty(), "{often:#?}");
}

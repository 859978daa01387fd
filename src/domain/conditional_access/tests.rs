//! What makes somebody use MFA, and what only looks like it.
#![expect(clippy::needless_pass_by_value, reason = "a case is built where it is used")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{EVERY_TYPE, external, lay, policy};
use super::{
    ConditionalAccessPolicy, DirectoryUser, Mfa, Policies, ServiceProvider, SignInIdentity,
    UserKind, mfa,
};
use crate::domain::id::{PartnerId, PrincipalId};
use crate::domain::role::{self, RoleTemplateId};

const CONTOSO: &str = "22222222-2222-2222-2222-222222222222";
const STRANGER: &str = "33333333-3333-3333-3333-333333333333";
const ALICE: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const BOB: &str = "aaaaaaaa-0000-0000-0000-000000000002";
const TEAM: &str = "bbbbbbbb-0000-0000-0000-000000000001";
const BREAK_GLASS: &str = "bbbbbbbb-0000-0000-0000-000000000002";
const AZURE: &str = "797f4846-ba00-4fd7-ba43-dac1f8f63013";

fn users(changes: Value) -> Value {
    policy("P", json!({"conditions": {"users": changes}}))
}

fn conditions(changes: Value) -> Value {
    policy("P", json!({ "conditions": changes }))
}

fn controls(changes: Value) -> Value {
    policy("P", json!({ "grantControls": changes }))
}

/// Who signs in, with all that belongs to it.
#[derive(Debug, Clone, Default)]
struct Who {
    user: Option<PrincipalId>,
    flagged: bool,
    kind: Option<UserKind>,
    home: Option<PartnerId>,
    groups: Option<BTreeSet<PrincipalId>>,
    roles: Option<BTreeSet<RoleTemplateId>>,
    may_activate: Option<BTreeSet<RoleTemplateId>>,
}

fn technician() -> Who {
    Who { flagged: true, ..Who::default() }
}

fn guest() -> Who {
    Who {
        user: Some(PrincipalId::new(ALICE)),
        kind: Some(UserKind::B2bCollaborationGuest),
        home: Some(CONTOSO.parse().unwrap()),
        groups: Some(BTreeSet::new()),
        roles: Some(BTreeSet::new()),
        may_activate: Some(BTreeSet::new()),
        ..Who::default()
    }
}

fn account() -> Who {
    Who { kind: Some(UserKind::Member), home: None, ..guest() }
}

impl Who {
    fn in_group(mut self, group: &str) -> Self {
        self.groups.get_or_insert_default().insert(PrincipalId::new(group));
        self
    }

    fn with_role(mut self, name: &str) -> Self {
        let role = role::by_name(name).unwrap().template_id;
        self.roles.get_or_insert_default().insert(role);
        self
    }

    fn eligible_for(mut self, name: &str) -> Self {
        let role = role::by_name(name).unwrap().template_id;
        self.may_activate.get_or_insert_default().insert(role);
        self
    }

    fn identity(&self) -> SignInIdentity<'_> {
        match &self.user {
            None => SignInIdentity::ServiceProvider(ServiceProvider {
                partner: CONTOSO.parse().unwrap(),
                is_flagged: self.flagged,
                roles: self.roles.as_ref(),
            }),
            Some(id) => SignInIdentity::User(DirectoryUser {
                id,
                kind: self.kind,
                home: self.home,
                groups: self.groups.as_ref(),
                roles: self.roles.as_ref(),
                may_activate: self.may_activate.as_ref(),
            }),
        }
    }
}

fn role_id(name: &str) -> String {
    role::by_name(name).unwrap().template_id.to_string()
}

fn verdict(policies: &[Value], security_defaults: Option<bool>, who: &Who) -> Mfa {
    let policies: Vec<_> = policies.iter().map(ConditionalAccessPolicy::of).collect();
    let policies = Policies { policies: &policies, complete: true, security_defaults };
    mfa(&policies, &who.identity())
}

fn told(mfa: &Mfa) -> String {
    mfa.to_string()
}

#[track_caller]
fn check(policy: Value, who: Who, expect: &str) {
    check_all(&[policy], &who, expect);
}

#[track_caller]
fn check_all(policies: &[Value], who: &Who, expect: &str) {
    assert_eq!(told(&verdict(policies, Some(false), who)), expect);
}

#[test]
fn a_policy_for_all_users_and_everything_covers_everybody() {
    for who in [technician(), guest(), account(), Who { flagged: false, ..technician() }] {
        check(policy("All", json!({})), who, "enforced by All");
    }
}

#[test]
fn without_any_policy_nothing_is_enforced() {
    check_all(&[], &technician(), "not enforced");
}

#[test]
fn only_an_enabled_policy_protects() {
    for (state, expect) in [
        (json!("enabled"), "enforced by P"),
        (json!("disabled"), "not enforced: “P” is off"),
        (json!("enabledForReportingButNotEnforced"), "not enforced: “P” is report-only"),
        (json!("enabledForSome"), "cannot be shown: “P” is in a state that is not understood"),
        (json!(7), "cannot be shown: “P” is in a state that is not understood"),
        (Value::Null, "cannot be shown: “P” is in a state that is not understood"),
    ] {
        check(policy("P", json!({ "state": state })), technician(), expect);
    }
}

#[test]
fn mfa_counts_alone_with_and_or_instead_of_itself_but_not_beside_another_way() {
    for (operator, controls_list, expect) in [
        ("OR", json!(["mfa"]), "enforced by P"),
        ("AND", json!(["mfa"]), "enforced by P"),
        ("AND", json!(["mfa", "compliantDevice"]), "enforced by P"),
        ("AND", json!(["mfa", "somethingNew"]), "enforced by P"),
        (
            "OR",
            json!(["mfa", "compliantDevice"]),
            "not enforced: “P” is satisfied by a compliant device in place of MFA",
        ),
        ("AND", json!(["compliantDevice", "domainJoinedDevice"]), "not enforced"),
        ("OR", json!(["compliantDevice"]), "not enforced"),
        ("OR", json!(["passwordChange"]), "not enforced"),
        (
            "OR",
            json!(["mfa", "somethingNew"]),
            "cannot be shown: “P” makes a demand that is not understood",
        ),
        (
            "OR",
            json!(["somethingNew"]),
            "cannot be shown: “P” makes a demand that is not understood",
        ),
        (
            "XOR",
            json!(["mfa", "compliantDevice"]),
            "cannot be shown: “P” joins its demands in a way that is not understood",
        ),
    ] {
        let changes = json!({"operator": operator, "builtInControls": controls_list});
        check(controls(changes), technician(), expect);
    }
}

#[test]
fn terms_of_use_and_custom_controls_are_no_second_factor() {
    let terms = json!(["ce580154-086a-40fd-91df-8a60abac81a0"]);
    check(
        controls(json!({"termsOfUse": terms})),
        guest(),
        "not enforced: “P” is satisfied by terms of use in place of MFA",
    );
    check(controls(json!({"operator": "AND", "termsOfUse": terms})), guest(), "enforced by P");
    check(
        controls(json!({"builtInControls": [], "customAuthenticationFactors": ["RequireDuo"]})),
        guest(),
        "not enforced",
    );
    check(controls(json!({"builtInControls": []})), guest(), "not enforced");
    check(policy("P", json!({"grantControls": null})), guest(), "not enforced");
    check(
        policy("P", json!({"grantControls": "mfa"})),
        guest(),
        "cannot be shown: “P” makes demands that are not understood",
    );
    check(
        controls(json!({"newControl": {"isEnabled": true}})),
        guest(),
        "cannot be shown: “P” makes a demand that is not understood",
    );
}

fn strength(strength: Value) -> Value {
    controls(json!({"builtInControls": [], "authenticationStrength": strength}))
}

#[test]
fn an_authentication_strength_counts_if_every_combination_is_multifactor() {
    let unknown = "cannot be shown: “P” demands an authentication strength of which it cannot be told whether it is MFA";
    for (it, expect) in [
        (json!({"id": "00000000-0000-0000-0000-000000000004"}), "enforced by P"),
        (json!({"id": "x", "requirementsSatisfied": "mfa"}), "enforced by P"),
        (
            json!({"id": "x", "requirementsSatisfied": "mfa", "allowedCombinations": ["fido2", "password,sms", "sms,federatedSingleFactor", "password,x509CertificateSingleFactor"]}),
            "enforced by P",
        ),
        (json!({"id": "x", "allowedCombinations": ["deviceBasedPush"]}), "enforced by P"),
        (json!({"id": "x", "requirementsSatisfied": "none"}), "not enforced"),
        (json!({"id": "x", "allowedCombinations": ["fido2", "password"]}), "not enforced"),
        // One says mfa, but a text message alone is enough: it is not believed.
        (json!({"requirementsSatisfied": "mfa", "allowedCombinations": ["sms"]}), "not enforced"),
        (json!({"id": "x", "allowedCombinations": ["fido2", "telepathy"]}), unknown),
        (json!({"id": "x", "requirementsSatisfied": "unknownFutureValue"}), unknown),
        (json!({"id": "x"}), unknown),
        (json!("x"), unknown),
    ] {
        check(strength(it), technician(), expect);
    }
}

#[test]
fn an_authentication_strength_holds_for_guests_of_entra_tenants_only() {
    let built_in = strength(json!({"id": "00000000-0000-0000-0000-000000000002"}));
    check(built_in.clone(), guest(), "enforced by P");
    check(built_in.clone(), account(), "enforced by P");
    check(
        built_in,
        Who { home: None, ..guest() },
        "cannot be shown: “P” demands an authentication strength, which holds only for guests whose home is an Entra tenant",
    );
}

#[test]
fn to_be_blocked_is_to_be_protected_but_to_be_let_through_a_block_is_no_exemption() {
    let block = |users: Value| {
        policy(
            "Block",
            json!({"conditions": {"users": users}, "grantControls": {"builtInControls": ["block"]}}),
        )
    };
    let contoso = external("serviceProvider", &[CONTOSO]);
    let providers = json!({"includeUsers": [], "includeGuestsOrExternalUsers": external("serviceProvider", &[])});
    check(block(providers.clone()), technician(), "enforced by Block");
    check(block(providers.clone()), guest(), "not enforced");
    // Blocks every other partner.
    let mut others = providers;
    lay(&mut others, json!({ "excludeGuestsOrExternalUsers": contoso }));
    check(block(others), technician(), "not enforced");
    let mut off = block(json!({}));
    lay(&mut off, json!({"state": "enabledForReportingButNotEnforced"}));
    check(off, technician(), "not enforced: “Block” is report-only");
    check(
        controls(json!({"builtInControls": ["block", "mfa"]})),
        technician(),
        "cannot be shown: “P” blocks and grants at once, which is not understood",
    );
    // Not taken for one that nearly protects.
    let mut legacy = block(json!({}));
    lay(&mut legacy, json!({"conditions": {"clientAppTypes": ["exchangeActiveSync", "other"]}}));
    check(legacy, technician(), "not enforced");
}

#[test]
fn a_policy_for_fewer_applications_leaves_the_rest_open() {
    let some = "not enforced: “P” only applies to certain applications";
    for (applications, expect) in [
        (json!({"includeApplications": ["all"]}), "enforced by P"),
        (json!({"includeApplications": [AZURE]}), some),
        (json!({"includeApplications": ["MicrosoftAdminPortals", "Office365"]}), some),
        (json!({"includeApplications": ["None"]}), some),
        (json!({"includeApplications": []}), some),
        (
            json!({"excludeApplications": [AZURE]}),
            "not enforced: “P” leaves out certain applications",
        ),
        (
            json!({"applicationFilter": {"mode": "include", "rule": "…"}}),
            "not enforced: “P” only applies to applications that a filter picks",
        ),
        (
            json!({"includeApplications": [], "includeUserActions": ["urn:user:registerdevice"]}),
            "not enforced: “P” only applies to certain user actions",
        ),
        (
            json!({"includeApplications": [], "includeAuthenticationContextClassReferences": ["c1"]}),
            "not enforced: “P” only applies where an authentication context asks for it",
        ),
        (
            json!({"newKindOfResource": ["x"]}),
            "cannot be shown: “P” names what it is for by “newKindOfResource”, which is not understood",
        ),
        (json!({"newKindOfResource": []}), "enforced by P"),
        (
            Value::Null,
            "cannot be shown: “P” does not say what it is for in a way that is understood",
        ),
    ] {
        check(conditions(json!({ "applications": applications })), technician(), expect);
    }
}

#[test]
fn every_condition_narrows() {
    for (condition, expect) in [
        (json!({"clientAppTypes": ["browser", "mobileAppsAndDesktopClients"]}), "enforced by P"),
        (
            json!({"clientAppTypes": ["browser"]}),
            "not enforced: “P” only applies to certain kinds of clients",
        ),
        (
            json!({"clientAppTypes": ["exchangeActiveSync", "other"]}),
            "not enforced: “P” only applies to certain kinds of clients",
        ),
        (
            json!({"clientAppTypes": []}),
            "cannot be shown: “P” does not say in a way that is understood for which clients it is",
        ),
        (
            json!({"locations": {"includeLocations": ["All"], "excludeLocations": []}}),
            "enforced by P",
        ),
        (
            json!({"locations": {"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}}),
            "not enforced: “P” does not apply at certain locations",
        ),
        (
            json!({"locations": {"includeLocations": ["AllTrusted"], "excludeLocations": []}}),
            "not enforced: “P” only applies at certain locations",
        ),
        (
            json!({"locations": {"includeLocations": ["All"], "includeNetworks": ["x"]}}),
            "cannot be shown: “P” has a condition on locations that is not understood",
        ),
        (
            json!({"platforms": {"includePlatforms": ["all"], "excludePlatforms": []}}),
            "enforced by P",
        ),
        (
            json!({"platforms": {"includePlatforms": ["all"], "excludePlatforms": ["iOS"]}}),
            "not enforced: “P” does not apply on certain platforms",
        ),
        (
            json!({"platforms": {"includePlatforms": ["android", "iOS", "windows", "macOS", "linux"]}}),
            "not enforced: “P” only applies on certain platforms",
        ),
        (
            json!({"signInRiskLevels": ["high", "medium"]}),
            "not enforced: “P” only applies when Microsoft sees a risk in the sign-in",
        ),
        (
            json!({"userRiskLevels": ["high"]}),
            "not enforced: “P” only applies when Microsoft sees a risk in the user",
        ),
        (
            json!({"insiderRiskLevels": "elevated"}),
            "not enforced: “P” only applies when Microsoft Purview sees an insider risk",
        ),
        (
            json!({"authenticationFlows": {"transferMethods": "deviceCodeFlow"}}),
            "not enforced: “P” only applies to certain authentication flows, such as device code",
        ),
        (json!({"authenticationFlows": {"transferMethods": "none"}}), "enforced by P"),
        (
            json!({"devices": {"deviceFilter": {"mode": "exclude", "rule": "device.isCompliant -eq True"}}}),
            "not enforced: “P” only applies to certain devices",
        ),
        (json!({"devices": {"deviceFilter": null, "includeDevices": []}}), "enforced by P"),
        (
            json!({"clientApplications": {"includeServicePrincipals": ["ServicePrincipalsInMyTenant"]}}),
            "not enforced: “P” applies to applications that sign in, not to people",
        ),
        (json!({"times": {"allTimes": true}}), "not enforced: “P” only applies at certain times"),
        (
            json!({"moonPhases": ["full"]}),
            "cannot be shown: “P” has the condition “moonPhases”, which is not understood",
        ),
        (
            json!({"moonPhases": false}),
            "cannot be shown: “P” has the condition “moonPhases”, which is not understood",
        ),
        (
            json!({"moonPhases": null, "moonPhases@odata.type": "#Collection(String)"}),
            "enforced by P",
        ),
    ] {
        check(conditions(condition), technician(), expect);
    }
}

#[test]
fn what_is_not_understood_of_the_policy_itself_never_protects() {
    for (changes, expect) in [
        (
            json!({"partialEnablementStrategy": "ten percent"}),
            "cannot be shown: “P” has the setting “partialEnablementStrategy”, which is not understood",
        ),
        (json!({"partialEnablementStrategy": null}), "enforced by P"),
        (json!({"sessionControls": {"signInFrequency": {"isEnabled": true}}}), "enforced by P"),
        (
            json!({"conditions": "none"}),
            "cannot be shown: “P” has conditions that are not understood",
        ),
        (
            json!({"conditions": {"users": ["All"]}}),
            "cannot be shown: “P” does not say whom it is for in a way that is understood",
        ),
    ] {
        check(policy("P", changes), technician(), expect);
    }
    check_all(
        &[json!(["not", "a", "policy"])],
        &technician(),
        "cannot be shown: “a policy without a name” is in a state that is not understood and has conditions that are not understood and makes demands that are not understood",
    );
    check(
        policy("P", json!({"id": 7})),
        technician(),
        "cannot be shown: “P” is in a state that is not understood and has conditions that are not understood and makes demands that are not understood",
    );
}

#[test]
fn service_providers_and_guests_are_different_people() {
    let for_type = |types: &str, members: &[&str]| {
        users(json!({"includeUsers": [], "includeGuestsOrExternalUsers": external(types, members)}))
    };
    let others = "not enforced: “P” applies to other people only";
    for (types, members, who, expect) in [
        ("serviceProvider", &[][..], technician(), "enforced by P"),
        ("serviceProvider", &[CONTOSO], technician(), "enforced by P"),
        ("serviceProvider", &[STRANGER], technician(), others),
        ("b2bCollaborationGuest", &[], technician(), others),
        ("b2bCollaborationGuest,b2bCollaborationMember", &[CONTOSO], technician(), others),
        ("b2bCollaborationGuest", &[], guest(), "enforced by P"),
        ("b2bCollaborationGuest", &[STRANGER, CONTOSO], guest(), "enforced by P"),
        ("b2bCollaborationGuest", &[STRANGER], guest(), others),
        ("serviceProvider", &[CONTOSO], guest(), others),
        ("b2bCollaborationMember", &[], guest(), others),
        (EVERY_TYPE, &[], guest(), "enforced by P"),
        (EVERY_TYPE, &[], technician(), "enforced by P"),
        (EVERY_TYPE, &[], account(), others),
        ("none", &[], technician(), others),
    ] {
        check(for_type(types, members), who, expect);
    }
}

#[test]
fn the_older_way_to_say_all_guests_covers_technicians_too() {
    let all = users(json!({"includeUsers": ["GuestsOrExternalUsers"]}));
    check(all.clone(), technician(), "enforced by P");
    check(all.clone(), guest(), "enforced by P");
    check(all.clone(), account(), "not enforced: “P” applies to other people only");
    check(
        all,
        Who { kind: None, ..guest() },
        "cannot be shown: “P” applies to all guests and external users, and whether the account is one is not known",
    );
    check(
        users(json!({"excludeUsers": ["GuestsOrExternalUsers"]})),
        technician(),
        "exempted: “P” leaves out all guests and external users",
    );
}

#[test]
fn a_partner_that_is_no_service_provider_here_may_or_may_not_count_as_one() {
    let unflagged = Who { flagged: false, ..technician() };
    let only = |types: &str| {
        users(json!({"includeUsers": [], "includeGuestsOrExternalUsers": external(types, &[])}))
    };
    check(only(EVERY_TYPE), unflagged.clone(), "enforced by P");
    let open = "cannot be shown: “P” applies to service provider users, and the cross-tenant access settings do not have the partner as one";
    check(only("serviceProvider"), unflagged.clone(), open);
    check(only("otherExternalUser"), unflagged.clone(), open);
    check(
        only("b2bCollaborationGuest"),
        unflagged,
        "not enforced: “P” applies to other people only",
    );
}

#[test]
fn external_users_that_are_not_understood_may_be_meant() {
    let include =
        |guests: Value| users(json!({"includeUsers": [], "includeGuestsOrExternalUsers": guests}));
    let tenants = "cannot be shown: “P” applies to external users of tenants that are named in a way that is not understood";
    for (guests, expect) in [
        (json!({"guestOrExternalUserTypes": "serviceProvider", "externalTenants": null}), tenants),
        (json!({"guestOrExternalUserTypes": "serviceProvider", "externalTenants": {}}), tenants),
        (
            json!({"guestOrExternalUserTypes": "serviceProvider", "externalTenants": {"membershipKind": "some"}}),
            tenants,
        ),
        (
            json!({"guestOrExternalUserTypes": "serviceProvider", "externalTenants": {"@odata.type": "#microsoft.graph.conditionalAccessAllExternalTenants"}}),
            "enforced by P",
        ),
        (
            external("unknownFutureValue", &[]),
            "cannot be shown: “P” applies to a kind of external users that is not understood",
        ),
        (
            json!({"guestOrExternalUserTypes": 63, "externalTenants": {}}),
            "cannot be shown: “P” applies to external users named in a way that is not understood",
        ),
    ] {
        check(include(guests), technician(), expect);
    }
    check(
        include(external("b2bCollaborationGuest", &[CONTOSO])),
        Who { home: None, ..guest() },
        "cannot be shown: “P” applies to external users of certain tenants, and where the account comes from is not known",
    );
    check(
        include(external("internalGuest", &[CONTOSO])),
        Who { kind: Some(UserKind::InternalGuest), ..account() },
        "cannot be shown: “P” applies to guests by their home tenant, which local guests do not have",
    );
    check(
        include(json!({"guestOrExternalUserTypes": "internalGuest", "externalTenants": null})),
        Who { kind: Some(UserKind::InternalGuest), ..account() },
        "enforced by P",
    );
}

#[test]
fn users_and_groups_by_id_concern_the_accounts_of_the_directory_alone() {
    let others = "not enforced: “P” applies to other people only";
    let by_user = users(json!({"includeUsers": [ALICE.to_uppercase()]}));
    check(by_user.clone(), account(), "enforced by P");
    check(by_user, technician(), others);
    check(users(json!({"includeUsers": [BOB]})), account(), others);
    check(users(json!({"includeUsers": ["None"]})), account(), others);
    check(
        users(json!({"includeUsers": ["AllAgentIdUsers"]})),
        account(),
        "cannot be shown: “P” applies to users named in a way that is not understood",
    );
    let by_group = users(json!({"includeUsers": [], "includeGroups": [TEAM]}));
    check(by_group.clone(), account().in_group(TEAM), "enforced by P");
    check(by_group.clone(), account().in_group(BREAK_GLASS), others);
    check(by_group.clone(), technician(), others);
    check(
        by_group,
        Who { groups: None, ..account() },
        "cannot be shown: “P” applies to groups, and which groups the account is in is not known",
    );
}

#[test]
fn roles_concern_those_who_are_known_to_hold_them() {
    let others = "not enforced: “P” applies to other people only";
    let by_role =
        users(json!({"includeUsers": [], "includeRoles": [role_id("Global Administrator")]}));
    check(by_role.clone(), account().with_role("Global Administrator"), "enforced by P");
    check(by_role.clone(), account().with_role("Reports Reader"), others);
    check(
        by_role.clone(),
        Who { roles: None, ..account() },
        "cannot be shown: “P” applies to holders of certain roles, and which roles are held is not known",
    );
    check(by_role.clone(), technician().with_role("Reports Reader"), others);
    check(
        by_role,
        technician().with_role("Global Administrator"),
        "cannot be shown: “P” applies to holders of the role Global Administrator, and Microsoft does not say whether a partner's technicians count",
    );
    check(
        users(json!({"includeUsers": [], "includeRoles": ["Global Administrator"]})),
        account().with_role("Reports Reader"),
        "cannot be shown: “P” applies to roles named in a way that is not understood",
    );
}

#[test]
fn exclusion_beats_inclusion() {
    for (exclusion, who, expect) in [
        (
            json!({"excludeGuestsOrExternalUsers": external("serviceProvider", &[CONTOSO])}),
            technician(),
            "exempted: “P” leaves out service provider users of this partner",
        ),
        (
            json!({"excludeGuestsOrExternalUsers": external(EVERY_TYPE, &[])}),
            technician(),
            "exempted: “P” leaves out service provider users of this partner",
        ),
        (
            json!({"excludeGuestsOrExternalUsers": external("serviceProvider", &[STRANGER])}),
            technician(),
            "enforced by P",
        ),
        (
            json!({"excludeGuestsOrExternalUsers": external("b2bCollaborationGuest", &[CONTOSO])}),
            technician(),
            "enforced by P",
        ),
        (
            json!({"excludeGuestsOrExternalUsers": external("b2bCollaborationGuest", &[CONTOSO])}),
            guest(),
            "exempted: “P” leaves out guest users of this partner",
        ),
        (
            json!({"excludeUsers": [ALICE]}),
            account(),
            "exempted: “P” leaves out this account by name",
        ),
        (json!({"excludeUsers": [ALICE]}), technician(), "enforced by P"),
        (json!({"excludeUsers": [BOB]}), account(), "enforced by P"),
        (
            json!({"excludeGroups": [TEAM]}),
            account().in_group(TEAM),
            "exempted: “P” leaves out a group the account is in",
        ),
        (json!({"excludeGroups": [BREAK_GLASS]}), account().in_group(TEAM), "enforced by P"),
        (json!({"excludeGroups": [BREAK_GLASS]}), technician(), "enforced by P"),
        (
            json!({"excludeGroups": [BREAK_GLASS]}),
            Who { groups: None, ..account() },
            "cannot be shown: “P” leaves out groups, and which groups the account is in is not known",
        ),
        (
            json!({"excludeRoles": [role_id("Global Administrator")]}),
            account().with_role("Global Administrator"),
            "exempted: “P” leaves out holders of the role Global Administrator",
        ),
        (
            json!({"excludeRoles": [role_id("Global Administrator")]}),
            technician().with_role("Global Administrator"),
            "cannot be shown: “P” leaves out holders of the role Global Administrator, and Microsoft does not say whether a partner's technicians count",
        ),
        (
            json!({"excludeNewKind": ["x"]}),
            technician(),
            "cannot be shown: “P” leaves out people named in a way that is not understood",
        ),
    ] {
        check(users(exclusion), who, expect);
    }
}

#[test]
fn a_role_that_may_be_activated_may_let_its_holder_off_and_protects_nobody_before() {
    let without = users(json!({"excludeRoles": [role_id("Global Administrator")]}));
    check(
        without.clone(),
        account().eligible_for("Global Administrator"),
        "cannot be shown: “P” leaves out holders of the role Global Administrator, which the account may activate",
    );
    check(without.clone(), account().eligible_for("Reports Reader"), "enforced by P");
    check(
        without,
        Who { may_activate: None, ..account() },
        "cannot be shown: “P” leaves out holders of certain roles, and which roles may be activated is not known",
    );
    let only =
        users(json!({"includeUsers": [], "includeRoles": [role_id("Global Administrator")]}));
    check(
        only,
        account().eligible_for("Global Administrator"),
        "not enforced: “P” applies to other people only",
    );
}

#[test]
fn an_exclusion_from_what_would_not_protect_anyway_is_no_exemption() {
    let out = external("serviceProvider", &[CONTOSO]);
    let mut risk = users(json!({ "excludeGuestsOrExternalUsers": out }));
    lay(&mut risk, json!({"conditions": {"signInRiskLevels": ["high"]}}));
    check(
        risk,
        technician(),
        "not enforced: “P” leaves out service provider users of this partner and only applies when Microsoft sees a risk in the sign-in",
    );
    let device = json!({
        "conditions": {"users": {"excludeGuestsOrExternalUsers": external("serviceProvider", &[])}},
        "grantControls": {"builtInControls": ["compliantDevice"]},
    });
    check(policy("P", device), technician(), "not enforced");
    // Out of a policy they were never in.
    let never = json!({
        "includeUsers": [],
        "includeGroups": [TEAM],
        "excludeGuestsOrExternalUsers": external("serviceProvider", &[]),
    });
    check(users(never), technician(), "not enforced: “P” applies to other people only");
}

#[test]
fn one_policy_that_enforces_is_enough_whatever_the_others_say() {
    let exempts = policy(
        "Exempts",
        json!({"conditions": {"users": {"excludeGuestsOrExternalUsers": external("serviceProvider", &[CONTOSO])}}}),
    );
    let own = policy(
        "Partners",
        json!({"conditions": {"users": {"includeUsers": [], "includeGuestsOrExternalUsers": external("serviceProvider", &[])}}}),
    );
    let strange = policy("Strange", json!({"conditions": {"moonPhases": ["full"]}}));
    check_all(&[exempts.clone(), own, strange.clone()], &technician(), "enforced by Partners");
    check_all(
        &[exempts, strange],
        &technician(),
        "cannot be shown: “Strange” has the condition “moonPhases”, which is not understood; “Exempts” leaves out service provider users of this partner",
    );
}

#[test]
fn near_misses_are_told_the_nearest_first() {
    let far = json!({"state": "disabled", "conditions": {"signInRiskLevels": ["high"]}});
    check_all(
        &[policy("Far", far), policy("Near", json!({"state": "disabled"}))],
        &technician(),
        "not enforced: “Near” is off; “Far” is off and only applies when Microsoft sees a risk in the sign-in",
    );
}

#[test]
fn several_policies_may_cover_everything_together() {
    let apps = |name: &str, include: Value, exclude: Value| {
        let applications = json!({"includeApplications": include, "excludeApplications": exclude});
        policy(name, json!({"conditions": {"applications": applications}}))
    };
    let most = apps("Most", json!(["All"]), json!([AZURE, "Office365"]));
    let rest = apps("Rest", json!(["Office365", AZURE]), json!([]));
    check_all(&[most.clone(), rest], &technician(), "enforced by Most, Rest");
    check_all(
        &[most.clone(), apps("Azure", json!([AZURE]), json!([]))],
        &technician(),
        "not enforced: “Azure” only applies to certain applications; “Most” leaves out certain applications",
    );
    // The rest is covered, but for something that is not understood.
    let mut strange = apps("Strange", json!(["Office365", AZURE]), json!([]));
    lay(&mut strange, json!({"conditions": {"moonPhases": ["full"]}}));
    check_all(
        &[most.clone(), strange],
        &technician(),
        "cannot be shown: “Strange” only applies to certain applications and has the condition “moonPhases”, which is not understood; “Most” leaves out certain applications",
    );
    // The rest is covered, but only at a risk.
    let mut risky = apps("Risky", json!(["Office365", AZURE]), json!([]));
    lay(&mut risky, json!({"conditions": {"signInRiskLevels": ["high"]}}));
    let verdict = told(&verdict(&[most, risky], Some(false), &technician()));
    assert!(verdict.starts_with("not enforced: "), "{verdict}");

    let clients =
        |name: &str, types: Value| policy(name, json!({"conditions": {"clientAppTypes": types}}));
    let browser = clients("Browser", json!(["browser"]));
    let modern = clients("Modern", json!(["mobileAppsAndDesktopClients", "other"]));
    check_all(&[browser.clone(), modern], &technician(), "enforced by Browser, Modern");
    check_all(
        &[browser.clone(), browser],
        &technician(),
        "not enforced: “Browser” only applies to certain kinds of clients; “Browser” only applies to certain kinds of clients",
    );

    let places = |name: &str, locations: Value| {
        policy(name, json!({"conditions": {"locations": locations}}))
    };
    let away =
        places("Away", json!({"includeLocations": ["All"], "excludeLocations": ["AllTrusted"]}));
    let here = places("Here", json!({"includeLocations": ["AllTrusted"]}));
    let most_here = places(
        "Here but Hq",
        json!({"includeLocations": ["AllTrusted"], "excludeLocations": ["hq"]}),
    );
    let strange_here =
        places("Strange", json!({"includeLocations": ["AllTrusted"], "includeNetworks": ["x"]}));
    for not_all in [most_here, strange_here] {
        let verdict = told(&self::verdict(&[away.clone(), not_all], Some(false), &technician()));
        assert!(!verdict.starts_with("enforced"), "{verdict}");
    }
    let here_not = places("Hq", json!({"includeLocations": ["All"], "excludeLocations": ["hq"]}));
    check_all(&[away.clone(), here], &technician(), "enforced by Away, Here");
    // Two that each leave a place out do not make up for each other: the places may overlap.
    let verdict = told(&self::verdict(&[away, here_not], Some(false), &technician()));
    assert!(verdict.starts_with("not enforced: "), "{verdict}");
}

#[test]
fn security_defaults_cover_some_administrators_and_are_open_for_the_rest() {
    let admin = account().with_role("Exchange Administrator");
    assert_eq!(told(&verdict(&[], Some(true), &admin)), "enforced by security defaults");
    let reader = guest().with_role("Global Reader");
    assert_eq!(
        told(&verdict(&[], Some(true), &reader)),
        "cannot be shown: security defaults are on, and they demand MFA at every sign-in only of those who hold certain administrator roles"
    );
    let provider = technician().with_role("Global Administrator");
    assert_eq!(
        told(&verdict(&[], Some(true), &provider)),
        "cannot be shown: security defaults are on, and Microsoft does not say whether they hold for service providers"
    );
    for name in super::ASKED_BY_SECURITY_DEFAULTS {
        assert!(role::by_name(name).is_some_and(|role| role.name == *name), "{name}");
    }
}

#[test]
fn what_was_not_read_may_protect() {
    let unread = "cannot be shown: no conditional access policy is enabled, and whether security defaults are on was not read";
    assert_eq!(told(&verdict(&[], None, &technician())), unread);
    let off = policy("P", json!({"state": "disabled"}));
    assert_eq!(told(&verdict(&[off], None, &technician())), unread);
    // Security defaults cannot be on beside an enabled policy.
    let narrow = conditions(json!({"signInRiskLevels": ["high"]}));
    let verdict = told(&verdict(&[narrow], None, &technician()));
    assert!(verdict.starts_with("not enforced: "), "{verdict}");

    let incomplete = |policies: &[Value]| {
        let policies: Vec<_> = policies.iter().map(ConditionalAccessPolicy::of).collect();
        let policies =
            Policies { policies: &policies, complete: false, security_defaults: Some(false) };
        told(&mfa(&policies, &technician().identity()))
    };
    assert_eq!(
        incomplete(&[]),
        "cannot be shown: not all conditional access policies could be read"
    );
    assert_eq!(incomplete(&[policy("All", json!({}))]), "enforced by All");
}

#[test]
fn names_of_policies_are_made_safe_to_show() {
    let hostile = "A\u{202e}\u{1b}[31m\nB".to_owned() + &"x".repeat(500);
    let told = told(&verdict(&[policy(&hostile, json!({}))], Some(false), &technician()));
    assert!(told.starts_with("enforced by A [31m Bxxx") && told.chars().count() < 150, "{told}");
}

#[test]
fn a_policy_is_written_as_it_was_read() {
    let original = policy(
        "P",
        json!({
            "partialEnablementStrategy": "x",
            "conditions": {
                "moonPhases": ["full"],
                "users": {"includeGuestsOrExternalUsers": external("serviceProvider", &[CONTOSO])}
            }
        }),
    );
    let read = ConditionalAccessPolicy::of(&original);
    let again = ConditionalAccessPolicy::of(&serde_json::to_value(&read).unwrap());
    assert_eq!(read, again);
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(written["conditions"]["moonPhases"], json!(["full"]));
    assert_eq!(written["partialEnablementStrategy"], json!("x"));
}

#[test]
fn a_user_is_what_type_and_name_say_together() {
    use UserKind as Kind;
    let guest_name = Some("alice_contoso.example#EXT#@woodgrove.example");
    let own_name = Some("svc@woodgrove.example");
    for (user_type, name, expect) in [
        (Some("Guest"), guest_name, Some(Kind::B2bCollaborationGuest)),
        (Some("Member"), guest_name, Some(Kind::B2bCollaborationMember)),
        (Some("guest"), own_name, Some(Kind::InternalGuest)),
        (Some("Member"), own_name, Some(Kind::Member)),
        (None, guest_name, None),
        (Some("Member"), None, None),
        (Some("Robot"), own_name, None),
    ] {
        assert_eq!(UserKind::of(user_type, name), expect, "{user_type:?} {name:?}");
    }
}

/// How good a verdict is.
fn rank(mfa: &Mfa) -> u8 {
    match mfa {
        Mfa::Enforced { .. } => 2,
        Mfa::CannotBeShown { .. } => 1,
        Mfa::Exempted { .. } | Mfa::NotEnforced { .. } => 0,
    }
}

fn some_users() -> impl Strategy<Value = Value> {
    let include = prop_oneof![
        Just(json!({"includeUsers": ["All"]})),
        Just(json!({"includeUsers": ["GuestsOrExternalUsers"]})),
        Just(json!({"includeUsers": [ALICE]})),
        Just(json!({"includeUsers": [], "includeGroups": [TEAM]})),
        Just(json!({"includeUsers": [], "includeRoles": [role_id("Global Administrator")]})),
        Just(
            json!({"includeUsers": [], "includeGuestsOrExternalUsers": external("serviceProvider", &[CONTOSO])})
        ),
        Just(
            json!({"includeUsers": [], "includeGuestsOrExternalUsers": external(EVERY_TYPE, &[])})
        ),
    ];
    (include, proptest::option::of(exclusion())).prop_map(|(mut users, exclusion)| {
        lay(&mut users, exclusion.unwrap_or_else(|| json!({})));
        users
    })
}

/// Something more that a policy leaves out, by a member it did not use before or a longer list.
fn exclusion() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"excludeUsers": [ALICE]})),
        Just(json!({"excludeUsers": ["GuestsOrExternalUsers"]})),
        Just(json!({"excludeGroups": [TEAM]})),
        Just(json!({"excludeRoles": [role_id("Global Administrator")]})),
        Just(json!({"excludeGuestsOrExternalUsers": external("serviceProvider", &[CONTOSO])})),
        Just(json!({"excludeGuestsOrExternalUsers": external("b2bCollaborationGuest", &[])})),
        Just(json!({"excludeGuestsOrExternalUsers": {"guestOrExternalUserTypes": 7}})),
    ]
}

fn some_policy() -> impl Strategy<Value = Value> {
    let state = prop_oneof![
        4 => Just(json!("enabled")),
        1 => Just(json!("disabled")),
        1 => Just(json!("enabledForReportingButNotEnforced")),
    ];
    let condition = prop_oneof![
        4 => Just(json!({})),
        1 => Just(json!({"clientAppTypes": ["browser"]})),
        1 => Just(json!({"clientAppTypes": ["mobileAppsAndDesktopClients"]})),
        1 => Just(json!({"applications": {"excludeApplications": [AZURE]}})),
        1 => Just(json!({"applications": {"includeApplications": [AZURE]}})),
        1 => Just(json!({"signInRiskLevels": ["high"]})),
        1 => Just(json!({"moonPhases": ["full"]})),
    ];
    let controls = prop_oneof![
        4 => Just(json!(["mfa"])),
        1 => Just(json!(["block"])),
        1 => Just(json!(["mfa", "compliantDevice"])),
        1 => Just(json!(["somethingNew"])),
    ];
    (state, some_users(), condition, controls).prop_map(|(state, users, condition, controls)| {
        let mut policy = policy("P", json!({"state": state, "conditions": condition}));
        lay(
            &mut policy,
            json!({"conditions": {"users": users}, "grantControls": {"builtInControls": controls}}),
        );
        policy
    })
}

fn somebody() -> impl Strategy<Value = Who> {
    let who = prop_oneof![Just(technician()), Just(guest()), Just(account())];
    (who, 0..3u8, 0..3u8).prop_map(|(who, groups, roles)| {
        let who = match groups {
            0 => Who { groups: None, ..who },
            1 => who.in_group(TEAM),
            _ => who,
        };
        match roles {
            0 => Who { roles: None, ..who },
            1 => who.with_role("Global Administrator"),
            _ => who,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn leaving_more_people_out_never_makes_it_better(
        policies in prop::collection::vec(some_policy(), 1..4),
        more in exclusion(),
        at in any::<prop::sample::Index>(),
        who in somebody(),
    ) {
        let before = verdict(&policies, Some(false), &who);
        let mut after = policies;
        let chosen = at.index(after.len());
        for (name, value) in more.as_object().unwrap() {
            let old = &mut after[chosen]["conditions"]["users"][name];
            if let (Some(old), Some(value)) = (old.as_array_mut(), value.as_array()) {
                old.extend(value.iter().cloned());
            } else if old.is_null() {
                // One that is there already stays: another in its place might leave out fewer.
                *old = value.clone();
            }
        }
        let after = verdict(&after, Some(false), &who);
        prop_assert!(rank(&after) <= rank(&before), "{} became {}", told(&before), told(&after));
    }

    #[test]
    fn turning_a_policy_off_never_makes_it_better(
        policies in prop::collection::vec(some_policy(), 1..4),
        state in prop_oneof![
            Just("disabled"),
            Just("enabledForReportingButNotEnforced"),
        ],
        at in any::<prop::sample::Index>(),
        who in somebody(),
    ) {
        let before = verdict(&policies, Some(false), &who);
        let mut after = policies;
        let chosen = at.index(after.len());
        after[chosen]["state"] = json!(state);
        let after = verdict(&after, Some(false), &who);
        prop_assert!(rank(&after) <= rank(&before), "{} became {}", told(&before), told(&after));
    }

    #[test]
    fn what_is_not_understood_never_makes_it_better(
        policies in prop::collection::vec(some_policy(), 1..4),
        pointer in prop_oneof![
            Just(""),
            Just("/conditions"),
            Just("/conditions/users"),
            Just("/conditions/applications"),
        ],
        value in prop_oneof![Just(json!("x")), Just(json!(["x"])), Just(json!(true)), Just(json!({"a": [1]}))],
        at in any::<prop::sample::Index>(),
        who in somebody(),
    ) {
        let before = verdict(&policies, Some(false), &who);
        let mut after = policies;
        let chosen = at.index(after.len());
        after[chosen].pointer_mut(pointer).unwrap()["somethingNew"] = value;
        let after = verdict(&after, Some(false), &who);
        prop_assert!(rank(&after) <= rank(&before), "{} became {}", told(&before), told(&after));
    }

    #[test]
    fn any_json_whatever_is_judged_and_nothing_strange_protects(
        members in prop::collection::btree_map("[a-zA-Z]{1,12}", any::<bool>(), 1..4),
        who in somebody(),
    ) {
        let strange = json!({"displayName": "P", "state": "enabled", "conditions": members, "grantControls": {"builtInControls": ["mfa"]}});
        prop_assert!(rank(&verdict(&[strange], Some(false), &who)) < 2);
    }
}

//! The built-in scenario with an instance of everything that can be wrong with a partner's power,
//! and of what only looks like it.

use serde_json::{Value, json};

use super::assignment::Assignment;
use super::moment::Moment;
use super::partner_side::{PartnerSide, Relationship};
use super::policies::ServiceProviderConstraints;
use super::principal::Principal;
use super::roles::Role;
use super::scenario::{CLIENT_ID, CONTOSO, INBOX_SECRET, Scenario, WOODGROVE};
use super::tenant::{InboundTrust, PartnerEntry, Tenant};

/// Adatum, a customer of Contoso with which nothing is wrong.
pub const ADATUM: &str = "77777777-7777-7777-7777-777777777777";
/// Northwind Services, a partner of Woodgrove that holds what it may, but for longer than it may.
pub const NORTHWIND: &str = "44444444-4444-4444-4444-444444444444";
/// Tailspin Managed, a partner of Woodgrove that is to activate what it holds.
pub const TAILSPIN: &str = "55555555-5555-5555-5555-555555555555";
/// Fabrikam Consulting, a partner that Woodgrove has forgotten about.
pub const FABRIKAM: &str = "66666666-6666-6666-6666-666666666666";
/// Woodgrove Insurance, of the same multi-tenant organisation as Woodgrove.
pub const WOODGROVE_INSURANCE: &str = "88888888-8888-8888-8888-888888888888";
/// The tenant that Microsoft's own support comes from (Microsoft 365 documentation, "Understanding
/// Microsoft 365 case creation and data access").
pub const MICROSOFT_SUPPORT: &str = "b4c546a4-7dac-46a6-a7dd-ed822a11efd3";
/// The role it holds while a support case is open.
pub const SUPPORT_ENGINEER: &str = "00cf5c54-4693-4f59-a0ac-ab79ef0a974d";
/// A principal of Woodgrove that nobody can resolve.
pub const NOBODY: &str = "99999999-9999-4999-8999-999999999999";

impl Scenario {
    /// A built-in scenario by its name, `woodgrove` or `everything`.
    pub fn built_in(name: &str) -> Option<Self> {
        match name {
            "woodgrove" => Some(Self::woodgrove()),
            "everything" => Some(Self::everything()),
            _ => None,
        }
    }

    /// Woodgrove with at least one instance of everything that can be wrong with a partner's
    /// power, Contoso as the partner it is to its own customers, and Adatum, with which nothing is
    /// wrong. It is meant for a policy under which, in Woodgrove,
    /// - Contoso (`contoso-reseller.example`, accounts `svc-contoso`, `svc-contoso-night`,
    ///   `svc-contoso-old` and `svc-contoso-extra`, all `@woodgrove.example`) may be Directory
    ///   Readers and Service Support Administrator, with multifactor authentication;
    /// - Northwind (`northwind.example`) may be Global Reader, and License Administrator until
    ///   2026-01-31;
    /// - Tailspin (`tailspin.example`) may be Exchange Administrator if it activates it, with
    ///   multifactor authentication;
    /// - nobody else may hold anything;
    ///
    /// and under which, as Contoso's own tenant, a relationship lasts half a year at most and
    /// grants Directory Readers, Service Support Administrator and License Administrator.
    ///
    /// What shows only over time, or only where something cannot be read, a test or a scenario
    /// file adds: a role granted again, a fault.
    pub fn everything() -> Self {
        Self::default()
            .tenant(woodgrove())
            .tenant(contoso())
            .tenant(adatum())
            .sink("security", INBOX_SECRET)
    }
}

fn support_engineer() -> Role {
    Role {
        name: "Microsoft 365 Support Engineer".to_owned(),
        id: Some(SUPPORT_ENGINEER.to_owned()),
        privileged: false,
        built_in: true,
    }
}

/// The group of Microsoft Support, the role it holds, and its cross-tenant access entry, all there
/// since a moment.
fn supported(tenant: Tenant, since: Moment) -> Tenant {
    let engineers = Principal::partner_group("Support Engineers", MICROSOFT_SUPPORT);
    let assignment = Assignment::new("Support Engineers", SUPPORT_ENGINEER).since(since);
    let role = "Microsoft 365 Support Engineer";
    tenant
        .role(support_engineer())
        .partner(MICROSOFT_SUPPORT, "Microsoft Support")
        .constrained(ServiceProviderConstraints::new(MICROSOFT_SUPPORT, &[role], since))
        .principal(engineers, None)
        .assignment(assignment)
}

fn woodgrove() -> Tenant {
    let trusted = InboundTrust { mfa: true, ..InboundTrust::default() };
    let contoso = PartnerEntry {
        tenant_id: CONTOSO.to_owned(),
        is_service_provider: true,
        inbound_trust: Some(trusted),
    };
    let tenant = Tenant::new(WOODGROVE, "Woodgrove")
        .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
        .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator")
        .service_principal("Partner Warden", CLIENT_ID, WOODGROVE, "Directory Readers")
        .known_tenant(CONTOSO, "Contoso Reseller")
        .partner_entry(contoso)
        .partner_group("AdminAgents", CONTOSO, "Global Administrator")
        .partner_group("HelpdeskAgents", CONTOSO, "Service Support Administrator")
        .assignment(Assignment::new("HelpdeskAgents", "Exchange Administrator"))
        .partner(NORTHWIND, "Northwind Services")
        .partner_group("Auditors", NORTHWIND, "Global Reader")
        .partner_group("License Desk", NORTHWIND, None)
        .administrative_unit("Branch Offices", &["Megan Bowen"])
        .assignment(
            Assignment::new("License Desk", "License Administrator")
                .scope("/administrativeUnits/Branch Offices"),
        )
        .partner(TAILSPIN, "Tailspin Managed")
        .partner_group("First Line", TAILSPIN, "Exchange Administrator")
        .partner_group("Second Line", TAILSPIN, None)
        .eligible(
            Assignment::new("Second Line", "Exchange Administrator")
                .since(Moment::days_ago(20))
                .until(Moment::in_days(160)),
        )
        .partner(FABRIKAM, "Fabrikam Consulting")
        .partner_group("Consultants", FABRIKAM, "Directory Readers")
        .governance_relationship(governed(FABRIKAM, "Fabrikam Consulting"))
        .unresolvable(NOBODY, "Security Reader")
        .role(Role::custom("Printer Reader"));
    let tenant = supported(tenant, Moment::days_ago(45));
    let tenant = guests_and_accounts(tenant);
    let tenant = applications(tenant);
    let tenant = look_alikes(tenant);
    conditional_access(tenant)
}

fn guests_and_accounts(tenant: Tenant) -> Tenant {
    let account = |name: &str| Principal::member(name, &format!("{name}@woodgrove.example"));
    tenant
        .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
        .guest("Bob", "bob@contoso-reseller.example", None)
        .group("Tier 2 Helpers", &["Megan Bowen", "Bob"], "Helpdesk Administrator")
        // The account `svc-contoso-night` is missing.
        .principal(account("svc-contoso"), "Service Support Administrator")
        .principal(account("svc-contoso-old").disabled(), None)
        .principal(account("svc-contoso-extra"), "License Administrator")
}

fn applications(tenant: Tenant) -> Tenant {
    let app = |number: u8| format!("aaaaaaaa-0000-4000-8000-{number:012}");
    tenant
        .service_principal("Contoso Monitor", &app(1), CONTOSO, "Security Administrator")
        .service_principal("Contoso Backup", &app(2), CONTOSO, None)
        .app_role("Contoso Backup", "RoleManagement.ReadWrite.Directory")
        .service_principal("Contoso Reports", &app(3), CONTOSO, None)
        .app_role("Contoso Reports", "AuditLog.Read.All")
        .service_principal("Payroll", &app(4), WOODGROVE, None)
        .app_role("Payroll", "Directory.ReadWrite.All")
}

/// What is in order, however much it looks like something that is not.
fn look_alikes(tenant: Tenant) -> Tenant {
    tenant
        .sister_tenant(WOODGROVE_INSURANCE, "Woodgrove Insurance")
        .guest("Carol", "carol@adventure-works.example", "Directory Readers")
        .guest("Dan", "dan@contoso-reseller.example", None)
        .principal(Principal::group("Newsletter", &["Alice", "Dan"]).not_assignable_to_role(), None)
}

fn conditional_access(tenant: Tenant) -> Tenant {
    let named = |tenants: &[&str]| {
        json!({
            "guestOrExternalUserTypes": "b2bCollaborationGuest,serviceProvider",
            "externalTenants": {
                "@odata.type": "#microsoft.graph.conditionalAccessEnumeratedExternalTenants",
                "membershipKind": "enumerated",
                "members": tenants,
            },
        })
    };
    let mut listed = mfa_policy("Providers need MFA", "enabled", "AND", &["mfa"]);
    listed["conditions"]["users"]["includeGuestsOrExternalUsers"] = named(&[NORTHWIND, TAILSPIN]);
    listed["conditions"]["users"]["excludeGuestsOrExternalUsers"] = named(&[TAILSPIN]);
    let mut trial = mfa_policy(
        "Contoso needs MFA (trial)",
        "enabledForReportingButNotEnforced",
        "OR",
        &["mfa"],
    );
    trial["conditions"]["users"]["includeGuestsOrExternalUsers"] = named(&[CONTOSO]);
    let mut either =
        mfa_policy("MFA or a managed device", "enabled", "OR", &["mfa", "compliantDevice"]);
    either["conditions"]["users"]["includeUsers"] = json!(["All"]);
    tenant.conditional_access(listed).conditional_access(trial).conditional_access(either)
}

/// A policy for all applications that applies to nobody yet.
fn mfa_policy(name: &str, state: &str, operator: &str, controls: &[&str]) -> Value {
    json!({
        "displayName": name,
        "createdDateTime": "2026-01-01T00:00:00Z",
        "modifiedDateTime": null,
        "state": state,
        "sessionControls": null,
        "conditions": {
            "signInRiskLevels": [],
            "userRiskLevels": [],
            "clientAppTypes": ["all"],
            "platforms": null,
            "locations": null,
            "applications": {
                "includeApplications": ["All"],
                "excludeApplications": [],
                "includeUserActions": [],
            },
            "users": {
                "includeUsers": [],
                "excludeUsers": [],
                "includeGroups": [],
                "excludeGroups": [],
                "includeRoles": [],
                "excludeRoles": [],
                "includeGuestsOrExternalUsers": null,
                "excludeGuestsOrExternalUsers": null,
            },
        },
        "grantControls": {
            "operator": operator,
            "builtInControls": controls,
            "customAuthenticationFactors": [],
            "termsOfUse": [],
            "authenticationStrength": null,
        },
    })
}

/// A governance relationship in which another tenant governs Woodgrove.
fn governed(by: &str, name: &str) -> Value {
    json!({
        "createdType": "approvedByAdmin",
        "creationDateTime": "2026-06-01T00:00:00Z",
        "governedTenantId": WOODGROVE,
        "governedTenantName": "Woodgrove",
        "governingTenantId": by,
        "governingTenantName": name,
        "status": "active",
        "policySnapshot": {
            "policyId": "default",
            "governedTenantCanTerminate": true,
            "version": 1,
            "multiTenantApplicationsToProvision": [],
            "delegatedAdministrationRoleAssignments": [{
                "groupId": "bbbbbbbb-0000-4000-8000-000000000001",
                "groupDisplayName": "Governance Team",
                "roleTemplates": [
                    { "id": "f2ef992c-3afb-46b9-b7cf-a126ee74c451", "name": "Global Reader" },
                ],
            }],
        },
    })
}

fn contoso() -> Tenant {
    let relationship = |name: &str, customer: &str, roles: &[&str]| {
        Relationship::new(name, customer, roles).lasting("P180D").used_by("HelpdeskAgents")
    };
    let ended = |name: &str, status: &str| {
        relationship(name, WOODGROVE, &["Global Administrator"]).lasting("P730D").status(status)
    };
    let side = PartnerSide::default()
        .customer(WOODGROVE, "Woodgrove", true)
        .customer(ADATUM, "Adatum", false)
        .relationship(relationship("Everything", WOODGROVE, &["Global Administrator"]))
        .relationship(relationship("Mail", WOODGROVE, &["Exchange Administrator"]))
        .relationship(relationship("Forever", ADATUM, &["Directory Readers"]).auto_extending())
        .relationship(
            relationship("Long", ADATUM, &["Service Support Administrator"]).lasting("P730D"),
        )
        .relationship(relationship("Licenses", ADATUM, &["License Administrator"]))
        .relationship(ended("Migration", "terminated"))
        .relationship(ended("Onboarding", "expired"));
    Tenant::new(CONTOSO, "Contoso Reseller")
        .member("Ravi", "ravi@contoso-reseller.example", "Global Administrator")
        .group("AdminAgents", &["Ravi"], None)
        .group("HelpdeskAgents", &["Ravi"], None)
        .partner_side(side)
}

fn adatum() -> Tenant {
    let mut everyone = mfa_policy("Everyone needs MFA", "enabled", "OR", &["mfa"]);
    everyone["conditions"]["users"]["includeUsers"] = json!(["All"]);
    let tenant = Tenant::new(ADATUM, "Adatum")
        .member("Nestor", "nestor@adatum.example", "Global Administrator")
        .service_principal("Partner Warden", CLIENT_ID, ADATUM, "Directory Readers")
        .partner(CONTOSO, "Contoso Reseller")
        .partner_group("HelpdeskAgents", CONTOSO, "Service Support Administrator")
        .guest("Erin", "erin@contoso-reseller.example", None)
        .conditional_access(everyone);
    supported(tenant, Moment::days_ago(2))
}

//! The ways in which a partner holds power beside a role assignment of its own, and what ends each.

use partner_warden::adapters::http::{Http, Patience};
use partner_warden::sim::{
    Assignment, CLIENT_ID, CLIENT_SECRET, CONTOSO, INBOX_SECRET, Scenario, Tenant, WOODGROVE,
};
use serde_json::{Value, json};

use crate::harness::Town;

/// Woodgrove's policy in `enforce`, which takes permissions of applications away too.
pub(crate) const ENFORCE: &str = "version: 1
mode: enforce
tenants:
  - id: 11111111-1111-1111-1111-111111111111
    name: Woodgrove
    partners:
      - id: 22222222-2222-2222-2222-222222222222
        name: Contoso Reseller
        domains: [contoso-reseller.example]
respond:
  privileged-role: {do: revoke, ticket: security}
  role-not-allowed: {do: revoke, ticket: security}
  guest-with-role: {do: revoke, ticket: security}
  role-via-group: {do: record}
  standing-access: {do: ignore}
  partner-app-privileged: {do: revoke, ticket: security}
tickets:
  security: {kind: webhook, url: \"SINK\"}
";

const ROLE: &str = "User Administrator";
const ALICE: &str = "alice@contoso-reseller.example";

/// A way to hold power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It may be activated.
    Eligible,
    /// By a schedule that no role assignment shows.
    Scheduled,
    /// By being in a group.
    Member,
    /// By being in a group that is in the group.
    Nested,
    /// By a permission of an application.
    AppRole,
}

impl Way {
    pub(crate) const ALL: [Self; 5] =
        [Self::Eligible, Self::Scheduled, Self::Member, Self::Nested, Self::AppRole];

    /// A tenant in which Contoso holds power in this way, and in no other.
    pub(crate) fn scenario(self) -> Scenario {
        let tenant = Tenant::new(WOODGROVE, "Woodgrove").member(
            "Megan Bowen",
            "megan@woodgrove.example",
            "Global Administrator",
        );
        let alice = |tenant: Tenant| tenant.guest("Alice", ALICE, None);
        let tenant = match self {
            Self::Eligible => alice(tenant).eligible(Assignment::new("Alice", ROLE)),
            Self::Scheduled => alice(tenant).derived_instance(Assignment::new("Alice", ROLE)),
            Self::Member => alice(tenant).group("Admins", &["Alice", "Megan Bowen"], ROLE),
            Self::Nested => alice(tenant).group("Help", &["Alice", "Megan Bowen"], None).group(
                "Admins",
                &["Help"],
                ROLE,
            ),
            Self::AppRole => tenant
                .service_principal("Backup", "aaaaaaaa-0000-4000-8000-000000000001", CONTOSO, None)
                .app_role("Backup", "RoleManagement.ReadWrite.Directory")
                .app_role("Backup", "User.Read.All"),
        };
        Scenario::default().tenant(tenant).sink("security", INBOX_SECRET)
    }

    /// The method of the call that ends it, and a part of its path.
    pub(crate) fn call(self) -> (&'static str, &'static str) {
        match self {
            Self::Eligible => ("POST", "/roleManagement/directory/roleEligibilityScheduleRequests"),
            Self::Scheduled => ("POST", "/roleManagement/directory/roleAssignmentScheduleRequests"),
            Self::Member | Self::Nested => ("DELETE", "/members/"),
            Self::AppRole => ("DELETE", "/appRoleAssignments/"),
        }
    }

    /// A read in which it shows whether it is gone: method, a part of its path, and how many such
    /// reads come before the first after the call.
    pub(crate) fn read_again(self) -> (&'static str, &'static str, usize) {
        match self {
            Self::Eligible => ("GET", "/directory/roleEligibilityScheduleInstances", 1),
            Self::Scheduled => ("GET", "/directory/roleAssignmentScheduleInstances", 1),
            Self::Member | Self::Nested => ("GET", "/transitiveMembers", 1),
            Self::AppRole => ("GET", "/servicePrincipals?$filter=appOwnerOrganizationId", 1),
        }
    }

    /// What the step is called.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Eligible => {
                "revoke eligibility for User Administrator from Alice \
                 (alice_contoso-reseller.example#EXT#@woodgrove.example)"
            }
            Self::Scheduled => {
                "revoke User Administrator from Alice \
                 (alice_contoso-reseller.example#EXT#@woodgrove.example)"
            }
            Self::Member => {
                "take Alice (alice_contoso-reseller.example#EXT#@woodgrove.example) out of Admins, \
                 which holds User Administrator"
            }
            Self::Nested => {
                "take Alice (alice_contoso-reseller.example#EXT#@woodgrove.example) out of Help, \
                 which is in Admins, which holds User Administrator"
            }
            Self::AppRole => {
                "revoke the permission RoleManagement.ReadWrite.Directory of Microsoft Graph from \
                 Backup"
            }
        }
    }

    /// Gives it back, as an administrator elsewhere would.
    pub(crate) async fn give_back(self, town: &Town) {
        let id = |name: &str| town.sim.principal_id(WOODGROVE, name).unwrap();
        let (path, body) = match self {
            Self::Member => return town.sim.put_into(WOODGROVE, "Admins", "Alice").unwrap(),
            Self::Nested => return town.sim.put_into(WOODGROVE, "Help", "Alice").unwrap(),
            Self::Scheduled => panic!("what is assigned anew has an assignment of its own"),
            Self::Eligible => (
                "roleManagement/directory/roleEligibilityScheduleRequests".to_owned(),
                json!({
                    "action": "adminAssign",
                    "principalId": id("Alice"),
                    "roleDefinitionId": "fe930be7-5e62-47db-91af-98c3a49a38b1",
                    "directoryScopeId": "/",
                    "justification": "Again",
                    "scheduleInfo": {"expiration": {"type": "noExpiration"}},
                }),
            ),
            Self::AppRole => (
                format!("servicePrincipals/{}/appRoleAssignments", id("Backup")),
                json!({
                    "principalId": id("Backup"),
                    "resourceId": id("Microsoft Graph"),
                    "appRoleId": "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8",
                }),
            ),
        };
        assert_eq!(somebody_asks(town, "POST", &path, &body).await, 201);
    }
}

/// What somebody else changes in Woodgrove by way of Graph; returns the status of the answer.
pub(crate) async fn somebody_asks(town: &Town, method: &str, path: &str, body: &Value) -> u16 {
    let http = Http::new(Patience::default()).unwrap();
    let origin = town.sim.origin();
    let login = format!("{origin}{WOODGROVE}/oauth2/v2.0/token");
    let scope = format!("{origin}.default");
    let form = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("grant_type", "client_credentials"),
        ("scope", &scope),
    ];
    let token = http.once("sim", |client| client.post(&login).form(&form)).await.unwrap();
    let token: Value = serde_json::from_slice(&token.body).unwrap();
    let token = token["access_token"].as_str().unwrap();
    let url = format!("{origin}v1.0/{path}");
    let ask = |client: &reqwest::Client| {
        client.request(method.parse().unwrap(), &url).bearer_auth(token).json(body)
    };
    http.once("sim", ask).await.unwrap().status.as_u16()
}

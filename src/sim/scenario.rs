//! The scenario: everything a simulated Microsoft 365 starts with, read from YAML or built in
//! code.

use indexmap::IndexMap;
use serde::Deserialize;

use super::apps::{App, FederatedCredential, Issuers, all_permissions};
use super::fault::{Faults, Refusal, Rule};
use super::tenant::Tenant;

/// The app registration a scenario knows unless it names another.
pub const CLIENT_ID: &str = "33333333-3333-3333-3333-333333333333";
/// That app's secret. It opens nothing but the simulator.
pub const CLIENT_SECRET: &str = "simulated-client-secret";
/// The tenant of [`Scenario::woodgrove`].
pub const WOODGROVE: &str = "11111111-1111-1111-1111-111111111111";
/// Its partner, Contoso Reseller.
pub const CONTOSO: &str = "22222222-2222-2222-2222-222222222222";
/// The signing secret of Woodgrove's ticket inbox `security`.
pub const INBOX_SECRET: &str = "whsec_d29vZGdyb3ZlLXNpbXVsYXRlZC1pbmJveC1rZXkhISE=";

/// The permissions granted unless a scenario says otherwise: all that the simulated part of Graph
/// (<https://learn.microsoft.com/graph/permissions-reference>) and the Management Activity API ask
/// for.
pub const PERMISSIONS: &[&str] = &[
    "ActivityFeed.Read",
    "AppRoleAssignment.ReadWrite.All",
    "Application.ReadWrite.All",
    "AuditLog.Read.All",
    "CrossTenantInformation.ReadBasic.All",
    "DelegatedAdminRelationship.Read.All",
    "DelegatedAdminRelationship.ReadWrite.All",
    "Directory.Read.All",
    "Group.Read.All",
    "GroupMember.ReadWrite.All",
    "Policy.Read.All",
    "Policy.ReadWrite.ConditionalAccess",
    "RoleAssignmentSchedule.ReadWrite.Directory",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "TenantGovernance-Relationship.Read.All",
    "User.EnableDisableAccount.All",
    "User.Read.All",
    "User.RevokeSessions.All",
];

/// What a [`Sim`](super::Sim) starts with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scenario {
    /// The app that may sign in, to every tenant.
    pub client_id: String,
    /// Its secret; none when empty.
    pub client_secret: String,
    /// The certificates it may sign assertions with, in PEM.
    pub certificates: Vec<String>,
    /// Whose tokens it takes in place of a secret.
    pub federated_credentials: Vec<FederatedCredential>,
    /// The application permissions it was granted, the token's `roles`.
    pub permissions: Vec<String>,
    /// Further apps that may sign in.
    pub apps: Vec<App>,
    /// The keys that identity providers publish, by issuer: a JSON Web Key Set each.
    pub issuers: Issuers,
    /// The most items on one page.
    pub page_size: usize,
    /// Whether `/v1.0` too shows `principalOrganizationId`: it is in the metadata since August
    /// 2026, the documentation has it under `/beta` only.
    pub v1_principal_organization_id: bool,
    /// The most subscriptions of the app in one tenant.
    pub subscription_quota: usize,
    /// The longest life of a subscription, in minutes.
    pub subscription_minutes: i64,
    /// Whether one resource may be subscribed to twice. Microsoft documents a 409 for some
    /// resources only.
    pub subscription_duplicates: bool,
    /// Whether conditional access answers at most one request a second of each tenant: the next is
    /// a 429 that says not when to come back.
    pub throttle_conditional_access: bool,
    /// The tenants.
    pub tenants: Vec<Tenant>,
    /// The ticket sinks under `/inbox/`.
    pub inbox: IndexMap<String, Sink>,
    /// What goes wrong.
    pub faults: Faults,
}

/// A ticket sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sink {
    /// The Standard Webhooks secret, `whsec_` and base64
    /// (<https://www.standardwebhooks.com/>). A sink without one takes anything and marks it
    /// unverified.
    #[serde(default)]
    pub secret: Option<String>,
}

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// It is not YAML of the right shape; the text has line and column.
    #[error("{0}")]
    Yaml(#[from] serde_saphyr::Error),
    /// It names something that is not there, or the same thing twice.
    #[error("{at}: {what}")]
    Nonsense {
        /// The place in the scenario.
        at: String,
        /// What is wrong there.
        what: String,
    },
}

impl ScenarioError {
    pub(crate) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Nonsense { at: at.into(), what: what.into() }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
            permissions: all_permissions(),
            apps: Vec::new(),
            issuers: Issuers::new(),
            page_size: 10,
            v1_principal_organization_id: false,
            subscription_quota: 100,
            subscription_minutes: 41_760,
            subscription_duplicates: false,
            throttle_conditional_access: false,
            tenants: Vec::new(),
            inbox: IndexMap::new(),
            faults: Faults::default(),
        }
    }
}

impl Scenario {
    /// Reads a scenario from YAML.
    pub fn from_yaml(text: &str) -> Result<Self, ScenarioError> {
        Ok(serde_saphyr::from_str(text)?)
    }

    /// The tenant of the demo: Woodgrove, whose reseller Contoso holds Global Administrator
    /// through its admin agents, as the old delegated admin privileges gave it
    /// (<https://learn.microsoft.com/partner-center/customers/dap-monitor-self-serve-removal>).
    pub fn woodgrove() -> Self {
        let tenant = Tenant::new(WOODGROVE, "Woodgrove")
            .partner(CONTOSO, "Contoso Reseller")
            .partner_group("AdminAgents", CONTOSO, "Global Administrator")
            .partner_group("HelpdeskAgents", CONTOSO, "Service Support Administrator")
            .guest("Alice", "alice@contoso-reseller.example", "User Administrator")
            .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
            .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator")
            .service_principal("Partner Warden", CLIENT_ID, WOODGROVE, "Directory Readers");
        Self::default().tenant(tenant).sink("security", INBOX_SECRET)
    }

    /// With one more tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenants.push(tenant);
        self
    }

    /// With a ticket sink at `/inbox/{name}` and its signing secret.
    #[must_use]
    pub fn sink(mut self, name: &str, secret: &str) -> Self {
        self.inbox.insert(name.to_owned(), Sink { secret: Some(secret.to_owned()) });
        self
    }

    /// With at most `size` items on a page.
    #[must_use]
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = size;
        self
    }

    /// Where the app has one more certificate, in PEM.
    #[must_use]
    pub fn certificate(mut self, pem: &str) -> Self {
        self.certificates.push(pem.to_owned());
        self
    }

    /// Where the app has no secret.
    #[must_use]
    pub fn without_secret(mut self) -> Self {
        self.client_secret.clear();
        self
    }

    /// Where the app takes tokens of an issuer for a subject in place of a secret.
    #[must_use]
    pub fn trusting(mut self, issuer: &str, subject: &str) -> Self {
        self.federated_credentials.push(FederatedCredential::new(issuer, subject));
        self
    }

    /// Where an identity provider publishes these keys, a JSON Web Key Set.
    #[must_use]
    pub fn issuer(mut self, issuer: &str, keys: serde_json::Value) -> Self {
        self.issuers.insert(issuer.to_owned(), keys);
        self
    }

    /// With one more app.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.apps.push(app);
        self
    }

    /// Where one resource may be subscribed to twice.
    #[must_use]
    pub fn duplicate_subscriptions(mut self) -> Self {
        self.subscription_duplicates = true;
        self
    }

    /// Where conditional access answers at most one request a second of each tenant.
    #[must_use]
    pub fn throttle_conditional_access(mut self) -> Self {
        self.throttle_conditional_access = true;
        self
    }

    /// With these permissions and no others.
    #[must_use]
    pub fn permissions(mut self, names: &[&str]) -> Self {
        self.permissions = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Without one of the permissions.
    #[must_use]
    pub fn without_permission(mut self, name: &str) -> Self {
        self.permissions.retain(|granted| granted != name);
        self
    }

    /// Where a deleted assignment still shows up in the next `reads` reads.
    #[must_use]
    pub fn lag_reads(mut self, reads: u64) -> Self {
        self.faults.lag_reads = reads;
        self
    }

    /// Where what a partner's group holds may not be deleted (403).
    #[must_use]
    pub fn refuse_foreign_deletion(mut self) -> Self {
        self.faults.refuse_foreign_deletion = Some(Refusal::default());
        self
    }

    /// Where a deleted assignment of a foreign principal is back after `reads` reads.
    #[must_use]
    pub fn recreate(mut self, reads: u64) -> Self {
        self.faults.recreate = Some(reads);
        self
    }

    /// With one more fault rule.
    #[must_use]
    pub fn fault(mut self, rule: Rule) -> Self {
        self.faults.rules.push(rule);
        self
    }
}

//! Microsoft Graph: which request is which, who may make it, and the frame of its answer.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::administrative_units;
use super::audit_logs;
use super::changes::{self, Change};
use super::conditional_access;
use super::delegated_admin::{self, About};
use super::governance;
use super::memberships;
use super::objects;
use super::partner_center;
use super::pim;
use super::policies;
use super::policy_changes;
use super::query::{Object, Place, Query, page};
use super::reply::{Asked, GraphError, Reply};
use super::role_management;
use super::service_principals;
use super::signin;
use super::state::{Settings, State};
use super::subscriptions;

/// The first segments of what is simulated.
const ROOTS: [&str; 12] = [
    "roleManagement",
    "directoryObjects",
    "users",
    "groups",
    "servicePrincipals",
    "policies",
    "tenantRelationships",
    "auditLogs",
    "subscriptions",
    "identity",
    "directory",
    "contracts",
];

/// A part of Graph that is simulated.
#[derive(Debug)]
pub(crate) enum Resource<'a> {
    Assignments,
    Assignment(&'a str),
    AssignmentRemoval(&'a str),
    Definitions,
    ActiveInstances,
    EligibleInstances,
    ByIds,
    Users,
    User(&'a str),
    UserMemberships(&'a str, Option<&'a str>),
    Group(&'a str),
    GroupMembers(&'a str),
    TransitiveMembers(&'a str, Option<&'a str>),
    ServicePrincipals,
    ServicePrincipal(&'a str),
    AppRoleAssignments(&'a str),
    Units,
    Unit(&'a str),
    Partners,
    Partner(&'a str),
    ServiceProviderConstraints(&'a str),
    CrossTenantDefault,
    ConditionalAccess,
    ConditionalAccessPolicy(&'a str),
    NamedLocations,
    AuthenticationStrengths,
    SecurityDefaults,
    GovernanceRelationships,
    DelegatedAdmin(About<'a>),
    Contracts,
    TenantInformation(&'a str),
    TenantInformationByDomain(&'a str),
    DirectoryAudits,
    Subscriptions,
    NewSubscription,
    Renewal(&'a str),
    SubscriptionRemoval(&'a str),
    Change(Change<'a>),
}

impl<'a> Resource<'a> {
    fn of(method: &Method, segments: &'a [&'a str]) -> Option<Self> {
        let found = match (method.as_str(), segments) {
            ("GET", ["roleManagement", "directory", "roleAssignments"]) => Self::Assignments,
            ("GET", ["roleManagement", "directory", "roleAssignments", id]) => Self::Assignment(id),
            ("DELETE", ["roleManagement", "directory", "roleAssignments", id]) => {
                Self::AssignmentRemoval(id)
            }
            ("GET", ["roleManagement", "directory", "roleDefinitions"]) => Self::Definitions,
            ("GET", ["roleManagement", "directory", "roleAssignmentScheduleInstances"]) => {
                Self::ActiveInstances
            }
            ("GET", ["roleManagement", "directory", "roleEligibilityScheduleInstances"]) => {
                Self::EligibleInstances
            }
            ("POST", ["directoryObjects", "getByIds"]) => Self::ByIds,
            ("GET", ["users"]) => Self::Users,
            ("GET", ["users", id]) => Self::User(id),
            ("GET", ["users", id, "transitiveMemberOf"]) => Self::UserMemberships(id, None),
            ("GET", ["users", id, "transitiveMemberOf", cast]) => {
                Self::UserMemberships(id, Some(cast))
            }
            ("GET", ["groups", id]) => Self::Group(id),
            ("GET", ["groups", id, "members"]) => Self::GroupMembers(id),
            ("GET", ["groups", id, "transitiveMembers"]) => Self::TransitiveMembers(id, None),
            ("GET", ["groups", id, "transitiveMembers", cast]) => {
                Self::TransitiveMembers(id, Some(cast))
            }
            ("GET", ["servicePrincipals"]) => Self::ServicePrincipals,
            ("GET", ["servicePrincipals", id]) => Self::ServicePrincipal(id),
            ("GET", ["servicePrincipals", id, "appRoleAssignments"]) => {
                Self::AppRoleAssignments(id)
            }
            ("GET", ["directory", "administrativeUnits"]) => Self::Units,
            ("GET", ["directory", "administrativeUnits", id]) => Self::Unit(id),
            ("GET", ["directory", "tenantGovernance", "governanceRelationships"]) => {
                Self::GovernanceRelationships
            }
            ("GET", ["policies", "crossTenantAccessPolicy", rest @ ..]) => match rest {
                ["partners"] => Self::Partners,
                ["partners", id] => Self::Partner(id),
                ["partners", id, "serviceProviderConstraints"] => {
                    Self::ServiceProviderConstraints(id)
                }
                ["default"] => Self::CrossTenantDefault,
                _ => return None,
            },
            ("GET", ["policies", "authenticationStrengthPolicies"]) => {
                Self::AuthenticationStrengths
            }
            ("GET", ["policies", "identitySecurityDefaultsEnforcementPolicy"]) => {
                Self::SecurityDefaults
            }
            ("GET", ["identity", "conditionalAccess", "policies"]) => Self::ConditionalAccess,
            ("GET", ["identity", "conditionalAccess", "policies", id]) => {
                Self::ConditionalAccessPolicy(id)
            }
            ("GET", ["identity", "conditionalAccess", "namedLocations"]) => Self::NamedLocations,
            ("GET", ["tenantRelationships", "delegatedAdminRelationships", rest @ ..]) => {
                Self::DelegatedAdmin(match *rest {
                    [] => About::All,
                    [id] => About::One(id),
                    [id, "accessAssignments"] => About::AccessAssignments(id),
                    [id, "accessAssignments", one] => About::AccessAssignment(id, one),
                    [id, "operations"] => About::Operations(id),
                    [id, "operations", one] => About::Operation(id, one),
                    [id, "requests"] => About::Requests(id),
                    [id, "requests", one] => About::Request(id, one),
                    _ => return None,
                })
            }
            ("GET", ["contracts"]) => Self::Contracts,
            ("GET", ["auditLogs", "directoryAudits"]) => Self::DirectoryAudits,
            ("GET", ["subscriptions"]) => Self::Subscriptions,
            ("POST", ["subscriptions"]) => Self::NewSubscription,
            ("PATCH", ["subscriptions", id]) => Self::Renewal(id),
            ("DELETE", ["subscriptions", id]) => Self::SubscriptionRemoval(id),
            ("GET", ["tenantRelationships", function]) => {
                let argument = function.strip_suffix("')")?;
                let (by_id, by_domain) = (
                    argument.strip_prefix("findTenantInformationByTenantId(tenantId='"),
                    argument.strip_prefix("findTenantInformationByDomainName(domainName='"),
                );
                by_id
                    .map(Self::TenantInformation)
                    .or(by_domain.map(Self::TenantInformationByDomain))?
            }
            (method, segments) => Self::Change(Change::of(method, segments)?),
        };
        Some(found)
    }

    /// The application permissions of which one is needed
    /// (the "Permissions" table of each API's page, <https://learn.microsoft.com/graph/api>). The
    /// constraints of service providers have no such page; they are part of the settings that
    /// `Policy.Read.All` reads.
    fn permissions(&self) -> &'static [&'static str] {
        match self {
            Self::Assignments | Self::Assignment(_) | Self::Definitions => &[
                "RoleManagement.Read.Directory",
                "Directory.Read.All",
                "RoleManagement.ReadWrite.Directory",
            ],
            Self::AssignmentRemoval(_) => &["RoleManagement.ReadWrite.Directory"],
            Self::ActiveInstances => &[
                "RoleAssignmentSchedule.Read.Directory",
                "RoleAssignmentSchedule.ReadWrite.Directory",
                "RoleManagement.Read.All",
                "RoleManagement.Read.Directory",
                "RoleManagement.ReadWrite.Directory",
            ],
            Self::EligibleInstances => &[
                "RoleEligibilitySchedule.Read.Directory",
                "RoleEligibilitySchedule.ReadWrite.Directory",
                "RoleManagement.Read.All",
                "RoleManagement.Read.Directory",
                "RoleManagement.ReadWrite.Directory",
            ],
            Self::ByIds | Self::Contracts => &["Directory.Read.All"],
            Self::Users | Self::User(_) => &["User.Read.All", "Directory.Read.All"],
            Self::UserMemberships(..) => {
                &["User.Read.All", "GroupMember.Read.All", "Group.Read.All", "Directory.Read.All"]
            }
            Self::Group(_) | Self::GroupMembers(_) | Self::TransitiveMembers(..) => {
                &["Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"]
            }
            Self::ServicePrincipals | Self::ServicePrincipal(_) | Self::AppRoleAssignments(_) => {
                &["Application.Read.All", "Directory.Read.All"]
            }
            Self::Units | Self::Unit(_) => &["AdministrativeUnit.Read.All", "Directory.Read.All"],
            Self::Partners | Self::Partner(_) | Self::CrossTenantDefault => {
                &["Policy.Read.All", "Policy.ReadWrite.CrossTenantAccess"]
            }
            Self::ServiceProviderConstraints(_) | Self::SecurityDefaults => &["Policy.Read.All"],
            Self::ConditionalAccess | Self::ConditionalAccessPolicy(_) | Self::NamedLocations => {
                &["Policy.Read.All", "Policy.ReadWrite.ConditionalAccess"]
            }
            Self::AuthenticationStrengths => {
                &["Policy.Read.AuthenticationMethod", "Policy.Read.All"]
            }
            Self::GovernanceRelationships => &["TenantGovernance-Relationship.Read.All"],
            Self::DelegatedAdmin(_) => {
                &["DelegatedAdminRelationship.Read.All", "DelegatedAdminRelationship.ReadWrite.All"]
            }
            Self::TenantInformation(_) | Self::TenantInformationByDomain(_) => {
                &["CrossTenantInformation.ReadBasic.All"]
            }
            Self::DirectoryAudits => &["AuditLog.Read.All"],
            Self::Change(change) => change.permissions(),
            // Which of them depends on the resource.
            Self::Subscriptions
            | Self::NewSubscription
            | Self::Renewal(_)
            | Self::SubscriptionRemoval(_) => &["User.Read.All", "Group.Read.All"],
        }
    }
}

/// One request to Graph, understood.
pub(crate) struct Ask<'a> {
    pub(crate) asked: &'a Asked,
    pub(crate) beta: bool,
    pub(crate) query: Query,
    /// The application permissions of whoever asks.
    pub(crate) roles: &'a [String],
}

impl<'a> Ask<'a> {
    pub(crate) fn of(asked: &'a Asked, roles: &'a [String]) -> Result<Self, GraphError> {
        let beta = asked.path().starts_with("/beta/");
        Ok(Self { asked, beta, query: Query::parse(asked.query())?, roles })
    }

    /// The most items on this page: what the client asks for, but never more than the server
    /// gives.
    pub(crate) fn size(&self, settings: &Settings) -> usize {
        self.query.top.map_or(settings.page_size, |top| top.min(settings.page_size))
    }

    /// Whether the advanced queries on directory objects are asked for
    /// (<https://learn.microsoft.com/graph/aad-advanced-queries>).
    pub(crate) fn advanced(&self) -> bool {
        let level = self.asked.header("consistencylevel");
        self.query.count && level.is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
    }

    /// A page of a collection, with the absolute link to the next one
    /// (<https://learn.microsoft.com/graph/paging>).
    pub(crate) fn collection(&self, kind: &str, items: &[Object], next: Option<Place>) -> Reply {
        self.frame(kind, items, next, None)
    }

    /// The same of directory objects, `total` in all: they are counted in advanced queries only,
    /// elsewhere the wish for it is passed over in silence.
    pub(crate) fn counted(
        &self,
        kind: &str,
        items: &[Object],
        next: Option<Place>,
        total: usize,
    ) -> Reply {
        self.frame(kind, items, next, self.advanced().then_some(total))
    }

    /// A page of objects that change under nobody's hand; `known` are the properties of their type.
    pub(crate) fn list(
        &self,
        settings: &Settings,
        kind: &str,
        known: &[&str],
        all: impl Iterator<Item = Object>,
    ) -> Result<Reply, GraphError> {
        let after = self.query.from.map_or(0, |place| place.after);
        let rest = (1..).zip(all).filter(|(number, _)| *number > after);
        let (items, last) = page(rest, self.size(settings));
        let items = items.into_iter().map(|item| self.query.choose(item, known));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        Ok(self.collection(kind, &items, last.map(|after| Place { read: 0, after })))
    }

    fn frame(
        &self,
        kind: &str,
        items: &[Object],
        next: Option<Place>,
        count: Option<usize>,
    ) -> Reply {
        let mut body = json!({ "@odata.context": self.context(kind), "value": items });
        if let Some(count) = count {
            body["@odata.count"] = Value::from(count);
        }
        if let Some(place) = next {
            let link = place.link(&self.asked.origin(), self.asked.path(), self.asked.query());
            body["@odata.nextLink"] = Value::from(link);
        }
        Reply::json(StatusCode::OK, &body)
    }

    pub(crate) fn item(&self, kind: &str, item: Object) -> Reply {
        let mut body = Object::new();
        let context = format!("{}/$entity", self.context(kind));
        body.insert("@odata.context".to_owned(), Value::from(context));
        body.extend(item);
        Reply::json(StatusCode::OK, &Value::Object(body))
    }

    fn context(&self, kind: &str) -> String {
        let version = if self.beta { "beta" } else { "v1.0" };
        format!("{}/{version}/$metadata#{kind}", self.asked.origin())
    }
}

/// Answers a request under `/v1.0` or `/beta`. `valid` says whether the urls it names have
/// answered.
pub(crate) fn answer(state: &mut State, asked: &Asked, valid: bool) -> Reply {
    attempt(state, asked, valid).unwrap_or_else(|error| error.into_reply(asked))
}

fn attempt(state: &mut State, asked: &Asked, valid: bool) -> Result<Reply, GraphError> {
    let claims = signin::bearer(asked).ok_or_else(GraphError::unauthenticated)?;
    if !state.directories.contains_key(&claims.tid) {
        return Err(GraphError::unauthenticated());
    }
    let segments = asked.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (_, rest) = segments.split_first().ok_or_else(|| unknown(&[]))?;
    let resource = Resource::of(&asked.method, rest).ok_or_else(|| unknown(rest))?;
    let needed = resource.permissions();
    if !claims.roles.iter().any(|role| needed.contains(&role.as_str())) {
        return Err(GraphError::of(StatusCode::FORBIDDEN));
    }
    let ask = Ask::of(asked, &claims.roles)?;
    route(state, &claims.tid, &ask, &resource, valid)
}

fn route(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    resource: &Resource<'_>,
    valid: bool,
) -> Result<Reply, GraphError> {
    match *resource {
        Resource::Assignments => role_management::assignments(state, tenant, ask),
        Resource::Assignment(id) => role_management::assignment(state, tenant, ask, id),
        Resource::AssignmentRemoval(id) => role_management::remove(state, tenant, ask, id),
        Resource::Definitions => role_management::definitions(state, tenant, ask),
        Resource::ActiveInstances => pim::active(state, tenant, ask),
        Resource::EligibleInstances => pim::eligible(state, tenant, ask),
        Resource::ByIds => objects::by_ids(state, tenant, ask),
        Resource::Users => objects::users(state, tenant, ask),
        Resource::User(id) => objects::user(state, tenant, ask, id),
        Resource::UserMemberships(id, cast) => {
            memberships::transitive_member_of(state, tenant, ask, id, cast)
        }
        Resource::Group(id) => objects::group(state, tenant, ask, id),
        Resource::GroupMembers(id) => objects::members(state, tenant, ask, id),
        Resource::TransitiveMembers(id, cast) => {
            memberships::transitive_members(state, tenant, ask, id, cast)
        }
        Resource::ServicePrincipals => service_principals::list(state, tenant, ask),
        Resource::ServicePrincipal(id) => service_principals::item(state, tenant, ask, id),
        Resource::AppRoleAssignments(id) => {
            service_principals::app_role_assignments(state, tenant, ask, id)
        }
        Resource::Units => administrative_units::list(state, tenant, ask),
        Resource::Unit(id) => administrative_units::unit(state, tenant, ask, id),
        Resource::Partners => policies::partners(state, tenant, ask),
        Resource::Partner(id) => policies::partner(state, tenant, ask, id),
        Resource::ServiceProviderConstraints(id) => {
            policies::service_provider_constraints(state, tenant, ask, id)
        }
        Resource::CrossTenantDefault => policies::default_settings(state, tenant, ask),
        Resource::ConditionalAccess => conditional_access::policies(state, tenant, ask),
        Resource::ConditionalAccessPolicy(id) => policy_changes::one(state, tenant, ask, id),
        Resource::NamedLocations => conditional_access::locations(state, tenant, ask),
        Resource::AuthenticationStrengths => conditional_access::strengths(state, tenant, ask),
        Resource::SecurityDefaults => conditional_access::security_defaults(state, tenant, ask),
        Resource::GovernanceRelationships => governance::relationships(state, tenant, ask),
        Resource::DelegatedAdmin(about) => delegated_admin::answer(state, tenant, ask, about),
        Resource::Contracts => partner_center::contracts(state, tenant, ask),
        Resource::TenantInformation(id) => policies::tenant_information(state, tenant, ask, id),
        Resource::TenantInformationByDomain(domain) => {
            policies::tenant_information_by_domain(state, tenant, ask, domain)
        }
        Resource::DirectoryAudits => audit_logs::directory_audits(state, tenant, ask),
        Resource::Subscriptions => Ok(subscriptions::list(state, tenant, ask)),
        Resource::NewSubscription => subscriptions::create(state, tenant, ask, valid),
        Resource::Renewal(id) => subscriptions::renew(state, tenant, ask, id),
        Resource::SubscriptionRemoval(id) => subscriptions::delete(state, tenant, ask, id),
        Resource::Change(change) => changes::make(state, tenant, ask, change),
    }
}

/// The error for a path that is not simulated, or not with this method.
fn unknown(segments: &[&str]) -> GraphError {
    let methods = [Method::GET, Method::POST, Method::PATCH, Method::DELETE];
    if methods.iter().any(|method| Resource::of(method, segments).is_some()) {
        return GraphError::of(StatusCode::METHOD_NOT_ALLOWED);
    }
    let known = segments.first().is_some_and(|first| ROOTS.contains(first));
    let segment = if known { segments.last() } else { segments.first() };
    let segment = segment.copied().unwrap_or_default();
    GraphError::bad_request(format!("Resource not found for the segment '{segment}'."))
}

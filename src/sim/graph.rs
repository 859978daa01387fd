//! Microsoft Graph: which request is which, who may make it, and the frame of its answer.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::audit_logs;
use super::objects;
use super::policies;
use super::query::{Object, Place, Query};
use super::reply::{Asked, GraphError, Reply};
use super::role_management;
use super::signin;
use super::state::{Settings, State};
use super::subscriptions;

/// The first segments of what is simulated.
const ROOTS: [&str; 9] = [
    "roleManagement",
    "directoryObjects",
    "users",
    "groups",
    "servicePrincipals",
    "policies",
    "tenantRelationships",
    "auditLogs",
    "subscriptions",
];

/// A part of Graph that is simulated.
#[derive(Debug)]
pub(crate) enum Resource<'a> {
    Assignments,
    Assignment(&'a str),
    AssignmentRemoval(&'a str),
    Definitions,
    ByIds,
    Users,
    User(&'a str),
    Group(&'a str),
    GroupMembers(&'a str),
    ServicePrincipals,
    Partners,
    TenantInformation(&'a str),
    DirectoryAudits,
    Subscriptions,
    NewSubscription,
    Renewal(&'a str),
    SubscriptionRemoval(&'a str),
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
            ("POST", ["directoryObjects", "getByIds"]) => Self::ByIds,
            ("GET", ["users"]) => Self::Users,
            ("GET", ["users", id]) => Self::User(id),
            ("GET", ["groups", id]) => Self::Group(id),
            ("GET", ["groups", id, "members"]) => Self::GroupMembers(id),
            ("GET", ["servicePrincipals"]) => Self::ServicePrincipals,
            ("GET", ["policies", "crossTenantAccessPolicy", "partners"]) => Self::Partners,
            ("GET", ["auditLogs", "directoryAudits"]) => Self::DirectoryAudits,
            ("GET", ["subscriptions"]) => Self::Subscriptions,
            ("POST", ["subscriptions"]) => Self::NewSubscription,
            ("PATCH", ["subscriptions", id]) => Self::Renewal(id),
            ("DELETE", ["subscriptions", id]) => Self::SubscriptionRemoval(id),
            ("GET", ["tenantRelationships", function]) => {
                let rest = function.strip_prefix("findTenantInformationByTenantId(tenantId='")?;
                Self::TenantInformation(rest.strip_suffix("')")?)
            }
            _ => return None,
        };
        Some(found)
    }

    /// The application permissions of which one is needed
    /// (the "Permissions" table of each API's page, <https://learn.microsoft.com/graph/api>).
    fn permissions(&self) -> &'static [&'static str] {
        match self {
            Self::Assignments | Self::Assignment(_) | Self::Definitions => &[
                "RoleManagement.Read.Directory",
                "Directory.Read.All",
                "RoleManagement.ReadWrite.Directory",
            ],
            Self::AssignmentRemoval(_) => &["RoleManagement.ReadWrite.Directory"],
            Self::ByIds => &["Directory.Read.All"],
            Self::Users | Self::User(_) => &["User.Read.All", "Directory.Read.All"],
            Self::Group(_) | Self::GroupMembers(_) => {
                &["Group.Read.All", "GroupMember.Read.All", "Directory.Read.All"]
            }
            Self::ServicePrincipals => &["Application.Read.All", "Directory.Read.All"],
            Self::Partners => &["Policy.Read.All"],
            Self::TenantInformation(_) => &["CrossTenantInformation.ReadBasic.All"],
            Self::DirectoryAudits => &["AuditLog.Read.All"],
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

    /// A page of a collection, with the absolute link to the next one
    /// (<https://learn.microsoft.com/graph/paging>).
    pub(crate) fn collection(&self, kind: &str, items: &[Object], next: Option<Place>) -> Reply {
        let mut body = json!({ "@odata.context": self.context(kind), "value": items });
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
        Resource::ByIds => objects::by_ids(state, tenant, ask),
        Resource::Users => objects::users(state, tenant, ask),
        Resource::User(id) => objects::user(state, tenant, ask, id),
        Resource::Group(id) => objects::group(state, tenant, ask, id),
        Resource::GroupMembers(id) => objects::members(state, tenant, ask, id),
        Resource::ServicePrincipals => objects::service_principals(state, tenant, ask),
        Resource::Partners => policies::partners(state, tenant, ask),
        Resource::TenantInformation(id) => policies::tenant_information(state, tenant, ask, id),
        Resource::DirectoryAudits => audit_logs::directory_audits(state, tenant, ask),
        Resource::Subscriptions => Ok(subscriptions::list(state, tenant, ask)),
        Resource::NewSubscription => subscriptions::create(state, tenant, ask, valid),
        Resource::Renewal(id) => subscriptions::renew(state, tenant, ask, id),
        Resource::SubscriptionRemoval(id) => subscriptions::delete(state, tenant, ask, id),
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

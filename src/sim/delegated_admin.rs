//! A partner's own view: its customers, and the granular delegated admin relationships with them
//! (<https://learn.microsoft.com/graph/api/resources/delegatedadminrelationships-api-overview>).

use jiff::Timestamp;
use serde_json::{Value, json};

use super::directory::Directory;
use super::graph::Ask;
use super::ids;
use super::moment::{Moment, after, length};
use super::objects::object;
use super::partner_side::{Changes, Customer, Operation, PartnerSide, Relationship};
use super::query::Object;
use super::relationship_effects::{Back, Pending, Requested, Stale};
use super::reply::{GraphError, Reply};
use super::scenario::ScenarioError;
use super::state::State;
use super::tenant::Tenant;

/// A partner's customers and relationships as they are now.
#[derive(Debug)]
pub(crate) struct Partnership {
    pub(crate) customers: Vec<Customer>,
    pub(crate) relationships: Vec<Related>,
    pub(crate) changes: Changes,
}

/// A relationship as it is now. Its version is behind its etag.
#[derive(Debug)]
pub(crate) struct Related {
    pub(crate) id: String,
    pub(crate) given: Relationship,
    customer: Option<(String, Option<String>)>,
    pub(crate) roles: Vec<String>,
    created: Timestamp,
    pub(crate) modified: Timestamp,
    activated: Option<Timestamp>,
    end: Option<Timestamp>,
    pub(crate) version: u64,
    pub(crate) assignments: Vec<Used>,
    pub(crate) operations: Vec<(String, Operation, Timestamp)>,
    pub(crate) requests: Vec<Requested>,
    pub(crate) pending: Vec<Pending>,
    pub(crate) back: Vec<Back>,
    pub(crate) stale: Option<Stale>,
}

/// An access assignment as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Used {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) roles: Vec<String>,
    pub(crate) status: String,
    pub(crate) version: u64,
}

impl Partnership {
    /// That of a tenant, if it is a partner.
    pub(crate) fn new(
        tenant: &Tenant,
        directory: &Directory,
        start: Timestamp,
    ) -> Result<Option<Self>, ScenarioError> {
        let Some(side) = &tenant.partner_side else { return Ok(None) };
        let related = |it: &Relationship| Related::new(side, it, directory, start);
        let relationships: Vec<Related> =
            side.relationships.iter().map(related).collect::<Result<_, ScenarioError>>()?;
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = relationships.iter().find(|it| !seen.insert(it.id.clone())) {
            let what = format!("the relationship {:?} is there twice", twice.given.name);
            return Err(ScenarioError::new(&directory.name, what));
        }
        Ok(Some(Self { customers: side.customers.clone(), relationships, changes: side.changes }))
    }

    /// Brings about what operations that are over by now were to bring about.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        for related in &mut self.relationships {
            related.settle(now, self.changes);
        }
    }
}

impl Related {
    fn new(
        side: &PartnerSide,
        given: &Relationship,
        directory: &Directory,
        start: Timestamp,
    ) -> Result<Self, ScenarioError> {
        let nonsense = |what: String| {
            ScenarioError::new(format!("{}: relationship {:?}", directory.name, given.name), what)
        };
        let Some(duration) = length(&given.duration) else {
            return Err(nonsense(format!("{:?} is not a duration", given.duration)));
        };
        if length(&given.auto_extend_duration).is_none() {
            return Err(nonsense(format!("{:?} is not a duration", given.auto_extend_duration)));
        }
        let customer = given.customer.as_ref().map(|id| id.to_ascii_lowercase());
        let id = given.id.clone().unwrap_or_else(|| {
            let of = customer.as_deref().unwrap_or_default();
            format!("{}-{}", ids::guid(&["relationship", of, &given.name]), directory.id)
        });
        let been_active = !matches!(
            given.status.as_str(),
            "created" | "approvalPending" | "approved" | "activating"
        );
        let at = |moment: Option<Moment>| moment.map(|it| it.resolve(start));
        let created = given.created_date_time.unwrap_or(Moment::days_ago(30)).resolve(start);
        let activated = at(given.activated_date_time).or(been_active.then_some(created));
        let end = at(given.end_date_time)
            .or_else(|| activated.map(|activated| after(activated, duration)));
        let roles: Vec<String> =
            given.roles.iter().map(|role| directory.role_id(role)).collect::<Result<_, _>>()?;
        let assignments = given.access_assignments.iter().map(|it| {
            let group = directory.principal_id(&it.group)?;
            let own = it.roles.iter().map(|role| directory.role_id(role));
            let own: Vec<String> = own.collect::<Result<_, ScenarioError>>()?;
            let derived = || ids::guid(&["accessAssignment", &id, &group]);
            Ok(Used {
                id: it.id.clone().unwrap_or_else(derived),
                roles: if own.is_empty() { roles.clone() } else { own },
                status: it.status.clone(),
                version: 1,
                group,
            })
        });
        let assignments = assignments.collect::<Result<_, ScenarioError>>()?;
        let operations = (1..).zip(&given.operations).map(|(number, it): (u32, &Operation)| {
            let derived = || ids::guid(&["operation", &id, &number.to_string()]);
            let at = it.created_date_time.unwrap_or(Moment::in_days(0)).resolve(start);
            (it.id.clone().unwrap_or_else(derived), it.clone(), at)
        });
        let operations = operations.collect();
        let name = |id: &String| {
            let known = side.customers.iter().find(|it| it.tenant_id.eq_ignore_ascii_case(id));
            known.map(|it| it.name.clone())
        };
        Ok(Self {
            customer: customer.map(|id| {
                let name = name(&id);
                (id, name)
            }),
            modified: at(given.last_modified_date_time).or(activated).unwrap_or(created),
            given: given.clone(),
            version: 1,
            id,
            roles,
            created,
            activated,
            end,
            assignments,
            operations,
            requests: Vec::new(),
            pending: Vec::new(),
            back: Vec::new(),
            stale: None,
        })
    }

    pub(crate) fn to_json(&self) -> Object {
        let kind = match self.given.indirect_provider {
            Some(_) => "#microsoft.graph.resellerDelegatedAdminRelationship",
            None => "#microsoft.graph.delegatedAdminRelationship",
        };
        let customer =
            self.customer.as_ref().map(|(id, name)| json!({ "tenantId": id, "displayName": name }));
        let mut item = object(json!({
            "@odata.type": kind,
            "@odata.etag": etag(&self.id, self.version),
            "id": self.id,
            "displayName": self.given.name,
            "duration": self.given.duration,
            "customer": customer,
            "accessDetails": access_details(&self.roles),
            "status": self.given.status,
            "autoExtendDuration": self.given.auto_extend_duration,
            "createdDateTime": self.created.to_string(),
            "lastModifiedDateTime": self.modified.to_string(),
            "activatedDateTime": self.activated.map(|time| time.to_string()),
            "endDateTime": self.end.map(|time| time.to_string()),
        }));
        if let Some(provider) = &self.given.indirect_provider {
            item.insert("indirectProviderTenantId".to_owned(), Value::from(provider.as_str()));
            item.insert("isPartnerConsentPending".to_owned(), Value::from(false));
        }
        item
    }

    fn operation_json((id, operation, at): &(String, Operation, Timestamp)) -> Object {
        object(json!({
            "@odata.type": "#microsoft.graph.delegatedAdminRelationshipOperation",
            "@odata.etag": etag(id, 1),
            "id": id,
            "operationType": operation.operation_type,
            "data": operation.data,
            "status": operation.status,
            "createdDateTime": at.to_string(),
            "lastModifiedDateTime": at.to_string(),
        }))
    }

    pub(crate) fn assignment_json(&self, used: &Used) -> Object {
        object(json!({
            "@odata.type": "#microsoft.graph.delegatedAdminAccessAssignment",
            "@odata.etag": etag(&used.id, used.version),
            "id": used.id,
            "status": used.status,
            "createdDateTime": self.created.to_string(),
            "lastModifiedDateTime": self.modified.to_string(),
            "accessContainer": {
                "accessContainerId": used.group,
                "accessContainerType": "securityGroup",
            },
            "accessDetails": access_details(&used.roles),
        }))
    }
}

fn access_details(roles: &[String]) -> Value {
    let roles: Vec<_> = roles.iter().map(|id| json!({ "roleDefinitionId": id })).collect();
    json!({ "unifiedRoles": roles })
}

pub(crate) fn etag(id: &str, version: u64) -> String {
    format!("W/\"{}\"", ids::token(&["etag", id, &version.to_string()]))
}

const PROPERTIES: &[&str] = &[
    "id",
    "accessDetails",
    "activatedDateTime",
    "autoExtendDuration",
    "createdDateTime",
    "customer",
    "displayName",
    "duration",
    "endDateTime",
    "indirectProviderTenantId",
    "isPartnerConsentPending",
    "lastModifiedDateTime",
    "status",
];
const ASSIGNMENT_PROPERTIES: &[&str] = &[
    "id",
    "accessContainer",
    "accessDetails",
    "createdDateTime",
    "lastModifiedDateTime",
    "status",
];
const REQUEST_PROPERTIES: &[&str] =
    &["id", "action", "createdDateTime", "lastModifiedDateTime", "status"];
const OPERATION_PROPERTIES: &[&str] =
    &["id", "createdDateTime", "data", "lastModifiedDateTime", "operationType", "status"];

/// What is asked about relationships.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// `GET tenantRelationships/delegatedAdminRelationships`
    /// (<https://learn.microsoft.com/graph/api/tenantrelationship-list-delegatedadminrelationships>).
    All,
    /// One of them.
    One(&'a str),
    /// `GET …/{id}/accessAssignments`
    /// (<https://learn.microsoft.com/graph/api/delegatedadminrelationship-list-accessassignments>).
    AccessAssignments(&'a str),
    /// One of those.
    AccessAssignment(&'a str, &'a str),
    /// `GET …/{id}/operations`
    /// (<https://learn.microsoft.com/graph/api/delegatedadminrelationship-list-operations>).
    Operations(&'a str),
    /// One of those.
    Operation(&'a str, &'a str),
    /// `GET …/{id}/requests`
    /// (<https://learn.microsoft.com/graph/api/delegatedadminrelationship-list-requests>).
    Requests(&'a str),
    /// One of those.
    Request(&'a str, &'a str),
}

/// Answers what is asked about relationships. Whoever asks has to be in a partner's tenant.
pub(crate) fn answer(
    state: &mut State,
    tenant: &str,
    ask: &Ask<'_>,
    about: About<'_>,
) -> Result<Reply, GraphError> {
    let State { settings, directories, .. } = state;
    let directory = directories.get_mut(tenant).ok_or_else(GraphError::unauthenticated)?;
    let forbidden = || GraphError::of(http::StatusCode::FORBIDDEN);
    let partnership = directory.partnership.as_mut().ok_or_else(forbidden)?;
    let now = ask.asked.now;
    partnership.settle(now);
    // A list is read once, on however many pages it comes.
    let read = ask.query.from.is_none();
    let all = &mut partnership.relationships;
    match about {
        About::All => {
            let filter = ask.query.filter_on(&["status", "customer/tenantId"])?;
            let shown: Vec<Object> = all.iter_mut().map(|it| it.shown(read, now)).collect();
            let wanted = |it: &Object| match filter {
                None => true,
                Some(("status", status)) => it["status"] == status,
                Some((_, id)) => it["customer"]["tenantId"] == id,
            };
            let shown = shown.into_iter().filter(wanted);
            ask.list(settings, "tenantRelationships/delegatedAdminRelationships", PROPERTIES, shown)
        }
        About::One(id) => {
            let item = ask.query.choose(find(all, id)?.shown(read, now), PROPERTIES)?;
            Ok(ask.item("tenantRelationships/delegatedAdminRelationships", item))
        }
        About::AccessAssignments(id) => {
            let related = find(all, id)?;
            ask.query.filter_on(&[])?;
            let shown = related.shown_assignments(read, now).into_iter();
            ask.list(settings, "accessAssignments", ASSIGNMENT_PROPERTIES, shown)
        }
        About::AccessAssignment(id, assignment) => {
            let shown = find(all, id)?.shown_assignments(read, now);
            let found = shown.into_iter().find(|it| it["id"] == assignment);
            let used = found.ok_or_else(|| GraphError::not_found(assignment))?;
            Ok(ask.item("accessAssignments", used))
        }
        About::Operations(id) => {
            let related = find(all, id)?;
            ask.query.filter_on(&[])?;
            let all = related.operations.iter().map(Related::operation_json);
            ask.list(settings, "operations", OPERATION_PROPERTIES, all)
        }
        About::Operation(id, operation) => {
            let related = find(all, id)?;
            let found = related.operations.iter().find(|it| it.0 == operation);
            let found = found.ok_or_else(|| GraphError::not_found(operation))?;
            Ok(ask.item("operations", Related::operation_json(found)))
        }
        About::Requests(id) => {
            let related = find(all, id)?;
            ask.query.filter_on(&[])?;
            let all = related.requests.iter().map(Requested::to_json);
            ask.list(settings, "requests", REQUEST_PROPERTIES, all)
        }
        About::Request(id, request) => {
            let related = find(all, id)?;
            let found = related.requests.iter().find(|it| it.id == request);
            let found = found.ok_or_else(|| GraphError::not_found(request))?;
            Ok(ask.item("requests", found.to_json()))
        }
    }
}

fn find<'r>(all: &'r mut [Related], id: &str) -> Result<&'r mut Related, GraphError> {
    let found = all.iter_mut().find(|it| it.id.eq_ignore_ascii_case(id));
    found.ok_or_else(|| GraphError::not_found(id))
}

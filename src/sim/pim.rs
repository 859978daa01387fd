//! Privileged Identity Management for directory roles: who holds a role now, and who may activate
//! one (<https://learn.microsoft.com/graph/api/resources/privilegedidentitymanagementv3-overview>).

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::assignment::AssignmentType;
use super::directory::{Directory, Held};
use super::fault::status;
use super::graph::Ask;
use super::ids;
use super::objects::object;
use super::query::{Object, Place, page};
use super::reply::{GraphError, Reply};
use super::role_management::expand;
use super::state::{Settings, State};

/// The answer to a tenant that has not bought it. Neither status nor code is documented: 400 and
/// `AadPremiumLicenseRequired` are what clients report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoLicence {
    /// The status of the answer.
    #[serde(default = "bad_request", deserialize_with = "status")]
    pub status: StatusCode,
}

impl Default for NoLicence {
    fn default() -> Self {
        Self { status: bad_request() }
    }
}

fn bad_request() -> StatusCode {
    StatusCode::BAD_REQUEST
}

/// The number of the first instance that is nobody's assignment: no assignment has a higher one.
const AFTER_ALL_HELD: u64 = 1 << 62;

const ACTIVE: &str = "roleManagement/directory/roleAssignmentScheduleInstances";
const ELIGIBLE: &str = "roleManagement/directory/roleEligibilityScheduleInstances";

const ACTIVE_PROPERTIES: &[&str] = &[
    "id",
    "principalId",
    "roleDefinitionId",
    "directoryScopeId",
    "appScopeId",
    "startDateTime",
    "endDateTime",
    "assignmentType",
    "memberType",
    "roleAssignmentOriginId",
    "roleAssignmentScheduleId",
];
const ELIGIBLE_PROPERTIES: &[&str] = &[
    "id",
    "principalId",
    "roleDefinitionId",
    "directoryScopeId",
    "appScopeId",
    "startDateTime",
    "endDateTime",
    "memberType",
    "roleEligibilityScheduleId",
];

/// `GET …/roleAssignmentScheduleInstances`: every active assignment, those included that were made
/// without Privileged Identity Management
/// (<https://learn.microsoft.com/graph/api/rbacapplication-list-roleassignmentscheduleinstances>).
pub(crate) fn active(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let State { settings, directories, .. } = state;
    let directory = licensed(directories.get(tenant).ok_or_else(GraphError::unauthenticated)?)?;
    let derived = (AFTER_ALL_HELD..).zip(&directory.derived);
    let all = directory.numbered().chain(derived);
    instances(settings, directory, ask, ACTIVE, all)
}

/// `GET …/roleEligibilityScheduleInstances`
/// (<https://learn.microsoft.com/graph/api/rbacapplication-list-roleeligibilityscheduleinstances>).
pub(crate) fn eligible(state: &State, tenant: &str, ask: &Ask<'_>) -> Result<Reply, GraphError> {
    let State { settings, directories, .. } = state;
    let directory = licensed(directories.get(tenant).ok_or_else(GraphError::unauthenticated)?)?;
    instances(settings, directory, ask, ELIGIBLE, (1..).zip(&directory.eligible))
}

pub(crate) fn licensed(directory: &Directory) -> Result<&Directory, GraphError> {
    match directory.without_licence {
        None => Ok(directory),
        Some(NoLicence { status }) => Err(GraphError::new(
            status,
            "AadPremiumLicenseRequired",
            "The tenant needs to have Microsoft Entra ID P2 or Microsoft Entra ID Governance \
             license.",
        )),
    }
}

fn instances<'d>(
    settings: &Settings,
    directory: &'d Directory,
    ask: &Ask<'_>,
    kind: &str,
    all: impl Iterator<Item = (u64, &'d Held)>,
) -> Result<Reply, GraphError> {
    let filter = ask.query.filter_on(&["principalId", "roleDefinitionId"])?;
    let wanted = |held: &Held| match filter {
        None => true,
        Some(("principalId", id)) => held.principal.eq_ignore_ascii_case(id),
        Some((_, id)) => held.role.eq_ignore_ascii_case(id),
    };
    let after = ask.query.from.map_or(0, |place| place.after);
    let rest = all.filter(|(number, held)| *number > after && wanted(held));
    let (held, last) = page(rest, ask.size(settings));
    let items = held.into_iter().map(|held| {
        let (full, known) = match kind {
            ELIGIBLE => (eligible_json(held), ELIGIBLE_PROPERTIES),
            _ => (active_json(held), ACTIVE_PROPERTIES),
        };
        let mut item = ask.query.choose(full, known)?;
        expand(directory, ask, held, &mut item)?;
        Ok(item)
    });
    let items = items.collect::<Result<Vec<_>, _>>()?;
    Ok(ask.collection(kind, &items, last.map(|after| Place { read: 0, after })))
}

fn active_json(held: &Held) -> Object {
    let managed =
        held.start.is_some() || held.end.is_some() || held.kind == AssignmentType::Activated;
    let schedule = if managed { ids::guid(&["schedule", &held.id]) } else { held.id.clone() };
    let mut item = common(held);
    item.insert("assignmentType".to_owned(), Value::from(format!("{:?}", held.kind)));
    item.insert("roleAssignmentOriginId".to_owned(), Value::from(held.id.as_str()));
    item.insert("roleAssignmentScheduleId".to_owned(), Value::from(schedule));
    item
}

fn eligible_json(held: &Held) -> Object {
    let mut item = common(held);
    let schedule = ids::guid(&["eligibility", &held.id]);
    item.insert("id".to_owned(), Value::from(format!("{}-e", held.id)));
    item.insert("roleEligibilityScheduleId".to_owned(), Value::from(schedule));
    item
}

fn common(held: &Held) -> Object {
    object(json!({
        "id": held.id,
        "principalId": held.principal,
        "roleDefinitionId": held.role,
        "directoryScopeId": held.scope,
        "appScopeId": null,
        "startDateTime": held.start.map(|time| time.to_string()),
        "endDateTime": held.end.map(|time| time.to_string()),
        "memberType": format!("{:?}", held.member),
    }))
}

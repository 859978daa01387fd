//! The audit log of a directory: events that become visible some time after they happened
//! (<https://learn.microsoft.com/graph/api/directoryaudit-list>).

use jiff::Timestamp;
use serde_json::Value;

use super::graph::Ask;
use super::query::{Object, Place, page};
use super::reply::{GraphError, Reply};
use super::state::State;

/// One event.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    pub(crate) event: Object,
    pub(crate) happened: Timestamp,
    pub(crate) visible: Timestamp,
}

/// `GET auditLogs/directoryAudits`.
pub(crate) fn directory_audits(
    state: &State,
    tenant: &str,
    ask: &Ask<'_>,
) -> Result<Reply, GraphError> {
    let since = match &ask.query.filter {
        None => None,
        Some(filter) if filter.field == "activityDateTime" && filter.ge => {
            let at = filter.value.parse::<Timestamp>();
            Some(at.map_err(|_| GraphError::bad_request("Invalid filter clause"))?)
        }
        Some(_) => return Err(GraphError::bad_request("Invalid filter clause")),
    };
    let newest_first = match ask.query.order.as_deref() {
        // Without an order the newest come first.
        None | Some("activityDateTime desc") => true,
        Some("activityDateTime" | "activityDateTime asc") => false,
        Some(_) => return Err(GraphError::bad_request("Invalid orderby clause")),
    };
    let all = state.audits.get(tenant).map(Vec::as_slice).unwrap_or_default();
    let mut visible: Vec<&Audit> = all
        .iter()
        .filter(|it| it.visible <= ask.asked.now && since.is_none_or(|at| it.happened >= at))
        .collect();
    visible.sort_by_key(|it| it.happened);
    if newest_first {
        visible.reverse();
    }
    let after = ask.query.from.map_or(0, |place| place.after);
    let numbered = (1..).zip(visible).filter(|(number, _)| *number > after);
    let (events, last) = page(numbered, ask.size(&state.settings));
    let items: Vec<Object> = events.into_iter().map(|it| it.event.clone()).collect();
    Ok(ask.collection(
        "auditLogs/directoryAudits",
        &items,
        last.map(|after| Place { read: 0, after }),
    ))
}

impl Audit {
    /// An event that happened at a moment; id and time are filled in where they are missing.
    pub(crate) fn new(event: &Value, happened: Timestamp, visible: Timestamp, id: &str) -> Self {
        let mut event = event.as_object().cloned().unwrap_or_default();
        event.insert("activityDateTime".to_owned(), happened.to_string().into());
        event.insert("id".to_owned(), id.into());
        Self { event, happened, visible }
    }
}

//! The Office 365 Management Activity API: content, as long as it is kept
//! (<https://learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference>).

use http::StatusCode;
use serde_json::json;

use super::reply::{Asked, Reply};
use super::signin;
use super::state::State;

/// The content of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    contents: Vec<Content>,
}

#[derive(Debug)]
struct Content {
    tenant: String,
    id: String,
    body: String,
    expired: bool,
}

impl Feed {
    /// Adds content and says its id, which has the form that the documentation shows.
    pub(crate) fn publish(&mut self, tenant: &str, body: &str) -> String {
        let number = self.contents.len() + 1;
        let id = format!("20261120050608${number}$audit$04");
        let (tenant, body) = (tenant.to_ascii_lowercase(), body.to_owned());
        self.contents.push(Content { tenant, id: id.clone(), body, expired: false });
        id
    }

    pub(crate) fn expire(&mut self) {
        for content in &mut self.contents {
            content.expired = true;
        }
    }
}

/// `GET /api/v1.0/{tenant}/activity/feed/audit/{id}`. Which status the errors have is not
/// documented; their codes are.
pub(crate) fn content(state: &State, asked: &Asked, tenant: &str, id: &str) -> Reply {
    let Some(claims) = signin::bearer(asked) else {
        return Reply::empty(StatusCode::UNAUTHORIZED);
    };
    if !claims.tid.eq_ignore_ascii_case(tenant) {
        let message = "The tenant ID passed in the URL does not match that in the access token.";
        return refused(StatusCode::FORBIDDEN, "AF20010", message);
    }
    if !claims.roles.iter().any(|role| role == "ActivityFeed.Read") {
        let message = "The permission set did not include the expected ActivityFeed.Read.";
        return refused(StatusCode::FORBIDDEN, "AF10001", message);
    }
    let of_id = |it: &&Content| it.id == id && it.tenant.eq_ignore_ascii_case(tenant);
    match state.feed.contents.iter().find(of_id) {
        None => refused(StatusCode::NOT_FOUND, "AF20050", "The content does not exist."),
        Some(content) if content.expired => {
            refused(StatusCode::BAD_REQUEST, "AF20051", "The content has already expired.")
        }
        Some(content) => Reply::raw_json(&content.body),
    }
}

fn refused(status: StatusCode, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": code, "message": message } }))
}

//! The route that ticket systems call back. What they say is a reason to read a ticket again, if it
//! is one of ours, and nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, Request, StatusCode};
use tracing::{error, info};

use super::answer::{refused, status_only};
use super::{Front, body, by, turned_away, unavailable};
use crate::domain::id::SinkName;
use crate::domain::signal::Sender;
use crate::ports::chain;
use crate::telemetry::metric::{self, Lack};
use crate::wire::tickets::{Incoming, Scheme, changed, nobody_calls};

const SENDER: Sender = Sender::Tickets;

/// `POST /hooks/tickets/{sink}`: 202 once what it is about is to be read again, also where it is
/// about nothing of ours.
pub(super) async fn receive(
    State(front): State<Arc<Front>>,
    Path(sink): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Response {
    let sink = SinkName(sink);
    let Some(known) = front.policy.tickets.get(&sink) else {
        let answer =
            refused(StatusCode::NOT_FOUND, "unknown-sink", "the policy names no such sink");
        return by(SENDER, answer);
    };
    let Some(scheme) = Scheme::of(&known.settings) else {
        return turned_away(SENDER, &nobody_calls());
    };
    let body = match body(SENDER, request).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let now = front.clock.now();
    let secrets = front.callback_secrets.get(&sink).map_or(&[][..], Vec::as_slice);
    let callback = match scheme.receive(Incoming { headers: &headers, body: &body, now }, secrets) {
        Ok(callback) => callback.into_inner(),
        Err(reject) => return turned_away(SENDER, &reject),
    };
    let message = callback.message(&sink);
    if let Some(message) = &message
        && front.replays().knows(message, now)
    {
        info!(%sink, sender = SENDER.name(), "heard before");
        metric::replayed(SENDER);
        return by(SENDER, status_only(StatusCode::ACCEPTED));
    }
    let mut signals = Vec::new();
    for id in &callback.ids {
        match front.whose_ticket.whose_ticket(&sink, id).await {
            Ok(Some((key, tenant))) if front.policy.roster.tenant(tenant).is_some() => {
                signals.push(changed(tenant, &key, now));
            }
            Ok(_) => {}
            Err(failure) => {
                error!("whose a ticket is cannot be read: {}", chain(&failure));
                return unavailable(SENDER, Lack::Queue, &failure);
            }
        }
    }
    let heard = signals.len();
    if heard > 0
        && let Err(error) = front.enqueue.enqueue(signals).await
    {
        return unavailable(SENDER, Lack::Queue, &error);
    }
    if let Some(message) = message {
        front.replays().remember(message, now);
    }
    info!(%sink, sender = SENDER.name(), signals = heard, "heard");
    metric::heard(SENDER, heard, usize::from(heard == 0));
    by(SENDER, status_only(StatusCode::ACCEPTED))
}

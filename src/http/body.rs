//! A request's body: whole, or turned away for its size or its slowness.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::Request;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::wire::{BODY_MAX, Reject};

/// How long a sender may take to hand over a body.
const WITHIN: Duration = Duration::from_secs(10);

/// Most bytes of a body that is too large which are taken in and thrown away.
const DRAIN_MAX: usize = 16 * 1024 * 1024;

/// How long the next part of a body that is too large is waited for.
const DRAIN_PAUSE: Duration = Duration::from_millis(250);

/// How long a body that is too large is taken in at all.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// The whole body, unless it is too large or too slow.
pub(super) async fn read(request: Request<Body>) -> Result<Bytes, Reject> {
    let headers = request.headers();
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<u64>().ok());
    let waits_for_word = headers.contains_key(EXPECT);
    let mut body = request.into_body();
    if announced.is_some_and(|length| length > BODY_MAX as u64) {
        // Whoever asks before sending is told before sending.
        if !waits_for_word {
            drain(&mut body).await;
        }
        return Err(Reject::TooLarge);
    }
    match timeout(WITHIN, whole(&mut body)).await {
        Ok(Ok(Some(whole))) => Ok(whole),
        Ok(Ok(None)) => {
            drain(&mut body).await;
            Err(Reject::TooLarge)
        }
        Ok(Err(_)) => Err(Reject::BrokenOff),
        Err(_) => Err(Reject::Slow),
    }
}

/// The body, or nothing where it is too large.
async fn whole(body: &mut Body) -> Result<Option<Bytes>, axum::Error> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if read.len() + data.len() > BODY_MAX {
                return Ok(None);
            }
            read.extend_from_slice(&data);
        }
    }
    Ok(Some(read.freeze()))
}

/// Takes in what a sender is still writing, within reason. Closing the connection on it would keep
/// it from reading the answer.
async fn drain(body: &mut Body) {
    let mut left = DRAIN_MAX;
    let draining = async {
        while let Ok(Some(Ok(frame))) = timeout(DRAIN_PAUSE, body.frame()).await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    // Whoever is still writing then has to do without the answer.
    drop(timeout(DRAIN_WITHIN, draining).await);
}

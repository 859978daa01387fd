//! The door: the same router as in one process, with secrets that may change while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use lambda_http::Service as _;
use tracing::{error, info};

use super::start::StartError;
use crate::ports::{Clock, chain};

/// How long secrets are used before they are read again.
const READ_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The pause between two readings because somebody was turned away: whoever knocks with wrong keys
/// must not make us ask again and again.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// Makes the router from the secrets as they are now.
#[async_trait::async_trait]
pub trait MakeRouter: Send + Sync {
    /// Reads the secrets and makes it.
    async fn router(&self) -> Result<Router, StartError>;
}

/// The door.
pub struct Door {
    make: Box<dyn MakeRouter>,
    clock: Arc<dyn Clock>,
    router: Mutex<(Router, Timestamp)>,
}

impl Door {
    /// Opens it.
    ///
    /// # Errors
    /// When the router cannot be made.
    pub async fn open(
        make: Box<dyn MakeRouter>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let router = make.router().await?;
        let router = Mutex::new((router, clock.now()));
        Ok(Self { make, clock, router })
    }

    /// Answers a request. One that is turned away for its keys is judged once more by secrets read
    /// anew: they may just have been changed.
    pub async fn answer(&self, request: lambda_http::Request) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = bytes::Bytes::from(body.to_vec());
        let again = Request::from_parts(head.clone(), Body::from(body.clone()));
        let answer = call(self.router(READ_AGAIN_AFTER).await, again).await;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return answer;
        }
        let before = self.read_at();
        let router = self.router(PAUSE).await;
        if self.read_at() == before {
            return answer;
        }
        info!("judged once more by secrets read anew");
        call(router, Request::from_parts(head, Body::from(body))).await
    }

    fn read_at(&self) -> Timestamp {
        self.router.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// The router, from secrets that were read within this time, as far as they can be read.
    async fn router(&self, within: SignedDuration) -> Router {
        let (held, read_at) = self.router.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let now = self.clock.now();
        if now.duration_since(read_at) < within {
            return held;
        }
        match self.make.router().await {
            Ok(router) => {
                let held = (router.clone(), now);
                *self.router.lock().unwrap_or_else(PoisonError::into_inner) = held;
                router
            }
            Err(error) => {
                error!("the secrets cannot be read anew; those in hand stay: {}", chain(&error));
                held
            }
        }
    }
}

async fn call(mut router: Router, request: Request<Body>) -> Response<Body> {
    // A router is always ready, and never fails.
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

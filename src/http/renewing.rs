//! A router whose keys may change while it runs.
//!
//! Where secrets are rotated without a restart, the router is made anew when they have changed.
//! Whoever is turned away because of a key is judged once more with the keys as they stand then.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use tower_service::Service as _;
use tracing::error;

use super::Unproven;
use crate::ports::{PortError, chain};

/// Something that is kept elsewhere and may change.
#[async_trait]
pub trait Renew<T>: Send + Sync {
    /// It, as it was some minutes ago at most. The same `Arc` as before where it has not changed.
    async fn held(&self) -> Result<Arc<T>, PortError>;
    /// It, as it is now, unless it was read a moment ago.
    async fn renewed(&self) -> Result<Arc<T>, PortError>;
}

/// How a router is made.
type Make<T> = dyn Fn(&T) -> Result<Router, PortError> + Send + Sync;

/// A router that is made anew when what it was made from has changed.
pub struct Renewing<T> {
    from: Arc<dyn Renew<T>>,
    make: Box<Make<T>>,
    made: Mutex<Option<(Arc<T>, Router)>>,
}

impl<T: Send + Sync> Renewing<T> {
    /// A router that `make` makes.
    pub fn new(
        from: Arc<dyn Renew<T>>,
        make: impl Fn(&T) -> Result<Router, PortError> + Send + Sync + 'static,
    ) -> Self {
        Self { from, make: Box::new(make), made: Mutex::default() }
    }

    /// Answers a request whose body is there already.
    ///
    /// # Errors
    /// When there is nothing to make a router from.
    pub async fn answer(&self, request: Request<Bytes>) -> Result<Response, PortError> {
        let (held, router) = self.router(self.from.held().await?)?;
        let response = answered(router, request.clone()).await;
        if response.extensions().get::<Unproven>().is_none() {
            return Ok(response);
        }
        let renewed = match self.from.renewed().await {
            Ok(renewed) if !Arc::ptr_eq(&renewed, &held) => renewed,
            Ok(_) => return Ok(response),
            Err(error) => {
                error!("newer keys cannot be had: {}", chain(&error));
                return Ok(response);
            }
        };
        // What of it was taken already is the same signal again.
        let (_, router) = self.router(renewed)?;
        Ok(answered(router, request).await)
    }

    fn router(&self, from: Arc<T>) -> Result<(Arc<T>, Router), PortError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, router)) = made.as_ref().filter(|(it, _)| Arc::ptr_eq(it, &from)) {
            return Ok((Arc::clone(before), router.clone()));
        }
        let router = match (self.make)(&from) {
            Ok(router) => router,
            // What cannot be used is no reason to stop listening.
            Err(error) => match made.as_ref() {
                Some((before, router)) => {
                    error!("what has changed cannot be used: {}", chain(&error));
                    return Ok((Arc::clone(before), router.clone()));
                }
                None => return Err(error),
            },
        };
        *made = Some((Arc::clone(&from), router.clone()));
        Ok((from, router))
    }
}

async fn answered(mut router: Router, request: Request<Bytes>) -> Response {
    let answer = router.call(request.map(Body::from)).await;
    answer.unwrap_or_else(|never| match never {})
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use axum::routing::post;
    use http::StatusCode;

    use super::*;
    use crate::ports::Failure;

    /// A key.
    struct Key(&'static str);

    /// Keys that change when they are renewed.
    struct Keys {
        held: Mutex<Arc<Key>>,
        next: Mutex<VecDeque<Result<&'static str, ()>>>,
    }

    #[async_trait]
    impl Renew<Key> for Keys {
        async fn held(&self) -> Result<Arc<Key>, PortError> {
            Ok(Arc::clone(&self.held.lock().unwrap()))
        }

        async fn renewed(&self) -> Result<Arc<Key>, PortError> {
            match self.next.lock().unwrap().pop_front() {
                Some(Ok(key)) => *self.held.lock().unwrap() = Arc::new(Key(key)),
                Some(Err(())) => return Err(PortError::new(Failure::Transient, "it is down")),
                None => {}
            }
            Ok(Arc::clone(&self.held.lock().unwrap()))
        }
    }

    /// A door that opens to its key, and cannot be made for the key `broken`.
    fn door(key: &'static str, next: &[Result<&'static str, ()>]) -> (Arc<Keys>, Renewing<Key>) {
        let next = Mutex::new(next.iter().copied().collect());
        let keys = Arc::new(Keys { held: Mutex::new(Arc::new(Key(key))), next });
        let make = |key: &Key| {
            if key.0 == "broken" {
                return Err(PortError::new(Failure::Refused, "no key"));
            }
            let key = key.0;
            Ok(Router::new().route(
                "/",
                post(move |body: Bytes| async move {
                    let mut response = Response::new(Body::empty());
                    if body != key.as_bytes() {
                        *response.status_mut() = StatusCode::UNAUTHORIZED;
                        response.extensions_mut().insert(Unproven);
                    }
                    response
                }),
            ))
        };
        let door = Renewing::new(keys.clone(), make);
        (keys, door)
    }

    async fn knock(door: &Renewing<Key>, key: &'static str) -> u16 {
        let request = Request::post("/").body(Bytes::from(key)).unwrap();
        door.answer(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_key_that_was_rotated_a_moment_ago_opens() {
        let (keys, door) = door("old", &[Ok("new")]);
        assert_eq!(knock(&door, "old").await, 200);
        assert_eq!(keys.next.lock().unwrap().len(), 1, "nobody asked for newer keys");
        assert_eq!(knock(&door, "new").await, 200);
        assert_eq!(knock(&door, "old").await, 401);
    }

    #[tokio::test]
    async fn a_wrong_key_stays_wrong_whatever_becomes_of_the_newer_ones() {
        let (_, door) = door("old", &[Err(()), Ok("broken")]);
        for expect in [("wrong", 401), ("wrong", 401), ("old", 200), ("wrong", 401)] {
            assert_eq!(knock(&door, expect.0).await, expect.1);
        }
    }

    #[tokio::test]
    async fn without_any_router_the_error_is_told() {
        let (_, door) = door("broken", &[]);
        let request = Request::post("/").body(Bytes::new()).unwrap();
        assert_eq!(door.answer(request).await.unwrap_err().to_string(), "no key");
    }
}

//! A Lambda function that answers `hello` and can do nothing else: the floor that `make bench-start`
//! measures the real functions against. One thread, like theirs, and no log.

use lambda_http::{Body, Error, Request, Response, service_fn};

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = |_: Request| async { Ok::<_, Error>(Response::new(Body::from("hello"))) };
    runtime.block_on(lambda_http::run(service_fn(answer)))
}

//! The listener for whoever collects the numbers. It is another one than the door: to tell what was
//! believed from what was not is to tell strangers how to be believed.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::door::{self, Limits};

/// How often what was measured is put away, whether or not anybody asks for it.
const UPKEEP: Duration = Duration::from_secs(5);

/// Answers `GET /metrics` until `stopping`.
pub(super) async fn open(
    listener: TcpListener,
    numbers: PrometheusHandle,
    stopping: &CancellationToken,
) {
    let rendered = numbers.clone();
    let answer = move || async move {
        rendered.run_upkeep();
        // Text format 0.0.4 of Prometheus.
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], rendered.render())
    };
    let router = Router::new().route("/metrics", get(answer));
    let limits = Limits { connections: 32, bodies: 1024 * 1024, ..Limits::default() };
    let upkeep = async {
        while tokio::time::timeout(UPKEEP, stopping.cancelled()).await.is_err() {
            numbers.run_upkeep();
        }
    };
    tokio::join!(door::open(listener, router, limits, stopping), upkeep);
}

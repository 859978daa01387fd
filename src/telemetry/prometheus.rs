//! The numbers in the form that Prometheus reads.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::metric::{Metric, describe};

static INSTALLED: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the recorder of the process, if that was not done before.
///
/// # Errors
/// When a metric has no bucket.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    if let Some(handle) = INSTALLED.get() {
        return Ok(handle.clone());
    }
    let mut builder = PrometheusBuilder::new();
    for metric in Metric::ALL {
        if let Some(buckets) = metric.buckets() {
            let name = Matcher::Full(metric.name().to_owned());
            builder = builder.set_buckets_for_metric(name, buckets)?;
        }
    }
    let recorder = builder.build_recorder();
    let handle = INSTALLED.get_or_init(|| recorder.handle()).clone();
    // Two at once in one process would leave the first in place.
    drop(metrics::set_global_recorder(recorder));
    describe();
    Ok(handle)
}

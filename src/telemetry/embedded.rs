//! The numbers as lines of a log that `CloudWatch` takes for metrics.
//!
//! The stack is the only dimension: alarms and dashboards look at a stack as a whole, and each
//! further combination would be a metric that is paid for. Labels stand beside it in the line,
//! where queries of the log find them.
//!
//! Source: Amazon `CloudWatch` User Guide, "Specification: Embedded metric format".

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use serde_json::{Map, Value, json};

/// The namespace of every metric.
const NAMESPACE: &str = "PartnerWarden";

/// Most values of one metric in a line.
const VALUES_MAX: usize = 100;

/// Most values of one series between two lines: what is more is not measured.
const HELD_MAX: usize = 10_000;

static INSTALLED: OnceLock<Embedded> = OnceLock::new();

/// A name and its labels.
type Series = (String, Vec<(String, String)>);

/// The recorder.
#[derive(Debug, Clone)]
pub struct Embedded {
    stack: String,
    kept: Arc<Mutex<BTreeMap<Series, Arc<Kept>>>>,
}

/// What was recorded of one series since the last line.
#[derive(Debug, Default)]
struct Kept(Mutex<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    /// A counter's growth.
    count: u64,
    /// A gauge's value, and what a histogram was given.
    values: Vec<f64>,
}

impl Kept {
    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CounterFn for Kept {
    fn increment(&self, value: u64) {
        let mut numbers = self.numbers();
        numbers.count = numbers.count.saturating_add(value);
    }

    fn absolute(&self, value: u64) {
        let mut numbers = self.numbers();
        numbers.count = numbers.count.max(value);
    }
}

impl GaugeFn for Kept {
    fn increment(&self, value: f64) {
        let mut numbers = self.numbers();
        let last = numbers.values.last().copied().unwrap_or_default();
        numbers.values = vec![last + value];
    }

    fn decrement(&self, value: f64) {
        GaugeFn::increment(self, -value);
    }

    fn set(&self, value: f64) {
        self.numbers().values = vec![value];
    }
}

impl HistogramFn for Kept {
    fn record(&self, value: f64) {
        let mut numbers = self.numbers();
        if numbers.values.len() < HELD_MAX {
            numbers.values.push(value);
        }
    }
}

impl Embedded {
    /// A recorder for the functions of a stack.
    pub fn new(stack: &str) -> Self {
        Self { stack: stack.to_owned(), kept: Arc::default() }
    }

    fn series(&self, key: &Key) -> Arc<Kept> {
        let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned()));
        let series = (key.name().to_owned(), labels.collect());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry(series).or_default())
    }

    /// What was recorded since the last time, a line for each series.
    pub fn lines(&self, now: Timestamp) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = String::new();
        for ((name, labels), kept) in kept.iter() {
            let Numbers { count, values } = std::mem::take(&mut *kept.numbers());
            if count > 0 {
                self.line(&mut lines, name, labels, json!(count), now);
            }
            for values in values.chunks(VALUES_MAX) {
                self.line(&mut lines, name, labels, json!(values), now);
            }
        }
        lines
    }

    fn line(
        &self,
        lines: &mut String,
        name: &str,
        labels: &[(String, String)],
        value: Value,
        now: Timestamp,
    ) {
        let metric = json!({"Name": name, "Unit": unit(name)});
        let directive =
            json!({"Namespace": NAMESPACE, "Dimensions": [["Stack"]], "Metrics": [metric]});
        let aws = json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive]});
        let mut line = Map::new();
        line.insert("_aws".to_owned(), aws);
        line.insert("Stack".to_owned(), json!(self.stack));
        line.extend(labels.iter().map(|(label, value)| (label.clone(), json!(value))));
        line.insert(name.to_owned(), value);
        lines.push_str(&Value::Object(line).to_string());
        lines.push('\n');
    }
}

/// The unit that a name ends with.
fn unit(name: &str) -> &'static str {
    if name.ends_with("_seconds") {
        "Seconds"
    } else if name.ends_with("_total") {
        "Count"
    } else {
        "None"
    }
}

impl Recorder for Embedded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}

/// Installs the recorder of the process, if that was not done before. A function's name begins with
/// that of its stack: `warden-ingest` belongs to `warden`.
pub fn install(function: &str) {
    let stack = function.rsplit_once('-').map_or(function, |(stack, _)| stack);
    let recorder = INSTALLED.get_or_init(|| Embedded::new(stack));
    // Two at once in one process would leave the first in place.
    drop(metrics::set_global_recorder(recorder.clone()));
}

/// Writes what was recorded since the last time to standard output, which is the function's log.
pub fn flush(now: Timestamp) {
    let lines = INSTALLED.get().map(|recorder| recorder.lines(now)).unwrap_or_default();
    // There is nobody to tell, should even the log not be taken.
    drop(std::io::stdout().lock().write_all(lines.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::noon;
    use crate::domain::id::TenantId;
    use crate::domain::signal::Sender;
    use crate::telemetry::metric;

    fn parsed(lines: &str) -> Vec<Value> {
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn what_is_counted_is_told_once_with_the_stack_alone_for_its_dimension() {
        let recorder = Embedded::new("warden");
        metrics::with_local_recorder(&recorder, || {
            metric::heard(Sender::Audit, 2, 0);
            metric::heard(Sender::Audit, 3, 0);
        });
        let lines = parsed(&recorder.lines(noon()));
        let expected = json!({
            "_aws": {
                "Timestamp": noon().as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": "PartnerWarden",
                    "Dimensions": [["Stack"]],
                    "Metrics": [{"Name": "warden_signals_total", "Unit": "Count"}],
                }],
            },
            "Stack": "warden",
            "sender": "audit",
            "warden_signals_total": 5,
        });
        assert_eq!(lines, [expected]);
        assert_eq!(recorder.lines(noon()), "", "nothing new");
    }

    #[test]
    fn times_are_told_one_by_one_a_hundred_in_a_line() {
        let recorder = Embedded::new("warden");
        metrics::with_local_recorder(&recorder, || {
            for second in 0..101 {
                metric::answered(Sender::Audit, jiff::SignedDuration::from_secs(second));
            }
        });
        let lines = parsed(&recorder.lines(noon()));
        let name = "warden_answer_seconds";
        let values = |line: &Value| line[name].as_array().unwrap().len();
        assert_eq!(lines.iter().map(values).collect::<Vec<_>>(), [100, 1]);
        assert_eq!(lines[1][name], json!([100.0]));
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"], "Seconds");
    }

    #[test]
    fn hours_until_a_subscription_ends_are_the_last_that_were_told() {
        let recorder = Embedded::new("warden");
        let tenant: TenantId = "11111111-1111-1111-1111-111111111111".parse().unwrap();
        metrics::with_local_recorder(&recorder, || {
            for minutes in [60, 90] {
                let left = jiff::SignedDuration::from_mins(minutes);
                metric::subscribed(tenant, "users", left);
            }
        });
        let [line] = parsed(&recorder.lines(noon())).try_into().unwrap();
        assert_eq!(line["warden_subscription_hours"], json!([1.5]));
        assert_eq!((&line["tenant"], &line["resource"]), (&json!(tenant), &json!("users")));
    }

    #[test]
    fn each_time_of_a_revocation_is_told_by_partner_and_strangers_share_one_name() {
        use crate::domain::record::Cause;
        use crate::domain::roster::AffectedPartner;
        let recorder = Embedded::new("warden");
        let at = |seconds| noon() + jiff::SignedDuration::from_secs(seconds);
        let cause = Cause { event: Some(at(0)), received: Some(at(3)), decided: at(4) };
        let partner = |id: &str, listed| AffectedPartner {
            id: id.parse().ok(),
            name: "Contoso".to_owned(),
            listed,
        };
        let listed = "22222222-2222-2222-2222-222222222222";
        metrics::with_local_recorder(&recorder, || {
            metric::revoked(&cause, &partner(listed, true), at(5));
            for stranger in ["66666666-6666-6666-6666-666666666666", "7"] {
                metric::revoked(&cause, &partner(stranger, false), at(9));
            }
        });
        let lines = parsed(&recorder.lines(noon()));
        let of = |metric: &str, since: Option<&str>, partner: &str| {
            let since = since.map_or(Value::Null, |since| json!(since));
            let its = |line: &&Value| {
                !line[metric].is_null() && line["since"] == since && line["partner"] == partner
            };
            let its: Vec<&Value> = lines.iter().filter(its).collect();
            let [line] = its.as_slice() else { panic!("{lines:#?}") };
            assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Stack"]]));
            line[metric].clone()
        };
        let revoke = "warden_time_to_revoke_seconds";
        assert_eq!(of(revoke, Some("event"), listed), json!([5.0]));
        assert_eq!(of(revoke, Some("received"), listed), json!([2.0]));
        assert_eq!(of("warden_time_to_act_seconds", None, listed), json!([1.0]));
        assert_eq!(of(revoke, Some("event"), "unlisted"), json!([9.0, 9.0]));
        assert_eq!(lines.len(), 6, "three for each of two: {lines:#?}");
    }
}

//! Counts what the functions ask of AWS, in the units that AWS bills.
//!
//! The emulator's own figures leave sizes out of what is read, so units are counted here from the
//! items themselves, by the documented rules:
//! - the size of an item is that of its names and values
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>);
//! - a read unit is 4 KB, half of one where the read may be stale; a query is rounded up once, over
//!   all it reads, before its projection and its filter; each item of a batch by itself; what is
//!   not found costs one unit
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>);
//! - a write unit is 1 KB of the larger of what an item was and is; within a transaction it counts
//!   twice, a condition check like a write
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>);
//! - an entry of an index costs a write when it comes, goes or changes, and two when its key does
//!   (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>). Whether such a
//!   write counts twice within a transaction is not documented; here it counts once.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// The index of the table, by its name and its key.
const INDEX: (&str, [&str; 2]) = ("due", ["q", "due"]);

/// What was asked for. Units are counted in halves, since what may be stale costs half of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Read units of the index, which is asked for what is due in any tenant.
    pub(crate) due_reads: Units,
    /// Read units of the table, which are about one tenant each.
    pub(crate) reads: Units,
    /// Write units, those of the index among them.
    pub(crate) writes: Units,
    /// Requests to queues; a batch is one.
    pub(crate) queue: u32,
    /// Requests by operation, for whoever wants to know more.
    pub(crate) operations: BTreeMap<String, (u32, Units)>,
}

/// Units, in halves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Units(u32);

impl Units {
    /// So many whole ones.
    fn whole(number: usize) -> Self {
        Self(u32::try_from(number * 2).unwrap())
    }

    /// As a number.
    pub(crate) fn number(self) -> f64 {
        f64::from(self.0) / 2.0
    }

    fn half(self) -> Self {
        Self(self.0.div_ceil(2))
    }

    fn twice(self) -> Self {
        Self(self.0 * 2)
    }

    fn more_than(self, less: Self) -> Self {
        Self(self.0 - less.0)
    }
}

impl std::iter::Sum for Units {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|units| units.0).sum())
    }
}

impl std::ops::AddAssign for Units {
    fn add_assign(&mut self, more: Self) {
        self.0 += more.0;
    }
}

impl Tally {
    /// Takes in one request that was answered well. `before` and `after` are what the items that it
    /// writes were and are; `read` is what it read, whole.
    pub(crate) fn take(&mut self, request: &Request, touched: &Touched) {
        let units = match request.operation.as_str() {
            "SendMessage" | "SendMessageBatch" | "DeleteMessage" | "ReceiveMessage" => {
                self.queue += 1;
                Units::default()
            }
            "GetItem" | "BatchGetItem" => {
                let found = touched.read.iter().map(|item| read_units(size(item)));
                let missing = request.keys().saturating_sub(touched.read.len());
                let units = found.chain([Units::whole(missing)]).sum();
                let units = request.as_fresh(units);
                self.reads += units;
                units
            }
            "Query" => {
                let units = request.as_fresh(read_units(touched.read.iter().map(size).sum()));
                let of_index = request.body["IndexName"] == INDEX.0;
                *(if of_index { &mut self.due_reads } else { &mut self.reads }) += units;
                units
            }
            "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" => {
                let together = request.operation == "TransactWriteItems";
                let each = touched.written.iter().flat_map(|(before, after)| {
                    let once = write_units(size(before).max(size(after)));
                    let units = if together { once.twice() } else { once };
                    [units, index_units(before, after)]
                });
                let units = each.sum();
                self.writes += units;
                units
            }
            other => panic!("no rule for {other}"),
        };
        let (count, all) = self.operations.entry(request.operation.clone()).or_default();
        *count += 1;
        *all += units;
    }

    /// What was asked for since an earlier moment.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let operations = self.operations.iter().filter_map(|(name, (count, units))| {
            let (before, spent) = earlier.operations.get(name).copied().unwrap_or_default();
            (*count > before).then(|| (name.clone(), (count - before, units.more_than(spent))))
        });
        Self {
            due_reads: self.due_reads.more_than(earlier.due_reads),
            reads: self.reads.more_than(earlier.reads),
            writes: self.writes.more_than(earlier.writes),
            queue: self.queue - earlier.queue,
            operations: operations.collect(),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, operations, .. } = self;
        let [reads, due_reads, writes] =
            [self.reads, self.due_reads, self.writes].map(Units::number);
        write!(f, "{reads} read units, {due_reads} of the index, {writes} write units")?;
        write!(f, ", {queue} queue requests (")?;
        for (at, (name, (count, units))) in operations.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {name}: {}", units.number())?;
        }
        f.write_str(")")
    }
}

/// A request to the table or to a queue.
pub(crate) struct Request {
    /// Its operation.
    pub(crate) operation: String,
    /// Its body.
    pub(crate) body: Value,
}

/// The items that a request reads or writes.
#[derive(Default)]
pub(crate) struct Touched {
    /// What it read, whole.
    pub(crate) read: Vec<Value>,
    /// What it wrote: as it was and as it is, nothing where there is nothing.
    pub(crate) written: Vec<(Value, Value)>,
}

impl Request {
    /// The request with this target, if it is one that is counted.
    pub(crate) fn new(target: &str, body: &[u8]) -> Option<Self> {
        let (service, operation) = target.split_once('.')?;
        (service.starts_with("DynamoDB_") || service == "AmazonSQS").then(|| Self {
            operation: operation.to_owned(),
            body: serde_json::from_slice(body).unwrap(),
        })
    }

    /// The keys of the items it writes or only checks.
    pub(crate) fn writes(&self) -> Vec<Value> {
        let key_of = |item: &Value| serde_json::json!({"pk": item["pk"], "sk": item["sk"]});
        match self.operation.as_str() {
            "PutItem" => vec![key_of(&self.body["Item"])],
            "UpdateItem" | "DeleteItem" => vec![self.body["Key"].clone()],
            "TransactWriteItems" => {
                let items = self.body["TransactItems"].as_array().into_iter().flatten();
                let all = items.flat_map(|item| item.as_object().into_iter().flatten());
                let keys = all.map(|(kind, item)| {
                    if kind == "Put" { key_of(&item["Item"]) } else { item["Key"].clone() }
                });
                keys.collect()
            }
            _ => Vec::new(),
        }
    }

    /// The table it is about.
    pub(crate) fn table(&self) -> Option<&str> {
        let body = &self.body;
        let first = body["TransactItems"][0].as_object().and_then(|item| item.values().next());
        let named = body["TableName"].as_str();
        named.or_else(|| first.and_then(|item| item["TableName"].as_str()))
    }

    /// How many items it asks for by their keys.
    fn keys(&self) -> usize {
        let asked = self.body["RequestItems"].as_object().into_iter().flatten();
        let of_batch: usize =
            asked.filter_map(|(_, asked)| asked["Keys"].as_array().map(Vec::len)).sum();
        if self.operation == "GetItem" { 1 } else { of_batch }
    }

    /// What reading costs, which is half where it may be stale.
    fn as_fresh(&self, units: Units) -> Units {
        let mut asked = self.body["RequestItems"].as_object().into_iter().flatten();
        let fresh = self.body["ConsistentRead"] == true
            || asked.any(|(_, asked)| asked["ConsistentRead"] == true);
        if fresh { units } else { units.half() }
    }
}

/// Units of 4 KB, one at the least.
fn read_units(bytes: usize) -> Units {
    Units::whole(bytes.div_ceil(4096).max(1))
}

/// Units of 1 KB, one at the least.
fn write_units(bytes: usize) -> Units {
    Units::whole(bytes.div_ceil(1024).max(1))
}

/// What the index costs when an item becomes another. It holds all of an item that has its keys.
fn index_units(before: &Value, after: &Value) -> Units {
    let key = |item: &Value| {
        let [hash, range] = INDEX.1.map(|name| item[name].clone());
        (!hash.is_null() && !range.is_null()).then_some((hash, range))
    };
    match (key(before), key(after)) {
        (None, None) => Units::default(),
        (Some(_), None) => write_units(size(before)),
        (None, Some(_)) => write_units(size(after)),
        (Some(old), Some(new)) if old != new => {
            [before, after].map(|item| write_units(size(item))).into_iter().sum()
        }
        _ if before == after => Units::default(),
        _ => write_units(size(before).max(size(after))),
    }
}

/// The bytes of an item.
fn size(item: &Value) -> usize {
    let attributes = item.as_object().into_iter().flatten();
    attributes.map(|(name, value)| name.len() + value_size(value)).sum()
}

/// The bytes of a value as `DynamoDB` writes it.
fn value_size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else {
        return 0;
    };
    let text = value.as_str().unwrap_or_default();
    // Two digits a byte, and one more.
    let number = |text: &str| text.trim_start_matches('-').len().div_ceil(2) + 1;
    match kind.as_str() {
        "S" => text.len(),
        "N" => number(text),
        "NS" => value.as_array().into_iter().flatten().filter_map(Value::as_str).map(number).sum(),
        "B" => text.trim_end_matches('=').len() * 3 / 4,
        "BOOL" | "NULL" => 1,
        other => panic!("no rule for the size of {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(bytes: usize) -> Value {
        // Names and values of the key take 6 bytes, the name of the text 1.
        json!({"pk": {"S": "p"}, "sk": {"S": "s"}, "x": {"S": "x".repeat(bytes - 7)}})
    }

    fn due(mut item: Value, at: &str) -> Value {
        item["q"] = json!({"S": "L0"});
        item["due"] = json!({"N": at});
        item
    }

    fn tally(target: &str, body: &Value, read: Vec<Value>, written: Vec<(Value, Value)>) -> Tally {
        let mut tally = Tally::default();
        let request = Request::new(target, body.to_string().as_bytes()).unwrap();
        tally.take(&request, &Touched { read, written });
        tally
    }

    #[test]
    fn sizes_are_those_of_names_and_values() {
        assert_eq!(size(&item(100)), 100);
        let all = json!({"n": {"N": "-12345"}, "b": {"B": "AAECAw=="}, "t": {"BOOL": true}});
        assert_eq!(size(&all), (1 + 4) + (1 + 4) + (1 + 1));
    }

    /// In halves of a unit.
    #[test]
    fn reads_are_rounded_as_documented() {
        let reads = |target: &str, body: Value, read: Vec<Value>| {
            tally(&format!("DynamoDB_20120810.{target}"), &body, read, Vec::new()).reads.0
        };
        let fresh = json!({"ConsistentRead": true});
        assert_eq!(reads("GetItem", fresh.clone(), vec![item(4097)]), 4);
        assert_eq!(reads("GetItem", fresh.clone(), Vec::new()), 2);
        assert_eq!(reads("GetItem", json!({}), vec![item(4096)]), 1);
        // A query is rounded once, a batch item by item.
        assert_eq!(reads("Query", fresh, vec![item(2000), item(2000)]), 2);
        let batch = json!({"RequestItems": {"t": {"Keys": [1, 2, 3], "ConsistentRead": true}}});
        assert_eq!(reads("BatchGetItem", batch, vec![item(2000), item(2000)]), 6);
        let index = json!({"IndexName": "due"});
        let of_index = tally("DynamoDB_20120810.Query", &index, Vec::new(), Vec::new());
        assert_eq!((of_index.reads.0, of_index.due_reads.0), (0, 1));
    }

    /// In halves of a unit.
    #[test]
    fn writes_are_rounded_as_documented() {
        let writes = |target: &str, before: Value, after: Value| {
            let target = format!("DynamoDB_20120810.{target}");
            tally(&target, &json!({}), Vec::new(), vec![(before, after)]).writes.0
        };
        let none = || json!({});
        assert_eq!(writes("PutItem", none(), item(1025)), 4);
        assert_eq!(writes("DeleteItem", item(3000), none()), 6);
        assert_eq!(writes("TransactWriteItems", item(1025), item(10)), 8);
        // What a condition check checks stays as it is.
        assert_eq!(writes("TransactWriteItems", item(10), item(10)), 4);
        let (early, late) = (due(item(10), "1"), due(item(10), "2"));
        assert_eq!(writes("PutItem", none(), early.clone()), 4);
        assert_eq!(writes("PutItem", early.clone(), late), 6);
        assert_eq!(writes("UpdateItem", early.clone(), item(10)), 4);
        assert_eq!(writes("UpdateItem", early.clone(), early), 2);
    }

    #[test]
    fn a_batch_to_a_queue_is_one_request() {
        let sent = tally("AmazonSQS.SendMessageBatch", &json!({}), Vec::new(), Vec::new());
        assert_eq!((sent.queue, sent.writes.0), (1, 0));
    }

    #[test]
    fn a_transaction_names_what_it_writes_and_what_it_checks() {
        let body = json!({"TransactItems": [
            {"ConditionCheck": {"TableName": "t", "Key": {"pk": 1, "sk": 2}}},
            {"Put": {"TableName": "t", "Item": {"pk": 3, "sk": 4, "x": 5}}},
        ]});
        let target = "DynamoDB_20120810.TransactWriteItems";
        let request = Request::new(target, body.to_string().as_bytes()).unwrap();
        assert_eq!(request.writes(), [json!({"pk": 1, "sk": 2}), json!({"pk": 3, "sk": 4})]);
        assert_eq!(request.table(), Some("t"));
        assert!(Request::new("secretsmanager.GetSecretValue", b"{}").is_none());
    }
}

//! Writing to ServiceNow through an import set, whose transform map makes or changes a record.

use reqwest::{Client, Method};
use serde_json::{Map, Value, json};

use super::shape::{Answered, Row, Transformed};
use super::{Proof, Servicenow};
use crate::adapters::ticket::call::Does;
use crate::domain::sink;
use crate::domain::text::foreign;
use crate::domain::ticket::said::TicketKey;
use crate::ports::ticket::{Class, SinkError};

impl Servicenow {
    /// The same through an import set.
    pub(super) async fn import(
        &self,
        proof: &Proof,
        staging: &sink::Staging,
        row: Option<&Row>,
        key: &TicketKey,
        mut fields: Map<String, Value>,
    ) -> Result<Row, SinkError> {
        fields.insert("correlation_id".to_owned(), json!(key));
        let columns = staging.columns();
        let fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (format!("{columns}{name}"), value)).collect();
        let url = self.caller.at(&["api", "now", "import", staging.as_str()]);
        let request =
            |client: &Client| self.request(client, Method::POST, &url, proof).json(&fields);
        let done: Answered<Vec<Transformed>> =
            self.caller.json(Does::Writes, &[200, 201], request).await?;
        let table = self.settings.record.table();
        let ours = done.result.iter().filter(|it| it.table.as_deref().is_none_or(|it| it == table));
        let mut taken = false;
        for it in ours {
            match it.status.as_str() {
                "inserted" if row.is_some() => {
                    let what = format!(
                        "the transform map of {} opened another record in place of changing one: \
                         it has to coalesce on correlation_id",
                        staging.as_str()
                    );
                    return Err(self.error(Class::Config, &what));
                }
                "inserted" | "updated" => taken = true,
                "ignored" | "error" => {
                    let why = it.status_message.as_deref().or(it.error_message.as_deref());
                    let what = format!(
                        "the transform map of {} did not take it ({}): {}",
                        staging.as_str(),
                        it.status,
                        foreign(why.unwrap_or("without a reason"))
                    );
                    return Err(self.error(Class::Config, &what));
                }
                _ => {}
            }
        }
        if !taken {
            return Err(self.caller.strange(Does::Writes, "does not say what became of an import"));
        }
        // The ids in the answer are those of the row of the import set, or of the record; nobody
        // says which for sure.
        let known = self.known(proof, key).await;
        let known = known.map_err(|error| SinkError { class: Class::Ambiguous, ..error })?;
        let mut known = known.into_iter();
        let written = known.find(|it| row.is_none_or(|row| row.sys_id == it.sys_id));
        written.ok_or_else(|| {
            self.caller.strange(Does::Writes, "took an import, and has no record with our key")
        })
    }
}

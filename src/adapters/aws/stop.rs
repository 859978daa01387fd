//! The stop switch: an item of the table, there as long as all is stopped.

use async_trait::async_trait;

use super::table::{DynamoDb, Item, as_text, key, text, with};
use crate::domain::stop::Stop;
use crate::ports::{PortError, StopSwitch, TurnStopSwitch};

/// Both parts of its key.
const STOP: &str = "STOP";

#[async_trait]
impl StopSwitch for DynamoDb {
    async fn stopped(&self) -> Result<Option<Stop>, PortError> {
        Ok(self.item(key(STOP, STOP)).await?.as_ref().map(stop_of))
    }
}

#[async_trait]
impl TurnStopSwitch for DynamoDb {
    async fn stop(&self, stop: &Stop) -> Result<(), PortError> {
        let since = stop.since.map_or_else(String::new, |since| since.to_string());
        let values = with([(":why", text(&stop.why)), (":since", text(&since))]);
        let always = "attribute_exists(#pk) OR attribute_not_exists(#pk)";
        let change = "SET #why = :why, #since = :since";
        self.change(key(STOP, STOP), change, always, values).await.map(drop)
    }

    async fn resume(&self) -> Result<Option<Stop>, PortError> {
        let before = self.stopped().await?;
        self.remove(key(STOP, STOP), None).await?;
        Ok(before)
    }
}

/// What an item says, whoever wrote it: by hand it may say less.
fn stop_of(item: &Item) -> Stop {
    let said = |name| as_text(item, name).filter(|text| !text.trim().is_empty());
    let why = said("why").unwrap_or("no reason is given").to_owned();
    Stop { why, since: said("since").and_then(|since| since.parse().ok()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_written_by_hand_stops_too() {
        let bare = stop_of(&key(STOP, STOP));
        assert_eq!(bare, Stop { why: "no reason is given".to_owned(), since: None });
        let mut item = key(STOP, STOP);
        item.insert("why".to_owned(), text("INC-7"));
        item.insert("since".to_owned(), text("yesterday"));
        assert_eq!(stop_of(&item), Stop { why: "INC-7".to_owned(), since: None });
    }
}

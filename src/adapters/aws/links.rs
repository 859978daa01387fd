//! Which ticket is where.
//!
//! | `pk` | `sk` | what |
//! |---|---|---|
//! | `LINK#{key}` | `LINK` | what is known of a ticket |
//! | `LINKED#{sink}#{id}` | `KEY` | the key of the ticket that a system knows by an id |

use async_trait::async_trait;

use super::ledger::{json, written};
use super::table::{DynamoDb, Item, as_number, as_text, key, number, text, unreadable, with};
use crate::domain::id::SinkName;
use crate::domain::ticket::link::Link;
use crate::domain::ticket::said::TicketKey;
use crate::ports::PortError;
use crate::ports::ticket::TicketLinks;

#[async_trait]
impl TicketLinks for DynamoDb {
    async fn link(&self, key: &TicketKey) -> Result<Option<Link>, PortError> {
        let Some(item) = self.item(link_key(key)).await? else { return Ok(None) };
        let (Some(link), Some(revision)) = (as_text(&item, "link"), as_number(&item, "revision"))
        else {
            return Err(unreadable("a ticket's link that is not whole"));
        };
        let link: Link = json(link, "a ticket's link")?;
        Ok(Some(Link { revision, ..link }))
    }

    async fn put_link(&self, link: &Link) -> Result<Option<i64>, PortError> {
        // The way back is written first: it leads to a link that may not say so yet, and never
        // past one that does.
        if let Some(at) = &link.at {
            let values = with([(":ticket", text(&link.key.0))]);
            let always = "attribute_exists(#pk) OR attribute_not_exists(#pk)";
            let back = linked_key(&link.sink, &at.id);
            self.change(back, "SET #ticket = :ticket", always, values).await?;
        }
        let next = link.revision + 1;
        let mut values = with([(":link", text(&written(link)?)), (":next", number(next))]);
        let condition = if link.revision == 0 {
            "attribute_not_exists(#revision)"
        } else {
            values.insert(":was".to_owned(), number(link.revision));
            "#revision = :was"
        };
        let change = "SET #link = :link, #revision = :next";
        let changed = self.change(link_key(&link.key), change, condition, values).await?;
        Ok(changed.then_some(next))
    }

    async fn key_of(&self, sink: &SinkName, id: &str) -> Result<Option<TicketKey>, PortError> {
        let item = self.item(linked_key(sink, id)).await?;
        Ok(item.and_then(|item| as_text(&item, "ticket").map(|it| TicketKey(it.to_owned()))))
    }
}

fn link_key(ticket: &TicketKey) -> Item {
    key(&format!("LINK#{ticket}"), "LINK")
}

fn linked_key(sink: &SinkName, id: &str) -> Item {
    key(&format!("LINKED#{sink}#{id}"), "KEY")
}

//! Small values remembered about a tenant, by name.

use super::table::{DynamoDb, as_text, key, tenant_key, text, with};
use crate::domain::id::TenantId;
use crate::ports::PortError;

impl DynamoDb {
    /// What is remembered under a name.
    ///
    /// # Errors
    /// Those of the table.
    pub async fn mark(&self, tenant: TenantId, name: &str) -> Result<Option<String>, PortError> {
        let item = self.item(mark_key(tenant, name)).await?;
        Ok(item.and_then(|item| as_text(&item, "value").map(str::to_owned)))
    }

    /// Remembers a value of at most 64 KiB, if what is remembered is still `was`; says whether it
    /// was. Durable when this returns.
    ///
    /// # Errors
    /// Those of the table.
    pub async fn set_mark(
        &self,
        tenant: TenantId,
        name: &str,
        was: Option<&str>,
        value: &str,
    ) -> Result<bool, PortError> {
        let mut values = with([(":value", text(value))]);
        let condition = match was {
            Some(was) => {
                values.insert(":was".to_owned(), text(was));
                "#value = :was"
            }
            None => "attribute_not_exists(#pk)",
        };
        self.change(mark_key(tenant, name), "SET #value = :value", condition, values).await
    }
}

fn mark_key(tenant: TenantId, name: &str) -> super::table::Item {
    key(&tenant_key(tenant), &format!("MARK#{name}"))
}

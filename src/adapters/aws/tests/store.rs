//! The table as a store: what every store does, and what only this one has to.

use std::sync::Arc;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};

use super::{emulated, new_name};
use crate::adapters::aws::table::{DUE, DynamoDb};
use crate::adapters::behaviour::{self, at, behaviours, tenant};
use crate::domain::finding::testing::{CONTOSO, WOODGROVE};
use crate::domain::id::TenantId;
use crate::domain::record::chain::{Anchor, Entry};
use crate::ports::{Lease as _, ReadRecords};

/// Seconds after noon at which the leases of a test end.
pub(super) const LEASED: i64 = 900;

/// A table of its own.
pub(super) struct Given {
    pub(super) config: SdkConfig,
    pub(super) table: String,
    pub(super) store: Arc<DynamoDb>,
}

impl Given {
    pub(super) async fn new() -> Self {
        Self::on(emulated().await).await
    }

    /// A table made and reached by these connections.
    pub(super) async fn on(config: SdkConfig) -> Self {
        let table = new_name("table");
        make(&config, &table).await;
        let given =
            Self { store: Arc::new(DynamoDb::new(&config, &table, "first")), config, table };
        given.lease(0).await;
        given
    }

    /// Another process, with the same table.
    pub(super) fn another(&self, owner: &str) -> Self {
        let store = Arc::new(DynamoDb::new(&self.config, &self.table, owner));
        Self { config: self.config.clone(), table: self.table.clone(), store }
    }

    /// Takes the leases of the tenants that tests write about.
    pub(super) async fn lease(&self, seconds: i64) {
        for id in [WOODGROVE, CONTOSO] {
            let held = self.store.hold(tenant(id), at(seconds), at(seconds + LEASED)).await;
            assert!(held.unwrap(), "{id}");
        }
    }
}

/// Makes a table as the template does.
async fn make(config: &SdkConfig, name: &str) {
    let attribute = |name: &str, kind| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap()
    };
    let part = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name(DUE)
        .key_schema(part("q", KeyType::Hash))
        .key_schema(part("due", KeyType::Range))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::Include)
                .non_key_attributes("tenant")
                .build(),
        );
    aws_sdk_dynamodb::Client::new(config)
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::S))
        .attribute_definitions(attribute("q", ScalarAttributeType::S))
        .attribute_definitions(attribute("due", ScalarAttributeType::N))
        .key_schema(part("pk", KeyType::Hash))
        .key_schema(part("sk", KeyType::Range))
        .global_secondary_indexes(index.build().unwrap())
        .send()
        .await
        .unwrap();
}

#[async_trait]
impl behaviour::Store for Given {
    type Ports = DynamoDb;

    async fn fresh() -> Self {
        Self::new().await
    }

    fn ports(&self) -> Arc<DynamoDb> {
        Arc::clone(&self.store)
    }

    async fn after_a_crash(&self) -> Self {
        let next = self.another("next");
        next.lease(LEASED).await;
        next
    }

    async fn chain(&self, tenant: TenantId) -> (Anchor, Vec<Entry>) {
        self.store.chain(tenant).await.unwrap()
    }

    async fn reader(&self) -> Arc<dyn ReadRecords> {
        self.another("reader").store
    }

    async fn dead_letters(&self) -> Vec<[String; 4]> {
        let letters = self.store.given_up().await.unwrap();
        let told = |letter: crate::adapters::aws::outbox::GivenUp| {
            ["ticket".to_owned(), letter.what, letter.content, letter.reason]
        };
        letters.into_iter().map(told).collect()
    }
}

behaviours!(Given);

//! The stop switch of the table.

use super::store::Given;
use crate::adapters::behaviour;

#[tokio::test]
async fn it_stops_and_resumes() {
    behaviour::stop::it_stops_and_resumes(Given::new().await.store.as_ref()).await;
}

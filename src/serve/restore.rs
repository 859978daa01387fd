//! Putting back what was taken away, beside a process that is stopped.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{ServeError, Timing};
use crate::config::{Config, Place};
use crate::domain::id::StepId;
use crate::domain::record::Record;
use crate::domain::restore::RestorePlan;
use crate::parts::{self, Memory};
use crate::pipeline::World;
use crate::pipeline::restore::{self, PutBackOutcome, RestoreError};
use crate::ports::PutBack;

/// When what was put back is read again, each after a pause: Graph is eventually consistent.
const READ_AGAIN: [SignedDuration; 4] = [
    SignedDuration::ZERO,
    SignedDuration::from_secs(2),
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(10),
];

/// What a restoration takes: the world, and the power to put back.
pub struct Restore {
    world: World,
    put_back: Arc<dyn PutBack>,
}

impl Restore {
    /// Takes hold of the store for the tenant of a record.
    ///
    /// # Errors
    /// [`ServeError`]; the store may be in use.
    pub async fn open(config: &Config, record: &Record) -> anyhow::Result<Self> {
        let timing = Timing::default();
        let http = parts::http(timing.patience).map_err(ServeError::Parts)?;
        let memory = match &config.settings.store {
            place @ Place::Sqlite(_) => {
                let store = Arc::new(super::open(place)?);
                Memory { ledger: store.clone(), marks: store, stop: super::stop_switch(place)? }
            }
            Place::Aws(table) => on_aws(table, record).await?,
        };
        let graph = parts::graph(config, &http).map_err(ServeError::Parts)?;
        let put_back = Arc::new(graph.restorer(config.write_credential.clone()));
        let world = parts::world(config, &http, graph, memory, None, &timing);
        Ok(Self { world: world.map_err(ServeError::Parts)?, put_back })
    }

    /// Plans; see [`restore::plan`].
    ///
    /// # Errors
    /// [`RestoreError`].
    pub async fn plan(
        &self,
        record: &Record,
        only: &[StepId],
        anyway: bool,
    ) -> Result<RestorePlan, RestoreError> {
        restore::plan(&self.world, record, only, anyway).await
    }

    /// Does it; see [`restore::carry_out`].
    ///
    /// # Errors
    /// [`RestoreError`].
    pub async fn carry_out(
        &self,
        record: &Record,
        plan: &RestorePlan,
        why: &str,
        tell: impl FnMut(&PutBackOutcome),
    ) -> Result<Vec<PutBackOutcome>, RestoreError> {
        let put_back = self.put_back.as_ref();
        restore::carry_out(&self.world, put_back, record, plan, why, &READ_AGAIN, tell).await
    }
}

#[cfg(not(feature = "aws"))]
#[expect(clippy::unused_async, reason = "with AWS it waits")]
async fn on_aws(_: &str, _: &Record) -> anyhow::Result<Memory> {
    anyhow::bail!("this program was built without AWS; use sqlite:PATH")
}

#[cfg(feature = "aws")]
async fn on_aws(table: &str, record: &Record) -> anyhow::Result<Memory> {
    use crate::adapters::aws::{Patience, load, table::DynamoDb};
    use crate::adapters::clock::SystemClock;
    use crate::ports::{Clock as _, Lease as _};

    /// Longer than a restoration takes.
    const LEASE: SignedDuration = SignedDuration::from_mins(10);

    #[expect(clippy::disallowed_methods, reason = "an id made at the edge")]
    let holder = format!("restore-{}", uuid::Uuid::new_v4());
    let table = DynamoDb::new(&load(Patience::WORK).await?, table, &holder);
    let now = SystemClock.now();
    anyhow::ensure!(
        table.hold(record.case.tenant, now, now + LEASE).await?,
        "a worker is seeing to this tenant; try again in a minute"
    );
    let table = Arc::new(table);
    Ok(Memory { ledger: table.clone(), marks: table.clone(), stop: table })
}

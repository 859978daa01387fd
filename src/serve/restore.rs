//! Putting back what was taken away, beside a process that is stopped.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{ServeError, Timing};
use crate::config::{Config, Place};
use crate::domain::record::Record;
use crate::domain::restore::{RestorePlan, Wish};
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
    read_again: Vec<SignedDuration>,
    held: Held,
}

/// What keeps everybody else from the tenant meanwhile: with SQLite, the store's own lock.
#[cfg(not(feature = "aws"))]
type Held = ();
/// What keeps everybody else from the tenant meanwhile: with SQLite, the store's own lock.
#[cfg(feature = "aws")]
type Held = Option<on_aws::Lease>;

impl Restore {
    /// Takes hold of the store for the tenant of a record.
    ///
    /// # Errors
    /// [`ServeError`]; the store may be in use.
    pub async fn open(config: &Config, record: &Record) -> anyhow::Result<Self> {
        Self::open_with(config, record, Timing::default(), READ_AGAIN.to_vec()).await
    }

    /// The same with another patience, and other pauses before each reading again.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(
        config: &Config,
        record: &Record,
        timing: Timing,
        read_again: Vec<SignedDuration>,
    ) -> anyhow::Result<Self> {
        let http = parts::http(timing.patience).map_err(ServeError::Parts)?;
        let (memory, held) = match &config.settings.store {
            place @ Place::Sqlite(_) => {
                let store = Arc::new(super::open(place)?);
                let stop = super::stop_switch(place)?;
                (Memory { ledger: store.clone(), marks: store, stop }, Held::default())
            }
            Place::Aws(table) => on_aws::open(table, record.case.tenant).await?,
        };
        let graph = parts::graph(config, &http).map_err(ServeError::Parts)?;
        let put_back = Arc::new(graph.restorer(config.write_credential.clone()));
        let world = parts::world(config, &http, graph, memory, None, &timing);
        Ok(Self { world: world.map_err(ServeError::Parts)?, put_back, read_again, held })
    }

    /// Plans; see [`restore::plan`].
    ///
    /// # Errors
    /// [`RestoreError`].
    pub async fn plan(&self, record: &Record, wish: &Wish) -> Result<RestorePlan, RestoreError> {
        restore::plan(&self.world, record, wish).await
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
        restore::carry_out(&self.world, put_back, record, plan, why, &self.read_again, tell).await
    }

    /// Lets go of the tenant. Whoever does not ask for it holds up a worker on AWS for some minutes.
    #[cfg_attr(not(feature = "aws"), expect(clippy::unused_async, reason = "with AWS it waits"))]
    pub async fn close(self) {
        #[cfg(feature = "aws")]
        if let Some(lease) = self.held {
            lease.let_go().await;
        }
        #[cfg(not(feature = "aws"))]
        let () = self.held;
    }
}

#[cfg(not(feature = "aws"))]
mod on_aws {
    use super::{Held, Memory};
    use crate::domain::id::TenantId;

    #[expect(clippy::unused_async, reason = "with AWS it waits")]
    pub(super) async fn open(_: &str, _: TenantId) -> anyhow::Result<(Memory, Held)> {
        anyhow::bail!("this program was built without AWS; use sqlite:PATH")
    }
}

#[cfg(feature = "aws")]
mod on_aws {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::SignedDuration;
    use tokio::task::JoinSet;
    use tracing::warn;

    use super::{Held, Memory};
    use crate::adapters::aws::{Patience, load, table::DynamoDb};
    use crate::adapters::clock::SystemClock;
    use crate::domain::id::TenantId;
    use crate::ports::{Clock as _, Lease as _, chain};

    /// How long the tenant is held by one who is not heard of any more.
    const LEASE: SignedDuration = SignedDuration::from_mins(2);

    /// How often the lease is renewed: a person may take their time to say yes.
    const RENEWED_EVERY: Duration = Duration::from_secs(30);

    /// A tenant of one's own, as long as this is there.
    pub(super) struct Lease {
        table: Arc<DynamoDb>,
        tenant: TenantId,
        renewing: JoinSet<()>,
    }

    pub(super) async fn open(table: &str, tenant: TenantId) -> anyhow::Result<(Memory, Held)> {
        #[expect(clippy::disallowed_methods, reason = "an id made at the edge")]
        let holder = format!("restore-{}", uuid::Uuid::new_v4());
        let table = Arc::new(DynamoDb::new(&load(Patience::WORK).await?, table, &holder));
        let now = SystemClock.now();
        anyhow::ensure!(
            table.hold(tenant, now, now + LEASE).await?,
            "a worker, or somebody else, is seeing to this tenant; try again in a minute"
        );
        let mut renewing = JoinSet::new();
        renewing.spawn(renew(Arc::clone(&table), tenant));
        let memory = Memory { ledger: table.clone(), marks: table.clone(), stop: table.clone() };
        Ok((memory, Some(Lease { table, tenant, renewing })))
    }

    /// Renews for ever. What is lost all the same shows at the next write, which demands the lease.
    async fn renew(table: Arc<DynamoDb>, tenant: TenantId) {
        loop {
            tokio::time::sleep(RENEWED_EVERY).await;
            let now = SystemClock.now();
            match table.hold(tenant, now, now + LEASE).await {
                Ok(true) => {}
                Ok(false) => return warn!("somebody else sees to this tenant by now"),
                Err(error) => warn!("the lease was not renewed: {}", chain(&error)),
            }
        }
    }

    impl Lease {
        pub(super) async fn let_go(mut self) {
            self.renewing.shutdown().await;
            if let Err(error) = self.table.let_go(self.tenant).await {
                warn!("the tenant is held for {LEASE:#} more: {}", chain(&error));
            }
        }
    }
}

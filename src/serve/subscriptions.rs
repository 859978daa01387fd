//! The subscriptions by hand: listed, seen to, deleted.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::door::{self, Limits};
use super::{ServeError, Timing, Waking, store_and_queue, sweep};
use crate::config::Config;
use crate::domain::id::TenantId;
use crate::domain::roster::Tenant;
use crate::domain::subscription::{Subscription, resources};
use crate::http::router;
use crate::parts::{self, Lasting};
use crate::ports::{Decide, Enqueue, PortError, ReadSubscriptions as _, chain};
use crate::sweep::{Sweep, Tended};

/// How it stands with one tenant.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfTenant {
    /// The tenant's id.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// What the application is subscribed to there.
    pub subscriptions: Vec<Row>,
    /// What was done, where anything was to be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<String>,
    /// What did not work out, with the mend.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trouble: Vec<String>,
}

/// One subscription.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What it is about.
    pub resource: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Where notifications go.
    pub notification_url: Option<String>,
    /// Whether it is seen to here.
    pub ours: bool,
}

impl OfTenant {
    fn new(tenant: &Tenant) -> Self {
        let (id, name) = (tenant.id, tenant.name.clone());
        Self { tenant: id, name, subscriptions: vec![], done: vec![], trouble: vec![] }
    }
}

/// Lists what the application is subscribed to in every tenant. It reads only, and may be asked
/// while `serve` is running.
///
/// # Errors
/// [`ServeError::Parts`]; what a tenant refuses is in its own part of the answer.
pub async fn list(config: &Config, timing: &Timing) -> Result<Vec<OfTenant>, ServeError> {
    let graph = parts::graph(config, &parts::http(timing.patience)?)?;
    let url = config.settings.notification_url();
    let mut all = Vec::new();
    for tenant in &config.policy.roster.tenants {
        let mut of = OfTenant::new(tenant);
        let listed = graph.subscriptions(tenant.id).await;
        of.trouble.extend(listed.failure.as_ref().map(|error| chain(error)));
        of.subscriptions = listed.items.iter().map(|it| row(it, url.as_deref())).collect();
        all.push(of);
    }
    Ok(all)
}

fn row(subscription: &Subscription, url: Option<&str>) -> Row {
    Row {
        resource: subscription.resource.clone(),
        expires_at: subscription.expires_at,
        notification_url: subscription.notification_url.clone(),
        ours: url.is_some() && subscription.notification_url.as_deref() == url,
    }
}

/// Sees to the subscriptions of every tenant, as `serve` does by itself. Meanwhile it answers at
/// `listener`, since Microsoft Graph asks whether anybody is there.
///
/// # Errors
/// [`ServeError`] when it cannot begin; what a tenant refuses is in its own part of the answer.
pub async fn ensure(
    config: &Config,
    listener: TcpListener,
    timing: &Timing,
) -> Result<Vec<OfTenant>, ServeError> {
    let (sweep, enqueue, decide) = open(config, timing)?;
    let done = CancellationToken::new();
    let (lasting, stop) =
        (Lasting::new(&config.settings)?, super::stop_switch(&config.settings.store)?);
    let front = parts::front(config, &lasting, enqueue, decide, stop);
    let door = door::open(listener, router(front), Limits::default(), &done);
    let work = async {
        let mut all = Vec::new();
        for tenant in &config.policy.roster.tenants {
            all.push(ensured(&sweep, tenant).await);
        }
        done.cancel();
        all
    };
    let ((), all) = tokio::join!(door, work);
    Ok(all)
}

async fn ensured(sweep: &Sweep, tenant: &Tenant) -> OfTenant {
    let mut of = OfTenant::new(tenant);
    let tended = async {
        let tended = sweep.tend(tenant, false).await?;
        // `serve` takes it up when it is started again.
        sweep.cover(tenant, &tended).await?;
        Ok::<_, PortError>(tended)
    };
    match tended.await {
        Ok(Tended { done, failed, .. }) => {
            of.done = done;
            of.trouble =
                failed.iter().map(|it| format!("cannot {}: {}", it.action, it.why)).collect();
        }
        Err(error) => of.trouble.push(chain(&error)),
    }
    show_ours(sweep, tenant, &mut of).await;
    of
}

async fn show_ours(sweep: &Sweep, tenant: &Tenant, of: &mut OfTenant) {
    let nothing_stands = !of.trouble.is_empty() || resources(tenant.side).is_empty();
    if of.done.is_empty() && nothing_stands {
        return;
    }
    match sweep.ours(tenant).await {
        Ok(ours) => {
            of.subscriptions = ours.iter().map(|it| Row { ours: true, ..row(it, None) }).collect();
        }
        Err(error) => of.trouble.push(chain(&error)),
    }
}

/// Deletes the subscriptions of every tenant that are ours. `serve` makes them again unless
/// `WARDEN_PUBLIC_URL` is unset.
///
/// # Errors
/// [`ServeError`] when it cannot begin; what a tenant refuses is in its own part of the answer.
pub async fn delete(config: &Config, timing: &Timing) -> Result<Vec<OfTenant>, ServeError> {
    let (sweep, ..) = open(config, timing)?;
    let mut all = Vec::new();
    for tenant in &config.policy.roster.tenants {
        let mut of = OfTenant::new(tenant);
        match sweep.unsubscribe(tenant).await {
            Ok(0) => {}
            Ok(deleted) => {
                let many = crate::domain::text::count(deleted, "subscription");
                of.done.push(format!("deleted {many}"));
            }
            Err(error) => of.trouble.push(chain(&error)),
        }
        all.push(of);
    }
    Ok(all)
}

type Opened = (Sweep, Arc<dyn Enqueue>, Arc<dyn Decide>);

fn open(config: &Config, timing: &Timing) -> Result<Opened, ServeError> {
    if config.settings.public_url.is_none() {
        return Err(ServeError::Unset(
            "WARDEN_PUBLIC_URL is not set; it is where Microsoft Graph reaches /hooks/graph",
        ));
    }
    if config.secrets.secret("clientStateKey").is_none() {
        return Err(ServeError::Unset(
            "the secrets document has no clientStateKey; notifications are known by it",
        ));
    }
    let http = parts::http(timing.patience)?;
    let (store, queue) = store_and_queue(config)?;
    let enqueue = Arc::new(Waking { queue: queue.clone(), arrived: Arc::default() });
    let graph = parts::graph(config, &http)?;
    let sweep = sweep(config, &graph, &store, &queue, enqueue.clone(), timing);
    Ok((sweep, enqueue, Arc::new(store)))
}

/// How it stands, for people: a line for each subscription, with the tenant's name.
pub fn text(all: &[OfTenant]) -> String {
    let width = all.iter().map(|of| of.name.chars().count()).max().unwrap_or_default();
    let mut lines = Vec::new();
    for of in all {
        let mut line = |text: String| lines.push(format!("{:<width$}  {text}", of.name));
        for Row { resource, expires_at, notification_url, ours } in &of.subscriptions {
            let resource = crate::domain::text::foreign(resource).to_lowercase();
            let ends = expires_at.strftime("%Y-%m-%d %H:%M");
            let url = crate::domain::text::foreign(notification_url.as_deref().unwrap_or("-"));
            let whose = if *ours { "" } else { "  (not ours)" };
            line(format!("{resource:<8}  until {ends} UTC  {url}{whose}"));
        }
        of.done.iter().for_each(|done| line(format!("done: {done}")));
        of.trouble.iter().for_each(|trouble| line(format!("trouble: {trouble}")));
        if of.subscriptions.is_empty() && of.done.is_empty() && of.trouble.is_empty() {
            line("no subscriptions".to_owned());
        }
    }
    lines.join("\n")
}

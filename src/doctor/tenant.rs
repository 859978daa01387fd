//! One tenant: whether we are let in, what was granted there, what notifies us and what can be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Check;
use super::explain::Fix;
use crate::adapters::graph::{AuditLogs, Credential, Granted, Graph, Identity};
use crate::adapters::http::Http;
use crate::config::Config;
use crate::domain::permission::{Asked, Need, to_read, to_write};
use crate::domain::policy::Mode;
use crate::domain::roster::Tenant;
use crate::domain::subscription::{Resource, Subscription, resources};
use crate::domain::text::{count, listed};
use crate::parts::{self, Timing};
use crate::ports::{AuditsFrom, Clock, ReadAudits as _, ReadSubscriptions as _};

/// What of the audit log is read, to see that it can be.
const LATELY: SignedDuration = SignedDuration::from_mins(5);

/// Subscriptions live for weeks and are renewed at half of their life. One with less than this left
/// is renewed by nobody.
const SOON: SignedDuration = SignedDuration::from_hours(48);

/// What tenants are asked with.
pub(super) struct Examiner<'a> {
    config: &'a Config,
    /// Nothing where there is nothing to sign in with.
    graph: Option<(Graph, AuditLogs)>,
    clock: &'a Arc<dyn Clock>,
}

impl<'a> Examiner<'a> {
    pub(super) fn new(
        config: &'a Config,
        http: &Http,
        clock: &'a Arc<dyn Clock>,
        timing: &Timing,
    ) -> Self {
        let graph = parts::graph(config, http).ok();
        let graph = graph.map(|graph| {
            let audits = AuditLogs::new(graph.clone(), timing.audits_apart);
            (graph, audits)
        });
        Self { config, graph, clock }
    }

    pub(super) async fn checks(&self, tenant: &Tenant) -> Vec<Check> {
        let settings = &self.config.settings;
        let Some((graph, audits)) = &self.graph else {
            let said = "not tried: there is nothing to sign in with";
            return vec![Check::fail("sign-in", said).mend("see the secrets above")];
        };
        let mut checks = Vec::new();
        let read = self.signed_in(graph, tenant, Identity::Reader, None, &mut checks).await;
        let asked = Asked {
            polls: settings.poll_every.is_some(),
            subscribes: settings.notification_url().is_some(),
            customers: self.config.partner_center().is_some(),
        };
        if let Some(granted) = &read {
            let needs = to_read(tenant, asked);
            checks.extend(self.held(tenant, Identity::Reader, "read", &needs, granted));
        }
        self.writes(graph, tenant, read.as_ref(), &mut checks).await;
        if read.is_none() {
            // Everything below would be told the same.
            return checks;
        }
        if asked.polls {
            let since = AuditsFrom::Since(self.clock.now() - LATELY);
            checks.push(match audits.audits(tenant.id, &since).await {
                Ok(_) => Check::ok("audit log", "it can be read"),
                Err(error) => Check::failed("audit log", &error),
            });
        }
        if let Some(url) = settings.notification_url() {
            checks.extend(self.subscriptions(graph, tenant, &url).await);
        }
        checks
    }

    /// Whether an application is let in, and what it was granted.
    async fn signed_in(
        &self,
        graph: &Graph,
        tenant: &Tenant,
        identity: Identity,
        credential: Option<&Credential>,
        checks: &mut Vec<Check>,
    ) -> Option<Granted> {
        let (what, client_id) = match identity {
            Identity::Reader => ("sign-in", self.client_id(identity)),
            Identity::Writer => ("sign-in to write", self.client_id(identity)),
        };
        match graph.granted(tenant.id, credential).await {
            Ok(granted) => {
                checks.push(Check::ok(what, format!("let in as {client_id}")));
                Some(granted)
            }
            Err(error) => {
                let check = Check::failed(what, &error);
                let fix = Fix::of_sign_in(&error.said, tenant, identity, client_id);
                checks.push(match fix {
                    Some(fix) => check.fix(fix),
                    None => check,
                });
                None
            }
        }
    }

    fn client_id(&self, identity: Identity) -> &str {
        let settings = &self.config.settings;
        match (identity, &settings.write_client_id) {
            (Identity::Writer, Some(writer)) => writer,
            (Identity::Reader | Identity::Writer, _) => &settings.client_id,
        }
    }

    /// Whether what the policy may come to can be done.
    async fn writes(
        &self,
        graph: &Graph,
        tenant: &Tenant,
        reader: Option<&Granted>,
        checks: &mut Vec<Check>,
    ) {
        let (settings, policy) = (&self.config.settings, &self.config.policy);
        if policy.mode == Mode::Observe {
            let said = "none are needed: in mode observe nothing is written";
            checks.push(Check::ok("permissions to write", said));
            return;
        }
        let needs = to_write(tenant, policy);
        let (identity, granted) = match (&settings.write_client_id, &self.config.write_credential) {
            (None, _) => (Identity::Reader, reader.cloned()),
            (Some(_), None) => {
                let said = "not tried: there is nothing to sign in with";
                let check = Check::fail("sign-in to write", said);
                return checks.push(check.mend("see the secrets above"));
            }
            (Some(_), credential @ Some(_)) => {
                let identity = Identity::Writer;
                let credential = credential.as_ref();
                let granted = self.signed_in(graph, tenant, identity, credential, checks).await;
                (identity, granted)
            }
        };
        if let Some(granted) = granted {
            checks.extend(self.held(tenant, identity, "write", &needs, &granted));
        }
    }

    /// What of the needed permissions is held, and each that is not.
    fn held(
        &self,
        tenant: &Tenant,
        identity: Identity,
        verb: &str,
        needs: &[Need],
        granted: &Granted,
    ) -> Vec<Check> {
        let what = format!("permissions to {verb}");
        if needs.is_empty() {
            let said = "none are needed: the policy changes nothing here";
            return vec![Check::ok(what, said)];
        }
        let Granted::Permissions(held) = granted else {
            let said = "the token does not say what was granted";
            let mend = "`partner-warden scan` tells what cannot be read";
            return vec![Check::warn(what, said).mend(mend)];
        };
        let missing = missing(needs, held);
        let client_id = self.client_id(identity);
        let mut checks = Vec::new();
        let met: Vec<&str> =
            needs.iter().filter(|it| it.is_met(held)).map(|it| it.permission).collect();
        if !met.is_empty() {
            let many = count(met.len(), "permission");
            checks.push(Check::ok(what.clone(), format!("{many} held: {}", met.join(", "))));
        }
        for need in missing {
            let purposes = listed(&need.purposes);
            let app = match (identity, &self.config.settings.write_client_id) {
                (Identity::Reader, _) | (Identity::Writer, None) => Identity::Reader.client_id(),
                (Identity::Writer, Some(_)) => Identity::Writer.client_id(),
            };
            let permission = need.permission;
            let mend = format!(
                "grant {permission} (application) to {app} ({client_id}) with admin consent in {}",
                tenant.name
            );
            let check = if need.must {
                Check::fail(what.clone(), format!("{permission} is missing: {purposes}"))
            } else {
                let said = format!("{permission} is missing, and needed for some: {purposes}");
                Check::warn(what.clone(), said)
            };
            checks.push(check.mend(mend).fix(Fix::Grant {
                tenant: tenant.id,
                tenant_name: tenant.name.clone(),
                client_id: client_id.to_owned(),
                permission,
            }));
        }
        checks
    }

    /// Whether what we are to be notified of stands, and for how long.
    async fn subscriptions(&self, graph: &Graph, tenant: &Tenant, url: &str) -> Vec<Check> {
        let listed = graph.subscriptions(tenant.id).await;
        if let Some(error) = &listed.failure {
            return vec![Check::failed("subscriptions", error)];
        }
        let of = |resource: &Resource| subscribed(*resource, &listed.items, url, self.clock.now());
        resources(tenant.side).iter().map(of).collect()
    }
}

/// The needs that are not met, without those that would be by another one of them.
fn missing<'a>(needs: &'a [Need], held: &BTreeSet<String>) -> Vec<&'a Need> {
    let unmet: Vec<&Need> = needs.iter().filter(|need| !need.is_met(held)).collect();
    let will_be: BTreeSet<&str> = unmet.iter().map(|need| need.permission).collect();
    let stands_alone = |need: &&&Need| {
        let by_another = need.covered_by.iter().any(|it| will_be.contains(it));
        !by_another
    };
    unmet.iter().filter(stands_alone).copied().collect()
}

fn subscribed(resource: Resource, there: &[Subscription], url: &str, now: Timestamp) -> Check {
    let what = "subscriptions";
    let ours = there.iter().filter(|it| {
        Resource::named(&it.resource) == Some(resource)
            && it.notification_url.as_deref() == Some(url)
    });
    let ends = ours.map(|it| it.expires_at).max();
    let until = |ends: Timestamp| ends.strftime("%Y-%m-%d %H:%M UTC").to_string();
    match ends {
        Some(ends) if ends <= now => {
            let said = format!("{resource}: it ended on {}", until(ends));
            Check::fail(what, said).mend(STARTED).fix(Fix::Subscribe)
        }
        Some(ends) if ends.duration_since(now) < SOON => {
            let said = format!("{resource}: it ends on {}, and nobody renews it", until(ends));
            Check::warn(what, said).mend("see that `serve` is running, and what its log says")
        }
        Some(ends) => Check::ok(what, format!("{resource}: until {}", until(ends))),
        None => {
            let said = format!("{resource}: none leads to {url}");
            Check::fail(what, said).mend(STARTED).fix(Fix::Subscribe)
        }
    }
}

const STARTED: &str = "start `serve`, which subscribes by itself, or run `subscriptions ensure`";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;
    use crate::domain::finding::testing::noon;

    const URL: &str = "https://warden.example/hooks/graph";

    #[test]
    fn a_subscription_is_there_or_ends_or_is_somebody_elses() {
        let check = |hours: i64, url: &str, resource: &str| {
            let there = Subscription {
                id: "1".to_owned(),
                resource: resource.to_owned(),
                change_type: "updated,deleted".to_owned(),
                notification_url: Some(url.to_owned()),
                lifecycle_notification_url: Some(url.to_owned()),
                expires_at: noon() + SignedDuration::from_hours(hours),
            };
            subscribed(Resource::Users, &[there], URL, noon()).verdict
        };
        assert_eq!(check(72, URL, "Users"), Verdict::Ok);
        assert_eq!(check(47, URL, "users"), Verdict::Warn);
        assert_eq!(check(0, URL, "users"), Verdict::Fail);
        assert_eq!(check(72, "https://other.example/hooks/graph", "users"), Verdict::Fail);
        assert_eq!(check(72, URL, "groups"), Verdict::Fail);
    }

    #[test]
    fn of_what_is_missing_only_that_is_told_which_another_does_not_bring_along() {
        let need =
            |permission, covered_by| Need { permission, covered_by, purposes: vec![], must: true };
        let needs = [
            need("RoleManagement.ReadWrite.Directory", &[]),
            need(
                "RoleEligibilitySchedule.ReadWrite.Directory",
                &["RoleManagement.ReadWrite.Directory"],
            ),
            need("User.Read.All", &["Directory.Read.All"]),
        ];
        let told = |held: &[&str]| -> Vec<&str> {
            let held = held.iter().map(|it| (*it).to_owned()).collect();
            missing(&needs, &held).iter().map(|it| it.permission).collect()
        };
        assert_eq!(told(&[]), ["RoleManagement.ReadWrite.Directory", "User.Read.All"]);
        assert_eq!(told(&["Directory.Read.All"]), ["RoleManagement.ReadWrite.Directory"]);
        assert_eq!(
            told(&["RoleManagement.ReadWrite.Directory", "User.Read.All"]),
            Vec::<&str>::new()
        );
    }
}

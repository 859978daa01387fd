//! Reading to the end or saying why not, signing in, and taking away: against the simulated
//! tenant, and against servers that do what Graph never should.

mod audits;
mod auth;
mod batch;
mod credential;
mod quarantine;
mod read;
mod reduce;
mod reduced;
mod relationships;
mod remove;
mod restore;
mod revoke;
mod service_principal;
mod snapshot;
mod subscribe;

use std::sync::Mutex;

use axum::response::Response;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::*;
use crate::adapters::clock::SystemClock;
use crate::adapters::testing::{Asked, QUICK, Server, ok, quick, status, with};
use crate::domain::case::Outcome;
use crate::domain::facts::DirectoryObject;
use crate::domain::finding::testing::{Case, noon};
use crate::domain::id::{AssignmentId, PartnerId, PrincipalId};
use crate::domain::plan::{Circumstances, History, Step, StepState, plan};
use crate::domain::secret::Secret;
use crate::ports::{
    Listed, ReadCrossTenantAccess as _, ReadObjects as _, ReadRoles as _, ReadTenantNames as _,
    ReadUsers as _, RevokeRoleAssignment as _, chain,
};
use crate::sim::{
    Assignment, CLIENT_ID, CLIENT_SECRET, CONTOSO, PartnerEntry, Principal, Rule, Scenario, Sim,
    Tenant, Then, WOODGROVE,
};

const BETA: &str = "/beta/roleManagement/directory/roleAssignments";
const V1: &str = "/v1.0/roleManagement/directory/roleAssignments";
const CALLS: usize = QUICK.retries + 1;

fn woodgrove() -> TenantId {
    WOODGROVE.parse().unwrap()
}

async fn start(scenario: Scenario) -> Sim {
    Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await.unwrap()
}

fn connect(origin: &Url, secret: &str, clock: Arc<dyn Clock>) -> Graph {
    let client_id = CLIENT_ID.to_owned();
    let credential = Credential::Secret { client_id, secret: Secret::new(secret) };
    Graph::new(quick(), origin.clone(), origin.clone(), credential, clock)
}

fn connect_with(origin: &Url, credential: Credential) -> Graph {
    Graph::new(quick(), origin.clone(), origin.clone(), credential, Arc::new(SystemClock))
}

fn graph(origin: &Url) -> Graph {
    connect(origin, CLIENT_SECRET, Arc::new(SystemClock))
}

/// A simulated tenant and a connection to it.
async fn given(scenario: Scenario) -> (Sim, Graph) {
    let sim = start(scenario).await;
    let graph = graph(&sim.origin());
    (sim, graph)
}

/// A server that grants a token and answers everything else so, and a connection to it.
async fn serving(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> (Server, Graph) {
    let server = Server::start(move |asked| {
        if asked.line.ends_with("/oauth2/v2.0/token") {
            return ok(&json!({"access_token": "t0ken", "expires_in": 3599}));
        }
        answer(asked)
    })
    .await;
    let graph = graph(&server.origin);
    (server, graph)
}

/// Woodgrove with so many members that hold a role, on pages of ten.
fn crowded(members: usize) -> Scenario {
    let tenant = (0..members).fold(Tenant::new(WOODGROVE, "Woodgrove"), |tenant, number| {
        let name = format!("Member {number}");
        tenant.member(&name, &format!("m{number}@woodgrove.example"), "Directory Readers")
    });
    Scenario::default().tenant(tenant)
}

fn assignment(id: &str) -> Value {
    json!({"id": id, "principalId": "p", "roleDefinitionId": "r", "directoryScopeId": "/"})
}

/// The failure's kind and words.
fn failure<T>(listed: &Listed<T>) -> Option<(Failure, &str)> {
    listed.failure.as_ref().map(|failure| (failure.kind, failure.said.as_str()))
}

fn sign_ins(sim: &Sim) -> usize {
    sim.count("POST", "/oauth2/v2.0/token")
}

/// A clock that stands where it is put.
struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Hand {
    fn at_noon() -> Arc<Self> {
        Arc::new(Self(Mutex::new(noon())))
    }

    fn put(&self, after_noon: SignedDuration) {
        *self.0.lock().unwrap() = noon() + after_noon;
    }
}

//! The ledger, between whose entries the process may be killed, and of which it is seen what is
//! written into it.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use partner_warden::adapters::sqlite::Sqlite;
use partner_warden::domain::case::{Case, Outcome};
use partner_warden::domain::id::{StepId, TenantId};
use partner_warden::domain::plan::{History, Step, StepState};
use partner_warden::ports::{Conclusion, DueVerification, Ledger, PortError, Proof};

use super::cast::tenant_of;
use super::town::{Intended, Tenants};

pub(super) struct Book {
    pub(super) store: Arc<Sqlite>,
    pub(super) tenants: Arc<Tenants>,
}

impl Book {
    fn concludes(&self, conclusion: &Conclusion) {
        let mut town = self.tenants.town();
        let cases: Vec<&Case> = conclusion.cases.iter().map(|(case, ..)| case).collect();
        for change in &conclusion.proposals {
            town.questions.change(change, &cases);
        }
        for case in cases {
            for step in case.rows.iter().filter_map(|row| row.step.as_ref()) {
                town.reach(format!("state {}", step.state.as_str()));
                town.reach(format!("planned {}", step.remediation.as_str()));
                if step.state == StepState::Held {
                    let detail = step.detail.clone().unwrap_or_default();
                    town.reach_guardrail(&detail);
                }
                if step.stuck {
                    town.reach("stuck");
                }
                if step.state == StepState::Verified && town.asked.contains_key(&step.id) {
                    town.taken.insert(step.id.clone());
                }
            }
            if let Some(asked) = &case.asked {
                town.reach(format!("asked {:?}", asked.standing));
            }
        }
    }
}

#[async_trait]
impl Ledger for Book {
    async fn history(&self, tenant: TenantId, since: Timestamp) -> Result<History, PortError> {
        self.store.history(tenant, since).await
    }

    async fn cases(&self, tenant: TenantId) -> Result<Vec<Case>, PortError> {
        self.store.cases(tenant).await
    }

    async fn intend(
        &self,
        steps: &[&Step],
        cases: &[Case],
        now: Timestamp,
        check_at: Timestamp,
    ) -> Result<(), PortError> {
        self.tenants.mortal().await;
        self.store.intend(steps, cases, now, check_at).await?;
        {
            let mut town = self.tenants.town();
            town.may_write = false;
            town.plans += 1;
            let plans = town.plans;
            for (n, step) in steps.iter().enumerate() {
                let tenant = tenant_of(cases[0].tenant);
                let before = town.intended.get(&step.id);
                let first = before.map_or(now, |it| it.first);
                let again = before.is_some();
                // What was begun by people's word is ended by it.
                let word = before.and_then(|it| it.word.clone());
                let word = step.approval.clone().or(word);
                let (step, place) = ((*step).clone(), (plans, n));
                let intended =
                    Intended { tenant, step, first, again, word, place, calls: Vec::new() };
                town.intended.insert(intended.step.id.clone(), intended);
            }
        }
        self.tenants.mortal().await;
        Ok(())
    }

    async fn settle(
        &self,
        tenant: TenantId,
        step: &Step,
        outcome: &Outcome,
    ) -> Result<(), PortError> {
        self.tenants.mortal().await;
        self.store.settle(tenant, step, outcome).await?;
        if outcome.state == StepState::Revoked {
            self.tenants.town().taken.insert(step.id.clone());
        }
        self.tenants.mortal().await;
        Ok(())
    }

    async fn not_taken(&self, tenant: TenantId, step: &Step) -> Result<(), PortError> {
        self.tenants.mortal().await;
        self.store.not_taken(tenant, step).await?;
        self.tenants.mortal().await;
        Ok(())
    }

    async fn conclude(&self, conclusion: Conclusion) -> Result<(), PortError> {
        self.tenants.mortal().await;
        // What is killed in the midst of it may have come about or not.
        let copy =
            Conclusion { cases: conclusion.cases.clone(), proposals: conclusion.proposals.clone() };
        self.store.conclude(conclusion).await?;
        self.concludes(&copy);
        self.tenants.mortal().await;
        Ok(())
    }

    async fn due_verifications(&self, now: Timestamp) -> Result<Vec<DueVerification>, PortError> {
        self.store.due_verifications(now).await
    }

    async fn next_verification(&self) -> Result<Option<Timestamp>, PortError> {
        self.store.next_verification().await
    }

    async fn verified(
        &self,
        tenant: TenantId,
        proofs: &[(StepId, Proof)],
        conclusion: Conclusion,
    ) -> Result<(), PortError> {
        self.tenants.mortal().await;
        let copy =
            Conclusion { cases: conclusion.cases.clone(), proposals: conclusion.proposals.clone() };
        self.store.verified(tenant, proofs, conclusion).await?;
        for (step, proof) in proofs {
            let mut town = self.tenants.town();
            town.reach(match proof {
                Proof::Gone => "proof gone",
                Proof::Again(_) => "proof again",
                Proof::StillThere => "proof still there",
                Proof::Unread => "proof unread",
                Proof::Restored => "proof restored",
                Proof::NotDone => "proof not done",
            });
            if *proof == Proof::Gone {
                town.taken.insert(step.clone());
            }
        }
        self.concludes(&copy);
        self.tenants.mortal().await;
        Ok(())
    }
}

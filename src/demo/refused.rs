//! Microsoft refuses, and the partner is kept out by other means.

use super::town::{POLICY, Ticket, Town};
use super::{DemoError, Story, Write};
use crate::sim::{Scenario, WOODGROVE};

/// What is taken away from the partner, and refused.
const ROLE: &str = "Global Administrator from AdminAgents";

/// What is done in its place.
const BLOCK: &str = "block Contoso Reseller's people by conditional access";

impl<W: Write + Send> Story<'_, W> {
    pub(super) async fn microsoft_refuses(&mut self) -> Result<(), DemoError> {
        self.say("\n9  Microsoft refuses to take a role from a partner's own group")?;
        let respond = "privileged-role: {do: revoke, ifRefused: quarantine,";
        let policy = POLICY.replace("privileged-role: {do: revoke,", respond);
        let scenario = Scenario::woodgrove().refuse_foreign_deletion();
        let mut town = Town::start(scenario, &policy).await?;
        let told = self.quarantined(&mut town).await;
        town.stop().await?;
        told
    }

    async fn quarantined(&mut self, town: &mut Town) -> Result<(), DemoError> {
        town.report().await?;
        let both = |it: &Ticket| it.has_step(ROLE, "refused") && it.has_step(BLOCK, "verified");
        let told = town.ticket("the quarantine", both).await?;
        let refused = town
            .writes()
            .iter()
            .any(|(method, _, status)| method == "DELETE" && *status == Some(403));
        self.claim(refused, &format!("{ROLE}: DELETE, answered 403"))?;
        let policies = town.sim.conditional_access(WOODGROVE);
        let one = policies.len() == 1 && policies.iter().all(|it| it["state"] == "enabled");
        let line = "as the policy says for this case, one conditional access policy keeps them out";
        self.claim(one, line)?;
        let glass = town.sim.principal_id(WOODGROVE, "Break Glass");
        let spared = policies.iter().all(|policy| {
            let spared = policy["conditions"]["users"]["excludeUsers"].as_array();
            spared.into_iter().flatten().any(|id| id.as_str() == glass.as_deref())
        });
        self.claim(one && glass.is_some() && spared, "Break Glass, which is protected, is spared")?;
        self.claim(told.severity() == "critical", &told.to_string())?;
        let by_hand = told.body().contains("By hand: ");
        self.claim(by_hand, "it says what is in force, and how to remove the role by hand")
    }
}

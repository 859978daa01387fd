//! What was taken away is there again.

use super::town::{POLICY, Ticket, Town};
use super::{DemoError, Story, Write};
use crate::sim::Scenario;

/// After how many reads the partner's program gives the role again: those that prove it gone, of
/// which there is one for each of the two holders that lose a role.
const READS: u64 = 2;

/// What is taken away.
const ROLE: &str = "Global Administrator from AdminAgents";

impl<W: Write + Send> Story<'_, W> {
    pub(super) async fn it_comes_back(&mut self) -> Result<(), DemoError> {
        self.say("\n10 What was taken away comes back")?;
        let mut town = Town::start(Scenario::woodgrove().recreate(READS), POLICY).await?;
        let told = self.given_again(&mut town).await;
        town.stop().await?;
        told
    }

    async fn given_again(&mut self, town: &mut Town) -> Result<(), DemoError> {
        town.report().await?;
        let closed = town.ticket("the closed ticket", |it| it.kind() == "ticket.closed").await?;
        let line = format!("{ROLE}: taken away, seen to be gone, the ticket closed");
        self.claim(closed.has_step(ROLE, "verified"), &line)?;
        town.report().await?;
        let again = |it: &Ticket| it.tells_of("reappeared");
        let told = town.ticket("that it came back", again).await?;
        self.claim(told.severity() == "critical", &told.to_string())?;
        let gone = |it: &Ticket| it.kind() == "ticket.closed" && it.tells_of("reappeared");
        let closed = town.ticket("that it is gone again", gone).await?;
        let proven = closed.has_step(ROLE, "verified") && town.sim.deletions().len() == 3;
        self.claim(proven, "taken away once more, as the policy says, and seen to be gone")
    }
}

//! Whatever Graph answers to a call that changes something, people see how it ended: each call, and
//! each answer. What a partner's relationships are changed by has tests of its own.

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use partner_warden::domain::plan::Remediation;
use partner_warden::sim::{CONTOSO, INBOX_SECRET, Rule, Scenario, Tenant, Then, WOODGROVE, When};
use serde_json::{Value, json};

use crate::crash::remedies::impatient;
use crate::crash::{notify, serve_with};
use crate::harness::{ENFORCE, Town, kinds, steps};
use crate::ways::{self, Way, somebody_asks};

/// What Graph says to the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// That it is busy, once.
    Busy,
    /// That it is out of order, once.
    Broken,
    /// Nothing, once, although it did it.
    Nothing,
    /// This, as often as it is asked, and it does nothing.
    Always(u16),
    /// That it is done; and later somebody does the opposite.
    DoneAndUndone,
}

use Says::{Always, Broken, Busy, DoneAndUndone, Nothing};

const ALL: [Says; 8] =
    [Busy, Broken, Nothing, Always(403), Always(404), Always(409), Always(412), DoneAndUndone];

/// What is taken away, and from whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// A role assignment of a guest.
    Role,
    /// A role assignment of a group in the partner's own directory.
    AgentsRole,
    Way(Way),
    Sessions,
    Guest,
    App,
    Quarantine,
}

const ALICE: &str = "Alice (alice_contoso-reseller.example#EXT#@woodgrove.example)";
const ASSIGNMENTS: &str = "/roleManagement/directory/roleAssignments/";

impl Call {
    const ALL: [Self; 11] = [
        Self::Role,
        Self::AgentsRole,
        Self::Way(Way::Eligible),
        Self::Way(Way::Scheduled),
        Self::Way(Way::Member),
        Self::Way(Way::Nested),
        Self::Way(Way::AppRole),
        Self::Sessions,
        Self::Guest,
        Self::App,
        Self::Quarantine,
    ];

    fn remediation(self) -> Remediation {
        match self {
            Self::Role | Self::AgentsRole => Remediation::RevokeRoleAssignment,
            Self::Way(Way::Eligible) => Remediation::RemoveEligibility,
            Self::Way(Way::Scheduled) => Remediation::RemoveScheduledAssignment,
            Self::Way(Way::Member | Way::Nested) => Remediation::RemoveGroupMember,
            Self::Way(Way::AppRole) => Remediation::RemoveAppRole,
            Self::Sessions => Remediation::RevokeSessions,
            Self::Guest => Remediation::DisableGuest,
            Self::App => Remediation::DisableApp,
            Self::Quarantine => Remediation::Quarantine,
        }
    }

    fn scenario(self) -> Scenario {
        let tenant = Tenant::new(WOODGROVE, "Woodgrove")
            .partner(CONTOSO, "Contoso Reseller")
            .member("Megan Bowen", "megan@woodgrove.example", "Global Administrator")
            .member("Break Glass", "breakglass@woodgrove.example", "Global Administrator");
        let tenant = match self {
            Self::Way(way) => return way.scenario(),
            Self::Role | Self::Sessions | Self::Guest => {
                tenant.guest("Alice", "alice@contoso-reseller.example", "User Administrator")
            }
            Self::AgentsRole | Self::Quarantine => {
                tenant.partner_group("AdminAgents", CONTOSO, "Global Administrator")
            }
            Self::App => tenant.service_principal("Backup", "backup", CONTOSO, "Global Reader"),
        };
        let scenario = Scenario::default().tenant(tenant).sink("security", INBOX_SECRET);
        if self == Self::Quarantine { scenario.refuse_foreign_deletion() } else { scenario }
    }

    fn policy(self) -> String {
        let also = |what: &str| {
            ENFORCE.replace("{do: revoke, ticket", &format!("{{do: revoke, {what}, ticket"))
        };
        match self {
            Self::Way(_) => ways::ENFORCE.to_owned(),
            Self::Role | Self::AgentsRole => ENFORCE.to_owned(),
            Self::Sessions => also("also: [revoke-sessions]"),
            Self::Guest => also("also: [disable-guest]"),
            Self::App => also("also: [disable-app]"),
            Self::Quarantine => also("ifRefused: quarantine"),
        }
    }

    /// The method, and a part of the path.
    fn request(self) -> (&'static str, &'static str) {
        match self {
            Self::Role | Self::AgentsRole => ("DELETE", ASSIGNMENTS),
            Self::Way(way) => way.call(),
            Self::Sessions => ("POST", "/revokeSignInSessions"),
            Self::Guest => ("PATCH", "/users/"),
            Self::App => ("PATCH", "/servicePrincipals/"),
            Self::Quarantine => ("POST", "/identity/conditionalAccess/policies"),
        }
    }

    fn summary(self) -> String {
        match self {
            Self::Role => format!("revoke User Administrator from {ALICE}"),
            Self::AgentsRole => "revoke Global Administrator from AdminAgents".to_owned(),
            Self::Way(way) => way.summary().to_owned(),
            Self::Sessions => format!("end the sessions of {ALICE}"),
            Self::Guest => format!("keep {ALICE} from signing in"),
            Self::App => "keep Backup from signing in".to_owned(),
            Self::Quarantine => "block Contoso Reseller's people by conditional access".to_owned(),
        }
    }

    /// How people see that it ended, and how often the call is made until then.
    fn end(self, says: Says) -> (&'static str, usize) {
        match (says, self) {
            // What was made is found by its name, and not made again.
            (Nothing, Self::Quarantine) => ("verified", 1),
            (Busy | Broken | Nothing | DoneAndUndone, _) => ("verified", 2),
            // There is nothing that could be gone already.
            (Always(404), Self::Quarantine) => ("refused", 1),
            // Graph calls it gone, and lists it.
            (Always(404), _) => ("reappeared", 1),
            (Always(_), _) => ("refused", 1),
        }
    }

    /// Somebody does the opposite.
    async fn undo(self, town: &Town) {
        let id = |name: &str| town.sim.principal_id(WOODGROVE, name).unwrap();
        let enable = async |path: String| {
            let status =
                somebody_asks(town, "PATCH", &path, &json!({"accountEnabled": true})).await;
            assert_eq!(status, 204, "{path}");
        };
        let give = |name: &str, role: &str| drop(town.sim.grant(WOODGROVE, name, role).unwrap());
        match self {
            Self::Role | Self::Sessions => give("Alice", "User Administrator"),
            Self::AgentsRole => give("AdminAgents", "Global Administrator"),
            Self::Way(way) => way.give_back(town).await,
            Self::Guest => {
                enable(format!("users/{}", id("Alice"))).await;
                give("Alice", "User Administrator");
            }
            Self::App => {
                enable(format!("servicePrincipals/{}", id("Backup"))).await;
                give("Backup", "Global Reader");
            }
            Self::Quarantine => town.sim.drop_policies(WOODGROVE, "Partner Warden quarantine"),
        }
    }

    /// How many such requests are made by whoever does the opposite.
    fn of_others(self, says: Says) -> usize {
        let theirs = matches!(self, Self::Way(Way::Eligible) | Self::Guest | Self::App);
        usize::from(says == DoneAndUndone && theirs)
    }

    async fn check(self, says: Says) {
        let (method, path) = self.request();
        let rule = |path: &str, then: Then| Rule::new(path, then).method(method);
        let scenario = match says {
            Busy => self.scenario().fault(rule(path, Then::throttle(0))),
            Broken => self.scenario().fault(rule(path, Then::status(500))),
            Always(status) => {
                let scenario = self.scenario().fault(rule(path, Then::status(status)).forever());
                // What cannot be deleted is asked to be ended as a schedule.
                let other = "/roleAssignmentScheduleRequests";
                scenario.fault(Rule::new(other, Then::status(status)).method("POST").forever())
            }
            Nothing | DoneAndUndone => self.scenario(),
        };
        let town = Town::new(scenario, &self.policy()).await;
        let hold = (says == Nothing).then(|| town.sim.hold(method, path, When::AfterEffect));
        let patience = Duration::from_secs(if says == Nothing { 3 } else { 30 });
        let (state, calls) = self.end(says);
        let expect = format!("{}: {state}", self.summary());
        let cell = format!("{self:?}, {says:?}");
        let told = serve_with(&town, impatient(patience), async |address| {
            notify(address).await;
            let first = self.ended(&town, &cell, &expect, 0).await;
            if says != DoneAndUndone {
                return first;
            }
            self.undo(&town).await;
            notify(address).await;
            self.ended(&town, &cell, &expect, first.len()).await
        })
        .await;
        drop(hold);
        let made = town.sim.count(method, path) - self.of_others(says);
        assert_eq!(made, calls, "{cell}: {:#?}", town.deletes());
        let last = told.last().unwrap();
        if state != "verified" {
            assert_eq!(last["data"]["severity"], "critical", "{cell}: {last:#}");
            assert!(kinds(&told).iter().all(|kind| *kind != "ticket.closed"), "{cell}");
        }
        let records = town.records().await;
        let mut rows = records.iter().flat_map(|record| &record.case.rows);
        let is_so = |step: &partner_warden::domain::case::StepRow| step.state.as_str() == state;
        assert!(rows.any(|row| row.step.as_ref().is_some_and(is_so)), "{cell}: no record says so");
    }

    /// Waits until people see that it ended so, in a message after these.
    async fn ended(self, town: &Town, cell: &str, expect: &String, after: usize) -> Vec<Value> {
        let closes = expect.ends_with(": verified") && self != Self::Quarantine;
        town.messages(cell, |messages| {
            let new = messages.get(after..).unwrap_or_default();
            new.last().is_some_and(|last| {
                steps(last).contains(expect) && (!closes || last["type"] == "ticket.closed")
            })
        })
        .await
    }
}

async fn check(call: Call) {
    // What is assigned anew has an assignment of its own, and is taken away by that.
    let has_none = |says: &Says| call == Call::Way(Way::Scheduled) && *says == DoneAndUndone;
    join_all(ALL.into_iter().filter(|says| !has_none(says)).map(|says| call.check(says))).await;
}

/// A test of each call, with every answer.
macro_rules! each_call {
    ($($name:ident: $call:expr,)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                check($call).await;
            }
        )+

        #[test]
        fn every_call_has_its_test_but_for_those_about_relationships() {
            assert_eq!([$($call),+], Call::ALL);
            let tested = Call::ALL.map(Call::remediation);
            let mut left = String::new();
            for remediation in Remediation::ALL.iter().filter(|it| !tested.contains(it)) {
                writeln!(left, "{}", remediation.as_str()).unwrap();
            }
            insta::assert_snapshot!(left, @r"
            drop-global-administrator
            stop-auto-extend
            delete-access-assignment
            terminate-relationship
            ");
        }
    };
}

each_call! {
    a_role_assignment: Call::Role,
    a_role_assignment_of_the_partners_group: Call::AgentsRole,
    an_eligibility: Call::Way(Way::Eligible),
    a_scheduled_assignment: Call::Way(Way::Scheduled),
    a_group_member: Call::Way(Way::Member),
    a_member_of_a_group_within: Call::Way(Way::Nested),
    an_application_permission: Call::Way(Way::AppRole),
    the_sessions_of_a_guest: Call::Sessions,
    the_account_of_a_guest: Call::Guest,
    an_application: Call::App,
    a_quarantine: Call::Quarantine,
}

/// What is there again under its own id before it was seen to be gone was never seen to be gone.
#[tokio::test]
async fn what_is_back_at_once_is_told_as_still_there() {
    let town = Town::new(Call::AgentsRole.scenario().recreate(0), ENFORCE).await;
    let expect = format!("{}: reappeared", Call::AgentsRole.summary());
    let told = serve_with(&town, impatient(Duration::from_secs(30)), async |address| {
        notify(address).await;
        Call::AgentsRole.ended(&town, "back at once", &expect, 0).await
    })
    .await;
    let last = told.last().unwrap();
    assert_eq!(last["data"]["severity"], "critical");
    let title = last["data"]["title"].as_str().unwrap();
    assert!(title.contains("Removed access is still there: "), "{title}");
    assert_eq!(town.sim.count("DELETE", ASSIGNMENTS), 1, "it is for people to look into");
}

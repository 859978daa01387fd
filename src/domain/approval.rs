//! What a person is asked before a step is carried out, and what they said.
//!
//! A [`Proposal`] is put for each case that has steps a person has to agree to. It is bound to the
//! plan it was put for: once the plan is another one, it counts for nothing and a new one is put.

mod question;

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{Sha256Hex, TenantId};
use super::text;

pub use self::question::{FoundLine, HeldLine, Question, Shown, StepLine, plan_hash, question};

/// How long after its end what was asked is remembered at least.
pub const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(400 * 24);

/// How a policy asks people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approvals {
    /// How long a person may take to answer, and afterwards the worker to begin.
    pub expire: SignedDuration,
    /// What becomes of what nobody answered.
    pub on_expiry: OnExpiry,
    /// How many people have to agree: 1 or 2.
    pub people: u32,
}

impl Default for Approvals {
    /// One person within three days, and nobody's silence takes anything away.
    fn default() -> Self {
        Self { expire: SignedDuration::from_hours(72), on_expiry: OnExpiry::AskAgain, people: 1 }
    }
}

/// What becomes of what nobody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnExpiry {
    /// It is asked again, with a new link.
    #[default]
    AskAgain,
    /// It is held back until the facts or the policy change.
    Hold,
    /// It is carried out as if everybody had agreed.
    CarryOut,
}

/// The name of a proposal: 32 hexadecimal digits, never used twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProposalId(String);

impl ProposalId {
    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that is written so, if it can be one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 32 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }
}

/// What a person can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Do it.
    Approve,
    /// Do it not.
    Refuse,
}

impl Answer {
    /// The answer that is written so.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "approve" => Some(Self::Approve),
            "refuse" => Some(Self::Refuse),
            _ => None,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refuse => "refuse",
        }
    }
}

/// What one person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What they said.
    pub decision: Answer,
    /// Who they are, fit to show: the user principal name, or the name they gave.
    pub by: String,
    /// Whether the sign-in proved that; else it is only what they say.
    pub proven: bool,
    /// The object id and tenant of whom the sign-in proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl Decision {
    /// The decision of somebody who gave a name. Nothing where nothing of it can be shown.
    pub fn by_name(decision: Answer, name: &str, at: Timestamp) -> Option<Self> {
        let by = text::foreign(name);
        (!by.is_empty()).then_some(Self { decision, by, proven: false, identity: None, at })
    }

    /// `megan@woodgrove.example (signed in)`, `Megan Bowen (name as given, not proven)`.
    pub fn who(&self) -> String {
        let proof = if self.proven { "signed in" } else { "name as given, not proven" };
        format!("{} ({proof})", self.by)
    }

    /// Whether both are of one person, as far as can be told: in doubt they are.
    fn is_of(&self, other: &Self) -> bool {
        match (&self.identity, &other.identity) {
            (Some(one), Some(two)) => one == two,
            _ => plain(&self.by) == plain(&other.by),
        }
    }
}

/// A name without regard to case, spaces and signs.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Why a proposal counts for nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Void {
    /// Since when.
    pub at: Timestamp,
    /// Why, in a sentence without its end.
    pub why: String,
}

/// A question, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The question.
    pub question: Question,
    /// What people said, in their order.
    pub decisions: Vec<Decision>,
    /// Since when it is being carried out.
    pub begun_at: Option<Timestamp>,
    /// Since when and why it counts for nothing.
    pub void: Option<Void>,
    /// The store's own mark: it rises with each change.
    pub revision: i64,
}

/// How a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nobody has said anything.
    Open,
    /// One has agreed, and a second one has to.
    SecondWanted,
    /// Everybody who has to has agreed.
    Approved,
    /// Somebody has refused.
    Refused,
    /// Nobody, or not everybody who had to, has said anything in time.
    Expired,
    /// The facts it was about are others now.
    Void,
}

/// Why a decision was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDecided {
    /// It is not to be decided any more: it is decided, expired or void.
    Over(Standing),
    /// The same person has agreed already.
    SamePerson,
}

impl Proposal {
    /// A question that nobody has answered.
    pub fn new(question: Question) -> Self {
        Self { question, decisions: Vec::new(), begun_at: None, void: None, revision: 0 }
    }

    /// How it stands at `now`.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let of = |answer| self.decisions.iter().filter(move |it| it.decision == answer).count();
        let agreed = u32::try_from(of(Answer::Approve)).unwrap_or(u32::MAX);
        if self.void.is_some() {
            Standing::Void
        } else if of(Answer::Refuse) > 0 {
            Standing::Refused
        } else if agreed >= self.question.people.max(1) {
            Standing::Approved
        } else if now >= self.question.expires_at {
            Standing::Expired
        } else if agreed > 0 {
            Standing::SecondWanted
        } else {
            Standing::Open
        }
    }

    /// Takes in what a person said at `now`.
    ///
    /// # Errors
    /// [`NotDecided`].
    pub fn decide(&self, decision: Decision, now: Timestamp) -> Result<Self, NotDecided> {
        match self.standing(now) {
            Standing::Open | Standing::SecondWanted => {}
            over
            @ (Standing::Approved | Standing::Refused | Standing::Expired | Standing::Void) => {
                return Err(NotDecided::Over(over));
            }
        }
        let approves = decision.decision == Answer::Approve;
        if approves && self.decisions.iter().any(|before| before.is_of(&decision)) {
            return Err(NotDecided::SamePerson);
        }
        let mut decided = self.clone();
        decided.decisions.push(decision);
        Ok(decided)
    }

    /// Whether what was agreed to may still be begun at `now`: as long after the last word as there
    /// was time to say it.
    pub fn may_begin(&self, now: Timestamp) -> bool {
        let time = self.question.expires_at.duration_since(self.question.asked_at);
        let last = self.decisions.last().map_or(self.question.asked_at, |it| it.at);
        self.standing(now) == Standing::Approved && now.duration_since(last) < time
    }

    /// Who refused it.
    pub fn refusal(&self) -> Option<&Decision> {
        self.decisions.iter().find(|it| it.decision == Answer::Refuse)
    }
}

/// What a case remembers of what people were asked about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The proposal.
    pub id: ProposalId,
    /// The digest of the plan it is about.
    pub plan: Sha256Hex,
    /// The digest of the ids of the steps it is about.
    pub steps: Sha256Hex,
    /// When it was asked.
    pub at: Timestamp,
    /// Until when it may be answered.
    pub until: Timestamp,
    /// How many people have to agree.
    pub people: u32,
    /// What they said so far.
    pub decisions: Vec<Decision>,
    /// How it stood at the last look.
    pub standing: Standing,
}

impl Asked {
    /// What a case remembers of a proposal.
    pub fn of(proposal: &Proposal, now: Timestamp) -> Self {
        let question = &proposal.question;
        Self {
            id: question.id.clone(),
            plan: question.plan.clone(),
            steps: question.steps.clone(),
            at: question.asked_at,
            until: question.expires_at,
            people: question.people,
            decisions: proposal.decisions.clone(),
            standing: proposal.standing(now),
        }
    }

    /// Whether somebody may still answer.
    pub fn is_open(&self) -> bool {
        matches!(self.standing, Standing::Open | Standing::SecondWanted)
    }
}

/// What becomes of a proposal when a look is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposalChange {
    /// It is put.
    Put(Box<Question>),
    /// It counts for nothing from now on, whatever was said meanwhile.
    Void {
        /// Which.
        id: ProposalId,
        /// The tenant.
        tenant: TenantId,
        /// The partner, by [`AffectedPartner::key`](super::roster::AffectedPartner::key).
        partner: String,
        /// Since when and why.
        void: Void,
    },
}

impl ProposalChange {
    /// The tenant it is about.
    pub fn tenant(&self) -> TenantId {
        match self {
            Self::Put(question) => question.tenant,
            Self::Void { tenant, .. } => *tenant,
        }
    }

    /// The partner it is about, by [`AffectedPartner::key`](super::roster::AffectedPartner::key).
    pub fn partner(&self) -> String {
        match self {
            Self::Put(question) => question.partner.key(),
            Self::Void { partner, .. } => partner.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::finding::testing::{Case as Given, noon};
    use crate::domain::plan::{Circumstances, History, Plan, Verdict, plan};
    use crate::domain::policy::Policy;

    fn given(policy: &str) -> Given {
        Given::new()
            .with_policy(policy)
            .member("Megan", "Global Administrator")
            .foreign_group("Agents", "Reports Reader")
    }

    fn planned(given: &Given) -> (Plan, Policy) {
        let policy = given.policy();
        let history = History::default();
        let about = Circumstances {
            policy: &policy,
            tenant: &policy.roster.tenants[0],
            history: &history,
            own_apps: &[],
            stopped: None,
            now: noon(),
        };
        (plan(&given.facts, about), policy)
    }

    const ASKS: &str = "respond: {role-not-allowed: {do: approve}}";

    fn proposal(people: u32) -> Proposal {
        Proposal::new(Question { people, ..asked(&given(ASKS)) })
    }

    fn asked(given: &Given) -> Question {
        let (plan, policy) = planned(given);
        let case = &plan.cases[0];
        let digest = plan_hash(case, &policy);
        question(case, &policy, digest, (plan.tenant, plan.tenant_name.as_str()), noon())
    }

    fn after(hours: i64) -> Timestamp {
        noon() + SignedDuration::from_hours(hours)
    }

    fn says(answer: Answer, name: &str, hours: i64) -> Decision {
        Decision::by_name(answer, name, after(hours)).unwrap()
    }

    use Answer::{Approve, Refuse};

    #[test]
    fn an_answer_is_one_word_written_in_one_way() {
        for answer in [Approve, Refuse] {
            assert_eq!(Answer::from_text(answer.as_str()), Some(answer));
        }
        assert_eq!((Approve.as_str(), Refuse.as_str()), ("approve", "refuse"));
        for other in ["", "Approve", " approve", "approved", "yes", "refused", "no"] {
            assert_eq!(Answer::from_text(other), None, "{other}");
        }
    }

    #[test]
    fn what_was_asked_outlasts_the_year_that_an_audit_is_about() {
        assert!(FORGOTTEN_AFTER > SignedDuration::from_hours(366 * 24));
    }

    #[test]
    fn one_word_decides_and_no_second_one_changes_it() {
        for (answer, stands) in [(Approve, Standing::Approved), (Refuse, Standing::Refused)] {
            let decided = proposal(1).decide(says(answer, "Megan", 1), after(1)).unwrap();
            assert_eq!(decided.standing(after(1)), stands);
            assert_eq!(decided.standing(after(1000)), stands, "what is decided does not expire");
            for again in [Approve, Refuse] {
                let again = decided.decide(says(again, "Adele", 2), after(2));
                assert_eq!(again, Err(NotDecided::Over(stands)));
            }
        }
    }

    #[test]
    fn two_people_are_two_people() {
        let one = proposal(2).decide(says(Approve, "Megan Bowen", 1), after(1)).unwrap();
        assert_eq!(one.standing(after(1)), Standing::SecondWanted);
        for same in ["Megan Bowen", " megan  bowen ", "MEGAN.BOWEN", "Megan\u{200b} Bowen"] {
            let again = one.decide(says(Approve, same, 1), after(1));
            assert_eq!(again, Err(NotDecided::SamePerson), "{same}");
        }
        let two = one.decide(says(Approve, "Adele Vance", 2), after(2)).unwrap();
        assert_eq!(two.standing(after(2)), Standing::Approved);
        let refused = one.decide(says(Refuse, "Megan Bowen", 2), after(2)).unwrap();
        assert_eq!(refused.standing(after(2)), Standing::Refused, "whoever agreed may refuse yet");
        assert_eq!(refused.refusal().unwrap().by, "Megan Bowen");
    }

    #[test]
    fn whom_the_sign_in_proved_goes_by_their_id_and_not_by_their_name() {
        let signed_in = |identity: &str| Decision {
            proven: true,
            identity: Some(identity.to_owned()),
            ..says(Approve, "megan@woodgrove.example", 1)
        };
        let one = proposal(2).decide(signed_in("a@t"), after(1)).unwrap();
        assert_eq!(one.decide(signed_in("a@t"), after(1)), Err(NotDecided::SamePerson));
        assert!(one.decide(signed_in("b@t"), after(1)).is_ok(), "two accounts of one name");
        let named = one.decide(says(Approve, "megan@woodgrove.example", 1), after(1));
        assert_eq!(named, Err(NotDecided::SamePerson), "in doubt it is the same");
    }

    #[test]
    fn what_is_too_late_or_void_takes_no_answer() {
        let late = proposal(1).decide(says(Approve, "Megan", 72), after(72));
        assert_eq!(late, Err(NotDecided::Over(Standing::Expired)));
        assert!(proposal(1).decide(says(Approve, "Megan", 71), after(71)).is_ok());
        let void = Some(Void { at: after(1), why: "so".to_owned() });
        let void = Proposal { void, ..proposal(1) };
        let late = void.decide(says(Approve, "Megan", 1), after(1));
        assert_eq!(late, Err(NotDecided::Over(Standing::Void)));
        assert!(!void.may_begin(after(1)));
    }

    #[test]
    fn an_approval_holds_as_long_as_there_was_time_to_give_it() {
        assert!(!proposal(1).may_begin(noon()));
        let decided = proposal(1).decide(says(Approve, "Megan", 71), after(71)).unwrap();
        assert!(decided.may_begin(after(71 + 71)));
        assert!(!decided.may_begin(after(71 + 72)));
    }

    #[test]
    fn a_name_of_which_nothing_can_be_shown_is_none() {
        for nothing in ["", "   ", "\u{200b}\u{202e}", "\0\n"] {
            assert_eq!(Decision::by_name(Approve, nothing, noon()), None, "{nothing:?}");
        }
        assert_eq!(says(Approve, "Me\u{202e}gan\n", 0).who(), "Megan (name as given, not proven)");
    }

    #[test]
    fn another_plan_is_another_question() {
        let hash = |given: &Given| {
            let (plan, policy) = planned(given);
            plan_hash(&plan.cases[0], &policy)
        };
        let this = hash(&given(ASKS));
        assert_eq!(this, hash(&given(ASKS)));
        let others = [
            given(ASKS).foreign_group("B", "Search Editor"),
            given(ASKS).mode("approve"),
            given(&format!("{ASKS}\napprovals: {{people: 2}}")),
        ];
        let others: Vec<Sha256Hex> = others.iter().map(hash).collect();
        assert!(others.iter().all(|other| *other != this), "{others:?}");
    }

    #[test]
    fn what_goes_its_way_without_asking_makes_no_other_question() {
        let policy = "respond: {role-not-allowed: {do: approve}, privileged-role: {do: revoke}}";
        let quiet = given(policy);
        let both = quiet.clone().foreign_group("B", "User Administrator");
        let hash = |given: &Given| {
            let (plan, policy) = planned(given);
            plan_hash(&plan.cases[0], &policy)
        };
        let (plan, _) = planned(&both);
        assert!(plan.cases[0].steps.iter().any(|step| step.verdict == Verdict::CarryOut));
        assert_eq!(hash(&quiet), hash(&both));
    }

    #[test]
    fn the_question_shows_what_will_be_done_and_what_is_held_back() {
        let policy = "respond: {role-not-allowed: {do: approve}}\n\
                      guardrails: {protected: [\"bob_contoso-reseller.example#EXT#@woodgrove.example\"]}";
        let given = given(policy).guest("Bob", "bob@contoso-reseller.example", "Search Editor");
        let asked = asked(&given);
        let steps: Vec<&str> = asked.shown.steps.iter().map(|it| it.summary.as_str()).collect();
        assert_eq!(steps, ["revoke Reports Reader from Agents"]);
        let [held] = asked.shown.held.as_slice() else { panic!("{:?}", asked.shown.held) };
        assert!(held.reason.contains("guardrails.protected"), "{held:?}");
        assert_eq!(asked.expires_at, after(72));
        assert_eq!(ProposalId::parse(asked.id.as_str()).as_ref(), Some(&asked.id));
        for wrong in
            ["", "x", "0123456789ABCDEF0123456789abcdef", "0123456789abcdef0123456789abcde"]
        {
            assert_eq!(ProposalId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_question_tells_what_was_found_of_what_does_not_go_its_way() {
        let policy = "respond: {role-not-allowed: {do: approve}, privileged-role: {do: revoke}}";
        let both = given(policy).foreign_group("B", "User Administrator");
        let found = asked(&both).shown.findings;
        let found: Vec<(&str, &str)> =
            found.iter().map(|it| (it.finding.as_str(), it.text.as_str())).collect();
        assert_eq!(
            found,
            [(
                "role-not-allowed",
                "Agents, a principal of Contoso Reseller's own directory, holds Reports Reader, \
                 which the policy does not allow it."
            )]
        );
    }

    #[test]
    fn what_is_too_much_to_show_is_counted() {
        let of = |count: usize| {
            let mut given = Given::new().with_policy(ASKS).member("Megan", "Global Administrator");
            for number in 0..count {
                given = given.foreign_group(&format!("Group {number}"), "Reports Reader");
            }
            let shown = asked(&given).shown;
            (shown.findings.len(), shown.steps.len(), shown.more)
        };
        assert_eq!(of(50), (50, 50, [0, 0, 0]));
        assert_eq!(of(53), (50, 50, [3, 3, 0]));
    }

    #[test]
    fn no_two_questions_have_one_name() {
        let first = asked(&given(ASKS));
        assert_eq!(first.id.as_str().len(), 32);
        let (plan, policy) = planned(&given(ASKS));
        let case = &plan.cases[0];
        let digest = plan_hash(case, &policy);
        let later = question(case, &policy, digest, (plan.tenant, "Woodgrove"), after(1));
        assert_eq!(later.plan, first.plan);
        assert_ne!(later.id, first.id, "asked again it is another question");
    }

    #[test]
    fn somebody_may_answer_as_long_as_a_word_is_wanting() {
        let is_open = |proposal: &Proposal, hours| Asked::of(proposal, after(hours)).is_open();
        let one = proposal(2).decide(says(Approve, "Megan", 1), after(1)).unwrap();
        let two = one.decide(says(Approve, "Adele", 1), after(1)).unwrap();
        let refused = one.decide(says(Refuse, "Adele", 1), after(1)).unwrap();
        assert!(is_open(&proposal(2), 1) && is_open(&one, 1));
        assert_eq!(proposal(2).standing(after(1)), Standing::Open, "nobody has said anything");
        assert!(!is_open(&two, 1) && !is_open(&refused, 1));
        assert!(!is_open(&proposal(2), 72) && !is_open(&one, 72), "it is too late");
    }

    #[test]
    fn a_change_says_whom_it_is_about() {
        let question = asked(&given(ASKS));
        let (tenant, partner) = (question.tenant, question.partner.key());
        let void = ProposalChange::Void {
            id: question.id.clone(),
            tenant,
            partner: partner.clone(),
            void: Void { at: noon(), why: "so".to_owned() },
        };
        for change in [ProposalChange::Put(Box::new(question)), void] {
            assert_eq!((change.tenant(), change.partner()), (tenant, partner.clone()));
        }
    }
}

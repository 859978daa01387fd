//! The tests of a policy, read and checked.

use jiff::SignedDuration;

use super::node::Place;
use super::raw_tests::{RawExpect, RawGiven, RawMfa, RawTest};
use super::read::{Reader, same};
use super::shape::{At, Several, Text, Told, WordsOr};
use super::spelling::{did_you_mean, nearest};
use super::subjects::{DETAILS, SUBJECTS};
use super::words::{Day, is_address};
use super::{Do, Mode};
use crate::domain::facts::GapCause;
use crate::domain::finding::{FindingName, rules};
use crate::domain::id::PartnerId;
use crate::domain::role::RoleTemplateId;
use crate::domain::roster::{AccountName, Roster, Side, Tenant};
use crate::domain::trial::{Demanded, Expectation, Fact, Given, How, Trial, Who, stranger};

/// What Microsoft names the group of a partner's people that administers customers.
const ADMIN_AGENTS: &str = "AdminAgents";

/// How long a relationship lasts where the test does not say.
const RELATIONSHIP: SignedDuration = SignedDuration::from_hours(24 * 90);

impl Reader {
    pub(super) fn trials(&mut self, raw: Vec<At<RawTest>>, roster: &Roster) -> Vec<Trial> {
        let mut trials: Vec<Trial> = Vec::new();
        for test in raw {
            let (at, raw) = (test.at, test.value);
            let name = self.name(&raw.name);
            if !name.is_empty() && trials.iter().any(|other| same(&other.name, &name)) {
                self.wrong(raw.name.at, format!("two tests are called `{name}`"));
            }
            let tenant = match (&raw.tenant, roster.tenants.as_slice()) {
                (Some(text), _) => {
                    let id = self.tenant_ref(text, roster);
                    id.and_then(|id| roster.tenant(id))
                }
                (None, [only]) => Some(only),
                (None, []) => None,
                (None, _) => {
                    self.wrong(at, "the policy has several tenants: say which by `tenant`");
                    None
                }
            };
            let moment = raw.at.as_ref().and_then(|text| self.moment(text, Day::Noon));
            let expect = self.expectation(raw.expect);
            let Some(tenant) = tenant else { continue };
            let given = self.given(raw.given.0, tenant);
            trials.push(Trial {
                name,
                line: at.line,
                tenant: tenant.id,
                at: moment,
                mode: raw.mode.unwrap_or(Mode::Enforce),
                given,
                expect,
            });
        }
        trials
    }

    fn given(&mut self, raw: Vec<Told<RawGiven>>, tenant: &Tenant) -> Given {
        let alone = raw.len() == 1;
        let mut facts = Vec::new();
        for one in raw {
            match one {
                Told::Sentence(text) => facts.extend(self.sentence(&text, tenant)),
                Told::Fields(At { value: raw, at }) => {
                    if let Some(file) = &raw.facts {
                        if !alone {
                            let message = "`facts` is the whole tenant: nothing else may be given \
                                           beside it";
                            self.wrong(at, message);
                        }
                        return Given::File(self.name(file));
                    }
                    facts.extend(self.fact(raw, at, tenant));
                }
            }
        }
        Given::Short(facts)
    }

    /// `Contoso Reseller holds Global Administrator`.
    fn sentence(&mut self, text: &Text, tenant: &Tenant) -> Option<Fact> {
        let says = [(" holds ", false), (" may activate ", true)];
        let found = says.iter().find_map(|(verb, eligible)| {
            let (who, role) = text.value.split_once(verb)?;
            Some((who.trim().to_owned(), role.trim().to_owned(), *eligible))
        });
        let Some((who, role, eligible)) = found else {
            let message = format!(
                "`{}` is not a sentence that is understood; write `Contoso Reseller holds Global \
                 Administrator`, `… may activate …`, or fields such as {{partner: …, role: …}}",
                text.value
            );
            self.wrong(text.at, message);
            return None;
        };
        let at = text.at;
        let is_account = names_account(tenant, &who);
        let looks_like_an_account = is_address(&who);
        let who = Some(At { value: who, at });
        let roles = Several(vec![At { value: role, at }]);
        let mut raw = RawGiven { role: roles, eligible, ..RawGiven::default() };
        if is_account {
            raw.account = who;
        } else if looks_like_an_account {
            raw.guest = who;
        } else {
            raw.partner = who;
        }
        self.fact(raw, at, tenant)
    }

    fn fact(&mut self, raw: RawGiven, at: Place, tenant: &Tenant) -> Option<Fact> {
        let subject = self.subject(&raw, at)?;
        self.fits(&raw, at, subject, tenant.side)?;
        let roles = self.roles(&raw);
        let fact = match subject {
            "partner" | "stranger" => self.group(&raw, roles, tenant)?,
            "guest" | "account" | "app" | "member" | "unknown" => {
                let who = self.who(&raw, at, tenant);
                let how = self.how(&raw);
                let permission = raw.permission.map(|text| text.value);
                Fact::Holds { who: who?, roles: roles?, permission, how }
            }
            "unreadable" => {
                Fact::Unreadable(raw.unreadable?, raw.cause.unwrap_or(GapCause::Denied))
            }
            "mfa" => Fact::Mfa(match raw.mfa? {
                RawMfa::Everyone => Demanded::Everyone,
                RawMfa::Nobody => Demanded::Nobody,
                RawMfa::ReportOnly => Demanded::ReportOnly,
            }),
            "mfaExempts" => Fact::MfaExempts(self.party(&raw.mfa_exempts?, tenant)?),
            "trustsMfaOf" => Fact::TrustsMfaOf(self.party(&raw.trusts_mfa_of?, tenant)?),
            "governedBy" => Fact::GovernedBy(self.party(&raw.governed_by?, tenant)?),
            "conditionalAccess" => Fact::ConditionalAccess(raw.conditional_access?.value.0),
            "relationship" => self.relationship(&raw, at, roles, tenant)?,
            "dap" => Fact::Dap(self.party(&raw.dap?, tenant)?),
            _ => Fact::NoAdministrators,
        };
        Some(fact)
    }

    /// The one field that says what a fact is about.
    fn subject(&mut self, raw: &RawGiven, at: Place) -> Option<&'static str> {
        let given = SUBJECTS.iter().filter(|subject| (subject.is_given)(raw));
        let given: Vec<&str> = given.map(|subject| subject.name).collect();
        match given.as_slice() {
            [only] => SUBJECTS.iter().map(|subject| subject.name).find(|name| name == only),
            // It may have been named, and misspelt.
            [] if self.is_torn => None,
            [] => {
                let names: Vec<&str> = SUBJECTS.iter().map(|subject| subject.name).collect();
                self.wrong(at, format!("what is this about? Name one of {}", names.join(", ")));
                None
            }
            [one, other, ..] => {
                let message =
                    format!("`{one}` and `{other}` are two facts; write each as one of its own");
                self.wrong(at, message);
                None
            }
        }
    }

    /// Whether every field belongs to what the fact is about, and that to the tenant's side.
    fn fits(&mut self, raw: &RawGiven, at: Place, subject: &str, side: Side) -> Option<()> {
        let known = SUBJECTS.iter().find(|known| known.name == subject)?;
        if known.side.is_some_and(|only| only != side) {
            let message = match side {
                Side::Partner => {
                    format!("`{subject}` is about a customer's tenant, and this one is a partner's")
                }
                Side::Customer => {
                    format!("`{subject}` is about a tenant with `side: partner`")
                }
            };
            self.wrong(at, message);
            return None;
        }
        let details = known.details();
        let stray =
            DETAILS.iter().find(|(name, is_given)| is_given(raw) && !details.contains(name));
        if let Some((stray, _)) = stray {
            let takes = if details.is_empty() {
                "stands alone".to_owned()
            } else {
                format!("takes {}", details.join(", "))
            };
            self.wrong(at, format!("`{stray}` says nothing of `{subject}`, which {takes}"));
            return None;
        }
        Some(())
    }

    fn roles(&mut self, raw: &RawGiven) -> Option<Vec<RoleTemplateId>> {
        let all: Vec<_> =
            raw.role.0.iter().chain(&raw.roles.0).map(|text| self.role(text)).collect();
        all.into_iter().collect()
    }

    fn group(
        &mut self,
        raw: &RawGiven,
        roles: Option<Vec<RoleTemplateId>>,
        tenant: &Tenant,
    ) -> Option<Fact> {
        let (partner, calls_itself) = match (&raw.partner, &raw.stranger) {
            (Some(text), _) => (self.party(text, tenant)?, None),
            (None, text) => {
                let name = self.name(text.as_ref()?);
                (stranger(&name), Some(name))
            }
        };
        let how = self.how(raw);
        let roles = roles?;
        if roles.is_empty() {
            return Some(Fact::ServiceProvider(partner, calls_itself));
        }
        let name = raw.group.as_ref().map_or_else(|| ADMIN_AGENTS.to_owned(), |g| g.value.clone());
        let who = Who::Group { partner, calls_itself, name };
        Some(Fact::Holds { who, roles, permission: None, how })
    }

    fn who(&mut self, raw: &RawGiven, at: Place, tenant: &Tenant) -> Option<Who> {
        if let Some(text) = &raw.guest {
            let home = match &raw.home {
                Some(home) => Some(self.party(home, tenant)?),
                None => None,
            };
            if !is_address(text.value.trim()) {
                let message =
                    format!("`{}` is not a mail address; a guest is named by one", text.value);
                self.wrong(text.at, message);
                return None;
            }
            return Some(Who::Guest { mail: text.value.trim().to_owned(), home });
        }
        if let Some(text) = &raw.account {
            if !names_account(tenant, &text.value) {
                let known = tenant.partners.iter().flat_map(|partner| &partner.accounts);
                let known: Vec<&str> = known.map(AccountName::as_str).collect();
                self.nobody(text, "account that was given to a partner", &known);
                return None;
            }
            return Some(Who::Account {
                name: text.value.trim().to_owned(),
                enabled: raw.enabled != Some(false),
                present: !raw.missing,
            });
        }
        if let Some(text) = &raw.app {
            let name = self.name(text);
            let Some(owner) = &raw.of else {
                self.wrong(at, "say by `of` which partner owns the application");
                return None;
            };
            return Some(Who::App { name, owner: self.party(owner, tenant)? });
        }
        if let Some(text) = &raw.member {
            return Some(Who::Member(self.name(text)));
        }
        raw.unknown.as_ref().map(|text| Who::Unknown(self.name(text)))
    }

    fn how(&mut self, raw: &RawGiven) -> How {
        How {
            eligible: raw.eligible,
            activated: raw.activated,
            until: raw.until.as_ref().and_then(|text| self.moment(text, Day::End)),
            scope: raw.scope.as_ref().map(|text| text.value.clone()),
            via: raw.via.as_ref().map(|text| self.name(text)),
            taken_away_before: raw.taken_away_before,
        }
    }

    fn relationship(
        &mut self,
        raw: &RawGiven,
        at: Place,
        roles: Option<Vec<RoleTemplateId>>,
        tenant: &Tenant,
    ) -> Option<Fact> {
        let name = self.name(raw.relationship.as_ref()?);
        let Some(customer) = &raw.customer else {
            self.wrong(at, "say by `customer` with whom the relationship is");
            return None;
        };
        let customer = self.party(customer, tenant)?;
        let lasts = match &raw.duration {
            Some(text) => self.duration(text)?,
            None => RELATIONSHIP,
        };
        Some(Fact::Relationship {
            name,
            customer,
            roles: roles?,
            lasts,
            until: raw.until.as_ref().and_then(|text| self.moment(text, Day::End)),
            auto_extend: raw.auto_extend,
            status: raw.status.as_ref().map_or_else(|| "active".to_owned(), |s| s.value.clone()),
        })
    }

    /// A partner of the tenant, or a customer, by name or id; Microsoft Support by name too. An id
    /// need not be in the policy.
    fn party(&mut self, text: &Text, tenant: &Tenant) -> Option<PartnerId> {
        if let Ok(id) = text.value.parse() {
            return Some(id);
        }
        if same(&text.value, "Microsoft Support") {
            return Some(PartnerId::MICROSOFT_SUPPORT);
        }
        let meant = tenant.partners.iter().find(|partner| same(&partner.name, &text.value));
        if meant.is_none() {
            let names: Vec<&str> = tenant.partners.iter().map(|p| p.name.as_str()).collect();
            let what = match tenant.side {
                Side::Customer => "partner",
                Side::Partner => "customer",
            };
            self.nobody(text, what, &names);
        }
        meant.map(|partner| partner.id)
    }

    fn expectation(&mut self, raw: At<WordsOr<RawExpect>>) -> Expectation {
        let mut expect = Expectation::default();
        match raw.value {
            WordsOr::Words(words) => {
                if words.is_empty() {
                    expect.strongest = Some(Do::Ignore);
                }
                for word in &words {
                    self.word(word, &mut expect);
                }
            }
            WordsOr::Fields(fields) => {
                let is_written = !fields.findings.is_empty()
                    || !fields.without.is_empty()
                    || fields.only
                    || fields.r#do.is_some()
                    || fields.held_back.is_some();
                if !is_written && !self.is_torn {
                    self.wrong(raw.at, "this expects nothing in particular, so it cannot fail");
                }
                expect.findings = fields.findings.iter().filter_map(|n| self.finding(n)).collect();
                expect.without = fields.without.iter().filter_map(|n| self.finding(n)).collect();
                expect.only = fields.only;
                if let Some(text) = &fields.r#do {
                    expect.strongest = self.response_name(text);
                }
                expect.held_back = fields.held_back.map(|text| text.value);
            }
        }
        if let Some(name) = expect.findings.iter().find(|name| expect.without.contains(name)) {
            self.wrong(raw.at, format!("`{name}` is expected, and not expected"));
        }
        expect
    }

    /// One word of the short form.
    fn word(&mut self, text: &Text, expect: &mut Expectation) {
        let word = text.value.trim();
        let mut strongest = None;
        if let Some(name) = word.strip_prefix("not ") {
            let name = At { value: name.trim().to_owned(), at: text.at };
            expect.without.extend(self.finding(&name));
        } else if let Some(finding) = FindingName::from_text(word) {
            expect.findings.push(finding);
        } else if let Some(act) = response(word) {
            strongest = Some(act);
        } else if word == HELD_BACK {
            expect.held_back = Some(String::new());
        } else if word == NOTHING {
            strongest = Some(Do::Ignore);
        } else {
            let known = rules().map(|rule| rule.name.as_str());
            let known = known.chain(Do::ALL.map(Do::as_str)).chain([HELD_BACK, NOTHING]);
            let hint = did_you_mean(nearest(word, known));
            let message = format!("`{word}` is neither the name of a finding nor a response{hint}");
            self.wrong(text.at, message);
        }
        if let Some(act) = strongest {
            if expect.strongest.is_some() {
                let message = "the strongest response is one: two are named here";
                self.wrong(text.at, message);
            }
            expect.strongest = Some(act);
        }
    }

    fn response_name(&mut self, text: &Text) -> Option<Do> {
        let act = response(text.value.trim());
        if act.is_none() {
            let hint = did_you_mean(nearest(&text.value, Do::ALL.map(Do::as_str)));
            let names = Do::ALL.map(Do::as_str).join(", ");
            self.wrong(text.at, format!("`{}` is not one of {names}{hint}", text.value));
        }
        act
    }
}

const HELD_BACK: &str = "held-back";
const NOTHING: &str = "nothing";

fn response(word: &str) -> Option<Do> {
    Do::ALL.into_iter().find(|act| act.as_str() == word)
}

fn names_account(tenant: &Tenant, name: &str) -> bool {
    let name = AccountName::new(name);
    tenant.partners.iter().any(|partner| partner.accounts.contains(&name))
}

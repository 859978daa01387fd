//! A tenant described in a few words, for the tests of findings and plans.

pub(crate) mod partner_side;
mod ways;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Finding, findings};
use crate::domain::facts::{
    DirectoryObject, Facts, Gap, GapCause, Group, Part, PartnerEntry, PartnerReference,
    RoleAssignment, ServicePrincipal, User,
};
use crate::domain::id::{AssignmentId, PartnerId, PrincipalId, Sha256Hex};
use crate::domain::policy::Policy;
use crate::domain::role;

pub(crate) const WOODGROVE: &str = "11111111-1111-1111-1111-111111111111";
pub(crate) const CONTOSO: &str = "22222222-2222-2222-2222-222222222222";
pub(crate) const STRANGER: &str = "33333333-3333-3333-3333-333333333333";

/// Noon of the day on which every test takes place.
pub(crate) fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

/// Facts and policy of Woodgrove, which deals with Contoso Reseller.
#[derive(Debug, Clone, Default)]
pub(crate) struct Case {
    pub(crate) facts: Facts,
    pub(crate) mode: Option<&'static str>,
    allow: Vec<String>,
    until: Option<String>,
    unlisted: Vec<String>,
    accounts: Vec<String>,
    require: &'static str,
    unlisted_until: Option<String>,
    extra: String,
}

/// Checks the texts of one finding, in order.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case is built where it is checked")]
pub(crate) fn check(name: &str, case: Case, expect: &[&str]) {
    let texts: Vec<String> = case
        .findings()
        .into_iter()
        .filter(|finding| finding.finding.as_str() == name)
        .map(|finding| finding.text)
        .collect();
    assert_eq!(texts, expect);
}

impl Case {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn policy(&self) -> Policy {
        let list = |items: &[String]| serde_json::to_string(items).unwrap();
        let end = |until: &Option<String>| {
            until.as_ref().map_or_else(String::new, |until| format!(", until: {until}"))
        };
        let (until, unlisted_until) = (end(&self.until), end(&self.unlisted_until));
        let text = format!(
            "version: 1\nmode: {}\ntenants:\n  - id: {WOODGROVE}\n    name: Woodgrove\n    \
             partners:\n      - id: {CONTOSO}\n        name: Contoso Reseller\n        \
             domains: [contoso-reseller.example]\n        accounts: {}\n        \
             allow: {{roles: {}{until}}}\n        require: {{{}}}\n    unlisted: {{allow: \
             {{roles: {}{unlisted_until}}}}}\n{}",
            self.mode.unwrap_or("enforce"),
            list(&self.accounts),
            list(&self.allow),
            self.require,
            list(&self.unlisted),
            self.extra,
        );
        Policy::parse(&text).unwrap_or_else(|problems| panic!("{problems:?} in\n{text}")).policy
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let policy = self.policy();
        findings(&self.facts, &policy.roster.tenants[0], &policy, noon())
    }

    /// More of the policy, as YAML from the left margin.
    pub(crate) fn with_policy(mut self, yaml: &str) -> Self {
        self.extra.push_str(yaml);
        self.extra.push('\n');
        self
    }

    pub(crate) fn mode(mut self, mode: &'static str) -> Self {
        self.mode = Some(mode);
        self
    }

    pub(crate) fn allow(mut self, roles: &[&str]) -> Self {
        self.allow = roles.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn allowed_until(mut self, until: &str) -> Self {
        self.until = Some(until.to_owned());
        self
    }

    pub(crate) fn allow_unlisted(mut self, roles: &[&str]) -> Self {
        self.unlisted = roles.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn except(self, role: &str, until: &str) -> Self {
        self.with_policy(&format!(
            "exceptions:\n  - {{partner: Contoso Reseller, role: {role}, until: {until}, \
             reason: migration, ticket: CHG-4711}}"
        ))
    }

    pub(crate) fn foreign_group(self, name: &str, role: &str) -> Self {
        self.group_of(CONTOSO, name, role, "/")
    }

    pub(crate) fn scoped(self, name: &str, role: &str, scope: &str) -> Self {
        self.group_of(CONTOSO, name, role, scope)
    }

    pub(crate) fn stranger_group(self, name: &str, role: &str) -> Self {
        self.group_of(STRANGER, name, role, "/")
    }

    pub(crate) fn microsoft_support(self, role: &str) -> Self {
        self.group_of("b4c546a4-7dac-46a6-a7dd-ed822a11efd3", "Support", role, "/")
    }

    fn group_of(mut self, partner: &str, name: &str, role: &str, scope: &str) -> Self {
        let principal = id_of(name);
        let reference = PartnerReference {
            display_name: Some(name.to_owned()),
            external_partner_tenant_id: Some(partner.to_owned()),
            object_type: Some("Group".to_owned()),
        };
        self.facts.objects.insert(principal.clone(), DirectoryObject::PartnerReference(reference));
        self.assign(&principal, role, scope, Some(partner))
    }

    pub(crate) fn guest(self, name: &str, mail: &str, role: &str) -> Self {
        self.guest_account(name, Some(mail), mail, None, role)
    }

    pub(crate) fn guest_from_home(self, name: &str, home: &str, role: &str) -> Self {
        let upn = format!("{}@elsewhere.example", name.to_lowercase());
        self.guest_account(name, None, &upn, Some(home), role)
    }

    fn guest_account(
        mut self,
        name: &str,
        mail: Option<&str>,
        home_upn: &str,
        home: Option<&str>,
        role: &str,
    ) -> Self {
        let principal = id_of(name);
        let user = User {
            display_name: Some(name.to_owned()),
            user_principal_name: Some(format!(
                "{}#EXT#@woodgrove.example",
                home_upn.replace('@', "_")
            )),
            mail: mail.map(str::to_owned),
            user_type: None,
            account_enabled: None,
        };
        self.facts.objects.insert(principal.clone(), DirectoryObject::User(user.clone()));
        let listed = User { user_type: Some("Guest".to_owned()), ..user };
        self.facts.guests.insert(principal.clone(), listed);
        self.assign(&principal, role, "/", home)
    }

    /// The list of guests came back empty.
    pub(crate) fn hide_guests(mut self) -> Self {
        self.facts.guests.clear();
        self
    }

    pub(crate) fn member(self, name: &str, role: &str) -> Self {
        self.member_account(name, None, role)
    }

    pub(crate) fn member_from(self, name: &str, home: &str, role: &str) -> Self {
        self.member_account(name, Some(home), role)
    }

    pub(crate) fn garbled_home(self, name: &str, home: &str, role: &str) -> Self {
        self.member_account(name, Some(home), role)
    }

    fn member_account(mut self, name: &str, home: Option<&str>, role: &str) -> Self {
        let principal = id_of(name);
        let user = User {
            display_name: Some(name.to_owned()),
            user_principal_name: Some(format!("{}@woodgrove.example", name.to_lowercase())),
            mail: None,
            user_type: Some("Member".to_owned()),
            account_enabled: None,
        };
        self.facts.objects.insert(principal.clone(), DirectoryObject::User(user));
        self.assign(&principal, role, "/", home)
    }

    pub(crate) fn dedicated_account(mut self, upn: &str, role: &str) -> Self {
        self.accounts.push(upn.to_owned());
        let principal = id_of(upn);
        let user = User {
            display_name: Some(upn.to_owned()),
            user_principal_name: Some(upn.to_uppercase().to_lowercase()),
            mail: None,
            user_type: Some("Member".to_owned()),
            account_enabled: None,
        };
        self.facts.objects.insert(principal.clone(), DirectoryObject::User(user));
        self.assign(&principal, role, "/", None)
    }

    pub(crate) fn own_group(self, name: &str, role: &str) -> Self {
        self.group_with_home(name, Some(WOODGROVE), role)
    }

    pub(crate) fn group_from(self, name: &str, home: &str, role: &str) -> Self {
        self.group_with_home(name, Some(home), role)
    }

    fn group_with_home(mut self, name: &str, home: Option<&str>, role: &str) -> Self {
        let principal = id_of(name);
        let group = Group::named(name);
        self.facts.objects.insert(principal.clone(), DirectoryObject::Group(group));
        self.assign(&principal, role, "/", home)
    }

    pub(crate) fn partner_app(self, name: &str, role: &str) -> Self {
        self.app(name, CONTOSO, role)
    }

    pub(crate) fn own_app(self, name: &str, role: &str) -> Self {
        self.app(name, WOODGROVE, role)
    }

    fn app(mut self, name: &str, owner: &str, role: &str) -> Self {
        let principal = id_of(name);
        let app = ServicePrincipal {
            display_name: Some(name.to_owned()),
            app_id: Some(id_of(&format!("{name} app")).to_string()),
            app_owner_organization_id: Some(owner.to_owned()),
        };
        self.facts.objects.insert(principal.clone(), DirectoryObject::ServicePrincipal(app));
        self.assign(&principal, role, "/", None)
    }

    pub(crate) fn unresolvable(self, principal: &str, role: &str) -> Self {
        self.assign(&PrincipalId::new(principal), role, "/", None)
    }

    pub(crate) fn unresolvable_from(self, principal: &str, home: &str, role: &str) -> Self {
        self.assign(&PrincipalId::new(principal), role, "/", Some(home))
    }

    fn assign(
        mut self,
        principal: &PrincipalId,
        role: &str,
        scope: &str,
        home: Option<&str>,
    ) -> Self {
        let definition = role::by_name(role).map(|role| role.template_id.to_string());
        self.facts.assignments.push(RoleAssignment {
            id: AssignmentId(format!("{principal}-{role}").replace(' ', "")),
            principal_id: principal.clone(),
            role_definition_id: definition.unwrap_or_else(|| role.to_owned()),
            directory_scope_id: scope.to_owned(),
            principal_organization_id: home.map(str::to_owned),
        });
        self
    }

    pub(crate) fn service_provider(self, partner: &str) -> Self {
        self.entry(partner, true)
    }

    pub(crate) fn collaborator(self, tenant: &str) -> Self {
        self.entry(tenant, false)
    }

    fn entry(mut self, tenant: &str, is_service_provider: bool) -> Self {
        self.facts.partner_entries.push(PartnerEntry {
            tenant_id: tenant.to_owned(),
            is_service_provider: Some(is_service_provider),
            ..PartnerEntry::default()
        });
        self
    }

    pub(crate) fn calls_itself(mut self, tenant: &str, name: &str) -> Self {
        let id: PartnerId = tenant.parse().unwrap();
        self.facts.tenant_names.insert(id, name.to_owned());
        self
    }

    pub(crate) fn gap(mut self, part: Part, cause: GapCause) -> Self {
        self.facts.gaps.push(Gap { part, cause, detail: "(detail)".to_owned() });
        self
    }
}

/// An id that is always the same for a name.
fn id_of(name: &str) -> PrincipalId {
    let digest = Sha256Hex::of(name.as_bytes());
    let digits = digest.as_str().get(..32).unwrap();
    PrincipalId::new(&Uuid::try_parse(digits).unwrap().to_string())
}

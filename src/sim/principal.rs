//! The principals of a tenant: its users, guests, groups and service principals, and the groups
//! of partners that only Microsoft's directory knows in full.

use jiff::Timestamp;
use serde::Deserialize;

use super::ids;
use super::moment::Moment;

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PrincipalKind {
    /// A user of the tenant itself.
    Member,
    /// A B2B guest: an object of this tenant for a person of another.
    Guest,
    /// A group of the tenant itself.
    Group,
    /// A service principal in the tenant, of an app of this tenant or another.
    ServicePrincipal,
    /// A group in a partner's tenant. Graph does not resolve it as a group; it is a
    /// `directoryObjectPartnerReference`
    /// (<https://learn.microsoft.com/graph/api/resources/directoryobjectpartnerreference>).
    PartnerGroup,
}

/// Somebody or something that can hold a role.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Principal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its `displayName`.
    pub name: String,
    /// Its object id; derived from tenant, kind and name when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// A user's address.
    #[serde(default)]
    pub mail: Option<String>,
    /// A user's sign-in name. A guest's is made from the address when absent.
    #[serde(default)]
    pub user_principal_name: Option<String>,
    /// The tenant a partner group lives in, or that owns a service principal's app.
    #[serde(default)]
    pub home_tenant: Option<String>,
    /// A service principal's app; derived from tenant and name when absent.
    #[serde(default)]
    pub app_id: Option<String>,
    /// Its description.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether a user or service principal may sign in.
    #[serde(default = "enabled")]
    pub account_enabled: bool,
    /// A group's members, by name or id; groups among them are nested.
    #[serde(default)]
    pub members: Vec<String>,
    /// Whether a group can hold roles.
    #[serde(default = "enabled")]
    pub is_assignable_to_role: bool,
    /// When a user was made; at the beginning of 2026 when absent.
    #[serde(default)]
    pub created_date_time: Option<Moment>,
    /// Whether a guest has yet to accept the invitation.
    #[serde(default)]
    pub pending_acceptance: bool,
    /// When a user's sessions were ended last.
    #[serde(skip)]
    pub sessions_valid_from: Option<Timestamp>,
}

fn enabled() -> bool {
    true
}

impl Principal {
    fn new(kind: PrincipalKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            id: None,
            mail: None,
            user_principal_name: None,
            home_tenant: None,
            app_id: None,
            description: None,
            account_enabled: true,
            members: Vec::new(),
            is_assignable_to_role: true,
            created_date_time: None,
            pending_acceptance: false,
            sessions_valid_from: None,
        }
    }

    /// A user of the tenant itself.
    pub fn member(name: &str, upn: &str) -> Self {
        Self {
            mail: Some(upn.to_owned()),
            user_principal_name: Some(upn.to_owned()),
            ..Self::new(PrincipalKind::Member, name)
        }
    }

    /// A B2B guest, by the address the invitation went to.
    pub fn guest(name: &str, mail: &str) -> Self {
        Self { mail: Some(mail.to_owned()), ..Self::new(PrincipalKind::Guest, name) }
    }

    /// A group of the tenant itself with its members, by name or id.
    pub fn group(name: &str, members: &[&str]) -> Self {
        let members = members.iter().map(|&member| member.to_owned()).collect();
        Self { members, ..Self::new(PrincipalKind::Group, name) }
    }

    /// The service principal of the app `app_id`, which belongs to tenant `owner`.
    pub fn service_principal(name: &str, app_id: &str, owner: &str) -> Self {
        Self {
            app_id: Some(app_id.to_owned()),
            home_tenant: Some(owner.to_owned()),
            ..Self::new(PrincipalKind::ServicePrincipal, name)
        }
    }

    /// A group in the partner's tenant `home`.
    pub fn partner_group(name: &str, home: &str) -> Self {
        Self { home_tenant: Some(home.to_owned()), ..Self::new(PrincipalKind::PartnerGroup, name) }
    }

    /// Who may not sign in.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.account_enabled = false;
        self
    }

    /// Which can hold no roles, as a group.
    #[must_use]
    pub fn not_assignable_to_role(mut self) -> Self {
        self.is_assignable_to_role = false;
        self
    }

    /// Made then.
    #[must_use]
    pub fn created(mut self, at: Moment) -> Self {
        self.created_date_time = Some(at);
        self
    }

    /// Who has yet to accept the invitation.
    #[must_use]
    pub fn pending(mut self) -> Self {
        self.pending_acceptance = true;
        self
    }

    /// Whether it is a user object of the tenant, member or guest.
    pub(crate) fn is_user(&self) -> bool {
        matches!(self.kind, PrincipalKind::Member | PrincipalKind::Guest)
    }

    /// The object id in `tenant`. A partner's group is one object with one id, whichever customer
    /// looks at it.
    pub(crate) fn id_in(&self, tenant: &str) -> String {
        let home = self.home_tenant.as_deref().unwrap_or_default();
        match (&self.id, self.kind) {
            (Some(id), _) => id.to_ascii_lowercase(),
            (None, PrincipalKind::PartnerGroup) => ids::guid(&[home, "group", &self.name]),
            (None, PrincipalKind::Group) => ids::guid(&[tenant, "group", &self.name]),
            (None, PrincipalKind::Member) => ids::guid(&[tenant, "member", &self.name]),
            (None, PrincipalKind::Guest) => ids::guid(&[tenant, "guest", &self.name]),
            (None, PrincipalKind::ServicePrincipal) => {
                ids::guid(&[tenant, "servicePrincipal", &self.name])
            }
        }
    }

    /// Fills in what a scenario may leave out: id, a guest's `x_home#EXT#@tenant` sign-in name
    /// (<https://learn.microsoft.com/entra/external-id/user-properties>), app and owner.
    pub(crate) fn completed(mut self, tenant: &str, domain: &str) -> Self {
        self.id = Some(self.id_in(tenant));
        if self.user_principal_name.is_none() && self.is_user() {
            self.user_principal_name = Some(self.sign_in_name(domain));
        }
        if self.kind == PrincipalKind::ServicePrincipal {
            self.home_tenant.get_or_insert_with(|| tenant.to_owned());
            self.app_id.get_or_insert_with(|| ids::guid(&[tenant, "app", &self.name]));
        }
        self
    }

    fn sign_in_name(&self, domain: &str) -> String {
        let mail =
            self.mail.clone().unwrap_or_else(|| format!("{}@{domain}", ids::label(&self.name)));
        if self.kind == PrincipalKind::Guest {
            format!("{}#EXT#@{domain}", mail.replace('@', "_"))
        } else {
            mail
        }
    }
}

//! The facts that a test may give.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::domain::facts::{GapCause, Part};
use crate::domain::id::PartnerId;
use crate::domain::role::RoleTemplateId;

/// One fact of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Somebody is there and may hold something.
    Holds {
        /// Who.
        who: Who,
        /// Which roles; none is somebody who only is there.
        roles: Vec<RoleTemplateId>,
        /// Which permission of an application, by id.
        permission: Option<String>,
        /// How.
        how: How,
    },
    /// A partner is a service provider of the tenant, with the name it gives itself if it is a
    /// stranger.
    ServiceProvider(PartnerId, Option<String>),
    /// A partner's word is taken for the multifactor authentication of its people.
    TrustsMfaOf(PartnerId),
    /// A partner governs the tenant.
    GovernedBy(PartnerId),
    /// Of whom multifactor authentication is demanded.
    Mfa(Demanded),
    /// The demand for multifactor authentication leaves the people of this partner out.
    MfaExempts(PartnerId),
    /// A conditional access policy, as Graph gives it.
    ConditionalAccess(Value),
    /// Nobody of the tenant's own holds Global Administrator.
    NoAdministrators,
    /// A part could not be read.
    Unreadable(Part, GapCause),
    /// The tenant is a partner's: a relationship with a customer.
    Relationship {
        /// Its name.
        name: String,
        /// With whom.
        customer: PartnerId,
        /// The roles it gives to a group of the partner's.
        roles: Vec<RoleTemplateId>,
        /// How long it lasts.
        lasts: SignedDuration,
        /// When it ends; nothing for the end that follows from how long it lasts.
        until: Option<Timestamp>,
        /// Whether it extends itself.
        auto_extend: bool,
        /// How far it has come.
        status: String,
    },
    /// The tenant is a partner's: this customer lets it administer by the old way.
    Dap(PartnerId),
}

/// Who holds something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A group in the own directory of a partner; with the name that a stranger gives itself.
    Group {
        /// The partner.
        partner: PartnerId,
        /// What a partner that the policy does not name calls itself.
        calls_itself: Option<String>,
        /// The group's name.
        name: String,
    },
    /// A guest.
    Guest {
        /// Its mail address.
        mail: String,
        /// The tenant it is at home in.
        home: Option<PartnerId>,
    },
    /// An account of the tenant that was given to a partner, as the policy names it.
    Account {
        /// Its user principal name or object id.
        name: String,
        /// Whether it may sign in.
        enabled: bool,
        /// Whether it is there.
        present: bool,
    },
    /// An application.
    App {
        /// Its name.
        name: String,
        /// The partner in whose tenant it is registered.
        owner: PartnerId,
    },
    /// One of the tenant's own people.
    Member(String),
    /// Somebody of whom nobody can say whose it is.
    Unknown(String),
}

/// How something is held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct How {
    /// Whether it may only be activated.
    pub eligible: bool,
    /// Whether it was activated for a few hours.
    pub activated: bool,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// Where it holds; nothing for the whole directory.
    pub scope: Option<String>,
    /// The group of the tenant's own through which it is held.
    pub via: Option<String>,
    /// How often it was taken away before.
    pub taken_away_before: u32,
}

/// Of whom multifactor authentication is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demanded {
    /// Of everyone.
    Everyone,
    /// Of nobody.
    Nobody,
    /// Of everyone, by a policy that only reports.
    ReportOnly,
}

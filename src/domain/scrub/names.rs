//! Which made-up name stands for which.

use std::collections::HashMap;

use uuid::Uuid;

use crate::domain::id::PartnerId;
use crate::domain::role;
use crate::domain::text;

/// Tenants of Microsoft's own, and applications that are the same in every tenant.
///
/// Source: Microsoft Learn, "Verify first-party Microsoft applications in sign-in reports".
const MICROSOFT: [Uuid; 4] = [
    // Microsoft Services
    Uuid::from_u128(0xf8cd_ef31_a31e_4b4a_93e4_5f57_1e91_255a),
    // Microsoft
    Uuid::from_u128(0x72f9_88bf_86f1_41af_91ab_2d7c_d011_db47),
    // Windows Azure Service Management API
    Uuid::from_u128(0x797f_4846_ba00_4fd7_ba43_dac1_f8f6_3013),
    // Microsoft Graph Command Line Tools
    Uuid::from_u128(0x14d8_2eec_204b_4c2f_b7e8_296a_70da_b67e),
];

/// What kind of thing a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Account,
    Api,
    App,
    Group,
    Name,
    PartnerGroup,
    Policy,
    Relationship,
    Role,
    Tenant,
    Unit,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Api => "API",
            Self::App => "App",
            Self::Group => "Group",
            Self::Name => "Name",
            Self::PartnerGroup => "Partner group",
            Self::Policy => "Policy",
            Self::Relationship => "Relationship",
            Self::Role => "Role",
            Self::Tenant => "Tenant",
            Self::Unit => "Unit",
        }
    }

    /// What the names in a part of the facts are of.
    pub(super) fn of_part(part: &str) -> Self {
        match part {
            "guests" | "accounts" => Self::Account,
            "apps" => Self::App,
            "roles" => Self::Role,
            "conditionalAccess" => Self::Policy,
            "relationships" => Self::Relationship,
            "governance" | "tenantNames" => Self::Tenant,
            "units" => Self::Unit,
            _ => Self::Name,
        }
    }

    /// What an object of a type of Graph's is.
    pub(super) fn of_object(kind: &str) -> Option<Self> {
        match kind {
            "#microsoft.graph.user" => Some(Self::Account),
            "#microsoft.graph.group" => Some(Self::Group),
            "#microsoft.graph.servicePrincipal" => Some(Self::App),
            "#microsoft.graph.directoryObjectPartnerReference" => Some(Self::PartnerGroup),
            _ => None,
        }
    }
}

/// Every name met so far with what stands for it.
#[derive(Debug, Default)]
pub(super) struct Names {
    guids: HashMap<Uuid, String>,
    shown: HashMap<(Kind, String), String>,
    many: HashMap<Kind, usize>,
    opaque: HashMap<String, String>,
    locals: HashMap<String, String>,
    labels: HashMap<String, String>,
}

/// The made-up name of `text`: the one it has, or `new` of how many there are.
fn made_up(
    known: &mut HashMap<String, String>,
    text: String,
    new: impl FnOnce(usize) -> String,
) -> String {
    let next = known.len() + 1;
    known.entry(text).or_insert_with(|| new(next)).clone()
}

impl Names {
    /// What stands for a GUID, if it is one. Those of Microsoft's own stand for themselves.
    pub(super) fn guid(&mut self, text: &str) -> Option<String> {
        let guid = Uuid::try_parse(text.trim()).ok()?;
        if is_microsofts(guid) {
            return Some(guid.to_string());
        }
        let next = self.guids.len() + 1;
        // Version 8 of RFC 9562, section 5.8: what it is made of is the maker's affair.
        let made = || format!("5c5c5c5c-0000-8000-8000-{next:012x}");
        Some(self.guids.entry(guid).or_insert_with(made).clone())
    }

    /// A name to show. One that shows nothing stays so.
    pub(super) fn name(&mut self, kind: Kind, name: &str) -> String {
        if text::foreign(name).is_empty() {
            return String::new();
        }
        let many = self.many.entry(kind).or_default();
        let key = (kind, name.to_owned());
        let made = || {
            *many += 1;
            format!("{} {many}", kind.word())
        };
        self.shown.entry(key).or_insert_with(made).clone()
    }

    /// An id that is compared without regard to case.
    pub(super) fn id(&mut self, id: &str) -> String {
        let bare = id.trim();
        if bare.is_empty() {
            return String::new();
        }
        self.guid(bare).unwrap_or_else(|| self.opaque(bare.to_lowercase()))
    }

    /// An id in which case matters.
    pub(super) fn opaque_exact(&mut self, id: &str) -> String {
        self.guid(id).unwrap_or_else(|| self.opaque(id.to_owned()))
    }

    fn opaque(&mut self, id: String) -> String {
        made_up(&mut self.opaque, id, |number| format!("id-{number}"))
    }

    /// Where a role holds: `/`, `/administrativeUnits/{id}`, `/{id}`.
    pub(super) fn scope(&mut self, scope: &str) -> String {
        let parts = scope.split('/').map(|part| {
            if part.eq_ignore_ascii_case("administrativeUnits") {
                part.to_owned()
            } else {
                self.id(part)
            }
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// A domain, by its labels: one below another stays below it.
    pub(super) fn domain(&mut self, domain: &str) -> String {
        let domain = domain.trim().trim_end_matches('.').to_lowercase();
        let labels: Vec<String> = domain
            .split('.')
            .map(|label| match label {
                "" => String::new(),
                label => made_up(&mut self.labels, label.to_owned(), |n| format!("d{n}")),
            })
            .collect();
        let top = if labels.len() > 1 { ".example" } else { "" };
        labels.join(".") + top
    }

    fn local(&mut self, local: &str) -> String {
        match local.trim() {
            "" => String::new(),
            local => made_up(&mut self.locals, local.to_lowercase(), |number| {
                format!("account-{number}")
            }),
        }
    }

    /// A sign-in name or a mail address; for guests `name_domain#EXT#@tenant`.
    fn address(&mut self, address: &str) -> Option<String> {
        let mark = address.to_ascii_uppercase().find("#EXT#");
        let home =
            mark.and_then(|at| Some((address.get(..at)?, address.get(at + "#EXT#".len()..)?)));
        if let Some((home, rest)) = home {
            let home = match home.rsplit_once('_') {
                Some((local, domain)) => format!("{}_{}", self.local(local), self.domain(domain)),
                None => self.local(home),
            };
            let rest = match rest.split_once('@') {
                Some((before, domain)) => format!("{}@{}", self.local(before), self.domain(domain)),
                None => self.local(rest),
            };
            return Some(format!("{home}#EXT#{rest}"));
        }
        let (local, domain) = address.rsplit_once('@')?;
        Some(format!("{}@{}", self.local(local), self.domain(domain)))
    }

    /// Text by its own shape: a GUID, an address, a scope, or else an id.
    pub(super) fn plain(&mut self, text: &str) -> String {
        if let Some(guid) = self.guid(text) {
            return guid;
        }
        if text.starts_with('/') {
            return self.scope(text);
        }
        self.address(text).unwrap_or_else(|| self.id(text))
    }
}

fn is_microsofts(guid: Uuid) -> bool {
    let number = guid.as_u128();
    role::by_id(guid.into()).is_some()
        || MICROSOFT.contains(&guid)
        || guid.to_string().parse() == Ok(PartnerId::MICROSOFT_SUPPORT)
        // Built-in objects of every directory, and the first applications of Microsoft's.
        || number <= 0xffff
        || number & (u128::MAX >> 32) == 0x0000_0000_c000_0000_0000_0000
}

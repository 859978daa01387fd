//! What a policy demands before access is granted.

use super::SignInIdentity;
use super::policy::{AuthenticationStrength, GrantControls, Read, unknown};

/// Whether the grant controls of a policy make somebody prove who they are by MFA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    /// They do.
    Mfa,
    /// Nobody gets in at all.
    Block,
    /// They do not; whether MFA is one of several ways to satisfy them.
    Less { why: String, mentions_mfa: bool },
    /// It cannot be told.
    Unclear(String),
}

/// One control.
enum Control {
    Mfa,
    Block,
    /// Something else, in words.
    Other(&'static str),
    /// Something that may or may not be MFA.
    Unclear(&'static str),
}

/// What the built-in controls other than `block` and `mfa` are, in words.
///
/// Source: Microsoft Graph documentation, resource `conditionalAccessGrantControls`.
const OTHERS: &[(&str, &str)] = &[
    ("compliantDevice", "a compliant device"),
    ("domainJoinedDevice", "a hybrid joined device"),
    ("approvedApplication", "an approved client app"),
    ("compliantApplication", "an app protection policy"),
    ("passwordChange", "a password change"),
    ("riskRemediation", "risk remediation"),
];

/// What grant controls demand of `who`.
pub(super) fn demand(controls: Option<&Read<GrantControls>>, who: &SignInIdentity<'_>) -> Demand {
    let less = |why: &str| Demand::Less { why: why.to_owned(), mentions_mfa: false };
    let controls = match controls {
        None => return less("only governs the session and demands nothing"),
        Some(Read::Other(_)) => {
            return Demand::Unclear("makes demands that are not understood".to_owned());
        }
        Some(Read::Known(controls)) => controls,
    };
    let list = list(controls, who);
    let Some(first) = list.first() else { return less("demands nothing") };
    if matches!(first, Control::Block) && list.len() == 1 {
        return Demand::Block;
    }
    if list.iter().any(|one| matches!(one, Control::Block)) {
        return Demand::Unclear("blocks and grants at once, which is not understood".to_owned());
    }
    let all = match controls.operator.as_deref() {
        _ if list.len() == 1 => true,
        Some("AND") => true,
        Some("OR") => false,
        _ => {
            return Demand::Unclear("joins its demands in a way that is not understood".to_owned());
        }
    };
    if all { all_of(&list) } else { any_of(&list) }
}

fn list(controls: &GrantControls, who: &SignInIdentity<'_>) -> Vec<Control> {
    let built_in = controls.built_in_controls.iter().map(|name| match name.as_str() {
        "mfa" => Control::Mfa,
        "block" => Control::Block,
        name => OTHERS
            .iter()
            .find(|(other, _)| *other == name)
            .map_or(Control::Unclear("makes a demand that is not understood"), |(_, words)| {
                Control::Other(words)
            }),
    });
    let custom =
        controls.custom_authentication_factors.iter().map(|_| Control::Other("a custom control"));
    let terms = controls.terms_of_use.iter().map(|_| Control::Other("terms of use"));
    let strength = controls.authentication_strength.iter().map(|strength| match strength {
        Read::Known(strength) => self::strength(strength, who),
        Read::Other(_) => Control::Unclear(STRENGTH_UNKNOWN),
    });
    let others =
        unknown(&controls.rest).map(|_| Control::Unclear("makes a demand that is not understood"));
    built_in.chain(custom).chain(terms).chain(strength).chain(others).collect()
}

/// All must be satisfied: one that is MFA is enough.
fn all_of(list: &[Control]) -> Demand {
    if list.iter().any(|one| matches!(one, Control::Mfa)) {
        return Demand::Mfa;
    }
    for one in list {
        if let Control::Unclear(why) = one {
            return Demand::Unclear((*why).to_owned());
        }
    }
    let words = list.iter().find_map(Control::words).unwrap_or("something else");
    Demand::Less { why: format!("demands {words}, not MFA"), mentions_mfa: false }
}

/// One must be satisfied: all must be MFA.
fn any_of(list: &[Control]) -> Demand {
    let mentions_mfa = list.iter().any(|one| matches!(one, Control::Mfa));
    if let Some(words) = list.iter().find_map(Control::words) {
        let why = if mentions_mfa {
            format!("is satisfied by {words} in place of MFA")
        } else {
            format!("demands {words}, not MFA")
        };
        return Demand::Less { why, mentions_mfa };
    }
    for one in list {
        if let Control::Unclear(why) = one {
            return Demand::Unclear((*why).to_owned());
        }
    }
    Demand::Mfa
}

impl Control {
    fn words(&self) -> Option<&'static str> {
        match self {
            Self::Other(words) => Some(words),
            Self::Mfa | Self::Block | Self::Unclear(_) => None,
        }
    }
}

const STRENGTH_UNKNOWN: &str =
    "demands an authentication strength of which it cannot be told whether it is MFA";

/// The strengths built in: multifactor authentication, passwordless MFA, phishing-resistant MFA.
///
/// Source: Microsoft Graph documentation, *List authenticationStrengthPolicies*.
const BUILT_IN_STRENGTHS: &[&str] = &[
    "00000000-0000-0000-0000-000000000002",
    "00000000-0000-0000-0000-000000000003",
    "00000000-0000-0000-0000-000000000004",
];

fn strength(strength: &AuthenticationStrength, who: &SignInIdentity<'_>) -> Control {
    let factors: Vec<Option<bool>> = strength
        .allowed_combinations
        .iter()
        .map(|combination| is_multifactor(combination))
        .collect();
    let built_in = strength.id.as_deref().is_some_and(|id| BUILT_IN_STRENGTHS.contains(&id));
    let says = match strength.requirements_satisfied.as_deref() {
        Some("mfa") => Some(true),
        Some("none") => Some(false),
        _ => None,
    };
    if factors.contains(&Some(false)) || says == Some(false) {
        return Control::Other("an authentication strength that a single factor satisfies");
    }
    let all_multifactor = !factors.is_empty() && factors.iter().all(|one| *one == Some(true));
    if !(built_in || says == Some(true) || all_multifactor) {
        return Control::Unclear(STRENGTH_UNKNOWN);
    }
    match who {
        SignInIdentity::User(user) if user.home.is_none() && is_external(user.kind) => {
            Control::Unclear(
                "demands an authentication strength, which holds only for guests whose home is an Entra tenant",
            )
        }
        SignInIdentity::User(_) | SignInIdentity::ServiceProvider(_) => Control::Mfa,
    }
}

/// Whether somebody may sign in elsewhere: strengths hold for external users of other Entra tenants
/// alone, and not for those with one-time passcodes by mail or of other identity providers.
///
/// Source: Microsoft Entra documentation, *Authentication and Conditional Access for External ID*.
fn is_external(kind: Option<super::UserKind>) -> bool {
    use super::UserKind as Kind;
    match kind {
        Some(Kind::Member | Kind::InternalGuest) => false,
        Some(Kind::B2bCollaborationGuest | Kind::B2bCollaborationMember) | None => true,
    }
}

/// Whether methods used together are MFA; nothing where one of them is not known.
///
/// Source: Microsoft Graph documentation, `authenticationMethodModes`; Microsoft Entra
/// documentation, *Conditional Access authentication strength*, table of the built-in strengths.
fn is_multifactor(combination: &str) -> Option<bool> {
    let (mut first, mut second) = (false, false);
    for method in combination.split(',').map(str::trim) {
        match method {
            "windowsHelloForBusiness"
            | "fido2"
            | "x509CertificateMultiFactor"
            | "deviceBasedPush"
            | "temporaryAccessPassOneTime"
            | "temporaryAccessPassMultiUse"
            | "federatedMultiFactor" => (first, second) = (true, true),
            "password" | "federatedSingleFactor" => first = true,
            "sms"
            | "voice"
            | "softwareOath"
            | "hardwareOath"
            | "microsoftAuthenticatorPush"
            | "x509CertificateSingleFactor" => second = true,
            "email" | "qrCodePin" => {}
            _ => return None,
        }
    }
    Some(first && second)
}

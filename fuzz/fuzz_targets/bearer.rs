//! Tokens: the first line of an input is a header, the rest are claims, and both are rightly
//! signed. The whole is an `Authorization` of its own too, in which `{{token:NAME}}` is one of the
//! recorded tokens.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_warden::domain::id::TenantId;
use partner_warden::wire::bearer;
use partner_warden_fuzz::answer::quotes_nothing;
use partner_warden_fuzz::{DOOR, KEY_ID, LOGIN, lines, noon};
use serde::Deserialize;
use serde_json::Value;

/// What is read of a header. What else it holds is nobody's business, and may be no text.
#[derive(Deserialize)]
struct Header {
    alg: Value,
    kid: Value,
}

/// What is read of claims, likewise.
#[derive(Deserialize)]
struct Claims {
    aud: Value,
    iss: Value,
    tid: Value,
    ver: Value,
    roles: Value,
    exp: Value,
    #[serde(default)]
    nbf: Value,
}

/// The recorded tokens that may send.
const TAKEN: [&str; 3] =
    ["Event Grid, version 1.0", "forwarder, version 2.0", "audience as an URI"];

fuzz_target!(|input: &[u8]| {
    let raw = DOOR.filled(input, &[]);
    if let Ok(authorization) = std::str::from_utf8(&raw)
        && verified(authorization)
    {
        let tokens = TAKEN.map(|name| DOOR.vectors["bearer"][name].as_str().expect("a token"));
        let token = authorization.split_once(' ').map(|(_, token)| token.trim());
        assert!(token.is_some_and(|token| tokens.contains(&token)), "believed: {authorization}");
    }
    if let Some([header, claims]) = lines(input)
        && verified(&format!("Bearer {}", DOOR.token(header, claims)))
    {
        may_send(header, claims);
    }
});

fn verified(authorization: &str) -> bool {
    let claims = bearer::verify(Some(authorization), DOOR.allowed(), &DOOR.roster);
    quotes_nothing(claims.as_ref().err());
    assert!(claims.as_ref().err().is_none_or(|reject| reject.status() == 401));
    claims.is_ok()
}

/// Says once more, and otherwise, what makes a token good.
fn may_send(header: &[u8], claims: &[u8]) {
    let header: Header = serde_json::from_slice(header).expect("a header is JSON");
    let claims: Claims = serde_json::from_slice(claims).expect("claims are JSON");
    assert_eq!((&header.alg, &header.kid), (&"RS256".into(), &KEY_ID.into()));
    let holds = |value: &Value, wanted: &[String]| {
        let is_wanted = |value: &Value| wanted.iter().any(|wanted| value == wanted.as_str());
        is_wanted(value) || value.as_array().is_some_and(|list| list.iter().any(is_wanted))
    };
    assert!(holds(&claims.aud, &DOOR.audiences), "not for us");
    assert!(claims.roles.is_array() && holds(&claims.roles, &DOOR.roles), "no role");
    let tenant = claims.tid.as_str().expect("a tenant").parse::<TenantId>().expect("a GUID");
    assert!(DOOR.roster.tenant(tenant).is_some(), "not our tenant");
    let issuer = match claims.ver.as_str() {
        Some("1.0") => format!("https://sts.windows.net/{tenant}/"),
        Some("2.0") => format!("{LOGIN}{tenant}/v2.0"),
        other => panic!("version {other:?}"),
    };
    assert_eq!(claims.iss, issuer);
    let now = noon().as_second();
    assert!(claims.exp.as_i64().expect("an end") > now - 300, "too late");
    assert!(claims.nbf.as_i64().is_none_or(|nbf| nbf <= now + 300), "too early");
}

//! Who may sign in as which app: certificates, tokens of other identity providers, and what is
//! answered to everything else.

use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::tests::{http, start};
use super::*;

const VECTORS: &str = include_str!("../../tests/data/client-certificate-openssl.json");
const WRITER: &str = "55555555-5555-5555-5555-555555555555";
const ISSUER: &str = "https://7b1c2d3e.tokens.sts.global.api.aws";
const SUBJECT: &str = "arn:aws:iam::111122223333:role/PartnerWarden";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn pem(pair: &str, part: &str) -> String {
    vectors()[pair][part].as_str().unwrap().to_owned()
}

fn key(pair: &str) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem(pair, "privateKeyPem").as_bytes()).unwrap()
}

/// The key of the pair `write`, as an identity provider publishes it.
fn published() -> Value {
    let mut jwk = Jwk::from_encoding_key(&key("write"), Algorithm::RS256).unwrap();
    jwk.common.key_id = Some("k1".to_owned());
    json!({"keys": [jwk]})
}

#[expect(clippy::disallowed_methods, reason = "the simulated Microsoft has a clock of its own")]
fn now() -> i64 {
    Timestamp::now().as_second()
}

fn endpoint(sim: &Sim) -> String {
    format!("{}{WOODGROVE}/oauth2/v2.0/token", sim.origin())
}

/// Asks for a token: the error's code and status, or the token's roles.
async fn ask(sim: &Sim, fields: &[(&str, &str)]) -> Result<Vec<String>, (u64, u16)> {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    form.extend(fields);
    let answer = http().post(endpoint(sim)).form(&form).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    match body["access_token"].as_str() {
        Some(token) => {
            let claims = assertion_claims(token);
            Ok(serde_json::from_value(claims["roles"].clone()).unwrap())
        }
        None => Err((body["error_codes"][0].as_u64().unwrap(), status)),
    }
}

fn assertion_claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

async fn assert_with(sim: &Sim, client: &str, token: &str) -> Result<Vec<String>, (u64, u16)> {
    let fields =
        [("client_id", client), ("client_assertion_type", JWT_BEARER), ("client_assertion", token)];
    ask(sim, &fields).await
}

/// What an assertion of ours says, with one thing changed or, by `null`, left out.
fn claims(sim: &Sim, id: &str, change: &Value) -> Value {
    let mut claims = json!({
        "aud": endpoint(sim), "iss": CLIENT_ID, "sub": CLIENT_ID, "jti": id,
        "nbf": now(), "iat": now(), "exp": now() + 600,
    });
    alter(&mut claims, change);
    claims
}

fn alter(claims: &mut Value, change: &Value) {
    let claims = claims.as_object_mut().unwrap();
    for (name, value) in change.as_object().unwrap() {
        claims.insert(name.clone(), value.clone());
    }
    claims.retain(|_, value| !value.is_null());
}

fn header(alg: Algorithm, thumbprint: &str) -> Header {
    Header { x5t_s256: Some(thumbprint.to_owned()), ..Header::new(alg) }
}

#[tokio::test]
async fn an_assertion_by_a_registered_certificate_is_taken_once() {
    let scenario = Scenario::woodgrove().without_secret();
    let sim = start(scenario.certificate(&pem("read", "certificatePem"))).await;
    let thumbprint = vectors()["thumbprint"].as_str().unwrap().to_owned();
    let header = header(Algorithm::PS256, &thumbprint);
    let token = encode(&header, &claims(&sim, "1", &json!({})), &key("read")).unwrap();
    assert_eq!(assert_with(&sim, CLIENT_ID, &token).await.unwrap().len(), PERMISSIONS.len());
    assert_eq!(assert_with(&sim, CLIENT_ID, &token).await, Err((50027, 400)));
    let token = encode(&header, &claims(&sim, "2", &json!({})), &key("read")).unwrap();
    assert!(assert_with(&sim, CLIENT_ID, &token).await.is_ok());
}

#[tokio::test]
async fn an_assertion_that_does_not_hold_is_refused_by_what_is_wrong_with_it() {
    let mut scenario = Scenario::woodgrove().certificate(&pem("read", "certificatePem"));
    for (name, certificate) in vectors()["certificatesOfRead"].as_object().unwrap() {
        if name != "endless" {
            scenario = scenario.certificate(certificate.as_str().unwrap());
        }
    }
    let sim = start(scenario).await;
    let right = vectors()["thumbprint"].as_str().unwrap().to_owned();
    for (number, (change, code, status)) in [
        (json!({"aud": "https://login.microsoftonline.com/x/oauth2/v2.0/token"}), 700_023, 401),
        (json!({"aud": null}), 700_023, 401),
        (json!({"iss": WRITER, "sub": WRITER}), 700_021, 401),
        (json!({"iss": null}), 700_021, 401),
        (json!({"sub": WRITER}), 50048, 401),
        (json!({"exp": now() - 301}), 700_024, 401),
        (json!({"exp": null}), 700_024, 401),
        (json!({"exp": i64::MIN}), 700_024, 401),
        (json!({"nbf": now() + 400}), 700_024, 401),
        (json!({"jti": null}), 90016, 401),
    ]
    .into_iter()
    .enumerate()
    {
        let claims = claims(&sim, &number.to_string(), &change);
        let token = encode(&header(Algorithm::PS256, &right), &claims, &key("read")).unwrap();
        assert_eq!(assert_with(&sim, CLIENT_ID, &token).await, Err((code, status)), "{change}");
    }

    let whole = claims(&sim, "whole", &json!({}));
    let by = |header: &Header, pair: &str| encode(header, &whole, &key(pair)).unwrap();
    let ps256 = header(Algorithm::PS256, &right);
    let ended = "certificatesOfRead";
    for (what, token, code) in [
        ("another key", by(&ps256, "write"), 700_027),
        ("RS256", by(&header(Algorithm::RS256, &right), "read"), 5_002_730),
        ("unknown", by(&header(Algorithm::PS256, "AAAA"), "read"), 700_027),
        ("ended", by(&header(Algorithm::PS256, &thumbprint(ended, "ended")), "read"), 700_027),
        ("future", by(&header(Algorithm::PS256, &thumbprint(ended, "future")), "read"), 700_027),
        ("no certificate named", by(&Header::new(Algorithm::PS256), "read"), 700_211),
        ("no token", "hunter2".to_owned(), 50027),
    ] {
        let refused = assert_with(&sim, CLIENT_ID, &token).await.unwrap_err();
        assert_eq!(refused.0, code, "{what}");
    }
    // By OpenSSL, for another endpoint, which only the one salted as RFC 7518 wants is told.
    for (name, token) in vectors()["assertions"].as_object().unwrap() {
        let code = match name.as_str() {
            "PS256, salt of 32 bytes" => 700_023,
            "RS256" => 5_002_730,
            _ => 700_027,
        };
        let refused = assert_with(&sim, CLIENT_ID, token.as_str().unwrap()).await.unwrap_err();
        assert_eq!(refused.0, code, "{name}");
    }
    assert!(assert_with(&sim, CLIENT_ID, &by(&ps256, "read")).await.is_ok());
}

/// The SHA-256 of a certificate, as `x5t#S256` has it.
fn thumbprint(group: &str, name: &str) -> String {
    use base64::Engine as _;
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject as _;
    use sha2::Digest as _;
    let der = CertificateDer::from_pem_slice(pem(group, name).as_bytes()).unwrap();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&der))
}

#[tokio::test]
async fn each_app_proves_itself_with_its_own_and_holds_its_own_permissions() {
    let writer = App::new(WRITER)
        .secret("w")
        .certificate(&pem("write", "certificatePem"))
        .permissions(&["RoleManagement.ReadWrite.Directory"]);
    let sim = start(Scenario::woodgrove().app(writer)).await;
    let with = async |id: &str, secret: &str| {
        ask(&sim, &[("client_id", id), ("client_secret", secret)]).await
    };
    let roles = with(WRITER, "w").await.unwrap();
    assert_eq!(roles, ["RoleManagement.ReadWrite.Directory"]);
    assert_eq!(with(CLIENT_ID, CLIENT_SECRET).await.unwrap().len(), PERMISSIONS.len());
    assert_eq!(with(CLIENT_ID, "w").await, Err((7_000_215, 401)));
    assert_eq!(with(WRITER, CLIENT_SECRET).await, Err((7_000_215, 401)));
    assert_eq!(with("another", "w").await, Err((700_016, 400)));
    assert_eq!(ask(&sim, &[("client_id", WRITER)]).await, Err((7_000_218, 401)));
    let both = [
        ("client_id", WRITER),
        ("client_secret", "w"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", "a.b.c"),
    ];
    assert_eq!(ask(&sim, &both).await, Err((9_002_313, 400)));
    let untold = [("client_id", WRITER), ("client_assertion", "a.b.c")];
    assert_eq!(ask(&sim, &untold).await, Err((7_000_218, 401)));
    // The reader's certificate is not the writer's.
    let right = vectors()["thumbprint"].as_str().unwrap().to_owned();
    let change = json!({"iss": WRITER, "sub": WRITER});
    let claims = claims(&sim, "1", &change);
    let token = encode(&header(Algorithm::PS256, &right), &claims, &key("read")).unwrap();
    assert_eq!(assert_with(&sim, WRITER, &token).await, Err((700_027, 401)));
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_is_taken_and_any_other_is_not() {
    let scenario = Scenario::woodgrove()
        .trusting(ISSUER, SUBJECT)
        .trusting("https://silent.example", SUBJECT)
        .issuer(ISSUER, published())
        .issuer("https://other.example", published());
    let sim = start(scenario).await;
    let header = |alg, kid: &str| Header { kid: Some(kid.to_owned()), ..Header::new(alg) };
    let token = |header: &Header, change: &Value, pair: &str| {
        let mut claims = json!({
            "iss": ISSUER, "sub": SUBJECT, "aud": EXCHANGE_AUDIENCE, "iat": now(),
            "exp": now() + 300,
        });
        alter(&mut claims, change);
        encode(header, &claims, &key(pair)).unwrap()
    };
    let usual = header(Algorithm::RS256, "k1");
    for change in [json!({}), json!({"jti": "a"}), json!({"nbf": now()})] {
        let granted = assert_with(&sim, CLIENT_ID, &token(&usual, &change, "write")).await;
        assert_eq!(granted.map(|roles| roles.len()), Ok(PERMISSIONS.len()), "{change}");
    }
    for (change, code) in [
        (json!({"iss": "https://other.example"}), 700_211),
        (json!({"iss": format!("{ISSUER}/")}), 700_211),
        (json!({"iss": ISSUER.to_uppercase()}), 700_211),
        (json!({"iss": null}), 700_211),
        (json!({"iss": "https://silent.example"}), 50027),
        (json!({"sub": SUBJECT.to_lowercase()}), 700_213),
        (json!({"sub": null}), 700_213),
        (json!({"aud": "api://azureadtokenexchange"}), 700_212),
        (json!({"aud": null}), 700_212),
        (json!({"exp": now() - 301}), 700_024),
        (json!({"exp": null}), 700_024),
        (json!({"jti": "a"}), 50027),
    ] {
        let refused = assert_with(&sim, CLIENT_ID, &token(&usual, &change, "write")).await;
        assert_eq!(refused.unwrap_err().0, code, "{change}");
    }
    for (what, token, code) in [
        ("another key", token(&usual, &json!({}), "read"), 50027),
        ("PS256", token(&header(Algorithm::PS256, "k1"), &json!({}), "write"), 5_002_730),
        ("unpublished", token(&header(Algorithm::RS256, "k2"), &json!({}), "write"), 50027),
        ("no key id", token(&Header::new(Algorithm::RS256), &json!({}), "write"), 50027),
    ] {
        assert_eq!(assert_with(&sim, CLIENT_ID, &token).await.unwrap_err().0, code, "{what}");
    }
}

#[tokio::test]
async fn an_app_that_cannot_be_is_told() {
    let fails = async |scenario: Scenario, expect: &str| {
        let started = Sim::start(scenario, ([127, 0, 0, 1], 0).into()).await;
        assert_eq!(started.unwrap_err().to_string(), expect);
    };
    let twice = Scenario::woodgrove().app(App::new(CLIENT_ID));
    fails(twice, &format!("apps: {CLIENT_ID} is there twice")).await;
    let what = "one is not a certificate for an RSA key in PEM";
    for wrong in ["hunter2".to_owned(), pem("ellipticCurve", "certificatePem")] {
        let app = App::new(WRITER).certificate(&wrong);
        let scenario = Scenario::woodgrove().app(app);
        fails(scenario, &format!("the certificates of {WRITER}: {what}")).await;
    }
    let scenario = Scenario::woodgrove().issuer(ISSUER, json!({"keys": 1}));
    fails(scenario, &format!("issuers: {ISSUER}: this is not a JSON Web Key Set")).await;
}

#[test]
fn apps_can_be_written_in_yaml() {
    let scenario = Scenario::from_yaml(
        "certificates: [pem]
federatedCredentials: [{issuer: i, subject: s}]
issuers: {i: {keys: []}}
apps: [{clientId: w, clientSecret: x, permissions: [RoleManagement.ReadWrite.Directory]}, {clientId: v}]
",
    )
    .unwrap();
    assert_eq!(scenario.certificates, ["pem"]);
    assert_eq!(scenario.federated_credentials, [FederatedCredential::new("i", "s")]);
    assert_eq!(scenario.issuers["i"], json!({"keys": []}));
    let writer = App::new("w").secret("x").permissions(&["RoleManagement.ReadWrite.Directory"]);
    assert_eq!(scenario.apps, [writer, App::new("v")]);
}

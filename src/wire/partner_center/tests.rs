//! Deliveries and certificates that OpenSSL made, as they are and with one thing wrong.

use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::certificates::roots;
use super::*;
use crate::domain::finding::testing::{Case, WOODGROVE, noon};
use crate::domain::policy::Policy;

const VECTORS: &str = include_str!("../../../tests/data/partner-center-openssl.json");
const HOST: &str = "https://3psostorageacct.blob.core.windows.net";
const FILE: &str =
    "https://3psostorageacct.blob.core.windows.net/cert/pcnotifications-dispatch.microsoft.com.cer";
const APPROVED: &str =
    include_str!("../../../events/partner-center/granular-admin-relationship-approved.json");
const ACCEPTED: &str =
    include_str!("../../../events/partner-center/reseller-relationship-accepted-by-customer.json");
const EVENTS: &[(&str, &str)] = &[
    ("granular-admin-relationship-approved", APPROVED),
    (
        "granular-admin-relationship-terminated",
        include_str!("../../../events/partner-center/granular-admin-relationship-terminated.json"),
    ),
    (
        "granular-admin-access-assignment-created",
        include_str!(
            "../../../events/partner-center/granular-admin-access-assignment-created.json"
        ),
    ),
    (
        "dap-admin-relationship-approved",
        include_str!("../../../events/partner-center/dap-admin-relationship-approved.json"),
    ),
    (
        "dap-admin-relationship-terminated-by-microsoft",
        include_str!(
            "../../../events/partner-center/dap-admin-relationship-terminated-by-microsoft.json"
        ),
    ),
    ("reseller-relationship-accepted-by-customer", ACCEPTED),
    (
        "subscription-updated",
        include_str!("../../../events/partner-center/subscription-updated.json"),
    ),
    ("test-created", include_str!("../../../events/partner-center/test-created.json")),
];

/// What OpenSSL made.
struct Vectors(Value);

fn vectors() -> Vectors {
    Vectors(serde_json::from_str(VECTORS).unwrap())
}

impl Vectors {
    fn certificate(&self, name: &str) -> Vec<u8> {
        STANDARD.decode(self.0["certificates"][name].as_str().expect(name)).unwrap()
    }

    fn pem(&self, names: &[&str]) -> String {
        let pem = names.iter().map(|name| {
            let base64 = STANDARD.encode(self.certificate(name));
            format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
        });
        pem.collect()
    }

    fn roots(&self) -> std::sync::Arc<[rustls_pki_types::TrustAnchor<'static>]> {
        roots(self.0["rootPem"].as_str().unwrap().as_bytes()).unwrap().into()
    }

    /// Some of the certificates, in one file.
    fn published(&self, names: &[&str]) -> Published {
        Published::read(self.pem(names).as_bytes(), self.roots()).unwrap()
    }

    fn signature(&self, event: &str) -> &str {
        self.0["signatures"][format!("{event}.json")].as_str().unwrap()
    }

    fn other_signature(&self, name: &str) -> &str {
        self.0["otherSignaturesOfApproved"][name].as_str().expect(name)
    }
}

fn origins() -> [Url; 1] {
    [Url::parse(HOST).unwrap()]
}

fn claim(headers: Headers<'_>) -> Result<Claim, Reject> {
    Claim::read(headers, &origins())
}

fn signed(signature: &str) -> Claim {
    let authorization = format!("Signature {signature}");
    let headers = Headers {
        authorization: Some(&authorization),
        certificate_url: Some(FILE),
        algorithm: Some("rsa-sha256"),
        ..Headers::default()
    };
    claim(headers).unwrap()
}

/// What comes of a body with a signature and some certificates, at noon.
fn given(body: &str, signature: &str, certificates: &[&str]) -> Result<Received, Reject> {
    let published = vectors().published(certificates);
    let roster = Case::new().policy().roster;
    receive(body.as_bytes(), &signed(signature), &published, &roster, noon())
}

const CHAIN: &[&str] = &["leaf", "issuer"];

#[test]
fn what_openssl_signed_is_heard_and_the_rest_does_not_concern_partners() {
    for (name, body) in EVENTS {
        let received = given(body, vectors().signature(name), CHAIN).unwrap();
        let unrelated = matches!(*name, "subscription-updated" | "test-created");
        assert_eq!((received.irrelevant, received.rejects), (usize::from(unrelated), vec![]));
        let message = (!unrelated).then(|| Sha256Hex::of(body.as_bytes()));
        assert_eq!(received.message, message, "by which a replay of {name} is known");
        let heard = received.signals.iter().map(AsRef::as_ref);
        let heard: Vec<_> = heard.map(|s| (s.what.as_str(), s.tenant.to_string())).collect();
        let expect = [(*name, WOODGROVE.to_owned())];
        assert_eq!(heard, if unrelated { &expect[..0] } else { &expect }, "{name}");
        for signal in received.signals {
            let signal = signal.into_inner();
            assert_eq!((signal.sender, signal.subject), (Sender::PartnerCenter, Subject::tenant()));
            assert!(signal.event_at.is_some_and(|at| at < noon()), "{name}");
        }
    }
}

#[test]
fn a_signature_is_of_one_body_one_key_and_one_algorithm() {
    let vectors = vectors();
    let wrong = Err(Reject::NotAuthentic("the signature"));
    let good = vectors.signature("granular-admin-relationship-approved");
    assert_eq!(given(&APPROVED.replace("approved", "appr0ved"), good, CHAIN), wrong);
    assert_eq!(given(&format!("{APPROVED} "), good, CHAIN), wrong);
    assert_eq!(given(APPROVED, vectors.signature("test-created"), CHAIN), wrong);
    for name in ["by another key", "with SHA-1", "with SHA-512", "with PSS"] {
        assert_eq!(given(APPROVED, vectors.other_signature(name), CHAIN), wrong, "{name}");
    }
    // The other key is good for what it signed.
    let forged = vectors.other_signature("by another key");
    assert!(given(APPROVED, forged, &["of another key", "issuer"]).is_ok());
    // And nothing is understood before the signature is right.
    assert_eq!(given("hey", good, CHAIN), wrong);
}

#[test]
fn a_certificate_vouches_only_if_all_of_it_holds() {
    let good = vectors().signature("granular-admin-relationship-approved").to_owned();
    let becomes = |names: &[&str]| match given(APPROVED, &good, names) {
        Ok(_) => "heard",
        Err(Reject::NotAuthentic(what)) => what,
        Err(_) => "otherwise",
    };
    for (names, expect) in [
        (&["leaf", "issuer"] as &[&str], "heard"),
        // A file may hold its certificates in any order.
        (&["issuer", "leaf"], "heard"),
        (&["leaf"], "the certificate's chain"),
        (
            &[
                "leaf two steps below the root",
                "issuer two steps below the root",
                "issuer's issuer",
            ],
            "heard",
        ),
        (&["for TLS clients alone", "issuer"], "heard"),
        (&["for any use", "issuer"], "heard"),
        (&["for code alone", "issuer"], "the certificate's chain"),
        (&["expired", "issuer"], "the certificate's chain"),
        (&["not valid yet", "issuer"], "the certificate's chain"),
        (&["self-signed"], "the certificate's chain"),
        (&["an issuer itself", "issuer"], "the certificate's chain"),
        (
            &[
                "issued below another root of the same name",
                "issuer below another root of the same name",
            ],
            "the certificate's chain",
        ),
        (
            &["issued by Contoso, whose name contains Microsoft's", "Contoso's issuer"],
            "the certificate's issuer",
        ),
        (&["issued by a root whose organisation is another"], "the certificate's issuer"),
        (&["of another key", "issuer"], "the signature"),
    ] {
        assert_eq!(becomes(names), expect, "{names:?}");
    }
}

#[test]
fn a_key_that_is_weak_or_of_another_kind_is_not_taken() {
    let vectors = vectors();
    let wrong = Reject::NotAuthentic("the signature");
    for name in ["of 1024 bits", "of an elliptic curve"] {
        // Its signature is too short to be looked at, and would not count if it were.
        let signature = vectors.other_signature(name);
        let text = format!("Signature {signature}");
        let headers = Headers {
            authorization: Some(&text),
            certificate_url: Some(FILE),
            algorithm: Some("rsa-sha256"),
            ..Headers::default()
        };
        assert_eq!(claim(headers), Err(wrong.clone()), "{name}");
        let published = vectors.published(&[name, "issuer"]);
        let signature = STANDARD.decode(signature).unwrap();
        let verified = published.verify(APPROVED.as_bytes(), &signature, noon());
        assert_eq!(verified, Err(wrong.clone()), "{name}");
    }
}

#[test]
fn a_certificate_is_good_in_its_time() {
    let vectors = vectors();
    let good = vectors.signature("granular-admin-relationship-approved");
    let roster = Case::new().policy().roster;
    let heard = |name: &str, at: &str| {
        let published = vectors.published(&[name, "issuer"]);
        let at = at.parse().unwrap();
        receive(APPROVED.as_bytes(), &signed(good), &published, &roster, at).is_ok()
    };
    assert!(heard("expired", "2020-12-31T23:59:59Z"));
    assert!(!heard("expired", "2021-01-01T00:00:01Z"));
    assert!(!heard("not valid yet", "2099-12-31T23:59:59Z"));
    assert!(heard("not valid yet", "2100-01-01T00:00:00Z"));
    assert!(!heard("leaf", "1969-07-20T20:17:40Z"));
}

#[test]
fn the_missing_issuer_is_sought_where_microsoft_publishes_it_and_nowhere_else() {
    let vectors = vectors();
    let sought = |names: &[&str]| vectors.published(names).missing_issuer().map(String::from);
    let at = |url: &str| Some(url.to_owned());
    let issuing = "http://www.microsoft.com/pkiops/certs/Example%20TLS%20Issuing%20CA.crt";
    assert_eq!(sought(&["leaf"]), at(issuing));
    assert_eq!(sought(CHAIN), None);
    assert_eq!(sought(&["issuer", "leaf"]), None);
    let (leaf, issuer) = ("leaf two steps below the root", "issuer two steps below the root");
    let first = "http://caissuers.microsoft.com/pkiops/certs/Example%20TLS%20G2%20CA.crt";
    let second =
        "http://caissuers.microsoft.com/pkiops/certs/Example%20TLS%20Root%20G2%20-%20xsign.crt";
    assert_eq!(sought(&[leaf]), at(first));
    assert_eq!(sought(&[leaf, issuer]), at(second));
    assert_eq!(sought(&[leaf, issuer, "issuer's issuer"]), None);
    for name in ["issued by Contoso, whose name contains Microsoft's", "self-signed", "for any use"]
    {
        assert_eq!(sought(&[name]), None, "{name}");
    }
    // As the files come one by one.
    let mut published = vectors.published(&[leaf]);
    for name in [issuer, "issuer's issuer"] {
        assert!(published.missing_issuer().is_some());
        published.add(&vectors.certificate(name)).unwrap();
    }
    assert_eq!(published.missing_issuer(), None);
    let good = STANDARD.decode(vectors.signature("test-created")).unwrap();
    let body = include_bytes!("../../../events/partner-center/test-created.json");
    assert_eq!(published.verify(body, &good, noon()), Ok(()));
}

#[test]
fn a_file_holds_certificates_and_not_too_many() {
    let vectors = vectors();
    let read = |file: &[u8]| Published::read(file, vectors.roots()).is_some();
    assert!(read(&vectors.certificate("leaf")));
    assert!(read(vectors.pem(&["leaf"; 8]).as_bytes()));
    assert!(!read(vectors.pem(&["leaf"; 9]).as_bytes()));
    let leaf = vectors.certificate("leaf");
    let key = vectors.0["privateKeyPem"].as_str().unwrap();
    let hollow = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for wrong in [b"" as &[u8], b"<html>", &leaf[1..], &leaf[..99], key.as_bytes()] {
        assert!(!read(wrong));
    }
    assert!(!read(hollow.as_bytes()));
    let mut published = vectors.published(&["leaf"; 8]);
    assert_eq!(published.add(&leaf), None);
    assert_eq!(vectors.published(&["leaf"]).add(b"<html>"), None);
    for wrong in ["", "hey", hollow, key] {
        assert!(roots(wrong.as_bytes()).is_none());
    }
}

/// Headers as they are, but for one.
fn headers<'a>(signature: &'a str, url: &'a str) -> Headers<'a> {
    Headers {
        authorization: Some(signature),
        ms_signature: None,
        certificate_url: Some(url),
        algorithm: Some("rsa-sha256"),
    }
}

#[test]
fn the_signature_stands_in_either_header() {
    let good = vectors().signature("test-created").to_owned();
    let scheme = format!("Signature {good}");
    let expect = signed(&good);
    let read = |authorization: Option<&str>, ms_signature: Option<&str>| {
        claim(Headers { authorization, ms_signature, ..headers("", FILE) })
    };
    for (authorization, ms_signature) in [
        (Some(scheme.as_str()), None),
        (Some(&*format!(" sIGNATURE   {good} ")), None),
        (None, Some(scheme.as_str())),
        (None, Some(good.as_str())),
        (Some("Bearer x.y.z"), Some(scheme.as_str())),
        (Some(scheme.as_str()), Some("Signature AAAA")),
    ] {
        assert_eq!(read(authorization, ms_signature).as_ref(), Ok(&expect));
    }
    let missing = Err(Reject::Missing("the signature"));
    for authorization in
        [None, Some(""), Some("Signature"), Some("Signature "), Some(good.as_str())]
    {
        assert_eq!(read(authorization, None), missing, "{authorization:?}");
    }
    assert_eq!(read(Some(&format!("Basic {good}")), None), missing);
    let wrong = Err(Reject::NotAuthentic("the signature"));
    let (short, long) = (STANDARD.encode([7; 255]), STANDARD.encode([7; 1025]));
    let unpadded = good.trim_end_matches('=');
    for text in ["!", "AAAA", unpadded, &short, &long, &"A".repeat(100_000)] {
        assert_eq!(read(Some(&format!("Signature {text}")), None), wrong, "{} bytes", text.len());
    }
}

#[test]
fn the_algorithm_is_one() {
    let scheme = format!("Signature {}", vectors().signature("test-created"));
    let read = |algorithm| claim(Headers { algorithm, ..headers(&scheme, FILE) }).err();
    assert_eq!(read(Some("RSA-SHA256")), None);
    assert_eq!(read(None), Some(Reject::Missing("X-MS-Signature-Algorithm")));
    let wrong = Some(Reject::NotAuthentic("X-MS-Signature-Algorithm"));
    for algorithm in ["", "rsa-sha1", "rsa-sha256 ", "hmac-sha256", "none", "rsa-sha256,rsa-sha1"] {
        assert_eq!(read(Some(algorithm)), wrong, "{algorithm}");
    }
}

#[test]
fn only_an_address_of_microsofts_is_asked_for_a_certificate() {
    let scheme = format!("Signature {}", vectors().signature("test-created"));
    let read = |url: &str| claim(headers(&scheme, url)).map(|it| it.certificate_url.to_string());
    for url in [FILE, &FILE.replace(".net/", ".net:443/"), &FILE.replace("3psos", "3PSOS")] {
        assert_eq!(read(url).as_deref(), Ok(FILE));
    }
    let host = "3psostorageacct.blob.core.windows.net";
    for url in [
        "",
        "x",
        host,
        &format!("http://{host}/cert/a.cer"),
        &format!("ftp://{host}/cert/a.cer"),
        &format!("file://{host}/cert/a.cer"),
        &format!("https://{host}:8443/cert/a.cer"),
        &format!("https://{host}./cert/a.cer"),
        &format!("https://{host}.contoso.example/cert/a.cer"),
        &format!("https://contoso.example/{host}/cert/a.cer"),
        &format!("https://contoso.example\\@{host}/cert/a.cer"),
        &format!("https://contoso.example#@{host}/cert/a.cer"),
        &format!("https://contoso@{host}/cert/a.cer"),
        &format!("https://:x@{host}/cert/a.cer"),
        &format!("https://{host}@contoso.example/cert/a.cer"),
        &format!("https://{host}/cert/a.cer?sv=2020"),
        &format!("https://{host}/cert/a.cer?"),
        &format!("https://{host}/cert/a.cer#a"),
        &format!("https://{host}/{}", "a".repeat(URL_MAX)),
        "https://3psostorageacct.blob.core.windows.ne\u{0442}/cert/a.cer",
        "https://blob.core.windows.net/cert/a.cer",
        "https://a3psostorageacct.blob.core.windows.net/cert/a.cer",
        "https://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1/cert/a.cer",
        "http://localhost/cert/a.cer",
    ] {
        assert_eq!(read(url), Err(Reject::NotAuthentic("X-MS-Certificate-Url")), "{url}");
    }
    let none = Headers { certificate_url: None, ..headers(&scheme, "") };
    assert_eq!(claim(none), Err(Reject::Missing("X-MS-Certificate-Url")));
    let off = Err(Reject::NoKey("WARDEN_PARTNER_CENTER_HOSTS"));
    assert_eq!(Claim::read(headers(&scheme, FILE), &[]), off);
    // On this machine the simulator may publish one, if the settings say so.
    let here = [Url::parse("http://127.0.0.1:9090").unwrap()];
    assert!(Claim::read(headers(&scheme, "http://127.0.0.1:9090/a.cer"), &here).is_ok());
    assert!(Claim::read(headers(&scheme, "http://127.0.0.1:9091/a.cer"), &here).is_err());
    // Plain http to elsewhere is not taken even then.
    let elsewhere = [Url::parse("http://contoso.example").unwrap()];
    assert!(Claim::read(headers(&scheme, "http://contoso.example/a.cer"), &elsewhere).is_err());
}

/// The tenants, of two, that are looked at because of a body signed just now.
fn looked_at(body: &str) -> Result<Vec<String>, String> {
    looked_at_by("", body)
}

/// The same, with `more` tenants in the policy.
fn looked_at_by(more: &str, body: &str) -> Result<Vec<String>, String> {
    let vectors = vectors();
    let two = "version: 1\ntenants:\n  - {id: 11111111-1111-1111-1111-111111111111, name: A}\n  \
               - {id: 44444444-4444-4444-4444-444444444444, name: B}\n";
    let roster = Policy::parse(&format!("{two}{more}")).unwrap().policy.roster;
    let signature = sign(&vectors.0, body.as_bytes());
    let received =
        receive(body.as_bytes(), &signed(&signature), &vectors.published(CHAIN), &roster, noon())
            .map_err(|reject| reject.to_string())?;
    assert_eq!(received.rejects, []);
    assert_eq!(received.irrelevant, usize::from(received.signals.is_empty()));
    Ok(received.signals.iter().map(|s| s.as_ref().tenant.to_string()[..1].to_owned()).collect())
}

/// Signs with the key of the vectors.
fn sign(vectors: &Value, body: &[u8]) -> String {
    use rustls_pki_types::PrivatePkcs8KeyDer;
    use rustls_pki_types::pem::PemObject as _;
    let pem = vectors["privateKeyPem"].as_str().unwrap().as_bytes();
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    let key = aws_lc_rs::rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    let random = aws_lc_rs::rand::SystemRandom::new();
    let algorithm = &aws_lc_rs::signature::RSA_PKCS1_SHA256;
    key.sign(algorithm, &random, body, &mut signature).unwrap();
    STANDARD.encode(signature)
}

#[test]
fn the_customer_named_is_looked_at_and_everybody_where_none_of_ours_is() {
    for (uri, expect) in [
        (
            r#""https://api.partnercenter.microsoft.com/v1/customers/11111111-1111-1111-1111-111111111111""#,
            "1",
        ),
        (
            r#""http://elsewhere.example/webhooks/v1/Customers/{44444444-4444-4444-4444-444444444444}/a?b#c""#,
            "14",
        ),
        (
            r#""http://elsewhere.example/webhooks/v1/CUSTOMERS/44444444-4444-4444-4444-444444444444/a?b#c""#,
            "4",
        ),
        (
            r#""https://api.partnercenter.microsoft.com/v1/customers/99999999-9999-9999-9999-999999999999""#,
            "14",
        ),
        (
            r#""https://partner.microsoft.com/granularAdminRelationships/11111111-1111-1111-1111-111111111111""#,
            "14",
        ),
        (r#""https://api.partnercenter.microsoft.com/v1/customers""#, "14"),
        (r#""https://api.partnercenter.microsoft.com/v1/customers/usage""#, "14"),
        (
            r#""https://partner.microsoft.com/?a=/customers/11111111-1111-1111-1111-111111111111""#,
            "14",
        ),
        (r#""mailto:a""#, "14"),
        (r#""not an address""#, "14"),
        ("null", "14"),
        ("7", "14"),
        (r#"{"customers": "11111111-1111-1111-1111-111111111111"}"#, "14"),
    ] {
        let body = format!(r#"{{"EventName": "reseller-relationship-x", "ResourceUri": {uri}}}"#);
        assert_eq!(looked_at(&body).map(|all| all.concat()).as_deref(), Ok(expect), "{uri}");
    }
}

#[test]
fn a_partners_own_tenant_is_looked_at_whichever_customer_is_named() {
    let partner = "  - {id: 55555555-5555-5555-5555-555555555555, name: C, side: partner}\n";
    let uri =
        "https://api.partnercenter.microsoft.com/v1/customers/44444444-4444-4444-4444-444444444444";
    let body = format!(r#"{{"EventName": "reseller-relationship-x", "ResourceUri": "{uri}"}}"#);
    assert_eq!(looked_at_by(partner, &body).unwrap(), ["4", "5"]);
    assert_eq!(looked_at(&body).unwrap(), ["4"]);
}

#[test]
fn what_may_concern_a_relationship_is_a_reason_to_look_and_what_cannot_is_not() {
    let looked = |event: &str| {
        let uri = "https://a.example/customers/44444444-4444-4444-4444-444444444444";
        let body = format!(r#"{{"EventName": "{event}", "ResourceUri": "{uri}"}}"#);
        looked_at(&body).unwrap().concat()
    };
    for event in [
        "dap-admin-relationship-terminated",
        "GRANULAR-admin-relationship-expired",
        "granular-admin-access-assignment-deleted",
        "indirect-reseller-relationship-accepted-by-customer",
        "something-microsoft-has-not-thought-of-yet",
        "test",
        "",
    ] {
        assert_eq!(looked(event), "4", "{event}");
    }
    for event in [
        "test-created",
        "Test-Created",
        "azure-fraud-event-detected",
        "subscription-updated",
        "usagerecords-thresholdExceeded",
        "invoice-ready",
        "referral-created",
        "related-referral-updated",
    ] {
        assert_eq!(looked(event), "", "{event}");
    }
}

#[test]
fn what_cannot_be_understood_is_placed_and_not_quoted() {
    for (body, expect) in [
        ("", "$: not JSON at line 1, column 0"),
        ("hey", "$: not JSON at line 1, column 1"),
        ("[]", "$: not an object"),
        ("{}", "$: the field EventName is missing"),
        (r#"{"EventName": 7}"#, "$.EventName: not of the expected type"),
    ] {
        assert_eq!(looked_at(body), Err(expect.to_owned()), "{body}");
    }
    let body = "{\"EventName\": \"a\\u202eb\\nc\"}";
    let signature = sign(&vectors().0, body.as_bytes());
    let received = given(body, &signature, CHAIN).unwrap();
    assert_eq!(received.signals[0].as_ref().what, "ab c");
}

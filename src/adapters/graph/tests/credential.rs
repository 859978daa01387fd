//! Signing in with a certificate, by federation, and as another application to write.

use std::sync::PoisonError;

use async_trait::async_trait;
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};

use super::*;
use crate::domain::plan::StepState;
use crate::ports::ClientAssertion;
use crate::sim::{App, EXCHANGE_AUDIENCE};

const WRITER: &str = "55555555-5555-5555-5555-555555555555";
const ISSUER: &str = "https://7b1c2d3e.tokens.sts.global.api.aws";
const SUBJECT: &str = "arn:aws:iam::111122223333:role/PartnerWarden";

fn vectors() -> Value {
    let text = include_str!("../../../../tests/data/client-certificate-openssl.json");
    serde_json::from_str(text).unwrap()
}

fn pem(pair: &str, part: &str) -> String {
    vectors()[pair][part].as_str().unwrap().to_owned()
}

/// The credential of a client: the certificate of one pair with its key.
fn certificate(client_id: &str, certificate: &str, pair: &str) -> Credential {
    let certificate = Secret::new(certificate);
    let key = Secret::new(pem(pair, "privateKeyPem"));
    let certificate = ClientCertificate::from_pem(&certificate, &key).unwrap();
    Credential::Certificate { client_id: client_id.to_owned(), certificate: Arc::new(certificate) }
}

fn of_reader() -> Credential {
    certificate(CLIENT_ID, &pem("read", "certificatePem"), "read")
}

/// Another identity provider, which says what it is told to.
struct Provider {
    subject: String,
    audience: String,
    issuer: String,
    failure: Option<Failure>,
    issued: Mutex<Vec<String>>,
}

impl Provider {
    fn new() -> Self {
        Self {
            subject: SUBJECT.to_owned(),
            audience: EXCHANGE_AUDIENCE.to_owned(),
            issuer: ISSUER.to_owned(),
            failure: None,
            issued: Mutex::default(),
        }
    }

    fn key() -> EncodingKey {
        EncodingKey::from_rsa_pem(pem("write", "privateKeyPem").as_bytes()).unwrap()
    }

    fn published() -> Value {
        let mut jwk = Jwk::from_encoding_key(&Self::key(), Algorithm::RS256).unwrap();
        jwk.common.key_id = Some("k1".to_owned());
        json!({"keys": [jwk]})
    }

    fn issued(&self) -> Vec<String> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl ClientAssertion for Provider {
    async fn assertion(&self) -> Result<Secret, PortError> {
        if let Some(kind) = self.failure {
            self.issued.lock().unwrap().push(String::new());
            return Err(PortError::new(kind, "the issuer says no"));
        }
        let now = SystemClock.now().as_second();
        let mut issued = self.issued.lock().unwrap();
        let header = Header { kid: Some("k1".to_owned()), ..Header::new(Algorithm::RS256) };
        let claims = json!({
            "iss": self.issuer, "sub": self.subject, "aud": self.audience,
            "iat": now, "exp": now + 300, "jti": issued.len().to_string(),
        });
        let token = encode(&header, &claims, &Self::key()).unwrap();
        issued.push(token.clone());
        Ok(Secret::new(token))
    }
}

fn federated(issuer: &Arc<Provider>) -> Credential {
    Credential::Federated { client_id: CLIENT_ID.to_owned(), assertion: issuer.clone() }
}

fn trusting() -> Scenario {
    Scenario::woodgrove()
        .without_secret()
        .trusting(ISSUER, SUBJECT)
        .issuer(ISSUER, Provider::published())
}

/// An answer of the sign-in with this error code.
fn says(code: u32) -> Then {
    let body = json!({"error": "invalid_request", "error_codes": [code],
        "error_description": "hunter2"});
    let status = StatusCode::BAD_REQUEST;
    Then::Answer(crate::sim::Answer { status, retry_after: None, body: Some(body) })
}

/// The fields of what was sent to sign in.
fn form(asked: &Asked) -> Vec<(String, String)> {
    url::form_urlencoded::parse(&asked.body).into_owned().collect()
}

#[tokio::test]
async fn a_registered_certificate_opens_the_tenant() {
    let scenario = Scenario::woodgrove().without_secret();
    let sim = start(scenario.certificate(&pem("read", "certificatePem"))).await;
    let graph = connect_with(&sim.origin(), of_reader());
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!((listed.items.len(), failure(&listed)), (6, None));
    assert_eq!(failure(&graph.guests(woodgrove()).await), None);
    assert_eq!(sign_ins(&sim), 1);
}

#[tokio::test]
async fn every_attempt_carries_an_assertion_of_its_own_and_no_secret() {
    let server = Server::start(|asked| {
        if asked.before < 2 {
            status(503)
        } else {
            ok(&json!({"access_token": "t", "expires_in": 3599, "value": []}))
        }
    })
    .await;
    let graph = connect_with(&server.origin, of_reader());
    assert_eq!(failure(&graph.assignments(woodgrove()).await), None);
    let asked = server.asked();
    let forms: Vec<_> = asked.iter().take(3).map(form).collect();
    let names = |form: &[(String, String)]| -> Vec<String> {
        form.iter().map(|(name, _)| name.clone()).collect()
    };
    for form in &forms {
        assert_eq!(
            names(form),
            ["client_id", "client_assertion_type", "client_assertion", "grant_type", "scope"]
        );
        assert_eq!(form[0].1, CLIENT_ID);
        assert_eq!(form[1].1, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    }
    let claims: Vec<Value> = forms.iter().map(|form| claims(&form[2].1)).collect();
    let ids: std::collections::BTreeSet<&str> =
        claims.iter().map(|claims| claims["jti"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| uuid::Uuid::try_parse(id).is_ok()), "{ids:?}");
    let endpoint = format!("{}{WOODGROVE}/oauth2/v2.0/token", server.origin);
    assert!(claims.iter().all(|claims| claims["aud"] == endpoint.as_str()), "{claims:?}");
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_certificate_that_is_refused_says_what_to_mend() {
    let add = "; add the certificate in graphCertificatePem to the application WARDEN_CLIENT_ID \
               (App registrations > Certificates & secrets), or put one that is there and in \
               force into graphCertificatePem and graphPrivateKeyPem";
    let unknown = format!("Microsoft's sign-in answered 401 invalid_client AADSTS700027{add}");
    let ended = vectors()["certificatesOfRead"]["ended"].as_str().unwrap().to_owned();
    for (registered, used) in [
        (pem("write", "certificatePem"), of_reader()),
        (ended.clone(), certificate(CLIENT_ID, &ended, "read")),
    ] {
        let sim = start(Scenario::woodgrove().certificate(&registered)).await;
        let graph = connect_with(&sim.origin(), used);
        let listed = graph.assignments(woodgrove()).await;
        assert_eq!(failure(&listed), Some((Failure::SignInRefused, unknown.as_str())));
        assert_eq!(sign_ins(&sim), 1, "a refusal is final");
    }

    let sim = start(Scenario::woodgrove().certificate(&pem("read", "certificatePem"))).await;
    let clock = Hand::at_noon();
    clock.put(SignedDuration::from_hours(-24 * 365));
    let (origin, credential) = (sim.origin(), of_reader());
    let graph = Graph::new(quick(), origin.clone(), origin, credential, clock);
    let listed = graph.assignments(woodgrove()).await;
    let said = "Microsoft's sign-in answered 401 invalid_client AADSTS700024; set this machine's \
                clock: the assertion was not in its time";
    assert_eq!(failure(&listed), Some((Failure::SignInRefused, said)));
}

#[tokio::test]
async fn a_sign_in_behind_another_name_is_told() {
    let sim = start(Scenario::woodgrove().certificate(&pem("read", "certificatePem"))).await;
    sim.add_fault(Rule::new("/oauth2/", says(700_023)).forever());
    let listed = connect_with(&sim.origin(), of_reader()).assignments(woodgrove()).await;
    let said = "Microsoft's sign-in answered 400 invalid_request AADSTS700023; set \
                WARDEN_LOGIN_URL to the sign-in's own origin, such as \
                https://login.microsoftonline.com";
    assert_eq!(failure(&listed), Some((Failure::SignInRefused, said)));
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_opens_the_tenant_and_is_asked_for_at_each_sign_in() {
    let sim = start(trusting()).await;
    let issuer = Arc::new(Provider::new());
    let graph = connect_with(&sim.origin(), federated(&issuer));
    let listed = graph.assignments(woodgrove()).await;
    assert_eq!((listed.items.len(), failure(&listed)), (6, None));
    assert_eq!((sign_ins(&sim), issuer.issued().len()), (1, 1));
    sim.add_fault(Rule::new("roleAssignments", Then::status(401)));
    assert_eq!(failure(&graph.assignments(woodgrove()).await), None);
    assert_eq!((sign_ins(&sim), issuer.issued().len()), (2, 2));
    assert_ne!(issuer.issued()[0], issuer.issued()[1]);
}

#[tokio::test]
async fn a_federated_credential_that_is_not_known_everywhere_yet_is_tried_again() {
    let sim = start(trusting()).await;
    let issuer = Arc::new(Provider::new());
    sim.add_fault(Rule::new("/oauth2/", says(70_021)).times(2));
    let graph = connect_with(&sim.origin(), federated(&issuer));
    assert_eq!(failure(&graph.assignments(woodgrove()).await), None);
    assert_eq!((sign_ins(&sim), issuer.issued().len()), (3, 3));

    sim.add_fault(Rule::new("/oauth2/", says(70_021)).forever());
    let graph = connect_with(&sim.origin(), federated(&issuer));
    let listed = graph.assignments(woodgrove()).await;
    let said = "Microsoft's sign-in answered 400 invalid_request AADSTS70021; make the issuer, \
                subject and audience of the federated credential of the application \
                WARDEN_CLIENT_ID that of the tokens, letter for letter; a new credential takes \
                some minutes to count";
    assert_eq!(failure(&listed), Some((Failure::Transient, said)));
    assert_eq!(sign_ins(&sim), 3 + CALLS);
}

#[tokio::test]
async fn a_token_that_the_credential_does_not_name_is_refused_with_the_part_to_mend() {
    async fn check(issuer: Provider, code: u32, part: &str) {
        let sim = start(trusting().trusting("https://silent.example", SUBJECT)).await;
        let issuer = Arc::new(issuer);
        let graph = connect_with(&sim.origin(), federated(&issuer));
        let listed = graph.assignments(woodgrove()).await;
        let (kind, said) = failure(&listed).unwrap();
        assert_eq!(kind, Failure::SignInRefused);
        assert!(said.contains(&format!("AADSTS{code}; {part}")), "{said}");
        assert_eq!(sign_ins(&sim), 1, "a refusal is final");
        let all = format!("{listed:?} {}", chain(listed.failure.as_ref().unwrap()));
        assert!(issuer.issued().iter().all(|token| !all.contains(token)), "{all}");
        assert!(!all.contains("eyJ"), "{all}");
    }
    let new = Provider::new;
    let other = || "https://other.example".to_owned();
    check(Provider { issuer: other(), ..new() }, 700_211, "make the issuer of").await;
    check(Provider { audience: other(), ..new() }, 700_212, "make the audience of").await;
    check(Provider { subject: other(), ..new() }, 700_213, "make the subject of").await;
    let silent = Provider { issuer: "https://silent.example".to_owned(), ..new() };
    check(silent, 50_027, "the sign-in cannot verify the token").await;
}

#[tokio::test]
async fn an_issuer_that_gives_no_token_is_told_by_what_can_be_done() {
    for (failure_kind, expect, asked) in [
        (Failure::Transient, Failure::Transient, CALLS),
        (Failure::Denied, Failure::SignInRefused, 1),
        (Failure::Refused, Failure::SignInRefused, 1),
        (Failure::Unintelligible, Failure::SignInRefused, 1),
    ] {
        let sim = start(trusting()).await;
        let issuer = Arc::new(Provider { failure: Some(failure_kind), ..Provider::new() });
        let graph = connect_with(&sim.origin(), federated(&issuer));
        let listed = graph.assignments(woodgrove()).await;
        assert_eq!(failure(&listed), Some((expect, "the issuer says no")));
        assert_eq!((issuer.issued().len(), sign_ins(&sim)), (asked, 0));
    }
}

/// The tenant, the app that only reads in it, and the one that only writes.
async fn given_two() -> (Sim, Graph) {
    let writer = App::new(WRITER)
        .certificate(&pem("write", "certificatePem"))
        .permissions(&["RoleManagement.ReadWrite.Directory"]);
    let scenario = Scenario::woodgrove()
        .certificate(&pem("read", "certificatePem"))
        .without_permission("RoleManagement.ReadWrite.Directory")
        .app(writer);
    let sim = start(scenario).await;
    let graph = connect_with(&sim.origin(), of_reader());
    (sim, graph)
}

fn alice(sim: &Sim) -> String {
    let held = sim.assignments(WOODGROVE);
    held.into_iter().find(|it| it.principal.as_deref() == Some("Alice")).unwrap().id
}

#[tokio::test]
async fn one_application_reads_and_another_writes() {
    let (sim, graph) = given_two().await;
    let id = AssignmentId(alice(&sim));
    let step = revoke::step();
    assert_eq!(failure(&graph.assignments(woodgrove()).await), None);
    let alone = graph.revoker().revoke(&step, woodgrove(), &id).await.unwrap();
    assert_eq!(alone.state, StepState::Refused);
    assert_eq!((sim.deletions().len(), sign_ins(&sim)), (0, 1));

    let writer = certificate(WRITER, &pem("write", "certificatePem"), "write");
    let revoker = graph.revoker_as(writer);
    let outcome = revoker.revoke(&step, woodgrove(), &id).await.unwrap();
    assert_eq!(outcome.state, StepState::Revoked);
    assert_eq!((sim.deletions().len(), sign_ins(&sim)), (1, 2));
    let again = revoker.revoke(&step, woodgrove(), &id).await.unwrap();
    assert_eq!(again.state, StepState::Revoked);
    assert_eq!(failure(&graph.guests(woodgrove()).await), None);
    assert_eq!(sign_ins(&sim), 2, "each keeps its own token");
    // The writer cannot read guests: what is read is read by the reader.
    let denied = revoker.0.guests(woodgrove()).await;
    assert_eq!(failure(&denied).map(|(kind, _)| kind), Some(Failure::Denied));
}

#[tokio::test]
async fn a_writer_that_is_refused_is_told_by_its_own_names() {
    let (sim, graph) = given_two().await;
    let id = AssignmentId(alice(&sim));
    let step = revoke::step();
    let refused = async |credential| {
        let revoker = graph.revoker_as(credential);
        let error = revoker.revoke(&step, woodgrove(), &id).await.unwrap_err();
        assert_eq!(error.kind, Failure::SignInRefused);
        error.said
    };
    let said = refused(certificate(WRITER, &pem("read", "certificatePem"), "read")).await;
    let expect = "Microsoft's sign-in answered 401 invalid_client AADSTS700027; add the \
                  certificate in graphWriteCertificatePem to the application \
                  WARDEN_WRITE_CLIENT_ID (App registrations > Certificates & secrets), or put \
                  one that is there and in force into graphWriteCertificatePem and \
                  graphWritePrivateKeyPem";
    assert_eq!(said, expect);
    let secret = |client_id: &str| Credential::Secret {
        client_id: client_id.to_owned(),
        secret: Secret::new("x"),
    };
    let said = refused(secret(WRITER)).await;
    assert!(said.ends_with("a client secret that is valid into graphWriteClientSecret"), "{said}");
    let said = refused(secret("another")).await;
    let expect = "grant admin consent to the application WARDEN_WRITE_CLIENT_ID in this tenant";
    assert!(said.ends_with(expect), "{said}");
    assert_eq!(sim.count("DELETE", ""), 0);
}

#[test]
fn a_certificate_is_spoken_of_when_it_is_not_in_force_for_long() {
    let ended = vectors()["certificatesOfRead"]["ended"].as_str().unwrap().to_owned();
    let credential = certificate(CLIENT_ID, &ended, "read");
    let concern = |at: &str, identity| credential.concern(identity, at.parse().unwrap());
    let reader = |at: &str| concern(at, Identity::Reader);
    let renew = "add a new certificate to the application WARDEN_CLIENT_ID, then put it and its \
                 key into graphCertificatePem and graphPrivateKeyPem and start anew";
    assert_eq!(
        reader("2023-12-31T23:59:59Z").unwrap(),
        format!(
            "graphCertificatePem is in force from 2024-01-01T00:00:00Z only: until then signing \
             in is refused; check this machine's clock, or {renew}"
        )
    );
    assert_eq!(reader("2024-01-01T00:00:00Z"), None);
    assert_eq!(reader("2024-12-02T00:00:00Z"), None);
    let soon = format!(
        "graphCertificatePem ends at 2025-01-01T00:00:00Z: from then on signing in is refused; \
         {renew}"
    );
    assert_eq!(reader("2024-12-02T00:00:01Z").unwrap(), soon);
    assert_eq!(reader("2025-01-01T00:00:00Z").unwrap(), soon);
    let over = format!(
        "graphCertificatePem ended at 2025-01-01T00:00:00Z: signing in is refused; {renew}"
    );
    assert_eq!(reader("2025-01-01T00:00:01Z").unwrap(), over);
    let writer = concern("2026-01-01T00:00:00Z", Identity::Writer).unwrap();
    for name in ["WARDEN_WRITE_CLIENT_ID", "graphWriteCertificatePem", "graphWritePrivateKeyPem"] {
        assert!(writer.contains(name), "{writer}");
    }
}

#[test]
fn no_credential_prints_what_it_proves_itself_with() {
    let secret = Credential::Secret { client_id: "c".to_owned(), secret: Secret::new("hunter2") };
    let credentials = [secret, of_reader(), federated(&Arc::new(Provider::new()))];
    let printed = credentials.map(|credential| format!("{credential:?}"));
    assert_eq!(
        printed,
        [
            "Secret { client_id: \"c\", .. }".to_owned(),
            format!("Certificate {{ client_id: \"{CLIENT_ID}\", .. }}"),
            format!("Federated {{ client_id: \"{CLIENT_ID}\", .. }}"),
        ]
    );
}

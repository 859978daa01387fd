//! A certificate as an application's credential: with its key the application signs assertions
//! about itself.
//!
//! Source: Microsoft identity platform documentation, "Microsoft identity platform application
//! authentication certificate credentials"; RFC 7523.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA256, RsaKeyPair, RsaParameters};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::time::Time;

use crate::domain::secret::Secret;

/// How long an assertion holds. Microsoft asks for five to ten minutes at most.
const HOLDS: SignedDuration = SignedDuration::from_mins(10);

/// How many bits a key may have.
const BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// A certificate and its private key.
pub struct ClientCertificate {
    key: RsaKeyPair,
    /// The thumbprint that names it: `x5t#S256` of RFC 7515.
    thumbprint: String,
    begins: Timestamp,
    ends: Timestamp,
}

/// Why a certificate and a key are no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotACredential {
    /// The certificate is none.
    Certificate,
    /// The certificate's key is not for RSA.
    NotRsa,
    /// The certificate's key has so many bits, and not 2048 to 4096.
    Bits(u32),
    /// The key is no RSA private key, or it is encrypted.
    Key,
    /// The key is that of another certificate.
    AnotherKey,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("thumbprint", &self.thumbprint)
            .field("begins", &self.begins)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

impl ClientCertificate {
    /// Reads a certificate in PEM, of which the first counts where there are several, and its RSA
    /// private key in PEM, of PKCS#8 or PKCS#1, with 2048 to 4096 bits.
    ///
    /// # Errors
    /// [`NotACredential`], which quotes neither.
    pub fn from_pem(certificate: &Secret, key: &Secret) -> Result<Self, NotACredential> {
        let der = CertificateDer::from_pem_slice(certificate.expose().as_bytes())
            .map_err(|_| NotACredential::Certificate)?;
        let parsed = Certificate::from_der(&der).map_err(|_| NotACredential::Certificate)?;
        let validity = parsed.tbs_certificate().validity();
        let public = &parsed.tbs_certificate().subject_public_key_info().subject_public_key;
        let public = public.as_bytes().ok_or(NotACredential::NotRsa)?;
        let bits = RsaParameters::public_modulus_len(public).map_err(|_| NotACredential::NotRsa)?;
        if !BITS.contains(&bits) {
            return Err(NotACredential::Bits(bits));
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
            .map_err(|_| NotACredential::Key)?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Sec1(_) | _ => return Err(NotACredential::Key),
        };
        let key = key.map_err(|_| NotACredential::Key)?;
        if key.public_key().as_ref() != public {
            return Err(NotACredential::AnotherKey);
        }
        Ok(Self {
            key,
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&der)),
            begins: moment(validity.not_before),
            ends: moment(validity.not_after),
        })
    }

    /// The first moment at which it is in force.
    pub fn begins(&self) -> Timestamp {
        self.begins
    }

    /// The last moment at which it is in force.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }

    /// An assertion that its bearer is the application `client_id`: a JWT for the token endpoint
    /// `audience`, in force from `now` on for ten minutes, signed with PS256. `id` may never be
    /// that of another one.
    ///
    /// # Errors
    /// When the library cannot sign.
    pub fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Secret, aws_lc_rs::error::Unspecified> {
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": id.to_string(),
            "nbf": now.as_second(),
            "iat": now.as_second(),
            "exp": now.as_second() + HOLDS.as_secs(),
        });
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let mut token = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key.sign(&RSA_PSS_SHA256, &random, token.as_bytes(), &mut signature)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(Secret::new(token))
    }
}

/// A certificate's date. The one that stands for "never", at the end of the year 9999, lies
/// beyond what is reckoned with by a day.
fn moment(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::*;
    use crate::domain::finding::testing::noon;

    const CLIENT: &str = "33333333-3333-3333-3333-333333333333";
    const ENDPOINT: &str = "https://login.microsoftonline.com/t/oauth2/v2.0/token";

    fn vectors() -> Value {
        let text = include_str!("../../../tests/data/client-certificate-openssl.json");
        serde_json::from_str(text).unwrap()
    }

    fn text(value: &Value) -> Secret {
        Secret::new(value.as_str().unwrap())
    }

    fn pair(name: &str) -> Result<ClientCertificate, NotACredential> {
        let pair = &vectors()[name];
        ClientCertificate::from_pem(&text(&pair["certificatePem"]), &text(&pair["privateKeyPem"]))
    }

    /// The certificate's modulus and exponent.
    fn public_key(name: &str) -> (BigUint, BigUint) {
        use x509_cert::der::asn1::UintRef;
        use x509_cert::der::{Reader as _, SliceReader};
        let pem = text(&vectors()[name]["certificatePem"]);
        let der = CertificateDer::from_pem_slice(pem.expose().as_bytes()).unwrap();
        let certificate = Certificate::from_der(&der).unwrap();
        let spki = certificate.tbs_certificate().subject_public_key_info();
        let mut reader = SliceReader::new(spki.subject_public_key.as_bytes().unwrap()).unwrap();
        let numbers = reader.sequence(|reader| {
            let (n, e): (UintRef<'_>, UintRef<'_>) = (reader.decode()?, reader.decode()?);
            let number = |it: UintRef<'_>| BigUint::from_bytes_be(it.as_bytes());
            Ok::<_, x509_cert::der::Error>((number(n), number(e)))
        });
        numbers.unwrap()
    }

    /// Whether a token's signature is RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32
    /// bytes, as RFC 8017 (8.1.2 and 9.1.2) and RFC 7518 (3.5) have it.
    fn is_ps256(token: &str, (n, e): &(BigUint, BigUint)) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let bits = n.bits() - 1;
        let length = usize::try_from(bits.div_ceil(8)).unwrap();
        let message = BigUint::from_bytes_be(&signature).modpow(e, n).to_bytes_be();
        if signature.len() != usize::try_from(n.bits().div_ceil(8)).unwrap()
            || message.len() > length
        {
            return false;
        }
        let encoded = [vec![0; length - message.len()], message].concat();
        let Some((0xbc, rest)) = encoded.split_last() else { return false };
        let (masked, hash) = rest.split_at(length - 32 - 1);
        let mask = (0_u32..).flat_map(|counter| {
            Sha256::new().chain_update(hash).chain_update(counter.to_be_bytes()).finalize()
        });
        let mut block: Vec<u8> = masked.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        let unused = u32::try_from(length).unwrap() * 8 - u32::try_from(bits).unwrap();
        let top = 0xff_u8 >> unused;
        if masked[0] & !top != 0 {
            return false;
        }
        block[0] &= top;
        let (padding, salt) = block.split_at(length - 32 - 1 - 32);
        let Some((1, zeros)) = padding.split_last() else { return false };
        let digest = Sha256::digest(signed);
        let expect = Sha256::new().chain_update([0; 8]).chain_update(digest).chain_update(salt);
        zeros.iter().all(|byte| *byte == 0) && expect.finalize().as_slice() == hash
    }

    fn json_part(token: &str, part: usize) -> Value {
        let part = token.split('.').nth(part).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn this_reading_of_the_rfc_agrees_with_openssl() {
        let key = public_key("read");
        for (name, token) in vectors()["assertions"].as_object().unwrap() {
            let token = token.as_str().unwrap();
            assert_eq!(is_ps256(token, &key), name == "PS256, salt of 32 bytes", "{name}");
            assert!(!is_ps256(token, &public_key("write")), "{name}");
            let altered = token.replacen("eyJ", "eyK", 1);
            assert!(!is_ps256(&altered, &key), "{name}");
        }
    }

    #[test]
    fn an_assertion_says_who_asks_whom_and_when_and_is_signed() {
        let (read, write) = (pair("read").unwrap(), pair("write").unwrap());
        for (name, certificate) in [("read", &read), ("write", &write)] {
            let key = public_key(name);
            for id in [Uuid::nil(), Uuid::max()] {
                let token = certificate.assertion(CLIENT, ENDPOINT, id, noon()).unwrap();
                let token = token.expose();
                assert!(is_ps256(token, &key), "{name}");
                assert_eq!(token.matches('.').count(), 2);
                let claims = json!({
                    "aud": ENDPOINT, "iss": CLIENT, "sub": CLIENT, "jti": id.to_string(),
                    "nbf": 1_795_435_200, "iat": 1_795_435_200, "exp": 1_795_435_800,
                });
                assert_eq!(json_part(token, 1), claims);
            }
        }
        let token = read.assertion(CLIENT, ENDPOINT, Uuid::nil(), noon()).unwrap();
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": vectors()["thumbprint"]});
        assert_eq!(json_part(token.expose(), 0), header);
    }

    #[test]
    fn a_key_is_taken_from_either_kind_of_pem() {
        let read = &vectors()["read"];
        let certificate = text(&read["certificatePem"]);
        let key = text(&read["privateKeyPkcs1Pem"]);
        let pair = ClientCertificate::from_pem(&certificate, &key).unwrap();
        let token = pair.assertion(CLIENT, ENDPOINT, Uuid::nil(), noon()).unwrap();
        assert!(is_ps256(token.expose(), &public_key("read")));
    }

    #[test]
    fn what_is_no_credential_is_told_by_what_is_wrong_with_it() {
        let vectors = vectors();
        let made = |certificate: &Value, key: &Value| {
            ClientCertificate::from_pem(&text(certificate), &text(key)).err()
        };
        let part = |name: &str, part: &str| vectors[name][part].clone();
        let (certificate, key) = (part("read", "certificatePem"), part("read", "privateKeyPem"));
        let cut = |pem: &Value| {
            let pem = pem.as_str().unwrap();
            let lines: Vec<&str> = pem.lines().collect();
            let (begin, end) = (lines[0], lines[lines.len() - 1]);
            json!(format!("{begin}\n{}\n{end}\n", lines[1..5].join("\n")))
        };
        for wrong in [&json!("hunter2"), &key, &cut(&certificate)] {
            assert_eq!(made(wrong, &key), Some(NotACredential::Certificate));
        }
        let encrypted = part("read", "encryptedPrivateKeyPem");
        let curve = part("ellipticCurve", "privateKeyPem");
        for wrong in [&json!("hunter2"), &certificate, &cut(&key), &encrypted, &curve] {
            assert_eq!(made(&certificate, wrong), Some(NotACredential::Key));
        }
        assert_eq!(pair("ellipticCurve").err(), Some(NotACredential::NotRsa));
        assert_eq!(pair("weak1024").err(), Some(NotACredential::Bits(1024)));
        assert_eq!(pair("vast5120").err(), Some(NotACredential::Bits(5120)));
        let another = part("write", "privateKeyPem");
        assert_eq!(made(&certificate, &another), Some(NotACredential::AnotherKey));
    }

    #[test]
    fn its_dates_are_those_openssl_wrote() {
        let vectors = vectors();
        let key = text(&vectors["read"]["privateKeyPem"]);
        let dates = |pem: &Value| {
            let pair = ClientCertificate::from_pem(&text(pem), &key).unwrap();
            (pair.begins().to_string(), pair.ends().to_string())
        };
        let of = |begins: &str, ends: &str| (begins.to_owned(), ends.to_owned());
        let others = &vectors["certificatesOfRead"];
        assert_eq!(
            dates(&vectors["read"]["certificatePem"]),
            of("2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z")
        );
        assert_eq!(dates(&others["ended"]), of("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"));
        assert_eq!(dates(&others["future"]), of("2090-01-01T00:00:00Z", "2120-01-01T00:00:00Z"));
        assert_eq!(dates(&others["endless"]).1, Timestamp::MAX.to_string());
    }

    #[test]
    fn it_does_not_print_its_key() {
        let printed = format!("{:?}", pair("read").unwrap());
        let thumbprint = vectors()["thumbprint"].clone();
        let expect = format!(
            "ClientCertificate {{ thumbprint: {thumbprint}, begins: 2020-01-01T00:00:00Z, \
             ends: 2120-01-01T00:00:00Z, .. }}"
        );
        assert_eq!(printed, expect);
    }
}

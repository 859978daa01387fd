//! The certificate that notifications are encrypted for, and the names it goes by; the roots that
//! Partner Center's certificates must lead to.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, TrustAnchor};
use webpki::EndEntityCert;

use super::Secrets;
use crate::domain::id::{Sha256Hex, hex};
use crate::domain::secret::Secret;
use crate::wire::graph::NotificationKey;
use crate::wire::partner_center::certificates::roots;

/// The current pair of certificate and key, and the previous one while they are rotated. A line
/// for each thing that is wrong.
pub(super) fn notification_keys(secrets: &Secrets) -> Result<Vec<NotificationKey>, Vec<String>> {
    let mut keys = Vec::new();
    let mut problems = Vec::new();
    for suffix in ["", "Previous"] {
        let certificate = format!("notificationCertificatePem{suffix}");
        let key = format!("notificationPrivateKeyPem{suffix}");
        match (secrets.secret(&certificate), secrets.secret(&key)) {
            (None, None) => {}
            (Some(_), None) => problems.push(format!("{key} is missing beside {certificate}")),
            (None, Some(_)) => problems.push(format!("{certificate} is missing beside {key}")),
            (Some(pem), Some(private)) => match names(pem) {
                Some(names) => match notification_key(names, private) {
                    Some(key) => keys.push(key),
                    None => problems.push(format!(
                        "{key} is not an RSA private key in PKCS#8 (BEGIN PRIVATE KEY)"
                    )),
                },
                None => {
                    problems
                        .push(format!("{certificate} is not a certificate (BEGIN CERTIFICATE)"));
                }
            },
        }
    }
    if problems.is_empty() { Ok(keys) } else { Err(problems) }
}

fn notification_key(names: Vec<String>, pem: &Secret) -> Option<NotificationKey> {
    let key = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).ok()?;
    NotificationKey::new(names, key.secret_pkcs8_der()).ok()
}

/// The `encryptionCertificateId` that subscriptions of ours carry, which is the SHA-256 of the
/// `SubjectPublicKeyInfo`, and the thumbprint that Graph adds, which is the SHA-1 of the certificate.
fn names(pem: &Secret) -> Option<Vec<String>> {
    let certificate = CertificateDer::from_pem_slice(pem.expose().as_bytes()).ok()?;
    let parsed = EndEntityCert::try_from(&certificate).ok()?;
    let id = Sha256Hex::of(&parsed.subject_public_key_info());
    let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate);
    Some(vec![id.to_string(), hex(thumbprint.as_ref())])
}

/// The roots that take the place of those this machine trusts, if there are any. A line where they
/// are none.
pub(super) fn partner_center_roots(
    secrets: &Secrets,
) -> Result<Option<Arc<[TrustAnchor<'static>]>>, String> {
    let key = "partnerCenterRootsPem";
    let Some(pem) = secrets.secret(key) else { return Ok(None) };
    let roots = roots(pem.expose().as_bytes());
    let roots = roots.ok_or_else(|| format!("{key} is not certificates (BEGIN CERTIFICATE)"))?;
    Ok(Some(roots.into()))
}

//! Notifications with resource data: who published them, and what they hold.
//!
//! Source: Microsoft Graph documentation, "Set up change notifications that include resource
//! data".

use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::domain::id::TenantId;
use crate::wire::Reject;
use crate::wire::token::{Measure, verify};

/// The application that Microsoft Graph publishes notifications with, in every tenant.
const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

/// `changeNotificationEncryptedContent`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EncryptedContent {
    data: String,
    data_key: String,
    data_signature: String,
    encryption_certificate_id: Option<String>,
    encryption_certificate_thumbprint: Option<String>,
}

/// A private key that resource data is encrypted for, and the names its certificate goes by.
pub struct NotificationKey {
    names: Vec<String>,
    key: OaepPrivateDecryptingKey,
}

impl std::fmt::Debug for NotificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NotificationKey").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The bytes are no RSA private key in PKCS#8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA private key in PKCS#8 (BEGIN PRIVATE KEY)")]
pub struct NotAKey;

impl NotificationKey {
    /// A key in PKCS#8 DER. `names` are the `encryptionCertificateId` and the thumbprint of its
    /// certificate; they are compared without regard to case.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn new(names: Vec<String>, pkcs8: &[u8]) -> Result<Self, NotAKey> {
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| NotAKey)?;
        let key = OaepPrivateDecryptingKey::new(key).map_err(|_| NotAKey)?;
        Ok(Self { names, key })
    }

    fn is_meant_by(&self, content: &EncryptedContent) -> bool {
        let meant =
            [&content.encryption_certificate_id, &content.encryption_certificate_thumbprint];
        meant
            .into_iter()
            .flatten()
            .any(|name| self.names.iter().any(|own| own.eq_ignore_ascii_case(name)))
    }
}

/// Whether one of the collection's tokens proves that Microsoft Graph published notifications of
/// this tenant for us.
pub(super) fn published_for(
    tenant: TenantId,
    tokens: &[String],
    measure: Measure<'_>,
) -> Result<(), Reject> {
    let mut reject = Reject::Missing("validationTokens");
    for token in tokens {
        match verify(token, measure) {
            Ok(claims) if claims.tid == tenant && claims.application() == Some(PUBLISHER) => {
                return Ok(());
            }
            // Another token's fault does not hide that a newer key set may help.
            _ if reject == Reject::UnknownKey => {}
            Ok(claims) if claims.tid == tenant => {
                reject = Reject::NotAuthentic("the token's publisher");
            }
            Ok(_) => reject = Reject::NotAuthentic("the token's tenant"),
            Err(error) => reject = error,
        }
    }
    Err(reject)
}

/// The resource data inside.
///
/// # Errors
/// [`Reject::NoKey`] when no key is meant by the content; [`Reject::NotAuthentic`] when it does not
/// hold. The signature is checked before anything is decrypted, and all that fails after the key
/// is found fails with the same words.
pub(super) fn decrypt(
    content: &EncryptedContent,
    keys: &[Arc<NotificationKey>],
) -> Result<Value, Reject> {
    let sealed = || Reject::NotAuthentic("encryptedContent");
    let key = keys.iter().find(|key| key.is_meant_by(content));
    let key = key.ok_or(Reject::NoKey("the certificate that encryptedContent names"))?;
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| sealed());
    let (data_key, signature) = (decoded(&content.data_key)?, decoded(&content.data_signature)?);
    let mut data = decoded(&content.data)?;

    let mut room = vec![0; key.key.min_output_size()];
    let symmetric =
        key.key.decrypt(&OAEP_SHA1_MGF1SHA1, &data_key, &mut room, None).map_err(|_| sealed())?;
    let mac = hmac::Key::new(hmac::HMAC_SHA256, symmetric);
    hmac::verify(&mac, &data, &signature).map_err(|_| sealed())?;

    let iv: [u8; 16] = symmetric.get(..16).and_then(|iv| iv.try_into().ok()).ok_or_else(sealed)?;
    let cipher = UnboundCipherKey::new(&AES_256, symmetric).map_err(|_| sealed())?;
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(cipher).map_err(|_| sealed())?;
    let iv = DecryptionContext::Iv128(FixedLength::from(iv));
    let plain = cipher.decrypt(&mut data, iv).map_err(|_| sealed())?;
    serde_json::from_slice(plain).map_err(|_| sealed())
}

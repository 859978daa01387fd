//! Resource data, encrypted as Microsoft Graph does it.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use partner_warden::wire::graph::NotificationKey;
use serde_json::{Value, json};

use crate::{DOOR, private_key};

/// The key that resource data is encrypted for.
pub(crate) fn notification_key(vectors: &Value, pkcs8: &[u8]) -> Arc<NotificationKey> {
    let id = vectors["encryptedContent"]["encryptionCertificateId"].as_str().expect("an id");
    Arc::new(NotificationKey::new(vec![id.to_owned()], pkcs8).expect("a key"))
}

/// The symmetric key that the vectors' `dataKey` holds. Every content is sealed with it, so that
/// an input always becomes the same bytes.
static SYMMETRIC: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = PrivateDecryptingKey::from_pkcs8(&private_key(&DOOR.vectors)).expect("a key");
    let key = OaepPrivateDecryptingKey::new(key).expect("a key");
    let sealed = DOOR.vectors["encryptedContent"]["dataKey"].as_str().expect("a data key");
    let sealed = STANDARD.decode(sealed).expect("base64");
    let mut room = vec![0; key.min_output_size()];
    key.decrypt(&OAEP_SHA1_MGF1SHA1, &sealed, &mut room, None).expect("opened").to_vec()
});

/// The `encryptedContent` that holds these bytes.
pub fn sealed(plain: &[u8]) -> Value {
    let cipher = UnboundCipherKey::new(&AES_256, &SYMMETRIC).expect("256 bits");
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(cipher).expect("a cipher");
    let iv: [u8; 16] = SYMMETRIC[..16].try_into().expect("16 bytes");
    let mut data = plain.to_vec();
    cipher
        .less_safe_encrypt(&mut data, EncryptionContext::Iv128(FixedLength::from(iv)))
        .expect("sealed");
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &SYMMETRIC), &data);
    let vector = &DOOR.vectors["encryptedContent"];
    json!({
        "data": STANDARD.encode(data),
        "dataKey": vector["dataKey"],
        "dataSignature": STANDARD.encode(mac),
        "encryptionCertificateId": vector["encryptionCertificateId"],
        "encryptionCertificateThumbprint": vector["encryptionCertificateThumbprint"],
    })
}

/// The content with one bit of one of its parts changed.
pub fn tampered(content: &Value, choice: u8) -> Value {
    let part = ["data", "dataKey", "dataSignature"][usize::from(choice) % 3];
    let mut bytes = STANDARD.decode(content[part].as_str().expect("a text")).expect("base64");
    let at = usize::from(choice) % bytes.len();
    bytes[at] ^= 1 << (choice % 8);
    let mut tampered = content.clone();
    tampered[part] = STANDARD.encode(bytes).into();
    tampered
}

//! The roots that this machine trusts, from the one file that holds them all.
//!
//! Finding, reading and decoding them was most of a function's start (82 % of the worker's
//! instructions): the same roots may be in a folder once more, each in a file of its own, and the PEM
//! reader of rustls takes about nine million instructions for the usual hundred and forty.

use std::path::Path;

use base64_simd::STANDARD;
use rustls_pki_types::CertificateDer;

use crate::adapters::http::roots;
use crate::config::environment;

/// Where all roots are in one file: on Amazon Linux, which Lambda runs, and on Debian.
const BUNDLES: [&str; 2] =
    ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"];

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Most certificates are no longer than this in Base64.
const USUAL: usize = 4096;

/// What OpenSSL too is told other roots by.
const ELSEWHERE: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Takes the file that holds all roots for the roots of this machine, where there is such a file and
/// the environment names no other. Else they are searched for when they are first needed.
pub fn read() {
    if ELSEWHERE.iter().any(|variable| environment(variable).is_some()) {
        return;
    }
    if let Some(bundle) = BUNDLES.iter().find_map(|path| certificates(Path::new(path))) {
        roots::take(bundle);
    }
}

/// The certificates in a file of PEM (RFC 7468); nothing where any of it cannot be read.
fn certificates(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut certificates = Vec::new();
    let mut within: Option<Vec<u8>> = None;
    for line in text.lines() {
        match (line.trim_end(), &mut within) {
            (BEGIN, None) => within = Some(Vec::with_capacity(USUAL)),
            (END, Some(content)) => {
                certificates.push(STANDARD.decode_to_vec(content).ok()?.into());
                within = None;
            }
            (BEGIN | END, _) => return None,
            (line, Some(content)) => content.extend_from_slice(line.as_bytes()),
            (_, None) => {}
        }
    }
    (within.is_none() && !certificates.is_empty()).then_some(certificates)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rustls_pki_types::pem::PemObject as _;
    use serde_json::Value;

    use super::*;

    fn written(content: &str) -> Option<Vec<CertificateDer<'static>>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        certificates(file.path())
    }

    fn vector(name: &str) -> String {
        let vectors = include_str!("../../../tests/data/tls-openssl.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        vectors[name].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_bundle_is_what_the_reader_of_rustls_finds_in_it() {
        let text = format!("# one\n{}\n# two\n{}", vector("rootPem"), vector("certificatePem"));
        let text = text.replace('\n', "\r\n");
        let careful: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
        assert_eq!(written(&text), Some(careful.unwrap()));
        assert_eq!(written(&text).unwrap().len(), 2);
    }

    #[test]
    fn a_bundle_is_taken_whole_or_not_at_all() {
        let root = vector("rootPem");
        assert!(written(&root).is_some());
        for broken in [
            String::new(),
            "no certificate".to_owned(),
            format!("{root}-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
            format!("{root}-----BEGIN CERTIFICATE-----\n{root}"),
            format!("{root}-----END CERTIFICATE-----\n"),
            format!("{root}-----BEGIN CERTIFICATE-----\nAAAA\n"),
        ] {
            assert_eq!(written(&broken), None, "{broken}");
        }
        assert_eq!(certificates(Path::new("/nowhere/bundle.crt")), None);
    }
}

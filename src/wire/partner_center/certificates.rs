//! The certificate that a delivery is signed with: what must be true of it before it vouches for
//! anything.
//!
//! Sources: RFC 5280; Microsoft Partner Center documentation, "Partner Center webhooks", whose
//! sample builds the chain, then asks that the issuer be `O=Microsoft Corporation`; Microsoft
//! documentation, "Azure Certificate Authority details", for the hosts that issuers are fetched
//! from.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use url::Url;
use webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256;
use webpki::{
    ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId,
    KeyPurposeIdIter, KeyUsage, RequiredEkuNotFoundContext, anchor_from_trusted_cert,
};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};

use crate::wire::Reject;

/// Most bytes of a file of certificates that are read. One certificate has some 2,000.
pub const FILE_MAX: usize = 64 * 1024;

/// Most certificates that are looked at.
const CERTIFICATES_MAX: usize = 8;

/// The organisation of whoever issued the certificate.
const ORGANIZATION: &str = "Microsoft Corporation";

/// `organizationName` (RFC 5280, appendix A.1).
const ORGANIZATION_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");

/// `id-ad-caIssuers` (RFC 5280, section 4.2.2.1).
const CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");

/// Where Microsoft publishes the certificates of its issuers.
const ISSUER_HOSTS: &[&str] = &["caissuers.microsoft.com", "www.microsoft.com"];

/// Roots in PEM; nothing where there is none, or something that is no root.
pub fn roots(pem: &[u8]) -> Option<Vec<TrustAnchor<'static>>> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    let roots: Option<Vec<_>> = certificates.iter().map(root).collect();
    roots.filter(|roots| !roots.is_empty())
}

/// A root out of its certificate, unless it is none.
pub fn root(certificate: &CertificateDer<'_>) -> Option<TrustAnchor<'static>> {
    anchor_from_trusted_cert(certificate).ok().map(|root| root.to_owned())
}

/// The certificates published at an address, and the roots they are to lead to.
#[derive(Debug, Clone)]
pub struct Published {
    certificates: Vec<CertificateDer<'static>>,
    roots: Arc<[TrustAnchor<'static>]>,
}

impl Published {
    /// Reads a file of certificates: one in DER, or up to eight in PEM, in any order. Nothing where
    /// it is none.
    pub fn read(file: &[u8], roots: Arc<[TrustAnchor<'static>]>) -> Option<Self> {
        Some(Self { certificates: certificates(file)?, roots })
    }

    /// Adds the certificates of a further file. Nothing comes of it, and nothing is added, where it
    /// is no such file or there would be more than eight.
    pub fn add(&mut self, file: &[u8]) -> Option<()> {
        let further = certificates(file)?;
        if self.certificates.len() + further.len() > CERTIFICATES_MAX {
            return None;
        }
        self.certificates.extend(further);
        Some(())
    }

    /// Where the issuer is published that is missing between these certificates and a root, if
    /// one is missing and that is a place of Microsoft's. Nothing is proven by this; plain `http`
    /// is usual there (RFC 5280, section 8), since the chain is verified afterwards.
    pub fn missing_issuer(&self) -> Option<Url> {
        let parsed =
            self.certificates.iter().map(|der| Some((der, EndEntityCert::try_from(der).ok()?)));
        let parsed: Vec<_> = parsed.collect::<Option<_>>()?;
        let mut top = parsed.first()?;
        for _ in &parsed {
            let issuer = top.1.issuer();
            if self.roots.iter().any(|root| root.subject.as_ref() == issuer) {
                return None;
            }
            match parsed.iter().find(|(_, above)| above.subject() == issuer) {
                Some(above) => top = above,
                None => return issuer_url(top.0),
            }
        }
        None
    }

    /// Verifies a signature by one of these certificates: one that leads to a root at this
    /// moment, was issued by Microsoft Corporation, and has an RSA key of 2,048 bits at least.
    ///
    /// No revocation list is asked. A certificate counts only as long as Microsoft goes on
    /// publishing it, which is looked up every hour.
    ///
    /// # Errors
    /// [`Reject::NotAuthentic`] with what does not hold of the first of them.
    pub(super) fn verify(
        &self,
        body: &[u8],
        signature: &[u8],
        now: Timestamp,
    ) -> Result<(), Reject> {
        let mut why = None;
        for certificate in &self.certificates {
            match self.vouches(certificate, body, signature, now) {
                Ok(()) => return Ok(()),
                Err(part) => why = why.or(Some(part)),
            }
        }
        Err(Reject::NotAuthentic(why.unwrap_or("the certificate")))
    }

    fn vouches(
        &self,
        certificate: &CertificateDer<'static>,
        body: &[u8],
        signature: &[u8],
        now: Timestamp,
    ) -> Result<(), &'static str> {
        let parsed = EndEntityCert::try_from(certificate).map_err(|_| "the certificate")?;
        let now = Duration::from_secs(now.as_second().try_into().unwrap_or_default());
        let leads_to_root = parsed.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &self.roots,
            &self.certificates,
            UnixTime::since_unix_epoch(now),
            Tls,
            None,
            None,
        );
        leads_to_root.map_err(|_| "the certificate's chain")?;
        if !issued_by_microsoft(certificate) {
            return Err("the certificate's issuer");
        }
        parsed
            .verify_signature(RSA_PKCS1_2048_8192_SHA256, body, signature)
            .map_err(|_| "the signature")
    }
}

/// What public roots are trusted for. Microsoft documents no usage of this certificate, so either
/// end of TLS will do, as will none; but not the signing of code, which Microsoft offers to
/// everybody under issuers of the same organisation.
struct Tls;

impl ExtendedKeyUsageValidator for Tls {
    fn validate(&self, usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        const SERVER: KeyPurposeId<'_> = KeyPurposeId::new(&[0x2b, 6, 1, 5, 5, 7, 3, 1]);
        const CLIENT: KeyPurposeId<'_> = KeyPurposeId::new(&[0x2b, 6, 1, 5, 5, 7, 3, 2]);
        let mut any = false;
        for usage in usages {
            let usage = usage?;
            if usage == SERVER || usage == CLIENT {
                return Ok(());
            }
            any = true;
        }
        let required =
            RequiredEkuNotFoundContext { required: KeyUsage::server_auth(), present: vec![] };
        if any { Err(webpki::Error::RequiredEkuNotFoundContext(required)) } else { Ok(()) }
    }
}

fn certificates(file: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let mut all: Vec<_> = CertificateDer::pem_slice_iter(file)
        .take(CERTIFICATES_MAX + 1)
        .collect::<Result<_, _>>()
        .ok()?;
    if all.is_empty() {
        all.push(CertificateDer::from(file.to_vec()));
    }
    let are_certificates = all.len() <= CERTIFICATES_MAX
        && all.iter().all(|certificate| EndEntityCert::try_from(certificate).is_ok());
    are_certificates.then_some(all)
}

/// Whether the issuer's organisation is Microsoft's, and no other beside it.
fn issued_by_microsoft(certificate: &CertificateDer<'_>) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let issuer = certificate.tbs_certificate().issuer();
    let mut organizations = issuer.iter().filter(|part| part.oid == ORGANIZATION_NAME);
    let is_microsoft = organizations.next().is_some_and(|part| {
        part.value.decode_as::<DirectoryString>().is_ok_and(|name| name.value() == ORGANIZATION)
    });
    is_microsoft && organizations.next().is_none()
}

/// Where a certificate says that its issuer's is, if that is a place of Microsoft's.
fn issuer_url(certificate: &CertificateDer<'_>) -> Option<Url> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let access = certificate.tbs_certificate().get_extension::<AuthorityInfoAccessSyntax>();
    let (_, access) = access.ok()??;
    let issuers = access.0.iter().filter(|place| place.access_method == CA_ISSUERS);
    let mut urls = issuers.filter_map(|place| {
        let GeneralName::UniformResourceIdentifier(url) = &place.access_location else {
            return None;
        };
        Url::parse(url.as_str()).ok()
    });
    urls.find(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| ISSUER_HOSTS.contains(&host))
            && url.port().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

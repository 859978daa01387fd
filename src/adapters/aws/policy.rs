//! The policy as an object in S3: one signed GET.
//!
//! A policy of some hundred tenants does not fit into a parameter of Systems Manager (8 KB), and
//! the SDK of S3 would bring a dozen crates along to read one file; the signature is the SDK's own.
//!
//! Sources: Amazon S3 API reference, `GetObject`, "Authenticating Requests: Using the Authorization
//! Header (AWS Signature Version 4)"; the names of buckets and their urls in path style.

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::StatusCode;
use jiff::Timestamp;

use crate::adapters::http::Http;
use crate::ports::{Failure, PortError};

/// Reads `s3://BUCKET/KEY`.
///
/// # Errors
/// [`Failure::Gone`], [`Failure::Denied`] and others that say the mend; those of the connection.
pub async fn object(
    config: &SdkConfig,
    http: &Http,
    name: &str,
    now: Timestamp,
) -> Result<String, PortError> {
    let refused = |said: &str| PortError::new(Failure::Refused, format!("{name} {said}"));
    let region = config.region().ok_or_else(|| refused("is in no region: set AWS_REGION"))?;
    let url = url(config.endpoint_url(), region.as_ref(), name)
        .ok_or_else(|| refused("is not s3://BUCKET/KEY"))?;
    let provider = config.credentials_provider();
    let provider = provider.ok_or_else(|| refused("needs AWS credentials"))?;
    let credentials = provider.provide_credentials().await.map_err(|error| {
        let said = format!("{name} cannot be read without AWS credentials");
        PortError::new(Failure::SignInRefused, said).because(error)
    })?;
    let headers = signed(&url, &[], credentials, region.as_ref(), now.into())?;
    let answer = http
        .send("Amazon S3", |client| {
            headers.iter().fold(client.get(&url), |get, (name, value)| get.header(*name, value))
        })
        .await?;
    let kind = match answer.status {
        StatusCode::OK => {
            return String::from_utf8(answer.body.to_vec())
                .map_err(|error| refused("is not UTF-8").because(error));
        }
        StatusCode::NOT_FOUND => (Failure::Gone, "see to the bucket and the key"),
        StatusCode::FORBIDDEN => {
            (Failure::Denied, "give this function's role s3:GetObject on it, or mend its key")
        }
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::BAD_REQUEST => {
            (Failure::Refused, "the bucket may be in another region than this function")
        }
        _ => (Failure::Unintelligible, "see to the bucket"),
    };
    let said = format!("reading {name} was answered with {}; {}", answer.status.as_u16(), kind.1);
    Err(PortError::new(kind.0, said))
}

/// The object's url, in path style: a bucket's name may have dots, which no certificate covers.
fn url(endpoint: Option<&str>, region: &str, name: &str) -> Option<String> {
    let (bucket, key) = name.strip_prefix("s3://")?.split_once('/')?;
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let origin = match endpoint {
        Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
        None => format!("https://s3.{region}.{domain}"),
    };
    (!bucket.is_empty() && !key.is_empty())
        .then(|| format!("{origin}/{}/{}", encoded(bucket), encoded(key)))
}

/// A path as the signature wants it: all but letters, digits and `-._~/` is encoded.
fn encoded(path: &str) -> String {
    path.bytes().fold(String::new(), |mut text, byte| {
        use std::fmt::Write as _;
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

/// The headers that sign a GET without a body.
fn signed(
    url: &str,
    headers: &[(&str, &str)],
    credentials: Credentials,
    region: &str,
    at: SystemTime,
) -> Result<Vec<(&'static str, String)>, PortError> {
    let unsigned = |error: &dyn std::fmt::Display| {
        PortError::new(Failure::Refused, format!("a request to S3 cannot be signed: {error}"))
    };
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(at)
        .settings(settings)
        .build()
        .map_err(|error| unsigned(&error))?;
    let request =
        SignableRequest::new("GET", url, headers.iter().copied(), SignableBody::Bytes(b""));
    let request = request.map_err(|error| unsigned(&error))?;
    let signed = sign(request, &SigningParams::V4(params)).map_err(|error| unsigned(&error))?;
    let (instructions, _) = signed.into_parts();
    let (headers, _) = instructions.into_parts();
    Ok(headers.into_iter().map(|header| (header.name(), header.value().to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the S3 documentation, "Example: GET Object".
    #[test]
    fn the_signature_is_that_of_the_documentation() {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "documentation",
        );
        let url = "https://examplebucket.s3.amazonaws.com/test.txt";
        let at: Timestamp = "2013-05-24T00:00:00Z".parse().unwrap();
        let headers =
            signed(url, &[("range", "bytes=0-9")], credentials, "us-east-1", at.into()).unwrap();
        let authorization = headers.iter().find(|(name, _)| *name == "authorization").unwrap();
        assert_eq!(
            authorization.1,
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
    }

    #[test]
    fn an_object_has_one_url() {
        let url = |region, name| url(None, region, name);
        assert_eq!(
            url("eu-central-1", "s3://my.bucket/a b/policy+1.yaml").as_deref(),
            Some("https://s3.eu-central-1.amazonaws.com/my.bucket/a%20b/policy%2B1.yaml")
        );
        assert_eq!(
            url("cn-north-1", "s3://b/p.yaml").as_deref(),
            Some("https://s3.cn-north-1.amazonaws.com.cn/b/p.yaml")
        );
        for name in ["policy.yaml", "s3://", "s3://bucket", "s3://bucket/", "s3:///key"] {
            assert_eq!(url("eu-central-1", name), None, "{name}");
        }
    }
}

//! The roots that this machine trusts, read once for a process, whoever needs them: reading and
//! decoding them takes longer than all else that a client is made of.

use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

/// Takes these for the roots of this machine. Once roots were needed they stay as they are.
#[cfg(feature = "aws")]
pub(in crate::adapters) fn take(roots: Vec<CertificateDer<'static>>) {
    drop(ROOTS.set(roots));
}

/// The roots.
pub(in crate::adapters) fn roots() -> &'static [CertificateDer<'static>] {
    ROOTS.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

/// TLS as clients of HTTP speak it that believe these roots; nothing where there are none.
pub(in crate::adapters) fn tls() -> Option<ClientConfig> {
    static TLS: OnceLock<Option<ClientConfig>> = OnceLock::new();
    TLS.get_or_init(|| believing(roots())).clone()
}

pub(in crate::adapters) fn believing(roots: &[CertificateDer<'static>]) -> Option<ClientConfig> {
    let mut store = RootCertStore::empty();
    // A system may hold some that cannot be read; what they sign is not believed.
    let (readable, _) = store.add_parsable_certificates(roots.iter().cloned());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().ok()?;
    let mut config = builder.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (readable > 0).then_some(config)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use rustls::{ClientConnection, ServerConfig, ServerConnection};
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject as _;
    use serde_json::Value;

    use super::*;
    use crate::adapters::testing::quick;
    use crate::ports::chain;

    fn vector(name: &str) -> String {
        let vectors = include_str!("../../../tests/data/tls-openssl.json");
        let vectors: Value = serde_json::from_str(vectors).unwrap();
        vectors[name].as_str().unwrap().to_owned()
    }

    fn certificate(name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(vector(name).as_bytes()).unwrap()
    }

    /// A server on loopback with a certificate that no public root knows. It shakes hands with
    /// `clients` of them.
    fn server(clients: usize) -> SocketAddr {
        let key = PrivateKeyDer::from_pem_slice(vector("keyPem").as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate("certificatePem")], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for _ in 0..clients {
                let (mut stream, _) = listener.accept().unwrap();
                let mut server = ServerConnection::new(Arc::clone(&config)).unwrap();
                // Whoever does not believe it breaks off.
                drop(server.complete_io(&mut stream));
            }
        });
        address
    }

    /// Shakes hands with the server; says what was wrong.
    fn shake(
        address: SocketAddr,
        name: &str,
        roots: &[CertificateDer<'static>],
    ) -> Result<(), String> {
        let config = Arc::new(believing(roots).unwrap());
        let name = name.to_owned().try_into().unwrap();
        let mut client = ClientConnection::new(config, name).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        while client.is_handshaking() {
            client.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    #[test]
    fn a_server_is_believed_by_its_root_and_its_name() {
        let address = server(4);
        let root = certificate("rootPem");
        assert_eq!(shake(address, "localhost", std::slice::from_ref(&root)), Ok(()));
        assert_eq!(shake(address, "127.0.0.1", std::slice::from_ref(&root)), Ok(()));
        let other = shake(address, "graph.example", &[root]).unwrap_err();
        assert!(other.contains("not valid for name"), "{other}");
        let stranger = shake(address, "localhost", roots()).unwrap_err();
        assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    }

    #[tokio::test]
    async fn the_client_believes_no_other_roots_than_the_machines() {
        let url = format!("https://{}/", server(1));
        let error = quick().once("the server", |client| client.get(&url)).await.unwrap_err();
        assert!(chain(&error).contains("UnknownIssuer"), "{}", chain(&error));
    }

    #[test]
    fn no_readable_root_is_no_tls() {
        assert!(believing(&[]).is_none());
        assert!(believing(&[CertificateDer::from(vec![1, 2, 3])]).is_none());
        assert!(believing(&[CertificateDer::from(vec![1]), certificate("rootPem")]).is_some());
    }
}

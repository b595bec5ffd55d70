//! TLS: the certificates that a connection trusts and presents.

use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// In PEM, as configured.
#[derive(Clone, Default)]
pub(crate) struct Certificates {
    pub(crate) roots: Option<Vec<u8>>,
    /// The certificate with its chain, and its key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
}

impl Certificates {
    pub(crate) const fn is_empty(&self) -> bool {
        self.roots.is_none() && self.client.is_none()
    }

    /// The server with these certificates, if it uses TLS. The error names the part that cannot be read.
    pub(crate) fn equip(&self, server: ConnectionInfo) -> Result<ConnectionInfo, String> {
        if self.is_empty() || !is_used_by(&server) {
            return Ok(server);
        }
        if let Some(roots) = &self.roots {
            certificates_in(roots, "the root certificates")?;
        }
        if let Some((certificate, key)) = &self.client {
            certificates_in(certificate, "the client certificate")?;
            PrivateKeyDer::from_pem_slice(key).map_err(|_| {
                "the key of the client certificate cannot be read; give a private key in PEM".to_owned()
            })?;
        }
        let certificates = TlsCertificates {
            root_cert: self.roots.clone(),
            client_tls: self
                .client
                .clone()
                .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
        };
        let client = Client::build_with_tls(server, certificates)
            .map_err(|error| format!("the TLS certificates cannot be used ({error})"))?;
        Ok(client.get_connection_info().clone())
    }
}

fn certificates_in(pem: &[u8], what: &str) -> Result<(), String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(()),
        _ => Err(format!("{what} cannot be read; give certificates in PEM")),
    }
}

/// Whether connections to this server use TLS.
pub(crate) fn is_used_by(server: &ConnectionInfo) -> bool {
    matches!(server.addr(), ConnectionAddr::TcpTls { .. })
}

/// An address with TLS.
pub(crate) fn address(host: &str, port: u16) -> ConnectionAddr {
    ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None }
}

/// rustls leaves the choice of its cryptography to the program, and panics at the first connection if there is none. So
/// choose ring, unless the program has made a choice.
pub(crate) fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // another thread may have been faster, and chosen, too
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use crate::config::RedisConfig;

    fn said(config: RedisConfig) -> String {
        config.check().err().expect("an error").to_string()
    }

    #[test]
    fn certificates_that_cannot_be_read_are_named() {
        let config = || RedisConfig::new("rediss://localhost");
        assert!(said(config().root_certificates("nothing")).contains("the root certificates"));
        assert!(said(config().client_certificate("nothing", "nothing")).contains("the client certificate"));
    }

    #[test]
    fn certificates_without_tls_are_a_mistake() {
        assert!(said(RedisConfig::new("redis://localhost").root_certificates("x")).contains("rediss://"));
        assert!(said(RedisConfig::new("redis://localhost").tls()).contains("rediss://"));
    }
}

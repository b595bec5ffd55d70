//! TLS: a private authority, certificates of clients, and ports that speak something else.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use taskora::AdapterError;
use taskora::adapter::{Enqueued, Jobs, Signals};
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::{RedisServer, Sentinels, ServerError, TlsFiles};

use crate::announcer::Announcer;
use crate::kit::{drain, job, patient};

/// A server that asks for certificates of its authority, and one for a client.
struct Stage {
    server: RedisServer,
    _files: Files,
    root: String,
    certificate: String,
    key: String,
}

impl Stage {
    /// `None` if the server is built without TLS, as some that are fetched for tests are.
    fn start() -> Option<Self> {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.distinguished_name.push(DnType::CommonName, "the authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = authority.self_signed(&authority_key).expect("a root").pem();
        let issuer = Issuer::new(authority, authority_key);
        let signed = |name: &str| {
            let key = KeyPair::generate().expect("a key");
            let certificate =
                CertificateParams::new(vec![name.to_owned()]).expect("a name").signed_by(&key, &issuer);
            (certificate.expect("a certificate").pem(), key.serialize_pem())
        };
        let files = Files::new();
        let (server_certificate, server_key) = signed("127.0.0.1");
        let write = |name: &str, text: &str| files.write(name, text);
        let tls = TlsFiles {
            authority: write("ca.pem", &root),
            certificate: write("server.pem", &server_certificate),
            key: write("server.key", &server_key),
        };
        let (certificate, key) = signed("a-client");
        match RedisServer::builder().tls(tls).start() {
            Ok(server) => Some(Self { server, _files: files, root, certificate, key }),
            Err(ServerError::Ended { log }) if log.contains("Failed finding TLS support") => {
                eprintln!("skipped: this server is built without TLS");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn config(&self) -> RedisConfig {
        patient(format!("rediss://127.0.0.1:{}", self.server.tls_port().expect("a port")))
    }
}

/// A directory of a test's own, gone when it is dropped.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("taskora-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_one() {
    let Some(stage) = Stage::start() else { return };
    let trusting = || stage.config().root_certificates(stage.root.as_str());
    let known = || trusting().client_certificate(stage.certificate.as_str(), stage.key.as_str());
    let adapter = RedisAdapter::connect(known()).await.expect("connect");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
    assert_eq!(drain(&adapter, "w").await, 1);
    // also on the connection for pushes
    assert!(adapter.ended(&"a".into()).await.expect("ended").is_some());

    let error = RedisAdapter::connect(trusting()).await.expect_err("a stranger");
    assert!(matches!(&error, AdapterError::Unavailable { message, .. } if !message.is_empty()), "{error:?}");
    let error = RedisAdapter::connect(stage.config()).await.expect_err("an authority that nobody knows");
    assert!(error.to_string().contains("certificate"), "{error}");
    assert!(!format!("{:?}", known()).contains("PRIVATE"));
}

#[tokio::test]
async fn certificates_hold_for_a_master_that_sentinels_name() {
    let Some(stage) = Stage::start() else { return };
    let sentinel = Announcer::start(stage.server.tls_port().expect("a port")).await;
    let config = RedisConfig::sentinel([sentinel.url()], Sentinels::MASTER)
        .tls()
        .root_certificates(stage.root.as_str())
        .client_certificate(stage.certificate.as_str(), stage.key.as_str());
    let adapter = RedisAdapter::connect(config).await.expect("connect");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
}

#[tokio::test]
async fn a_port_without_tls_is_named_within_the_time_of_a_connection() {
    let server = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
    for password in ["", "hush"] {
        server.command(&["CONFIG", "SET", "requirepass", password]).expect("an answer");
        let url = format!("rediss://:hush@127.0.0.1:{}", server.port());
        let error = RedisAdapter::connect(patient(url).connect_timeout(Duration::from_secs(2))).await;
        let error = error.expect_err("it does not speak TLS");
        let AdapterError::Config(said) = &error else { panic!("{error:?}") };
        assert!(
            said.contains("without TLS") && said.contains("redis://") && !said.contains("hush"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_port_with_tls_is_named_to_a_plain_client() {
    let Some(stage) = Stage::start() else { return };
    let url = format!("redis://127.0.0.1:{}", stage.server.tls_port().expect("a port"));
    let error = RedisAdapter::connect(url).await.expect_err("it speaks TLS");
    let AdapterError::Config(said) = &error else { panic!("{error:?}") };
    assert!(said.contains("speaks TLS") && said.contains("rediss://"), "{said}");
}

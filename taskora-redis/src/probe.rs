//! Finds out what a port speaks if a connection fails, plain Redis or TLS, so that the error can say it.

use std::io;
use std::time::Duration;

use redis::ConnectionAddr;
use taskora::AdapterError;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::route::Target;

/// How long the port may take to show what it speaks.
const PATIENCE: Duration = Duration::from_millis(300);

/// The beginning of a TLS connection, a `ClientHello` for TLS 1.2. It need not succeed, because a refusal is TLS, too.
fn client_hello() -> Vec<u8> {
    let record = [0x16, 3, 1, 0, 47]; // record: handshake, length
    let hello = [1, 0, 0, 43]; // message: `ClientHello`, length
    let random = [0; 32];
    let ciphers = [0, 4, 0xc0, 0x2f, 0xc0, 0x2b];
    let (version, no_session, no_compression) = ([3, 3], [0], [1, 0]);
    [&record[..], &hello, &version, &random, &no_session, &ciphers, &no_compression].concat()
}

/// Makes an attempt to connect, and explains the failure if the port speaks the other protocol. Failures for which
/// `is_suspect` is true may have that cause. A plain server does not answer a TLS client at all, so in that case the port is
/// probed after `half` of the time.
pub(crate) async fn explain<T>(
    opened: impl Future<Output = Result<T, AdapterError>>,
    target: &Target,
    is_suspect: impl FnOnce() -> bool,
    half: Duration,
) -> Result<T, AdapterError> {
    let mut opened = std::pin::pin!(opened);
    let address = target.server.addr();
    let is_tls = matches!(address, ConnectionAddr::TcpTls { .. });
    let early = async {
        if is_tls {
            sleep(half).await;
            if let Some(why) = misunderstanding(address).await {
                return why;
            }
        }
        std::future::pending().await
    };
    let why = tokio::select! {
        biased;
        result = &mut opened => match result {
            Err(error) if is_suspect() => match misunderstanding(address).await {
                Some(why) => why,
                None => return Err(error),
            },
            result => return result,
        },
        why = early => why,
    };
    Err(AdapterError::Config(format!("the server at `{}` cannot be used: {why}", target.address)))
}

/// The explanation if the port at this address speaks the other protocol; `None` if that does not show.
pub(crate) async fn misunderstanding(address: &ConnectionAddr) -> Option<&'static str> {
    match address {
        ConnectionAddr::TcpTls { host, port, .. } => {
            let answer = answer_to(host, *port, b"PING\r\n").await?;
            let is_plain = ["+PONG", "-NOAUTH", "-DENIED", "-ERR", "-NOPERM"]
                .iter()
                .any(|begin| answer.starts_with(begin.as_bytes()));
            is_plain.then_some("this port speaks Redis without TLS; use `redis://`, or the port for TLS")
        }
        ConnectionAddr::Tcp(host, port) => {
            let answer = answer_to(host, *port, &client_hello()).await?;
            // a record of the kind handshake or alert
            let is_tls = matches!(answer.first_chunk(), Some([0x15 | 0x16, 3]));
            is_tls.then_some(if cfg!(feature = "rustls") {
                "this port speaks TLS; use `rediss://`, or the port without TLS"
            } else {
                "this port speaks TLS; use `rediss://` with the feature `rustls` of `taskora-redis`, \
                 or the port without TLS"
            })
        }
        _ => None,
    }
}

/// The first bytes that come back.
async fn answer_to(host: &str, port: u16, said: &[u8]) -> Option<Vec<u8>> {
    let asked = async {
        let stream = TcpStream::connect((host, port)).await.ok()?;
        stream.writable().await.ok()?;
        // it fits into the empty send buffer
        stream.try_write(said).ok()?;
        let mut answer = vec![0; 16];
        loop {
            stream.readable().await.ok()?;
            match stream.try_read(&mut answer) {
                Ok(count) => {
                    answer.truncate(count);
                    return Some(answer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    };
    timeout(PATIENCE, asked).await.ok().flatten()
}

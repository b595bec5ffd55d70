//! A TCP proxy that loses things on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to what the server answers.
#[derive(Clone, Copy, PartialEq)]
#[repr(u8)]
pub(crate) enum Fate {
    /// It arrives.
    Pass,
    /// The next answer is lost, and its connection with it.
    CutNext,
    /// The next answer is lost, and its connection with it; then as `Hold`.
    CutAndHold,
    /// It arrives when the fate is another one.
    Hold,
    /// Connections stay open, and nothing arrives any more.
    Swallow,
    /// It arrives two fifths of a second late.
    Late,
}

/// The proxy; it lives as long as its runtime.
pub(crate) struct Proxy {
    port: u16,
    fate: Arc<AtomicU8>,
    connections: Arc<AtomicUsize>,
    answers: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let fate = Arc::new(AtomicU8::new(Fate::Pass as u8));
        let connections = Arc::new(AtomicUsize::new(0));
        let answers = Arc::new(AtomicUsize::new(usize::MAX));
        let (shared, count, left) = (Arc::clone(&fate), Arc::clone(&connections), Arc::clone(&answers));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(relay(client, server, Arc::clone(&shared), Arc::clone(&left)));
            }
        });
        Self { port, fate, connections, answers }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, fate: Fate) {
        self.fate.store(fate as u8, Ordering::SeqCst);
    }

    /// So many answers arrive from now on, and then nothing does: as if the client had died there.
    pub(crate) fn let_through(&self, answers: usize) {
        self.answers.store(answers, Ordering::SeqCst);
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn relay(client: TcpStream, server: u16, fate: Arc<AtomicU8>, answers: Arc<AtomicUsize>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    };
    let back = async {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let (cut, pass) = (Fate::CutNext as u8, Fate::Pass as u8);
            if fate.compare_exchange(cut, pass, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return;
            }
            let (cut, hold) = (Fate::CutAndHold as u8, Fate::Hold as u8);
            if fate.compare_exchange(cut, hold, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return;
            }
            while fate.load(Ordering::SeqCst) == hold {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if fate.load(Ordering::SeqCst) == Fate::Swallow as u8 {
                std::future::pending::<()>().await;
            }
            if fate.load(Ordering::SeqCst) == Fate::Late as u8 {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
            if answers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
                std::future::pending::<()>().await;
            }
            if to_client.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}

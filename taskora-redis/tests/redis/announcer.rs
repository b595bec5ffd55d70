//! A sentinel that a test can tell what to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use taskora_test_server::Sentinels;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::{JoinHandle, JoinSet};

/// Names one of two masters, and announces when it is another one. What a partition shows: the old one answers as before.
pub(crate) struct Announcer {
    port: u16,
    master: Arc<AtomicU16>,
    announce: broadcast::Sender<String>,
    serving: JoinHandle<()>,
}

impl Announcer {
    pub(crate) async fn start(master: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (master, announce) = (Arc::new(AtomicU16::new(master)), broadcast::Sender::new(16));
        let (named, announced) = (Arc::clone(&master), announce.clone());
        let serving = tokio::spawn(async move {
            // they end with the task that holds them
            let mut clients = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                clients.spawn(Self::serve(client, Arc::clone(&named), announced.subscribe()));
            }
        });
        Self { port, master, announce, serving }
    }

    async fn serve(
        mut client: TcpStream,
        master: Arc<AtomicU16>,
        mut announced: broadcast::Receiver<String>,
    ) {
        let mut buffer = vec![0; 4096];
        loop {
            let answer = tokio::select! {
                message = announced.recv() => {
                    let Ok(message) = message else { return };
                    let head = ">3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n";
                    format!("{head}${}\r\n{message}\r\n", message.len())
                }
                read = client.read(&mut buffer) => {
                    let Ok(count @ 1..) = read else { return };
                    let said = String::from_utf8_lossy(&buffer[..count]).into_owned();
                    let port = master.load(Ordering::SeqCst).to_string();
                    let mut answer = String::new();
                    // each command is the first word of its own array
                    for command in said.split('*').skip(1) {
                        answer += &match command {
                            hello if hello.contains("HELLO") => "%1\r\n$5\r\nproto\r\n:3\r\n".to_owned(),
                            ask if ask.contains("GET-MASTER-ADDR-BY-NAME") => {
                                format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
                            }
                            subscribe if subscribe.contains("SUBSCRIBE") => {
                                ">3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n".to_owned()
                            }
                            _ => "+OK\r\n".to_owned(),
                        };
                    }
                    answer
                }
            };
            if client.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Names another master, and announces nothing. The one before.
    pub(crate) fn name(&self, master: u16) -> u16 {
        self.master.swap(master, Ordering::SeqCst)
    }

    /// It goes away, with all of its connections.
    pub(crate) async fn end(self) {
        self.serving.abort();
        let _ = self.serving.await;
    }

    /// Names another master, and announces it.
    pub(crate) fn switch(&self, to: u16) {
        let from = self.name(to);
        let message = format!("{} 127.0.0.1 {from} 127.0.0.1 {to}", Sentinels::MASTER);
        self.announce.send(message).expect("somebody listens");
    }
}

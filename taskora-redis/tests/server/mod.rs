//! A Redis server of a test's own: on a free port, in a new directory, gone with the test.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The server; dropping it kills the process and removes the directory.
pub(crate) struct Server {
    process: Child,
    port: u16,
    directory: PathBuf,
    options: Vec<String>,
}

#[allow(dead_code, reason = "each test binary uses a part of it")]
impl Server {
    /// Starts a server that keeps nothing.
    pub(crate) fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"])
    }

    /// Starts a server with these options.
    pub(crate) fn with(options: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("taskora-redis-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory for the server");
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        // another process may take the port before the server does
        for _ in 0..20 {
            let port = free_port();
            if let Some(process) = launch(port, &directory, &options) {
                return Self { process, port, directory, options };
            }
        }
        panic!("redis-server does not start; try it by hand");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("kill the server");
        self.process.wait().expect("wait for the server");
    }

    /// Starts it again on the same port, with what it has kept.
    pub(crate) fn restart(&mut self) {
        self.process = launch(self.port, &self.directory, &self.options).expect("the server starts again");
    }

    /// Runs one command by hand and answers what `redis-cli` prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-p").arg(self.port.to_string()).args(arguments).output();
        String::from_utf8_lossy(&output.expect("run `redis-cli`").stdout).trim_end().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}

/// `None` if the process ends at once, as it does if the port is taken.
fn launch(port: u16, directory: &PathBuf, options: &[String]) -> Option<Child> {
    let mut process = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(directory)
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("cannot run `redis-server` ({error}); install it with `apt-get install redis-server`")
        });
    let patience = Instant::now() + Duration::from_secs(10);
    while Instant::now() < patience {
        if process.try_wait().expect("ask after the server").is_some() {
            return None;
        }
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

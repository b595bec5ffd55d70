//! A real `redis-server` of one's own, for tests and benches: on a free port, in a fresh directory, and gone when its
//! owner is, however the owner ends.
//!
//! ```no_run
//! use taskora_test_server::RedisServer;
//!
//! # fn main() -> Result<(), taskora_test_server::ServerError> {
//! let server = RedisServer::start()?;
//! println!("{}", server.url());
//! # Ok(()) }
//! ```

mod cluster;
mod error;
mod process;
mod sentinel;
mod wire;

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub use cluster::Cluster;
pub use error::ServerError;
use process::Process;
pub use sentinel::Sentinels;
pub use wire::Reply;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often another port is tried when somebody else was faster.
const PORTS: usize = 5;

/// Settings of a [`RedisServer`].
#[derive(Debug, Clone, Default)]
pub struct Builder {
    password: Option<String>,
    args: Vec<String>,
    tls: Option<TlsFiles>,
}

/// Files of a server with TLS, in PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate of the authority that certificates of clients must come from.
    pub authority: PathBuf,
    /// The server's own certificate.
    pub certificate: PathBuf,
    /// The key of that.
    pub key: PathBuf,
}

impl Builder {
    /// The password that the server asks for; none by default.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Further arguments of `redis-server`, such as `["--appendonly", "yes"]`; they replace the defaults, which
    /// keep nothing on disk.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Keeps an append-only file, written to the disk as `fsync` says: `always`, `everysec` or `no`.
    #[must_use]
    pub fn append_only(self, fsync: &str) -> Self {
        self.args(["--appendonly", "yes", "--appendfsync", fsync])
    }

    /// Listens with TLS, too, on a port of its own, and asks every client there for a certificate.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Makes it a replica of another server, which has no password.
    #[must_use]
    pub fn replica_of(self, main: &RedisServer) -> Self {
        let port = main.port().to_string();
        // without the wait for further replicas, the first copy begins at once
        self.args(["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"])
    }

    /// Starts the server, and waits until it answers.
    ///
    /// # Errors
    /// [`ServerError`], if `redis-server` is not installed, does not start or does not answer.
    pub fn start(self) -> Result<RedisServer, ServerError> {
        let dir = fresh_dir().map_err(ServerError::Machine)?;
        let mut server = RedisServer { settings: self, port: 0, tls_port: 0, dir, process: None };
        for _ in 0..PORTS {
            server.port = free_port().map_err(ServerError::Machine)?;
            server.tls_port = free_port().map_err(ServerError::Machine)?;
            match server.launch() {
                Err(ServerError::PortTaken) => {}
                started => return started.map(|()| server),
            }
        }
        Err(ServerError::PortTaken)
    }
}

/// A running `redis-server`. Dropping it ends the server and removes its files; so does the end of this process, also a
/// sudden one.
#[derive(Debug)]
pub struct RedisServer {
    settings: Builder,
    port: u16,
    tls_port: u16,
    dir: PathBuf,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts a server with the default settings.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn start() -> Result<Self, ServerError> {
        Self::builder().start()
    }

    /// Settings other than the defaults.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens; the same after a restart.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens with TLS, if it does.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.settings.tls.as_ref().map(|_| self.tls_port)
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Where it listens, as a URL, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.settings.password {
            Some(password) => format!("redis://:{password}@{}", self.address()),
            None => format!("redis://{}", self.address()),
        }
    }

    /// Sends one command on a connection of its own, and returns the answer.
    ///
    /// # Errors
    /// If the server cannot be reached, or answers something that is not RESP2. What the server itself calls an error
    /// is a [`Reply::Error`].
    pub fn command<A: AsRef<[u8]>>(&self, command: &[A]) -> std::io::Result<Reply> {
        wire::Connection::open(self.port, self.settings.password.as_deref())?.command(command)
    }

    /// A field of `INFO`, such as `total_commands_processed`; `None` if there is none of this name.
    ///
    /// # Errors
    /// As [`RedisServer::command`].
    pub fn info(&self, field: &str) -> std::io::Result<Option<String>> {
        let answer = self.command(&["INFO", "everything"])?;
        let fields = answer.text().unwrap_or_default();
        Ok(fields
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned()))
    }

    /// Changes a setting at run time, such as `maxmemory`.
    ///
    /// # Errors
    /// As [`RedisServer::command`]; also if the server refuses.
    pub fn configure(&self, setting: &str, value: &str) -> std::io::Result<()> {
        self.expect_ok(&["CONFIG", "SET", setting, value])
    }

    /// Makes a replica a main server: the last step of a failover.
    ///
    /// # Errors
    /// As [`RedisServer::configure`].
    pub fn promote(&self) -> std::io::Result<()> {
        self.expect_ok(&["REPLICAOF", "NO", "ONE"])
    }

    /// Waits until a replica has its first copy and follows its main server.
    ///
    /// # Errors
    /// As [`RedisServer::command`]; also if it takes too long.
    pub fn until_in_sync(&self) -> std::io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.info("master_link_status")?.as_deref() != Some("up") {
            if Instant::now() > deadline {
                return Err(std::io::Error::other(format!("the replica is not in sync after {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// How much a main server has written for its replicas.
    ///
    /// # Errors
    /// As [`RedisServer::command`].
    pub fn written(&self) -> std::io::Result<u64> {
        self.offset("master_repl_offset")
    }

    /// Waits until a replica has what its main server had [written](Self::written).
    ///
    /// # Errors
    /// As [`RedisServer::until_in_sync`].
    pub fn until_it_has(&self, written: u64) -> std::io::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.offset("slave_repl_offset")? < written {
            if Instant::now() > deadline {
                return Err(std::io::Error::other(format!("the replica is behind after {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    fn offset(&self, field: &str) -> std::io::Result<u64> {
        let text = self.info(field)?.unwrap_or_default();
        text.parse().map_err(|_| std::io::Error::other(format!("an odd `{field}`: `{text}`")))
    }

    /// Stops the server where it is (`SIGSTOP`): it accepts connections, and says nothing.
    ///
    /// # Errors
    /// If the machine refuses the signal.
    pub fn freeze(&self) -> std::io::Result<()> {
        self.signal("STOP")
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// As [`RedisServer::freeze`].
    pub fn thaw(&self) -> std::io::Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> std::io::Result<()> {
        let process =
            self.process.as_ref().ok_or_else(|| std::io::Error::other("the server does not run"))?;
        let mut kill = std::process::Command::new("kill");
        match kill.args([&format!("-{name}"), &process.id().to_string()]).status()? {
            status if status.success() => Ok(()),
            status => Err(std::io::Error::other(format!("`kill -{name}` ended with {status}"))),
        }
    }

    fn expect_ok(&self, command: &[&str]) -> std::io::Result<()> {
        match self.command(command)? {
            Reply::Text(text) if text == "OK" => Ok(()),
            other => Err(std::io::Error::other(format!("{command:?} was answered with {other:?}"))),
        }
    }

    /// Kills the server, as a crash would (`SIGKILL`). Its files stay for [`RedisServer::restart`].
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Kills the server if it runs, starts it again on the same port, and waits until it answers.
    ///
    /// # Errors
    /// As [`Builder::start`]; [`ServerError::PortTaken`] if somebody else took the port meanwhile.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        self.launch()
    }

    fn launch(&mut self) -> Result<(), ServerError> {
        let password = self.settings.password.as_deref();
        let mut process = Process::start(&self.dir, &self.arguments())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            process.check()?;
            // somebody else may have been faster at this port, so it must be this very process that answers
            let is_it = wire::is_process(process.id(), self.port, password).unwrap_or(false);
            // until its files are read, it answers nearly everything with an error
            if is_it && self.command(&["PING"]).is_ok_and(|pong| pong == Reply::Text("PONG".into())) {
                self.process = Some(process);
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ServerError::Silent { waited: PATIENCE, log: process.log() });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl RedisServer {
    fn arguments(&self) -> Vec<OsString> {
        let Builder { password, args, tls } = &self.settings;
        let mut arguments: Vec<OsString> =
            vec!["--port".into(), self.port.to_string().into(), "--bind".into(), "127.0.0.1".into()];
        arguments.extend(["--dir".into(), self.dir.clone().into()]);
        arguments.extend(["--save", "", "--appendonly", "no"].map(OsString::from));
        if let Some(password) = password {
            arguments.extend(["--requirepass".into(), password.into()]);
        }
        if let Some(TlsFiles { authority, certificate, key }) = tls {
            arguments.extend(["--tls-port".into(), self.tls_port.to_string().into()]);
            let files = [
                ("--tls-ca-cert-file", authority),
                ("--tls-cert-file", certificate),
                ("--tls-key-file", key),
            ];
            for (name, file) in files {
                arguments.extend([name.into(), file.into()]);
            }
        }
        arguments.extend(args.iter().map(OsString::from));
        arguments
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        // what cannot be removed is in the system's directory for such files
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn fresh_dir() -> std::io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("taskora-redis-{}-{number}", std::process::id()));
        match std::fs::create_dir(&dir) {
            // left behind by an earlier process of this id
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            created => return created.map(|()| dir),
        }
    }
}

#[cfg(test)]
mod tests;

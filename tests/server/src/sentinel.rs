//! Redis Sentinel: a master, a replica, and three sentinels that watch them.

use std::fmt::Write;
use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::process::Process;
use super::{PORTS, RedisServer, Reply, ServerError, free_port, fresh_dir, wire};

/// How long the sentinels may take to agree.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many must agree that the master is down.
const QUORUM: usize = 2;

/// Servers and their sentinels. They end when this is dropped.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    port: u16,
    dir: PathBuf,
    password: Option<String>,
    process: Option<Process>,
}

impl Sentinels {
    /// What the sentinels call the master.
    pub const MASTER: &'static str = "main";

    /// Starts a master, a replica and three sentinels, and waits until all of them know each other.
    ///
    /// # Errors
    /// [`ServerError`], if a server does not start, or they do not agree in time.
    pub fn start() -> Result<Self, ServerError> {
        Self::with_passwords(None, None)
    }

    /// As [`Sentinels::start`], with a password that the servers ask for, and one that the sentinels do.
    ///
    /// # Errors
    /// As [`Sentinels::start`].
    pub fn with_passwords(servers: Option<&str>, sentinels: Option<&str>) -> Result<Self, ServerError> {
        let builder = || {
            let builder = RedisServer::builder().args(["--repl-diskless-sync-delay", "0"]);
            match servers {
                Some(password) => builder.password(password).args(["--masterauth", password]),
                None => builder,
            }
        };
        let master = builder().start()?;
        let replica = builder().replica_of(&master).start()?;
        replica.until_in_sync().map_err(ServerError::Machine)?;
        let mut all = Self { servers: vec![master, replica], sentinels: Vec::new() };
        for _ in 0..3 {
            all.sentinels.push(Sentinel::start(&all.servers[0], servers, sentinels)?);
        }
        all.until_agreed()?;
        Ok(all)
    }

    /// Every sentinel knows the other two and the replica: only then can they elect somebody.
    fn until_agreed(&self) -> Result<(), ServerError> {
        let deadline = Instant::now() + PATIENCE;
        let agrees = |sentinel: &Sentinel| {
            let field = |name| sentinel.field(name).unwrap_or_default();
            field("num-other-sentinels") == "2" && field("num-slaves") == "1"
        };
        while !self.sentinels.iter().all(agrees) {
            if Instant::now() > deadline {
                let log = self.sentinels.first().and_then(|sentinel| sentinel.process.as_ref());
                let log = log.map(Process::log).unwrap_or_default();
                return Err(ServerError::Silent { waited: PATIENCE, log });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The URLs of the sentinels, without a password.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let url = |sentinel: &Sentinel| format!("redis://{}:{}", Ipv4Addr::LOCALHOST, sentinel.port);
        self.sentinels.iter().map(url).collect()
    }

    /// First the server that began as the master, then the other one.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The server that is the master for the first sentinel that answers.
    ///
    /// # Errors
    /// If no sentinel answers, or names somebody else's server.
    pub fn master(&self) -> io::Result<usize> {
        let answers = self.sentinels.iter().filter_map(|sentinel| {
            sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER]).ok()
        });
        let Some(Reply::List(address)) = answers.into_iter().next() else {
            return Err(io::Error::other("no sentinel answers"));
        };
        let port = address.get(1).and_then(Reply::text).unwrap_or_default();
        let found = self.servers.iter().position(|server| server.port().to_string() == port);
        found.ok_or_else(|| io::Error::other(format!("the master is at the port `{port}`")))
    }

    /// Asks for a failover without need, as an operator would. What is refused while the servers are not ready for one is an
    /// error.
    ///
    /// # Errors
    /// If the sentinels cannot do it now.
    pub fn fail_over(&self) -> io::Result<()> {
        match self.sentinels[0].command(&["SENTINEL", "FAILOVER", Self::MASTER])? {
            Reply::Text(text) if text == "OK" => Ok(()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// Sends a command to each of the sentinels.
    ///
    /// # Errors
    /// If one cannot be reached, or refuses.
    pub fn command(&self, command: &[&str]) -> io::Result<()> {
        self.sentinels.iter().try_for_each(|sentinel| match sentinel.command(command)? {
            Reply::Error(error) => Err(io::Error::other(error)),
            _ => Ok(()),
        })
    }

    /// Kills this server, as a crash would.
    ///
    /// # Panics
    /// If there is no such server.
    pub fn kill(&mut self, server: usize) {
        self.servers[server].kill();
    }

    /// Kills this sentinel, as a crash would.
    ///
    /// # Panics
    /// If there is no such sentinel.
    pub fn kill_sentinel(&mut self, sentinel: usize) {
        self.sentinels[sentinel].process = None;
    }
}

impl Sentinel {
    fn start(master: &RedisServer, auth: Option<&str>, own: Option<&str>) -> Result<Self, ServerError> {
        let dir = fresh_dir().map_err(ServerError::Machine)?;
        let mut sentinel = Self { port: 0, dir, password: own.map(str::to_owned), process: None };
        for _ in 0..PORTS {
            sentinel.port = free_port().map_err(ServerError::Machine)?;
            let file = sentinel.write_settings(master, auth).map_err(ServerError::Machine)?;
            match sentinel.launch(file) {
                Err(ServerError::PortTaken) => {}
                started => return started.map(|()| sentinel),
            }
        }
        Err(ServerError::PortTaken)
    }

    /// A sentinel writes what it learns into its settings.
    fn write_settings(&self, master: &RedisServer, auth: Option<&str>) -> io::Result<PathBuf> {
        let (dir, name, quorum) = (self.dir.display(), Sentinels::MASTER, QUORUM);
        let mut settings = format!("port {}\nbind 127.0.0.1\ndir {dir}\n", self.port);
        let lines = [
            format!("monitor {name} 127.0.0.1 {} {quorum}", master.port()),
            format!("down-after-milliseconds {name} 1000"),
            format!("failover-timeout {name} 5000"),
        ];
        let passwords = [
            auth.map(|password| format!("auth-pass {name} {password}")),
            // they ask each other for it, too
            self.password.as_ref().map(|password| format!("sentinel-pass {password}")),
        ];
        for line in lines.into_iter().chain(passwords.into_iter().flatten()) {
            let _ = writeln!(settings, "sentinel {line}");
        }
        if let Some(password) = &self.password {
            let _ = writeln!(settings, "requirepass {password}");
        }
        let file = self.dir.join("sentinel.conf");
        std::fs::write(&file, settings)?;
        Ok(file)
    }

    fn launch(&mut self, file: PathBuf) -> Result<(), ServerError> {
        let mut process = Process::start(&self.dir, &[file, "--sentinel".into()])?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            process.check()?;
            if wire::is_process(process.id(), self.port, self.password.as_deref()).unwrap_or(false) {
                self.process = Some(process);
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(ServerError::Silent { waited: PATIENCE, log: process.log() });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn command(&self, command: &[&str]) -> io::Result<Reply> {
        wire::Connection::open(self.port, self.password.as_deref())?.command(command)
    }

    /// What it knows of the master.
    fn field(&self, name: &str) -> io::Result<String> {
        let Reply::List(fields) = self.command(&["SENTINEL", "MASTER", Sentinels::MASTER])? else {
            return Ok(String::new());
        };
        let mut pairs =
            fields.chunks(2).filter_map(|pair| Some((pair.first()?.text()?, pair.get(1)?.text()?)));
        Ok(pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).unwrap_or_default())
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.process = None;
        // what cannot be removed is in the system's directory for such files
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_replace_a_master_that_is_gone() {
        let mut all = Sentinels::start().unwrap();
        assert_eq!(all.master().unwrap(), 0);
        all.kill(0);
        let deadline = Instant::now() + PATIENCE;
        while all.master().unwrap() != 1 {
            assert!(Instant::now() < deadline, "nobody takes over");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

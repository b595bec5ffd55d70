//! A Redis server of a test's own.

use taskora_test_server::{RedisServer, Reply};

/// The server; it goes with its owner.
pub(crate) struct Server(RedisServer);

impl Server {
    /// Starts a server that keeps nothing.
    pub(crate) fn start() -> Self {
        Self(RedisServer::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a server with these options.
    pub(crate) fn with(options: &[&str]) -> Self {
        let server = RedisServer::builder().args(options.iter().copied()).start();
        Self(server.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a server that asks for a password.
    pub(crate) fn with_password(password: &str) -> Self {
        Self(RedisServer::builder().password(password).start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Its URL, without the password.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.0.address())
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port()
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    /// Starts it again on the same port, with what it has kept.
    pub(crate) fn restart(&mut self) {
        self.0.restart().unwrap_or_else(|error| panic!("{error}"));
    }

    /// Runs one command by hand and answers what `redis-cli` would print.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        print(&self.0.command(arguments).expect("an answer")).trim_end().to_owned()
    }
}

/// Each item of a list on a line of its own.
fn print(reply: &Reply) -> String {
    match reply {
        Reply::Text(text) | Reply::Error(text) => text.clone(),
        Reply::Number(number) => number.to_string(),
        Reply::Nil => String::new(),
        Reply::List(items) => items.iter().map(print).collect::<Vec<_>>().join("\n"),
    }
}

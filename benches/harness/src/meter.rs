//! What the server and this process have spent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// A plain connection to the server, for what the bench itself asks of it.
pub(crate) struct Server {
    stream: BufReader<TcpStream>,
}

impl Server {
    /// Connects to a URL of the form `redis://host:port`.
    pub(crate) fn connect(url: &str) -> Result<Self> {
        let address = url.strip_prefix("redis://").context("the URL starts with `redis://`")?;
        let stream = TcpStream::connect(address.trim_end_matches('/'))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one command without spaces in its arguments, and returns a status, a number or a bulk string.
    pub(crate) fn ask(&mut self, command: &str) -> Result<String> {
        self.stream.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+" | ":", rest)) => Ok(rest.to_owned()),
            Some(("$", length)) => {
                let mut bulk = vec![0; length.parse::<usize>()? + 2];
                self.stream.read_exact(&mut bulk)?;
                bulk.truncate(bulk.len() - 2);
                Ok(String::from_utf8(bulk)?)
            }
            _ => bail!("`{command}` was answered by `{line}`"),
        }
    }

    /// A field of `INFO section`, as a number.
    pub(crate) fn info(&mut self, section: &str, field: &str) -> Result<f64> {
        let info = self.ask(&format!("INFO {section}"))?;
        number(&info, field)
    }

    /// The CPU time that the server has used, in microseconds.
    pub(crate) fn cpu_us(&mut self) -> Result<f64> {
        let info = self.ask("INFO cpu")?;
        Ok((number(&info, "used_cpu_user")? + number(&info, "used_cpu_sys")?) * 1e6)
    }
}

fn number(info: &str, field: &str) -> Result<f64> {
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("the server does not report `{field}`"))?.parse()?)
}

/// One reading of all meters.
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) count: u64,
    pub(crate) redis_us: f64,
    pub(crate) client_us: f64,
}

impl Reading {
    pub(crate) fn take(server: &mut Server) -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Self {
            at: Instant::now(),
            count: crate::handled::count(),
            redis_us: server.cpu_us()?,
            client_us: (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64,
        })
    }
}

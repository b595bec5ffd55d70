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
        match self.answer().with_context(|| format!("`{command}`"))? {
            Answer::Text(text) => Ok(text),
            Answer::List(_) => bail!("`{command}` was answered by a list"),
        }
    }

    /// From now on the server logs how long each command takes.
    pub(crate) fn log_scripts(&mut self) -> Result<()> {
        self.ask("CONFIG SET slowlog-max-len 100000")?;
        self.ask("SLOWLOG RESET")?;
        self.ask("CONFIG SET slowlog-log-slower-than 0")?;
        Ok(())
    }

    /// How long each script took since then, in microseconds. Ends the log.
    pub(crate) fn logged_scripts(&mut self) -> Result<Vec<f64>> {
        self.ask("CONFIG SET slowlog-log-slower-than -1")?;
        self.stream.get_mut().write_all(b"SLOWLOG GET -1\r\n")?;
        let Answer::List(entries) = self.answer()? else { bail!("the log of slow commands is no list") };
        let scripts = entries.iter().filter_map(|entry| {
            // number, time, duration, command, ..
            let Answer::List(entry) = entry else { return None };
            let [_, _, Answer::Text(micros), Answer::List(command), ..] = entry.as_slice() else {
                return None;
            };
            let Some(Answer::Text(name)) = command.first() else { return None };
            let name = name.to_ascii_uppercase();
            (name.starts_with("FCALL") || name.starts_with("EVAL")).then(|| micros.parse::<f64>().ok())?
        });
        let scripts = scripts.collect();
        self.ask("SLOWLOG RESET")?;
        Ok(scripts)
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+" | ":", rest)) => Ok(Answer::Text(rest.to_owned())),
            Some(("$", length)) => {
                let mut bulk = vec![0; length.parse::<usize>()? + 2];
                self.stream.read_exact(&mut bulk)?;
                bulk.truncate(bulk.len() - 2);
                Ok(Answer::Text(String::from_utf8_lossy(&bulk).into_owned()))
            }
            Some(("*", length)) => {
                let length = length.parse::<usize>()?;
                Ok(Answer::List((0..length).map(|_| self.answer()).collect::<Result<_>>()?))
            }
            _ => bail!("the server answered `{line}`"),
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

/// What the server answers.
enum Answer {
    Text(String),
    List(Vec<Answer>),
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

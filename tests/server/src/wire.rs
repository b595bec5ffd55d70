//! Just enough of Redis's protocol to send a command.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status or a string; what is not UTF-8 in it is replaced.
    Text(String),
    /// A number.
    Number(i64),
    /// A list.
    List(Vec<Self>),
    /// Nothing.
    Nil,
    /// What the server calls an error.
    Error(String),
}

impl Reply {
    /// The text, if it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub const fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(port: u16, password: Option<&str>) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut connection = Self(BufReader::new(stream));
        if let Some(password) = password {
            connection.command(&["AUTH", password])?;
        }
        Ok(connection)
    }

    pub(crate) fn command<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<Reply> {
        let mut message = format!("*{}\r\n", command.len()).into_bytes();
        for part in command.iter().map(AsRef::as_ref) {
            message.extend(format!("${}\r\n", part.len()).into_bytes());
            message.extend(part);
            message.extend(b"\r\n");
        }
        self.0.get_mut().write_all(&message)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.trim_end();
        let mut chars = line.chars();
        let kind = chars.next().ok_or(ErrorKind::UnexpectedEof)?;
        let rest = chars.as_str();
        Ok(match kind {
            '+' => Reply::Text(rest.to_owned()),
            '-' => Reply::Error(rest.to_owned()),
            ':' => Reply::Number(number(rest)?),
            '$' => match usize::try_from(number(rest)?) {
                Ok(len) => {
                    let mut text = vec![0; len + 2];
                    self.0.read_exact(&mut text)?;
                    text.truncate(len);
                    Reply::Text(String::from_utf8_lossy(&text).into_owned())
                }
                Err(_) => Reply::Nil,
            },
            '*' => match usize::try_from(number(rest)?) {
                Ok(len) => Reply::List((0..len).map(|_| self.reply()).collect::<io::Result<_>>()?),
                Err(_) => Reply::Nil,
            },
            _ => return Err(io::Error::new(ErrorKind::InvalidData, format!("not RESP2: {line}"))),
        })
    }
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|error| io::Error::new(ErrorKind::InvalidData, format!("`{text}`: {error}")))
}

/// Whether it is this process that answers at this port. A server whose `INFO` has been renamed is taken at its word.
pub(crate) fn is_process(id: u32, port: u16, password: Option<&str>) -> io::Result<bool> {
    let info = Connection::open(port, password)?.command(&["INFO", "server"])?;
    if matches!(&info, Reply::Error(error) if error.contains("unknown command")) {
        return Ok(true);
    }
    let lines = info.text().unwrap_or_default().lines();
    let found =
        lines.filter_map(|line| line.strip_prefix("process_id:")).find_map(|id| id.trim().parse().ok());
    Ok(found == Some(id))
}

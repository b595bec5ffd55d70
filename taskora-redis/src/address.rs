//! Addresses of servers: parsed from URLs, and shown in messages.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// How to write a URL, at the end of each message about one.
const FORM: &str = "write it as `redis://[user:password@]host[:port][/db]`";
const SCHEMES: [&str; 7] = ["redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix", "unix"];

/// Parses a URL. The message says which part is wrong, and never contains a password.
pub(crate) fn read(url: &str) -> Result<ConnectionInfo, String> {
    let info = url.into_connection_info().map_err(|_| wrong_part(url.trim()))?;
    if info.redis_settings().db() < 0 {
        return Err(format!("the database in the Redis URL is below zero; {FORM}"));
    }
    Ok(info)
}

/// Says which part of a URL cannot be read. The client's own message is not shown, because it may quote a password.
fn wrong_part(url: &str) -> String {
    if url.is_empty() {
        return format!("the Redis URL is empty; {FORM}");
    }
    // quoted only if it cannot be a password, or part of one
    let quoted = |part: &str| if url.contains('@') { String::new() } else { format!(" `{part}`") };
    let Some((scheme, rest)) = url.split_once("://") else {
        return format!("the Redis URL{} has no scheme; {FORM}", quoted(url));
    };
    if !SCHEMES.contains(&scheme) {
        return format!("the Redis URL has a scheme{} that is none of Redis; {FORM}", quoted(scheme));
    }
    if ["rediss", "valkeys"].contains(&scheme) && !cfg!(feature = "rustls") {
        return "a URL with `rediss://` asks for TLS, which is not built in; \
                add the feature `rustls` to `taskora-redis`"
            .to_owned();
    }
    if scheme.ends_with("unix") {
        return format!("the Redis URL of a Unix socket cannot be read; write it as `{scheme}:///path`");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains('@') {
        return "the user or the password in the Redis URL has a `/`, `?` or `#`; write these as `%2F`, `%3F` and `%23`"
            .to_owned();
    }
    let server = authority.rsplit_once('@').map_or(authority, |(_, server)| server);
    let (host, port) = match server.rsplit_once(':') {
        // a colon of an IPv6 address
        Some((_, after)) if after.ends_with(']') => (server, ""),
        Some(parts) => parts,
        None => (server, ""),
    };
    if host.is_empty() {
        return format!("the Redis URL has no host; {FORM}");
    }
    if ["0.0.0.0", "[::]"].contains(&host) {
        return format!(
            "the Redis URL has the host `{host}`, which is no server; use `127.0.0.1` or `[::1]`"
        );
    }
    if host.contains(':') && !host.starts_with('[') {
        return format!("the IPv6 address in the Redis URL needs brackets, as in `[::1]:6379`; {FORM}");
    }
    if !port.is_empty() && port.parse::<u16>().is_err() {
        return format!("the port{} in the Redis URL is no number from 1 to 65535; {FORM}", quoted(port));
    }
    let db = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    if !db.is_empty() && db.parse::<i64>().is_err() {
        return format!("the database{} in the Redis URL is no number; {FORM}", quoted(db));
    }
    format!("the Redis URL cannot be read; {FORM}")
}

/// The text of a server for messages: host and port, and the number of the database unless it is 0. Never with a password.
pub(crate) fn shown(server: &ConnectionInfo) -> String {
    with_db(place(server.addr()), server.redis_settings().db())
}

pub(crate) fn with_db(mut place: String, db: i64) -> String {
    if db != 0 {
        place.push_str(&format!("/{db}"));
    }
    place
}

/// Host and port; an IPv6 address is in brackets.
fn place(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => {
            format!("[{host}]:{port}")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_read_is_told_which_part_is_wrong() {
        for (url, part) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("localhost:6379", "`localhost:6379` has no scheme"),
            ("http://localhost", "scheme `http`"),
            ("redis://", "no host"),
            ("redis://:6379", "no host"),
            ("redis://0.0.0.0:6379", "the host `0.0.0.0`"),
            ("redis://::1:6379", "needs brackets"),
            ("redis://localhost:99999", "the port `99999`"),
            ("redis://localhost:six", "the port `six`"),
            ("redis://localhost/abc", "the database `abc`"),
            ("redis://localhost:6379/1/2", "the database `1/2`"),
            ("redis://localhost/-1", "the database"),
        ] {
            let said = read(url).expect_err(url);
            assert!(said.contains(part), "{url}: {said}");
        }
    }

    #[test]
    fn no_message_about_a_url_holds_its_password() {
        for (url, part) in [
            ("hush:hush@localhost", "no scheme"),
            ("hush://hush:hush@localhost", "scheme"),
            ("redis://me:hush@localhost:hush", "the port"),
            ("redis://me:hush@localhost/hush", "the database"),
            ("redis://me:hu/sh@localhost:6379", "`%2F`"),
            ("redis://me:hush@", "no host"),
        ] {
            let said = read(url).expect_err(url);
            assert!(said.contains(part) && !said.contains("hu"), "{url}: {said}");
        }
    }

    #[test]
    fn tls_is_built_in_or_its_feature_is_named() {
        let said = read("rediss://:hush@localhost");
        if cfg!(feature = "rustls") {
            assert!(said.is_ok());
        } else {
            assert!(said.is_err_and(|said| said.contains("feature `rustls`") && !said.contains("hush")));
        }
    }

    #[test]
    fn an_ipv6_address_has_brackets_and_a_database_is_named() {
        for (url, expected) in [
            ("redis://[::1]:7472", "[::1]:7472"),
            ("redis://[2001:db8::2]/3", "[2001:db8::2]:6379/3"),
            ("redis://127.0.0.1", "127.0.0.1:6379"),
            ("redis://me:hush@example.org:7000/2", "example.org:7000/2"),
            ("redis+unix:///tmp/redis.sock", "/tmp/redis.sock"),
        ] {
            assert_eq!(shown(&read(url).expect(url)), expected);
        }
    }
}

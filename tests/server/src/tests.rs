use super::*;

#[test]
fn a_server_answers_and_is_gone_when_dropped() {
    let server = RedisServer::start().unwrap();
    assert_eq!(server.command(&["PING"]).unwrap(), Reply::Text("PONG".into()));
    assert_eq!(server.info("tcp_port").unwrap(), Some(server.port().to_string()));
    let (port, dir) = (server.port(), server.dir.clone());
    drop(server);
    assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert!(!dir.exists());
}

#[test]
fn a_restart_keeps_the_port_and_loses_what_was_not_on_disk() {
    let mut server = RedisServer::start().unwrap();
    let url = server.url();
    assert_eq!(server.command(&["SET", "a", "1"]).unwrap(), Reply::Text("OK".into()));
    server.kill();
    assert!(server.command(&["PING"]).is_err());
    server.restart().unwrap();
    assert_eq!(server.url(), url);
    assert_eq!(server.command(&["GET", "a"]).unwrap(), Reply::Nil);
}

#[test]
fn with_an_append_only_file_a_crash_loses_nothing() {
    let mut server =
        RedisServer::builder().args(["--appendonly", "yes", "--appendfsync", "always"]).start().unwrap();
    assert_eq!(server.command(&["SET", "a", "1"]).unwrap(), Reply::Text("OK".into()));
    server.restart().unwrap();
    assert_eq!(server.command(&["GET", "a"]).unwrap(), Reply::Text("1".into()));
}

#[test]
fn a_replica_follows_and_can_be_promoted() {
    let main = RedisServer::start().unwrap();
    let replica = RedisServer::builder().replica_of(&main).start().unwrap();
    replica.until_in_sync().unwrap();
    main.command(&["SET", "a", "1"]).unwrap();
    replica.until_it_has(main.written().unwrap()).unwrap();
    drop(main);
    assert!(matches!(replica.command(&["SET", "b", "2"]).unwrap(), Reply::Error(_)));
    replica.promote().unwrap();
    assert_eq!(replica.command(&["SET", "b", "2"]).unwrap(), Reply::Text("OK".into()));
    assert_eq!(replica.command(&["GET", "a"]).unwrap(), Reply::Text("1".into()));
}

#[test]
fn a_frozen_server_is_silent_and_goes_on() {
    let server = RedisServer::start().unwrap();
    server.freeze().unwrap();
    let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    std::io::Write::write_all(&mut stream, b"PING\r\n").unwrap();
    assert!(std::io::Read::read(&mut stream, &mut [0; 8]).is_err(), "nothing is said");
    server.thaw().unwrap();
    assert_eq!(server.command(&["PING"]).unwrap(), Reply::Text("PONG".into()));
}

#[test]
fn settings_change_at_run_time() {
    let server = RedisServer::start().unwrap();
    server.configure("maxmemory", "1").unwrap();
    assert!(
        matches!(server.command(&["SET", "a", "1"]).unwrap(), Reply::Error(text) if text.starts_with("OOM"))
    );
    assert!(server.configure("no-such-setting", "1").is_err());
}

#[test]
fn a_password_is_asked_for_and_known_to_the_owner() {
    let server = RedisServer::builder().password("s3cret").start().unwrap();
    assert!(server.url().contains("s3cret"));
    assert_eq!(server.command(&["PING"]).unwrap(), Reply::Text("PONG".into()));
    let stranger = wire::Connection::open(server.port(), None).unwrap().command(&["PING"]).unwrap();
    assert!(matches!(stranger, Reply::Error(message) if message.starts_with("NOAUTH")));
}

#[test]
fn an_argument_that_the_server_refuses_is_an_error_with_its_words() {
    let error = RedisServer::builder().args(["--no-such-setting", "1"]).start().unwrap_err();
    assert!(error.to_string().contains("no-such-setting"), "{error}");
}

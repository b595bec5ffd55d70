//! How servers are named in messages.

use taskora::AdapterError;
use taskora::adapter::{Enqueued, Jobs};
use taskora_redis::RedisAdapter;

use crate::kit::job;
use crate::server::Server;

#[tokio::test]
async fn an_ipv6_address_is_in_brackets() {
    // nobody listens there: the port is that of a server which has gone
    let port = Server::start().port();
    let error = RedisAdapter::connect(format!("redis://[::1]:{port}")).await.expect_err("nobody is there");
    let AdapterError::Unavailable { address, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*address, format!("[::1]:{port}"));
}

#[tokio::test]
async fn the_database_is_named_unless_it_is_the_first() {
    let mut server = Server::start();
    let at = |db| format!("{}{db}", server.url());
    // this is what a worker's first line shows
    let shown = format!("{:?}", RedisAdapter::connect(at("")).await.expect("connect"));
    assert!(shown.contains(&format!("\"127.0.0.1:{}\"", server.port())), "{shown}");
    let adapter = RedisAdapter::connect(at("/3")).await.expect("connect");
    let address = format!("127.0.0.1:{}/3", server.port());
    assert!(format!("{adapter:?}").contains(&format!("\"{address}\"")), "{adapter:?}");
    assert_eq!(adapter.enqueue(vec![job("a")]).await.expect("enqueue"), [Enqueued::New]);
    server.kill();
    let error = adapter.enqueue(vec![job("b")]).await.expect_err("nobody is there");
    assert!(error.to_string().contains(&address), "{error}");
}

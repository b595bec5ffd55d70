//! Events when the keys that they need are gone, or a command fails.

use taskora::adapter::{EventId, EventPage, Events, Inspection, Jobs, Kinds, What};
use taskora_redis::RedisAdapter;

use crate::kit::{job, patient};
use crate::server::Server;

async fn connect(server: &Server) -> RedisAdapter {
    RedisAdapter::connect(patient(server.url())).await.expect("connect")
}

async fn begin(adapter: &RedisAdapter, kinds: Kinds) -> EventId {
    adapter.listen(kinds, None).await.expect("listen").last
}

/// What is told after this event: ids of jobs, and `gap`.
async fn told(adapter: &RedisAdapter, cursor: &mut EventId) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..100 {
        let EventPage { events, last, more, .. } =
            adapter.listen(Kinds::ALL, Some(*cursor)).await.expect("listen");
        *cursor = last;
        told.extend(events.into_iter().map(|event| match event.what {
            What::Gap => "gap".to_owned(),
            _ => event.job.map_or_else(String::new, |id| id.to_string()),
        }));
        if !more {
            return told;
        }
    }
    panic!("there is always more: {told:?}");
}

async fn store(adapter: &RedisAdapter, ids: std::ops::Range<u32>) -> Vec<String> {
    for id in ids.clone() {
        adapter.enqueue(vec![job(&id.to_string())]).await.expect("enqueue");
    }
    ids.map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn whoever_comes_back_after_a_silence_goes_on_where_it_stopped() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let mut cursor = begin(&adapter, Kinds::ALL).await;
    let mut first = store(&adapter, 0..200).await;
    let mut late = cursor;
    assert_eq!(told(&adapter, &mut cursor).await, first);
    // nobody has listened for a minute
    server.cli(&["DEL", "{taskora}:ears"]);
    store(&adapter, 200..210).await;
    assert_eq!(told(&adapter, &mut cursor).await, ["gap"]);
    let then = store(&adapter, 210..215).await;
    assert_eq!(told(&adapter, &mut cursor).await, then);
    first.push("gap".to_owned());
    first.extend(then);
    assert_eq!(told(&adapter, &mut late).await, first, "each once, also for who comes from before");
}

#[tokio::test]
async fn a_stream_that_is_gone_is_a_gap() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let mut cursor = begin(&adapter, Kinds::ALL).await;
    store(&adapter, 0..5).await;
    told(&adapter, &mut cursor).await;
    server.cli(&["DEL", "{taskora}:events"]);
    store(&adapter, 5..9).await;
    assert_eq!(told(&adapter, &mut cursor).await, ["gap", "gap"], "what was written, and what was not");
    let then = store(&adapter, 9..12).await;
    assert_eq!(told(&adapter, &mut cursor).await, then);
}

#[tokio::test]
async fn who_listens_to_nothing_is_told_nothing() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let none: Kinds = [].into_iter().collect();
    let mut cursor = begin(&adapter, none).await;
    store(&adapter, 0..3).await;
    for _ in 0..3 {
        let page = adapter.listen(none, Some(cursor)).await.expect("listen");
        assert!(page.events.is_empty() && !page.more, "{page:?}");
        cursor = page.last;
    }
}

#[tokio::test]
async fn garbage_in_the_keys_of_events_holds_up_nobody() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let mut cursor = begin(&adapter, Kinds::ALL).await;
    for garbage in ["", "x", "9 9 9", "99999999999999999999999 1 1 1", "0 -1 1 x"] {
        server.cli(&["SET", "{taskora}:ears", garbage]);
        assert!(adapter.counts("send-email").await.is_ok());
        adapter.enqueue(vec![job(&format!("under {garbage}"))]).await.expect("enqueue");
        told(&adapter, &mut cursor).await;
        let id = format!("after {garbage}");
        adapter.enqueue(vec![job(&id)]).await.expect("enqueue");
        assert_eq!(told(&adapter, &mut cursor).await, [id]);
    }
}

#[tokio::test]
async fn a_command_that_fails_is_a_gap() {
    let server = Server::start();
    let adapter = connect(&server).await;
    let mut cursor = begin(&adapter, Kinds::ALL).await;
    server.cli(&["SET", "{taskora}:failpoint", "enqueue 2"]);
    // it may be repeated by itself, or not
    let _ = adapter.enqueue(vec![job("a")]).await;
    server.cli(&["DEL", "{taskora}:failpoint"]);
    adapter.enqueue(vec![job("b")]).await.expect("enqueue");
    let told = told(&adapter, &mut cursor).await;
    assert_eq!((told.first().map(String::as_str), told.last().map(String::as_str)), (Some("gap"), Some("b")));
}

//! The API and the worker together: requests come in over HTTP, the worker runs as a separate process, and Redis is between them.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use taskora::App;
use taskora_redis::{RedisAdapter, RedisConfig};
use taskora_test_server::RedisServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The worker's process; killed at the end of the test, even if the test fails.
struct Worker(Child);

impl Worker {
    fn start(redis: &RedisServer) -> Self {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_split-worker"));
        worker.env("REDIS_URL", redis.url()).stdout(Stdio::null());
        Self(worker.spawn().expect("the worker should start"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The API, served from this process.
struct Api(SocketAddr);

impl Api {
    async fn start(redis: &RedisServer) -> Self {
        let config = RedisConfig::new(redis.url()).namespace(split_contracts::NAMESPACE);
        let app = App::new(RedisAdapter::connect(config).await.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, split_api::routes(app)).await });
        Self(address)
    }

    /// Sends a request, and returns the answer's status and body.
    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.0,
            body.len()
        );
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned())))
    }

    /// Dispatches a job, and returns its id.
    async fn dispatch(&self, path: &str, body: Value) -> String {
        let (status, answer) = self.send("POST", path, Some(body)).await;
        assert_eq!(status, 202, "{answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// A job, once it has ended.
    async fn ended(&self, id: &str) -> Value {
        let (status, job) = self.send("GET", &format!("/jobs/{id}?wait=30"), None).await;
        assert_eq!(status, 200, "{job}");
        job
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_from_the_api_to_the_worker_and_their_results_come_back() {
    let redis = RedisServer::start().unwrap();
    let api = Api::start(&redis).await;

    // no worker yet: the job waits, and is visible as such
    let id = api.dispatch("/emails", json!({ "to": "ada@example.com", "subject": "Hi" })).await;
    let (_, job) = api.send("GET", &format!("/jobs/{id}"), None).await;
    assert_eq!(job, json!({ "id": id, "task": "send-email", "state": "waiting", "attempts": 0 }));

    let _worker = Worker::start(&redis);
    let job = api.ended(&id).await;
    assert_eq!((&job["state"], &job["attempts"]), (&json!("completed"), &json!(1)), "{job}");
    assert_eq!(job["result"], json!({ "message_id": id }));

    let items = json!([{ "name": "tea", "cents": 300 }, { "name": "cake", "cents": 450 }]);
    let id = api.dispatch("/invoices", json!({ "customer": "Ada", "items": items })).await;
    let job = api.ended(&id).await;
    assert_eq!(job["result"], json!({ "number": 1, "customer": "Ada", "total_cents": 750 }), "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_and_cancellations_come_back_with_their_reasons() {
    let redis = RedisServer::start().unwrap();
    let api = Api::start(&redis).await;
    let _worker = Worker::start(&redis);

    // an error that the handler calls final is not retried; any other is, as often as the contract says
    let bad = api.dispatch("/emails", json!({ "to": "nobody", "subject": "Hi" })).await;
    let busy = api.dispatch("/emails", json!({ "to": "busy@example.com", "subject": "Hi" })).await;
    for (id, attempts, error) in [(bad, 1, "bad address `nobody`"), (busy, 3, "the mail server is busy")] {
        let job = api.ended(&id).await;
        assert_eq!(
            job,
            json!({ "id": id, "task": "send-email", "state": "failed", "attempts": attempts, "error": error })
        );
    }

    let id = api.dispatch("/emails?delay=3600", json!({ "to": "ada@example.com", "subject": "Later" })).await;
    let path = format!("/jobs/{id}");
    assert_eq!(api.send("GET", &path, None).await.1["state"], "delayed");
    assert_eq!(api.send("DELETE", &path, None).await, (200, json!({ "state": "cancelled" })));
    assert_eq!(api.send("DELETE", &path, None).await, (409, json!({ "state": "cancelled" })));
    assert_eq!(api.ended(&id).await["error"], "cancelled through the API");

    assert_eq!(api.send("GET", "/jobs/none", None).await.0, 404);
    assert_eq!(api.send("DELETE", "/jobs/none", None).await.0, 404);
    let (status, _) = api.send("POST", "/emails", Some(json!({ "to": "ada@example.com" }))).await;
    assert_eq!(status, 422, "a contract without its subject is refused before anything is dispatched");
}

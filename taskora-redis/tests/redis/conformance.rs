//! The suite that every adapter must pass, on a real server.

use std::sync::Arc;
use std::time::Duration;

use taskora::adapter::Adapter;
use taskora::conformance::Fixture;
use taskora_redis::{RedisAdapter, RedisConfig};

use crate::server::Server;

struct OnRedis {
    server: Server,
    adapter: RedisAdapter,
}

impl OnRedis {
    async fn start() -> Self {
        let server = Server::start();
        let adapter = connect(&server).await;
        Self { server, adapter }
    }
}

async fn connect(server: &Server) -> RedisAdapter {
    RedisAdapter::connect(RedisConfig::new(server.url()).test_clock()).await.expect("connect")
}

impl Fixture for OnRedis {
    async fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(self.adapter.clone())
    }

    async fn second(&self) -> Arc<dyn Adapter> {
        Arc::new(connect(&self.server).await)
    }

    async fn advance(&self, by: Duration) {
        self.adapter.shift_clock(by).await.expect("shift the clock");
    }
}

taskora::conformance_suite! { #[tokio::test] OnRedis::start().await }

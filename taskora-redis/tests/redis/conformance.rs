//! The suite that every adapter must pass, on a real server.

use std::sync::Arc;
use std::time::Duration;

use taskora::adapter::Adapter;
use taskora::conformance::Fixture;
use taskora_redis::RedisAdapter;

use crate::kit::patient;
use crate::server::Server;

struct OnRedis {
    server: Server,
    adapter: RedisAdapter,
}

impl OnRedis {
    async fn start() -> Self {
        Self::on(Server::start()).await
    }

    async fn on(server: Server) -> Self {
        let adapter = connect(&server).await;
        Self { server, adapter }
    }
}

async fn connect(server: &Server) -> RedisAdapter {
    // the machine may be busy
    let config = patient(server.url()).test_clock();
    RedisAdapter::connect(config).await.expect("connect")
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
taskora::conformance_suite! { @lanes #[tokio::test] OnRedis::start().await }
taskora::conformance_suite! { @collect #[tokio::test] OnRedis::start().await }
taskora::conformance_suite! { @listing #[tokio::test] OnRedis::start().await }
taskora::conformance_suite! { @rates #[tokio::test] OnRedis::start().await }
taskora::conformance_suite! { @schedules #[tokio::test] OnRedis::start().await }

/// The same where functions are refused.
mod scripts {
    use super::OnRedis;
    use crate::server::Server;

    taskora::conformance_suite! {
        #[tokio::test]
        OnRedis::on(Server::with(&["--rename-command", "FCALL", ""])).await
    }
    taskora::conformance_suite! {
        @collect #[tokio::test]
        OnRedis::on(Server::with(&["--rename-command", "FCALL", ""])).await
    }
    taskora::conformance_suite! {
        @lanes #[tokio::test]
        OnRedis::on(Server::with(&["--rename-command", "FCALL", ""])).await
    }
    taskora::conformance_suite! {
        @listing #[tokio::test]
        OnRedis::on(Server::with(&["--rename-command", "FCALL", ""])).await
    }
    taskora::conformance_suite! {
        @rates #[tokio::test]
        OnRedis::on(Server::with(&["--rename-command", "FCALL", ""])).await
    }
    taskora::conformance_suite! {
        @schedules #[tokio::test]
        OnRedis::on(Server::with(&["--rename-command", "FCALL", ""])).await
    }
}

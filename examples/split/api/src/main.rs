//! Serves the API on port 3000, or on `PORT`. It needs a Redis, and no worker: jobs wait until there is one.
//!
//! ```text
//! cargo run -p split-api
//! curl -i localhost:3000/emails -H 'content-type: application/json' -d '{"to":"ada@example.com","subject":"Hi"}'
//! curl -i 'localhost:3000/jobs/<id>?wait=10'
//! curl -i -X DELETE localhost:3000/jobs/<id>
//! ```

use std::error::Error;
use std::process::ExitCode;

use taskora::App;
use taskora_redis::{RedisAdapter, RedisConfig};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let config = RedisConfig::new(split_contracts::redis_url()).namespace(split_contracts::NAMESPACE);
    let adapter = RedisAdapter::connect(config).await.map_err(|error| {
        format!("{error}; start one with `redis-server`, or say where it is with `REDIS_URL`")
    })?;

    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse::<u16>())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, split_api::routes(App::new(adapter)))
        .with_graceful_shutdown(async {
            // without a signal handler the process simply ends at the signal
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}

//! Limits and pauses are those of tasks.

use taskora::prelude::*;

struct Other;

async fn change(app: &App) -> taskora::Result<()> {
    app.queues().limit::<Other>().set(5).await?;
    Ok(())
}

fn main() {}

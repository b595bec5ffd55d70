//! Declares the limits of a worker's tasks when it starts.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::engine::Order;
use super::store::{backoff, ends_the_worker};
use crate::adapter::{Adapter, DeclaredLimit, MAX_LIMITS, PerKey};

/// Runs until the store knows the limits, or refuses this worker. Until then, the engine claims no job of a task with a limit.
pub(crate) async fn declare(
    adapter: Arc<dyn Adapter>,
    limits: Vec<DeclaredLimit>,
    engine: mpsc::UnboundedSender<Order>,
) {
    let mut backoff = backoff();
    let (mut before, mut said) = (Vec::with_capacity(limits.len()), String::new());
    while let Some(page) = limits.get(before.len()..).filter(|rest| !rest.is_empty()) {
        let page: Vec<DeclaredLimit> = page.iter().take(MAX_LIMITS).cloned().collect();
        let count = page.len();
        match adapter.control().declare_limits(page).await {
            Ok(known) => {
                backoff.reset();
                before.extend(known.into_iter().map(Some).chain(std::iter::repeat(None)).take(count));
            }
            Err(error) if ends_the_worker(&error) => {
                let _ = engine.send(Order::End(error));
                return;
            }
            Err(error) => {
                // once, because it may take as long as a deploy
                if said != error.to_string() {
                    said = error.to_string();
                    tracing::warn!(%error, "cannot declare limits yet; tasks with a limit wait for that");
                }
                backoff.wait().await;
            }
        }
    }
    for (limit, before) in limits.iter().zip(before) {
        let (Some(before), task) = (before, &limit.task.task) else { continue };
        if let (Some(before), Some(max)) = (before.max, limit.max)
            && before != max
        {
            tracing::warn!("the limit of task {task} is {max} now; another build has declared {before}");
        }
        if let (Some(before), Some(now)) = (before.per_key, limit.per_key)
            && before != now
        {
            let (before, now) = (in_words(before), in_words(now));
            tracing::warn!(
                "the limit of each key of task {task} is {now} now; another build has declared {before}"
            );
        }
        if let (Some(before), Some(rate)) = (before.rate, limit.rate)
            && before != rate
        {
            tracing::warn!("the rate of task {task} is {rate} now; another build has declared {before}");
        }
    }
    let _ = engine.send(Order::LimitsDeclared);
}

fn in_words(per_key: PerKey) -> String {
    let mut words = match per_key.max {
        Some(max) if per_key.ordered => format!("{max}, in order"),
        Some(max) => max.to_string(),
        None => "none, in turn".to_owned(),
    };
    if let Some(rate) = per_key.rate {
        words = format!("{words}, {rate}");
    }
    words
}

//! Jobs with keys, items that gather, and tasks with gates.

use std::time::Duration;

use anyhow::Result;
use harness::{Email, Rule};
use taskora::adapter::{Adapter, DeclaredLimit, GatedTask, PerKey, Rate};
use taskora::prelude::*;
use taskora_redis::RedisAdapter;

#[task(fair(key = |t| t.n % 100))]
pub async fn in_lanes(to: String, subject: String, body: String, n: u64) -> u64 {
    let _ = (to, subject, body);
    harness::ran();
    n
}

#[task(fair(key = |t| t.n % 10_000))]
pub async fn in_many_lanes(to: String, subject: String, body: String, n: u64) -> u64 {
    let _ = (to, subject, body);
    harness::ran();
    n
}

#[task(fair(key = |t| t.n))]
pub async fn in_own_lane(to: String, subject: String, body: String, n: u64) {
    let _ = (to, subject, body, n);
}

/// An item of one key.
#[derive(Task, Serialize, Deserialize)]
#[task(output = usize, collect(key = |_| "all", delay = "10ms", max_size = 100))]
pub struct Item {
    to: String,
    subject: String,
    body: String,
    n: u64,
}

#[task(implements = Item, batch)]
pub async fn items(items: Vec<Item>) -> usize {
    for Item { to, subject, body, n } in &items {
        let _ = (to, subject, body, n);
        harness::ran();
    }
    items.len()
}

pub fn item(Email { to, subject, body, n }: Email) -> Item {
    Item { to, subject, body, n }
}

pub fn in_lane(Email { to, subject, body, n }: Email) -> InLanes {
    InLanes { to, subject, body, n }
}

pub fn in_many(Email { to, subject, body, n }: Email) -> InManyLanes {
    InManyLanes { to, subject, body, n }
}

pub fn in_own(Email { to, subject, body, n }: Email) -> InOwnLane {
    InOwnLane { to, subject, body, n }
}

/// Lanes begin when a worker has declared them; here there is none.
pub async fn declare(adapter: &RedisAdapter) -> Result<()> {
    let fair = |task| DeclaredLimit::none(GatedTask::new(task)).per_key(Some(PerKey::fair()));
    adapter.control().declare_limits(vec![fair(InLanes::NAME), fair(InOwnLane::NAME)]).await?;
    Ok(())
}

/// Dispatches a job under a rule.
pub async fn dispatch<T: Task>(app: &App, rule: Rule, job: T) -> Result<()>
where
    T::Output: Send,
{
    let hour = Duration::from_secs(3_600);
    match rule {
        Rule::None => drop(app.dispatch(job).await?),
        Rule::Throttled => drop(app.dispatch(job).throttle("all", 1, hour).await?),
        Rule::Debounced => drop(app.dispatch(job).debounce("all", hour).await?),
    }
    Ok(())
}

/// Gives the tasks without jobs limits and rates, and pauses one.
pub async fn set_gates(adapter: &RedisAdapter) -> Result<()> {
    let (control, minute) = (adapter.control(), Duration::from_secs(60));
    for number in 1..50 {
        let task = GatedTask::new(format!("t{number:02}"));
        if number % 2 == 0 {
            control.set_limit(&task, None, Some(5)).await?;
        } else {
            control.set_rate(&task, None, Some(Rate::new(100, minute))).await?;
        }
    }
    control.pause(&GatedTask::new("t49"), None, "".into()).await?;
    Ok(())
}

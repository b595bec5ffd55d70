//! Rates of each key, beside limits, and a rate of the task.

use std::time::Duration;

use taskora::prelude::*;

#[task(limit(key = |t| t.tenant, max = 2), rate(key, max = 10, per = "1s"), rate(max = 100, per = "1s"))]
async fn report(tenant: String) {
    let _ = tenant;
}

#[task(rate(key, max = 5000, per = "1m", burst = 10), fair(key = given))]
async fn ask_model(prompt: String) {
    let _ = prompt;
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), limit(key = |t| t.order, max = 1, ordered), rate(max = 5, key, per = "1m"))]
struct Ship {
    order: u64,
}

#[task(implements = Ship)]
async fn ship(order: u64) {
    let _ = order;
}

fn main() {
    assert_eq!(Report::OPTIONS.key_rate().map(|rate| rate.max), Some(10));
    assert_eq!(Report::OPTIONS.rate().map(|rate| rate.max), Some(100));
    assert_eq!(AskModel::OPTIONS.key_rate().and_then(|rate| rate.burst), Some(10));
    assert_eq!(Ship::OPTIONS.key_rate().map(|rate| rate.per), Some(Duration::from_secs(60)));
}

//! Rates in their forms, on a function and on a contract.
#![deny(warnings)]

use std::time::Duration;

use taskora::prelude::*;
use taskora::Rate;

const MINUTE: Duration = Duration::from_secs(60);

#[task(rate(max = 1000, per = "1m"))]
async fn a_window() {}

#[task(rate(max = 5000, per = "1m", burst = 100))]
async fn a_bucket() {}

#[task(rate(per = "1d", max = 1, burst = 365), limit(max = 2))]
async fn a_slow_bucket() {}

#[task]
async fn without() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), rate(max = 3, per = "500ms"), aliases = ["old"])]
struct Contract {}

#[task(implements = Contract)]
async fn implemented() {}

fn main() {
    assert_eq!(AWindow::OPTIONS.rate(), Some(Rate::new(1_000, MINUTE)));
    assert_eq!(ABucket::OPTIONS.rate(), Some(Rate::new(5_000, MINUTE).burst(100)));
    let slow = ASlowBucket::OPTIONS;
    assert_eq!((slow.rate(), slow.limit()), (Some(Rate::new(1, 1_440 * MINUTE).burst(365)), Some(2)));
    assert_eq!(Without::OPTIONS.rate(), None);
    assert_eq!(Contract::OPTIONS.rate(), Some(Rate::new(3, Duration::from_millis(500))));
}

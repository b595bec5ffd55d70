//! `ttl` in its forms, on a function and on a contract.
#![deny(warnings)]

use std::time::Duration;

use taskora::prelude::*;

#[task(ttl = "5m")]
async fn brief() {}

#[task(ttl(max = "1.5h", on_expire = fail))]
async fn kept() {}

#[task(ttl(max = "90s", on_expire = discard), retry = 2)]
async fn discarded() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), ttl(max = "1d"))]
struct Contract {}

#[task(implements = Contract)]
async fn implemented() {}

fn main() {
    let of = |options: taskora::TaskOptions| options.ttl().map(|ttl| (ttl.max(), ttl.is_discarded()));
    assert_eq!(of(Brief::OPTIONS), Some((Duration::from_secs(300), false)));
    assert_eq!(of(Kept::OPTIONS), Some((Duration::from_secs(5_400), false)));
    assert_eq!(of(Discarded::OPTIONS), Some((Duration::from_secs(90), true)));
    assert_eq!(of(Contract::OPTIONS), Some((Duration::from_secs(86_400), false)));
}

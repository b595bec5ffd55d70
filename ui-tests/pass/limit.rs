//! Limits in their forms, on a function and on a contract.
#![deny(warnings)]

use taskora::prelude::*;

#[task(singleton)]
async fn one_at_a_time() {}

#[task(limit(max = 50), concurrency = 10)]
async fn fifty() {}

#[task]
async fn without() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), limit(max = 3), aliases = ["old"])]
struct Contract {}

#[task(implements = Contract)]
async fn implemented() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), singleton)]
struct Sole {}

fn main() {
    assert_eq!(OneAtATime::OPTIONS.limit(), Some(1));
    assert_eq!(Fifty::OPTIONS.limit(), Some(50));
    assert_eq!(Without::OPTIONS.limit(), None);
    assert_eq!(Contract::OPTIONS.limit(), Some(3));
    assert_eq!(Sole::OPTIONS.limit(), Some(1));
}

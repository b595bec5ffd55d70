#![allow(unused)]

use std::time::Duration;

use taskora::prelude::*;

#[task]
async fn sync(account: u32) {}

const HOUR: Duration = Duration::from_secs(3_600);

struct Customer {
    id: u32,
}

async fn example(app: App, customer: Customer) {
    let _ = app.dispatch(Sync { account: 7 }).deduplicate(&customer).await;
    let _ = app.dispatch(Sync { account: 7 }).throttle(1.5, 1, HOUR).await;
}

fn main() {}

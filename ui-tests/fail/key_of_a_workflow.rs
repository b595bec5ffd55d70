#![allow(unused)]

use std::time::Duration;

use taskora::prelude::*;

#[task]
async fn sync(account: u32) {}

const HOUR: Duration = Duration::from_secs(3_600);

async fn example(app: App) {
    let _ = app.dispatch(Sync { account: 7 }.then(Sync::s().account(7))).deduplicate(7).await;
}

fn main() {}

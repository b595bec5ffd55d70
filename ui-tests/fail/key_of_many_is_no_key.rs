#![allow(unused)]

use std::time::Duration;

use taskora::prelude::*;

#[task]
async fn sync(account: u32) {}

const HOUR: Duration = Duration::from_secs(3_600);

async fn example(app: App) {
    let _ = app.dispatch_many([Sync { account: 7 }]).deduplicate(|sync| vec![sync.account]).await;
}

fn main() {}

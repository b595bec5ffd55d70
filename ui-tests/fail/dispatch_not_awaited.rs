#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: String) {}

async fn example(app: App) {
    let _ = app.dispatch(SendEmail { to: String::new() }).result().await;
}

async fn spawns(app: App) {
    tokio::task::spawn(app.dispatch(SendEmail { to: String::new() }));
}

fn main() {}

#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", with(to = "a@b.com".to_owned())))]
async fn send_report(to: String, subject: String, #[serde(default)] copies: u8) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

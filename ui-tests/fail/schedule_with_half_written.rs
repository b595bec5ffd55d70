#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", with(to, subject: "Hi", copies = 1 2)))]
async fn send_report(to: String, subject: String, copies: u8) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

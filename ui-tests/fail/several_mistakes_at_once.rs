#![allow(unused)]

use taskora::prelude::*;

#[task(retires = 3, timeout = "30 secs", priority = high, retry(attempts = 0, jitter = "no"), concurrency = 0)]
fn send_email(to: &str, (a, b): (u8, u8)) -> impl Sized {}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

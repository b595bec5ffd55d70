#![allow(unused)]

use taskora::prelude::*;

#[task(retry(attempts = 3, backoff = growing))]
async fn send_email(to: String) {}

fn growing(attempt: u64) -> std::time::Duration {
    std::time::Duration::from_secs(attempt)
}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

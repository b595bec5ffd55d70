#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: impl Into<String>) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

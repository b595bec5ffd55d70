#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email<T: Clone>(to: String, attachment: T) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

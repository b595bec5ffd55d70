#![allow(unused)]

use taskora::prelude::*;

struct Address;

#[task]
async fn send_email(to: Address) {}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to(Address));
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

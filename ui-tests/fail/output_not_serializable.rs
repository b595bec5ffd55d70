#![allow(unused)]

use taskora::prelude::*;

struct Receipt;

#[task]
async fn send_email(to: String) -> Receipt {
    Receipt
}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: String, subject: String) {}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
}

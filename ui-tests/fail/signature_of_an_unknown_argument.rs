#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: String, subject: String) {}

fn main() {
    let _ = SendEmail::s().sender("a@b.com");
}

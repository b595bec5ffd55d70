#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: String, attachment: &[u8]) {}

fn main() {
    let _ = SendEmail { to: String::new(), attachment: Vec::new() };
}

#![allow(unused)]

use taskora::prelude::*;


#[task]
async fn send_email(to: String, urgent: bool) {}

fn main() {
    let _ = SendEmail::s().to("a@b.com").urgent("very");
}

#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = String)]
struct SendEmail {
    to: String,
}

#[task(implements = SendEmail)]
async fn send_email(to: u32) -> String {
    to.to_string()
}

fn main() {}

#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = String)]
struct SendEmail {
    to: String,
}

#[task(implements = SendEmail)]
async fn send_email(to: String) -> Result<usize, std::fmt::Error> {
    Ok(to.len())
}

fn main() {}

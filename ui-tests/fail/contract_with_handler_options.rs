#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), concurrency = 3, retry(attempts = 3, on = std::fmt::Error))]
struct SendEmail {
    to: String,
}

fn main() {}

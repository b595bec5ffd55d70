#![allow(unused)]

use taskora::prelude::*;

#[task]
struct SendEmail {
    to: String,
}

fn main() {
    let _ = SendEmail { to: String::new() };
}

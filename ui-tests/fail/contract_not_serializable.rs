#![allow(unused)]

use taskora::prelude::*;

#[derive(Task)]
#[task(output = ())]
struct SendEmail {
    to: String,
}

fn main() {}

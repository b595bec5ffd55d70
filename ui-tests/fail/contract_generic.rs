#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = ())]
struct SendEmail<T> {
    to: T,
}

fn main() {}

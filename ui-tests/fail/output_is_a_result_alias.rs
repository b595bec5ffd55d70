#![allow(unused)]

use taskora::prelude::*;

type Res<T> = Result<T, String>;

#[task]
async fn send(to: String) -> Res<u32> {
    Ok(1)
}

fn main() {}

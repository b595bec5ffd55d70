#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send(key: [u8; 64]) {}

fn main() {}

#![allow(unused)]

use taskora::prelude::*;

#[derive(Clone, FromRef)]
struct AppState {
    sender: String,
    receiver: String,
}

fn main() {}

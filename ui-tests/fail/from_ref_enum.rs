#![allow(unused)]

use taskora::prelude::*;

#[derive(Clone, FromRef)]
enum AppState {
    Ready,
}

fn main() {}

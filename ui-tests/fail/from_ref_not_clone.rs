#![allow(unused)]

use taskora::prelude::*;

struct Mailer;

#[derive(FromRef)]
struct AppState {
    mailer: Mailer,
}

fn main() {}

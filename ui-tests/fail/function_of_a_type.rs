#![allow(unused)]

use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
struct Email {
    to: String,
}

impl Email {
    #[task]
    async fn compose(to: String) -> Self {
        Self { to }
    }

    #[task(retry = 3)]
    async fn send(email: Self, signatures: Vec<Self>) {}
}

fn main() {}

#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn double(n: u32) -> u32 {
    2 * n
}

fn main() {
    let _ = |app: &App| app.dispatch(Double { n: 1 }.then(Double::s())).priority(5);
}

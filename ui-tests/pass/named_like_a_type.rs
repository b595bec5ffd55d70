//! A contract may have the name of a type that its signature does not mean, and may occur within its own arguments.

#![allow(dead_code)]

use taskora::prelude::*;

#[task]
async fn result(id: u32) -> std::result::Result<u32, String> {
    Ok(id)
}

#[task]
async fn option(id: u32) -> u32 {
    id
}

#[task]
async fn walk(rest: Vec<Walk>) -> usize {
    rest.len()
}

#[task]
async fn count(from: u32) -> Count {
    Count { from: from + 1 }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(result(7).await, Ok(7));
    assert_eq!(Result::NAME, "result");
    assert_eq!(walk(vec![Walk { rest: Vec::new() }]).await, 1);
    assert_eq!(count(1).await.from, 2);
}

//! What is awaited is made anew from what was stored; only an error may be a `&'static`.

use taskora::prelude::*;

#[task]
async fn name(id: u32) -> &'static str {
    if id == 0 { "root" } else { "guest" }
}

#[task]
async fn names(id: u32) -> Result<Vec<&'static str>, &'static str> {
    if id == 0 { Err("no such user") } else { Ok(vec!["guest"]) }
}

#[task]
async fn find(id: u32) -> Result<&'static [u32], &'static str> {
    if id == 0 { Err("no such user") } else { Ok(&[1]) }
}

fn main() {}

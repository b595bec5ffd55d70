#![allow(unused)]

use taskora::prelude::*;

#[task(ttl = "0s")]
async fn none() {}

#[task(ttl(max = "0ms"))]
async fn none_in_the_list() {}

#[task(ttl = 300)]
async fn number() {}

#[task(ttl(on_expire = discard))]
async fn without_max() {}

#[task(ttl(max = "5m", on_expire = drop))]
async fn another_word() {}

#[task(ttl(max = "5m", keep = false))]
async fn unknown() {}

#[task(expires = "5m")]
async fn named_as_elsewhere() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = ())]
struct Contract {}

#[task(implements = Contract, ttl = "5m")]
async fn implemented() {}

fn main() {}

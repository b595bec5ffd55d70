#![allow(unused)]

use taskora::prelude::*;

#[task(rate(key, max = 5, per = "1m"))]
async fn without_a_key(tenant: u32) {}

#[task(limit(max = 5), rate(key, max = 5, per = "1m"))]
async fn limited_without_a_key(tenant: u32) {}

#[task(rate(key = |t| t.tenant, max = 5, per = "1m"))]
async fn with_a_key_of_its_own(tenant: u32) {}

#[task(fair(key = |t| t.tenant), rate(key = tenant, max = 5, per = "1m"))]
async fn with_another_key(tenant: u32) {}

#[task(fair(key = |t| t.tenant), rate(key))]
async fn without_numbers(tenant: u32) {}

#[task(fair(key = |t| t.tenant), rate(key, key, max = 5, per = "1m"))]
async fn said_twice(tenant: u32) {}

#[task(fair(key = |t| t.tenant), rate(key, max = 5, per = "1m"), rate(key, max = 1, per = "1s"))]
async fn twice(tenant: u32) {}

#[task(fair(key = |t| t.tenant), rate(key, max = 1001, per = "1m"))]
async fn too_large_a_window(tenant: u32) {}

#[task(limit(key = |t| t.tenant, max = 2), rate(keys, max = 5, per = "1m"))]
async fn in_the_plural(tenant: u32) {}

#[task(limit(key = |t| t.tenant, max = 2, rate = 5))]
async fn within_the_limit(tenant: u32) {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), rate(key, max = 5, per = "1m"))]
struct Contract {
    tenant: u32,
}

fn main() {}

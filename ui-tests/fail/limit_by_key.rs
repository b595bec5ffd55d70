#![allow(unused)]

use taskora::prelude::*;

#[task(limit(key = |t| t.tenant))]
async fn without_max(tenant: u32) {}

#[task(limit(key = |t| t.tenant, max = 0))]
async fn none(tenant: u32) {}

#[task(limit(key, max = 2))]
async fn without_value(tenant: u32) {}

#[task(limit(key = "tenant", max = 2))]
async fn text(tenant: u32) {}

#[task(limit(key = tenant, max = 2))]
async fn name_of_an_argument(tenant: u32) {}

#[task(limit(key = || 7, max = 2))]
async fn of_nothing(tenant: u32) {}

#[task(limit(key = |t, u| t.tenant, max = 2))]
async fn of_two(tenant: u32) {}

#[task(limit(key = |t| t.order, max = 2, ordered))]
async fn ordered_but_two(order: u32) {}

#[task(limit(max = 1, ordered))]
async fn ordered_without_key(order: u32) {}

#[task(limit(key = |t| t.order, max = 1, ordered = true))]
async fn ordered_with_a_value(order: u32) {}

#[task(limit(max = 5), limit(max = 6))]
async fn twice() {}

#[task(limit(key = |t| t.a, max = 5), limit(key = |t| t.b, max = 6))]
async fn two_keys(a: u32, b: u32) {}

#[task(limit(key = |t| t.tenant, max = 2), fair(key = |t| t.tenant))]
async fn fair_twice(tenant: u32) {}

#[task(fair)]
async fn fair_alone(tenant: u32) {}

#[task(fair())]
async fn fair_without_key(tenant: u32) {}

#[task(fair(key = |t| t.tenant, max = 2))]
async fn fair_with_max(tenant: u32) {}

#[task(singleton, limit(key = |t| t.order, max = 1, ordered), limit(max = 1))]
async fn singleton_and_limit(order: u32) {}

#[task(key = |t| t.tenant)]
async fn key_alone(tenant: u32) {}

#[task(ordered)]
async fn ordered_alone(tenant: u32) {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), limit(key = tenant, max = 2))]
struct Contract {
    tenant: u32,
}

#[task(implements = Contract, fair(key = |t| t.tenant))]
async fn implemented(tenant: u32) {}

async fn use_them(app: &App) {
    let _ = app.dispatch(OrderedButTwo { order: 7 }).limit_key("a").await;
    let _ = app.dispatch(TwoKeys { a: 7, b: 8 }).await;
}

fn main() {}

//! What may be the key of a limit.
#![deny(warnings)]

use taskora::__private::Task as _;
use taskora::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Customer {
    id: u32,
    region: String,
}

impl Customer {
    fn region(&self) -> &str {
        &self.region
    }
}

/// A field, which may be a `String`, too.
#[task(limit(max = 50), limit(key = |t| t.tenant, max = 2))]
async fn field(tenant: String) {
    drop(tenant);
}

#[task(limit(key = |t| (&t.customer.region, t.customer.id), max = 1, ordered))]
async fn tuple(customer: Customer) {
    drop(customer);
}

#[task(fair(key = |t| t.customer.region()))]
async fn method(customer: Customer) {
    drop(customer);
}

#[task(singleton, limit(key = |Taken { a, .. }| a + 1, max = 2))]
async fn taken(a: u32, b: u32) {
    let _ = a + b;
}

#[task(limit(key = |t| if t.urgent { None } else { Some(t.tenant) }, max = 2))]
async fn some_of_them(tenant: u32, urgent: bool) {
    let _ = (tenant, urgent);
}

#[task(limit(key = |t| -> String { format!("{}-eu", t.tenant) }, max = 2))]
async fn with_a_type(tenant: u32) {
    let _ = tenant;
}

#[task(limit(key = Shared::tenant_of, max = 2))]
async fn by_function(tenant: u32) {
    let _ = tenant;
}

struct Shared;

impl Shared {
    fn tenant_of(task: &ByFunction) -> u32 {
        task.tenant
    }
}

#[task(limit(key = given, max = 2))]
async fn only_given(given: u32) {
    let _ = given;
}

#[task(limit(key = |_| "all", max = 1, ordered))]
async fn nothing() {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), limit(key = |t| t.tenant, max = 2))]
struct Contract {
    tenant: String,
}

#[task(implements = Contract)]
async fn implemented(tenant: String) {
    drop(tenant);
}

fn main() {
    let _ = |app| Worker::builder(app).register::<ImplementedHandler>();
    let customer = || Customer { id: 7, region: "eu".into() };
    let keys = [
        Field { tenant: "acme".into() }.limit_key(),
        Tuple { customer: customer() }.limit_key(),
        Method { customer: customer() }.limit_key(),
        Taken { a: 7, b: 8 }.limit_key(),
        SomeOfThem { tenant: 7, urgent: false }.limit_key(),
        SomeOfThem { tenant: 7, urgent: true }.limit_key(),
        WithAType { tenant: 7 }.limit_key(),
        ByFunction { tenant: 7 }.limit_key(),
        OnlyGiven { given: 7 }.limit_key(),
        Nothing {}.limit_key(),
        Contract { tenant: "acme".into() }.limit_key(),
    ];
    let expected = [
        Some("acme"),
        Some("eu:7"),
        Some("eu"),
        Some("8"),
        Some("7"),
        None,
        Some("7-eu"),
        Some("7"),
        None,
        Some("all"),
        Some("acme"),
    ];
    assert_eq!(keys.each_ref().map(Option::as_deref), expected);
}

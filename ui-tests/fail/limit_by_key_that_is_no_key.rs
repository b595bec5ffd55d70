#![allow(unused)]

use taskora::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Customer {
    id: u32,
}

#[task(limit(key = |t| t.customer, max = 2))]
async fn whole_struct(customer: Customer) {}

#[task(limit(key = |t| &t.customer, max = 2))]
async fn reference(customer: Customer) {}

#[task(fair(key = |t| (t.customer.id, t.ratio)))]
async fn float(customer: Customer, ratio: f64) {}

#[task(limit(key = |t| t.tenat, max = 2))]
async fn misspelt(tenant: u32) {}

#[task(limit(key = |t: &Customer| t.id, max = 2))]
async fn of_another_type(customer: Customer) {}

#[task(limit(key = tenant_of, max = 2))]
async fn unknown_function(tenant: u32) {}

#[task(limit(key = tenant_of_a_customer, max = 2))]
async fn function_of_another_type(customer: Customer) {}

fn tenant_of_a_customer(customer: &Customer) -> u32 {
    customer.id
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), limit(key = |t| vec![t.tenant], max = 2))]
struct Contract {
    tenant: u32,
}

async fn dispatch(app: App, customer: Customer) {
    let _ = app.dispatch(Misspelt { tenant: 7 }).limit_key(&customer).await;
    let _ = app.dispatch_many([Misspelt { tenant: 7 }]).limit_key("acme").await;
}

fn main() {}

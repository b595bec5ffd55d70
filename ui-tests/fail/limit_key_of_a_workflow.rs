//! The steps of a workflow have the keys that their contracts compute.

use taskora::prelude::*;

#[task(limit(key = |t| t.tenant, max = 2))]
async fn report(tenant: u32) {}

async fn dispatch(app: App) {
    let _ = app.dispatch(Report { tenant: 7 }.then(Report { tenant: 8 })).limit_key("acme").await;
}

fn main() {}

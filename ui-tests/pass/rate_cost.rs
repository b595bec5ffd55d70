//! Jobs that count as several starts of a rate.

use taskora::prelude::*;

#[task(rate(max = 100, per = "1m", cost = |t| t.rows))]
async fn import(rows: u32) {}

#[task(rate(max = 100, per = "1m", cost = |t| t.rows.len() as u32 + 1))]
async fn insert(rows: Vec<String>) {}

#[task(rate(max = 10, per = "1s", burst = 5, cost = |_| 2))]
async fn always_two() {}

#[task(fair(key = |t| t.tenant), rate(key, max = 100, per = "1m", cost = |t| if t.large { 20 } else { 1 }))]
async fn export(tenant: u32, large: bool) {}

#[task(limit(key = |t| t.tenant, max = 2), rate(max = 100, per = "1m"), rate(key, max = 9, per = "1s", cost = cost_of))]
async fn report(tenant: u32) {}

fn cost_of(report: &Report) -> u32 {
    report.tenant % 7
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), rate(max = 50, per = "1s", cost = |Contract { bytes, .. }| bytes / 1024))]
struct Contract {
    name: String,
    bytes: u32,
}

#[task(implements = Contract)]
async fn upload(name: String, bytes: u32) {
    let _ = (name, bytes);
}

fn costs() -> [u32; 6] {
    [
        Import { rows: 7 }.cost(),
        Insert { rows: vec!["a".into(), "b".into()] }.cost(),
        AlwaysTwo.cost(),
        Export { tenant: 1, large: true }.cost(),
        Report { tenant: 9 }.cost(),
        Contract { name: String::new(), bytes: 5_000 }.cost(),
    ]
}

fn main() {
    assert_eq!(costs(), [7, 3, 2, 20, 2, 4]);
}

#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", with(tenent = 7, to = 1, to = 2, ctx = 1)))]
async fn send_report(tenant: u32, to: u32, ctx: &Context) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "5m", overlap = cancel), schedule(name = "b", every = "5m", overlap = queue))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

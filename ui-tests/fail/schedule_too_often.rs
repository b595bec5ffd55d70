#![allow(unused)]

use taskora::prelude::*;

#[task(schedule(every = "500ms"), schedule(name = "never", every = "0s"))]
async fn send_report() {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

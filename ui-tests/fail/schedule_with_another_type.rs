#![allow(unused)]

use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
pub enum Kind {
    Daily,
    Weekly,
}

#[task(schedule(every = "5m", with(kind = 5)))]
async fn send_report(kind: Kind) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

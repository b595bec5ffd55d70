#![allow(unused)]

use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
pub enum Kind {
    Daily,
    Weekly,
}

#[task(schedule(cron = "0 25 * * *", tz = "Berlin", jitter = "1 m", overlap = no, with(kind = 5)), retires = 3)]
async fn send_report(kind: Kind, to: String) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

#![allow(unused)]

use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
pub enum Kind {
    Daily,
    Weekly,
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), schedule(every = "5m", jitter = "5m", with(kind = Kind::Daily)))]
#[task(schedule(name = "other", cron = "0 3 * * *", with(kind = 5, to = String::new())))]
struct SendReport {
    kind: Kind,
    to: String,
}

#[task(implements = SendReport, schedule(name = "third", every = "5m", with(kind = Kind::Weekly)))]
async fn send(kind: Kind, to: String) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendHandler>();
}

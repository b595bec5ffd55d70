#![allow(unused)]

use taskora::prelude::*;

mod uuid {
    pub fn new_v4() -> u128 {
        4
    }
}

#[task(schedule(every = "5m", with(id = Some(uuid::new_v4()))))]
async fn send_report(id: Option<u128>) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendReport>();
}

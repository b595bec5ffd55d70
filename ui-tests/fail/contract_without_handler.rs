#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = String)]
struct SendEmail {
    to: String,
}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

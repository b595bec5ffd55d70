#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = String)]
struct SendEmail {
    to: String,
}

#[task(implements = SendEmail, retry = 3, timeout = "1s")]
async fn send_email(to: String) -> String {
    to
}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendEmailHandler>();
}

#![allow(unused)]

use taskora::prelude::*;

#[derive(Clone)]
struct Mailer;

#[task]
async fn send_email(to: String, mailer: State<Mailer>) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).state(String::new()).register::<SendEmail>();
}

#![allow(unused)]

use taskora::prelude::*;

#[task(on_cancel = clean_up)]
async fn send_email(to: String) {}

fn clean_up(task: SendEmail) {}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

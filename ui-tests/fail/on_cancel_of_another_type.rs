#![allow(unused)]

use taskora::prelude::*;

#[task(on_cancel = clean_up)]
async fn send_email(to: String) {}

async fn clean_up(_: String, _: Context) {}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

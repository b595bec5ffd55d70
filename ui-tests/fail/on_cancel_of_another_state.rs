#![allow(unused)]

use taskora::prelude::*;

#[derive(Clone)]
struct Mailer;

#[derive(Clone)]
struct Storage;

#[task(on_cancel = clean_up)]
async fn send_email(to: String, mailer: State<Mailer>) {}

async fn clean_up(task: SendEmail, storage: State<Storage>) {}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).state(Mailer).register::<SendEmail>();
}

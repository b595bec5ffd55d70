#![allow(unused)]

use taskora::prelude::*;

struct Mailer;

#[task]
async fn send_email(to: String, #[inject] mailer: Mailer) {}

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

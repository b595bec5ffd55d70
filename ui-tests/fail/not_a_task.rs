#![allow(unused)]

use taskora::prelude::*;

struct SendEmail;

fn main() {
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
    let _ = |app: &App| app.dispatch(SendEmail);
}

#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: String) {
    let counter = std::rc::Rc::new(1);
    std::future::ready(()).await;
    drop(counter);
}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: String) {}

fn main() {
    let app = App::new(MemoryAdapter::new());
    let _ = Worker::builder(&app).register(send_email);
}

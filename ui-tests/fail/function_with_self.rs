#![allow(unused)]

use taskora::prelude::*;

struct Mailer;

impl Mailer {
    #[task]
    async fn send_email(&self, to: String) {}
}

fn main() {
    let _ = Mailer.send_email(String::new());
}

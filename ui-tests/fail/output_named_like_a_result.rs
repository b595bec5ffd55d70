#![allow(unused)]

use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
struct CheckResult;

#[task]
async fn send_email(to: String) -> CheckResult {
    CheckResult
}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

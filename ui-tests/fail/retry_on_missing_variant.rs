#![allow(unused)]

use taskora::prelude::*;

#[derive(Debug, thiserror::Error)]
enum MailError {
    #[error("rate limited")]
    RateLimited,
}

#[task(retry(attempts = 3, never_on = MailError::BadAddress(_)))]
async fn send_email(to: String) -> Result<(), MailError> {
    Err(MailError::RateLimited)
}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::s().to("a@b.com"));
    let _ = |app: &App| app.dispatch(SendEmail { to: String::new() });
    let _ = |app: &App| Worker::builder(app).register::<SendEmail>();
}

//! E-mails. The mailer only prints: this is an example.

use std::sync::Arc;

use split_contracts::{Receipt, SendEmail};
use taskora::{Context, State, task};

#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("bad address `{0}`")]
    BadAddress(String),
    #[error("the mail server is busy")]
    Busy,
}

/// Sends e-mails from one address.
#[derive(Clone)]
pub(crate) struct Mailer {
    from: Arc<str>,
}

impl Mailer {
    pub(crate) fn new(from: &str) -> Self {
        Self { from: from.into() }
    }

    async fn send(&self, message_id: &str, to: &str, subject: &str) -> Result<Receipt, MailError> {
        if to.starts_with("busy@") {
            return Err(MailError::Busy);
        }
        if !to.contains('@') {
            return Err(MailError::BadAddress(to.to_owned()));
        }
        println!("from {} to {to}: {subject}", self.from);
        Ok(Receipt { message_id: message_id.to_owned() })
    }
}

/// The contract says how often to retry; the handler says which of its errors are worth a retry. The job's id
/// lets the mail server recognise a second attempt, which may follow a first one that succeeded unnoticed.
#[task(implements = SendEmail, retry(never_on = MailError::BadAddress(_)))]
pub(crate) async fn send_email(
    to: String,
    subject: String,
    ctx: &Context,
    mailer: State<Mailer>,
) -> Result<Receipt, MailError> {
    ctx.info(format!("sending, attempt {} of {}", ctx.attempt(), ctx.max_attempts()));
    mailer.send(ctx.id().as_str(), &to, &subject).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handler is an ordinary function: it can be tested without a queue.
    #[tokio::test]
    async fn a_bad_address_is_refused() {
        let sent =
            send_email("nobody".into(), "Hi".into(), &Context::test().build(), State(Mailer::new("me")))
                .await;
        assert_eq!(sent.unwrap_err().to_string(), "bad address `nobody`");
    }
}

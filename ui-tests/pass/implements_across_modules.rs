//! A contract in one module, its handler in another.
#![deny(warnings, missing_docs)]

pub mod contracts {
    //! What producers and workers share.

    use taskora::prelude::*;

    /// A receipt.
    #[derive(Debug, Serialize, Deserialize)]
    pub struct Receipt {
        /// Of what.
        pub id: String,
    }

    /// Sends an e-mail.
    #[derive(Task, Serialize, Deserialize, Debug)]
    #[task(output = Receipt, retry(attempts = 3, backoff = linear), timeout = "30s")]
    #[task(aliases = ["mail"])]
    pub struct SendEmail {
        /// Whom to.
        pub to: String,
        /// What about.
        #[serde(default)]
        pub subject: Option<String>,
    }

    /// Does nothing.
    #[derive(Task, Serialize, Deserialize)]
    #[task(name = "no-op", output = ())]
    pub struct Noop {}

    /// Has no arguments either.
    #[derive(Task, Serialize, Deserialize)]
    #[task(output = std::collections::HashMap<String, Vec<u8>>, priority = 9)]
    pub struct Unit;
}

pub mod handlers {
    //! What only workers have.

    use super::contracts;
    use taskora::prelude::*;

    /// Sends it.
    #[task(
        implements = contracts::SendEmail,
        retry(on = std::fmt::Error, never_on = std::fmt::Error),
        concurrency = 4,
        on_cancel = clean_up
    )]
    pub async fn send_email(
        subject: Option<String>,
        ctx: &Context,
        to: String,
    ) -> Result<contracts::Receipt, std::fmt::Error> {
        let _ = (subject, ctx);
        Ok(contracts::Receipt { id: to })
    }

    async fn clean_up(email: contracts::SendEmail, _: Context) {
        drop(email.to);
    }

    /// Has another name than its contract.
    #[task(implements = contracts::Noop, blocking)]
    pub fn nothing_at_all() {}

    #[task(implements = crate::contracts::Unit)]
    pub(crate) async fn unit() -> std::collections::HashMap<String, Vec<u8>> {
        std::collections::HashMap::new()
    }
}

fn main() {
    use taskora::Task;
    assert_eq!(contracts::SendEmail::NAME, "send-email");
    assert_eq!(contracts::SendEmail::OPTIONS.aliases(), ["mail"]);
    assert_eq!((contracts::Noop::NAME, contracts::Unit::NAME), ("no-op", "unit"));
    let _ = |app: &taskora::App| {
        let _ = taskora::Worker::builder(app)
            .register::<handlers::SendEmailHandler>()
            .register::<handlers::NothingAtAllHandler>()
            .register::<handlers::UnitHandler>();
        app.dispatch(contracts::SendEmail::s().to("a@b.com").subject(None))
    };
}

//! Every parameter, every option.
#![deny(warnings, missing_docs, missing_debug_implementations, unreachable_pub, unused_qualifications)]
#![deny(clippy::all, clippy::pedantic)]
#![allow(
    clippy::unused_async,
    clippy::needless_pass_by_value,
    clippy::missing_errors_doc,
    reason = "these speak of the functions, not of what is made of them"
)]

use std::time::Duration;

use taskora::prelude::*;
use taskora::{Backoff, Handler, HandlerOptions};

/// What is stored.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Which message.
    pub message_id: String,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Later.
    #[error("rate limited")]
    RateLimited(Duration),
    /// Never.
    #[error("bad address {0}")]
    BadAddress(String),
}

impl MailError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(delay) => Some(*delay),
            Self::BadAddress(_) => None,
        }
    }
}

/// A part of the state.
#[derive(Clone, Debug)]
pub struct Mailer;

/// The state.
#[derive(Clone, Debug, FromRef)]
pub struct AppState {
    mailer: Mailer,
    sender: String,
    #[from_ref(skip)]
    _other: String,
}

fn growing(attempt: u32) -> Duration {
    Duration::from_secs(u64::from(attempt))
}

async fn clean_up(_email: SendEmail, _sender: State<String>, _ctx: Context, _mailer: State<Mailer>) {}

/// Sends one e-mail.
#[task(
    name = "mail.send",
    aliases = ["send-email", "e-mail"],
    retry(
        attempts = 5,
        backoff = growing,
        delay = "500ms",
        max_delay = "1m",
        jitter = false,
        timeouts = false,
        on = MailError::RateLimited(_) | MailError::BadAddress(_),
        never_on = MailError::BadAddress(_),
        after = MailError::retry_after,
    ),
    timeout = "0.5s",
    concurrency = 10,
    priority = -7,
    stall(lease = "10s", max = 3),
    schedule(
        name = "nightly",
        cron = "0 3 * * *",
        tz = "Europe/Berlin",
        with(to = "a@b.com".to_owned(), subject = Some("Hi".to_owned())),
        overlap = queue,
        on_missed = catch_up(2),
        max_late = "2h",
        jitter = "1m",
        enabled_by = "MAIL_ENABLED"
    ),
    schedule(every = "1h", offset = "5m", with(to = String::from("a@b.com")), overlap = skip, on_missed = skip),
    schedule(name = "by hand", manual, with(to = String::new()), run_on_start = always),
    on_cancel = clean_up,
    derive(Debug, Clone, PartialEq),
)]
pub async fn send_email(
    mut to: String,
    #[serde(default, rename = "subject_line")] subject: Option<String>,
    ctx: &Context,
    State(mailer): State<Mailer>,
    sender: &State<String>,
) -> Result<Receipt, MailError> {
    let _ = (ctx, mailer, sender);
    to.push_str(&subject.unwrap_or_default());
    Ok(Receipt { message_id: to })
}

#[task(blocking)]
fn count(text: String) -> usize {
    text.len()
}

/// Takes everything from elsewhere.
#[task]
pub(crate) async fn tick(#[inject] ctx: Ctx, #[inject] mailer: &Mail) {
    let _ = (ctx, mailer);
}

type Ctx = Context;
type Mail = State<Mailer>;

/// Is called like an injected one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Info;

mod page {
    #[derive(Debug, Clone, taskora::prelude::Serialize, taskora::prelude::Deserialize)]
    pub(crate) struct Context;
}

#[task]
async fn render(#[payload] page: page::Context, ctx: Context) {
    let _ = (page, ctx);
}

fn options<H: Handler<AppState>>() -> HandlerOptions {
    H::OPTIONS
}

fn main() {
    let options = (<SendEmail as Task>::OPTIONS, options::<SendEmail>());
    assert_eq!(SendEmail::NAME, "mail.send");
    assert_eq!(options.0.aliases(), ["send-email", "e-mail"]);
    let retry = options.0.retry();
    assert_eq!((retry.max_attempts(), retry.retries_timeouts()), (5, false));
    assert!(matches!(Backoff::Custom(growing), Backoff::Custom(_)));
    assert_eq!(retry.delay_after(3, 0.9), Duration::from_secs(3));
    assert_eq!(retry.delay_after(300, 0.9), Duration::from_secs(60));
    assert_eq!(options.0.timeout(), Some(Duration::from_millis(500)));
    assert_eq!((options.0.priority(), options.0.max_stalls()), (-7, 3));
    assert_eq!(options.0.lease(), Some(Duration::from_secs(10)));
    assert_eq!((options.1.concurrency(), options.1.has_on_cancel()), (Some(10), true));
    assert!(options.1.place().contains("tour.rs:"), "{}", options.1.place());

    let email = SendEmail { to: "a@b.com".into(), subject: None };
    let json = serde_json::to_string(&email).unwrap();
    assert_eq!(json, r#"{"to":"a@b.com","subject_line":null}"#);
    assert_eq!(serde_json::from_str::<SendEmail>(r#"{"to":"a@b.com"}"#).unwrap(), email);

    let open = SendEmail::s().subject(None);
    assert_eq!(format!("{open:?}"), "SendEmailSignature { to: open, subject: set }");
    let _ = |app: &App| app.dispatch(open.to("a@b.com"));
    let _ = |app: &App| app.dispatch(Tick::s());
    let _ = |app: &App| {
        Worker::builder(app)
            .state(AppState { mailer: Mailer, sender: String::new(), _other: String::new() })
            .register::<SendEmail>()
            .register::<Count>()
            .register::<Tick>()
            .register_all(taskora::tasks![Render])
    };
}

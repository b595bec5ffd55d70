//! Failed attempts: what a handler returns, and what the worker does with it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::advice::Advice;
use crate::text::beginning;

/// An error that a handler returns, and that can say what happens next. Any error converts into one with `?`, and is then
/// retried as the task's policy says. [`Context::retry_after`](crate::Context::retry_after) and
/// [`Context::give_up`](crate::Context::give_up) create errors that override the policy.
///
/// ```
/// use taskora::TaskError;
///
/// fn parse(text: &str) -> Result<u32, TaskError> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
///
/// # With `anyhow` and boxed errors
/// `anyhow::Error` and `Box<dyn Error>` do not implement `Error`, so `?` cannot convert them; [`TaskError::boxed`] does. A
/// handler may also return `anyhow::Result` as it is. A [`give_up`](TaskError::give_up) or
/// [`retry_after`](TaskError::retry_after) is found anywhere in an error's chain of sources, so `context(..)` does not hide
/// it. [`TaskError::into_error`] converts a `TaskError` into an error that works with `?`:
///
/// ```
/// use anyhow::Context as _; // `as _`, because the prelude has its own `Context`
/// use taskora::prelude::*;
///
/// fn charge(card: &str) -> anyhow::Result<u32> {
///     card.parse().context("no such card")
/// }
///
/// #[task(retry = 3)]
/// async fn charge_card(card: String) -> Result<u32, TaskError> {
///     charge(&card).map_err(TaskError::boxed)
/// }
///
/// #[task(retry = 3)]
/// async fn refund(card: String) -> anyhow::Result<()> {
///     if card.is_empty() {
///         Err(TaskError::give_up("no card").into_error())?;
///     }
///     Ok(())
/// }
/// ```
// Not an `Error` itself: that would rule out the conversion from every error.
pub struct TaskError {
    /// The handler's own message.
    message: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    advice: Advice,
}

impl TaskError {
    const fn new(message: Option<String>, advice: Advice) -> Self {
        Self { message, source: None, advice }
    }

    /// An error with a message of its own.
    #[must_use]
    pub fn msg(message: impl Into<String>) -> Self {
        Self::new(Some(message.into()), Advice::default())
    }

    /// An `anyhow::Error`, a `Box<dyn Error>`, or anything else that converts into a boxed error.
    #[must_use]
    pub fn boxed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { message: None, source: Some(error.into()), advice: Advice::default() }
    }

    /// The attempt fails; the next one, if the policy allows it, starts after this delay.
    #[must_use]
    pub fn retry_after(delay: Duration) -> Self {
        Self::new(None, Advice::new(true, Some(delay)))
    }

    /// The delay of `retry_after` holds for all jobs that are limited by the same key: until it is over, none of them starts. So one answer of
    /// 429 closes the key, and its other jobs need not ask. Other keys go on.
    ///
    /// The attempt counts, as any other. If it was the last one, the key is closed all the same. Without `limit(key = ..)` and `fair(key = ..)`,
    /// and for a job without a key, only this job waits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use taskora::prelude::*;
    /// # struct Response { retry_after: Option<Duration> }
    /// # async fn fetch_page(_: u32, _: u32) -> Response { Response { retry_after: None } }
    /// #[task(fair(key = |t| t.account), retry = 5)]
    /// async fn fetch(account: u32, page: u32, ctx: &Context) -> Result<(), TaskError> {
    ///     if let Some(after) = fetch_page(account, page).await.retry_after {
    ///         return Err(ctx.retry_after(after).for_key());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn for_key(self) -> Self {
        Self { advice: Advice { for_key: true, ..self.advice }, ..self }
    }

    /// The job fails, without another attempt.
    #[must_use]
    pub fn give_up(message: impl Into<String>) -> Self {
        Self::new(Some(message.into()), Advice::new(false, None))
    }

    /// Adds the underlying error, whose message follows this one's.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Converts this into an [`Error`](StdError), which `?` converts into `anyhow::Error` and the like. A `give_up` or
    /// `retry_after` stays with it.
    pub fn into_error(self) -> impl StdError + Send + Sync + 'static {
        Boxed(Carried(self))
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.message, &self.source, self.advice.after) {
            (Some(message), Some(source), _) => write!(f, "{message}: {source}"),
            (Some(message), None, _) => f.write_str(message),
            (None, Some(source), _) => fmt::Display::fmt(source, f),
            (None, None, Some(delay)) => write!(f, "asked to be retried after {delay:?}"),
            (None, None, None) => f.write_str("the attempt has failed"),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskError")
            .field("message", &self.message)
            .field("source", &self.source)
            .field("advice", &self.advice)
            .finish()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for TaskError {
    fn from(error: E) -> Self {
        Self::boxed(error)
    }
}

/// Carries a `TaskError` through other errors. It is the source of [`Boxed`] and not the outermost error, because `anyhow`
/// hides the type of the outermost error, but not those of its sources.
struct Carried(TaskError);

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Carried {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// A `TaskError` as an error.
struct Boxed(Carried);

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Boxed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

impl From<TaskError> for Box<dyn StdError + Send + Sync> {
    fn from(error: TaskError) -> Self {
        Box::new(error.into_error())
    }
}

impl From<TaskError> for Box<dyn StdError> {
    fn from(error: TaskError) -> Self {
        Box::new(error.into_error())
    }
}

/// How an attempt failed, as the worker needs to know it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failure {
    pub(crate) message: String,
    pub(crate) advice: Advice,
    pub(crate) cause: Cause,
}

/// What has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The handler, or something that it needs.
    Attempt,
    /// This build of the worker cannot read the payload. Another build may be able to.
    Payload,
    /// A later version of taskora wrote data that the attempt needs. A worker of that version may take the job.
    Newer,
}

impl Failure {
    pub(crate) fn new(error: Box<dyn StdError + Send + Sync>, advice: Advice) -> Self {
        // what the error itself asks for overrides `on`, `never_on` and `after`
        let advice = own_advice(&*error).unwrap_or(advice);
        Self { message: cut(message_of(&*error)), advice, cause: Cause::Attempt }
    }

    /// A failure that is retried as the policy says.
    pub(crate) fn retryable(message: impl Into<String>) -> Self {
        Self { message: cut(message.into()), advice: Advice::default(), cause: Cause::Attempt }
    }

    /// A failure that no further attempt can fix.
    pub(crate) fn fatal(message: impl Into<String>) -> Self {
        Self { advice: Advice::new(false, None), ..Self::retryable(message) }
    }

    /// A payload that this build of the worker cannot read.
    pub(crate) fn undecodable(message: impl Into<String>) -> Self {
        Self { cause: Cause::Payload, ..Self::retryable(message) }
    }

    /// Data that a later version of taskora wrote.
    pub(crate) fn newer(message: impl Into<String>) -> Self {
        Self { cause: Cause::Newer, ..Self::retryable(message) }
    }
}

/// What an error, or the nearest of its sources, asks for.
fn own_advice(error: &(dyn StdError + 'static)) -> Option<Advice> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(Carried(own)) = error.downcast_ref()
            && own.advice != Advice::default()
        {
            return Some(own.advice);
        }
        next = error.source();
    }
    None
}

/// The longest message that is kept of an error, in bytes.
const MAX_MESSAGE: usize = 16 * 1024;

/// An error with its sources, outermost first, without sources that the error's own text already contains.
fn message_of(error: &(dyn StdError + 'static)) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let text = source.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        next = source.source();
    }
    message
}

/// Cuts a message that is too long to keep.
pub(crate) fn cut(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        message.truncate(beginning(&message, MAX_MESSAGE).len());
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot send")]
    struct Outer(#[source] std::num::ParseIntError);

    fn outer() -> Outer {
        Outer("x".parse::<u8>().unwrap_err())
    }

    #[test]
    fn a_message_names_its_sources_once() {
        let failure = Failure::new(Box::new(outer()), Advice::default());
        assert_eq!(failure.message, "cannot send: invalid digit found in string");
    }

    #[test]
    fn what_the_error_asks_for_survives_the_box() {
        let boxed: Box<dyn StdError + Send + Sync> = TaskError::give_up("no such user").into();
        let failure = Failure::new(boxed, Advice::new(true, None));
        assert_eq!((failure.message.as_str(), failure.advice), ("no such user", Advice::new(false, None)));

        let boxed: Box<dyn StdError + Send + Sync> =
            TaskError::retry_after(Duration::from_secs(7)).because(outer()).into();
        let failure = Failure::new(boxed, Advice::new(false, None));
        assert_eq!(failure.advice.after, Some(Duration::from_secs(7)));
        assert_eq!(failure.message, "cannot send: invalid digit found in string");
    }

    #[test]
    fn a_message_and_its_reason_are_both_told() {
        let boxed: Box<dyn StdError + Send + Sync> = TaskError::give_up("declined").because(outer()).into();
        let failure = Failure::new(boxed, Advice::new(true, None));
        assert_eq!(failure.message, "declined: cannot send: invalid digit found in string");
        assert_eq!(failure.advice, Advice::new(false, None));
    }

    #[test]
    fn what_an_error_asks_for_is_found_behind_other_errors() {
        let give_up = || TaskError::give_up("declined").into_error();
        let plain = Failure::new(anyhow::Error::new(give_up()).into(), Advice::new(true, None));
        assert_eq!((plain.message.as_str(), plain.advice), ("declined", Advice::new(false, None)));

        let in_context = anyhow::Error::new(give_up()).context("charging").context("order 7");
        let failure = Failure::new(in_context.into(), Advice::new(true, None));
        assert_eq!(failure.message, "order 7: charging: declined");
        assert_eq!(failure.advice, Advice::new(false, None));

        let nested = TaskError::boxed(anyhow::Error::new(give_up()).context("charging"));
        let failure = Failure::new(nested.into(), Advice::default());
        assert_eq!((failure.message.as_str(), failure.advice.never), ("charging: declined", true));

        let inner = TaskError::msg("order 7").because(Box::new(give_up()) as Box<dyn StdError + Send + Sync>);
        assert!(Failure::new(inner.into(), Advice::default()).advice.never);
    }

    #[test]
    fn an_error_without_a_wish_leaves_the_decision_to_the_patterns() {
        let boxed: Box<dyn StdError + Send + Sync> = TaskError::from(outer()).into();
        assert!(Failure::new(boxed, Advice::new(false, None)).advice.never);
    }

    #[test]
    fn endless_messages_are_cut_at_a_character() {
        let failure = Failure::new("ü".repeat(MAX_MESSAGE).into(), Advice::default());
        assert!(failure.message.len() <= MAX_MESSAGE + '…'.len_utf8() && failure.message.ends_with('…'));
    }
}

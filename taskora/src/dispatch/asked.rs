//! A rule as the caller asked for it, and what becomes of it.

use std::time::Duration;

use super::check::{check_life, check_meta};
use crate::adapter::{BlockingStates, Due, Once, Otherwise, Rule};
use crate::error::DispatchError;
use crate::job::JobState;
use crate::json::fingerprint;

/// The annotation that carries the key to the handler.
pub(crate) const META: &str = "idempotency-key";

/// The rule for a job with this payload.
pub(super) fn for_payload(rule: Rule, payload: &[u8]) -> Rule {
    match rule {
        Rule::Once(once) => Rule::Once(Once { fingerprint: fingerprint(payload), ..once }),
        other => other,
    }
}

/// A rule as the caller set it.
#[derive(Debug, Clone)]
pub(crate) enum AskedRule {
    Throttle { max: u32, window: Duration },
    Debounce { delay: Duration, max_wait: Option<Duration> },
    Deduplicate { while_in: Option<Vec<JobState>>, otherwise: Otherwise },
    Once { life: Duration, keep_failures: bool },
}

fn invalid<T>(message: impl Into<String>) -> Result<T, DispatchError> {
    Err(DispatchError::InvalidOption(message.into()))
}

impl AskedRule {
    /// The rule, if it is compatible with the other options. The payload's fingerprint is added later.
    pub(crate) fn check(&self, due: Due, has_id: bool) -> Result<Rule, DispatchError> {
        match self {
            Self::Throttle { max: 0, .. } => {
                invalid("`throttle` with a `max` of 0 would let nothing through")
            }
            Self::Throttle { max, .. } if *max > Rule::MAX_STARTS => invalid(format!(
                "`throttle` lets at most {} jobs of a key through in a window",
                Rule::MAX_STARTS
            )),
            Self::Throttle { window, .. } if window.is_zero() => {
                invalid("`throttle` needs a `window` above zero")
            }
            Self::Throttle { max, window } => Ok(Rule::Throttle { max: *max, window: *window }),
            Self::Debounce { .. } if due != Due::Now => {
                invalid("`debounce` sets the due time; leave `delay` and `at` out")
            }
            Self::Debounce { .. } if has_id => {
                invalid("many dispatches share a debounced job, so it has no id of yours; leave `id` out")
            }
            Self::Debounce { delay, .. } if delay.is_zero() => {
                invalid("`debounce` needs a `delay` above zero")
            }
            Self::Debounce { delay, max_wait: Some(wait) } if wait <= delay => {
                invalid(format!("`max_wait` ({wait:?}) is not longer than `delay` ({delay:?})"))
            }
            Self::Debounce { delay, max_wait } => Ok(Rule::Debounce { delay: *delay, max_wait: *max_wait }),
            Self::Once { life, keep_failures } => {
                check_life(*life)?;
                Ok(Rule::Once(Once { life: *life, fingerprint: 0, keep_failures: *keep_failures }))
            }
            Self::Deduplicate { otherwise: Otherwise::Follow { .. }, .. } if due != Due::Now => invalid(
                "with `keep_last` a job starts when the one before it has ended; leave `delay` and `at` out",
            ),
            Self::Deduplicate { while_in, otherwise } => {
                let while_in = match while_in {
                    None => BlockingStates::ALL,
                    Some(states) => match BlockingStates::new(states.iter().copied()) {
                        Ok(states) if states.is_empty() => {
                            return invalid("`while_in` without a state would keep nothing out");
                        }
                        Ok(states) => states,
                        Err(state) => {
                            return invalid(format!(
                                "a job that is `{state}` keeps no other one out; to run a job once and for all, give it an `.id(..)`"
                            ));
                        }
                    },
                };
                Ok(Rule::Deduplicate { while_in, otherwise: *otherwise })
            }
        }
    }
}

/// Adds the key to the annotations, where the handler finds it.
pub(crate) fn tell(key: &str, meta: &mut Vec<(String, String)>) -> Result<(), DispatchError> {
    meta.retain(|(name, _)| name != META);
    meta.push((META.to_owned(), key.to_owned()));
    check_meta(meta)
}

//! What is refused before anything is stored.

use std::time::Duration;

use crate::adapter::{Admission, LimitKey, MAX_META, MAX_PRIORITY, MIN_PRIORITY, Rule, SCHEDULES};
use crate::contract::TaskOptions;
use crate::error::DispatchError;
use crate::policy::Ttl;
use crate::setup::Setup;

/// The longest life of a key.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

pub(crate) fn check_size(setup: &Setup, task: &str, size: usize) -> Result<(), DispatchError> {
    let limit = setup.max_payload();
    if size > limit { Err(DispatchError::TooLarge { task: task.to_owned(), size, limit }) } else { Ok(()) }
}

pub(crate) fn check_priority(priority: i16) -> Result<(), DispatchError> {
    if (MIN_PRIORITY..=MAX_PRIORITY).contains(&priority) {
        return Ok(());
    }
    let message = format!("priority {priority} is outside {MIN_PRIORITY} to {MAX_PRIORITY}");
    Err(DispatchError::InvalidOption(message))
}

/// The ttl of one job, whose dispatch may have set another time than its contract.
pub(crate) fn ttl_of(contract: &TaskOptions, max: Option<Duration>) -> Option<Ttl> {
    let Some(max) = max else { return contract.ttl() };
    Some(contract.ttl().unwrap_or(Ttl::new(max)).with_max(max))
}

/// A job that may not wait at all would never run.
pub(crate) fn check_ttl(ttl: Option<Duration>) -> Result<(), DispatchError> {
    if ttl.is_none_or(|ttl| !ttl.is_zero()) {
        return Ok(());
    }
    Err(DispatchError::InvalidOption("a `ttl` of zero would expire every job; leave `ttl` out".to_owned()))
}

/// The rule for names of tasks; the macros enforce it at compile time.
pub(crate) fn check_task_name(task: &str) -> Result<(), DispatchError> {
    let message = if task.is_empty() {
        "a name cannot be empty"
    } else if task.len() > 200 {
        "a name has at most 200 bytes"
    } else if task.chars().any(char::is_control) {
        "a name cannot contain control characters"
    } else if task == SCHEDULES {
        "`@` stands for schedules"
    } else {
        return Ok(());
    };
    Err(DispatchError::InvalidTask { task: task.to_owned(), message })
}

pub(crate) fn check_meta(meta: &[(String, String)]) -> Result<(), DispatchError> {
    let size = meta.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > MAX_META { Err(DispatchError::MetaTooLarge { size, limit: MAX_META }) } else { Ok(()) }
}

pub(crate) fn check_key(task: &str, key: &str) -> Result<(), DispatchError> {
    let limit = Admission::MAX_KEY;
    if key.len() <= limit {
        return Ok(());
    }
    Err(DispatchError::KeyTooLong { task: task.to_owned(), size: key.len(), limit })
}

/// The key that limits count a job of this task by.
pub(crate) fn checked_limit_key(task: &str, key: Option<String>) -> Result<Option<LimitKey>, DispatchError> {
    let Some(key) = key else { return Ok(None) };
    let (task, size, limit) = (task.to_owned(), key.len(), LimitKey::MAX);
    match LimitKey::new(key) {
        Some(key) => Ok(Some(key)),
        None if size > limit => Err(DispatchError::KeyTooLong { task, size, limit }),
        None => {
            let message = format!("the key of a job of `{task}` is empty; a job without a key has `None`");
            Err(DispatchError::InvalidOption(message))
        }
    }
}

/// How many starts a job counts as; an error if a rate of its contract never gives so many.
pub(crate) fn checked_cost(task: &str, contract: &TaskOptions, cost: u32) -> Result<u32, DispatchError> {
    let mut rates = contract.rate().into_iter().chain(contract.key_rate());
    match rates.find(|rate| rate.at_once() < cost) {
        Some(rate) => Err(DispatchError::CostsTooMuch { task: task.to_owned(), cost, rate }),
        None => Ok(cost.max(1)),
    }
}

/// What a job that gathers cannot be.
pub(crate) fn check_collect(
    contract: &TaskOptions,
    rule: Option<Rule>,
    ttl: Option<Duration>,
) -> Result<(), DispatchError> {
    let Some(collect) = contract.collect() else { return Ok(()) };
    if let Some(Rule::Debounce { .. }) = rule {
        let message = "`collect` says when the items of its task go; leave `debounce` out";
        return Err(DispatchError::InvalidOption(message.to_owned()));
    }
    match ttl {
        Some(ttl) if ttl <= collect.delay => Err(DispatchError::InvalidOption(format!(
            "a `ttl` of {ttl:?} ends before `collect` opens after {:?}",
            collect.delay
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn check_life(life: Duration) -> Result<(), DispatchError> {
    if !life.is_zero() && life <= LONGEST {
        return Ok(());
    }
    let message = format!("the life of an idempotency key is above zero and at most 366 days, not {life:?}");
    Err(DispatchError::InvalidOption(message))
}

//! Which options exist, and where each of them belongs.

use proc_macro2::Span;

use crate::errors::Errors;

/// What `#[task(..)]` was written on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A function that makes its own contract.
    Function,
    /// A function that implements a contract.
    Implementation,
    /// A struct with `#[derive(Task)]`.
    Contract,
}

/// An option as it is offered and explained.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// How it is written, for errors.
    pub(crate) example: &'static str,
    /// What it speaks of.
    side: Side,
}

#[derive(PartialEq, Eq)]
enum Side {
    /// The contract: producers and workers agree on it.
    Contract,
    /// The function that runs.
    Handler,
    /// Only for `#[derive(Task)]`.
    Derived,
    /// Only for functions, as a struct has other means.
    Generated,
    /// Only for functions: it makes one an implementation.
    Implements,
    Both,
}

const fn known(name: &'static str, example: &'static str, side: Side) -> Known {
    Known { name, example, side }
}

pub(crate) static OPTIONS: [Known; 14] = [
    known("name", "name = \"send-email\"", Side::Contract),
    known("aliases", "aliases = [\"old-name\"]", Side::Contract),
    known("retry", "retry = 3", Side::Both),
    known("timeout", "timeout = \"30s\"", Side::Contract),
    known("concurrency", "concurrency = 10", Side::Handler),
    known("priority", "priority = 5", Side::Contract),
    known("stall", "stall(lease = \"30s\", max = 1)", Side::Contract),
    known("on_cancel", "on_cancel = clean_up", Side::Handler),
    known("blocking", "blocking", Side::Handler),
    known("derive", "derive(Debug, Clone)", Side::Generated),
    known("serde", "serde(rename_all = \"camelCase\")", Side::Generated),
    known("implements", "implements = contracts::SendEmail", Side::Implements),
    known("output", "output = Receipt", Side::Derived),
    known("crate", "crate = ::queue", Side::Both),
];

pub(crate) static RETRY: [Known; 9] = [
    known("attempts", "attempts = 3", Side::Contract),
    known("backoff", "backoff = exponential", Side::Contract),
    known("delay", "delay = \"1s\"", Side::Contract),
    known("max_delay", "max_delay = \"1m\"", Side::Contract),
    known("jitter", "jitter = false", Side::Contract),
    known("timeouts", "timeouts = false", Side::Contract),
    known("on", "on = MailError::RateLimited", Side::Handler),
    known("never_on", "never_on = MailError::BadAddress(_)", Side::Handler),
    known("after", "after = MailError::retry_after", Side::Handler),
];

pub(crate) static STALL: [Known; 2] =
    [known("lease", "lease = \"30s\"", Side::Contract), known("max", "max = 1", Side::Contract)];

/// What other queues have as an option of the task, and where it is said here.
static ELSEWHERE: [(&[&str], &str); 5] = [
    (&["max_attempts", "max_retries", "tries"], "write `retry = 3`, which counts attempts in total"),
    (&["queue"], "each task has a queue of its own, and a worker serves the tasks that it registers"),
    (
        &["delay", "countdown", "eta"],
        "the delay of a job is given with its dispatch, as in `app.dispatch(..).delay(..)`, and that before another attempt as `retry(attempts = 3, delay = \"1s\")`",
    ),
    (
        &["unique", "unique_for", "job_id"],
        "a job is unique by the id that its dispatch gives it; begin the id with the task's name, as in `app.dispatch(..).id(\"charge-card:7\")`, because all tasks share one space of ids",
    ),
    (
        &[
            "cron",
            "debounce",
            "deduplicate",
            "every",
            "expires",
            "limit",
            "migrate",
            "rate_limit",
            "schedule",
            "singleton",
            "throttle",
            "ttl",
            "version",
        ],
        "it comes in a later version",
    ),
];

/// What to do about an option that does not exist, if its name says it.
pub(crate) fn elsewhere(typed: &str) -> Option<String> {
    let said = ELSEWHERE.iter().find(|(names, _)| names.contains(&typed)).map(|(_, said)| (*said).to_owned());
    let within = |list: &[Known], other: &str, of: &str| {
        let inner = list.iter().find(|option| option.name == typed)?;
        let other = if inner.name == "attempts" { "" } else { other };
        Some(format!("write `{of}({other}{})`", inner.example))
    };
    said.or_else(|| within(&RETRY, "attempts = 3, ", "retry")).or_else(|| within(&STALL, "", "stall"))
}

impl Known {
    /// Whether it can be written on a struct with `#[derive(Task)]`, or else on a function.
    pub(crate) fn fits(&self, derived: bool) -> bool {
        match self.side {
            Side::Contract | Side::Both => true,
            Side::Derived => derived,
            Side::Handler | Side::Generated | Side::Implements => !derived,
        }
    }
}

/// `retry = 3`, which is about the contract, while `retry(..)` may be about either.
pub(crate) static RETRY_NUMBER: Known = known("retry", "retry = 3", Side::Contract);

/// An option that was written, and where.
pub(crate) struct Given {
    pub(crate) option: &'static Known,
    pub(crate) span: Span,
}

/// Refuses the options that do not belong to where they were written, and says where they do.
pub(crate) fn check(place: Place, given: &[Given], errors: &mut Errors) {
    for Given { option, span } in given {
        let name = option.name;
        match (place, &option.side) {
            (Place::Implementation, Side::Contract) => errors.at(
                *span,
                format!("`{name}` belongs to the contract; move it to the `#[task(..)]` of the struct that is implemented"),
            ),
            (Place::Implementation, Side::Generated) => errors.at(
                *span,
                format!("`{name}` belongs to the contract; write `#[{name}(..)]` on the struct that is implemented"),
            ),
            (Place::Contract, Side::Handler) => errors.at(
                *span,
                format!("`{name}` belongs to the handler; move it to the function with `#[task(implements = ..)]`"),
            ),
            (Place::Contract, Side::Generated) => {
                errors.at(*span, format!("`{name}` is for functions; write `#[{name}(..)]` on the struct itself"));
            }
            (Place::Contract, Side::Implements) => errors.at(
                *span,
                "`implements` is for functions; a struct with `#[derive(Task)]` is the contract that they implement",
            ),
            (Place::Function | Place::Implementation, Side::Derived) => errors.at(
                *span,
                "`output` is for `#[derive(Task)]`; leave it out, as a function's output is what it returns",
            ),
            _ => {}
        }
    }
}

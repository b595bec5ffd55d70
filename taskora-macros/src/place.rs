//! The existing options, and where each of them belongs.

/// What `#[task(..)]` was written on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A function with its own contract.
    Function,
    /// A function that implements a contract.
    Implementation,
    /// A struct with `#[derive(Task)]`.
    Contract,
}

/// An option as it is offered and explained.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// An example of its use, for errors.
    pub(crate) example: &'static str,
    /// What it concerns.
    pub(crate) side: Side,
    /// The options that its parentheses hold.
    pub(crate) inner: &'static [Known],
    /// Whether it may be given several times.
    pub(crate) repeats: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The contract: producers and workers agree on it.
    Contract,
    /// The function that runs.
    Handler,
    /// Only for `#[derive(Task)]`.
    Derived,
    /// The contract, and only of `#[derive(Task)]`: a function of many jobs has no argument for each.
    Shared,
    /// Only for functions that implement a contract.
    Batch,
    /// Only for functions, as a struct has other means.
    Generated,
    /// Only for functions: it makes one an implementation.
    Implements,
    Both,
}

/// Options of other queues' tasks, and the equivalent here.
static ELSEWHERE: [(&[&str], &str); 15] = [
    (&["max_attempts", "max_retries", "tries"], "write `retry = 3`, which counts attempts in total"),
    (&["queue"], "each task has a queue of its own, and a worker serves the tasks that it registers"),
    (
        &["delay", "at", "countdown", "eta"],
        "the delay of a job is given with its dispatch, as in `app.dispatch(..).delay(..)`, and that before another attempt as `retry(attempts = 3, delay = \"1s\")`",
    ),
    (
        &["unique", "unique_for", "job_id"],
        "a job is unique by the id that its dispatch gives it; begin the id with the task's name, as in `app.dispatch(..).id(\"charge-card:7\")`, because all tasks share one space of ids; while it is unfinished, also by a key, as in `.deduplicate(key)`",
    ),
    (&["debounce"], "it is an option of a dispatch, as in `app.dispatch(..).debounce(key, delay)`"),
    (&["throttle"], "it is an option of a dispatch, as in `app.dispatch(..).throttle(key, max, window)`"),
    (&["deduplicate", "dedupe"], "it is an option of a dispatch, as in `app.dispatch(..).deduplicate(key)`"),
    (&["id", "meta"], "it is an option of a dispatch, as in `app.dispatch(..).id(..).meta(..)`"),
    (
        &["exclusive", "max_instances", "max_running", "mutex"],
        "write `limit(max = 5)` for all processes together, or `concurrency = 5` for each worker",
    ),
    (
        &["concurrency_key", "group", "key", "partition_key", "tenant"],
        "write `limit(key = |t| t.tenant, max = 2)`, or `fair(key = |t| t.tenant)` for keys that only take turns",
    ),
    (
        &["fifo", "ordered", "sequential"],
        "write `limit(key = |t| t.order, max = 1, ordered)`; jobs of one key then run strictly one after the other",
    ),
    (
        &["expires", "expire", "expires_in", "deadline"],
        "write `ttl = \"5m\"`, which is how long a job may wait to be started; an attempt is limited by `timeout`",
    ),
    (
        &["rate_limit", "throughput"],
        "write `rate(max = 100, per = \"1m\")`, which counts starts in all processes together",
    ),
    (
        &["points", "tokens", "weight"],
        "write `rate(max = 100, per = \"1m\", cost = |t| t.rows)`, which counts a job as so many starts",
    ),
    (&["migrate", "version"], "it comes in a later version"),
];

/// Options of other schedulers, and their names here.
static RENAMED: [(&[&str], &str); 5] = [
    (&["timezone", "time_zone"], "tz"),
    (&["interval", "period"], "every"),
    (&["args", "arguments", "data", "payload"], "with"),
    (&["missed", "misfire"], "on_missed"),
    (&["start_now", "immediately"], "run_on_start"),
];

/// The option of `list` that has another name elsewhere.
pub(crate) fn renamed(typed: &str, list: &'static [Known]) -> Option<&'static str> {
    let (_, name) = RENAMED.iter().find(|(names, _)| names.contains(&typed))?;
    list.iter().any(|option| option.name == *name).then_some(*name)
}

/// The advice for an option that is not in `list`, if its name is known.
pub(crate) fn elsewhere(typed: &str, list: &'static [Known]) -> Option<String> {
    if typed == "cost" {
        return Some(
            "a cost counts for rates; write `rate(max = 100, per = \"1m\", cost = |t| t.rows)`".to_owned(),
        );
    }
    // a list within another offers nothing but itself
    if list.iter().all(|option| option.inner.is_empty()) {
        return None;
    }
    let said = ELSEWHERE.iter().find(|(names, _)| names.contains(&typed)).map(|(_, said)| (*said).to_owned());
    said.or_else(|| {
        let within = |of: &Known| {
            let inner = of.inner.iter().find(|option| option.name == typed)?;
            let before = if of.name == "retry" && typed != "attempts" { "attempts = 3, " } else { "" };
            Some(format!("write `{}({before}{})`", of.name, inner.example))
        };
        list.iter().find_map(within)
    })
}

impl Side {
    /// Whether such an option is offered in this place.
    pub(crate) fn fits(self, place: Place) -> bool {
        match self {
            Self::Contract | Self::Both => true,
            Self::Derived | Self::Shared => place == Place::Contract,
            Self::Batch => place == Place::Implementation,
            Self::Handler | Self::Generated | Self::Implements => place != Place::Contract,
        }
    }

    /// Why such an option does not belong where it was written, and where it does.
    pub(crate) fn refusal(self, name: &str, place: Place) -> Option<String> {
        Some(match (place, self) {
            (Place::Implementation, Self::Contract | Self::Shared) => format!(
                "`{name}` belongs to the contract; move it to the `#[task(..)]` of the struct that is implemented"
            ),
            (Place::Implementation, Self::Generated) => {
                format!(
                    "`{name}` belongs to the contract; write `#[{name}(..)]` on the struct that is implemented"
                )
            }
            (Place::Contract, Self::Handler | Self::Batch) => format!(
                "`{name}` belongs to the handler; move it to the function with `#[task(implements = ..)]`"
            ),
            (Place::Contract, Self::Generated) => {
                format!("`{name}` is for functions; write `#[{name}(..)]` on the struct itself")
            }
            (Place::Contract, Self::Implements) => format!(
                "`{name}` is for functions; a struct with `#[derive(Task)]` is the contract that they implement"
            ),
            (Place::Function, Self::Shared) => {
                format!("`{name}` needs a contract of its own: `#[derive(Task)]`")
            }
            (Place::Function, Self::Batch) => format!(
                "`{name}` implements a contract with `collect`; name it, as in `implements = InsertRow, batch`"
            ),
            (Place::Function | Place::Implementation, Self::Derived) => format!(
                "`{name}` is for `#[derive(Task)]`; leave it out, as a function's output is what it returns"
            ),
            _ => return None,
        })
    }
}

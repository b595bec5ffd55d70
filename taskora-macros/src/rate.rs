//! `rate(..)`: how many jobs of a task, or of each of its keys, start in a time.

use std::time::Duration;

use proc_macro2::Span;
use syn::Token;
use syn::parse::ParseStream;

use crate::errors::Errors;
use crate::list::{self, Given, List};
use crate::options::Options;
use crate::place::{Known, Side};
use crate::values::{LONGEST_RATE, Period, Starts, Value};

/// The most starts that a window counts; the runtime has the same limit.
const LARGEST_WINDOW: u32 = 1_000;

options! {
    /// What stands in `rate(..)`.
    struct Rate {
        key: SameKey, Contract, "key";
        max: Starts, Contract, "max = 100";
        per: Period, Contract, "per = \"1m\"";
        burst: Starts, Contract, "burst = 10";
    }
}

/// `key`: that of the limit by key.
#[derive(Clone, Copy)]
pub(crate) struct SameKey;

/// Each `rate(..)` of an item: at most one of the task, and one by key.
#[derive(Clone, Default)]
pub(crate) struct Rates(Vec<Written>);

/// A `rate(..)`, and where it was written.
#[derive(Clone)]
struct Written {
    rate: Rate,
    at: Span,
}

impl Value for SameKey {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        if !input.peek(Token![=]) {
            return Ok(Self);
        }
        Err(syn::Error::new(
            given.span,
            "a task has one key; write `key` alone in `rate(..)` to use that of `limit(key = ..)` or `fair(key = ..)`",
        ))
    }
}

impl Value for Rates {
    const INNER: &'static [Known] = Rate::KNOWN;
    const REPEATS: bool = true;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let before = errors.len();
        let written = Written { rate: list::inner(given, input, errors)?, at: given.span };
        if errors.len() == before {
            written.check(given, errors);
        }
        Ok(Self(vec![written]))
    }

    fn add_to(self, slot: &mut Option<Self>) {
        slot.get_or_insert_default().0.extend(self.0);
    }
}

impl Written {
    fn has_key(&self) -> bool {
        self.rate.span_of("key").is_some()
    }

    fn check(&self, given: Given, errors: &mut Errors) {
        let Rate { max, per, burst, .. } = &self.rate;
        let (Some(Starts(max)), Some(Period(per))) = (max, per) else {
            let example = given.option.example;
            errors.at(self.at, format!("`rate` needs `max = ..` and `per = ..`, as in `{example}`"));
            return;
        };
        let span = |name| self.rate.span_of(name).unwrap_or(self.at);
        match burst {
            None if *max > LARGEST_WINDOW => errors.at(
                span("max"),
                "a window of more than 1,000 starts; give `burst`, as in `rate(max = 5000, per = \"1m\", burst = 100)`",
            ),
            Some(Starts(burst)) if u128::from(*burst) * interval(*max, *per) > LONGEST_RATE.as_micros() => errors
                .at(
                    span("burst"),
                    "a bucket that takes more than 365 days to become full; give a smaller `burst`",
                ),
            _ => {}
        }
    }
}

/// The time after which a token of a bucket comes back, in microseconds, as the runtime counts it.
fn interval(max: u32, per: Duration) -> u128 {
    (per.as_nanos().div_ceil(1_000_000) * 1_000).div_ceil(max.into())
}

impl Options {
    fn rates(&self) -> impl Iterator<Item = &Written> {
        self.rate.iter().flat_map(|rates| &rates.0)
    }

    /// How many jobs of the task, or of each of its keys, start in a time.
    pub(crate) fn rate_of(&self, key: bool) -> Option<&Rate> {
        self.rates().find(|written| written.has_key() == key).map(|written| &written.rate)
    }

    /// Every rule about rates as a whole.
    pub(crate) fn check_rates(&self, errors: &mut Errors) {
        let (by_key, of_task): (Vec<_>, Vec<_>) = self.rates().partition(|written| written.has_key());
        for second in of_task.iter().skip(1) {
            errors.at(second.at, "`rate(max = .., per = ..)` is given twice; keep one of them");
        }
        for second in by_key.iter().skip(1) {
            errors.at(second.at, "`rate(key, ..)` is given twice; keep one of them");
        }
        if let (Some(first), None) = (by_key.first(), self.key_limit())
            && first.rate.key.is_some()
        {
            errors.at(
                first.rate.span_of("key").unwrap_or(first.at),
                "`rate(key, ..)` counts by the key of `limit(key = .., max = ..)` or `fair(key = ..)`; add one of them",
            );
        }
    }
}

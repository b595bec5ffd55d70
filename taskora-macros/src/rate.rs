//! `rate(..)`: how many jobs of a task, or of each of its keys, start in a time.

use std::time::Duration;

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Expr, ExprClosure, ExprPath, ReturnType, Token};

use crate::errors::Errors;
use crate::field::Field;
use crate::list::{self, Given, List};
use crate::names;
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
        cost: Cost, Contract, "cost = |t| t.rows";
    }
}

/// How many starts a job counts as.
#[derive(Clone)]
pub(crate) enum Cost {
    /// A closure with one argument, which can be taken apart.
    Closure(ExprClosure),
    /// A function, or a closure whose output is written.
    Function(Expr),
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

impl Value for Cost {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        input.parse::<Token![=]>().map_err(|_| given.malformed())?;
        if input.is_empty() {
            return Err(given.malformed());
        }
        let at = input.span();
        match input.parse::<Expr>().map_err(|_| syn::Error::new(at, given.malformed()))? {
            Expr::Closure(closure) if closure.inputs.len() != 1 => Err(syn::Error::new_spanned(
                closure,
                "the closure for `cost` takes one argument, the contract, as in `cost = |t| t.rows`",
            )),
            Expr::Closure(closure) if matches!(closure.output, ReturnType::Default) => {
                Ok(Self::Closure(closure))
            }
            expression @ (Expr::Closure(_) | Expr::Path(_)) => Ok(Self::Function(expression)),
            other => Err(syn::Error::new_spanned(
                other,
                "`cost` is a closure, as in `cost = |t| t.rows`; a job without one counts as one start",
            )),
        }
    }
}

impl Cost {
    /// The name of an argument alone is no cost.
    fn check_field(&self, fields: &[Field], errors: &mut Errors) {
        let Self::Function(Expr::Path(ExprPath { path, .. })) = self else { return };
        if let Some(name) = path.get_ident()
            && fields.iter().any(|field| field.name == *name)
        {
            let name = names::unraw(name);
            errors.on(path, format!("`{name}` is an argument of the task; write `cost = |t| t.{name}`"));
        }
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

    /// How many starts a job counts as, of the task and of its key alike.
    pub(crate) fn cost(&self) -> Option<&Cost> {
        self.rates().find_map(|written| written.rate.cost.as_ref())
    }

    /// Every rule about rates as a whole.
    pub(crate) fn check_rates(&self, fields: &[Field], errors: &mut Errors) {
        for second in self.rates().filter_map(|written| written.rate.span_of("cost")).skip(1) {
            errors.at(second, "a job has one cost, which counts for each rate of its task; keep one `cost`");
        }
        if let Some(cost) = self.cost() {
            cost.check_field(fields, errors);
        }
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

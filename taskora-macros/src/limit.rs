//! `limit(..)` and `fair(..)`: how many jobs run at once, and by which key they are counted.

use proc_macro2::Span;
use syn::parse::ParseStream;
use syn::{Expr, ExprClosure, ExprPath, ReturnType, Token};

use crate::errors::Errors;
use crate::field::Field;
use crate::list::{self, Given, List};
use crate::names;
use crate::options::Options;
use crate::place::{Known, Side};
use crate::values::{Max, Value, Word};

options! {
    /// What stands in `limit(..)`.
    struct Limit {
        key: Key, Contract, "key = |t| t.tenant";
        max: Max, Contract, "max = 5";
        ordered: Word, Contract, "ordered";
    }
}

options! {
    /// What stands in `fair(..)`.
    struct Fair {
        key: Key, Contract, "key = |t| t.tenant";
    }
}

/// Each `limit(..)` of an item: at most one of the task, and one by key.
#[derive(Clone, Default)]
pub(crate) struct Limits(Vec<Written>);

/// A `limit(..)`, and where it was written.
#[derive(Clone)]
struct Written {
    limit: Limit,
    at: Span,
}

/// What makes the key of a job.
#[derive(Clone)]
pub(crate) enum Key {
    /// `given`: nothing; only a dispatch gives one.
    Given,
    /// A closure whose body is the key.
    Closure(ExprClosure),
    /// Something else that takes the contract, and what the key is made with.
    Function(Expr),
}

/// How the jobs of a key are limited.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByKey {
    /// Keys take turns.
    Fair,
    AtMost(u32),
    Ordered,
}

impl Value for Limits {
    const INNER: &'static [Known] = Limit::KNOWN;
    const REPEATS: bool = true;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let before = errors.len();
        let written = Written { limit: list::inner(given, input, errors)?, at: given.span };
        if errors.len() == before {
            written.check(errors);
        }
        Ok(Self(vec![written]))
    }

    fn add_to(self, slot: &mut Option<Self>) {
        slot.get_or_insert_default().0.extend(self.0);
    }
}

impl Value for Fair {
    const INNER: &'static [Known] = Self::KNOWN;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let before = errors.len();
        let fair: Self = list::inner(given, input, errors)?;
        if fair.span_of("key").is_none() && errors.len() == before {
            errors.at(
                given.span,
                "`fair` needs `key = ..`, whose jobs take turns, as in `fair(key = |t| t.tenant)`",
            );
        }
        Ok(fair)
    }
}

impl Value for Key {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        input.parse::<Token![=]>().map_err(|_| given.malformed())?;
        if input.is_empty() {
            return Err(given.malformed());
        }
        let at = input.span();
        let expression = input.parse::<Expr>().map_err(|_| syn::Error::new(at, given.malformed()))?;
        match expression {
            Expr::Closure(closure) if closure.inputs.len() != 1 => Err(syn::Error::new_spanned(
                closure,
                "the closure for `key` takes one argument, the contract, as in `key = |t| t.tenant`",
            )),
            Expr::Closure(closure) if matches!(closure.output, ReturnType::Default) => {
                Ok(Self::Closure(closure))
            }
            Expr::Path(ExprPath { qself: None, ref path, .. }) if path.is_ident("given") => Ok(Self::Given),
            Expr::Closure(_) | Expr::Path(_) => Ok(Self::Function(expression)),
            other => Err(syn::Error::new_spanned(
                other,
                "`key` is a closure, as in `key = |t| t.tenant`, or `given` if `.limit_key(..)` of the dispatch says it",
            )),
        }
    }
}

impl Key {
    /// The name of an argument alone is no key.
    pub(crate) fn check_field(&self, fields: &[Field], errors: &mut Errors) {
        let Self::Function(Expr::Path(ExprPath { path, .. })) = self else { return };
        if let Some(name) = path.get_ident()
            && fields.iter().any(|field| field.name == *name)
        {
            let name = names::unraw(name);
            errors.on(path, format!("`{name}` is an argument of the task; write `key = |t| t.{name}`"));
        }
    }
}

impl Written {
    fn has_key(&self) -> bool {
        self.limit.span_of("key").is_some()
    }

    fn check(&self, errors: &mut Errors) {
        let Self { limit, at } = self;
        let max = limit.max.map(|Max(max)| max);
        match limit.span_of("ordered") {
            Some(ordered) if !self.has_key() => {
                errors.at(ordered, "`ordered` is about the jobs of a key; add `key = ..`");
            }
            Some(ordered) if max.is_some_and(|max| max != 1) => {
                errors.at(ordered, "`ordered` needs `max = 1`")
            }
            _ => {}
        }
        if max.is_some() {
            return;
        }
        errors.at(
            *at,
            if self.has_key() {
                "`limit` needs `max = ..`, which says how many jobs of a key run at once; for turns alone, write `fair(key = ..)`"
            } else {
                "`limit` needs `max = ..`, which says how many jobs of the task run at once"
            },
        );
    }
}

impl Options {
    fn limits(&self) -> impl Iterator<Item = &Written> {
        self.limit.iter().flat_map(|limits| &limits.0)
    }

    /// How many jobs of the task run at once, in all processes together.
    pub(crate) fn task_limit(&self) -> Option<u32> {
        let max = self.limits().find(|written| !written.has_key()).and_then(|written| written.limit.max);
        max.map(|Max(max)| max).or_else(|| self.singleton.map(|_| 1))
    }

    /// The key of a job: for its limits, or under which it gathers.
    pub(crate) fn key(&self) -> Option<&Key> {
        let collect = || self.collect.as_ref()?.key.as_ref();
        self.key_limit().map(|(_, key)| key).or_else(collect)
    }

    /// How the jobs of a key are limited, and what their key is.
    pub(crate) fn key_limit(&self) -> Option<(ByKey, &Key)> {
        if let Some(Written { limit, .. }) = self.limits().find(|written| written.has_key()) {
            let Max(max) = limit.max?;
            let by_key = if limit.ordered.is_some() { ByKey::Ordered } else { ByKey::AtMost(max) };
            return Some((by_key, limit.key.as_ref()?));
        }
        Some((ByKey::Fair, self.fair.as_ref()?.key.as_ref()?))
    }

    /// Every rule about limits as a whole.
    pub(crate) fn check_limits(&self, fields: &[Field], errors: &mut Errors) {
        let (by_key, of_task): (Vec<_>, Vec<_>) = self.limits().partition(|written| written.has_key());
        for second in of_task.iter().skip(1) {
            errors.at(second.at, "`limit(max = ..)` is given twice; keep one of them");
        }
        for second in by_key.iter().skip(1) {
            errors.at(second.at, "a task has one key; keep one `limit(key = .., max = ..)`");
        }
        if let (Some(span), Some(_)) = (self.span_of("singleton"), of_task.first()) {
            errors.at(span, "`singleton` is `limit(max = 1)`; leave one of them out");
        }
        if let (Some(span), Some(_)) = (self.span_of("fair"), by_key.first()) {
            errors.at(span, "`fair` is part of a limit by key; leave `fair` out");
        }
        let keys = self.limits().filter_map(|written| written.limit.key.as_ref());
        for key in keys.chain(self.fair.as_ref().and_then(|fair| fair.key.as_ref())) {
            key.check_field(fields, errors);
        }
    }
}

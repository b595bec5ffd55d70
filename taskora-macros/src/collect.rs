//! `collect(..)`: how the jobs of a contract gather, to be run in batches; and `batch`, which runs them.

use std::time::Duration;

use syn::parse::ParseStream;
use syn::{Ident, LitInt, Path, PathArguments, Type};

use crate::errors::Errors;
use crate::field::Field;
use crate::limit::Key;
use crate::list::{self, Given, List};
use crate::model::Argument;
use crate::options::{Options, span_of};
use crate::place::{Known, Side};
use crate::types::{group_free, last_segment};
use crate::values::{self, Lifetime, Value, Word};

/// The most items of a batch; the runtime has the same limit.
const LARGEST: u32 = 500;
/// The most items of a batch that says nothing about it.
pub(crate) const USUAL: u32 = 100;

options! {
    /// What stands in `collect(..)`.
    struct Collect {
        key: Key, Contract, "key = |t| t.table";
        delay: Duration, Contract, "delay = \"2s\"";
        max_size: Size, Contract, "max_size = 100";
        max_wait: Duration, Contract, "max_wait = \"10s\"";
        serial: Word, Contract, "serial";
    }
}

/// The most items of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Size(pub(crate) u32);

impl Value for Size {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let literal: LitInt = values::behind_equals(given, input)?;
        let size = literal.base10_parse().ok().filter(|size| (1..=LARGEST).contains(size));
        let refused = || {
            let name = given.option.name;
            syn::Error::new(literal.span(), format!("`{name}` is 1 to {LARGEST}: a batch is one claim"))
        };
        size.map(Self).ok_or_else(refused)
    }
}

impl Value for Collect {
    const INNER: &'static [Known] = Self::KNOWN;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let before = errors.len();
        let collect: Self = list::inner(given, input, errors)?;
        if collect.delay.is_none() && errors.len() == before {
            let example = given.option.example;
            errors.at(
                given.span,
                format!("`collect` needs `delay = ..`, which says how long items gather after the last one came, as in `{example}`"),
            );
        }
        if let (Some(Key::Given), Some(span)) = (&collect.key, collect.span_of("key")) {
            errors.at(
                span,
                "no dispatch gives the key of `collect`; write a closure, as in `key = |t| t.table`",
            );
        }
        if let (Some(delay), Some(max_wait), Some(span)) =
            (collect.delay, collect.max_wait, collect.span_of("max_wait"))
            && max_wait <= delay
        {
            errors.at(span, format!("`max_wait` ({max_wait:?}) is not longer than `delay` ({delay:?})"));
        }
        Ok(collect)
    }
}

impl Options {
    /// What goes with `collect`, and what does not.
    pub(crate) fn check_collect(&self, fields: &[Field], errors: &mut Errors) {
        if self.span_of("collect").is_none() {
            return;
        }
        for name in ["singleton", "limit", "fair", "rate"] {
            if let Some(span) = self.span_of(name) {
                errors.at(
                    span,
                    format!("`{name}` does not go with `collect`: a batch is limited by `serial` and by the worker's `concurrency`"),
                );
            }
        }
        let Some(collect) = &self.collect else { return };
        if let (Some(Lifetime(ttl)), Some(delay), Some(span)) =
            (self.ttl.as_ref().and_then(|ttl| ttl.max), collect.delay, self.span_of("ttl"))
            && ttl <= delay
        {
            let (ttl, delay) = (words(ttl), words(delay));
            errors.at(span, format!("`ttl` of {ttl} ends before `collect` opens after {delay}"));
        }
        if let Some(key) = &collect.key {
            key.check_field(fields, errors);
        }
    }

    /// What goes with `batch`, which runs `function`.
    pub(crate) fn check_batch(&mut self, function: &Ident, arguments: &[Argument], errors: &mut Errors) {
        let (Some(Word(at)), Some(contract)) = (self.batch, &self.implements) else { return };
        let name = contract.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let fields: Vec<_> = arguments.iter().filter_map(Argument::field).collect();
        match &fields[..] {
            [items] => {
                if is(&items.ty, contract) {
                    let at = span_of(&items.ty);
                    errors.at(at, format!("`{function}` takes one `{name}`; a batch takes `Vec<{name}>`"));
                }
            }
            _ => errors
                .at(at, format!("a batch takes one payload argument, its items, as in `items: Vec<{name}>`")),
        }
        if let Some(span) = self.span_of("schedule") {
            errors.at(
                span,
                "the schedule of a task that collects belongs to the contract; move it to the `#[task(..)]` of the struct that is implemented",
            );
            self.schedule = None;
        }
    }
}

/// Whether these tokens are the type of a contract.
fn is(ty: &proc_macro2::TokenStream, contract: &Path) -> bool {
    let Ok(ty) = syn::parse2::<Type>(ty.clone()) else { return false };
    let last = contract.segments.last().map(|segment| &segment.ident);
    matches!(last_segment(group_free(&ty)), Some((ident, PathArguments::None)) if Some(ident) == last)
}

/// A time in words: `2 s`, `500 ms`.
fn words(time: Duration) -> String {
    match time.as_millis() {
        millis if millis % 1_000 == 0 => format!("{} s", millis / 1_000),
        millis => format!("{millis} ms"),
    }
}

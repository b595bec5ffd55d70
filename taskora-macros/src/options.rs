//! The options of `#[task(..)]`, one line each. Each list is a struct, and knows its options.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{LitStr, Pat, Path, Type};

use crate::collect::Collect;
use crate::errors::Errors;
use crate::limit::{Fair, Limits};
use crate::list::{self, Given, List};
use crate::place::{Known, Place, Side};
use crate::rate::Rates;
use crate::schedule::Schedules;
use crate::values::{Attempts, Backoff, Concurrency, Lifetime, OnExpire, Priority, Recoveries, Value, Word};

options! {
    /// The options of an item. What was mistaken is left out.
    struct Options {
        name: LitStr, Contract, "name = \"send-email\"";
        aliases: Vec<LitStr>, Contract, "aliases = [\"old-name\"]";
        retry: Retry, Both, "retry = 3";
        timeout: std::time::Duration, Contract, "timeout = \"30s\"";
        concurrency: Concurrency, Handler, "concurrency = 10";
        priority: Priority, Contract, "priority = 5";
        ttl: Ttl, Contract, "ttl = \"5m\"";
        singleton: Word, Contract, "singleton";
        limit: Limits, Contract, "limit(max = 5)";
        fair: Fair, Contract, "fair(key = |t| t.tenant)";
        rate: Rates, Contract, "rate(max = 100, per = \"1m\")";
        collect: Collect, Shared, "collect(key = |t| t.table, delay = \"2s\", max_size = 100)";
        stall: Stall, Contract, "stall(lease = \"30s\", max = 1)";
        schedule: Schedules, Both, "schedule(cron = \"0 3 * * *\")";
        on_cancel: Path, Handler, "on_cancel = clean_up";
        blocking: Word, Handler, "blocking";
        derive: Vec<Path>, Generated, "derive(Debug, Clone)";
        serde: TokenStream, Generated, "serde(rename_all = \"camelCase\")";
        batch: Word, Batch, "batch";
        implements: Path, Implements, "implements = contracts::SendEmail";
        output: Type, Derived, "output = Receipt";
        krate as "crate": Path, Both, "crate = ::queue";
    }
}

options! {
    /// What stands in `retry(..)`; of `retry = 3` the attempts alone.
    struct Retry {
        attempts: Attempts, Contract, "attempts = 3";
        backoff: Backoff, Contract, "backoff = exponential";
        delay: std::time::Duration, Contract, "delay = \"1s\"";
        max_delay: std::time::Duration, Contract, "max_delay = \"1m\"";
        jitter: bool, Contract, "jitter = false";
        timeouts: bool, Contract, "timeouts = false";
        on: Pat, Handler, "on = MailError::RateLimited";
        never_on: Pat, Handler, "never_on = MailError::BadAddress(_)";
        after: Path, Handler, "after = MailError::retry_after";
    }
}

options! {
    /// What stands in `ttl(..)`; of `ttl = "5m"` the time alone.
    struct Ttl {
        max: Lifetime, Contract, "max = \"5m\"";
        on_expire: OnExpire, Contract, "on_expire = discard";
    }
}

options! {
    /// What stands in `stall(..)`.
    struct Stall {
        lease: std::time::Duration, Contract, "lease = \"30s\"";
        max: Recoveries, Contract, "max = 1";
    }
}

impl Value for Retry {
    const INNER: &'static [Known] = Self::KNOWN;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        if !input.peek(syn::token::Paren) {
            // the number concerns the contract, while `retry(..)` may concern either
            given.must_be_for(Side::Contract)?;
            return Ok(Self { attempts: Some(Value::read(given, input, errors)?), ..Self::default() });
        }
        let retry: Self = list::inner(given, input, errors)?;
        let of_attempts = ["backoff", "delay", "max_delay", "jitter", "timeouts"];
        if retry.span_of("attempts").is_none() && of_attempts.iter().any(|name| retry.span_of(name).is_some())
        {
            errors.at(given.span, "`retry(..)` without `attempts` never retries; add `attempts = 3`");
        }
        Ok(retry)
    }
}

impl Value for Ttl {
    const INNER: &'static [Known] = Self::KNOWN;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        if !input.peek(syn::token::Paren) {
            return Ok(Self { max: Some(Value::read(given, input, errors)?), ..Self::default() });
        }
        let ttl: Self = list::inner(given, input, errors)?;
        if ttl.span_of("max").is_none() {
            errors.at(
                given.span,
                "`ttl(..)` needs `max`, which says how long a job may wait, as in `max = \"5m\"`",
            );
        }
        Ok(ttl)
    }
}

impl Value for Stall {
    const INNER: &'static [Known] = Self::KNOWN;

    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        list::inner(given, input, errors)
    }
}

impl Options {
    /// Parses the tokens between the parentheses, and adds them to the options. `derived`: on a struct.
    pub(crate) fn read(&mut self, tokens: TokenStream, derived: bool, errors: &mut Errors) {
        let items = list::split(tokens);
        let place = match derived {
            true => Place::Contract,
            false if items.iter().any(|item| list::is_named(item, "implements")) => Place::Implementation,
            false => Place::Function,
        };
        list::read(self, items, place, errors);
    }
}

/// The span of a whole pattern or path.
pub(crate) fn span_of(tokens: &impl ToTokens) -> Span {
    tokens.to_token_stream().span()
}

//! What stands in `#[task(..)]`, read option by option, so that one mistake does not hide the next.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{LitStr, Pat, Path, Token, Type};

use crate::errors::Errors;
use crate::names;
use crate::place::{self, Given, Known};
use crate::values::{self, Key};

/// The options of an item. What was mistaken is left out.
#[derive(Default)]
pub(crate) struct Options {
    /// Written on a struct with `#[derive(Task)]`.
    derived: bool,
    pub(crate) given: Vec<Given>,
    pub(crate) name: Option<LitStr>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) retry: Retry,
    pub(crate) timeout: Option<Duration>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) priority: Option<i16>,
    pub(crate) lease: Option<Duration>,
    pub(crate) max_stalls: Option<u32>,
    pub(crate) on_cancel: Option<Path>,
    pub(crate) blocking: Option<Span>,
    pub(crate) derive: Vec<Path>,
    /// What stands in `serde(..)`.
    pub(crate) serde: Option<TokenStream>,
    pub(crate) implements: Option<Path>,
    pub(crate) output: Option<Type>,
    pub(crate) krate: Option<Path>,
}

/// `retry = 3` or `retry(..)`.
#[derive(Clone, Default)]
pub(crate) struct Retry {
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) delay: Option<Duration>,
    pub(crate) max_delay: Option<Duration>,
    pub(crate) jitter: Option<bool>,
    pub(crate) timeouts: Option<bool>,
    pub(crate) on: Option<Pat>,
    pub(crate) never_on: Option<Pat>,
    pub(crate) after: Option<Path>,
}

/// How the delay grows.
#[derive(Clone)]
pub(crate) enum Backoff {
    Exponential,
    Linear,
    Fixed,
    Custom(Path),
}

impl Options {
    /// Reads what stands between the parentheses, and adds it to what is there.
    pub(crate) fn read(&mut self, tokens: TokenStream, derived: bool, errors: &mut Errors) {
        self.derived = derived;
        let list = |input: ParseStream<'_>| {
            each(input, &place::OPTIONS, derived, errors, &mut |given, input, errors| {
                self.option(given, input, errors)
            });
            Ok(())
        };
        // the list is read to its end whatever it contains, so parsing itself cannot fail
        let _ = list.parse2(tokens);
    }

    /// Where an option was written, if it was.
    pub(crate) fn span_of(&self, name: &str) -> Option<Span> {
        self.given.iter().find(|given| given.option.name == name).map(|given| given.span)
    }

    fn option(&mut self, given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = Key::from(&given);
        if self.span_of(key.name).is_some() {
            return Err(key.twice());
        }
        if key.name == "retry" && input.peek(syn::token::Paren) {
            let inner = values::contents(input)?;
            // `retry(..)` itself is at home everywhere; what stands in it may not be
            each(&inner, &place::RETRY, self.derived, errors, &mut |given, input, errors| {
                self.retry_option(given, input, errors)
            });
            let attempts = ["backoff", "delay", "max_delay", "jitter", "timeouts"];
            if self.span_of("attempts").is_none() && attempts.iter().any(|name| self.span_of(name).is_some())
            {
                errors.at(key.span, "`retry(..)` without `attempts` never retries; add `attempts = 3`");
            }
            self.given.push(given);
            return Ok(());
        }
        self.given.push(given);
        match key.name {
            "name" => self.name = Some(key.value(input)?),
            "aliases" => self.aliases = values::aliases(&key, input)?,
            "retry" => {
                if let Some(last) = self.given.last_mut() {
                    last.option = &place::RETRY_NUMBER;
                }
                self.retry.attempts = Some(values::attempts(&key, input)?);
            }
            "timeout" => self.timeout = key.duration(input, errors)?,
            "concurrency" => {
                let literal = key.integer(input)?;
                match literal.base10_parse::<usize>() {
                    Ok(0) => errors.on(
                        literal,
                        "`concurrency = 0` would never run the task; leave `concurrency` out for no limit of its own",
                    ),
                    Ok(number) => self.concurrency = Some(number),
                    Err(_) => errors.on(literal, "`concurrency` is a number of attempts at once, such as `10`"),
                }
            }
            "priority" => self.priority = Some(values::priority(&key, input)?),
            "stall" => {
                if !input.peek(syn::token::Paren) {
                    return Err(key.malformed());
                }
                let inner = values::contents(input)?;
                each(&inner, &place::STALL, self.derived, errors, &mut |given, input, errors| {
                    self.stall_option(given, input, errors)
                });
            }
            "on_cancel" => self.on_cancel = Some(key.path(input)?),
            "blocking" => {
                self.blocking = Some(key.span);
                if input.peek(Token![=]) || input.peek(syn::token::Paren) {
                    return Err(syn::Error::new(
                        key.span,
                        "`blocking` takes no value; write `blocking` alone",
                    ));
                }
            }
            "derive" => {
                if !input.peek(syn::token::Paren) {
                    return Err(key.malformed());
                }
                self.derive = Punctuated::<Path, Token![,]>::parse_terminated
                    .parse2(values::contents_of(input)?)?
                    .into_iter()
                    .collect();
            }
            "serde" => {
                if !input.peek(syn::token::Paren) {
                    return Err(key.malformed());
                }
                self.serde = Some(values::contents_of(input)?);
            }
            "implements" => self.implements = Some(key.path(input)?),
            "output" => self.output = Some(key.value(input)?),
            "crate" => self.krate = Some(key.path(input)?),
            _ => {}
        }
        Ok(())
    }

    fn retry_option(&mut self, given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = Key::from(&given);
        if self.span_of(key.name).is_some() {
            return Err(key.twice());
        }
        self.given.push(given);
        let retry = &mut self.retry;
        match key.name {
            "attempts" => retry.attempts = Some(values::attempts(&key, input)?),
            "backoff" => retry.backoff = Some(values::backoff(key.path(input)?)),
            "delay" => retry.delay = key.duration(input, errors)?,
            "max_delay" => retry.max_delay = key.duration(input, errors)?,
            "jitter" => retry.jitter = Some(key.boolean(input)?),
            "timeouts" => retry.timeouts = Some(key.boolean(input)?),
            "on" => retry.on = Some(key.pattern(input)?),
            "never_on" => retry.never_on = Some(key.pattern(input)?),
            "after" => retry.after = Some(key.path(input)?),
            _ => {}
        }
        Ok(())
    }

    fn stall_option(&mut self, given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = Key::from(&given);
        if self.span_of(key.name).is_some() {
            return Err(key.twice());
        }
        self.given.push(given);
        match key.name {
            "lease" => self.lease = key.duration(input, errors)?,
            "max" => {
                let literal = key.integer(input)?;
                let number = literal.base10_parse().map_err(|_| {
                    syn::Error::new(literal.span(), "`max` is a number of recoveries, such as `1`")
                })?;
                self.max_stalls = Some(number);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Reads a list option by option; after a mistake it goes on behind the next comma.
fn each(
    input: ParseStream<'_>,
    known: &'static [Known],
    derived: bool,
    errors: &mut Errors,
    read: &mut dyn FnMut(Given, ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) {
    while !input.is_empty() {
        let result = key(input, known, derived).and_then(|given| read(given, input, errors)).and_then(|()| {
            if input.is_empty() || input.peek(Token![,]) {
                Ok(())
            } else {
                Err(input.error("expected `,` before the next option"))
            }
        });
        if let Err(error) = result {
            errors.push(error);
            while !input.is_empty() && !input.peek(Token![,]) {
                if input.parse::<TokenTree>().is_err() {
                    return;
                }
            }
        }
        let _ = input.parse::<Option<Token![,]>>();
    }
}

fn key(input: ParseStream<'_>, known: &'static [Known], derived: bool) -> syn::Result<Given> {
    let offered = || known.iter().filter(|option| option.fits(derived)).map(|option| option.name);
    let list = || offered().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!("expected an option; there are {}", list())));
    }
    let ident = Ident::parse_any(input)?;
    let typed = names::unraw(&ident);
    if let Some(option) = known.iter().find(|option| option.name == typed) {
        return Ok(Given { option, span: ident.span() });
    }
    let nearest = || names::nearest(&typed, offered()).map(|meant| format!("did you mean `{meant}`?"));
    // a list within another offers nothing but itself
    let elsewhere = || place::elsewhere(&typed).filter(|_| std::ptr::eq(known, &place::OPTIONS[..]));
    let hint = nearest().or_else(elsewhere).unwrap_or_else(|| format!("there are {}", list()));
    let message = format!("unknown option `{typed}`; {hint}");
    Err(syn::Error::new(ident.span(), message))
}

/// The place of a whole pattern or path.
pub(crate) fn span_of(tokens: &impl quote::ToTokens) -> Span {
    tokens.to_token_stream().span()
}

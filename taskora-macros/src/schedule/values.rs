//! The values of the options in `schedule(..)`.

use std::time::Duration;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, LitInt, LitStr, Path, Token};
use taskora_cron::{Cron, check_name, check_zone};

use crate::constant;
use crate::duration;
use crate::errors::Errors;
use crate::list::{self, Given};
use crate::values::Value;

/// A value, and where it was written.
#[derive(Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(super) tokens: TokenStream,
}

/// A valid cron expression.
#[derive(Clone)]
pub(crate) struct Expression(pub(crate) LitStr);

/// The name of a time zone.
#[derive(Clone)]
pub(crate) struct Zone(pub(crate) LitStr);

/// The name of a schedule.
#[derive(Clone)]
pub(crate) struct Name(pub(crate) LitStr);

/// The time between two ticks.
#[derive(Clone, Copy)]
pub(crate) struct Period(pub(crate) Duration);

#[derive(Clone, Copy)]
pub(crate) enum Overlap {
    Skip,
    Queue,
    Allow,
}

#[derive(Clone, Copy)]
pub(crate) enum OnMissed {
    Skip,
    CatchUp,
    Newest(u32),
}

#[derive(Clone, Copy)]
pub(crate) enum RunOnStart {
    Once,
    Always,
}

/// The values of the contract's fields.
#[derive(Clone)]
pub(crate) struct With {
    pub(super) values: Vec<(Ident, Expr)>,
    /// Whether all of it could be read.
    pub(super) is_whole: bool,
}

impl<T: Value> Value for At<T> {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let tokens = input.fork().parse::<TokenStream>()?.into_iter().skip(1).collect();
        Ok(Self { value: T::read(given, input, errors)?, tokens })
    }
}

impl Value for Expression {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let text = LitStr::read(given, input, errors)?;
        Cron::parse(&text.value()).map_err(|error| syn::Error::new(text.span(), error))?;
        Ok(Self(text))
    }
}

impl Value for Zone {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let name = LitStr::read(given, input, errors)?;
        check_zone(&name.value()).map_err(|error| syn::Error::new(name.span(), error))?;
        Ok(Self(name))
    }
}

impl Value for Name {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let name = LitStr::read(given, input, errors)?;
        check_name(&name.value()).map_err(|misfit| syn::Error::new(name.span(), misfit))?;
        Ok(Self(name))
    }
}

impl Value for Period {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        // the rules have a text for a period of nothing
        let is_zero =
            LitStr::read(given, &input.fork(), errors).is_ok_and(|text| duration::is_zero(&text.value()));
        if is_zero {
            input.parse::<TokenStream>()?;
            return Ok(Self(Duration::ZERO));
        }
        Duration::read(given, input, errors).map(Self)
    }
}

impl Value for Overlap {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let path = Path::read(given, input, errors)?;
        match path.get_ident().map(ToString::to_string).as_deref() {
            Some("skip") => Ok(Self::Skip),
            Some("allow") => Ok(Self::Allow),
            Some("queue") => Ok(Self::Queue),
            _ => Err(syn::Error::new_spanned(path, "`overlap` is `skip`, `queue` or `allow`")),
        }
    }
}

impl Value for OnMissed {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        input.parse::<Token![=]>().map_err(|_| given.malformed())?;
        let written = input.parse::<TokenStream>()?;
        let policy = |input: ParseStream<'_>| {
            let word = input.call(Ident::parse_any)?;
            match word.to_string().as_str() {
                "skip" => Ok(Self::Skip),
                "catch_up" if input.is_empty() => Ok(Self::CatchUp),
                "catch_up" => {
                    let newest;
                    syn::parenthesized!(newest in input);
                    newest.parse::<LitInt>()?.base10_parse().map(Self::Newest)
                }
                _ => Err(input.error("another word")),
            }
        };
        if written.is_empty() {
            return Err(given.malformed());
        }
        let text = "`on_missed` is `skip`, `catch_up` or `catch_up(3)`";
        policy.parse2(written.clone()).map_err(|_| syn::Error::new_spanned(written, text))
    }
}

impl Value for RunOnStart {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        if input.is_empty() {
            return Ok(Self::Once);
        }
        let path = Path::read(given, input, errors)?;
        if path.is_ident("always") {
            return Ok(Self::Always);
        }
        let text =
            "`run_on_start` stands alone, for a run when the schedule is new or has changed, or is `always`";
        Err(syn::Error::new_spanned(path, text))
    }
}

impl Value for With {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let before = errors.len();
        let read = |input: ParseStream<'_>| {
            let mut values = Vec::new();
            while !input.is_empty() {
                if let Some(value) = errors.keep(value(input)) {
                    values.push(value);
                }
                // behind a mistake, the next value begins at the next comma
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
                input.parse::<Option<Token![,]>>()?;
            }
            Ok(values)
        };
        let values: Vec<(Ident, Expr)> = read.parse2(list::contents(given, input)?)?;
        let is_whole = errors.len() == before;
        for (_, value) in &values {
            constant::check(value.to_token_stream(), errors);
        }
        Ok(Self { values, is_whole })
    }
}

fn value(input: ParseStream<'_>) -> syn::Result<(Ident, Expr)> {
    let at = input.span();
    let name = input
        .call(Ident::parse_any)
        .and_then(|name| input.parse::<Token![=]>().map(|_| name))
        .map_err(|_| syn::Error::new(at, "`with` gives arguments their values, as in `with(days = 30)`"))?;
    let value = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        Ok((name, value))
    } else {
        Err(input.error("expected `,` before the next argument"))
    }
}

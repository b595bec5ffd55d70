//! The values of options, each kind with its own error texts.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Lit, LitBool, LitInt, LitStr, Pat, Path, Token, Type, bracketed};

use crate::duration;
use crate::errors::Errors;
use crate::list::{self, Given};
use crate::place::Known;

/// What may follow the name of an option.
pub(crate) trait Value: Sized {
    /// The options that its parentheses hold.
    const INNER: &'static [Known] = &[];

    /// Whether the option may be written several times.
    const REPEATS: bool = false;

    /// Parses it, including its `=` or its parentheses.
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self>;

    /// Keeps it with those that were written before, if there may be several.
    fn add_to(self, slot: &mut Option<Self>) {
        *slot = Some(self);
    }
}

/// `name`, without a value.
#[derive(Clone, Copy)]
pub(crate) struct Word(pub(crate) Span);

/// The number of attempts in total, at least 1.
#[derive(Clone, Copy)]
pub(crate) struct Attempts(pub(crate) u32);

/// The number of concurrent attempts, at least 1.
#[derive(Clone, Copy)]
pub(crate) struct Concurrency(pub(crate) usize);

/// The number of jobs that run at once in all processes, at least 1.
#[derive(Clone, Copy)]
pub(crate) struct Max(pub(crate) u32);

/// A number of starts, at least 1.
#[derive(Clone, Copy)]
pub(crate) struct Starts(pub(crate) u32);

/// The time of a rate.
#[derive(Clone, Copy)]
pub(crate) struct Period(pub(crate) Duration);

/// The longest time of a rate, and in which a bucket becomes full; the runtime has the same limit.
pub(crate) const LONGEST_RATE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The number of recoveries.
#[derive(Clone, Copy)]
pub(crate) struct Recoveries(pub(crate) u32);

/// From -1000 to 1000.
#[derive(Clone, Copy)]
pub(crate) struct Priority(pub(crate) i16);

/// How the delay grows.
#[derive(Clone)]
pub(crate) enum Backoff {
    Exponential,
    Linear,
    Fixed,
    Custom(Path),
}

/// How long a job may wait to be started.
#[derive(Clone, Copy)]
pub(crate) struct Lifetime(pub(crate) Duration);

/// What is kept of a job that was not started in time.
#[derive(Clone, Copy)]
pub(crate) enum OnExpire {
    Fail,
    Discard,
}

impl Value for Word {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        if input.peek(Token![=]) || input.peek(syn::token::Paren) {
            let name = given.option.name;
            errors.at(given.span, format!("`{name}` takes no value; write `{name}` alone"));
            // the intention is clear, so nothing else is reported
            input.parse::<TokenStream>()?;
        }
        Ok(Self(given.span))
    }
}

impl Value for LitStr {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        behind_equals(given, input)
    }
}

impl Value for Path {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        behind_equals(given, input)
    }
}

impl Value for Type {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        behind_equals(given, input)
    }
}

impl Value for bool {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        behind_equals(given, input).map(|literal: LitBool| literal.value)
    }
}

impl Value for Pat {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let span = value_span(given, input)?;
        Self::parse_multi_with_leading_vert(input).map_err(|_| {
            let Known { name, example, .. } = given.option;
            syn::Error::new(span, format!("`{name}` is a pattern of the task's error, as in `{example}`"))
        })
    }
}

impl Value for Duration {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let literal = behind_equals::<Lit>(given, input)?;
        let message = match &literal {
            Lit::Str(text) => match duration::parse(&text.value()) {
                Ok(duration) => return Ok(duration),
                Err(message) => message,
            },
            Lit::Int(number) => {
                let unit = if number.suffix().is_empty() { "s" } else { "" };
                format!("`{}` is a duration in quotes; write `\"{number}{unit}\"`", given.option.name)
            }
            _ => given.malformed().to_string(),
        };
        Err(syn::Error::new(literal.span(), message))
    }
}

impl Value for Attempts {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let name = given.option.name;
        let what = format_args!("`{name}` is the number of attempts in total, such as `3`");
        above_zero(given, input, what, "`retry` out for a single attempt").map(Self)
    }
}

impl Value for Concurrency {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let name = given.option.name;
        let what = format_args!("`{name}` is a number of attempts at once, such as `10`");
        above_zero(given, input, what, format_args!("`{name}` out for no limit of its own")).map(Self)
    }
}

impl Value for Max {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let name = given.option.name;
        let what = format_args!("`{name}` is a number of jobs that run at once, such as `5`");
        let (span, number) = number(given, input, what)?;
        if number == 0 {
            let instead = "to stop it, pause it: `app.queues().pause(..)`";
            return Err(syn::Error::new(span, format!("`{name} = 0` would never run the task; {instead}")));
        }
        Ok(Self(number))
    }
}

impl Value for Starts {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let name = given.option.name;
        let what = format_args!("`{name}` is a number of starts, such as `10`");
        let (span, number) = number(given, input, what)?;
        if number == 0 {
            let instead = "to stop it, pause it: `app.queues().pause(..)`";
            return Err(syn::Error::new(span, format!("`{name} = 0` would never run the task; {instead}")));
        }
        Ok(Self(number))
    }
}

impl Value for Period {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let name = given.option.name;
        let text = behind_equals::<LitStr>(given, &input.fork());
        let refused = |why: &str| match &text {
            Ok(text) => Err(syn::Error::new(text.span(), format!("`{name} = {}` {why}", text.token()))),
            Err(error) => Err(error.clone()),
        };
        if text.as_ref().is_ok_and(|text| duration::is_zero(&text.value())) {
            return refused("limits nothing; leave `rate` out");
        }
        let per = Duration::read(given, input, errors)?;
        if per > LONGEST_RATE { refused("is too long; the longest is `365d`") } else { Ok(Self(per)) }
    }
}

impl Value for Recoveries {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let name = given.option.name;
        let what = format_args!("`{name}` is a number of recoveries, such as `1`");
        number(given, input, what).map(|(_, number)| Self(number))
    }
}

impl Value for Priority {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let span = value_span(given, input)?;
        let minus = if input.parse::<Option<Token![-]>>()?.is_some() { "-" } else { "" };
        let span = if input.is_empty() { span } else { input.span() };
        let literal = input.parse::<LitInt>().map_err(|_| syn::Error::new(span, given.malformed()))?;
        let number = format!("{minus}{}", literal.base10_digits()).parse().ok();
        let number = number.filter(|number| (-1_000..=1_000).contains(number));
        number.map(Self).ok_or_else(|| {
            let message =
                format!("priority `{minus}{literal}` is out of range; use -1000 to 1000, higher goes first");
            syn::Error::new(literal.span(), message)
        })
    }
}

impl Value for Backoff {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let path = Path::read(given, input, errors)?;
        let word = path.get_ident().map(ToString::to_string);
        Ok(match word.as_deref() {
            Some("exponential") => Self::Exponential,
            Some("linear") => Self::Linear,
            Some("fixed") => Self::Fixed,
            _ => Self::Custom(path),
        })
    }
}

impl Value for OnExpire {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        let path = Path::read(given, input, errors)?;
        match path.get_ident().map(ToString::to_string).as_deref() {
            Some("fail") => Ok(Self::Fail),
            Some("discard") => Ok(Self::Discard),
            _ => Err(syn::Error::new_spanned(path, "`on_expire` is `fail` or `discard`")),
        }
    }
}

impl Value for Lifetime {
    fn read(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Self> {
        if let Ok(text) = behind_equals::<LitStr>(given, &input.fork())
            && duration::is_zero(&text.value())
        {
            let message =
                format!("`{} = {}` would expire every job; leave `ttl` out", given.option.name, text.token());
            return Err(syn::Error::new(text.span(), message));
        }
        Duration::read(given, input, errors).map(Self)
    }
}

impl Value for Vec<LitStr> {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        value_span(given, input)?;
        if !input.peek(syn::token::Bracket) {
            return Err(given.malformed());
        }
        let inner;
        bracketed!(inner in input);
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated.parse2(inner.parse()?);
        texts
            .map(|texts| texts.into_iter().collect())
            .map_err(|error| syn::Error::new(error.span(), given.malformed()))
    }
}

impl Value for Vec<Path> {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        let paths = Punctuated::<Path, Token![,]>::parse_terminated.parse2(list::contents(given, input)?)?;
        Ok(paths.into_iter().collect())
    }
}

impl Value for TokenStream {
    fn read(given: Given, input: ParseStream<'_>, _: &mut Errors) -> syn::Result<Self> {
        list::contents(given, input)
    }
}

fn number<T: FromStr<Err: Display>>(
    given: Given,
    input: ParseStream<'_>,
    what: impl Display,
) -> syn::Result<(Span, T)> {
    let literal = behind_equals::<LitInt>(given, input)?;
    let number = literal.base10_parse().map_err(|_| syn::Error::new(literal.span(), what))?;
    Ok((literal.span(), number))
}

/// A number of runs: none is refused, with what to leave out instead.
fn above_zero<T: FromStr<Err: Display> + Default + PartialEq>(
    given: Given,
    input: ParseStream<'_>,
    what: impl Display,
    instead: impl Display,
) -> syn::Result<T> {
    let (span, number) = number(given, input, what)?;
    if number == T::default() {
        let name = given.option.name;
        return Err(syn::Error::new(span, format!("`{name} = 0` would never run the task; leave {instead}")));
    }
    Ok(number)
}

pub(crate) fn behind_equals<T: Parse>(given: Given, input: ParseStream<'_>) -> syn::Result<T> {
    let span = value_span(given, input)?;
    input.parse().map_err(|_| syn::Error::new(span, given.malformed()))
}

/// Parses the `=`, and returns the span of the value.
fn value_span(given: Given, input: ParseStream<'_>) -> syn::Result<Span> {
    input.parse::<Token![=]>().map_err(|_| given.malformed())?;
    if input.is_empty() { Err(given.malformed()) } else { Ok(input.span()) }
}

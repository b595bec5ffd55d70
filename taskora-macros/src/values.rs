//! The values of options, each kind with its own words for what is wrong.

use std::time::Duration;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::parse::{Parse, ParseBuffer, ParseStream};
use syn::{Lit, LitBool, LitInt, LitStr, Pat, Path, Token, bracketed, parenthesized};

use crate::duration;
use crate::errors::Errors;
use crate::options::Backoff;
use crate::place::Given;

/// An option whose value is being read.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    example: &'static str,
    pub(crate) span: Span,
}

impl From<&Given> for Key {
    fn from(given: &Given) -> Self {
        Self { name: given.option.name, example: given.option.example, span: given.span }
    }
}

impl Key {
    pub(crate) fn twice(&self) -> syn::Error {
        syn::Error::new(self.span, format!("option `{}` is given twice; keep one of them", self.name))
    }

    pub(crate) fn malformed(&self) -> syn::Error {
        syn::Error::new(self.span, format!("`{}` is written as in `{}`", self.name, self.example))
    }

    fn equals(&self, input: ParseStream<'_>) -> syn::Result<()> {
        input.parse::<Token![=]>().map(drop).map_err(|_| self.malformed())
    }

    /// What stands behind the `=`.
    pub(crate) fn value<T: Parse>(&self, input: ParseStream<'_>) -> syn::Result<T> {
        self.equals(input)?;
        let span = input.span();
        let at_end = input.is_empty() || input.peek(Token![,]);
        input
            .parse()
            .map_err(|_| if at_end { self.malformed() } else { syn::Error::new(span, self.malformed()) })
    }

    pub(crate) fn path(&self, input: ParseStream<'_>) -> syn::Result<Path> {
        self.equals(input)?;
        if input.is_empty() {
            return Err(self.malformed());
        }
        let span = input.span();
        input.parse().map_err(|_| syn::Error::new(span, self.malformed()))
    }

    pub(crate) fn pattern(&self, input: ParseStream<'_>) -> syn::Result<Pat> {
        self.equals(input)?;
        if input.is_empty() {
            return Err(self.malformed());
        }
        let span = input.span();
        Pat::parse_multi_with_leading_vert(input).map_err(|_| {
            syn::Error::new(
                span,
                format!("`{}` is a pattern of the task's error, as in `{}`", self.name, self.example),
            )
        })
    }

    pub(crate) fn integer(&self, input: ParseStream<'_>) -> syn::Result<LitInt> {
        self.value(input)
    }

    pub(crate) fn boolean(&self, input: ParseStream<'_>) -> syn::Result<bool> {
        self.value::<LitBool>(input).map(|literal| literal.value)
    }

    pub(crate) fn duration(
        &self,
        input: ParseStream<'_>,
        errors: &mut Errors,
    ) -> syn::Result<Option<Duration>> {
        let literal = self.value::<Lit>(input)?;
        let text = match &literal {
            Lit::Str(text) => text.value(),
            Lit::Int(number) => {
                let written = number.to_string();
                let unit = if number.suffix().is_empty() { "s" } else { "" };
                let message = format!("`{}` is a duration in quotes; write `\"{written}{unit}\"`", self.name);
                return Err(syn::Error::new(literal.span(), message));
            }
            _ => return Err(syn::Error::new(literal.span(), self.malformed())),
        };
        Ok(match duration::parse(&text) {
            Ok(duration) => Some(duration),
            Err(message) => {
                errors.on(literal, message);
                None
            }
        })
    }
}

pub(crate) fn attempts(key: &Key, input: ParseStream<'_>) -> syn::Result<u32> {
    let literal = key.integer(input)?;
    let name = key.name;
    match literal.base10_parse::<u32>() {
        Ok(0) => Err(syn::Error::new(
            literal.span(),
            format!("`{name} = 0` would never run the task; leave `retry` out for a single attempt"),
        )),
        Ok(number) => Ok(number),
        Err(_) => Err(syn::Error::new(
            literal.span(),
            format!("`{name}` is the number of attempts in total, such as `3`"),
        )),
    }
}

pub(crate) fn priority(key: &Key, input: ParseStream<'_>) -> syn::Result<i16> {
    key.equals(input)?;
    let sign = input.parse::<Option<Token![-]>>()?;
    let span = input.span();
    let literal = input.parse::<LitInt>().map_err(|_| syn::Error::new(span, key.malformed()))?;
    let number =
        literal.base10_parse::<i16>().ok().map(|number| if sign.is_some() { -number } else { number });
    number.filter(|number| (-1_000..=1_000).contains(number)).ok_or_else(|| {
        let sign = if sign.is_some() { "-" } else { "" };
        syn::Error::new(
            literal.span(),
            format!("priority `{sign}{literal}` is out of range; use -1000 to 1000, higher goes first"),
        )
    })
}

pub(crate) fn aliases(key: &Key, input: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    key.equals(input)?;
    if !input.peek(syn::token::Bracket) {
        return Err(key.malformed());
    }
    let inner;
    bracketed!(inner in input);
    let aliases = inner.parse_terminated(|input| input.parse::<LitStr>(), Token![,]);
    // what is left over was already answered for
    while inner.parse::<TokenTree>().is_ok() {}
    aliases
        .map(|aliases| aliases.into_iter().collect())
        .map_err(|error| syn::Error::new(error.span(), key.malformed()))
}

pub(crate) fn backoff(path: Path) -> Backoff {
    let named = path.get_ident().map(ToString::to_string);
    match named.as_deref() {
        Some("exponential") => Backoff::Exponential,
        Some("linear") => Backoff::Linear,
        Some("fixed") => Backoff::Fixed,
        _ => Backoff::Custom(path),
    }
}

pub(crate) fn contents<'a>(input: ParseStream<'a>) -> syn::Result<ParseBuffer<'a>> {
    let inner;
    parenthesized!(inner in input);
    Ok(inner)
}

pub(crate) fn contents_of(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let inner = contents(input)?;
    inner.parse()
}

//! Parses a list of options one by one, so that one mistake does not hide the next.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};

use crate::errors::Errors;
use crate::names;
use crate::place::{self, Known, Place, Side};

/// The options in the parentheses of `#[task(..)]`, or of an option in it.
pub(crate) trait List: Default {
    const KNOWN: &'static [Known];

    /// The options that were written, even those with an invalid value.
    fn given(&self) -> &[Given];

    /// Records an option, and parses what follows its name.
    fn set(&mut self, given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()>;

    /// Where an option was written, if it was.
    fn span_of(&self, name: &str) -> Option<Span> {
        self.given().iter().find(|given| given.option.name == name).map(|given| given.span)
    }
}

/// An option that was written, and where.
#[derive(Clone, Copy)]
pub(crate) struct Given {
    pub(crate) option: &'static Known,
    pub(crate) span: Span,
    place: Place,
}

impl Given {
    pub(crate) fn malformed(&self) -> syn::Error {
        let Known { name, example, .. } = self.option;
        syn::Error::new(self.span, format!("`{name}` is written as in `{example}`"))
    }

    /// Refuses an option that does not belong where it was written.
    pub(crate) fn must_be_for(&self, side: Side) -> syn::Result<()> {
        match side.refusal(self.option.name, self.place) {
            Some(message) => Err(syn::Error::new(self.span, message)),
            None => Ok(()),
        }
    }
}

/// The items between the commas. A comma between `<` and `>` belongs to a type, and one between `|` and `|` to a closure.
pub(crate) fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let (items, is_balanced) = split_outside(tokens.clone(), true);
    if is_balanced { items } else { split_outside(tokens, false).0 }
}

/// The items, and whether every `<` has its `>`, and every closure its arguments.
fn split_outside(tokens: TokenStream, nested: bool) -> (Vec<TokenStream>, bool) {
    let mut items = Vec::new();
    let mut item = TokenStream::new();
    let mut depth = 0_usize;
    let mut in_closure = false;
    let mut before = ' ';
    for token in tokens {
        let punct = if let TokenTree::Punct(punct) = &token { punct.as_char() } else { ' ' };
        match punct {
            '|' if nested && (in_closure || before == '=') => in_closure = !in_closure,
            '<' if nested => depth += 1,
            // an arrow ends no type
            '>' if nested && !matches!(before, '-' | '=') => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = punct;
        let is_between = punct == ',' && depth == 0 && !in_closure;
        if !is_between || item.is_empty() {
            // a comma with nothing before it is an item, so that it is reported
            item.extend([token]);
        }
        if is_between {
            items.push(std::mem::take(&mut item));
        }
    }
    if !item.is_empty() {
        items.push(item);
    }
    (items, depth == 0 && !in_closure)
}

/// Whether an item is the option of this name.
pub(crate) fn is_named(item: &TokenStream, name: &str) -> bool {
    matches!(item.clone().into_iter().next(), Some(TokenTree::Ident(ident)) if ident == name)
}

/// Parses the items, and adds them to the list.
pub(crate) fn read<L: List>(list: &mut L, items: Vec<TokenStream>, place: Place, errors: &mut Errors) {
    for item in items {
        let option = |input: ParseStream<'_>| {
            let given = given::<L>(input, place)?;
            let name = given.option.name;
            if list.span_of(name).is_some() && !given.option.repeats {
                return Err(syn::Error::new(
                    given.span,
                    format!("option `{name}` is given twice; keep one of them"),
                ));
            }
            given.must_be_for(given.option.side)?;
            list.set(given, input, errors)?;
            if input.is_empty() { Ok(()) } else { Err(input.error("expected `,` before the next option")) }
        };
        let result = option.parse2(item);
        errors.keep(result);
    }
}

/// Parses the list that is an option's value.
pub(crate) fn inner<L: List>(given: Given, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<L> {
    let mut list = L::default();
    read(&mut list, split(contents(given, input)?), given.place, errors);
    Ok(list)
}

/// The tokens in the parentheses after an option's name.
pub(crate) fn contents(given: Given, input: ParseStream<'_>) -> syn::Result<TokenStream> {
    if !input.peek(syn::token::Paren) {
        return Err(given.malformed());
    }
    let contents;
    syn::parenthesized!(contents in input);
    contents.parse()
}

fn given<L: List>(input: ParseStream<'_>, place: Place) -> syn::Result<Given> {
    let offered = || L::KNOWN.iter().filter(|option| option.side.fits(place)).map(|option| option.name);
    let list = || offered().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if !input.peek(Ident::peek_any) {
        return Err(input.error(format!("expected an option; there are {}", list())));
    }
    let ident = Ident::parse_any(input)?;
    let typed = names::unraw(&ident);
    if let Some(option) = L::KNOWN.iter().find(|option| option.name == typed) {
        return Ok(Given { option, span: ident.span(), place });
    }
    let meant = place::renamed(&typed, L::KNOWN).or_else(|| names::nearest(&typed, offered()));
    let hint = meant
        .map(|meant| format!("did you mean `{meant}`?"))
        .or_else(|| place::elsewhere(&typed, L::KNOWN))
        .unwrap_or_else(|| format!("there are {}", list()));
    Err(syn::Error::new(ident.span(), format!("unknown option `{typed}`; {hint}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_part_the_options_and_not_the_types() {
        for (written, items) in [
            ("", &[] as &[&str]),
            ("blocking", &["blocking"]),
            ("retry = 3, blocking,", &["retry = 3", "blocking"]),
            ("retry(a = 1, b = 2), name = \"a,b\"", &["retry (a = 1 , b = 2)", "name = \"a,b\""]),
            ("output = Map<A, Vec<B>>, name = 1", &["output = Map < A , Vec < B >>", "name = 1"]),
            ("output = Map<fn(A) -> B, C>, name = 1", &["output = Map < fn (A) -> B , C >", "name = 1"]),
            ("output = Vec<u8, name = 1", &["output = Vec < u8", "name = 1"]),
            (",, retry", &[",", ",", "retry"]),
            ("key = |a, b| a < b, max = 1", &["key = | a", "b | a < b", "max = 1"]),
            ("key = |a, b| a, max = 1", &["key = | a , b | a", "max = 1"]),
            ("key = || a, max = 1", &["key = || a", "max = 1"]),
            ("on = | A | B, max = 1", &["on = | A | B", "max = 1"]),
            ("on = | A, max = 1", &["on = | A", "max = 1"]),
        ] {
            let found: Vec<_> = split(written.parse().unwrap()).iter().map(ToString::to_string).collect();
            assert_eq!(found, items, "{written}");
        }
    }
}

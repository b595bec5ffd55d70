//! The values that serde gives to fields that a payload does not have.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::{Attribute, LitStr, Path, Type};

use crate::field::Field;
use crate::list;
use crate::types::last_segment;

/// The value of the whole struct.
pub(crate) struct Container(pub(crate) TokenStream);

impl Container {
    /// Of the tokens in `#[serde(..)]`.
    pub(crate) fn of_tokens(attribute: TokenStream) -> Option<Self> {
        default(attribute, &["default"]).map(Self)
    }

    pub(crate) fn of_attributes(attributes: &[Attribute]) -> Option<Self> {
        attributes
            .iter()
            .find_map(|attribute| Self::of_tokens(attribute.meta.require_list().ok()?.tokens.clone()))
    }
}

/// The value of a field, if serde knows one.
pub(crate) fn of_field(field: &Field) -> Option<TokenStream> {
    let serde = field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde"));
    let serde: Vec<_> = serde.filter_map(|attribute| attribute.meta.require_list().ok()).collect();
    let given = |words| serde.iter().find_map(|attribute| default(attribute.tokens.clone(), words));
    // a field that is skipped has the default that is named, wherever that is written
    given(&["default"]).or_else(|| given(&["skip", "skip_deserializing"])).or_else(|| {
        let ty = syn::parse2::<Type>(field.ty.clone()).ok()?;
        let is_option = field.plain && last_segment(&ty).is_some_and(|(name, _)| name == "Option");
        is_option.then(|| quote_spanned!(Span::mixed_site()=> ::core::option::Option::None))
    })
}

fn default(attribute: TokenStream, words: &[&str]) -> Option<TokenStream> {
    let site = Span::mixed_site();
    list::split(attribute).into_iter().find_map(|item| {
        let mut tokens = item.into_iter();
        match tokens.next()? {
            TokenTree::Ident(word) if words.iter().any(|known| word == known) => {}
            _ => return None,
        }
        match (tokens.next(), tokens.next()) {
            (Some(TokenTree::Punct(_)), Some(path)) => {
                let path: Path = syn::parse2::<LitStr>(path.into()).ok()?.parse().ok()?;
                Some(quote_spanned!(site=> #path()))
            }
            _ => Some(quote_spanned!(site=> ::core::default::Default::default())),
        }
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn a_field_that_is_skipped_has_the_default_that_is_named() {
        let value = |attrs: Vec<Attribute>| {
            let field = Field {
                name: parse_quote!(days),
                ty: quote_spanned!(Span::call_site()=> u32),
                attrs,
                plain: true,
            };
            of_field(&field).map(|value| value.to_string().replace(' ', ""))
        };
        let (make, default) = (Some("make()"), Some("::core::default::Default::default()"));
        for (attrs, expected) in [
            (vec![parse_quote!(#[serde(skip, default = "make")])], make),
            (vec![parse_quote!(#[serde(default = "make", skip_deserializing)])], make),
            (vec![parse_quote!(#[serde(skip)]), parse_quote!(#[serde(default = "make")])], make),
            (vec![parse_quote!(#[serde(skip, default)])], default),
            (vec![parse_quote!(#[serde(skip_deserializing)])], default),
            (vec![parse_quote!(#[serde(rename = "default")])], None),
        ] {
            assert_eq!(value(attrs.clone()).as_deref(), expected, "{}", attrs.len());
        }
    }
}

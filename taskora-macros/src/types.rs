//! What the tokens of a type, and of the attributes beside it, show.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Attribute, GenericArgument, PathArguments, Type};

/// Where an injected parameter comes from.
pub(crate) enum Injected {
    Context,
    /// `State<T>`, with this `T`.
    State(Type),
    /// A type with `#[inject]`, which only the compiler can resolve.
    Other(Type),
}

/// What a type injects by its name.
pub(crate) fn injected(ty: &Type) -> Option<Injected> {
    match last_segment(ty)? {
        (ident, PathArguments::None) if ident == "Context" => Some(Injected::Context),
        (ident, PathArguments::AngleBracketed(arguments)) if ident == "State" => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(Injected::State(ty.clone())),
                _ => None,
            })
        }
        _ => None,
    }
}

pub(crate) fn last_segment(ty: &Type) -> Option<(&Ident, &PathArguments)> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| (&segment.ident, &segment.arguments)),
        _ => None,
    }
}

/// A type without the reference before it.
pub(crate) fn peel(ty: &Type) -> (bool, &Type) {
    match group_free(ty) {
        Type::Reference(reference) => (true, group_free(&reference.elem)),
        ty => (false, ty),
    }
}

/// A type without the groups of `macro_rules!` and without parentheses.
pub(crate) fn group_free(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => group_free(&group.elem),
        Type::Paren(paren) => group_free(&paren.elem),
        ty => ty,
    }
}

/// The owned type for `&ty`.
pub(crate) fn owned(ty: &Type) -> TokenStream {
    match group_free(ty) {
        Type::Path(path) if path.path.is_ident("str") => quote!(::std::string::String),
        Type::Slice(slice) => {
            let element = &slice.elem;
            quote!(::std::vec::Vec<#element>)
        }
        ty => ty.to_token_stream(),
    }
}

/// A hint for a reference to a named type: it may belong to the worker.
pub(crate) fn or_state(referred: &Type) -> String {
    match last_segment(group_free(referred)) {
        Some((ident, _)) if !["str", "String", "Vec"].iter().any(|data| ident == data) => {
            format!(", or `State<{}>` if it belongs to the worker", tidy(referred))
        }
        _ => String::new(),
    }
}

/// The `T` of a `Result<T, ..>`; of any other type, the type itself.
pub(crate) fn output_of(ty: &Type) -> &Type {
    let first = match last_segment(ty) {
        Some((ident, PathArguments::AngleBracketed(arguments))) if ident.to_string().ends_with("Result") => {
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(group_free(ty)),
                _ => None,
            })
        }
        _ => None,
    };
    first.unwrap_or(ty)
}

/// Whether a type may be a user's alias.
pub(crate) fn may_be_an_alias(ty: &TokenStream) -> bool {
    const AT_HAND: [&str; 20] = [
        "Box", "Option", "String", "Vec", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128",
        "isize", "u8", "u16", "u32", "u64", "u128", "usize",
    ];
    let mut tokens = ty.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        // a tuple or an array
        (Some(TokenTree::Group(group)), None) => group.delimiter() == Delimiter::None,
        (Some(TokenTree::Ident(ident)), next) => {
            let is_path = matches!(next, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
            is_path || !AT_HAND.iter().any(|name| ident == name)
        }
        _ => true,
    }
}

/// Whether a type has a reference or a lifetime, other than `'static`. An argument or an output is rebuilt from stored data,
/// so it cannot be a `&'static` either; an error can.
pub(crate) fn borrows(tokens: TokenStream, static_references: bool) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match &token {
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                !static_references
                    || !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'')
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                !matches!(tokens.peek(), Some(TokenTree::Ident(ident)) if ident == "static")
            }
            TokenTree::Group(group) => borrows(group.stream(), static_references),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

pub(crate) fn mentions(tokens: TokenStream, wanted: &dyn Fn(&Ident) -> bool) -> bool {
    mentioned(tokens, wanted).is_some()
}

/// The first such name.
pub(crate) fn mentioned(tokens: TokenStream, wanted: &dyn Fn(&Ident) -> bool) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) => wanted(&ident).then_some(ident),
        TokenTree::Group(group) => mentioned(group.stream(), wanted),
        _ => None,
    })
}

/// A type formatted as a person writes it.
pub(crate) fn tidy(ty: &impl quote::ToTokens) -> String {
    let spaced = ty.to_token_stream().to_string();
    let tight =
        [(" :: ", "::"), (":: ", "::"), (" <", "<"), ("< ", "<"), (" >", ">"), (" ,", ","), ("& ", "&")];
    let text = tight.into_iter().fold(spaced, |text, (from, to)| text.replace(from, to));
    text.replace("::std::string::String", "String").replace("::std::vec::Vec", "Vec")
}

/// Whether a field with these serde attributes has its type's format.
pub(crate) fn is_plain(attrs: &[Attribute]) -> bool {
    const OTHERWISE: [&str; 7] = [
        "with",
        "serialize_with",
        "deserialize_with",
        "flatten",
        "skip",
        "skip_serializing",
        "skip_deserializing",
    ];
    !attrs.iter().any(|attribute| {
        mentions(attribute.meta.to_token_stream(), &|ident| OTHERWISE.iter().any(|word| ident == word))
    })
}

/// The attributes of this name.
pub(crate) fn with_name(attrs: &[Attribute], name: &str) -> Vec<Attribute> {
    attrs.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_at_hand_is_no_alias() {
        for (ty, may_be) in [
            ("()", false),
            ("(Res<u8>, u8)", false),
            ("[u8; 4]", false),
            ("u64", false),
            ("Vec<Res<u8>>", false),
            ("Res<u8>", true),
            ("Receipt", true),
            ("String::Res", true),
            ("::std::string::String", true),
            ("<A as B>::C", true),
        ] {
            assert_eq!(may_be_an_alias(&ty.parse().unwrap()), may_be, "{ty}");
        }
    }
}

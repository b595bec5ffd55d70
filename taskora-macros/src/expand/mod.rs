//! From the model to tokens. Nothing is refused here. Logic lives in generic functions of the runtime where possible, so
//! that the expansion stays small.

mod contract;
mod handler;
mod schedule;
mod signature;
#[cfg(test)]
mod snapshots;
mod step;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Attribute, DeriveInput, FnArg, GenericArgument, PathArguments, Type};

use crate::errors::Errors;
use crate::hides;
use crate::model::{Krate, Output, TaskFn};
use crate::options::{Options, span_of};
use crate::types::with_name;
use crate::validate;

/// Attributes on parameters that only this macro understands.
const HELPERS: [&str; 4] = ["payload", "inject", "serde", "doc"];

/// `#[task]` on a function.
pub(crate) fn function(options: TokenStream, item: TokenStream) -> TokenStream {
    let parsed = match syn::parse2::<TaskFn>(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let message =
                not_a_function(&item).map_or(error, |(span, message)| syn::Error::new(span, message));
            let error = message.to_compile_error();
            return quote!(#item #error);
        }
    };
    let mut errors = Errors::default();
    let mut read = Options::default();
    read.read(options, false, &mut errors);
    let is_free = crate::signature::check_is_free(&parsed.sig, &mut errors);
    let (contract, handler) = validate::function(&parsed, read, &mut errors);
    let is_hidden =
        contract.as_ref().is_some_and(|contract| hides::check(&parsed.sig, &contract.ident, &mut errors));
    let original = original(parsed);
    if !is_free || is_hidden {
        // generate nothing else inside an `impl`, or under a name that means another type
        return quote!(#original #errors);
    }
    let docs = with_name(&original.attrs, "doc");
    let deprecated = with_name(&original.attrs, "deprecated");
    let types = match &contract {
        Some(contract) => {
            // the signature comes first, because it has the clearest error for an argument that cannot be stored
            let implementation = contract::implementation(contract);
            let definition = contract::definition(contract, &docs, &deprecated);
            quote!(#implementation #definition)
        }
        None => handler::definition(&handler, &original.vis, &deprecated),
    };
    let handler = handler::implementation(&handler);
    quote!(#original #types #handler #errors)
}

/// `#[derive(Task)]` on a struct.
pub(crate) fn derived(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let contract = errors
        .keep(syn::parse2::<DeriveInput>(item))
        .and_then(|item| validate::derived(item, &mut errors))
        .map(|contract| contract::implementation(&contract));
    quote!(#contract #errors)
}

impl quote::ToTokens for TaskFn {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for attribute in &self.attrs {
            attribute.to_tokens(tokens);
        }
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// The function for the compiler: without the attributes that were meant for the macro.
fn original(mut item: TaskFn) -> TaskFn {
    let meant_for_us = |attribute: &Attribute| HELPERS.iter().any(|name| attribute.path().is_ident(name));
    for input in &mut item.sig.inputs {
        match input {
            FnArg::Typed(param) => param.attrs.retain(|attribute| !meant_for_us(attribute)),
            FnArg::Receiver(receiver) => receiver.attrs.retain(|attribute| !meant_for_us(attribute)),
        }
    }
    item
}

/// The error for an item that is not a function.
fn not_a_function(item: &TokenStream) -> Option<(Span, &'static str)> {
    let item = syn::parse2::<syn::Item>(item.clone()).ok()?;
    match item {
        syn::Item::Struct(item) => Some((
            item.struct_token.span,
            "`#[task]` is for functions; for a struct that producers share, write `#[derive(Task)]` and `#[task(..)]` below it",
        )),
        syn::Item::Fn(_) => None,
        item => Some((item.to_token_stream().into_iter().next()?.span(), "`#[task]` is for functions")),
    }
}

impl Output {
    /// The type that is stored.
    fn stored(&self, krate: &Krate) -> TokenStream {
        match self {
            Self::Value(ty) => ty.clone(),
            Self::Of(ty) => {
                let at = self.output_span();
                let private = krate.private_at(at);
                quote_spanned!(at=> <#ty as #private::TaskReturn>::Output)
            }
        }
    }

    /// The type as it was written, if it can be seen.
    fn written(&self) -> Option<TokenStream> {
        match self {
            Self::Value(ty) => Some(ty.clone()),
            // an alias may begin with a lifetime or a number
            Self::Of(ty) => match generic_argument(ty, 0)? {
                GenericArgument::Type(ty) => Some(ty.to_token_stream()),
                _ => None,
            },
        }
    }

    /// Where an output that does not fit is shown.
    fn output_span(&self) -> Span {
        self.argument_span(0)
    }

    /// Where an error that does not fit is shown.
    fn error_span(&self) -> Span {
        self.argument_span(1)
    }

    /// The place of `T` or `E` in `Result<T, E>`, or of the whole type.
    fn argument_span(&self, index: usize) -> Span {
        let at = match self {
            Self::Value(ty) => span_of(ty),
            Self::Of(ty) => generic_argument(ty, index).map_or_else(|| span_of(ty), span_of),
        };
        Span::mixed_site().located_at(at)
    }
}

fn generic_argument(ty: &Type, index: usize) -> Option<&GenericArgument> {
    let Type::Path(path) = ty else { return None };
    match &path.path.segments.last()?.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().nth(index),
        _ => None,
    }
}

//! `#[derive(FromRef)]`: every field of the worker's state becomes available as `State<Field>`.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Fields, Path, Token};

use crate::errors::Errors;
use crate::model::Krate;
use crate::types::tidy;
use crate::types::with_name;

pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let impls = errors.keep(syn::parse2::<DeriveInput>(item)).and_then(|item| impls(item, &mut errors));
    quote!(#impls #errors)
}

fn impls(item: DeriveInput, errors: &mut Errors) -> Option<TokenStream> {
    let krate = Krate::new(item.attrs.iter().find_map(|attribute| krate(attribute, errors)));
    let private = krate.private();
    if !item.generics.params.is_empty() {
        errors
            .on(&item.generics, "a worker's state cannot be generic here; write the `FromRef` impls by hand");
        return None;
    }
    let Data::Struct(data) = item.data else {
        errors.at(
            item.ident.span(),
            "`#[derive(FromRef)]` is for structs: each field becomes available as `State<Field>`",
        );
        return None;
    };
    let fields = match data.fields {
        Fields::Named(fields) => fields.named,
        Fields::Unnamed(fields) => fields.unnamed,
        Fields::Unit => {
            errors.at(
                item.ident.span(),
                "`#[derive(FromRef)]` needs a field: each becomes available as `State<Field>`",
            );
            return None;
        }
    };
    let ident = &item.ident;
    let mut seen = HashSet::new();
    let mut impls = TokenStream::new();
    for (index, field) in fields.into_iter().enumerate() {
        if skipped(&field.attrs, errors) {
            continue;
        }
        let ty = &field.ty;
        if !seen.insert(ty.to_token_stream().to_string()) {
            let ty_text = tidy(ty);
            errors.on(
                ty,
                format!("two fields have the type `{ty_text}`, so `State<{ty_text}>` could be either; add `#[from_ref(skip)]` to one, or give it a type of its own"),
            );
            continue;
        }
        let member = match field.ident {
            Some(name) => syn::Member::Named(name),
            None => syn::Member::from(index),
        };
        let at = Span::mixed_site().located_at(crate::options::span_of(ty));
        let clone = quote_spanned!(at=> <#ty as ::core::clone::Clone>::clone(&state.#member));
        impls.extend(quote_spanned! {Span::mixed_site()=>
            #[automatically_derived]
            impl #private::FromRef<#ident> for #ty {
                fn from_ref(state: &#ident) -> Self { #clone }
            }
        });
    }
    Some(impls)
}

/// `#[from_ref(crate = path)]` on the struct.
fn krate(attribute: &Attribute, errors: &mut Errors) -> Option<Path> {
    if !attribute.path().is_ident("from_ref") {
        return None;
    }
    let read = attribute.parse_args_with(|input: syn::parse::ParseStream<'_>| {
        input.parse::<Token![crate]>()?;
        input.parse::<Token![=]>()?;
        Path::parse_mod_style(input)
    });
    read.map_err(|error| {
        errors.at(error.span(), "`from_ref` on a struct is written as in `#[from_ref(crate = ::queue)]`")
    })
    .ok()
}

fn skipped(attrs: &[Attribute], errors: &mut Errors) -> bool {
    let mut skipped = false;
    for attribute in with_name(attrs, "from_ref") {
        match attribute.parse_args::<syn::Ident>() {
            Ok(ident) if ident == "skip" => skipped = true,
            _ => errors.on(&attribute, "`from_ref` on a field is written as in `#[from_ref(skip)]`"),
        }
    }
    skipped
}

//! The signature builder: `SendEmail::s().to(..).subject(..)`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote_spanned};

use super::step;
use crate::field::Field;
use crate::model::{Contract, Krate};
use crate::names;

/// The builder's type, its setters, and what dispatches it once all arguments are set. Each type parameter is `Set`,
/// `FromNode` or `Unset`, marked with a type that is named like the argument, so that errors name it.
pub(super) fn expand(contract: &Contract, fields: &[Field]) -> TokenStream {
    let site = Span::mixed_site();
    let Contract { before, vis, ident, .. } = contract;
    let private = contract.krate.private();
    let signature = format_ident!("{}Signature", names::unraw(ident), span = ident.span());
    let parameters = names::parameters(fields.len());
    let arguments: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let contract_name = names::unraw(ident);
    let signature_doc =
        format!("[`{contract_name}`] with some of its arguments, see [`{contract_name}::s`].");
    let start_doc =
        format!("Starts a signature of [`{contract_name}`]: its arguments are set one by one, in any order.");
    let step = step::signature(contract, fields, &signature, &parameters);
    let markers = (!fields.is_empty()).then(|| {
        quote_spanned! {site=>
            #[allow(non_camel_case_types, reason = "named like the arguments")]
            mod __arguments { #(pub enum #arguments {})* }
        }
    });
    let setters = (!fields.is_empty()).then(|| {
        let setters = fields
            .iter()
            .enumerate()
            .map(|(at, field)| setter(&contract.krate, &signature, fields, &parameters, at, field));
        quote_spanned! {site=>
            #[allow(dead_code, clippy::all, clippy::pedantic, reason = "generated for every argument")]
            impl<#(#parameters),*> #signature<#(#parameters),*> { #(#setters)* }
        }
    });
    quote_spanned! {site=>
        #private::runtime! {
        #(#before)*
        #[doc = #signature_doc]
        #[derive(::core::fmt::Debug)]
        #[must_use = "a signature does nothing until it is dispatched"]
        #[allow(dead_code, reason = "generated for every task")]
        #vis struct #signature<#(#parameters),*> { #(#arguments: #parameters),* }

        #(#before)*
        const _: () = {
            #markers

            #[allow(dead_code, reason = "generated for every task")]
            impl #ident {
                #[doc = #start_doc]
                #[inline]
                pub const fn s() -> #signature<#(#private::Unset<__arguments::#arguments>),*> {
                    #signature { #(#arguments: #private::Unset::new()),* }
                }
            }

            #setters

            #[automatically_derived]
            impl #private::Dispatchable for #signature<#(#private::Set<__arguments::#arguments, #types>),*> {
                type Handle = <#ident as #private::Dispatchable>::Handle;
                type Slot = #private::Bound;

                // compiled only where it is used
                #[inline]
                fn __into_dispatch(self, setup: &#private::Setup) -> #private::Dispatch<Self::Handle> {
                    #private::Dispatchable::__into_dispatch(#ident { #(#arguments: self.#arguments.into_value()),* }, setup)
                }
            }

            #step
        };
        }
    }
}

fn setter(
    krate: &Krate,
    signature: &Ident,
    fields: &[Field],
    parameters: &[Ident],
    at: usize,
    Field { name, ty, .. }: &Field,
) -> TokenStream {
    let site = Span::mixed_site();
    let private = krate.private();
    let doc = format!("Sets `{}`.", names::unraw(name));
    let given = names::local("__Given", site);
    let after =
        parameters.iter().enumerate().map(|(index, parameter)| if index == at { &given } else { parameter });
    let parameter = parameters.get(at);
    let values = fields.iter().enumerate().map(|(index, Field { name, .. })| {
        if index == at {
            quote_spanned!(site=> #name: #private::Given::give(value))
        } else {
            quote_spanned!(site=> #name: self.#name)
        }
    });
    quote_spanned! {site=>
        #[doc = #doc]
        pub fn #name<#given>(
            self,
            value: impl #private::Given<__arguments::#name, #ty, #given>,
        ) -> #signature<#(#after),*>
        where
            #parameter: #private::Open<__arguments::#name>,
        {
            #signature { #(#values),* }
        }
    }
}

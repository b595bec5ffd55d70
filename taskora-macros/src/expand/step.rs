//! Signatures as steps of workflows.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

use crate::field::Field;
use crate::model::Contract;

/// What a signature is depends on which of its arguments are set.
pub(super) fn signature(
    contract: &Contract,
    fields: &[Field],
    signature: &Ident,
    parameters: &[Ident],
) -> TokenStream {
    let site = Span::mixed_site();
    let Contract { ident, output, .. } = contract;
    let private = contract.krate.private();
    let out = output.stored(&contract.krate);
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    if fields.iter().all(|field| field.plain) {
        return quote_spanned! {site=>
            #[automatically_derived]
            impl<#(#parameters),*> #private::Step for #signature<#(#parameters),*>
            where
                (#(#parameters,)*): #private::Partial<#ident>,
            {
                type Slot = <(#(#parameters,)*) as #private::Partial<#ident>>::Slot;
                type Out = #out;

                #[inline]
                fn into_plan(self) -> #private::Plan {
                    <(#(#parameters,)*) as #private::Partial<#ident>>::into_plan((#(self.#names,)*))
                }
            }
        };
    }
    // an argument with a format other than its type's cannot be another task's output: all are set, or none
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let none_set = (fields.len() > 1).then(|| {
        quote_spanned! {site=>
            #[automatically_derived]
            impl #private::Step for #signature<#(#private::Unset<__arguments::#names>),*> {
                type Slot = #private::Piped<#ident>;
                type Out = #out;

                #[inline]
                fn into_plan(self) -> #private::Plan { #private::Plan::piped::<#ident>() }
            }
        }
    });
    quote_spanned! {site=>
        #[automatically_derived]
        impl #private::Step for #signature<#(#private::Set<__arguments::#names, #types>),*> {
            type Slot = #private::Bound;
            type Out = #out;

            #[inline]
            fn into_plan(self) -> #private::Plan {
                #private::Plan::contract(&#ident { #(#names: self.#names.into_value()),* })
            }
        }
        #none_set
    }
}

//! `impl Handler`: what a worker calls.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, quote_spanned};
use syn::{Attribute, Visibility};

use crate::model::{self, Argument, Handler, Output};
use crate::names;
use crate::types::Injected;
use crate::values::{Concurrency, Word};

/// The type to register for a contract that is defined elsewhere.
pub(super) fn definition(handler: &Handler, vis: &Visibility, deprecated: &[Attribute]) -> TokenStream {
    let Handler { before, ident, contract, function, .. } = handler;
    let contract = contract.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
    let doc =
        format!("Runs the jobs of `{contract}` with `{function}`; registered as `.register::<{ident}>()`.");
    quote_spanned! {Span::mixed_site()=>
        #[doc = #doc]
        #(#deprecated)*
        #(#before)*
        #[derive(::core::fmt::Debug)]
        #[allow(dead_code, reason = "only its type is used")]
        #vis struct #ident;
    }
}

/// The handler itself.
pub(super) fn implementation(handler: &Handler) -> TokenStream {
    let site = Span::mixed_site();
    let Handler { before, ident, contract, .. } = handler;
    let private = handler.krate.private();
    let mut options = Vec::new();
    if let Some(Concurrency(concurrency)) = handler.options.concurrency {
        options.push(quote_spanned!(site=> .with_concurrency(#concurrency)));
    }
    if let Some(schedules) = super::schedule::list(&handler.krate, contract, &handler.schedules) {
        options.push(quote_spanned!(site=> .with_schedules(#schedules)));
    }
    if handler.options.batch.is_some() {
        options.push(quote_spanned!(site=> .with_batch()));
    }
    let on_cancel = handler.options.on_cancel.as_ref().map(|path| {
        options.push(quote_spanned!(site=> .with_on_cancel()));
        let at = site.located_at(crate::options::span_of(path));
        let private_at = handler.krate.private_at(at);
        quote_spanned! {at=>
            async fn on_cancel(task: #contract, scope: #private::Scope<__S>) {
                #private_at::CancelHook::<__S, #contract, _>::call(#path, task, scope).await
            }
        }
    });
    let bounds = handler.arguments.iter().filter_map(|argument| bound(argument, &private));
    // errors about the whole future appear at the function's name
    let at = site.located_at(handler.function.span());
    let run =
        if handler.broken { quote_spanned!(site=> ::core::unreachable!()) } else { body(handler, &private) };
    let private_at = handler.krate.private_at(at);
    let run = match handler.options.batch {
        None => quote_spanned! {at=>
            async fn run(task: #contract, scope: #private_at::Scope<__S>) -> #private_at::Ran<#contract> { #run }
        },
        Some(_) => quote_spanned! {at=>
            async fn run(task: #contract, scope: #private_at::Scope<__S>) -> #private_at::Ran<#contract> {
                <Self as #private_at::Handler<__S>>::run_batch(::std::vec![task], scope).await
            }

            async fn run_batch(
                task: ::std::vec::Vec<#contract>,
                scope: #private_at::Scope<__S>,
            ) -> #private_at::Ran<#contract> { #run }
        },
    };
    let checked = handler.implements.then(|| check_contract(handler));
    quote_spanned! {site=>
        #checked

        #(#before)*
        #[automatically_derived]
        impl<__S> #private::Handler<__S> for #ident
        where
            __S: #private::WorkerState,
            #(#bounds,)*
        {
            type Task = #contract;
            const OPTIONS: #private::HandlerOptions =
                #private::HandlerOptions::new(::core::concat!(::core::file!(), ":", ::core::line!()))#(#options)*;
            #run
            #on_cancel
        }
    }
}

/// Whether the contract collects must be the same for both sides.
fn check_contract(handler: &Handler) -> TokenStream {
    let Handler { before, contract, krate, .. } = handler;
    if let Some(Word(batch)) = handler.options.batch {
        let at = Span::mixed_site().located_at(batch);
        let private = krate.private_at(at);
        let contract = model::at(at, contract.to_token_stream());
        return quote_spanned! {at=>
            #(#before)*
            const _: () = #private::check_batch::<#contract>();
        };
    }
    let at = Span::mixed_site().located_at(handler.function.span());
    let private = krate.private_at(at);
    let contract = model::at(at, contract.to_token_stream());
    quote_spanned! {at=>
        #(#before)*
        const _: fn() = || {
            #[allow(unused_imports, reason = "a contract that collects has a method of its own")]
            use #private::CollectsKind as _;
            let probe = #private::CollectsProbe::<#contract>::new();
            #private::check_one_by_one(&probe, probe.kind());
        };
    }
}

/// What the worker's state must provide for an argument.
fn bound(argument: &Argument, private: &TokenStream) -> Option<TokenStream> {
    match argument {
        Argument::Injected { from: Injected::State(ty), span, .. } => {
            let at = Span::mixed_site().located_at(*span);
            Some(quote_spanned!(at=> #ty: #private::FromRef<__S>))
        }
        Argument::Injected { from: Injected::Other(ty), span, .. } => {
            let at = Span::mixed_site().located_at(*span);
            Some(quote_spanned!(at=> #ty: #private::Inject<__S>))
        }
        _ => None,
    }
}

/// Takes the contract apart, calls the function, and converts its return value for the worker.
fn body(handler: &Handler, private: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let is_blocking = handler.options.blocking.is_some();
    let names: Vec<_> =
        (0..handler.arguments.len()).map(|index| names::local(&format!("a{index}"), site)).collect();
    let take_apart = handler.implements.then(|| match handler.options.batch {
        Some(_) => take_items(handler, &names),
        None => take_apart(handler, &names),
    });
    let arguments = handler.arguments.iter().zip(&names).map(|(argument, local)| match argument {
        Argument::Payload(_) if handler.implements => local.to_token_stream(),
        Argument::Payload(field) => {
            let name = &field.name;
            quote_spanned!(site=> task.#name)
        }
        Argument::Injected { from, by_ref, span } => inject(from, *by_ref, *span, is_blocking, private),
    });
    // errors about an output or an error type appear at that type
    let (output_at, error_at) = (handler.returns.output_span(), handler.returns.error_span());
    let wait = (!is_blocking).then(|| quote_spanned!(error_at=> .await));
    let function = model::at(error_at, handler.function.to_token_stream());
    let call = quote_spanned!(error_at=> #function(#(#arguments),*)#wait);
    let result = match &handler.returns {
        Output::Value(_) => quote_spanned!(site=> #private::succeed(#call)),
        Output::Of(ty) => {
            let private = handler.krate.private_at(output_at);
            let into_result = quote_spanned!(output_at=> <#ty as #private::TaskReturn>::into_result);
            quote_spanned!(error_at=> #into_result(#call))
        }
    };
    let advice = advice(handler, private);
    let finish = handler.krate.private_at(output_at);
    let mut finished = quote_spanned!(output_at=> #finish::finish(#result, #advice));
    if handler.implements {
        // the output alone is compared with the contract's, not the whole `Result`
        finished = quote_spanned!(output_at=> let output = #finished?; ::core::result::Result::Ok(output));
    }
    if is_blocking {
        quote_spanned!(site=> #private::blocking(scope, move |scope| { #take_apart #finished }).await)
    } else {
        quote_spanned!(site=> #take_apart #finished)
    }
}

/// Lets the compiler compare the arguments with the contract's fields, by name and by type.
fn take_apart(handler: &Handler, names: &[Ident]) -> TokenStream {
    let site = Span::mixed_site();
    let contract = &handler.contract;
    let payload: Vec<_> = handler
        .arguments
        .iter()
        .zip(names)
        .filter_map(|(argument, local)| argument.field().map(|field| (field, local)))
        .collect();
    let fields = payload.iter().map(|(field, local)| {
        let name = &field.name;
        quote_spanned!(site=> #name: #local)
    });
    // with the user's own span the compiler names the fields that are missing
    let at = handler.function.span();
    let contract = contract.to_token_stream().into_iter().map(|mut token| {
        token.set_span(at);
        token
    });
    let contract: TokenStream = contract.collect();
    let typed = payload.iter().map(|(field, local)| {
        let ty = &field.ty;
        let at = site.located_at(crate::options::span_of(ty));
        let value = names::local(&local.to_string(), at);
        quote_spanned!(at=> let #local: #ty = #value;)
    });
    let pattern = quote_spanned!(at=> #contract { #(#fields),* });
    quote_spanned!(site=> let #pattern = task; #(#typed)*)
}

/// Lets the compiler compare the argument with the items of a batch.
fn take_items(handler: &Handler, names: &[Ident]) -> TokenStream {
    let site = Span::mixed_site();
    let items = handler.arguments.iter().zip(names).filter_map(|(argument, local)| {
        let ty = &argument.field()?.ty;
        let at = site.located_at(crate::options::span_of(ty));
        let task = names::local("task", at);
        Some(quote_spanned!(at=> let #local: #ty = #task;))
    });
    quote_spanned!(site=> #(#items)*)
}

fn inject(from: &Injected, by_ref: bool, span: Span, blocking: bool, private: &TokenStream) -> TokenStream {
    let at = Span::mixed_site().located_at(span);
    let scope = names::local("scope", at);
    // for a blocking function, the scope is already a reference
    let scope_ref = if blocking { scope.to_token_stream() } else { quote_spanned!(at=> &#scope) };
    let value = match from {
        Injected::Context if by_ref => return quote_spanned!(at=> #scope.context()),
        Injected::Context => return quote_spanned!(at=> ::core::clone::Clone::clone(#scope.context())),
        Injected::State(ty) => quote_spanned!(at=> #scope.state::<#ty>()),
        Injected::Other(ty) => quote_spanned!(at=> <#ty as #private::Inject<__S>>::inject(#scope_ref)),
    };
    if by_ref { quote_spanned!(at=> &#value) } else { value }
}

/// `on`, `never_on` and `after` over the function's own error.
fn advice(handler: &Handler, private: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    let (Some(retry), Output::Of(returns)) = (&handler.options.retry, &handler.returns) else {
        return quote_spanned!(site=> #private::no_advice);
    };
    if retry.on.is_none() && retry.never_on.is_none() && retry.after.is_none() {
        return quote_spanned!(site=> #private::no_advice);
    }
    let matches = |pattern: &syn::Pat| {
        quote_spanned! {site=>
            match error {
                #pattern => true,
                #[allow(unreachable_patterns, reason = "the pattern may match every error")]
                _ => false,
            }
        }
    };
    let on = retry.on.as_ref().map_or_else(|| quote_spanned!(site=> true), matches);
    let never_on = retry.never_on.as_ref().map_or_else(|| quote_spanned!(site=> false), matches);
    let after = match &retry.after {
        None => quote_spanned!(site=> ::core::option::Option::None),
        Some(path) => quote_spanned! {site=> {
            let after: fn(&<#returns as #private::TaskReturn>::Error) -> ::core::option::Option<::core::time::Duration> = #path;
            after(error)
        }},
    };
    quote_spanned!(site=> |error| #private::Advice::new(#on && !#never_on, #after))
}

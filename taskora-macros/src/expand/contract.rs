//! The contract: its struct and `impl Task`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Expr, LitStr};

use super::signature;
use crate::collect::{Collect, Size, USUAL};
use crate::duration;
use crate::field::Field;
use crate::limit::{ByKey, Key};
use crate::model::{Contract, Output};
use crate::names;
use crate::options::{Options, Retry, Ttl, span_of};
use crate::rate::{Cost, Rate};
use crate::types::may_be_an_alias;
use crate::values::{Attempts, Backoff, Lifetime, OnExpire, Period, Priority, Recoveries, Starts};

/// The struct of a function's payload arguments.
pub(super) fn definition(contract: &Contract, docs: &[Attribute], deprecated: &[Attribute]) -> TokenStream {
    let site = Span::mixed_site();
    let Contract { before, vis, ident, name, .. } = contract;
    let fields = contract.fields.as_deref().unwrap_or_default();
    let private = contract.krate.private();
    let fallback = format!("The arguments of the task `{name}`.");
    let docs = if docs.is_empty() {
        quote_spanned!(site=> #[doc = #fallback])
    } else {
        quote_spanned!(site=> #(#docs)*)
    };
    let derives =
        contract.options.derive.as_ref().map(|derives| quote_spanned!(site=> #[derive(#(#derives),*)]));
    if fields.is_empty() {
        // a unit struct would be `null`, to which no argument can be added later
        return quote_spanned! {site=>
            #docs #(#deprecated)* #(#before)* #derives
            #vis struct #ident;

            #(#before)*
            #[automatically_derived]
            impl #private::serde::Serialize for #ident {
                fn serialize<S: #private::serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    #private::no_arguments::serialize(serializer)
                }
            }

            #(#before)*
            #[automatically_derived]
            impl<'de> #private::serde::Deserialize<'de> for #ident {
                fn deserialize<D: #private::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    let () = #private::no_arguments::deserialize(deserializer)?;
                    ::core::result::Result::Ok(Self)
                }
            }
        };
    }
    let serde = LitStr::new(&private_path(&private, "serde"), site);
    let attributes =
        contract.options.serde.as_ref().map(|attributes| quote_spanned!(site=> #[serde(#attributes)]));
    let fields = fields.iter().map(|Field { name, ty, attrs, .. }| {
        let text = format!("The argument `{}`.", names::unraw(name));
        let documented = attrs.iter().any(|attribute| attribute.path().is_ident("doc"));
        let doc = (!documented).then(|| quote_spanned!(site=> #[doc = #text]));
        quote_spanned!(site=> #doc #(#attrs)* pub #name: #ty,)
    });
    quote_spanned! {site=>
        #docs #(#deprecated)* #(#before)* #derives
        #[derive(#private::serde::Serialize, #private::serde::Deserialize)]
        #[serde(crate = #serde)]
        #attributes
        #vis struct #ident { #(#fields)* }
    }
}

/// `impl Task` and the signature.
pub(super) fn implementation(contract: &Contract) -> TokenStream {
    let site = Span::mixed_site();
    let Contract { krate, before, ident, name, output, options, schedules, .. } = contract;
    let private = krate.private();
    let checked = check_output(output, contract);
    let output = output.stored(krate);
    let options = task_options(options, super::schedule::list(krate, ident, schedules), &private);
    let (key, cost, arguments) = (key(contract), cost(contract), arguments(contract));
    let signature = contract.fields.as_deref().map(|fields| signature::expand(contract, fields));
    let collects = contract.options.collect.as_ref().map(|_| {
        quote_spanned! {site=>
            #(#before)*
            #[automatically_derived]
            impl #private::Collects for #ident {}
        }
    });
    quote_spanned! {site=>
        #checked
        #collects

        #(#before)*
        #[automatically_derived]
        impl #private::Task for #ident {
            type Output = #output;
            const NAME: &'static ::core::primitive::str = #name;
            #options
            #key
            #cost
            #arguments
        }
        #signature
    }
}

/// Where the compiler finds an output that is a `Result` under another name.
fn check_output(output: &Output, contract: &Contract) -> Option<TokenStream> {
    // most outputs can be seen to be none, and the compiler need not look
    let ty = output.written().filter(may_be_an_alias)?;
    let Contract { krate, before, .. } = contract;
    let at = Span::mixed_site().located_at(span_of(&ty));
    let private = krate.private_at(at);
    Some(quote_spanned! {at=>
        #(#before)*
        const _: fn() = || {
            #[allow(unused_imports, reason = "a `Result` has a method of its own")]
            use #private::OutputKind as _;
            #private::check_output(#private::OutputProbe::<#ty>::new().kind());
        };
    })
}

/// How the contract is made of its arguments, when one of them is what another task has returned.
fn arguments(contract: &Contract) -> TokenStream {
    let site = Span::mixed_site();
    let private = contract.krate.private();
    let Some(fields) = contract.fields.as_deref() else {
        // a mistake that has been complained about
        return quote_spanned! {site=>
            type Arguments = Self;
            fn from_arguments(arguments: Self) -> Self { arguments }
            fn read_arguments<R: #private::ReadArguments>(_: R) -> ::core::result::Result<Self, R::Error> { loop {} }
        };
    };
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let values = names::parameters(fields.len());
    let count = fields.len();
    // where the compiler finds an argument that is no data, and shows it at the argument's type
    let read = fields.iter().map(|Field { ty, plain, .. }| {
        let at = site.located_at(span_of(ty));
        let next = names::local(if *plain { "next" } else { "custom" }, at);
        quote_spanned!(at=> arguments.#next::<#ty>()?)
    });
    quote_spanned! {site=>
        type Arguments = (#(#types,)*);

        #[inline]
        #[allow(non_snake_case, reason = "named like type parameters")]
        fn from_arguments((#(#values,)*): (#(#types,)*)) -> Self { Self { #(#names: #values),* } }

        fn read_arguments<R: #private::ReadArguments>(
            mut arguments: R,
        ) -> ::core::result::Result<Self, R::Error> {
            arguments.start(#count)?;
            ::core::result::Result::Ok(Self { #(#names: #read),* })
        }
    }
}

fn task_options(
    options: &Options,
    schedules: Option<TokenStream>,
    private: &TokenStream,
) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let stall = options.stall.as_ref();
    let calls: Vec<_> = [
        options.aliases.as_ref().map(|aliases| quote_spanned!(site=> .with_aliases(&[#(#aliases),*]))),
        options
            .retry
            .as_ref()
            .and_then(|retry| policy(retry, private))
            .map(|retry| quote_spanned!(site=> .with_retry(#retry))),
        options
            .timeout
            .map(duration::expression)
            .map(|timeout| quote_spanned!(site=> .with_timeout(#timeout))),
        options.priority.map(|Priority(priority)| quote_spanned!(site=> .with_priority(#priority))),
        options
            .ttl
            .as_ref()
            .and_then(|ttl| expiry(ttl, private))
            .map(|ttl| quote_spanned!(site=> .with_ttl(#ttl))),
        options.task_limit().map(|max| quote_spanned!(site=> .with_limit(#max))),
        options
            .key_limit()
            .map(|(by_key, _)| key_limit(by_key, private))
            .map(|by_key| quote_spanned!(site=> .with_key_limit(#by_key))),
        options
            .rate_of(false)
            .and_then(|given| rate(given, private))
            .map(|rate| quote_spanned!(site=> .with_rate(#rate))),
        options
            .rate_of(true)
            .and_then(|given| rate(given, private))
            .map(|rate| quote_spanned!(site=> .with_key_rate(#rate))),
        options
            .collect
            .as_ref()
            .and_then(|given| collect(given, private))
            .map(|collect| quote_spanned!(site=> .with_collect(#collect))),
        stall
            .and_then(|stall| stall.lease)
            .map(duration::expression)
            .map(|lease| quote_spanned!(site=> .with_lease(#lease))),
        stall
            .and_then(|stall| stall.max)
            .map(|Recoveries(max)| quote_spanned!(site=> .with_max_stalls(#max))),
    ]
    .into_iter()
    .flatten()
    .collect();
    let options = quote_spanned!(site=> #private::TaskOptions::new()#(#calls)*);
    let options = match schedules {
        Some(schedules) => quote_spanned!(site=> #private::scheduled!(#options, #schedules)),
        None if calls.is_empty() => return None,
        None => options,
    };
    Some(quote_spanned!(site=> const OPTIONS: #private::TaskOptions = #options;))
}

fn expiry(ttl: &Ttl, private: &TokenStream) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let max = ttl.max.map(|Lifetime(max)| duration::expression(max))?;
    let on_expire = ttl.on_expire.map(|on_expire| match on_expire {
        OnExpire::Fail => quote_spanned!(site=> .on_expire(#private::OnExpire::Fail)),
        OnExpire::Discard => quote_spanned!(site=> .on_expire(#private::OnExpire::Discard)),
    });
    Some(quote_spanned!(site=> #private::Ttl::new(#max)#on_expire))
}

fn key_limit(by_key: ByKey, private: &TokenStream) -> TokenStream {
    let site = Span::mixed_site();
    match by_key {
        ByKey::Fair => quote_spanned!(site=> #private::KeyLimit::Turns),
        ByKey::AtMost(max) => quote_spanned!(site=> #private::KeyLimit::AtMost(#max)),
        ByKey::Ordered => quote_spanned!(site=> #private::KeyLimit::InOrder),
    }
}

/// The key of a job, which a crate of contracts alone does without.
fn key(contract: &Contract) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let private = contract.krate.private();
    let made = match contract.options.key() {
        // all items gather together
        None if contract.options.collect.is_some() => {
            quote_spanned!(site=> ::core::option::Option::Some(#private::Collect::NO_KEY.into()))
        }
        None | Some(Key::Given) => return None,
        // the body is taken out of the closure, so that a key that is part of the contract needs no `&`, and one that is no key is
        // shown at its place
        Some(Key::Closure(closure)) => {
            let (pat, body) = (closure.inputs.first()?, &closure.body);
            let (begin, end) = (&closure.inputs_begin, &closure.inputs_end);
            let at = site.located_at(span_of(body));
            let checked = contract.krate.private_at(at);
            let body = if is_operand(body) { quote!(#body) } else { quote_spanned!(at=> (#body)) };
            let text = quote_spanned!(at=> #checked::key(&#body));
            let at = site.located_at(span_of(pat));
            let private = contract.krate.private_at(at);
            quote_spanned!(at=> #private::key_of(self, #begin #pat #end #text))
        }
        Some(Key::Function(function)) => {
            let at = site.located_at(span_of(function));
            let private = contract.krate.private_at(at);
            quote_spanned!(at=> #private::key_by(self, #function))
        }
    };
    Some(quote_spanned! {site=>
        #private::runtime! {
            fn limit_key(&self) -> ::core::option::Option<::std::string::String> { #made }
        }
    })
}

/// How many starts of a rate a job counts as, which a crate of contracts alone does without.
fn cost(contract: &Contract) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let private = contract.krate.private();
    let made = match contract.options.cost()? {
        // as in `key`
        Cost::Closure(closure) => {
            let (pat, body) = (closure.inputs.first()?, &closure.body);
            let (begin, end) = (&closure.inputs_begin, &closure.inputs_end);
            let at = site.located_at(span_of(body));
            let checked = contract.krate.private_at(at);
            let number = quote_spanned!(at=> #checked::cost(#body));
            let at = site.located_at(span_of(pat));
            let private = contract.krate.private_at(at);
            quote_spanned!(at=> #private::cost_of(self, #begin #pat #end #number))
        }
        Cost::Function(function) => {
            let at = site.located_at(span_of(function));
            let private = contract.krate.private_at(at);
            quote_spanned!(at=> #private::cost_by(self, #function))
        }
    };
    Some(quote_spanned! {site=>
        #private::runtime! {
            fn cost(&self) -> ::core::primitive::u32 { #made }
        }
    })
}

/// Whether `&` before it concerns all of it.
fn is_operand(body: &Expr) -> bool {
    matches!(
        body,
        Expr::Call(_)
            | Expr::Field(_)
            | Expr::Lit(_)
            | Expr::Macro(_)
            | Expr::MethodCall(_)
            | Expr::Path(_)
            | Expr::Reference(_)
            | Expr::Tuple(_)
    )
}

/// How jobs gather.
fn collect(collect: &Collect, private: &TokenStream) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let delay = duration::expression(collect.delay?);
    let size = collect.max_size.map_or(USUAL, |Size(size)| size);
    let max_wait = collect
        .max_wait
        .map(duration::expression)
        .map(|max_wait| quote_spanned!(site=> .max_wait(#max_wait)));
    let serial = collect.serial.map(|_| quote_spanned!(site=> .serial()));
    Some(quote_spanned!(site=> #private::Collect::new(#size, #delay)#max_wait #serial))
}

/// How many jobs start in a time.
fn rate(rate: &Rate, private: &TokenStream) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let (Starts(max), Period(per)) = (rate.max?, rate.per?);
    let per = duration::expression(per);
    let burst = rate.burst.map(|Starts(burst)| quote_spanned!(site=> .burst(#burst)));
    Some(quote_spanned!(site=> #private::Rate::new(#max, #per)#burst))
}

fn policy(retry: &Retry, private: &TokenStream) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let Attempts(attempts) = retry.attempts?;
    let mut calls = Vec::new();
    if let Some(backoff) = &retry.backoff {
        let backoff = match backoff {
            Backoff::Exponential => quote_spanned!(site=> Exponential),
            Backoff::Linear => quote_spanned!(site=> Linear),
            Backoff::Fixed => quote_spanned!(site=> Fixed),
            Backoff::Custom(path) => quote_spanned!(site=> Custom(#path)),
        };
        calls.push(quote_spanned!(site=> .backoff(#private::Backoff::#backoff)));
    }
    if let Some(delay) = retry.delay.map(duration::expression) {
        calls.push(quote_spanned!(site=> .delay(#delay)));
    }
    if let Some(max_delay) = retry.max_delay.map(duration::expression) {
        calls.push(quote_spanned!(site=> .max_delay(#max_delay)));
    }
    if retry.jitter == Some(false) {
        calls.push(quote_spanned!(site=> .without_jitter()));
    }
    if let Some(timeouts) = retry.timeouts {
        calls.push(quote_spanned!(site=> .timeouts(#timeouts)));
    }
    Some(quote_spanned!(site=> #private::RetryPolicy::attempts(#attempts)#(#calls)*))
}

/// A path below the private module, as text for an attribute.
fn private_path(private: &TokenStream, name: &str) -> String {
    let path = private.to_string().replace(' ', "");
    format!("{path}::{name}")
}

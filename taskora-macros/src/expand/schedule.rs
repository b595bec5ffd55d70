//! `schedule(..)`: what a worker declares when it starts.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};

use crate::duration;
use crate::list::List as _;
use crate::model::Krate;
use crate::schedule::{At, Expression, Name, OnMissed, Overlap, Period, Ready, RunOnStart, Zone};

/// A function that makes the schedules of an item; `None` if it has none.
pub(super) fn list(krate: &Krate, contract: &impl ToTokens, schedules: &[Ready]) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let schedules: Vec<_> =
        schedules.iter().map(|ready| schedule(&krate.private(), contract, ready)).collect();
    (!schedules.is_empty())
        .then(|| quote_spanned!(site=> || ::core::result::Result::Ok(::std::vec![#(#schedules),*])))
}

fn schedule(private: &TokenStream, contract: &impl ToTokens, ready: &Ready) -> TokenStream {
    let site = Span::mixed_site();
    let Ready { options, fields, rest } = ready;
    let name = match &options.name {
        Some(Name(name)) => name.to_token_stream(),
        None => quote_spanned!(site=> <#contract as #private::Task>::NAME),
    };
    let calls = [
        options.cron.as_ref().map(|At { value: Expression(cron), .. }| quote_spanned!(site=> .cron(#cron)?)),
        options.every.as_ref().map(|At { value: Period(period), .. }| {
            let period = duration::expression(*period);
            quote_spanned!(site=> .every(#period)?)
        }),
        options.span_of("manual").map(|_| quote_spanned!(site=> .manual())),
        options.tz.as_ref().map(|At { value: Zone(zone), .. }| quote_spanned!(site=> .tz(#zone)?)),
        timed("offset", options.offset.as_ref()),
        timed("max_late", options.max_late.as_ref()),
        timed("jitter", options.jitter.as_ref()),
        options.overlap.map(|overlap| {
            let overlap = match overlap {
                Overlap::Skip => quote_spanned!(site=> Skip),
                Overlap::Queue => quote_spanned!(site=> Queue),
                Overlap::Allow => quote_spanned!(site=> Allow),
            };
            quote_spanned!(site=> .overlap(#private::Overlap::#overlap))
        }),
        options.on_missed.as_ref().map(|At { value, .. }| {
            let on_missed = match value {
                OnMissed::Skip => quote_spanned!(site=> Skip),
                OnMissed::CatchUp => quote_spanned!(site=> CatchUp),
                OnMissed::Newest(newest) => quote_spanned!(site=> CatchUpNewest(#newest)),
            };
            quote_spanned!(site=> .on_missed(#private::OnMissed::#on_missed))
        }),
        options.run_on_start.map(|start| match start {
            RunOnStart::Once => quote_spanned!(site=> .run_on_start()),
            RunOnStart::Always => quote_spanned!(site=> .run_on_each_start()),
        }),
        options.enabled_by.as_ref().map(|variable| quote_spanned!(site=> .enabled_by(#variable))),
    ];
    let calls = calls.into_iter().flatten();
    let fields = fields.iter().map(|(name, value)| match value {
        Some(value) => quote_spanned!(site=> #name: #value,),
        None => quote_spanned!(site=> #name: #private::no_value(),),
    });
    let rest = rest.as_ref().map(|rest| quote_spanned!(site=> ..#rest));
    quote_spanned! {site=>
        #private::Schedule::new(#name)#(#calls)*.run(#contract { #(#fields)* #rest })
    }
}

fn timed(option: &str, time: Option<&At<std::time::Duration>>) -> Option<TokenStream> {
    let site = Span::mixed_site();
    let time = duration::expression(time?.value);
    let option = crate::names::local(option, site);
    Some(quote_spanned!(site=> .#option(#time)))
}

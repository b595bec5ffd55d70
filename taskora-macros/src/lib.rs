//! The `#[task]` attribute and the `Task` and `FromRef` derives of taskora, which re-exports and documents them.
//!
//! Each macro is one line: parse into a model that keeps its spans, validate it, expand it. It collects every mistake of an
//! item and still generates the expansion, so that one mistake gives one error, not a cascade of missing types.
#![allow(
    missing_docs,
    reason = "`taskora` documents the macros where it re-exports them, and rustdoc would append what stands here"
)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "a test may panic"
    )
)]

#[macro_use]
mod table;

mod collect;
mod constant;
mod duration;
mod errors;
mod expand;
mod field;
mod from_ref;
mod hides;
mod limit;
mod list;
mod model;
mod names;
mod options;
mod place;
mod rate;
mod schedule;
mod serde_default;
mod signature;
mod types;
mod validate;
mod values;

use proc_macro::TokenStream;

#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::function(options.into(), item.into()).into()
}

#[proc_macro_derive(Task, attributes(task))]
pub fn derive_task(item: TokenStream) -> TokenStream {
    expand::derived(item.into()).into()
}

#[proc_macro_derive(FromRef, attributes(from_ref))]
pub fn derive_from_ref(item: TokenStream) -> TokenStream {
    from_ref::derive(item.into()).into()
}

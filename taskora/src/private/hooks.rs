//! What `on_cancel` may name.

use std::future::Future;

use super::handlers::Inject;
use crate::state::Scope;
use crate::tuples::prefixes;

/// An `async fn` that cleans up after a cancelled attempt: it takes the contract, and then what can be injected.
#[diagnostic::on_unimplemented(
    message = "`on_cancel` of `{T}` cannot call this function",
    label = "not an `async fn({T}, ..)` that returns nothing",
    note = "it takes the contract `{T}` by value; then, in any order, up to 6 more: `Context`, and each `State<..>` that the task's own function takes; and its future is `Send`"
)]
pub trait CancelHook<S, T, Arguments> {
    /// Calls it.
    fn call(self, task: T, scope: Scope<S>) -> impl Future<Output = ()> + Send;
}

macro_rules! functions {
    ($($argument:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<S, T, F, Cleaned, $($argument),*> CancelHook<S, T, ($($argument,)*)> for F
        where
            F: FnOnce(T, $($argument),*) -> Cleaned,
            Cleaned: Future<Output = ()> + Send,
            $($argument: Inject<S>,)*
        {
            fn call(self, task: T, scope: Scope<S>) -> impl Future<Output = ()> + Send {
                let _ = &scope;
                self(task, $($argument::inject(&scope)),*)
            }
        }
    };
}

functions!();
prefixes!(functions: A B C D E G);

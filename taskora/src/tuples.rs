//! Implementing a trait for tuples of several lengths.

/// Calls a macro with the first name, the first two, and so on.
macro_rules! prefixes {
    ($implement:ident: $($name:ident)*) => {
        $crate::tuples::prefixes!(@ $implement [] $($name)*);
    };
    (@ $implement:ident [$($name:ident)*] $next:ident $($rest:ident)*) => {
        $implement!($($name)* $next);
        $crate::tuples::prefixes!(@ $implement [$($name)* $next] $($rest)*);
    };
    (@ $implement:ident [$($name:ident)*]) => {};
}
pub(crate) use prefixes;

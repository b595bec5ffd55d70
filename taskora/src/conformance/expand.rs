//! What is made of the [list](super::suite) of checks: a public function for each, and the tests of an adapter.

/// One test for each check of an adapter, see [`conformance`](mod@crate::conformance).
#[macro_export]
macro_rules! conformance_suite {
    (#[$test:meta] $fixture:expr) => {
        $crate::__conformance_checks! { core __conformance_tests [$test] [$fixture] }
    };
    (@lanes #[$test:meta] $fixture:expr) => {
        $crate::__conformance_checks! { lanes __conformance_tests [$test] [$fixture] }
    };
    (@collect #[$test:meta] $fixture:expr) => {
        $crate::__conformance_checks! { collect __conformance_tests [$test] [$fixture] }
    };
    (@listing #[$test:meta] $fixture:expr) => {
        $crate::__conformance_checks! { listing __conformance_tests [$test] [$fixture] }
    };
    (@schedules #[$test:meta] $fixture:expr) => {
        $crate::__conformance_checks! { schedules __conformance_tests [$test] [$fixture] }
    };
    (@rates #[$test:meta] $fixture:expr) => {
        $crate::__conformance_checks! { rates __conformance_tests [$test] [$fixture] }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($test:tt $fixture:tt $($module:ident { $($check:ident)* })*) => {
        $($crate::__conformance_tests! { @module $test $fixture $module $($check)* })*
    };
    (@module [$test:meta] [$fixture:expr] $module:ident $($check:ident)*) => {
        mod $module {
            use super::*;

            $(
                #[$test]
                async fn $check() {
                    let fixture = $fixture;
                    $crate::conformance::checks::$module::$check(&fixture).await;
                    $crate::conformance::assert_sound(&fixture).await;
                }
            )*
        }
    };
}

/// The check itself is private, so the compiler sees whether the list has it.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_functions {
    ($($module:ident { $($check:ident)* })*) => {
        $(
            pub mod $module {
                use $crate::conformance::{Fixture, $module};

                $(
                    pub async fn $check(fixture: &impl Fixture) {
                        $module::$check(fixture).await;
                    }
                )*
            }
        )*
    };
}

#[doc(hidden)]
#[allow(missing_docs, reason = "reached through `conformance_suite!` only")]
pub mod checks {
    crate::__conformance_checks! { core __conformance_functions }
    crate::__conformance_checks! { lanes __conformance_functions }
    crate::__conformance_checks! { listing __conformance_functions }
    crate::__conformance_checks! { schedules __conformance_functions }
    crate::__conformance_checks! { rates __conformance_functions }
    crate::__conformance_checks! { collect __conformance_functions }
}

//! Programs for the compiler: `pass/` must compile and run, `fail/` must not compile, and each `.stderr` beside it is what
//! a user reads then. `cargo test -p ui-tests` compares; `TRYBUILD=overwrite cargo test -p ui-tests` accepts what changed,
//! to be read aloud before it is committed.

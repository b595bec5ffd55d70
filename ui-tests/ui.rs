//! Runs the compiler over the programs; see `lib.rs`.

#[test]
fn ui() {
    let programs = trybuild::TestCases::new();
    programs.pass("pass/*.rs");
    programs.compile_fail("fail/*.rs");
}

//! A worker or producer process of the fault tests: does what its one argument says, see `Config`.

fn main() -> std::process::ExitCode {
    taskora_fault_tests::process::main()
}

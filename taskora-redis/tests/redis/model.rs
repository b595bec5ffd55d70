//! Random operations on the memory adapter, which is the model, and on Redis: whatever can be seen is the same after
//! each of them.
//!
//! `TASKORA_MODEL_CASES` sets the number of cases, `TASKORA_MODEL_SEED` the seed; a failure names its seed, and the
//! shortest sequence that was found to fail.

mod actions;
mod compare;
mod operation;
mod pair;
mod schedules;
mod told;
mod wait;

use std::env;
use std::time::{Duration, Instant};

use proptest::prelude::prop;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use taskora_test_server::RedisServer;

use self::operation::{Kept, Operation, kept, operation};
use self::pair::Pair;

const CASES: u32 = 200;
/// The longest sequence of a case.
const STEPS: usize = 60;
/// The clock of Redis runs on during a case, that of the model does not. After this time, they may count different fives of seconds.
const SLOW: Duration = Duration::from_secs(3);
/// How often a case is tried that takes longer.
const ATTEMPTS: usize = 5;

#[test]
fn random_operations_do_the_same_on_memory_and_on_redis() {
    let server = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
    let seed = number("TASKORA_MODEL_SEED").unwrap_or_else(rand_seed);
    let cases = number("TASKORA_MODEL_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let operations = prop::collection::vec(operation(), 1..STEPS);
    let outcome = TestRunner::new(config).run(&(kept(), operations), |(kept, operations)| {
        run(&server, kept, &operations).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, (kept, operations))) => {
            let shown: Vec<String> =
                operations.iter().map(|operation| format!("    {operation:?},")).collect();
            panic!("seed {seed}: {reason}\nkept: {kept:?}\n[\n{}\n]", shown.join("\n"));
        }
        Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
    }
}

/// One case: what sweeps keep, and what is done. If a case took too long, its difference proves nothing, and it is tried again.
fn run(server: &RedisServer, kept: Option<Kept>, operations: &[Operation]) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let begun = Instant::now();
        match run_once(Pair::new(server, kept), operations) {
            Err(difference) if begun.elapsed() >= SLOW => last = difference,
            outcome => return outcome,
        }
    }
    Err(format!("the case took more than {SLOW:?} {ATTEMPTS} times; the last difference is: {last}"))
}

fn run_once(mut pair: Pair<'_>, operations: &[Operation]) -> Result<(), String> {
    for (number, operation) in operations.iter().enumerate() {
        pair.step(operation).map_err(|difference| format!("operation {number}, {difference}"))?;
    }
    pair.finish()
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("`{variable}` is no number: {value}")))
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

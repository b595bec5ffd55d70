//! What every contender shares: the order it gets, the drivers of the workloads, and the meters.
//!
//! A contender is a process of its own, so that its CPU time can be told apart. It gets one [`Order`] as JSON in its
//! only argument, runs it, and prints one [`Sample`] as JSON. It ends when its input does, and so with whoever started it.
//! `node/bullmq.mjs` speaks the same protocol.

use std::time::Duration;

mod contender;
mod drive;
mod email;
mod handled;
mod meter;
mod order;

pub use contender::{Contender, Setup};
pub use email::Email;
pub use handled::{lagged, ran, ran_or_fail};
pub use order::{Call, Kind, Operator, Order, Process, Rule, Sample, Shape, Times};

/// Calls a macro with the numbers of 50 tasks, for libraries whose tasks are types.
#[macro_export]
macro_rules! fifty {
    ($tasks:ident) => {
        $tasks!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36
            37 38 39 40 41 42 43 44 45 46 47 48 49)
    };
}

/// How much longer than its limit a measurement may take: connecting, filling the queue, and what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The `main` of a contender.
pub fn main<C: Contender>() -> anyhow::Result<()> {
    let order =
        std::env::args().nth(1).ok_or_else(|| anyhow::anyhow!("no order given; run `scripts/bench`"))?;
    let order: Order = serde_json::from_str(&order)?;
    end_with_the_input();
    end_after(PATIENCE + Duration::from_secs_f64(order.limit));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sample = match C::refuses(&order.kind) {
        Some(reason) => Sample::refused(reason),
        None => drive::drive::<C>(&runtime, &order)?,
    };
    println!("{}", serde_json::to_string(&sample)?);
    // What a contender still has running is of no interest, and some never stop by themselves.
    std::process::exit(0);
}

/// A runner that is killed leaves no contender behind.
fn end_with_the_input() {
    std::thread::spawn(|| {
        // an error is an end too
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

/// A library that hangs does not stop the bench.
fn end_after(patience: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(patience);
        eprintln!("it did not end within {} s", patience.as_secs());
        std::process::exit(1);
    });
}

//! Runs the scenarios one after the other for as long as it is told, and sums up.
//!
//! ```text
//! soak [--minutes N] [--seed S] [--only NAME] [--scale N]
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use taskora_fault_tests::report::percentile;
use taskora_fault_tests::scenarios::{ALL, Scenario, kills};
use taskora_fault_tests::{Random, Report, seed};

struct Arguments {
    minutes: u64,
    seed: u64,
    scale: u32,
    only: Option<String>,
}

fn arguments() -> Result<Arguments, String> {
    let mut read = Arguments { minutes: 10, seed: seed(), scale: 2, only: None };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("`{name}` needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("`{name} {value}`: not a number"));
        match name.as_str() {
            "--minutes" => read.minutes = number()?,
            "--seed" => read.seed = number()?,
            "--scale" => read.scale = u32::try_from(number()?).map_err(|error| error.to_string())?,
            "--only" => read.only = Some(value),
            _ => return Err(format!("unknown option `{name}`; use --minutes, --seed, --scale or --only")),
        }
    }
    Ok(read)
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let scenarios: Vec<&Scenario> =
        ALL.iter().filter(|(name, _)| arguments.only.as_ref().is_none_or(|only| only == name)).collect();
    if scenarios.is_empty() {
        let names: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("error: no such scenario; use one of {}", names.join(", "));
        return ExitCode::from(2);
    }
    println!("soak: {} minutes, --seed {}, --scale {}", arguments.minutes, arguments.seed, arguments.scale);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let end = Instant::now() + Duration::from_secs(60 * arguments.minutes);
    let mut random = Random::new(arguments.seed);
    let mut sum = Sum::default();
    while Instant::now() < end {
        for (name, run) in &scenarios {
            let seed = random.below(1_000_000);
            // a scenario that waits for something in vain panics, and says for what
            match runtime.block_on(async { tokio::spawn(run(seed, arguments.scale)).await }) {
                Ok(report) => sum.add(name, &report),
                Err(error) => sum.failed(name, seed, &error.to_string()),
            }
            if Instant::now() >= end {
                break;
            }
        }
    }
    if arguments.only.is_none() {
        let seed = random.below(1_000_000);
        let report = runtime.block_on(kills::default_settings(seed, Duration::from_secs(60)));
        sum.add("kills with default settings", &report);
    }
    sum.print();
    if sum.findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What all of them did and found.
#[derive(Default)]
struct Sum {
    runs: u64,
    jobs: usize,
    workflows: usize,
    attempts: usize,
    faults: BTreeMap<String, u64>,
    recoveries: BTreeMap<String, Vec<Duration>>,
    findings: usize,
}

impl Sum {
    fn add(&mut self, name: &str, report: &Report) {
        println!("{report}");
        self.runs += 1;
        self.jobs += report.jobs;
        self.workflows += report.workflows;
        self.attempts += report.attempts;
        for (kind, count) in &report.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
        self.recoveries.entry(name.to_owned()).or_default().extend(&report.recoveries);
        self.findings += report.findings.len();
    }

    fn failed(&mut self, name: &str, seed: u64, error: &str) {
        println!("{name} with seed {seed}: {error}");
        self.runs += 1;
        self.findings += 1;
    }

    fn print(&self) {
        println!(
            "\n{} scenarios, {} jobs, {} workflows, {} attempts",
            self.runs, self.jobs, self.workflows, self.attempts
        );
        println!("\nfaults");
        for (kind, count) in &self.faults {
            println!("{count:>8}  {kind}");
        }
        println!("\nfrom a kill until the job ran again   p50      p99      max    jobs");
        for (name, times) in &self.recoveries {
            if let (Some(half), Some(most), Some(all)) =
                (percentile(times, 0.5), percentile(times, 0.99), percentile(times, 1.0))
            {
                let [half, most, all] = [half, most, all].map(|time| format!("{time:.2?}"));
                println!("{name:<32} {half:>8} {most:>8} {all:>8} {:>7}", times.len());
            }
        }
        println!("\n{} violations", self.findings);
    }
}

//! What a scenario has done and found.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::check::Finding;
use crate::ledger::History;
use crate::seed;

/// The result of a scenario.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Its name.
    pub scenario: String,
    /// What repeats its schedule of faults.
    pub seed: u64,
    /// How much harm of each kind was done.
    pub faults: BTreeMap<String, u64>,
    /// Jobs whose dispatch was acknowledged, and nodes of workflows.
    pub jobs: usize,
    /// Workflows whose dispatch was acknowledged.
    pub workflows: usize,
    /// Times that a handler was run.
    pub attempts: usize,
    /// Calls of a producer that failed, and were made again.
    pub failed_calls: usize,
    /// How long it took until jobs of dead workers ran again.
    pub recoveries: Vec<Duration>,
    /// How long it took in all.
    pub took: Duration,
    /// Where the ledger is, which is kept if something was found.
    pub ledger: PathBuf,
    /// What it says.
    pub history: History,
    /// What must not be. A scenario adds what it demands beside the invariants, with [`Report::demand`].
    pub findings: Vec<Finding>,
}

impl Report {
    /// Something that must hold beside the invariants.
    pub fn demand(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.findings.push(Finding { rule: "demand", job: None, message: message() });
        }
    }

    /// Fails the test if there is anything that must not be.
    ///
    /// # Panics
    /// If there is.
    pub fn assert(&self) {
        println!("{self}");
        assert!(self.findings.is_empty(), "{self}");
    }

    /// A share of the recoveries took no longer than this; `None` if there were none.
    #[must_use]
    pub fn recovery(&self, share: f64) -> Option<Duration> {
        percentile(&self.recoveries, share)
    }
}

/// What a share of these does not exceed.
#[must_use]
pub fn percentile(times: &[Duration], share: f64) -> Option<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    let place = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    times.get(place).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} jobs, {} workflows, {} attempts, {} failed calls in {:.1?}; {}={}; faults: ",
            self.scenario,
            self.jobs,
            self.workflows,
            self.attempts,
            self.failed_calls,
            self.took,
            seed::VARIABLE,
            self.seed
        )?;
        if self.faults.is_empty() {
            f.write_str("none")?;
        }
        for (place, (kind, count)) in self.faults.iter().enumerate() {
            write!(f, "{}{count} {kind}", if place > 0 { ", " } else { "" })?;
        }
        if let (Some(half), Some(most), Some(all)) =
            (self.recovery(0.5), self.recovery(0.99), self.recovery(1.0))
        {
            write!(
                f,
                "; recovery p50 {half:.2?}, p99 {most:.2?}, max {all:.2?} of {}",
                self.recoveries.len()
            )?;
        }
        if !self.findings.is_empty() {
            write!(f, "\n{} findings; the ledger is {}", self.findings.len(), self.ledger.display())?;
        }
        for finding in self.findings.iter().take(20) {
            write!(f, "\n  {finding}")?;
        }
        Ok(())
    }
}

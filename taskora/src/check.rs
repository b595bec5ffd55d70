#![doc = include_str!("docs/check.md")]

mod report;
mod violation;
mod words;

use crate::adapter::{Adapter, AdapterError, RepairOutcome};

pub use report::{CheckReport, RepairReport};
pub use violation::{Part, Place, TaskFault, Violation};
pub use words::Subject;

/// How many violations a report lists; it counts all of them.
const MOST: usize = 1_000;

pub(crate) async fn check(adapter: &dyn Adapter) -> Result<CheckReport, AdapterError> {
    let mut report = CheckReport::default();
    let mut audit = adapter.upkeep().audit();
    while let Some(page) = audit.page().await? {
        report.jobs += page.jobs;
        report.workflows += page.workflows;
        report.skipped += page.skipped;
        report.scanned += page.scanned;
        report.newer += page.newer;
        report.found += page.findings.len();
        let room = MOST - report.violations.len();
        report.violations.extend(page.findings.into_iter().take(room).map(|finding| finding.violation));
    }
    Ok(report)
}

pub(crate) async fn repair(adapter: &dyn Adapter) -> Result<RepairReport, AdapterError> {
    let mut report = RepairReport::default();
    let mut audit = adapter.upkeep().audit();
    while let Some(page) = audit.page().await? {
        report.skipped += page.skipped;
        for finding in page.findings {
            let outcome = adapter.upkeep().repair(&finding).await?;
            match outcome {
                RepairOutcome::Repaired => report.repaired += 1,
                RepairOutcome::Left => report.left += 1,
                RepairOutcome::Gone => {}
            }
            if report.violations.len() < MOST {
                report.violations.push((finding.violation, outcome));
            }
        }
    }
    Ok(report)
}

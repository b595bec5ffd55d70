//! What a check and a repair return.

use std::fmt;

use super::Violation;
use crate::adapter::RepairOutcome;

/// What a check has found, see [`App::check`](crate::App::check).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// How many jobs there were, not counting nodes of workflows.
    pub jobs: usize,
    /// How many workflows there were.
    pub workflows: usize,
    /// How many of these could not be checked, because their nodes ended faster than they were read. This can only happen to
    /// workflows of hundreds of nodes; check again when they are quieter.
    pub skipped: usize,
    /// How many entries and values were read.
    pub scanned: usize,
    /// How many values a later version of taskora wrote. They are not damage, and a repair leaves them alone.
    pub newer: usize,
    /// How many violations there are.
    pub found: usize,
    /// The first 1,000 of them.
    pub violations: Vec<Violation>,
}

impl CheckReport {
    /// Whether everything is consistent.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.found == 0
    }

    /// Whether there are more violations than the report holds.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.found > self.violations.len()
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        if self.is_truncated() {
            writeln!(f, "… and {} more", self.found - self.violations.len())?;
        }
        let Self { jobs, workflows, found, skipped, newer, .. } = self;
        write!(f, "{found} violations in {jobs} jobs and {workflows} workflows")?;
        if *skipped > 0 {
            write!(f, "; {skipped} workflows were too busy to be judged")?;
        }
        if *newer > 0 {
            write!(f, "; a later version of taskora wrote {newer} values")?;
        }
        Ok(())
    }
}

/// What a repair has done, see [`App::repair`](crate::App::repair).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// How many violations were repaired.
    pub repaired: usize,
    /// How many are left, because they cannot be repaired without guessing.
    pub left: usize,
    /// How many workflows could not be checked, see [`CheckReport::skipped`].
    pub skipped: usize,
    /// The first 1,000 violations, and what happened to each.
    pub violations: Vec<(Violation, RepairOutcome)>,
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (violation, outcome) in &self.violations {
            let what = match outcome {
                RepairOutcome::Repaired => "repaired",
                RepairOutcome::Gone => "gone",
                RepairOutcome::Left => "left",
            };
            writeln!(f, "{what}: {violation}")?;
        }
        write!(f, "{} repaired, {} left", self.repaired, self.left)?;
        if self.skipped > 0 {
            write!(f, "; {} workflows were too busy to be judged", self.skipped)?;
        }
        Ok(())
    }
}

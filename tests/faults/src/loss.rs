//! What a store may lose, and what follows from that: the store goes on from what it held a moment ago.

use std::collections::HashSet;
use std::ops::Range;

use crate::check::Finding;
use crate::ledger::{History, Record};
use crate::report::Report;

/// What the store answered in these times, by the ledger's clock, it may have forgotten.
///
/// Of a job that something was answered about in such a time, an acknowledged dispatch may be gone, an end may be written
/// once more by another run, a lease may be given once more, its key may have gone to another job, and a handle may have been told what is not any more; of its
/// workflow, a step may have been given the results of runs that are forgotten. Nothing else is forgiven: what was answered
/// at other times must be there, every job that is there must end, and indexes, records, leases and workflows must agree.
///
/// Takes what is forgiven out of the findings, and answers how many acknowledged dispatches are gone.
pub fn forgive(report: &mut Report, times: &[Range<u64>]) -> usize {
    let (touched, dispatched) = (touched(&report.history, times), dispatched(&report.history, times));
    let found = std::mem::take(&mut report.findings);
    let mut gone = 0;
    for finding in found {
        match verdict(&finding, &touched, &dispatched) {
            Verdict::Lost => gone += 1,
            Verdict::Forgotten => {}
            Verdict::Broken => report.findings.push(finding),
        }
    }
    gone
}

enum Verdict {
    Lost,
    Forgotten,
    Broken,
}

fn verdict(finding: &Finding, touched: &HashSet<&str>, dispatched: &HashSet<&str>) -> Verdict {
    let Some(job) = finding.job.as_deref() else { return Verdict::Broken };
    match finding.rule {
        "I1" if finding.message.ends_with("is gone") && dispatched.contains(job) => Verdict::Lost,
        "I4" if !finding.message.starts_with("it was given") => Verdict::Broken,
        "I2" | "I3" | "I4" | "I7" | "I9" if touched.contains(whole(job)) => Verdict::Forgotten,
        _ => Verdict::Broken,
    }
}

/// The workflow of a node, or the job itself.
fn whole(job: &str) -> &str {
    job.rsplit_once('#').map_or(job, |(flow, _)| flow)
}

/// Jobs and workflows that the store said something about in these times.
fn touched<'a>(history: &'a History, times: &[Range<u64>]) -> HashSet<&'a str> {
    let about = history.lines.iter().filter(|line| times.iter().any(|time| time.contains(&line.at)));
    about
        .filter_map(|line| match &line.record {
            Record::Accepted { job, .. }
            | Record::Cancelled { job, .. }
            | Record::Seen { job, .. }
            | Record::Claimed { job, .. }
            | Record::Renewed { job, .. }
            | Record::Settled { job, .. } => Some(whole(job)),
            _ => None,
        })
        .collect()
}

/// Jobs and workflows whose dispatch was acknowledged in these times.
fn dispatched<'a>(history: &'a History, times: &[Range<u64>]) -> HashSet<&'a str> {
    let lines = history.lines.iter().filter(|line| times.iter().any(|time| time.contains(&line.at)));
    lines
        .filter_map(|line| match &line.record {
            Record::Accepted { job, .. } => Some(job.as_str()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Line;

    fn report(rule: &'static str, message: &str, at: u64) -> Report {
        let record = Record::Accepted { job: "a".to_owned(), workflow: false, duplicate: false };
        let findings = vec![Finding { rule, job: Some("a".to_owned()), message: message.to_owned() }];
        let mut history = History::default();
        history.lines.push(Line { at, pid: 1, record });
        Report { findings, history, ..Report::default() }
    }

    #[test]
    fn only_what_was_answered_just_before_may_be_gone() {
        let times = std::slice::from_ref(&(100..200));
        for (rule, message, at, gone, left) in [
            ("I1", "an acknowledged job is gone", 150, 1, 0),
            ("I1", "an acknowledged job is gone", 99, 0, 1),
            ("I1", "an acknowledged job is gone", 200, 0, 1),
            ("I1", "an acknowledged job has not ended", 150, 0, 1),
            ("I2", "2 ends were accepted", 150, 0, 0),
            ("I2", "2 ends were accepted", 99, 0, 1),
            ("I4", "it was given [1]", 150, 0, 0),
            ("I4", "it has ended, and 1 of its nodes have not", 150, 0, 1),
            ("I5", "left over", 150, 0, 1),
            ("I9", "`b` of the same key was claimed while it had a valid lease", 150, 0, 0),
            ("I9", "`b` of the same key was claimed while it had a valid lease", 99, 0, 1),
            ("I8", "it is in no end and in no line", 150, 0, 1),
        ] {
            let mut report = report(rule, message, at);
            assert_eq!(forgive(&mut report, times), gone, "{rule} {message} {at}");
            assert_eq!(report.findings.len(), left, "{rule} {message} {at}");
        }
    }
}

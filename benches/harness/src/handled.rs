//! What the contenders' handlers report to. A process runs one workload, so this is static.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::Email;

static COUNT: AtomicU64 = AtomicU64::new(0);
static WATCH: OnceLock<Watch> = OnceLock::new();
static LAGS: Mutex<Vec<f64>> = Mutex::new(Vec::new());

/// Which runs the driver wants to hear of.
pub(crate) struct Watch {
    /// The counts at which a moment is sent; with none, it is sent at every run.
    pub(crate) marks: Vec<u64>,
    pub(crate) moments: Sender<Instant>,
    /// Runs of each job, where jobs are to fail.
    pub(crate) runs: Vec<AtomicU8>,
}

pub(crate) fn watch(watch: Watch) {
    assert!(WATCH.set(watch).is_ok(), "a process drives one workload");
}

pub(crate) fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Every handler calls this, and does nothing else.
#[inline]
pub fn ran() {
    let now = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(watch) = WATCH.get()
        && (watch.marks.is_empty() || watch.marks.contains(&now))
    {
        // the driver is gone once it has what it wants
        let _ = watch.moments.send(Instant::now());
    }
}

/// The same where a workload may want failures: true if the job is to fail now. A failure is a run too.
#[inline]
pub fn ran_or_fail(n: u64) -> bool {
    ran();
    let runs = WATCH.get().and_then(|watch| watch.runs.get((n - Email::FIRST) as usize));
    runs.is_some_and(|runs| runs.fetch_add(1, Ordering::Relaxed) < 2)
}

/// The handler of a schedule calls this: how long after the time of its tick it runs.
pub fn lagged(lag: Duration) {
    LAGS.lock().unwrap_or_else(PoisonError::into_inner).push(lag.as_secs_f64() * 1e3);
    ran();
}

/// All of these so far, in milliseconds, the shortest first.
pub(crate) fn lags() -> Vec<f64> {
    let mut lags = LAGS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    lags.sort_by(f64::total_cmp);
    lags
}

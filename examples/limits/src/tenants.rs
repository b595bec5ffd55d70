//! A tenant with 10,000 jobs, and one with ten that comes later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use taskora::prelude::*;
use tokio::sync::Notify;

use crate::table::Row;

const FLOOD: usize = 10_000;
const FEW: usize = 10;

/// Whose jobs have started, in this order.
#[derive(Clone, Default)]
pub(crate) struct Starts(Arc<Started>);

#[derive(Default)]
struct Started {
    are_small: Mutex<Vec<bool>>,
    one_more: Notify,
}

impl Starts {
    async fn one(&self, is_small: bool) {
        self.0.are_small.lock().unwrap_or_else(PoisonError::into_inner).push(is_small);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.0.one_more.notify_one();
    }

    /// Waits until all have started; how many jobs of the flood had started before the last one of the few.
    async fn before_the_last(&self) -> usize {
        loop {
            {
                let mut starts = self.0.are_small.lock().unwrap_or_else(PoisonError::into_inner);
                if starts.len() == FLOOD + FEW {
                    let last = starts.iter().rposition(|is_small| *is_small).unwrap_or(0);
                    starts.truncate(last);
                    return std::mem::take(&mut *starts).iter().filter(|is_small| !**is_small).count();
                }
            }
            self.0.one_more.notified().await;
        }
    }

    fn forget(&self) {
        self.0.are_small.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// First come, first served.
#[task]
pub(crate) async fn in_line(is_small: bool, starts: State<Starts>) {
    starts.one(is_small).await;
}

/// Tenants take turns.
#[task(fair(key = |job| job.is_small))]
pub(crate) async fn in_turns(is_small: bool, starts: State<Starts>) {
    starts.one(is_small).await;
}

/// A task is paused until all of its jobs are there.
async fn run<T: Task>(app: &App, starts: &Starts, job: impl Fn(bool) -> T) -> taskora::Result<usize> {
    // lanes begin when a worker has declared them, and it claims nothing before that
    app.dispatch(job(false)).await?.result().await?;
    app.queues().pause::<T>().await?;
    starts.forget();
    app.dispatch_many((0..FLOOD).map(|_| job(false))).await?;
    app.dispatch_many((0..FEW).map(|_| job(true))).await?;
    app.queues().resume::<T>().await?;
    Ok(starts.before_the_last().await)
}

pub(crate) async fn rows(app: &App, starts: &Starts) -> taskora::Result<Vec<Row>> {
    let row = |how: &str, before| Row {
        what: "10 jobs behind 10,000 of another",
        how: how.to_owned(),
        dispatches: FLOOD + FEW,
        runs: FLOOD + FEW,
        result: format!("the last of the 10 started after {before} others"),
    };
    let line = run(app, starts, |is_small| InLine { is_small }).await?;
    let turns = run(app, starts, |is_small| InTurns { is_small }).await?;
    Ok(vec![row("first come, first served", line), row("fair(key = ..)", turns)])
}

//! Jobs that gather, and are run in batches.

mod ends;
mod gathering;
mod workers;

use std::time::Duration;

use serde_json::json;
use taskora::prelude::*;
use taskora::{Outcome, Worker};

use crate::support::{
    LEASE, PATIENCE, Probe, SWEEP, Store, cancellation, failure, on_both, quick, result, until, until_state,
};

const LONG: Duration = Duration::from_secs(30 * 60);

/// Three go at once, and what is left after half an hour, or after an hour in which others came.
#[derive(Debug, PartialEq, Task, Serialize, Deserialize)]
#[task(
    output = usize,
    retry(attempts = 3, delay = "10ms"),
    collect(key = |t| t.table, delay = "30m", max_size = 3, max_wait = "60m")
)]
struct InsertRow {
    #[serde(default)]
    table: Option<String>,
    /// Added later.
    #[serde(default)]
    row: u32,
}

fn row(table: &str, row: u32) -> InsertRow {
    InsertRow { table: Some(table.to_owned()), row }
}

fn rows(table: &str, rows: impl IntoIterator<Item = u32>) -> Vec<InsertRow> {
    rows.into_iter().map(|of| row(table, of)).collect()
}

/// Says which rows came together; 90 and more have their own ways to end.
#[task(implements = InsertRow, batch)]
async fn insert_rows(items: Vec<InsertRow>, ctx: &Context, probe: State<Probe>) -> Result<usize, TaskError> {
    let _running = probe.enter();
    let batch: Vec<String> = items.iter().map(|item| item.row.to_string()).collect();
    probe.saw(batch.join(" "));
    assert_eq!(items.len(), ctx.items().len());
    for (item, job) in items.iter().zip(ctx.items()) {
        match item.row {
            90 => job.fail("bad row"),
            91 if job.attempt() == 1 => job.retry(),
            92 => job.retry(),
            93 => panic!("a bad row"),
            94 => return Err(TaskError::msg("down")),
            95 => return Err(TaskError::give_up("gone")),
            96 => probe.gate().await,
            97 => ctx.cancelled().await,
            98 => {
                ctx.info("inserted");
                ctx.progress(7);
            }
            _ => {}
        }
    }
    Ok(items.len())
}

/// One group, whose next batch waits for the one before.
#[derive(Debug, Task, Serialize, Deserialize)]
#[task(output = (), timeout = "10m", collect(delay = "30m", max_size = 2, serial))]
struct Ping {
    n: u32,
}

#[task(implements = Ping, batch, on_cancel = undo)]
async fn pings(pings: Vec<Ping>, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(pings.len());
    probe.gate().await;
}

/// As many as there can be, on a thread.
#[derive(Debug, Task, Serialize, Deserialize)]
#[task(output = u64, collect(delay = "30m", max_size = 500))]
struct Sum {
    n: u64,
}

#[task(implements = Sum, batch, blocking)]
fn sums(items: Vec<Sum>, ctx: Context, probe: State<Probe>) -> u64 {
    assert_eq!(items.len(), ctx.items().len());
    probe.saw(items.len());
    items.iter().map(|item| item.n).sum()
}

async fn undo(ping: Ping, _ctx: Context, probe: State<Probe>) {
    probe.saw(format!("undo {}", ping.n));
}

/// A process of another build, whose rows have text.
mod other {
    use super::{Deserialize, Serialize, Task};

    #[derive(Debug, Task, Serialize, Deserialize)]
    #[task(name = "insert-row", output = usize, collect(key = |t| t.table, delay = "30m", max_size = 3))]
    pub(super) struct InsertRow {
        pub(super) table: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) row: Option<String>,
    }
}

/// A worker of an earlier build, which knows of no batches.
mod before {
    use super::{Probe, State, task};

    #[task]
    pub(super) async fn insert_row(row: u32, probe: State<Probe>) -> usize {
        probe.saw(format!("alone {row}"));
        1
    }
}

#[task]
async fn free() {}

/// Gives what a batch returns.
#[task]
async fn make_row(row: u32) -> InsertRow {
    InsertRow { table: Some("made".to_owned()), row }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let worker = quick(app).state(probe.clone()).cancel_grace(Duration::from_millis(200));
    worker
        .register_all(tasks![InsertRowsHandler, PingsHandler, SumsHandler, Free, MakeRow])
        .start()
        .await
        .unwrap()
}

/// A job of another task has run, so what could be claimed before it was.
async fn nothing_runs(app: &App, probe: &Probe, seen: usize) {
    result(&app.dispatch(Free {}).await.unwrap()).await.unwrap();
    assert_eq!(probe.seen().len(), seen, "{:?}", probe.seen());
}

async fn completed(handles: &[JobHandle<usize>], output: usize) {
    for handle in handles {
        assert_eq!(result(handle).await.unwrap(), output);
    }
}

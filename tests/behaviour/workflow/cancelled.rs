//! Workflows that are cancelled: at every step, and with roots that wait, are delayed, or run.

use std::time::Duration;

use taskora::{CancelOutcome, JobCounts, prelude::*};
use tokio::time::Instant;

use super::ends::all_ended;
use super::outcome;
use crate::support::{Probe, Store, on_both, quick, soon, until};

/// How soon a handler is told.
const SOON: Duration = Duration::from_secs(1);

#[task]
async fn stage(name: String, probe: State<Probe>, ctx: Context) -> String {
    stays(name, &probe, &ctx).await
}

/// The same, after another one.
#[task]
async fn next_stage(_before: String, name: String, probe: State<Probe>, ctx: Context) -> String {
    stays(name, &probe, &ctx).await
}

/// Runs until it is let through, or told to stop.
async fn stays(name: String, probe: &Probe, ctx: &Context) -> String {
    let _running = probe.enter();
    probe.saw(&name);
    tokio::select! {
        () = probe.gate() => {}
        _ = ctx.cancelled() => probe.saw("told"),
    }
    name
}

/// A step that stops when it is told, and that a test lets through.
fn first(name: &str) -> Stage {
    Stage { name: name.to_owned() }
}

async fn worker(app: &App, probe: &Probe, concurrency: usize) -> Worker {
    let worker = quick(app).state(probe.clone()).register_all(tasks![Stage, NextStage]);
    worker.concurrency(concurrency).start().await.unwrap()
}

/// Cancels a workflow of which these many handlers run: they are told soon, nothing starts afterwards, and nothing is left.
async fn cancel(store: &Store, app: &App, probe: &Probe, handle: &WorkflowHandle<String>, running: usize) {
    let started = probe.seen();
    let from = Instant::now();
    assert_eq!(handle.cancel("enough").await.unwrap(), CancelOutcome::Cancelled);
    let seen = soon("the handlers are told", probe.until(started.len() + running)).await;
    assert!(
        running == 0 || from.elapsed() <= store.at_most(SOON),
        "they were told after {:?}",
        from.elapsed()
    );
    assert!(seen[started.len()..].iter().all(|what| what == "told"), "after {started:?}: {seen:?}");
    let error = outcome(handle).await.unwrap_err();
    assert!(matches!(&error, WorkflowError::Cancelled { reason, .. } if reason == "enough"), "{error:?}");
    for state in all_ended(handle).await {
        assert!(matches!(state, Some(JobState::Cancelled | JobState::Completed)), "{state:?}");
    }
    until(0, || async { probe.running() }).await;
    for task in ["stage", "next-stage"] {
        until(JobCounts::default(), || async { app.counts(task).await.unwrap() }).await;
    }
}

on_both! {
    async fn s18_a_chain_can_be_cancelled_at_every_step(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe, 4).await;
        for step in 0..4 {
            let before = probe.seen().len();
            let flow = first("0")
                .then(NextStage::s().name("1"))
                .then(NextStage::s().name("2"))
                .then(NextStage::s().name("3"));
            let handle = app.dispatch(flow).await.unwrap();
            for done in 0..step {
                probe.until(before + done + 1).await;
                probe.open(1);
            }
            let seen = probe.until(before + step + 1).await;
            let steps = ["0", "1", "2", "3"];
            assert_eq!(seen[before..], steps[..=step], "the last one of these runs");
            cancel(&store, &app, &probe, &handle, 1).await;
        }
        // whatever started late would be here by now
        let seen = probe.seen().len();
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen().len(), seen);
    }

    async fn s18_roots_that_wait_are_delayed_and_run_are_cancelled_together(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe, 2).await;
        let delayed = |millis: u64| first("delayed").with(move |o| o.delay(Duration::from_millis(millis)));
        let roots = group([
            chain((first("a"),)),
            chain((first("b"),)),
            chain((first("waits"),)),
            chain((first("waits too"), NextStage::s().name("never"))),
            chain((delayed(3_600_000),)),
            // due while it is cancelled, or shortly afterwards
            chain((delayed(5),)),
        ]);
        let handle = app.dispatch(roots.then(Last::s())).await.unwrap();
        let mut seen = probe.until(2).await;
        seen.sort();
        assert_eq!(seen, ["a", "b"]);
        cancel(&store, &app, &probe, &handle, 2).await;
        // the worker goes on, and the next one of its kind does not meet what was left
        let after = app.dispatch(chain((first("after"),))).await.unwrap();
        let seen = probe.until(5).await;
        assert_eq!(seen[2..], ["told", "told", "after"]);
        probe.open(1);
        assert_eq!(outcome(&after).await.unwrap(), "after");
        worker.shutdown().await.unwrap();
    }

    async fn s18_a_workflow_that_nobody_has_begun_is_cancelled_without_a_worker(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        for delay in [0, 20] {
            let flow = first("never").then(NextStage::s().name("never"));
            let handle = app.dispatch(flow).delay(Duration::from_millis(delay)).await.unwrap();
            cancel(&store, &app, &probe, &handle, 0).await;
        }
        let worker = worker(&app, &probe, 4).await;
        let after = app.dispatch(chain((first("after"),))).delay(Duration::from_millis(40)).await.unwrap();
        probe.open(1);
        assert_eq!(outcome(&after).await.unwrap(), "after");
        assert_eq!(probe.seen(), ["after"], "nothing else has started, whose time came before");
        worker.shutdown().await.unwrap();
    }
}

#[task]
async fn last(names: Vec<String>) -> String {
    names.concat()
}

//! Cancellations that cross something else on their way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskora::adapter::{AttemptEnd, Cancellation, Settled};
use taskora::{CancelOutcome, prelude::*};

use crate::support::{LEASE, Probe, Store, cancellation, info, on_both, quick, result, soon, until_is};

#[task]
async fn quickly(probe: State<Probe>) -> u32 {
    probe.saw("run");
    7
}

#[task(retry = 3)]
async fn badly(probe: State<Probe>) -> Result<u32, String> {
    probe.saw("run");
    Err("no".into())
}

#[task]
async fn slowly(probe: State<Probe>, ctx: Context) {
    probe.saw("started");
    ctx.cancelled().await;
    probe.saw("told");
}

on_both! {
    async fn x39_a_cancellation_before_the_end_is_stored_wins(store: Store) {
        let ((app, switch), caller, probe) = (store.switched().await, store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Quickly>().start().await.unwrap();
        switch.before_settle.close();
        let handle = caller.dispatch(Quickly {}).await.unwrap();
        // the handler has returned, and the store does not know it yet
        switch.before_settle.arrived().await;
        assert_eq!(handle.cancel("in time").await.unwrap(), CancelOutcome::Requested);
        switch.before_settle.open();
        assert_eq!(cancellation(result(&handle).await), "in time");
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Cancelled));
        worker.shutdown().await.unwrap();
        let counts = caller.counts("quickly").await.unwrap();
        assert_eq!((counts.cancelled, counts.completed, counts.active), (1, 0, 0));
    }

    async fn x39_a_cancellation_after_the_end_is_stored_loses(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = quick(&app).state(probe).register::<Quickly>().start().await.unwrap();
        let handle = app.dispatch(Quickly {}).await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), 7);
        let outcome = handle.cancel("too late").await.unwrap();
        assert_eq!(outcome, CancelOutcome::AlreadyEnded(JobState::Completed));
        assert_eq!(result(&handle).await.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }

    async fn x39_whatever_cancel_answers_is_what_happens(store: Store) {
        let (app, caller, probe) = (store.app().await, store.app().await, Probe::new());
        let worker = quick(&app).state(probe).register::<Quickly>().start().await.unwrap();
        for _ in 0..100 {
            let handle = caller.dispatch(Quickly {}).await.unwrap();
            let outcome = handle.cancel("race").await.unwrap();
            match (outcome, result(&handle).await) {
                (CancelOutcome::Cancelled | CancelOutcome::Requested, Err(JobError::Cancelled { .. })) => {}
                (CancelOutcome::AlreadyEnded(JobState::Completed), Ok(7)) => {}
                other => panic!("{other:?}"),
            }
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_cancelled_job_is_not_retried(store: Store) {
        let ((app, switch), probe) = (store.switched().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Badly>().start().await.unwrap();
        switch.before_settle.close();
        let handle = app.dispatch(Badly {}).await.unwrap();
        switch.before_settle.arrived().await;
        handle.cancel("enough").await.unwrap();
        switch.before_settle.open();
        assert_eq!(cancellation(result(&handle).await), "enough");
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["run"]);
    }

    async fn a_cancellation_whose_message_was_lost_is_seen_when_the_lease_is_renewed(store: Store) {
        let ((app, switch), caller, probe) = (store.switched().await, store.app().await, Probe::new());
        switch.mute.store(true, Ordering::SeqCst);
        let worker = quick(&app).state(probe.clone()).register::<Slowly>().start().await.unwrap();
        let handle = caller.dispatch(Slowly {}).await.unwrap();
        probe.until(1).await;
        assert_eq!(handle.cancel("quietly").await.unwrap(), CancelOutcome::Requested);
        assert_eq!(cancellation(result(&handle).await), "quietly");
        assert_eq!(probe.seen(), ["started", "told"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_cancellation_that_was_missed_is_learnt_as_soon_as_that_is_known(store: Store) {
        #[task(stall(lease = "10m"))]
        async fn deaf(probe: State<Probe>, ctx: Context) {
            probe.saw("started");
            ctx.cancelled().await;
            probe.saw("told");
        }

        let ((app, switch), caller, probe) = (store.switched().await, store.app().await, Probe::new());
        switch.mute.store(true, Ordering::SeqCst);
        let worker = quick(&app).state(probe.clone()).register::<Deaf>().start().await.unwrap();
        let (cancelled, other) = (caller.dispatch(Deaf {}).await.unwrap(), caller.dispatch(Deaf {}).await.unwrap());
        probe.until(2).await;
        cancelled.cancel("quietly").await.unwrap();
        switch.silence.send(Cancellation::Missed).unwrap();
        // far below the three minutes after which the lease would be renewed by itself
        let patience = Duration::from_secs(10);
        assert_eq!(cancellation(cancelled.result_within(patience).await), "quietly");
        assert_eq!(probe.seen(), ["started", "started", "told"]);
        // the other one was renewed, too, and goes on
        other.cancel("quietly").await.unwrap();
        switch.silence.send(Cancellation::Missed).unwrap();
        assert_eq!(cancellation(other.result_within(patience).await), "quietly");
        worker.shutdown().await.unwrap();
    }

    async fn a_heartbeat_learns_of_it_at_once(store: Store) {
        #[task(stall(lease = "10m"))]
        async fn beats(probe: State<Probe>, ctx: Context) {
            probe.saw("started");
            probe.gate().await;
            ctx.heartbeat();
            ctx.cancelled().await;
            probe.saw("told");
        }

        let ((app, switch), caller, probe) = (store.switched().await, store.app().await, Probe::new());
        switch.mute.store(true, Ordering::SeqCst);
        let worker = quick(&app).state(probe.clone()).register::<Beats>().start().await.unwrap();
        let handle = caller.dispatch(Beats {}).await.unwrap();
        probe.until(1).await;
        handle.cancel("quietly").await.unwrap();
        probe.open(1);
        // far below the three minutes after which the lease would be renewed by itself
        let patience = Duration::from_secs(10);
        assert_eq!(cancellation(handle.result_within(patience).await), "quietly");
        assert_eq!(probe.seen(), ["started", "told"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_flagged_job_that_is_handed_back_ends_as_cancelled(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        let handle = app.dispatch(Quickly {}).await.unwrap();
        let job = ghost.claim_one::<Quickly>(LEASE).await;
        assert_eq!(handle.cancel("stop").await.unwrap(), CancelOutcome::Requested);
        assert_eq!(ghost.settle(&job, AttemptEnd::release()).await, Settled::Now(JobState::Cancelled));
        assert_eq!(cancellation(result(&handle).await), "stop");
    }

    async fn a_flagged_job_whose_worker_died_ends_as_cancelled(store: Store) {
        let (app, ghost, probe) = (store.app().await, store.ghost().await, Probe::new());
        let handle = app.dispatch(Quickly {}).await.unwrap();
        ghost.claim_one::<Quickly>(LEASE).await;
        assert_eq!(handle.cancel("stop").await.unwrap(), CancelOutcome::Requested);
        let worker = quick(&app).state(probe.clone()).register::<Quickly>().start().await.unwrap();
        assert_eq!(cancellation(result(&handle).await), "stop");
        worker.shutdown().await.unwrap();
        assert!(probe.seen().is_empty());
    }

    async fn cancelling_while_a_worker_shuts_down_leaves_nothing_active(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Slowly>().start().await.unwrap();
        let handle = app.dispatch(Slowly {}).await.unwrap();
        probe.until(1).await;
        let (stopped, outcome) = tokio::join!(
            soon("a shutdown", worker.shutdown_within(Duration::from_secs(5))),
            handle.cancel("now")
        );
        stopped.unwrap();
        assert_eq!(outcome.unwrap(), CancelOutcome::Requested);
        assert_eq!(cancellation(result(&handle).await), "now");
        let settled = until_is(|info: &taskora::JobInfo| info.state.is_terminal(), || info(&handle), || "an end".into()).await;
        assert_eq!(settled.attempts, 1);
    }
}

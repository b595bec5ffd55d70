//! Jobs whose worker is not heard of any more.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskora::adapter::{AttemptEnd, JobReport, RenewLease, Renewal, Settled};
use taskora::{Retention, prelude::*};
use tokio::time::Instant;

use crate::support::{LEASE, Probe, Store, info, on_both, quick, result, soon, until_is, until_state};

/// A lease that ends while a test waits for it.
const SHORT: Duration = Duration::from_millis(100);

#[task(retry = 3)]
async fn resume(probe: State<Probe>, ctx: &Context) -> u32 {
    probe.saw(format!("attempt {}", ctx.attempt()));
    ctx.attempt()
}

#[task(stall(max = 0))]
async fn fragile() {}

#[task(stall(max = 2))]
async fn sturdy() {}

#[task]
async fn long(probe: State<Probe>) {
    probe.saw("started");
    // three leases: time itself is what this is about
    tokio::time::sleep(3 * LEASE).await;
}

#[task]
async fn loses(probe: State<Probe>, ctx: Context) -> String {
    let _running = probe.enter();
    probe.saw("started");
    probe.watch(&ctx);
    probe.gate().await;
    "done".into()
}

#[task]
async fn again(probe: State<Probe>, ctx: &Context) -> Result<(), TaskError> {
    probe.saw("run");
    if probe.count("run") == 1 { Err(ctx.retry_after(Duration::from_secs(60))) } else { Ok(()) }
}

/// Sweeps until a lease that has not been renewed has been noticed: rescued, and failed for good.
async fn sweep<T: Task>(store: &Store) -> (usize, usize) {
    let adapter = store.adapter().await;
    let sweep = || async { adapter.jobs().sweep(&[T::NAME.into()], Retention::default()).await.unwrap() };
    let swept =
        until_is(|swept| swept.rescued + swept.stalled > 0, sweep, || "a lease that has passed".into());
    let swept = swept.await;
    (swept.rescued, swept.stalled)
}

/// Sweeps once: how many jobs were rescued, and failed for good.
async fn sweep_once<T: Task>(store: &Store) -> (usize, usize) {
    let swept = store.adapter().await.jobs().sweep(&[T::NAME.into()], Retention::default()).await.unwrap();
    (swept.rescued, swept.stalled)
}

on_both! {
    async fn a_worker_that_falls_silent_while_it_waits_for_work_is_handed_one_job(store: Store) {
        let ((app, switch), other, probe) = (store.switched().await, store.app().await, Probe::new());
        let start = |app: &App| Worker::builder(app).state(probe.clone()).register::<Resume>().concurrency(10).start();
        let silent = start(&app).await.unwrap();
        // what it does after this is to wait for work
        result(&other.dispatch(Resume {}).await.unwrap()).await.unwrap();
        switch.after_claim.close();
        let handles = other.dispatch_many((0..10).map(|_| Resume {})).await.unwrap();
        switch.after_claim.arrived().await;
        let counts = other.counts("resume").await.unwrap();
        assert_eq!((counts.active, counts.waiting), (1, 9));
        let lively = start(&other).await.unwrap();
        for handle in &handles[1..] {
            result(handle).await.unwrap();
        }
        assert_eq!(handles[0].state().await.unwrap(), Some(JobState::Active));
        // it was only slow
        switch.after_claim.open();
        assert_eq!(result(&handles[0]).await.unwrap(), 1);
        lively.shutdown().await.unwrap();
        silent.shutdown().await.unwrap();
    }

    async fn s062_a_job_whose_worker_died_runs_again(store: Store) {
        let (app, ghost, probe) = (store.app().await, store.ghost().await, Probe::new());
        let handle = app.dispatch(Resume {}).await.unwrap();
        ghost.claim_one::<Resume>(LEASE).await;
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Active));
        let start = Instant::now();
        let worker = quick(&app).state(probe.clone()).register::<Resume>().start().await.unwrap();
        // an attempt that was lost does not count
        assert_eq!(result(&handle).await.unwrap(), 1);
        assert!(start.elapsed() < LEASE + store.at_most(Duration::from_secs(2)), "{:?}", start.elapsed());
        let info = info(&handle).await;
        assert_eq!((info.stalls, info.attempts), (1, 1));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["attempt 1"]);
    }

    async fn s063_a_job_that_is_lost_once_too_often_fails(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        let handle = app.dispatch(Resume {}).await.unwrap();
        ghost.claim_one::<Resume>(SHORT).await;
        assert_eq!(sweep::<Resume>(&store).await, (1, 0));
        ghost.claim_one::<Resume>(SHORT).await;
        assert_eq!(sweep::<Resume>(&store).await, (0, 1));

        let error = result(&handle).await.unwrap_err();
        assert!(matches!(&error, JobError::Stalled { id, .. } if id == handle.id()), "{error:?}");
        assert!(error.to_string().contains("stalled"), "{error}");
        let info = info(&handle).await;
        assert_eq!((info.state, info.stalls), (JobState::Failed, 2));
        assert!(info.error.unwrap().contains("stalled"));
        assert_eq!(app.counts("resume").await.unwrap().failed, 1);
    }

    async fn s063_the_contract_says_how_often_is_too_often(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        let fragile = app.dispatch(Fragile {}).await.unwrap();
        ghost.claim_one::<Fragile>(SHORT).await;
        assert_eq!(sweep::<Fragile>(&store).await, (0, 1));
        assert!(matches!(result(&fragile).await, Err(JobError::Stalled { .. })));

        app.dispatch(Sturdy {}).await.unwrap();
        for expected in [(1, 0), (1, 0), (0, 1)] {
            ghost.claim_one::<Sturdy>(SHORT).await;
            assert_eq!(sweep::<Sturdy>(&store).await, expected);
        }
    }

    async fn s064_a_job_that_runs_for_long_keeps_its_lease(store: Store) {
        let (app, other, probe) = (store.app().await, store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Long>().start().await.unwrap();
        let handle = app.dispatch(Long {}).await.unwrap();
        probe.until(1).await;
        // somebody else looks for lost jobs all the while
        let sweeper = quick(&other).state(probe.clone()).register::<Long>().start().await.unwrap();
        result(&handle).await.unwrap();
        let info = info(&handle).await;
        assert_eq!((info.stalls, info.attempts), (0, 1));
        worker.shutdown().await.unwrap();
        sweeper.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["started"]);
    }

    async fn s065_a_rescue_is_visible_and_the_job_goes_before_the_others(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        let lost = app.dispatch(Resume {}).await.unwrap();
        ghost.claim_one::<Resume>(SHORT).await;
        app.dispatch(Resume {}).await.unwrap();
        assert_eq!(sweep::<Resume>(&store).await, (1, 0));
        let seen = info(&lost).await;
        assert_eq!((seen.state, seen.stalls, seen.attempts), (JobState::Waiting, 1, 0));
        assert_eq!(&ghost.claim_one::<Resume>(LEASE).await.lease.id, lost.id());
    }

    async fn s066_jobs_under_a_valid_lease_are_left_alone(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        app.dispatch_many([Resume {}, Resume {}, Resume {}]).await.unwrap();
        assert_eq!(ghost.claim::<Resume>(3, Duration::from_secs(60)).await.len(), 3);
        let adapter = store.adapter().await;
        for _ in 0..3 {
            let swept = adapter.jobs().sweep(&["resume".into()], Retention::default()).await.unwrap();
            assert_eq!((swept.rescued, swept.stalled, swept.more), (0, 0, false));
        }
        assert_eq!(app.counts("resume").await.unwrap().active, 3);
    }

    async fn s067_a_lease_that_is_renewed_holds(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        let handle = app.dispatch(Resume {}).await.unwrap();
        let job = ghost.claim_one::<Resume>(LEASE).await;
        let adapter = store.adapter().await;
        let renew = RenewLease { lease: job.lease.clone(), length: Duration::from_secs(60) };
        assert_eq!(adapter.jobs().renew(vec![renew.clone()]).await.unwrap(), [Renewal::Extended]);
        store.pass(LEASE + SHORT).await;
        let swept = adapter.jobs().sweep(&["resume".into()], Retention::default()).await.unwrap();
        assert_eq!((swept.rescued, swept.stalled), (0, 0));
        assert_eq!(ghost.settle(&job, AttemptEnd::Complete(b"1".into())).await, Settled::Now(JobState::Completed));
        assert_eq!(result(&handle).await.unwrap(), 1);
        assert_eq!(adapter.jobs().renew(vec![renew]).await.unwrap(), [Renewal::Lost]);
    }

    async fn x01_a_job_that_ended_under_its_lease_is_not_run_again(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Resume>().start().await.unwrap();
        let handle = app.dispatch(Resume {}).await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), 1);
        store.pass(4 * LEASE).await;
        assert_eq!(sweep_once::<Resume>(&store).await, (0, 0));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["attempt 1"]);
        assert_eq!(info(&handle).await.stalls, 0);
    }

    async fn x02_a_job_that_rests_between_attempts_is_not_taken_for_lost(store: Store) {
        #[task(name = "again-later", retry = 2)]
        async fn again_later(probe: State<Probe>, ctx: &Context) -> Result<(), TaskError> {
            again(probe, ctx).await
        }
        let (app, probe) = (store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<AgainLater>().start().await.unwrap();
        let handle = app.dispatch(AgainLater {}).await.unwrap();
        until_state(&handle, JobState::Retrying).await;
        store.pass(4 * LEASE).await;
        assert_eq!(sweep_once::<AgainLater>(&store).await, (0, 0));
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Retrying));
        assert_eq!(info(&handle).await.stalls, 0);
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["run"]);
    }

    async fn x40_an_attempt_that_lost_its_lease_is_told_and_dropped(store: Store) {
        let ((app, switch), other) = (store.switched().await, store.app().await);
        let (first, second) = (Probe::new(), Probe::new());
        let cut_off = quick(&app).state(first.clone()).register::<Loses>().concurrency(1).start().await.unwrap();
        let handle = other.dispatch(Loses {}).await.unwrap();
        first.until(1).await;
        switch.cut_off.store(true, Ordering::SeqCst);
        second.open(1);
        let alive = quick(&other).state(second.clone()).register::<Loses>().start().await.unwrap();

        assert_eq!(first.until(2).await, ["started", "told"]);
        assert_eq!(result(&handle).await.unwrap(), "done");
        assert_eq!(second.seen()[0], "started");
        assert_eq!(first.running(), 0);
        let info = info(&handle).await;
        assert_eq!((info.stalls, info.attempts), (1, 1));
        switch.cut_off.store(false, Ordering::SeqCst);
        soon("a shutdown", cut_off.shutdown()).await.unwrap();
        alive.shutdown().await.unwrap();
        assert_eq!(other.counts("loses").await.unwrap().completed, 1);
    }

    async fn x40_what_a_fenced_attempt_still_says_is_refused(store: Store) {
        let (app, ghost) = (store.app().await, store.ghost().await);
        let handle = app.dispatch(Resume {}).await.unwrap();
        let fenced = ghost.claim_one::<Resume>(SHORT).await;
        assert_eq!(sweep::<Resume>(&store).await, (1, 0));
        let valid = ghost.claim_one::<Resume>(Duration::from_secs(60)).await;
        assert!(valid.lease.token > fenced.lease.token);

        let adapter = store.adapter().await;
        let notes = |job: &taskora::adapter::ClaimedJob, progress: &str| JobReport {
            lease: job.lease.clone(),
            progress: Some(progress.into()),
            logs: Vec::new(),
        };
        let kept = adapter.jobs().note(vec![notes(&fenced, "1"), notes(&valid, "2")]).await.unwrap();
        assert_eq!(kept, [false, true]);
        let renew = RenewLease { lease: fenced.lease.clone(), length: LEASE };
        assert_eq!(adapter.jobs().renew(vec![renew]).await.unwrap(), [Renewal::Lost]);
        for end in [AttemptEnd::Complete(b"1".into()), AttemptEnd::Fail("no".into()), AttemptEnd::release()] {
            assert_eq!(ghost.settle(&fenced, end).await, Settled::Stale);
        }
        let end = AttemptEnd::Complete(b"2".into());
        assert_eq!(ghost.settle(&valid, end).await, Settled::Now(JobState::Completed));
        assert_eq!(adapter.jobs().note(vec![notes(&valid, "3")]).await.unwrap(), [false]);
        assert_eq!(handle.progress::<u32>().await.unwrap(), Some(2));
        assert_eq!(result(&handle).await.unwrap(), 2);
    }
}

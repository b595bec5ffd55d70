//! Jobs that ended in vain, and jobs that wait, many at once.

use std::time::Duration;

use taskora::prelude::*;

use crate::support::{Probe, Store, info, on_both, quick, result, until};

#[task]
async fn charge(cents: u32, probe: State<Probe>) -> Result<u32, TaskError> {
    if probe.count("up") > 0 {
        Ok(cents)
    } else {
        Err(TaskError::msg(format!("error {cents} of the provider")))
    }
}

#[task]
async fn follow(cents: u32) -> u32 {
    cents
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app)
        .state(probe.clone())
        .register_all(tasks![Charge, Follow])
        .concurrency(20)
        .start()
        .await
        .unwrap()
}

/// So many jobs that have failed.
async fn failed(app: &App, count: u32) -> Vec<JobHandle<u32>> {
    let jobs = app.dispatch_many((0..count).map(|cents| Charge { cents })).await.unwrap();
    for job in &jobs {
        result(job).await.unwrap_err();
    }
    jobs
}

on_both! {
    async fn s236_all_failed_jobs_are_retried(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let jobs = failed(&app, 250).await;
        let groups = app.dead_letters("charge").groups().await.unwrap();
        assert_eq!((groups.len(), groups[0].count), (1, 250));
        assert_eq!(groups[0].pattern, "error # of the provider");

        probe.saw("up");
        let report = app.dead_letters("charge").retry().await.unwrap();
        assert_eq!((report.done, report.left), (250, 0));
        for (job, cents) in jobs.iter().zip(0..) {
            assert_eq!(result(job).await.unwrap(), cents);
        }
        assert_eq!(app.dead_letters("charge").retry().await.unwrap().done, 0);
        worker.shutdown().await.unwrap();
    }

    async fn x44_a_retry_of_all_ends_although_all_fail_again(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        failed(&app, 120).await;
        assert_eq!(app.dead_letters("charge").retry().await.unwrap().done, 120);
        until(120, || async { app.counts("charge").await.unwrap().failed }).await;
        worker.shutdown().await.unwrap();
    }

    async fn some_are_retried_and_some_discarded(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let jobs = failed(&app, 20).await;
        let report = app.dead_letters("charge").error_contains("error 1").discard().await.unwrap();
        assert_eq!((report.done, report.left), (11, 0), "1 and 10 to 19");
        assert_eq!(jobs[15].state().await.unwrap(), None);
        assert_eq!(app.counts("charge").await.unwrap().failed, 9);
        probe.saw("up");
        assert_eq!(app.dead_letters("charge").limit(4).retry().await.unwrap().done, 4);
        until(4, || async { app.counts("charge").await.unwrap().completed }).await;
        assert_eq!(app.counts("charge").await.unwrap().failed, 5);
        worker.shutdown().await.unwrap();
    }

    async fn retries_are_spread_over_a_time(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let first = worker(&app, &probe).await;
        let jobs = failed(&app, 4).await;
        first.shutdown().await.unwrap();
        let report = app.dead_letters("charge").retry_over(Duration::from_secs(3600)).await.unwrap();
        assert_eq!(report.done, 4);
        let mut dues = Vec::new();
        let mut waiting = 0;
        for job in &jobs {
            match info(job).await.due_at {
                Some(due) => dues.push(due),
                None => waiting += 1,
            }
        }
        dues.sort_unstable();
        assert_eq!((waiting, dues.len()), (1, 3), "the first one at once");
        for pair in dues.windows(2) {
            let apart = pair[1].as_millis() - pair[0].as_millis();
            assert!((890_000..=910_000).contains(&apart), "{apart}");
        }
    }

    async fn what_waits_is_purged_and_what_comes_later_is_not(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        probe.saw("up");
        let jobs = app.dispatch_many((0..700).map(|cents| Charge { cents })).await.unwrap();
        let urgent = app.dispatch(Charge { cents: 1 }).priority(5).await.unwrap();
        let delayed = app.dispatch(Charge { cents: 1 }).delay(Duration::from_secs(3600)).await.unwrap();
        let flow = app.dispatch(chain((Charge { cents: 1 }, Follow::s()))).await.unwrap();
        let purged = app.queues().purge("charge").states([JobState::Waiting]).reason("wrong file").await.unwrap();
        assert_eq!((purged.cancelled, purged.left), (702, 0));
        for job in [&jobs[0], &jobs[699], &urgent] {
            let error = job.result().await.unwrap_err();
            assert!(matches!(&error, JobError::Cancelled { reason, .. } if reason == "wrong file"), "{error}");
        }
        assert!(matches!(flow.result().await.unwrap_err(), WorkflowError::Cancelled { .. }));
        assert_eq!(delayed.state().await.unwrap(), Some(JobState::Delayed));
        assert_eq!(app.queues().purge("charge").await.unwrap().cancelled, 1);
        let later = app.dispatch(Charge { cents: 7 }).await.unwrap();
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&later).await.unwrap(), 7);
        worker.shutdown().await.unwrap();
    }
}

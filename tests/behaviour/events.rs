//! Listening to what happens, in all processes.

use std::time::Duration;

use taskora::prelude::*;
use taskora::{Event, Kind, Listener, What};

use crate::support::{Probe, Store, on_both, quick, result, soon};

#[task(retry(attempts = 2, delay = "1ms", jitter = false))]
async fn charge(ctx: &Context, cents: u32) -> Result<u32, TaskError> {
    ctx.progress(50);
    if cents == 0 { Err(TaskError::msg("nothing to charge")) } else { Ok(cents) }
}

#[task]
async fn held(probe: State<Probe>) {
    probe.saw("started");
    probe.gate().await;
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app).state(probe.clone()).register_all(tasks![Charge, Held]).start().await.unwrap()
}

async fn next(listener: &mut Listener) -> Event {
    soon("an event", listener.next()).await.unwrap()
}

/// So many events, by their kinds.
async fn kinds(listener: &mut Listener, count: usize) -> Vec<Option<Kind>> {
    let mut kinds = Vec::new();
    while kinds.len() < count {
        kinds.push(next(listener).await.what.kind());
    }
    kinds
}

on_both! {
    async fn the_life_of_a_job_is_heard_in_another_process(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        // workers that come up are heard, too, and belong to no task
        let mut listener = store.app().await.events().of::<Charge>().await.unwrap();
        let worker = worker(&app, &probe).await;
        let job = app.dispatch(Charge { cents: 0 }).await.unwrap();
        result(&job).await.unwrap_err();
        use Kind::{Enqueued, Failed, Progress, Retrying, Started};
        let expected = [Enqueued, Started, Progress, Retrying, Started, Progress, Failed];
        assert_eq!(kinds(&mut listener, 7).await, expected.map(Some));
        worker.shutdown().await.unwrap();
    }

    async fn who_listens_to_failures_of_a_task_hears_nothing_else(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let mut listener = app.events().of::<Charge>().only([Kind::Failed]).await.unwrap();
        let mut other = app.events().task("held").only(Kind::ENDS).await.unwrap();
        let fine = app.dispatch(Charge { cents: 5 }).await.unwrap();
        result(&fine).await.unwrap();
        let job = app.dispatch(Charge { cents: 0 }).await.unwrap();
        let event = next(&mut listener).await;
        assert_eq!((event.job.as_ref(), event.task.as_deref()), (Some(job.id()), Some("charge")));
        let failed = What::Failed { attempts: 2, error: "nothing to charge".into(), stalled: false };
        assert_eq!(event.what, failed);
        let job = app.dispatch(Held {}).delay(Duration::from_secs(60)).await.unwrap();
        job.cancel("not now").await.unwrap();
        let event = next(&mut other).await;
        assert_eq!((event.job.as_ref(), event.what), (Some(job.id()), What::Cancelled { reason: "not now".into() }));
        worker.shutdown().await.unwrap();
    }

    async fn s197_a_worker_is_heard_when_it_starts_and_when_it_stops(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let mut listener = store.app().await.events().only([Kind::WorkerStarted, Kind::WorkerStopped]).await.unwrap();
        let worker = worker(&app, &probe).await;
        let started = next(&mut listener).await;
        let id = app.inspect().workers().await.unwrap().remove(0).id;
        assert_eq!(started.what, What::WorkerStarted { worker: id.clone() });
        assert_eq!((started.task, started.job), (None, None));
        worker.shutdown().await.unwrap();
        assert_eq!(next(&mut listener).await.what, What::WorkerStopped { worker: id });
    }

    async fn s205_s207_progress_comes_before_the_end_which_comes_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let mut listener = app.events().of::<Charge>().only([Kind::Progress, Kind::Completed]).await.unwrap();
        let jobs = app.dispatch_many((1..=30).map(|cents| Charge { cents })).await.unwrap();
        let mut heard: std::collections::HashMap<JobId, Vec<Option<Kind>>> = Default::default();
        for _ in 0..60 {
            let event = next(&mut listener).await;
            heard.entry(event.job.unwrap()).or_default().push(event.what.kind());
        }
        for job in &jobs {
            assert_eq!(heard[job.id()], [Some(Kind::Progress), Some(Kind::Completed)]);
        }
        worker.shutdown().await.unwrap();
    }

    async fn what_is_dispatched_at_once_is_heard(store: Store) {
        let app = store.app().await;
        for _ in 0..100 {
            let mut listener = app.events().only([Kind::Enqueued]).await.unwrap();
            let job = app.dispatch(Charge { cents: 5 }).await.unwrap();
            assert_eq!(next(&mut listener).await.job.as_ref(), Some(job.id()));
        }
    }

    async fn a_listener_resumes_where_it_stopped(store: Store) {
        let app = store.app().await;
        let mut listener = app.events().only([Kind::Enqueued]).await.unwrap();
        let mut jobs = Vec::new();
        for cents in 1..=3 {
            jobs.push(app.dispatch(Charge { cents }).await.unwrap());
        }
        let first = next(&mut listener).await;
        assert_eq!(first.job.as_ref(), Some(jobs[0].id()));
        drop(listener);
        jobs.push(app.dispatch(Charge { cents: 4 }).await.unwrap());
        let cursor = first.id.to_string().parse().unwrap();
        let mut listener = store.app().await.events().only([Kind::Enqueued]).resume(cursor).await.unwrap();
        for job in &jobs[1..] {
            assert_eq!(next(&mut listener).await.job.as_ref(), Some(job.id()), "nothing is missing, and none comes twice");
        }
    }

    async fn whoever_gives_up_a_wait_misses_nothing(store: Store) {
        let app = store.app().await;
        let mut listener = app.events().only([Kind::Enqueued]).await.unwrap();
        for tries in 1..=20_u64 {
            // while the store is asked, or before
            let gone = tokio::time::timeout(Duration::from_micros(tries * 50), listener.next()).await;
            assert!(gone.is_err(), "{gone:?}");
        }
        let job = app.dispatch(Charge { cents: 5 }).await.unwrap();
        assert_eq!(next(&mut listener).await.job.as_ref(), Some(job.id()));
    }
}

//! What happened to a job, as an operator sees it.

use taskora::prelude::*;
use taskora::{Happened, Timeline};

use crate::support::{Echo, LEASE, Store, on_both, quick, result, until_state};

#[task(retry(attempts = 2, delay = "1ms", jitter = false))]
async fn refuse() -> Result<u32, String> {
    Err("not today".into())
}

async fn timeline(app: &App, id: &JobId) -> Timeline {
    app.inspect().job(id).await.unwrap().expect("it is known").timeline
}

fn told(timeline: &Timeline) -> Vec<(Happened, u32)> {
    timeline.steps.iter().map(|step| (step.what, step.attempt)).collect()
}

on_both! {
    async fn attempts_ends_and_revivals_are_on_the_timeline(store: Store) {
        use Happened::{Failed, Retried, Revived};
        let app = store.app().await;
        let job = app.dispatch(Refuse {}).await.unwrap();
        let before = timeline(&app, job.id()).await;
        assert_eq!((before.steps.len(), before.due_at, before.ended_at), (0, None, None));
        let worker = quick(&app).register::<Refuse>().start().await.unwrap();
        result(&job).await.unwrap_err();
        let first = timeline(&app, job.id()).await;
        assert_eq!(told(&first), [(Retried, 1), (Failed, 2)]);
        for step in &first.steps {
            assert_eq!(step.error.as_deref(), Some("not today"));
            assert!(step.started_at.is_some_and(|at| at >= first.created_at && at <= step.at), "{step:?}");
        }
        assert_eq!(first.ended_at, first.steps.last().map(|step| step.at));
        assert_eq!((first.attempts().count(), first.revivals().count()), (2, 0));

        job.retry().await.unwrap();
        result(&job).await.unwrap_err();
        let second = timeline(&app, job.id()).await;
        assert_eq!(told(&second), [(Retried, 1), (Failed, 2), (Revived, 0), (Retried, 1), (Failed, 2)]);
        assert_eq!(second.steps[..2], first.steps[..], "nothing of it changes");
        assert_eq!((second.attempts().count(), second.revivals().count()), (4, 1));
        assert!(second.steps.is_sorted_by_key(|step| step.at), "{second:?}");
        worker.shutdown().await.unwrap();
    }

    async fn a_job_that_completes_at_once_has_one_step(store: Store) {
        let app = store.app().await;
        let worker = quick(&app).register::<Echo>().start().await.unwrap();
        let job = app.dispatch(Echo::from("a")).await.unwrap();
        result(&job).await.unwrap();
        let timeline = timeline(&app, job.id()).await;
        assert_eq!(told(&timeline), [(Happened::Completed, 1)]);
        assert_eq!(timeline.attempts().count(), 1);
        worker.shutdown().await.unwrap();
    }

    async fn a_dead_worker_and_a_cancellation_are_on_the_timeline(store: Store) {
        let app = store.app().await;
        let job = app.dispatch(Echo::from("a")).await.unwrap();
        store.ghost().await.claim_one::<Echo>(LEASE).await;
        store.pass(LEASE).await;
        let worker = quick(&app).register::<Echo>().start().await.unwrap();
        until_state(&job, JobState::Completed).await;
        let lost = timeline(&app, job.id()).await;
        assert_eq!(told(&lost), [(Happened::Rescued, 1), (Happened::Completed, 1)]);
        assert_eq!(lost.steps[0].started_at, None);
        worker.shutdown().await.unwrap();
        let job = app.dispatch(Echo::from("b")).await.unwrap();
        job.cancel("why").await.unwrap();
        let cancelled = timeline(&app, job.id()).await;
        assert_eq!(told(&cancelled), [(Happened::Cancelled, 0)]);
        assert_eq!(cancelled.steps[0].error.as_deref(), Some("why"));
        assert_eq!(cancelled.attempts().count(), 0, "none has begun");
    }
}

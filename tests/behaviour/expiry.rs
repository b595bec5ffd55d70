//! Jobs that are not started in time.

use std::time::Duration;

use taskora::prelude::*;
use taskora::workflow::Step;
use taskora::{DispatchError, JobError, WorkflowError, WorkflowState};

use crate::support::{PATIENCE, Probe, Store, info, on_both, quick, result, until};

const TTL: Duration = Duration::from_millis(300);

#[task]
async fn note(text: String, probe: State<Probe>) -> String {
    probe.saw(&text);
    text
}

#[task(ttl = "300ms")]
async fn brief(probe: State<Probe>) {
    probe.saw("brief");
}

#[task(ttl(max = "0.3s", on_expire = discard))]
async fn discarded(probe: State<Probe>) {
    probe.saw("discarded");
}

/// Holds its slot until the test lets it go.
#[task]
async fn hold(probe: State<Probe>) {
    probe.saw("holds");
    probe.gate().await;
}

fn text(text: &str) -> Note {
    Note { text: text.to_owned() }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    quick(app).state(probe.clone()).register::<Note>().concurrency(1).start().await.unwrap()
}

on_both! {
    async fn s072_a_dispatch_may_say_how_long_its_job_may_wait(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let late = app.dispatch(text("late")).ttl(TTL).await.unwrap();
        let many = app.dispatch_many([text("late"), text("late")]).ttl(TTL).await.unwrap();
        let kept = app.dispatch(text("in time")).ttl(Duration::from_secs(3_600)).await.unwrap();
        let info = info(&late).await;
        assert_eq!(info.expires_at.map(|at| at.since(info.created_at)), Some(TTL));
        tokio::time::sleep(TTL).await;
        let worker = worker(&app, &probe).await;
        for handle in [&late, &many[0], &many[1]] {
            assert!(matches!(result(handle).await, Err(JobError::Expired { .. })));
            assert_eq!(handle.state().await.unwrap(), Some(JobState::Expired));
        }
        assert_eq!(result(&kept).await.unwrap(), "in time");
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["in time"]);
        assert_eq!(app.counts("note").await.unwrap().expired, 3);
    }

    async fn a_task_may_say_how_long_its_jobs_may_wait(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        assert_eq!(Brief::OPTIONS.ttl().map(|ttl| (ttl.max(), ttl.is_discarded())), Some((TTL, false)));
        assert_eq!(Discarded::OPTIONS.ttl().map(|ttl| (ttl.max(), ttl.is_discarded())), Some((TTL, true)));
        let late = app.dispatch(Brief {}).await.unwrap();
        let gone = app.dispatch(Discarded {}).await.unwrap();
        let longer = app.dispatch(Brief {}).ttl(Duration::from_secs(3_600)).await.unwrap();
        tokio::time::sleep(TTL).await;
        let worker = quick(&app).state(probe.clone()).register::<Brief>().register::<Discarded>();
        let worker = worker.start().await.unwrap();
        assert!(matches!(result(&late).await, Err(JobError::Expired { .. })));
        result(&longer).await.unwrap();
        // whoever asks while it goes is told that it has expired
        assert!(matches!(result(&gone).await, Err(JobError::Expired { .. } | JobError::NotFound { .. })));
        until(None, || async { gone.state().await.unwrap() }).await;
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["brief"]);
    }

    async fn a_job_expires_while_its_worker_is_busy(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Hold>().register::<Note>();
        let worker = worker.concurrency(1).start().await.unwrap();
        let busy = app.dispatch(Hold {}).await.unwrap();
        probe.until(1).await;
        let late = app.dispatch(text("late")).ttl(TTL).await.unwrap();
        // a sweep notices it
        assert!(matches!(result(&late).await, Err(JobError::Expired { .. })));
        probe.open(1);
        result(&busy).await.unwrap();
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["holds"]);
    }

    async fn a_step_that_is_not_started_in_time_ends_its_workflow(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let flow = text("late").with(|o| o.ttl(TTL)).then(text("last"));
        let handle = app.dispatch(flow).await.unwrap();
        tokio::time::sleep(TTL).await;
        let worker = worker(&app, &probe).await;
        let error = handle.result_within(PATIENCE).await.unwrap_err();
        assert!(matches!(error, WorkflowError::Expired { .. }), "{error}");
        assert_eq!(handle.state().await.unwrap(), Some(WorkflowState::Expired));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), [""; 0]);
    }

    async fn a_job_that_may_not_wait_at_all_is_refused(store: Store) {
        let app = store.app().await;
        let message = "a `ttl` of zero would expire every job; leave `ttl` out";
        for error in [
            app.dispatch(text("a")).ttl(Duration::ZERO).await.unwrap_err(),
            app.dispatch(text("a").then(Note::s().with(|o| o.ttl(Duration::ZERO)))).await.unwrap_err(),
        ] {
            assert!(matches!(&error, DispatchError::InvalidOption(found) if found == message), "{error}");
        }
    }
}

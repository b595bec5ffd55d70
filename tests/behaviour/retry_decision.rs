//! Which errors are retried: a task's patterns over its own error.

use std::time::Duration;

use taskora::prelude::*;

use crate::support::{Probe, Store, failure, info, on_both, result};

#[derive(Debug, Clone, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Upstream {
    #[error("busy for {0} ms")]
    Busy(u64),
    #[error("bad request")]
    BadRequest,
    #[error("unreachable")]
    Unreachable,
}

impl Upstream {
    fn wait(&self) -> Option<Duration> {
        if let Self::Busy(millis) = self { Some(Duration::from_millis(*millis)) } else { None }
    }
}

#[task(retry(attempts = 5, delay = "10ms", never_on = Upstream::BadRequest))]
async fn never(error: Upstream, probe: State<Probe>) -> Result<(), Upstream> {
    probe.saw("run");
    Err(error)
}

#[task(retry(attempts = 3, delay = "10ms", on = Upstream::Busy(_) | Upstream::Unreachable))]
async fn only(error: Upstream, probe: State<Probe>) -> Result<(), Upstream> {
    probe.saw("run");
    Err(error)
}

#[task(retry(attempts = 3, delay = "10ms", on = _, never_on = Upstream::Unreachable))]
async fn both(error: Upstream, probe: State<Probe>) -> Result<(), Upstream> {
    probe.saw("run");
    Err(error)
}

#[task(retry(attempts = 2, delay = "1h", after = Upstream::wait))]
async fn polite(error: Upstream, probe: State<Probe>) -> Result<(), Upstream> {
    probe.saw("run");
    Err(error)
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let builder = Worker::builder(app).state(probe.clone());
    builder.register_all(tasks![Never, Only, Both, Polite]).start().await.unwrap()
}

on_both! {
    async fn s027_an_error_of_never_on_is_final_at_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Never { error: Upstream::BadRequest }).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("bad request".into(), 1));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.count("run"), 1);
    }

    async fn s040_an_error_that_never_on_does_not_name_is_retried(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Never { error: Upstream::Unreachable }).await.unwrap();
        assert_eq!(failure(result(&handle).await), ("unreachable".into(), 5));
        worker.shutdown().await.unwrap();
        assert_eq!(probe.count("run"), 5);
    }

    async fn s041_only_errors_of_on_are_retried(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        for (error, attempts) in [(Upstream::Busy(1), 3), (Upstream::Unreachable, 3), (Upstream::BadRequest, 1)] {
            let handle = app.dispatch(Only { error: error.clone() }).await.unwrap();
            assert_eq!(failure(result(&handle).await), (error.to_string(), attempts));
        }
        worker.shutdown().await.unwrap();
        assert_eq!(probe.count("run"), 7);
    }

    async fn never_on_goes_before_on(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        for (error, attempts) in [(Upstream::BadRequest, 3), (Upstream::Unreachable, 1)] {
            let handle = app.dispatch(Both { error }).await.unwrap();
            assert_eq!(failure(result(&handle).await).1, attempts);
        }
        worker.shutdown().await.unwrap();
    }

    async fn after_takes_the_delay_from_the_error(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let busy = app.dispatch(Polite { error: Upstream::Busy(30) }).await.unwrap();
        assert_eq!(failure(result(&busy).await), ("busy for 30 ms".into(), 2));
        let info = info(&busy).await;
        assert!(info.finished_at.unwrap().since(info.created_at) >= Duration::from_millis(30));

        // an error without a wish rests as the policy says: an hour
        let other = app.dispatch(Polite { error: Upstream::Unreachable }).await.unwrap();
        crate::support::until_state(&other, JobState::Retrying).await;
        worker.shutdown().await.unwrap();
    }
}

//! Jobs that become ready later.

use std::time::{Duration, SystemTime};

use taskora::prelude::*;
use tokio::time::Instant;

use crate::support::{Probe, Store, info, on_both, result};

const DELAY: Duration = Duration::from_millis(200);

#[task]
async fn note(text: String, probe: State<Probe>) -> String {
    probe.saw(&text);
    text
}

fn text(text: &str) -> Note {
    Note { text: text.to_owned() }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    // its safety nets are far away: a wait for work ends after ten seconds
    let builder = Worker::builder(app).lease(Duration::from_secs(60)).sweep(Duration::from_secs(60));
    builder.state(probe.clone()).register::<Note>().concurrency(1).start().await.unwrap()
}

on_both! {
    async fn s004_a_delayed_job_waits_for_its_time_and_runs_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let start = Instant::now();
        let handle = app.dispatch(text("later")).delay(DELAY).await.unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Delayed));
        let counts = app.counts("note").await.unwrap();
        assert_eq!((counts.delayed, counts.waiting, counts.active), (1, 0, 0));
        let info = info(&handle).await;
        assert_eq!(info.due_at.map(|due| due.since(info.created_at)), Some(DELAY));

        assert_eq!(result(&handle).await.unwrap(), "later");
        assert!(start.elapsed() >= DELAY, "after {:?}", start.elapsed());
        assert_eq!(app.counts("note").await.unwrap().delayed, 0);
        worker.shutdown().await.unwrap();
        assert_eq!(probe.seen(), ["later"]);
    }

    async fn a_delayed_job_runs_when_it_is_due_and_not_a_safety_net_later(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        // the worker is idle, and listens
        let warm = app.dispatch(text("warm")).await.unwrap();
        result(&warm).await.unwrap();
        for _ in 0..3 {
            let handle = app.dispatch(text("later")).delay(DELAY).await.unwrap();
            result(&handle).await.unwrap();
            let info = info(&handle).await;
            let late = info.started_at.unwrap().since(info.created_at).saturating_sub(DELAY);
            assert!(late < store.at_most(Duration::from_secs(1)), "{late:?} late");
        }
        worker.shutdown().await.unwrap();
    }

    async fn an_earlier_delay_overtakes_a_later_one(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        app.dispatch(text("in an hour")).delay(Duration::from_secs(3_600)).await.unwrap();
        let soon = app.dispatch(text("soon")).delay(DELAY).await.unwrap();
        result(&soon).await.unwrap();
        assert_eq!(probe.seen(), ["soon"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_job_for_a_time_that_is_past_waits_at_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handle = app.dispatch(text("past")).at(SystemTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Waiting));
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&handle).await.unwrap(), "past");
        worker.shutdown().await.unwrap();
    }

    async fn a_job_for_a_time_to_come_waits_for_it(store: Store) {
        let app = store.app().await;
        let created = info(&app.dispatch(text("now")).await.unwrap()).await.created_at;
        let at = created.to_system_time() + Duration::from_secs(60);
        let handle = app.dispatch(text("then")).at(at).await.unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Delayed));
        assert_eq!(info(&handle).await.due_at.unwrap().since(created), Duration::from_secs(60));
    }

    async fn s021_a_delayed_handle_reads_delayed_and_then_completed(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handle = app.dispatch(text("value")).delay(DELAY).await.unwrap();
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Delayed));
        let worker = worker(&app, &probe).await;
        assert_eq!(result(&handle).await.unwrap(), "value");
        assert_eq!(handle.state().await.unwrap(), Some(JobState::Completed));
        worker.shutdown().await.unwrap();
    }

    async fn x19_jobs_that_become_ready_together_run_in_the_order_they_were_due(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let now = app.dispatch(text("now")).await.unwrap();
        let base = info(&now).await.created_at.to_system_time() + Duration::from_millis(400);
        for (name, place) in [("third", 2), ("first", 0), ("second", 1)] {
            let handle = app.dispatch(text(name)).at(base + place * Duration::from_millis(1)).await.unwrap();
            assert_eq!(handle.state().await.unwrap(), Some(JobState::Delayed));
        }
        // nobody looks until all of them are due: time itself is what this is about
        tokio::time::sleep(Duration::from_millis(450)).await;
        let worker = worker(&app, &probe).await;
        assert_eq!(probe.until(4).await, ["now", "first", "second", "third"]);
        worker.shutdown().await.unwrap();
    }

    async fn bulk_jobs_take_a_delay_too(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many([text("a"), text("b"), text("c")]).delay(DELAY).await.unwrap();
        for handle in &handles {
            assert_eq!(handle.state().await.unwrap(), Some(JobState::Delayed));
        }
        // due together, so the ids decide, which are in the order of the dispatch
        assert_eq!(probe.until(3).await, ["a", "b", "c"]);
        worker.shutdown().await.unwrap();
    }
}

//! How many jobs of a task start in a time, in all processes.

use std::time::Duration;

use taskora::prelude::*;
use taskora::{Blocked, JobState, Worker};

use crate::support::{Probe, Recorder, Store, on_both, quick, result, until};

const TIME: Duration = Duration::from_secs(10 * 60);

/// A window.
#[task(rate(max = 3, per = "10m"), aliases = ["paced-before"])]
async fn paced(n: u32, probe: State<Probe>) {
    probe.saw(n);
}

/// A bucket; a token comes back after five minutes.
#[task(rate(max = 2, per = "10m", burst = 3))]
async fn poured(n: u32, probe: State<Probe>) {
    probe.saw(n);
}

/// The first attempt fails.
#[task(rate(max = 3, per = "10m"), retry(attempts = 2, delay = "10ms"))]
async fn flaky(n: u32, probe: State<Probe>, ctx: &Context) -> Result<(), std::io::Error> {
    probe.saw(n);
    if ctx.attempt() == 1 { Err(std::io::Error::other("again")) } else { Ok(()) }
}

/// Of each account, and of all together.
#[task(fair(key = |t| t.account), rate(key, max = 2, per = "10m"), rate(max = 5, per = "10m"))]
async fn per_account(account: String, n: u32, probe: State<Probe>) {
    probe.saw(n);
    let _ = account;
}

/// The other side wants no more of an account after the first request.
#[task(fair(key = |t| t.account), retry(attempts = 2))]
async fn refused(account: String, n: u32, probe: State<Probe>, ctx: &Context) -> Result<(), TaskError> {
    probe.saw(n);
    let is_first = account == "a" && n == 0 && ctx.attempt() == 1;
    if is_first { Err(ctx.retry_after(TIME).for_key()) } else { Ok(()) }
}

#[task]
async fn free(n: u32) {
    let _ = n;
}

mod before {
    use super::task;

    #[task(name = "paced", rate(max = 7, per = "1m", burst = 2))]
    pub(super) async fn otherwise(n: u32) {
        let _ = n;
    }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let worker = quick(app).prefetch(10).state(probe.clone());
    worker.register_all(tasks![Paced, Poured, Flaky, PerAccount, Refused, Free]).start().await.unwrap()
}

/// So many attempts have started, and a job of another task, which is claimed after them, finds no more.
async fn started(app: &App, probe: &Probe, count: usize) {
    until(count, || async { probe.seen().len() }).await;
    result(&app.dispatch(Free { n: 0 }).await.unwrap()).await.unwrap();
    assert_eq!(probe.seen().len(), count);
}

on_both! {
    async fn a_window_holds_over_all_workers(store: Store) {
        let probe = Probe::new();
        let apps = [store.app().await, store.app().await];
        let workers = [worker(&apps[0], &probe).await, worker(&apps[1], &probe).await];
        until(true, || async { apps[0].queues().gate::<Paced>().await.unwrap().declared_rate.is_some() }).await;
        let mut handles = apps[0].dispatch_many((0..6).map(|n| Paced { n })).await.unwrap();
        let raw = apps[1].dispatch_raw("paced-before", serde_json::json!({ "n": 6 })).await.unwrap();
        handles.push(apps[1].job::<Paced>(raw.id().clone()));
        started(&apps[1], &probe, 3).await;
        let gate = apps[0].queues().gate::<Paced>().await.unwrap();
        assert_eq!(gate.to_string(), "0, at most 3 in 600s");
        assert!(gate.opens_at.is_some());
        let waits = handles[5].info().await.unwrap().unwrap();
        assert_eq!((waits.state, waits.blocked), (JobState::Waiting, Some(Blocked::Rate)));
        store.pass(TIME / 2).await;
        started(&apps[0], &probe, 3).await;
        store.pass(TIME / 2).await;
        started(&apps[0], &probe, 6).await;
        store.pass(TIME).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.seen().len(), 7);
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_bucket_gives_its_tokens_and_then_one_by_one(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..5).map(|n| Poured { n })).await.unwrap();
        for count in 3..=5 {
            started(&app, &probe, count).await;
            store.pass(TIME / 2).await;
        }
        for handle in &handles {
            result(handle).await.unwrap();
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_retry_is_a_start(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..2).map(|n| Flaky { n })).await.unwrap();
        started(&app, &probe, 3).await;
        store.pass(TIME).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.seen().len(), 4);
        worker.shutdown().await.unwrap();
    }

    async fn each_key_has_its_rate(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let of = |account: &str, n| PerAccount { account: account.into(), n };
        let first = [of("a", 0), of("a", 1), of("a", 2), of("b", 3)];
        let mut handles = app.dispatch_many(first).await.unwrap();
        started(&app, &probe, 3).await;
        let waits = handles[2].info().await.unwrap().unwrap();
        assert_eq!((waits.state, waits.blocked), (JobState::Waiting, Some(Blocked::Rate)));
        let gate = app.queues().gate::<PerAccount>().key("a").await.unwrap();
        assert_eq!(gate.to_string(), "0, at most 2 in 600s");
        assert!(gate.opens_at.is_some());
        // this one pays for more
        app.queues().rate::<PerAccount>().key("a").set(3, TIME).await.unwrap();
        started(&app, &probe, 4).await;
        handles.extend(app.dispatch_many([of("c", 4), of("d", 5)]).await.unwrap());
        started(&app, &probe, 5).await;
        app.queues().rate::<PerAccount>().key("a").reset().await.unwrap();
        store.pass(TIME).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.seen().len(), 6);
        let refused = app.queues().rate::<Paced>().key("a").set(1, TIME).await.unwrap_err().to_string();
        assert!(refused.contains("`paced` is not limited by key"), "{refused}");
        worker.shutdown().await.unwrap();
    }

    async fn an_answer_of_429_closes_the_key(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let of = |account: &str, n| Refused { account: account.into(), n };
        let mut handles = app.dispatch_many([of("a", 0)]).await.unwrap();
        until(true, || async { app.queues().gate::<Refused>().key("a").await.unwrap().opens_at.is_some() }).await;
        handles.extend(app.dispatch_many([of("a", 1), of("b", 2)]).await.unwrap());
        started(&app, &probe, 2).await;
        assert_eq!(probe.seen(), ["0", "2"]);
        assert_eq!(handles[1].info().await.unwrap().unwrap().blocked, Some(Blocked::Rate));
        store.pass(TIME).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        assert_eq!(probe.seen().len(), 4);
        worker.shutdown().await.unwrap();
    }

    async fn a_rate_that_is_set_survives_the_start_of_workers(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        app.queues().rate::<Paced>().set(5, TIME).await.unwrap();
        let first = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..7).map(|n| Paced { n })).await.unwrap();
        started(&app, &probe, 5).await;
        let gate = app.queues().gate::<Paced>().await.unwrap();
        assert_eq!(gate.to_string(), "0, at most 5 in 600s");
        // what has started counts
        app.queues().rate::<Paced>().set(6, TIME).await.unwrap();
        started(&app, &probe, 6).await;
        app.queues().rate::<Paced>().reset().await.unwrap();
        assert_eq!(app.queues().gate::<Paced>().await.unwrap().to_string(), "0, at most 3 in 600s");
        app.queues().rate::<Paced>().burst(1).set(9, TIME).await.unwrap();
        for handle in &handles {
            result(handle).await.unwrap();
        }
        first.shutdown().await.unwrap();
        let refused = app.queues().rate::<Paced>().set(1_001, TIME).await.unwrap_err().to_string();
        assert!(refused.contains("a window of more than 1,000 starts; give `burst`"), "{refused}");
        let refused = app.queues().rate::<Paced>().set(0, TIME).await.unwrap_err().to_string();
        assert!(refused.contains("a rate of 0 would never run the task"), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_differs_from_that_of_another_build_is_said_once() {
    let (lines, _guard) = Recorder::start();
    let (app, probe) = (Store::memory().app().await, Probe::new());
    let older = Worker::builder(&app).register::<before::Otherwise>().start().await.unwrap();
    until(true, || async { app.queues().gate::<Paced>().await.unwrap().declared_rate.is_some() }).await;
    for _ in 0..2 {
        let newer = worker(&app, &probe).await;
        until(Some(3), || async {
            app.queues().gate::<Paced>().await.unwrap().declared_rate.map(|rate| rate.max)
        })
        .await;
        newer.shutdown().await.unwrap();
    }
    older.shutdown().await.unwrap();
    let said = lines.lines("the rate of task");
    assert_eq!(
        said,
        [
            "WARN the rate of task paced is at most 3 in 600s now; another build has declared 7 in 60s, 2 at once"
        ]
    );
}

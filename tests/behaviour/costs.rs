//! Jobs that count as several starts of a rate.

use std::time::Duration;

use taskora::prelude::*;
use taskora::{Blocked, DispatchError, JobState, Schedule, Worker};

use crate::support::{Probe, Store, on_both, quick, result, until};

const TIME: Duration = Duration::from_secs(10 * 60);

#[task(rate(max = 6, per = "10m", cost = |t| t.rows), derive(Clone))]
async fn import(n: u32, rows: u32, probe: State<Probe>) {
    let _ = rows;
    probe.saw(n);
}

/// The first attempt fails.
#[task(rate(max = 8, per = "10m", burst = 8, cost = rows_of), retry(attempts = 2, delay = "10ms"))]
async fn flaky(n: u32, rows: u32, probe: State<Probe>, ctx: &Context) -> Result<(), std::io::Error> {
    let _ = rows;
    probe.saw(n);
    if ctx.attempt() == 1 { Err(std::io::Error::other("again")) } else { Ok(()) }
}

fn rows_of(flaky: &Flaky) -> u32 {
    flaky.rows
}

/// Of each account, and of all together.
#[task(fair(key = |t| t.account), rate(key, max = 4, per = "10m", cost = |t| t.rows), rate(max = 9, per = "10m"))]
async fn upload(account: String, n: u32, rows: u32, probe: State<Probe>) {
    let _ = (account, rows);
    probe.saw(n);
}

#[task]
async fn rows() -> u32 {
    6
}

#[task]
async fn free(n: u32) {
    let _ = n;
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let worker = quick(app).state(probe.clone());
    worker.register_all(tasks![Import, Flaky, Upload, Rows, Free]).start().await.unwrap()
}

/// So many attempts have started, and a job of another task, which is claimed after them, finds no more.
async fn started(app: &App, probe: &Probe, count: usize) {
    until(count, || async { probe.seen().len() }).await;
    result(&app.dispatch(Free { n: 0 }).await.unwrap()).await.unwrap();
    assert_eq!(probe.seen().len(), count);
}

on_both! {
    async fn jobs_count_as_what_they_cost(store: Store) {
        let probe = Probe::new();
        let apps = [store.app().await, store.app().await];
        let workers = [worker(&apps[0], &probe).await, worker(&apps[1], &probe).await];
        let jobs = [(0, 3), (1, 2), (2, 6), (3, 1), (4, 0)].map(|(n, rows)| Import { n, rows });
        let handles = apps[0].dispatch_many(jobs).await.unwrap();
        started(&apps[1], &probe, 2).await;
        for waits in &handles[2..] {
            let info = waits.info().await.unwrap().unwrap();
            assert_eq!((info.state, info.blocked), (JobState::Waiting, Some(Blocked::Rate)));
        }
        assert!(apps[0].queues().gate::<Import>().await.unwrap().opens_at.is_some());
        store.pass(TIME).await;
        started(&apps[0], &probe, 3).await;
        assert!(probe.seen().contains(&"2".to_owned()));
        store.pass(TIME).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn the_next_job_goes_when_the_first_one_is_cancelled(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let jobs = [(0, 4), (1, 3), (2, 2)].map(|(n, rows)| Import { n, rows });
        let handles = app.dispatch_many(jobs).await.unwrap();
        started(&app, &probe, 1).await;
        handles[1].cancel("not wanted").await.unwrap();
        result(&handles[2]).await.unwrap();
        worker.shutdown().await.unwrap();
    }

    async fn a_retry_costs_as_much_again(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let first = app.dispatch(Flaky { n: 0, rows: 3 }).await.unwrap();
        result(&first).await.unwrap();
        let second = app.dispatch(Flaky { n: 1, rows: 3 }).await.unwrap();
        started(&app, &probe, 2).await;
        assert_eq!(second.info().await.unwrap().unwrap().blocked, Some(Blocked::Rate));
        store.pass(TIME).await;
        result(&second).await.unwrap();
        worker.shutdown().await.unwrap();
    }

    async fn a_cost_counts_for_the_task_and_for_its_key(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let of = |account: &str, n, rows| Upload { account: account.into(), n, rows };
        let mut handles = app.dispatch_many([of("a", 0, 3), of("a", 1, 2), of("b", 2, 4)]).await.unwrap();
        started(&app, &probe, 2).await;
        // two of the nine are left, and one of the four of `a`
        handles.push(app.dispatch(of("c", 3, 3)).await.unwrap());
        started(&app, &probe, 2).await;
        assert!(app.queues().gate::<Upload>().key("a").await.unwrap().opens_at.is_some());
        assert!(app.queues().gate::<Upload>().await.unwrap().opens_at.is_some());
        store.pass(TIME).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        worker.shutdown().await.unwrap();
    }

    async fn steps_and_runs_of_schedules_cost_as_much(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let steps = group([Import { n: 0, rows: 4 }, Import { n: 1, rows: 4 }]);
        let steps = app.dispatch(steps).await.unwrap();
        started(&app, &probe, 1).await;
        store.pass(TIME).await;
        started(&app, &probe, 2).await;
        steps.result().await.unwrap();
        let schedule = Schedule::new("nightly").manual().run(Import { n: 2, rows: 3 });
        app.schedules().upsert(schedule).await.unwrap();
        app.schedules().trigger("nightly").await.unwrap();
        started(&app, &probe, 2).await;
        store.pass(TIME).await;
        started(&app, &probe, 3).await;
        worker.shutdown().await.unwrap();
    }

    async fn what_is_not_known_costs_one_start(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        // the rows come from the step before
        let handle = app.dispatch(chain((Rows {}, Import::s().n(0u32)))).await.unwrap();
        handle.result().await.unwrap();
        app.dispatch_raw("import", serde_json::json!({ "n": 1, "rows": 6 })).await.unwrap();
        started(&app, &probe, 2).await;
        let last = app.dispatch(Import { n: 2, rows: 4 }).await.unwrap();
        result(&last).await.unwrap();
        worker.shutdown().await.unwrap();
    }

    async fn a_job_that_could_never_start_is_refused(store: Store) {
        let app = store.app().await;
        let text = "a job of `import` costs 7, more than its `rate` ever gives, at most 6 in 600s; \
            split it, or raise the rate";
        let refused = app.dispatch(Import { n: 0, rows: 7 }).await.unwrap_err();
        assert!(matches!(&refused, DispatchError::CostsTooMuch { cost: 7, .. }), "{refused:?}");
        assert_eq!((refused.to_string().as_str(), refused.is_retryable()), (text, false));
        let many = [1, 7].map(|rows| Import { n: 0, rows });
        assert_eq!(app.dispatch_many(many.clone()).await.unwrap_err().to_string(), text);
        assert_eq!(app.dispatch(group(many)).await.unwrap_err().to_string(), text);
        let schedule = Schedule::new("nightly").manual().run(Import { n: 0, rows: 7 });
        let refused = app.schedules().upsert(schedule).await.unwrap_err();
        let why = std::error::Error::source(&refused).expect("it says why").to_string();
        assert!(why.contains(text), "{why}");
        let refused = app.dispatch(Upload { account: "a".into(), n: 0, rows: 5 }).await.unwrap_err();
        assert!(refused.to_string().contains("at most 4 in 600s"), "{refused}");
        let refused = app.dispatch(Flaky { n: 0, rows: 9 }).await.unwrap_err();
        assert!(refused.to_string().contains("8 in 600s, 8 at once"), "{refused}");
        assert_eq!(app.counts("import").await.unwrap().waiting, 0);
    }

    async fn a_rate_that_is_lowered_blocks_nothing_for_ever(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        app.queues().rate::<Import>().set(2, TIME).await.unwrap();
        let jobs = [(0, 6), (1, 1)].map(|(n, rows)| Import { n, rows });
        let handles = app.dispatch_many(jobs).await.unwrap();
        let worker = worker(&app, &probe).await;
        started(&app, &probe, 1).await;
        store.pass(TIME).await;
        for handle in &handles {
            result(handle).await.unwrap();
        }
        worker.shutdown().await.unwrap();
    }
}

//! How many jobs of a key run at once, whose turn it is, and which key a job has.

use serde_json::json;
use taskora::prelude::*;
use taskora::{Blocked, DispatchError, JobHandle, Schedule, Worker};

use crate::support::{Probe, Recorder, Store, on_both, quick, result, until};

/// At most two of a tenant at once, and five in all.
#[task(limit(max = 5), limit(key = |t| t.tenant, max = 2))]
async fn report(tenant: String, n: u32, probe: State<Probe>) -> u32 {
    let _running = probe.enter();
    probe.saw(format!("{tenant}{n}"));
    probe.gate().await;
    n
}

#[task(limit(key = given, max = 1))]
async fn export(n: u32, probe: State<Probe>) {
    let _running = probe.enter();
    probe.saw(n);
    probe.gate().await;
}

#[task(fair(key = |t| t.tenant))]
async fn turn(tenant: String, probe: State<Probe>) {
    probe.saw(tenant);
}

#[task]
async fn tenant_of(n: u32) -> String {
    format!("tenant-{n}")
}

/// Fails twice; the next one of its key must not start in between.
#[task(limit(key = |t| t.order, max = 1, ordered), retry(attempts = 3, delay = "20ms"))]
async fn ship(order: u32, step: u32, ctx: &Context, probe: State<Probe>) -> Result<(), std::io::Error> {
    probe.saw(format!("{order}.{step}"));
    if step == 1 && ctx.attempt() < 3 {
        return Err(std::io::Error::other("again"));
    }
    Ok(())
}

#[task]
async fn free() {}

/// The code of an older build.
mod before {
    use taskora::prelude::*;

    #[task(name = "ship", limit(key = |t| t.order, max = 3))]
    pub(super) async fn ship_in_parallel(order: u32) {
        let _ = order;
    }
}

async fn worker(app: &App, probe: &Probe) -> Worker {
    let tasks = tasks![Report, Export, Turn, TenantOf, Ship, Free];
    quick(app).state(probe.clone()).register_all(tasks).start().await.unwrap()
}

fn of(tenant: &str, n: u32) -> Report {
    Report { tenant: tenant.into(), n }
}

async fn all(handles: impl IntoIterator<Item = JobHandle<impl serde::de::DeserializeOwned>>) {
    for handle in handles {
        result(&handle).await.unwrap();
    }
}

on_both! {
    async fn a_key_has_as_many_as_its_limit_says_over_all_workers(store: Store) {
        let probe = Probe::new();
        let apps = [store.app().await, store.app().await];
        let workers = [worker(&apps[0], &probe).await, worker(&apps[1], &probe).await];
        let mut handles = apps[0].dispatch_many((0..10).map(|n| of("a", n))).await.unwrap();
        until(2, || async { probe.running() }).await;
        let waits = handles[9].info().await.unwrap().unwrap();
        assert_eq!(waits.blocked, Some(Blocked::LimitKey("a".into())));
        // others are not held up, until the task has as many as its own limit says
        handles.extend(apps[1].dispatch_many((0..2).map(|n| of("b", n))).await.unwrap());
        handles.extend(apps[1].dispatch_many((0..2).map(|n| of("c", n))).await.unwrap());
        until(5, || async { probe.running() }).await;
        assert_eq!(apps[1].queues().gate::<Report>().await.unwrap().to_string(), "5 of 5");
        assert_eq!(apps[1].queues().gate::<Report>().key("a").await.unwrap().to_string(), "2 of 2");
        probe.open(14);
        all(handles).await;
        assert_eq!(probe.most(), 5);
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
    }

    async fn s080_the_limit_of_a_key_is_set_while_its_jobs_wait(store: Store) {
        let (probe, app) = (Probe::new(), store.app().await);
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..9).map(|n| of("a", n))).await.unwrap();
        until(2, || async { probe.running() }).await;
        app.queues().limit::<Report>().key("a").set(4).await.unwrap();
        until(4, || async { probe.running() }).await;
        app.queues().limit::<Report>().key("a").reset().await.unwrap();
        assert_eq!(app.queues().gate::<Report>().key("a").await.unwrap().to_string(), "4 of 2");
        assert_eq!(app.queues().gate::<Report>().key("b").await.unwrap().to_string(), "0 of 2");
        probe.open(9);
        all(handles).await;
        worker.shutdown().await.unwrap();
    }

    async fn a_key_is_paused_and_the_others_go_on(store: Store) {
        let (probe, app) = (Probe::new(), store.app().await);
        let worker = worker(&app, &probe).await;
        probe.open(2);
        assert!(app.queues().pause::<Report>().key("a").reason("unpaid").await.unwrap());
        let waits = app.dispatch(of("a", 1)).await.unwrap();
        result(&app.dispatch(of("b", 2)).await.unwrap()).await.unwrap();
        assert_eq!(waits.info().await.unwrap().unwrap().blocked, Some(Blocked::Paused));
        assert_eq!(app.queues().gate::<Report>().key("a").await.unwrap().to_string(), "0 of 2, paused: unpaid");
        assert_eq!(app.queues().gate::<Report>().await.unwrap().paused, None, "its task is not");
        assert_eq!(probe.seen(), ["b2"]);
        assert!(app.queues().resume::<Report>().key("a").await.unwrap());
        result(&waits).await.unwrap();
        assert!(!app.queues().resume::<Report>().key("a").await.unwrap());
        let error = app.queues().pause::<Free>().key("a").await.unwrap_err();
        assert!(error.to_string().contains("`free` is not limited by key"), "{error}");
        worker.shutdown().await.unwrap();
    }

    async fn a_key_with_many_jobs_keeps_no_other_waiting(store: Store) {
        let (probe, app) = (Probe::new(), store.app().await);
        // jobs that are older than the first worker of a limit have no lane
        worker(&app, &probe).await.shutdown().await.unwrap();
        let mut handles = app.dispatch_many((0..50).map(|_| Turn { tenant: "flood".into() })).await.unwrap();
        for tenant in ["a", "b", "c"] {
            handles.push(app.dispatch(Turn { tenant: tenant.into() }).await.unwrap());
        }
        let one = quick(&app).concurrency(1).state(probe.clone()).register::<Turn>();
        let worker = one.start().await.unwrap();
        all(handles).await;
        let seen = probe.seen();
        for tenant in ["a", "b", "c"] {
            let turn = seen.iter().position(|seen| seen == tenant).unwrap();
            assert!(turn < 5, "{tenant} came at turn {turn}: {:?}", &seen[..10]);
        }
        worker.shutdown().await.unwrap();
    }

    async fn a_key_that_only_the_dispatch_knows(store: Store) {
        let (probe, app) = (Probe::new(), store.app().await);
        let worker = worker(&app, &probe).await;
        let first = app.dispatch(Export { n: 1 }).limit_key("acme").await.unwrap();
        until(1, || async { probe.running() }).await;
        let second = app.dispatch(Export { n: 2 }).limit_key("acme").await.unwrap();
        let many = [Export { n: 3 }, Export { n: 4 }];
        let many = app.dispatch_many(many).limit_key(|export| (export.n == 3).then_some("acme")).await.unwrap();
        let raw = app.dispatch_raw("export", json!({ "n": 5 })).limit_key("acme").await.unwrap();
        // one without a key is not limited by one
        until(2, || async { probe.running() }).await;
        assert_eq!(probe.sorted(), ["1", "4"]);
        for waits in [&second, &many[0]] {
            let info = waits.info().await.unwrap().unwrap();
            assert_eq!(info.blocked, Some(Blocked::LimitKey("acme".into())));
        }
        probe.open(5);
        result(&raw).await.unwrap();
        all(many.into_iter().chain([first, second])).await;
        worker.shutdown().await.unwrap();
    }

    async fn a_step_with_an_open_argument_and_a_raw_job_take_their_key_late(store: Store) {
        let (probe, app) = (Probe::new(), store.app().await);
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..2).map(|n| of("tenant-7", n))).await.unwrap();
        until(2, || async { probe.running() }).await;
        let flow = TenantOf { n: 7 }.then(Report::s().n(8_u32));
        let flow = app.dispatch(flow).await.unwrap();
        let raw = app.dispatch_raw("report", json!({ "tenant": "tenant-7", "n": 9 })).await.unwrap();
        until(2, || async { app.counts("report").await.unwrap().waiting }).await;
        let blocked = || async { raw.info().await.unwrap().unwrap().blocked };
        until(Some(Blocked::LimitKey("tenant-7".into())), blocked).await;
        assert_eq!(probe.most(), 2);
        probe.open(4);
        all(handles).await;
        assert_eq!(flow.result().await.unwrap(), 8);
        assert_eq!(raw.result().await.unwrap(), json!(9));
        let info = raw.info().await.unwrap().unwrap();
        assert_eq!((info.attempts, info.stalls, probe.most()), (1, 0, 2));
        worker.shutdown().await.unwrap();
    }

    async fn steps_and_ticks_have_their_keys_from_the_start(store: Store) {
        let (probe, app) = (Probe::new(), store.app().await);
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((0..2).map(|n| of("a", n))).await.unwrap();
        until(2, || async { probe.running() }).await;
        let flow = app.dispatch(Report::map((2..4).map(|n| of("a", n)))).await.unwrap();
        app.schedules().upsert(Schedule::new("reports").manual().run(of("a", 4))).await.unwrap();
        let tick = app.schedules().trigger("reports").await.unwrap();
        let blocked = || async { tick.info().await.unwrap().unwrap().blocked };
        until(Some(Blocked::LimitKey("a".into())), blocked).await;
        assert_eq!(app.counts("report").await.unwrap().waiting, 3);
        probe.open(5);
        all(handles).await;
        assert_eq!(flow.result().await.unwrap(), [2, 3]);
        tick.result().await.unwrap();
        assert_eq!(probe.most(), 2);
        worker.shutdown().await.unwrap();
    }

    async fn jobs_of_an_ordered_key_run_strictly_one_after_the_other(store: Store) {
        let (probe, app) = (Probe::new(), store.app().await);
        let worker = worker(&app, &probe).await;
        let handles = app.dispatch_many((1..4).map(|step| Ship { order: 7, step })).await.unwrap();
        let other = app.dispatch(Ship { order: 8, step: 2 }).await.unwrap();
        all(handles).await;
        result(&other).await.unwrap();
        let seen: Vec<_> = probe.seen().into_iter().filter(|seen| seen.starts_with('7')).collect();
        assert_eq!(seen, ["7.1", "7.1", "7.1", "7.2", "7.3"]);
        worker.shutdown().await.unwrap();
    }

    async fn a_key_that_cannot_be_is_an_error_of_the_dispatch(store: Store) {
        let app = store.app().await;
        let said = |error: DispatchError| error.to_string();
        let error = app.dispatch(Free {}).limit_key("acme").await.unwrap_err();
        assert!(matches!(&error, DispatchError::NotLimitedByKey { task } if task == "free"), "{error:?}");
        assert_eq!(
            said(error),
            "`free` is not limited by key; add `limit(key = .., max = ..)` or drop `.limit_key(..)`"
        );
        let error = app.dispatch_many([Free {}]).limit_key(|_| 7).await.unwrap_err();
        assert!(matches!(error, DispatchError::NotLimitedByKey { .. }), "{error:?}");
        let long = "k".repeat(201);
        for error in [
            app.dispatch(of(&long, 1)).await.unwrap_err(),
            app.dispatch_many([of("a", 1), of(&long, 2)]).await.unwrap_err(),
            app.dispatch(Report::map([of(&long, 1)])).await.unwrap_err(),
            app.dispatch_raw("report", json!({})).limit_key(&long).await.unwrap_err(),
        ] {
            assert!(matches!(error, DispatchError::KeyTooLong { size: 201, limit: 200, .. }), "{error:?}");
        }
        let error = app.dispatch(of("", 1)).await.unwrap_err();
        assert_eq!(
            said(error),
            "invalid option: the key of a job of `report` is empty; a job without a key has `None`"
        );
        assert_eq!(app.counts("report").await.unwrap().waiting, 0, "nothing was stored");
        let error = app.queues().limit::<Free>().key("acme").set(5).await.unwrap_err();
        assert!(error.to_string().contains("`free` is not limited by key"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_each_key_that_differs_from_that_of_another_build_is_said_once() {
    let (lines, _guard) = Recorder::start();
    let (app, probe) = (Store::memory().app().await, Probe::new());
    let older = Worker::builder(&app).register::<before::ShipInParallel>().start().await.unwrap();
    let declared = || async { app.queues().gate::<Ship>().key(7).await.unwrap().declared };
    until(Some(3), declared).await;
    for _ in 0..2 {
        let newer = worker(&app, &probe).await;
        until(Some(1), declared).await;
        newer.shutdown().await.unwrap();
    }
    older.shutdown().await.unwrap();
    let said = lines.lines("the limit of each key");
    assert_eq!(
        said,
        ["WARN the limit of each key of task ship is 1, in order now; another build has declared 3"]
    );
}

//! Which workers there are, what they do, and what they are told from outside.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskora::adapter::Swept;
use taskora::prelude::*;
use taskora::{Blocked, WorkerInfo, WorkerState, WorkersError};

use crate::support::{Held, Probe, Store, on_both, quick, result, until, until_is, until_state};

#[task]
async fn resize(_probe: State<Probe>) {}

async fn workers(app: &App) -> Vec<WorkerInfo> {
    app.inspect().workers().await.unwrap()
}

/// Waits until there are workers of which this holds.
async fn until_workers(app: &App, are: impl Fn(&[WorkerInfo]) -> bool) -> Vec<WorkerInfo> {
    until_is(|workers: &Vec<WorkerInfo>| are(workers), || workers(app), || "as they should be".to_owned())
        .await
}

/// Waits until there is one worker of which this holds.
async fn until_one(app: &App, is: impl Fn(&WorkerInfo) -> bool) -> WorkerInfo {
    until_workers(app, |workers| workers.len() == 1 && workers.iter().all(&is)).await.remove(0)
}

/// Waits for two sweeps of the only worker.
async fn until_swept_twice(app: &App) {
    for _ in 0..2 {
        let heard = workers(app).await[0].heard;
        until_one(app, |worker| worker.heard > heard).await;
    }
}

async fn blocked<T>(app: &App, handle: &JobHandle<T>) -> Option<Blocked> {
    app.inspect().job(handle.id()).await.unwrap().unwrap().info.blocked
}

on_both! {
    async fn all_workers_are_listed_with_what_they_do(store: Store) {
        let (app, other, probe) = (store.app().await, store.app().await, Probe::new());
        let busy = quick(&app).state(probe.clone()).register::<Held>().concurrency(2).prefetch(1);
        let busy = busy.start().await.unwrap();
        let idle = quick(&other).state(probe.clone()).register_all(tasks![Held, Resize]);
        let idle = idle.concurrency(7).start().await.unwrap();
        idle.pause();
        let both = until_workers(&other, |workers| {
            workers.len() == 2 && workers.iter().any(|worker| worker.state == WorkerState::Paused)
        })
        .await;
        let of = |id: &str| both.iter().find(|worker| worker.id == id).unwrap();
        let (one, two) = (of(busy.id()), of(idle.id()));
        assert_eq!((&*one.tasks, one.running, one.state), (&["held".to_owned()][..], 0, WorkerState::Running));
        assert_eq!((one.concurrency, two.concurrency, two.is_quiet), (2, 7, false));
        assert!(two.serves("held") && two.serves("resize") && two.tasks.len() == 2);
        for worker in &both {
            assert_eq!(worker.pid, std::process::id());
            assert!(worker.since <= worker.heard && !worker.program.is_empty() && worker.build == one.build);
        }

        // one of the jobs waits in its worker
        let handles = app.dispatch_many((0..3).map(|_| Held {})).await.unwrap();
        probe.until(2).await;
        let id = one.id.clone();
        let is_full = |worker: &WorkerInfo| (worker.id == id) == (worker.running == 2);
        let all = until_workers(&app, |workers| workers.iter().all(is_full)).await;
        let running = &all.iter().find(|worker| worker.id == id).unwrap().jobs;
        assert!(running.len() == 2 && running.iter().all(|id| handles.iter().any(|handle| handle.id() == id)));
        busy.set_concurrency(3).unwrap();
        until_workers(&app, |workers| workers.iter().any(|worker| worker.running == 3)).await;
        let overview = app.inspect().overview().await.unwrap();
        assert_eq!((overview.workers, overview.tasks[0].workers), (2, 2));

        idle.shutdown().await.unwrap();
        assert_eq!(workers(&app).await.len(), 1, "it has signed off");
        let stopping = tokio::spawn(busy.shutdown());
        until_one(&app, |worker| worker.id == id && worker.state == WorkerState::Stopping).await;
        probe.open(3);
        stopping.await.unwrap().unwrap();
        assert!(workers(&other).await.is_empty());
    }

    async fn a_worker_that_is_gone_without_a_word_is_forgotten(store: Store) {
        let ((app, switch), other) = (store.switched().await, store.app().await);
        let start = |app| quick(app).state(Probe::new()).register::<Resize>().start();
        let (lost, stays) = (start(&app).await.unwrap(), start(&other).await.unwrap());
        until_workers(&other, |workers| workers.len() == 2).await;
        switch.cut_off.store(true, Ordering::SeqCst);
        store.pass(Duration::from_secs(31)).await;
        until_one(&other, |worker| worker.id == stays.id()).await;
        switch.cut_off.store(false, Ordering::SeqCst);
        until_workers(&other, |workers| workers.len() == 2).await;
        for worker in [lost, stays] {
            worker.shutdown().await.unwrap();
        }
    }

    async fn a_worker_that_is_paused_from_outside_starts_nothing_until_it_is_resumed(store: Store) {
        let (app, operator, probe) = (store.app().await, store.app().await, Probe::new());
        let worker = quick(&app).state(probe.clone()).register::<Held>().start().await.unwrap();
        let running = app.dispatch(Held {}).await.unwrap();
        probe.until(1).await;
        let id = until_one(&operator, |worker| worker.running == 1).await.id;
        assert_eq!(id, worker.id());

        operator.workers().pause(&id).await.unwrap();
        assert!(workers(&operator).await[0].is_quiet);
        until(true, || async { worker.is_paused() }).await;
        let waiting = app.dispatch(Held {}).await.unwrap();
        let shown = until_one(&operator, |worker| worker.state == WorkerState::Paused).await;
        assert_eq!((shown.is_quiet, shown.running), (true, 1), "what runs goes on");
        probe.open(1);
        assert_eq!(result(&running).await.unwrap(), 7);
        // told by its own process, too, it stays paused until both have ended
        worker.pause();
        operator.workers().pause(&id).await.unwrap();
        worker.resume();
        until_swept_twice(&operator).await;
        assert_eq!((worker.is_paused(), waiting.state().await.unwrap()), (true, Some(JobState::Waiting)));
        worker.pause();
        operator.workers().resume(&id).await.unwrap();
        until(false, || async { workers(&operator).await[0].is_quiet }).await;
        assert!(worker.is_paused());
        worker.resume();
        probe.open(1);
        assert_eq!(result(&waiting).await.unwrap(), 7);
        assert_eq!(probe.seen().len(), 2);

        operator.workers().pause(&id).await.unwrap();
        until(true, || async { worker.is_paused() }).await;
        let last = app.dispatch(Held {}).await.unwrap();
        operator.workers().resume(&id).await.unwrap();
        probe.open(1);
        assert_eq!(result(&last).await.unwrap(), 7, "it hears that there is work");
        worker.shutdown().await.unwrap();
        let error = operator.workers().resume(&id).await.unwrap_err();
        assert!(matches!(&error, WorkersError::NotFound { id: named } if *named == id));
        assert_eq!(
            error.to_string(),
            format!(
                "there is no worker `{id}`: it has shut down, was silent for too long, or has just started; \
                 `app.inspect().workers()` returns those there are"
            )
        );
    }

    async fn a_waiting_job_says_that_no_worker_serves_it(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((0..2).map(|_| Held {})).await.unwrap();
        assert_eq!(blocked(&app, &handles[1]).await, Some(Blocked::NoWorker));
        assert_eq!(handles[1].info().await.unwrap().unwrap().blocked, None, "a handle does not ask for that");
        app.queues().pause::<Held>().await.unwrap();
        assert_eq!(blocked(&app, &handles[1]).await, Some(Blocked::Paused));
        app.queues().resume::<Held>().await.unwrap();

        let worker = quick(&app).state(probe.clone()).register::<Held>().concurrency(1).start().await.unwrap();
        probe.until(1).await;
        assert_eq!(blocked(&app, &handles[0]).await, None, "it runs");
        until(None, || blocked(&app, &handles[1])).await;
        probe.open(2);
        for handle in &handles {
            until_state(handle, JobState::Completed).await;
        }
        worker.shutdown().await.unwrap();
        let last = app.dispatch(Held {}).await.unwrap();
        assert_eq!(blocked(&app, &last).await, None, "somebody has served it lately");
        store.pass(Swept::SERVED).await;
        assert_eq!(blocked(&app, &last).await, Some(Blocked::NoWorker));
    }
}

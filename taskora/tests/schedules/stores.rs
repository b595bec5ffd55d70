//! Schedules on stores that are away, do not answer, refuse, or are changed by others meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use taskora::adapter::{
    Adapter, AdapterError, Declaration, Declared, DueSchedules, Exchange, Exchanged, Forward, PutSchedule,
    SCHEDULES,
};
use taskora::prelude::*;

use super::{HOUR, MINUTE, NEW_YEAR, Note, Runs, SECOND, every, pass, period, worker};

/// A store that fails as often as it is told to.
#[derive(Debug)]
struct Flaky {
    inner: MemoryAdapter,
    fails: Mutex<u32>,
}

#[async_trait::async_trait]
impl Forward for Flaky {
    fn inner(&self) -> &dyn Adapter {
        &self.inner
    }

    async fn due_schedules(&self, worker: &str) -> Result<DueSchedules, AdapterError> {
        {
            let mut fails = self.fails.lock().unwrap();
            if *fails > 0 {
                *fails -= 1;
                let (address, message) = ("nowhere".to_owned(), "it is away".to_owned());
                return Err(AdapterError::Unavailable { address, message });
            }
        }
        self.inner().schedules().due_schedules(worker).await
    }
}

#[tokio::test(start_paused = true)]
async fn x29_a_store_that_is_away_loses_no_tick() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(NEW_YEAR);
    let app = App::new(Flaky { inner: MemoryAdapter::starting_at(start), fails: Mutex::new(3) });
    let runs = Runs::default();
    let worker = worker(&app, &runs).schedule(every(10 * SECOND)).start().await.unwrap();
    pass(20 * SECOND).await;
    assert_eq!(runs.times(), [10, 20]);
    worker.shutdown().await.unwrap();
}

/// A store that never answers who declares schedules.
#[derive(Debug)]
struct Silent(MemoryAdapter);

#[async_trait::async_trait]
impl Forward for Silent {
    fn inner(&self) -> &dyn Adapter {
        &self.0
    }

    async fn declare(&self, _: Vec<Declaration>) -> Result<Declared, AdapterError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_keeps_no_worker_from_starting() {
    let (app, runs) = (App::new(Silent(MemoryAdapter::new())), Runs::default());
    let worker = worker(&app, &runs).schedule(every(MINUTE));
    let worker = tokio::time::timeout(2 * SECOND, worker.start()).await.expect("it starts").unwrap();
    app.dispatch(Note { kind: "at once".into() }).await.unwrap().result().await.unwrap();
    worker.shutdown().await.unwrap();
}

/// A store that refuses to hand out schedules. It notes whether the last claim has asked for ticks.
#[derive(Debug)]
struct Refusing {
    inner: MemoryAdapter,
    is_asked: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl Forward for Refusing {
    fn inner(&self) -> &dyn Adapter {
        &self.inner
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError> {
        if let Some(claim) = &exchange.claim {
            self.is_asked.store(claim.tasks.iter().any(|task| &*task.task == SCHEDULES), Ordering::Relaxed);
        }
        self.inner().jobs().exchange(exchange).await
    }

    async fn due_schedules(&self, _: &str) -> Result<DueSchedules, AdapterError> {
        Err(AdapterError::Config("no schedules here".to_owned()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_can_make_no_ticks_no_longer_asks_for_them() {
    let (is_asked, runs) = (Arc::new(AtomicBool::new(false)), Runs::default());
    let app = App::new(Refusing { inner: MemoryAdapter::new(), is_asked: is_asked.clone() });
    let worker = worker(&app, &runs).schedule(every(MINUTE)).start().await.unwrap();
    let run = async || app.dispatch(Note { kind: "now".into() }).await.unwrap().result().await.unwrap();
    run().await;
    assert!(is_asked.load(Ordering::Relaxed));
    pass(2 * MINUTE).await;
    run().await;
    assert!(!is_asked.load(Ordering::Relaxed), "it has been told of a tick, and refused");
    worker.shutdown().await.unwrap();
    assert!(!is_asked.load(Ordering::Relaxed));
}

/// A store in which others change schedules, so many times, just before they are put.
#[derive(Debug)]
struct Contended {
    inner: MemoryAdapter,
    times: Arc<AtomicU32>,
}

#[async_trait::async_trait]
impl Forward for Contended {
    fn inner(&self) -> &dyn Adapter {
        &self.inner
    }

    async fn put_schedules(&self, schedules: Vec<PutSchedule>) -> Result<Vec<bool>, AdapterError> {
        let less = |times: u32| times.checked_sub(1);
        if self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Ok(vec![false; schedules.len()]);
        }
        self.inner().schedules().put_schedules(schedules).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_build_has_its_way_however_often_others_come_between() {
    let (times, runs) = (Arc::new(AtomicU32::new(0)), Runs::default());
    let app = App::new(Contended { inner: MemoryAdapter::new(), times: times.clone() });
    let old = worker(&app, &runs).schedule(every(HOUR)).start().await.unwrap();
    times.store(5, Ordering::Relaxed);
    let new = worker(&app, &runs).schedule(every(2 * HOUR)).start().await.unwrap();
    assert_eq!((times.load(Ordering::Relaxed), period(&app).await), (0, HOUR), "it has given up for now");
    pass(MINUTE).await;
    assert_eq!(period(&app).await, 2 * HOUR);
    pass(10 * MINUTE).await;
    assert_eq!(period(&app).await, 2 * HOUR, "the old one leaves it");
    new.shutdown().await.unwrap();
    old.shutdown().await.unwrap();
}

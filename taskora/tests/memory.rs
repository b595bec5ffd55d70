//! The memory adapter passes the conformance suite, in virtual time.
#![cfg(feature = "conformance")]

use std::sync::Arc;
use std::time::Duration;

use taskora::MemoryAdapter;
use taskora::adapter::Adapter;
use taskora::conformance::Fixture;

struct Memory(MemoryAdapter);

impl Fixture for Memory {
    async fn adapter(&self) -> Arc<dyn Adapter> {
        Arc::new(self.0.clone())
    }

    async fn second(&self) -> Arc<dyn Adapter> {
        Arc::new(self.0.clone())
    }

    async fn advance(&self, by: Duration) {
        tokio::time::advance(by).await;
    }
}

taskora::conformance_suite! { #[tokio::test(start_paused = true)] Memory(MemoryAdapter::new()) }
taskora::conformance_suite! { @lanes #[tokio::test(start_paused = true)] Memory(MemoryAdapter::new()) }
taskora::conformance_suite! { @collect #[tokio::test(start_paused = true)] Memory(MemoryAdapter::new()) }
taskora::conformance_suite! { @listing #[tokio::test(start_paused = true)] Memory(MemoryAdapter::new()) }
taskora::conformance_suite! { @rates #[tokio::test(start_paused = true)] Memory(MemoryAdapter::new()) }
taskora::conformance_suite! { @schedules #[tokio::test(start_paused = true)] Memory(MemoryAdapter::new()) }

mod own {
    //! What only a store in this process, in virtual time, can promise and show.

    use std::sync::Arc;
    use std::time::Duration;

    use taskora::adapter::{
        CallId, Claim, Due, Enqueued, Exchange, Jobs, NewJob, Signals, TaskClaim, TaskName,
    };
    use taskora::{JobId, MemoryAdapter, Retention};
    use tokio::sync::Notify;
    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::Instant;

    const HOUR: Duration = Duration::from_secs(3600);

    async fn enqueue(store: &MemoryAdapter, due: Due) {
        let job = NewJob { due, ..NewJob::new(JobId::new(), "task", *b"\"secret\"") };
        assert_eq!(store.enqueue(vec![job]).await.unwrap(), [Enqueued::New]);
    }

    /// Waits for a job, and has begun to when this returns; how long it was until then.
    async fn park(store: &MemoryAdapter, timeout: Duration) -> JoinHandle<Option<Duration>> {
        let (listener, start) = (store.work(), Instant::now());
        let task = TaskClaim { task: TaskName::from("task"), limit: 1, lease: HOUR };
        let exchange = Exchange {
            call: CallId { worker: JobId::new().as_str().into(), slot: 0, number: 1 },
            settle: Vec::new(),
            claim: Some(Claim { limit: 1, room: 1, tasks: [task].into() }),
            retention: Retention::default(),
        };
        let parked = tokio::spawn(async move {
            let answer = listener.wait(&exchange, timeout, &Notify::new()).await.unwrap();
            answer.jobs.first().map(|_| start.elapsed())
        });
        yield_now().await;
        parked
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_longest_is_woken_first() {
        let store = MemoryAdapter::new();
        let [first, second, third] =
            [park(&store, HOUR).await, park(&store, HOUR).await, park(&store, HOUR).await];
        for parked in [first, second] {
            enqueue(&store, Due::Now).await;
            assert_eq!(parked.await.unwrap(), Some(Duration::ZERO));
        }
        assert!(!third.is_finished(), "two signals wake two");
        assert_eq!(third.await.unwrap(), None, "the third one waits until its timeout");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_goes_while_it_is_woken_passes_it_on() {
        let store = MemoryAdapter::new();
        let (first, second) = (park(&store, HOUR).await, park(&store, HOUR).await);
        enqueue(&store, Due::Now).await;
        first.abort(); // it was woken, but has not run since
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(second.await.unwrap(), Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_job_wakes_one_waiter_at_the_very_millisecond() {
        let store = MemoryAdapter::new();
        enqueue(&store, Due::After(HOUR * 20)).await;
        let (first, second) = (park(&store, HOUR * 24).await, park(&store, HOUR * 24).await);
        enqueue(&store, Due::After(HOUR * 10)).await;
        assert_eq!(first.await.unwrap(), Some(HOUR * 10), "the later job that came first does not matter");
        assert_eq!(second.await.unwrap(), Some(HOUR * 20));
    }

    #[tokio::test(start_paused = true)]
    async fn clones_share_the_store_and_debug_shows_no_payload() {
        let store = MemoryAdapter::new();
        enqueue(&store.clone(), Due::Now).await;
        assert_eq!(format!("{store:?}"), "MemoryAdapter { jobs: 1, .. }");
        assert_eq!(format!("{:?}", Arc::new(MemoryAdapter::default())), "MemoryAdapter { jobs: 0, .. }");
    }
}

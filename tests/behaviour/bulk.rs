//! Many jobs at once.

use std::collections::HashSet;
use std::time::Duration;

use taskora::{DispatchError, Retention, prelude::*, results};

use crate::support::{Probe, Store, info, on_both, result, soon};

#[task]
async fn double(n: u32, probe: State<Probe>) -> u32 {
    probe.saw(n);
    2 * n
}

#[task]
async fn half(n: u32) -> Result<u32, String> {
    if n.is_multiple_of(2) { Ok(n / 2) } else { Err(format!("{n} is odd")) }
}

#[task]
async fn keep(text: String) -> String {
    text
}

on_both! {
    async fn s009_three_jobs_get_three_ids_and_are_all_handled(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many([Double { n: 1 }, Double { n: 2 }, Double { n: 3 }]).await.unwrap();
        let ids: HashSet<&JobId> = handles.iter().map(JobHandle::id).collect();
        assert_eq!(ids.len(), 3);
        let worker = Worker::builder(&app).state(probe.clone()).register::<Double>().start().await.unwrap();
        probe.until(3).await;
        worker.shutdown().await.unwrap();
        assert_eq!(probe.sorted(), ["1", "2", "3"]);
    }

    async fn s020_each_handle_resolves_to_its_own_result(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe).register::<Double>().start().await.unwrap();
        let handles = app.dispatch_many((0..10).map(|n| Double { n })).await.unwrap();
        for (n, handle) in (0..10).zip(&handles) {
            assert_eq!(result(handle).await.unwrap(), 2 * n);
        }
        worker.shutdown().await.unwrap();
    }

    async fn each_of_many_jobs_can_have_an_id_of_its_own(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let ids = || (1..=3).map(|n| format!("double:{n}"));
        let jobs = || (1..=3).map(|n| Double { n });
        let handles = app.dispatch_many(jobs()).ids(ids()).await.unwrap();
        assert!(handles.iter().zip(ids()).all(|(handle, id)| handle.id().as_str() == id));
        let again = app.dispatch_many(jobs()).ids(ids()).await.unwrap();
        assert_eq!(again[2].outcome(), &Outcome::Duplicate("double:3".into()));

        let worker = Worker::builder(&app).state(probe.clone()).register::<Double>().start().await.unwrap();
        assert_eq!(result(&again[2]).await.unwrap(), 6);
        worker.shutdown().await.unwrap();

        let error = app.dispatch_many(jobs()).ids(["double:1"]).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid option: 1 ids for 3 jobs; give each job one");
        let error = app.dispatch_many(jobs()).replace_failed().await.unwrap_err();
        assert!(error.to_string().contains("`replace_failed` needs an `id`"), "{error}");
    }

    async fn many_jobs_replace_those_that_have_failed(store: Store) {
        let app = store.app().await;
        let jobs = || [1, 2].map(|n| Half { n });
        let handles = app.dispatch_many(jobs()).ids(["half:1", "half:2"]).await.unwrap();
        handles[0].cancel("not yet").await.unwrap();
        let again = app.dispatch_many(jobs()).ids(["half:1", "half:2"]).replace_failed().await.unwrap();
        assert_eq!(again[0].outcome(), &Outcome::Enqueued);
        assert_eq!(again[1].outcome(), &Outcome::Duplicate("half:2".into()));
    }

    async fn many_results_are_awaited_at_once_and_come_in_order(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Half>().start().await.unwrap();
        let handles = app.dispatch_many((0..1_000).map(|n| Half { n })).await.unwrap();
        let halves = soon("a thousand results", results(&handles)).await;
        assert_eq!(halves.len(), 1_000);
        for (n, (half, handle)) in (0..).zip(halves.into_iter().zip(&handles)) {
            match half {
                Ok(half) => assert_eq!((half * 2, n % 2), (n, 0)),
                Err(JobError::Failed { id, message, .. }) => {
                    assert_eq!((&id, message), (handle.id(), format!("{n} is odd")));
                }
                Err(other) => panic!("{n}: {other:?}"),
            }
        }
        assert!(results(Vec::<JobHandle<Half>>::new()).await.is_empty());
        let unknown = results([app.job::<Double>("nobody")]).await.remove(0).unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "job `nobody` is not known: it was never dispatched here, or retention has removed it; to keep finished \
             jobs longer, raise `App::builder(..).retention(..)` in the worker"
        );
        worker.shutdown().await.unwrap();
    }

    async fn twelve_hundred_jobs_are_stored_in_order_and_handled_once(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let handles = app.dispatch_many((0..1_200).map(|n| Double { n })).await.unwrap();
        assert_eq!(handles.len(), 1_200);
        assert_eq!(app.counts("double").await.unwrap().waiting, 1_200);
        let worker =
            Worker::builder(&app).state(probe.clone()).register::<Double>().concurrency(1).prefetch(63).start().await;
        let worker = worker.unwrap();
        probe.until(1_200).await;
        worker.shutdown().await.unwrap();
        // two calls are under way at a time, each a chunk of 500: the order holds inside of a chunk
        let seen: Vec<u32> = probe.seen().iter().map(|n| n.parse().unwrap()).collect();
        for chunk in [0..500, 500..1_000, 1_000..1_200] {
            let of_chunk: Vec<u32> = seen.iter().copied().filter(|n| chunk.contains(n)).collect();
            assert_eq!(of_chunk, chunk.collect::<Vec<_>>());
        }
        assert_eq!(app.counts("double").await.unwrap().waiting, 0);
    }

    async fn no_jobs_are_no_work(store: Store) {
        let app = store.app().await;
        assert!(app.dispatch_many(Vec::<Double>::new()).await.unwrap().is_empty());
    }

    async fn options_hold_for_all_jobs(store: Store) {
        let app = store.app().await;
        let handles =
            app.dispatch_many([Double { n: 1 }, Double { n: 2 }]).priority(4).meta("tenant", "a").await.unwrap();
        for handle in &handles {
            let info = info(handle).await;
            assert_eq!((info.priority, info.meta), (4, vec![("tenant".into(), "a".into())]));
        }
    }

    async fn one_payload_that_is_too_large_refuses_them_all(store: Store) {
        let app = store.builder().await.max_payload(100).build();
        let texts = ["short", &"long".repeat(50), "short"];
        let error = app.dispatch_many(texts.map(|text| Keep { text: text.to_owned() })).await.unwrap_err();
        assert!(matches!(error, DispatchError::TooLarge { limit: 100, size: 211, .. }), "{error:?}");
        assert_eq!(app.counts("keep").await.unwrap().waiting, 0);
    }

    async fn large_payloads_go_in_several_calls(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Keep>().start().await.unwrap();
        let text = "x".repeat(400_000);
        let handles = app.dispatch_many((0..6).map(|_| Keep { text: text.clone() })).await.unwrap();
        for handle in &handles {
            assert_eq!(result(handle).await.unwrap(), text);
        }
        worker.shutdown().await.unwrap();
    }
}

/// Waits that have begun hear of their job whatever becomes of it afterwards.
#[tokio::test(start_paused = true)]
async fn results_that_are_awaited_together_do_not_fall_to_retention() {
    let few = taskora::RetentionLimit::new(Duration::from_secs(3_600), 1);
    let retention = Retention::default().completed(few);
    let app = App::builder(MemoryAdapter::new()).retention(retention).build();
    let worker = Worker::builder(&app).register::<Half>().start().await.unwrap();
    let dispatch = || app.dispatch_many((0..500).map(|n| Half { n: 2 * n })).delay(Duration::from_secs(60));
    let handles = dispatch().await.unwrap();
    assert!(results(&handles).await.iter().all(Result::is_ok));
    assert!(app.counts("half").await.unwrap().completed < 100, "most of them are gone by now");
    let handles = dispatch().await.unwrap();
    let mut gone = 0;
    for handle in handles.iter().rev() {
        gone += usize::from(matches!(handle.result().await, Err(JobError::NotFound { .. })));
    }
    assert!(gone > 400, "one after the other, that is what happens: {gone}");
    worker.shutdown().await.unwrap();
}

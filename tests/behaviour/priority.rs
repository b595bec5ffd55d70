//! Who goes first: a higher priority, and inside of one whoever came first.

use taskora::{DispatchError, prelude::*};

use crate::support::{Probe, Store, info, on_both, until_state};

#[task]
async fn queue(name: String, probe: State<Probe>) {
    probe.saw(name);
}

#[task(priority = -3)]
async fn modest(name: String, probe: State<Probe>) {
    probe.saw(name);
}

async fn order(app: &App, jobs: usize) -> Vec<String> {
    let probe = Probe::new();
    let worker = Worker::builder(app)
        .state(probe.clone())
        .register_all(tasks![Queue, Modest])
        .concurrency(1)
        .start()
        .await
        .unwrap();
    let order = probe.until(jobs).await;
    worker.shutdown().await.unwrap();
    order
}

async fn enqueue(app: &App, name: &str, priority: i16) -> JobHandle<()> {
    app.dispatch(Queue { name: name.to_owned() }).priority(priority).await.unwrap()
}

on_both! {
    async fn s100_the_highest_priority_goes_first(store: Store) {
        let app = store.app().await;
        app.dispatch(Queue { name: "default".into() }).await.unwrap();
        enqueue(&app, "lowest", -1_000).await;
        enqueue(&app, "ten", 10).await;
        enqueue(&app, "five", 5).await;
        enqueue(&app, "highest", 1_000).await;
        assert_eq!(order(&app, 5).await, ["highest", "ten", "five", "default", "lowest"]);
    }

    async fn s101_inside_of_a_priority_first_come_is_first_served(store: Store) {
        let app = store.app().await;
        let mut expected = Vec::new();
        for priority in [0, 7, -7] {
            for n in 0..20 {
                let name = format!("{priority} {n}");
                enqueue(&app, &name, priority).await;
                expected.push((-priority, name));
            }
        }
        expected.sort_by_key(|(priority, _)| *priority);
        let expected: Vec<String> = expected.into_iter().map(|(_, name)| name).collect();
        assert_eq!(order(&app, 60).await, expected);
    }

    async fn the_contract_says_the_priority_and_a_dispatch_may_say_another(store: Store) {
        let app = store.app().await;
        let modest = |name: &str| app.dispatch(Modest { name: name.to_owned() });
        let by_contract = modest("by contract").await.unwrap();
        enqueue(&app, "default", 0).await;
        modest("raised").priority(1).await.unwrap();
        assert_eq!(info(&by_contract).await.priority, -3);
        assert_eq!(order(&app, 3).await, ["raised", "default", "by contract"]);
    }

    async fn a_delayed_job_keeps_its_priority(store: Store) {
        let app = store.app().await;
        let delay = std::time::Duration::from_millis(20);
        let late = app.dispatch(Queue { name: "late".into() }).priority(5).delay(delay).await.unwrap();
        enqueue(&app, "default", 0).await;
        enqueue(&app, "nine", 9).await;
        // time itself is what this is about
        tokio::time::sleep(2 * delay).await;
        assert_eq!(order(&app, 3).await, ["nine", "late", "default"]);
        until_state(&late, JobState::Completed).await;
    }

    async fn a_priority_out_of_range_is_refused(store: Store) {
        let app = store.app().await;
        let error = app.dispatch(Queue { name: "x".into() }).priority(1_001).await.unwrap_err();
        assert!(matches!(&error, DispatchError::InvalidOption(_)));
        assert_eq!(error.to_string(), "invalid option: priority 1001 is outside -1000 to 1000");
        assert_eq!(app.counts("queue").await.unwrap().waiting, 0);
    }
}

//! What has become of a task's jobs, as operators see it.

use std::time::Duration;

use taskora::prelude::*;
use taskora::{HistorySlot, Last};

use crate::support::{Store, on_both, quick, until};

#[task(retry(attempts = 2, delay = "1ms", jitter = false))]
async fn charge(cents: u32, ctx: &Context) -> Result<u32, TaskError> {
    match cents {
        0 if ctx.attempt() == 1 => Err(TaskError::msg("HTTP 502 from host 7")),
        1 => Err(TaskError::give_up(format!("no account {cents}"))),
        cents => Ok(cents),
    }
}

async fn slots(app: &App, task: &str) -> Vec<HistorySlot> {
    app.inspect().history(task, Last::days(1)).await.unwrap()
}

/// All slots of a day as one.
async fn sums(app: &App, task: &str) -> (u64, u64, u64) {
    let slots = slots(app, task).await;
    slots.iter().fold((0, 0, 0), |(completed, failed, retried), slot| {
        (completed + slot.completed, failed + slot.failed, retried + slot.retried)
    })
}

/// Waits until the store has these sums.
async fn until_sums(app: &App, task: &str, expected: (u64, u64, u64)) {
    until(expected, || sums(app, task)).await;
}

on_both! {
    async fn a_history_says_what_has_become_of_jobs(store: Store) {
        let (app, other) = (store.app().await, store.app().await);
        let none = slots(&app, Charge::NAME).await;
        assert_eq!(none.len(), 144);
        assert!(none.iter().all(|slot| !slot.is_known && slot.depth.is_none() && slot.completed == 0));
        let worker = quick(&app).register::<Charge>().start().await.unwrap();
        // one is retried, two fail, and three complete
        for cents in [0, 1, 1, 2, 3] {
            let ended = app.dispatch(Charge { cents }).await.unwrap().result().await;
            assert_eq!(ended.is_ok(), cents != 1);
        }
        until_sums(&other, Charge::NAME, (3, 2, 1)).await;
        let slots = slots(&other, Charge::NAME).await;
        assert_eq!(slots.len(), 144);
        let apart = slots.windows(2).map(|two| two[1].at.since(two[0].at));
        assert!(apart.into_iter().all(|apart| apart == Last::days(1).step()), "no gaps");
        let known: Vec<&HistorySlot> = slots.iter().filter(|slot| slot.is_known).collect();
        // ten minutes may end in between
        assert!((1..=2).contains(&known.len()));
        assert!(known.iter().any(|slot| slot.depth.is_some()), "a sweep has looked");
        assert!(known.iter().any(|slot| slot.run.is_some_and(|run| run.p50 <= run.p99)));
        assert!(known.iter().any(|slot| slot.wait.is_some_and(|wait| wait.p50 > Duration::ZERO)));
        let errors = known.iter().flat_map(|slot| &slot.errors);
        let mut errors: Vec<(&str, &str)> =
            errors.map(|error| (error.pattern.as_str(), error.example.as_str())).collect();
        errors.sort_unstable();
        errors.dedup();
        assert_eq!(errors, [("HTTP # from host #", "HTTP 502 from host 7"), ("no account #", "no account 1")]);
        let groups = other.dead_letters(Charge::NAME).groups().await.unwrap();
        assert_eq!((groups[0].pattern.as_str(), groups[0].count), ("no account #", 2), "as the dead letters say");
        worker.shutdown().await.unwrap();
    }

    async fn a_worker_that_shuts_down_reports_what_it_has_done(store: Store) {
        let app = store.app().await;
        // it may not have swept until it shuts down
        let worker = quick(&app).register::<Charge>().sweep(Duration::from_secs(3600)).start().await.unwrap();
        let flow = app.dispatch(chain((Charge { cents: 5 }, Charge::s()))).await.unwrap();
        flow.result().await.unwrap();
        worker.shutdown().await.unwrap();
        assert_eq!(sums(&app, Charge::NAME).await, (2, 0, 0), "steps of workflows count");
    }
}

//! Waiting until tasks have nothing left to do.

use std::time::Duration;

use taskora::adapter::AdapterError;
use taskora::prelude::*;
use taskora::{DrainError, WorkerBuilder};
use tokio::time::Instant;

use crate::support::{Called, PATIENCE, Probe, Store, on_both, quick, soon};

#[task(aliases = ["step-before"])]
async fn step(n: u32, probe: State<Probe>) -> u32 {
    probe.saw(format!("{n} begins"));
    probe.gate().await;
    probe.saw(format!("{n} ends"));
    n
}

#[task(name = "after")]
async fn follow(n: u32, probe: State<Probe>) -> u32 {
    probe.saw(format!("{n} begins"));
    probe.gate().await;
    probe.saw(format!("{n} ends"));
    n
}

#[task(retry(attempts = 2, delay = "1ms", jitter = false))]
async fn stumble(ctx: &Context, probe: State<Probe>) -> Result<(), TaskError> {
    probe.saw(format!("attempt {}", ctx.attempt()));
    if ctx.attempt() == 1 { Err(TaskError::msg("once more")) } else { Ok(()) }
}

fn builder(app: &App, probe: &Probe) -> WorkerBuilder<Probe> {
    quick(app).state(probe.clone()).register_all(tasks![Step, Follow, Stumble])
}

fn left(error: DrainError) -> (String, Vec<(String, [usize; 3])>) {
    let text = error.to_string();
    let DrainError::StillBusy { left, .. } = error else { panic!("{text}") };
    let counts =
        left.into_iter().map(|(task, one)| (task.to_string(), [one.waiting, one.delayed, one.active]));
    (text, counts.collect())
}

on_both! {
    async fn tasks_are_drained_when_nothing_is_left(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let queues = app.queues();
        // what nobody knows is drained, and so is nothing at all
        queues.drained(["step", "unknown"]).within(Duration::ZERO).await.unwrap();
        queues.drained(Vec::<String>::new()).await.unwrap();
        app.dispatch(Step { n: 1 }).await.unwrap();
        let worker = builder(&app, &probe).concurrency(1).start().await.unwrap();
        probe.until(1).await;
        app.dispatch(Step { n: 2 }).await.unwrap();
        app.dispatch(Step { n: 3 }).delay(Duration::from_secs(1)).await.unwrap();
        app.dispatch(Stumble {}).await.unwrap();
        app.dispatch_raw("step-before", serde_json::json!({ "n": 4 })).await.unwrap();

        let refused = queues.drained(["step", "after", "stumble"]).within(Duration::ZERO).await.unwrap_err();
        let (text, counts) = left(refused);
        assert_eq!(counts.len(), 2, "{text}");
        assert!(text.starts_with("not drained within 0ns: `step` has "), "{text}");
        assert!(text.contains(" 1 active, `stumble` has 1 waiting, 0 delayed or retrying, 0 active; see "), "{text}");
        assert_eq!(counts[0].1.iter().sum::<usize>(), 3, "{text}");

        let waiting = async { queues.drained_of::<Step>().await.unwrap() };
        let ending = async {
            probe.open(3);
            // one under its alias, whichever it is
            while probe.seen().iter().filter(|seen| seen.ends_with("begins")).count() < 4 {
                probe.until(probe.seen().len() + 1).await;
            }
            let refused = queues.drained_of::<Step>().within(Duration::ZERO).await.unwrap_err();
            assert_eq!(left(refused).1.len(), 1);
            probe.open(1);
        };
        soon("the end of all steps", async { tokio::join!(waiting, ending) }).await;
        assert_eq!(probe.seen().iter().filter(|seen| seen.ends_with("ends")).count(), 4);
        soon("the retry", queues.drained(["stumble"]).into_future()).await.unwrap();
        assert_eq!(probe.count("attempt 2"), 1);
        // nobody was refused, and nothing deleted
        assert_eq!(app.counts("step").await.unwrap().completed, 3);
        worker.shutdown().await.unwrap();
    }

    async fn a_time_is_waited_for_and_no_longer(store: Store) {
        let app = store.app().await;
        app.queues().pause::<Follow>().await.unwrap();
        app.dispatch(Follow { n: 1 }).await.unwrap();
        let (time, begun) = (Duration::from_millis(1_500), Instant::now());
        let refused = app.queues().drained(["after"]).within(time).await.unwrap_err();
        let took = begun.elapsed();
        assert!(took >= time && took < time + store.at_most(Duration::from_secs(1)), "{took:?}");
        assert_eq!(left(refused).1, [("after".to_owned(), [1, 0, 0])]);
    }

    async fn what_releases_jobs_of_another_task_is_waited_for(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = builder(&app, &probe).start().await.unwrap();
        probe.open(80);
        for n in 0..20 {
            app.dispatch(chain((Step { n }, Follow::s()))).await.unwrap();
        }
        // in this order, a job may be released between the two questions
        soon("the end of both", app.queues().drained(["after", "step"]).into_future()).await.unwrap();
        assert_eq!(probe.seen().iter().filter(|seen| seen.ends_with("ends")).count(), 40);
        worker.shutdown().await.unwrap();
    }

    async fn a_store_that_is_away_is_asked_again_and_one_that_refuses_is_not(store: Store) {
        let (app, switch) = store.switched().await;
        let mut failures = 2;
        switch.refusal.set(move |called| {
            let fails = matches!(called, Called::Counts("step")) && failures > 0;
            failures -= usize::from(fails);
            fails.then(|| AdapterError::Unavailable { address: "it".to_owned(), message: "away".to_owned() })
        });
        app.queues().drained(["step"]).within(PATIENCE).await.unwrap();
        for (error, text) in [
            (|| AdapterError::Config("no such database".to_owned()), "no such database"),
            (|| AdapterError::Protocol("none".to_owned()), "none"),
        ] as [(fn() -> AdapterError, &str); 2] {
            switch.refusal.set(move |_| Some(error()));
            let refused = app.queues().drained_of::<Step>().await.unwrap_err();
            assert!(matches!(refused, DrainError::Store(_)) && refused.to_string().ends_with(text), "{refused}");
        }
        switch.refusal.set(|_| {
            Some(AdapterError::Unavailable { address: "it".to_owned(), message: "away".to_owned() })
        });
        let refused = app.queues().drained(["step"]).within(Duration::ZERO).await.unwrap_err();
        assert!(matches!(refused, DrainError::Store(AdapterError::Unavailable { .. })));
    }
}

//! What a handler knows and says.

use std::time::Duration;

use std::future::IntoFuture;

use taskora::{LogEntry, LogLevel, prelude::*};

use crate::support::{Probe, Store, info, on_both, result, soon};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    name: String,
    done: (u32, u32),
}

#[task]
async fn counts_up(probe: State<Probe>, ctx: &Context) {
    ctx.progress(50);
    probe.saw("half");
    probe.gate().await;
    ctx.progress(100);
}

#[task]
async fn steps(ctx: &Context) {
    ctx.progress(Step { name: "unpack".into(), done: (1, 3) });
    ctx.progress(Step { name: "größer".into(), done: (2, 3) });
}

#[task]
async fn silent() {}

#[task]
async fn talks(ctx: Context) -> Result<(), String> {
    ctx.info("starting");
    ctx.warn("slow ☃");
    ctx.log(LogLevel::Error, "broken", serde_json::json!({ "disk": "sda", "free": 0 }));
    Err("gave up".into())
}

#[task(retry(attempts = 2, delay = "10ms"))]
async fn talks_twice(ctx: Context) -> Result<(), String> {
    ctx.info(format!("attempt {}", ctx.attempt()));
    if ctx.attempt() == 1 { Err("again".into()) } else { Ok(()) }
}

#[task]
async fn chatters(ctx: &Context) {
    for n in 0..1_500 {
        ctx.info(n.to_string());
    }
}

#[task(retry = 4)]
async fn describes(ctx: &Context) -> Vec<String> {
    [
        ctx.id().to_string(),
        ctx.task().to_owned(),
        ctx.attempt().to_string(),
        ctx.max_attempts().to_string(),
        ctx.created_at().as_millis().to_string(),
        ctx.meta("tenant").unwrap_or("none").to_owned(),
        ctx.meta("color").unwrap_or("none").to_owned(),
    ]
    .into()
}

#[task]
async fn square(n: u64) -> u64 {
    n * n
}

/// Dispatches further jobs and waits for them, as a task may.
#[task]
async fn sum_of_squares(numbers: Vec<u64>, ctx: &Context) -> Result<u64, TaskError> {
    let handles = ctx.app().dispatch_many(numbers.into_iter().map(|n| Square { n })).await?;
    let mut sum = 0;
    for handle in handles {
        sum += handle.result().await?;
    }
    Ok(sum)
}

fn brief(entry: &LogEntry) -> (LogLevel, &str, u32) {
    (entry.level, entry.message.as_str(), entry.attempt)
}

on_both! {
    async fn s043_progress_is_read_while_the_job_runs(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = Worker::builder(&app).state(probe.clone()).register::<CountsUp>().start().await.unwrap();
        let handle = app.dispatch(CountsUp {}).await.unwrap();
        probe.until(1).await;
        crate::support::until(Some(50), || async { handle.progress::<u32>().await.unwrap() }).await;
        probe.open(1);
        result(&handle).await.unwrap();
        assert_eq!(handle.progress::<u32>().await.unwrap(), Some(100));
        assert_eq!(info(&handle).await.progress, Some(serde_json::json!(100)));
        worker.shutdown().await.unwrap();
    }

    async fn s044_progress_may_be_any_value_and_the_newest_counts(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Steps>().start().await.unwrap();
        let handle = app.dispatch(Steps {}).await.unwrap();
        result(&handle).await.unwrap();
        let newest = Step { name: "größer".into(), done: (2, 3) };
        assert_eq!(handle.progress::<Step>().await.unwrap(), Some(newest));
        assert!(matches!(handle.progress::<u32>().await, Err(JobError::Undecodable { .. })));
        worker.shutdown().await.unwrap();
    }

    async fn s045_without_a_report_there_is_no_progress(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Silent>().start().await.unwrap();
        let handle = app.dispatch(Silent {}).await.unwrap();
        result(&handle).await.unwrap();
        assert_eq!(handle.progress::<u32>().await.unwrap(), None);
        worker.shutdown().await.unwrap();
    }

    async fn s046_log_lines_keep_their_order_level_fields_and_time(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Talks>().start().await.unwrap();
        let handle = app.dispatch(Talks {}).await.unwrap();
        result(&handle).await.unwrap_err();
        let logs = handle.logs().await.unwrap();
        assert_eq!(
            logs.iter().map(brief).collect::<Vec<_>>(),
            [(LogLevel::Info, "starting", 1), (LogLevel::Warn, "slow ☃", 1), (LogLevel::Error, "broken", 1)]
        );
        assert_eq!(logs[0].fields, serde_json::Value::Null);
        assert_eq!(logs[2].fields, serde_json::json!({ "disk": "sda", "free": 0 }));
        let info = info(&handle).await;
        assert!(logs.iter().all(|entry| Some(entry.at) >= info.started_at && entry.at >= info.created_at));
        worker.shutdown().await.unwrap();
    }

    async fn log_lines_of_all_attempts_stay_with_the_job(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<TalksTwice>().start().await.unwrap();
        let handle = app.dispatch(TalksTwice {}).await.unwrap();
        result(&handle).await.unwrap();
        let logs = handle.logs().await.unwrap();
        let expected = [(LogLevel::Info, "attempt 1", 1), (LogLevel::Info, "attempt 2", 2)];
        assert_eq!(logs.iter().map(brief).collect::<Vec<_>>(), expected);
        worker.shutdown().await.unwrap();
    }

    async fn only_the_newest_thousand_lines_are_kept(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Chatters>().start().await.unwrap();
        let handle = app.dispatch(Chatters {}).await.unwrap();
        result(&handle).await.unwrap();
        let lines: Vec<String> = handle.logs().await.unwrap().into_iter().map(|entry| entry.message).collect();
        assert_eq!(lines, (500..1_500).map(|n| n.to_string()).collect::<Vec<_>>());
        worker.shutdown().await.unwrap();
    }

    async fn s047_without_log_lines_the_list_is_empty(store: Store) {
        let app = store.app().await;
        let handle = app.dispatch(Silent {}).await.unwrap();
        assert!(handle.logs().await.unwrap().is_empty());
    }

    async fn a_context_describes_its_attempt(store: Store) {
        let app = store.app().await;
        let worker = Worker::builder(&app).register::<Describes>().start().await.unwrap();
        let dispatch = app.dispatch(Describes {}).meta("tenant", "a").meta("color", "red").meta("color", "blau");
        let handle = dispatch.await.unwrap();
        let info = info(&handle).await;
        let created = info.created_at.as_millis().to_string();
        let expected = [handle.id().as_str(), "describes", "1", "4", &created, "a", "blau"];
        assert_eq!(result(&handle).await.unwrap(), expected);
        assert_eq!(info.meta, [("tenant".into(), "a".into()), ("color".into(), "blau".into())]);
        worker.shutdown().await.unwrap();
    }

    async fn a_task_dispatches_further_jobs_and_awaits_them(store: Store) {
        let app = store.app().await;
        let worker =
            Worker::builder(&app).register_all(tasks![SumOfSquares, Square]).concurrency(3).start().await.unwrap();
        let handle = app.dispatch(SumOfSquares { numbers: (1..=10).collect() }).await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), 385);
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_task_is_an_ordinary_function_for_its_unit_test() {
    let ctx = Context::test().build();
    assert_eq!(square(4).await, 16);
    steps(&ctx).await;
    assert_eq!(talks(ctx.clone()).await, Err("gave up".to_owned()));
    let probe = Probe::new();
    probe.open(1);
    counts_up(State(probe.clone()), &ctx).await;
    assert_eq!(probe.seen(), ["half"]);
    assert_eq!(describes(&ctx).await[1..4], ["test", "1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_context_for_a_test_is_not_cancelled() {
    let ctx = Context::test().build();
    assert!(!ctx.is_cancelled());
    ctx.heartbeat();
    assert!(tokio::time::timeout(Duration::from_secs(60), ctx.cancelled()).await.is_err());
    // it has an app of its own
    let handle = soon("a dispatch", ctx.app().dispatch(Silent {}).into_future()).await.unwrap();
    assert_eq!(handle.state().await.unwrap(), Some(JobState::Waiting));
}

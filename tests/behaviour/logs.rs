//! What a worker logs. On one thread, whose log is recorded.

use std::sync::atomic::Ordering;
use std::time::Duration;

use taskora::adapter::AdapterError;
use taskora::prelude::*;

use crate::support::{LEASE, Probe, Recorder, Store, quick, result, until};

#[task]
async fn says(text: String) {
    tracing::info!(text, "said");
}

#[task(blocking)]
fn says_on_a_thread(text: String) {
    tracing::info!(text, "said");
}

#[task]
async fn holds(n: u32, probe: State<Probe>) -> u32 {
    probe.saw(n);
    probe.gate().await;
    n
}

/// The one line with this text.
fn only(recorder: &Recorder, text: &str) -> String {
    let lines = recorder.lines(text);
    let [line] = &lines[..] else { panic!("{text}: {lines:#?}") };
    line.clone()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_back_is_one_line() {
    let (recorder, _guard) = Recorder::start();
    let (app, switch) = Store::memory().switched().await;
    let worker = quick(&app).state(Probe::new()).register_all(tasks![Says]).start().await.unwrap();
    result(&app.dispatch(Says { text: "before".into() }).await.unwrap()).await.unwrap();
    assert!(recorder.lines("the store is back").is_empty());
    switch.cut_off.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(20)).await;
    switch.cut_off.store(false, Ordering::SeqCst);
    result(&app.dispatch(Says { text: "after".into() }).await.unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let back = recorder.lines("the store is back");
    assert!(back.len() == 1 && back[0].starts_with("INFO the store is back after="), "{back:?}");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_says_which_jobs_go_back_and_when_the_worker_has_stopped() {
    let (recorder, _guard) = Recorder::start();
    let (app, probe) = (Store::memory().app().await, Probe::new());
    let handles = app.dispatch_many((0..8).map(|n| Holds { n })).await.unwrap();
    let builder = quick(&app).state(probe.clone()).register::<Holds>().concurrency(2).prefetch(6);
    let worker = builder.start().await.unwrap();
    until(8, || async { app.counts("holds").await.unwrap().active }).await;
    worker.shutdown_within(Duration::ZERO).await.unwrap();
    let lines = recorder.lines("handed back");
    assert!(lines.len() == 1 && lines[0].contains("jobs=8"), "{lines:?}");
    let named = handles.iter().filter(|handle| lines[0].contains(handle.id().as_str())).count();
    assert_eq!(named, 5, "{lines:?}");
    assert_eq!(recorder.lines("the worker has stopped"), ["INFO the worker has stopped"]);

    let idle = quick(&app).register::<Says>().start().await.unwrap();
    idle.shutdown().await.unwrap();
    assert_eq!(recorder.lines("handed back").len(), 1, "it held none");
    assert_eq!(recorder.lines("the worker has stopped").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_refused_is_an_error_with_its_job_and_the_reason() {
    let (recorder, _guard) = Recorder::start();
    let (app, switch) = Store::memory().switched().await;
    let worker = quick(&app).register::<Says>().start().await.unwrap();
    switch.refusal.set(|call| call.settles().then(|| AdapterError::Protocol("nonsense".into())));
    let handle = app.dispatch(Says { text: "s3cret".into() }).await.unwrap();
    let refused = || recorder.lines("the store refuses the outcome of an attempt");
    until(true, || async { !refused().is_empty() }).await;
    let line = &refused()[0];
    for part in ["ERROR ", handle.id().as_str(), "task=says", "unexpected answer from the store: nonsense"] {
        assert!(line.contains(part), "{line}");
    }
    switch.refusal.clear();
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sweep_names_the_jobs_that_it_takes_back() {
    let (recorder, _guard) = Recorder::start();
    let store = Store::memory();
    let (app, ghost) = (store.app().await, store.ghost().await);
    let handle = app.dispatch(Says { text: "lost".into() }).await.unwrap();
    ghost.claim_one::<Says>(LEASE).await;
    let worker = quick(&app).register::<Says>().start().await.unwrap();
    result(&handle).await.unwrap();
    let lines = recorder.lines("took back jobs");
    assert!(lines.len() == 1 && lines[0].contains(handle.id().as_str()), "{lines:?}");
    assert!(lines[0].contains("rescued=1 failed=0"), "{lines:?}");
    worker.shutdown().await.unwrap();
}

/// Real time, as a thread does not know of a paused clock.
#[tokio::test]
async fn what_a_handler_logs_is_in_the_span_of_its_attempt() {
    let (recorder, _guard) = Recorder::start();
    let app = Store::memory().app().await;
    let worker = quick(&app).register_all(tasks![Says, SaysOnAThread]).start().await.unwrap();
    let says = app.dispatch(Says { text: "task".into() }).await.unwrap();
    result(&says).await.unwrap();
    let on_a_thread = app.dispatch(SaysOnAThread { text: "thread".into() }).await.unwrap();
    result(&on_a_thread).await.unwrap();
    worker.shutdown().await.unwrap();
    let expected = [
        format!("INFO said text=\"task\" in attempt{{task=\"says\" job={} attempt=1}}", says.id()),
        format!(
            "INFO said text=\"thread\" in attempt{{task=\"says-on-a-thread\" job={} attempt=1}}",
            on_a_thread.id()
        ),
    ];
    assert_eq!(recorder.lines("said"), expected);
}

#[task(retry(attempts = 2, delay = "5s", jitter = false))]
async fn charge(cents: u32) -> Result<u32, String> {
    if cents == 0 { Err("nothing to charge".to_owned()) } else { Ok(cents) }
}

#[task]
async fn refund() {}

#[tokio::test(start_paused = true)]
async fn a_worker_says_what_it_serves_and_which_jobs_fail() {
    let (recorder, _guard) = Recorder::start();
    let app = App::new(MemoryAdapter::new());
    let worker =
        Worker::builder(&app).register_all(tasks![Refund, Charge]).concurrency(7).start().await.unwrap();
    let started = only(&recorder, "the worker has started");
    assert!(started.starts_with("INFO"), "{started}");
    assert!(started.contains("tasks=\"charge, refund\" concurrency=7 store=MemoryAdapter"), "{started}");

    let fine = app.dispatch(Charge { cents: 1 }).await.unwrap();
    fine.result().await.unwrap();
    let handle = app.dispatch(Charge { cents: 0 }).await.unwrap();
    handle.result().await.unwrap_err();
    let job = format!("job={} task=\"charge\"", handle.id());
    let retried = only(&recorder, "the attempt failed and is retried");
    assert!(retried.starts_with("INFO") && retried.contains(&job), "{retried}");
    assert!(retried.contains("attempt=1 error=\"nothing to charge\" delay=5s"), "{retried}");
    let failed = only(&recorder, "the attempt failed and is not retried");
    assert!(failed.starts_with("WARN") && failed.contains(&job), "{failed}");
    assert!(failed.contains("attempt=2 error=\"nothing to charge\""), "{failed}");
    worker.shutdown().await.unwrap();
}

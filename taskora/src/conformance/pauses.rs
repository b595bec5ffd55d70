//! Pauses that end by themselves, and who has paused a task.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::gate_kit::{
    declare, gate, got, idle_worker, limit, pause, pause_for, put_numbered, resume, room, set, task,
};
use super::kit::{
    Caller, MARGIN, MOMENT, OTHER, QUIET, TASK, complete, delayed, ids, info, job, prioritised, put, state,
    sweep,
};
use crate::adapter::{Adapter, AdapterError, DeclaredLimit, Gate, GatedTask, NewPause, Pause};
use crate::job::{Blocked, JobState};
use crate::policy::Retention;

const HOUR: Duration = Duration::from_secs(3_600);

async fn paused(adapter: &Arc<dyn Adapter>) -> Pause {
    gate(adapter).await.paused.expect("it is paused")
}

/// How long the pause lasts.
async fn lasts(adapter: &Arc<dyn Adapter>) -> Option<Duration> {
    let pause = paused(adapter).await;
    pause.until.map(|until| Duration::from_millis(until.as_millis() - pause.since.as_millis()))
}

/// A pause that has ended is not taken over with a name: nothing holds for the two names, so they share nothing.
pub(super) async fn a_pause_that_is_over_is_not_taken_over(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let pause = NewPause::from("tea").lasting(MOMENT);
    assert!(adapter.control().pause(&GatedTask::new(OTHER), None, pause).await.unwrap());
    f.advance(MOMENT * 2).await;
    let both = GatedTask { aliases: vec![OTHER.into()], ..GatedTask::new(TASK) };
    adapter.control().declare_limits(vec![DeclaredLimit::none(both)]).await.unwrap();
    put(&adapter, [job("a", OTHER)]).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(1, &[OTHER]).await), ["a"]);
    assert_eq!(gate(&adapter).await.running, 0);
}

pub(super) async fn a_pause_ends_at_its_time_and_not_before(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put_numbered(&adapter, 0..3).await;
    assert!(pause_for(&adapter, HOUR).await);
    assert_eq!((lasts(&second).await, room(&second).await), (Some(HOUR), 0));
    assert_eq!(info(&adapter, "0").await.blocked, Some(Blocked::Paused));
    f.advance(HOUR - MARGIN).await;
    assert_eq!(room(&adapter).await, 0);
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(
        (lasts(&second).await, room(&second).await),
        (Some(HOUR), 0),
        "it is shown until it has ended"
    );
    f.advance(MARGIN).await;
    assert_eq!(gate(&second).await.paused, None, "and is gone afterwards, though nobody has claimed since");
    // a worker that starts now
    assert_eq!(ids(&Caller::new(&second).claim(9, &[TASK]).await), ["0", "1", "2"]);
    assert!(!resume(&adapter).await, "there is none any more");
    assert!(pause(&adapter, "again").await, "and a new one is a new one");
    assert_eq!(paused(&adapter).await.reason, "again");
}

pub(super) async fn a_job_with_a_priority_goes_when_the_pause_is_over(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [prioritised("a", TASK, 5)]).await;
    assert!(pause_for(&adapter, HOUR).await);
    f.advance(HOUR).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["a"]);
}

pub(super) async fn a_pause_that_nobody_looks_at_ends(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert!(pause_for(&adapter, MOMENT).await);
    f.advance(HOUR).await;
    put_numbered(&adapter, 0..1).await;
    assert_eq!(info(&adapter, "0").await.blocked, None);
    assert_eq!(room(&adapter).await, 1);
    assert_eq!(gate(&adapter).await, Gate::default());
    // so does one that only a sweep looks at
    assert!(pause_for(&adapter, MOMENT).await);
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(gate(&adapter).await, Gate::default());
    super::upkeep::sound(&adapter, "swept").await;
}

pub(super) async fn the_later_end_of_two_pauses_counts(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert!(
        adapter
            .control()
            .pause(&task(), None, NewPause::from("first").by("ada").lasting(HOUR))
            .await
            .unwrap()
    );
    let since = paused(&adapter).await.since;
    for (time, lasting) in [(HOUR / 2, HOUR), (2 * HOUR, 2 * HOUR), (HOUR, 2 * HOUR)] {
        let again = NewPause::from("second").by("bob").lasting(time);
        assert!(!adapter.control().pause(&task(), None, again).await.unwrap(), "it is paused already");
        let known = paused(&adapter).await;
        assert_eq!((known.since, &*known.reason, &*known.by), (since, "first", "ada"));
        let lasts = lasts(&adapter).await.expect("it ends by itself");
        // the second one has begun a moment later
        assert!(lasts >= lasting && lasts < lasting + MOMENT * 60, "{lasts:?}");
    }
    put_numbered(&adapter, 0..1).await;
    f.advance(HOUR + MOMENT * 60).await;
    assert_eq!(room(&adapter).await, 0);
    // one that ends only with a resume ends last
    assert!(!pause(&adapter, "for good").await);
    assert_eq!(paused(&adapter).await.until, None);
    assert!(!pause_for(&adapter, MOMENT).await);
    f.advance(4 * HOUR).await;
    assert_eq!((room(&adapter).await, paused(&adapter).await.by), (0, "ada".to_owned()));
    assert!(resume(&adapter).await);
    assert_eq!(room(&adapter).await, 1);
}

pub(super) async fn a_pause_is_resumed_before_its_end(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    assert!(pause_for(&adapter, HOUR).await);
    put_numbered(&adapter, 0..2).await;
    let idle = idle_worker(&second).await;
    assert!(resume(&adapter).await);
    assert!(!resume(&adapter).await);
    assert_eq!(got(idle).await, "0");
    assert_eq!(gate(&adapter).await.paused, None);
    // nothing happens at the time at which it would have ended
    assert!(pause(&adapter, "another").await);
    f.advance(2 * HOUR).await;
    assert_eq!((room(&adapter).await, paused(&adapter).await.until), (0, None));
    assert!(resume(&adapter).await);
}

pub(super) async fn a_pause_that_ends_wakes_an_idle_worker(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put_numbered(&adapter, 0..1).await;
    assert!(pause_for(&adapter, QUIET * 4).await);
    let until = paused(&adapter).await.until.expect("it ends by itself");
    let job = idle_worker(&second).await.await.expect("a job");
    assert_eq!(job.lease.id, "0".into());
    assert!(job.claimed_at >= until, "{} is before {until}", job.claimed_at);
    // so does one that came while its task was paused, or that became due
    assert!(pause_for(&adapter, QUIET * 4).await);
    let idle = [idle_worker(&second).await, idle_worker(&adapter).await];
    put(&adapter, [delayed("due", TASK, 1)]).await;
    put_numbered(&adapter, 1..2).await;
    let mut woken = Vec::new();
    for worker in idle {
        woken.push(got(worker).await);
    }
    woken.sort();
    assert_eq!(woken, ["1", "due"], "one wakes the next");
    assert_eq!(state(&adapter, "due").await, Some(JobState::Active));
}

pub(super) async fn a_pause_that_ends_opens_no_full_task(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..3).await;
    let mut worker = Caller::new(&adapter);
    let running = worker.claim_one().await;
    assert!(pause_for(&adapter, HOUR).await);
    f.advance(HOUR).await;
    assert_eq!(room(&adapter).await, 0);
    assert_eq!(info(&adapter, "1").await.blocked, Some(Blocked::Limit));
    assert_eq!(gate(&adapter).await.to_string(), "1 of 1");
    super::upkeep::sound(&adapter, "full").await;
    worker.settle(&running, complete("1")).await;
    assert_eq!(room(&adapter).await, 1);
    // and a limit that is changed ends no pause
    assert!(pause_for(&adapter, HOUR).await);
    set(&adapter, Some(3)).await;
    assert_eq!(declare(&adapter, task(), None).await, Some(1));
    assert_eq!((room(&adapter).await, lasts(&adapter).await), (0, Some(HOUR)));
    f.advance(HOUR).await;
    assert_eq!(room(&adapter).await, 2);
}

pub(super) async fn who_paused_is_shown(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let control = adapter.control();
    assert!(control.pause(&task(), None, NewPause::from("provider down").by("ada")).await.unwrap());
    let known = gate(&second).await;
    assert_eq!(known.to_string(), "0, paused by ada: provider down");
    let known = known.paused.unwrap();
    assert_eq!((&*known.by, &*known.reason, known.until), ("ada", "provider down", None));
    assert!(resume(&second).await);
    // nothing of it is left for the next one
    assert!(pause(&adapter, "").await);
    assert_eq!(paused(&adapter).await.by, "");
    assert!(resume(&adapter).await);
    assert_eq!(gate(&adapter).await, Gate::default());
    // any text will do
    let odd = "a\0\n: \u{1F980}".repeat(50);
    assert!(control.pause(&task(), None, NewPause::from(&*odd).by(&odd).lasting(HOUR)).await.unwrap());
    let known = paused(&second).await;
    assert_eq!((known.by, known.reason, known.until.is_some()), (odd.clone(), odd, true));
}

pub(super) async fn a_pause_that_cannot_last_so_long_is_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    for time in [Duration::ZERO, Duration::from_nanos(999_999), year + Duration::from_nanos(1), Duration::MAX]
    {
        let refused = adapter.control().pause(&task(), None, NewPause::from("").lasting(time)).await;
        assert!(
            matches!(&refused, Err(AdapterError::Config(why)) if why.contains("365 days")),
            "{refused:?}"
        );
        assert_eq!(gate(&adapter).await, Gate::default());
    }
    assert!(pause_for(&adapter, year).await);
    assert_eq!(lasts(&adapter).await, Some(year));
    assert!(resume(&adapter).await);
    assert!(pause_for(&adapter, Duration::from_millis(1)).await);
    f.advance(MOMENT).await;
    assert_eq!(gate(&adapter).await.paused, None);
}

pub(super) async fn a_pause_keeps_its_end_when_its_task_is_renamed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let control = adapter.control();
    let (old, renamed) = (GatedTask::new(OTHER), GatedTask { aliases: vec![OTHER.into()], ..task() });
    let lasting = |time| NewPause::from("why").by("ada").lasting(time);
    assert!(control.pause(&old, None, lasting(HOUR)).await.unwrap());
    // that of the new name is over
    assert!(pause_for(&adapter, MOMENT).await);
    f.advance(MOMENT).await;
    assert_eq!(declare(&adapter, renamed.clone(), Some(9)).await, None);
    let known = paused(&adapter).await;
    assert_eq!((&*known.by, lasts(&adapter).await), ("ada", Some(HOUR)));
    put(&adapter, [super::kit::job("old", OTHER), super::kit::job("new", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    assert!(worker.claim(9, &[TASK, OTHER]).await.is_empty());
    super::upkeep::sound(&adapter, "renamed").await;
    f.advance(HOUR).await;
    // an older build asks for the old name only
    assert_eq!(ids(&worker.claim(9, &[OTHER]).await), ["old"]);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["new"]);
    assert_eq!(gate(&adapter).await.paused, None);
}

pub(super) async fn each_state_of_a_pause_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let checked = |step: &'static str| {
        let adapter = Arc::clone(&adapter);
        async move { super::upkeep::sound(&adapter, step).await }
    };
    assert!(pause_for(&adapter, HOUR).await);
    checked("paused and empty").await;
    put_numbered(&adapter, 0..3).await;
    checked("a job waits").await;
    assert!(!pause_for(&adapter, 2 * HOUR).await);
    checked("longer").await;
    f.advance(2 * HOUR + MOMENT).await;
    checked("over").await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    checked("a job has run").await;
    assert!(pause_for(&adapter, HOUR).await);
    assert!(!pause(&adapter, "").await);
    checked("for good").await;
    assert!(resume(&adapter).await);
    checked("resumed").await;
    assert!(pause_for(&adapter, HOUR).await);
    assert!(resume(&adapter).await);
    checked("resumed before its end").await;
    assert_eq!(room(&adapter).await, 2);
}

pub(super) async fn the_paused_tasks_are_listed(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let control = adapter.control();
    assert!(control.paused().await.unwrap().is_empty());
    let renamed = GatedTask { aliases: vec![OTHER.into()], ..task() };
    let pause = || NewPause::from("why").by("ada").lasting(HOUR);
    assert!(control.pause(&renamed, None, pause()).await.unwrap());
    // what is only full, or has a paused key, is not paused
    control.set_limit(&GatedTask::new("full"), None, Some(1)).await.unwrap();
    put(&adapter, ["a", "b"].map(|id| super::kit::job(id, "full"))).await;
    assert_eq!(Caller::new(&adapter).claim(9, &["full"]).await.len(), 1);
    let mut expected = vec![(task().task, paused(&adapter).await)];
    assert_eq!(second.control().paused().await.unwrap(), expected);
    // many, more than a page
    for number in 0..250 {
        assert!(control.pause(&GatedTask::new(format!("t{number:03}")), None, "".into()).await.unwrap());
    }
    let all = second.control().paused().await.unwrap();
    let names: Vec<&str> = all.iter().map(|(task, _)| &**task).collect();
    assert_eq!((names.len(), names[0], names[1], names[250]), (251, TASK, "t000", "t249"));
    for number in 0..250 {
        assert!(control.resume(&GatedTask::new(format!("t{number:03}")), None).await.unwrap());
    }
    expected.extend([("t".into(), Pause::default())]);
    assert!(control.pause(&GatedTask::new("t"), None, NewPause::default().lasting(2 * HOUR)).await.unwrap());
    expected[1].1 = control.gate(&GatedTask::new("t"), None).await.unwrap().paused.unwrap();
    assert_eq!(second.control().paused().await.unwrap(), expected);
    f.advance(HOUR).await;
    assert_eq!(second.control().paused().await.unwrap(), expected[1..], "what has ended is not among them");
}

//! Ticks: on time, late, missed, skipped, and made by whoever is there.

use std::time::Duration;

use taskora::prelude::*;
use taskora::{OnMissed, Overlap, Schedule, ScheduleError, ScheduleInfo, Tick, Timetable};
use tokio::time::{advance, sleep};

use super::{HOUR, MINUTE, NEW_YEAR, Note, Runs, SECOND, app, app_at, every, info, named, pass, worker};

#[tokio::test(start_paused = true)]
async fn s116_s117_a_declared_schedule_ticks() {
    let (app, runs) = (app(), Runs::default());
    let worker = worker(&app, &runs).schedule(every(SECOND)).start().await.unwrap();
    pass(5 * SECOND).await;
    assert_eq!(runs.times(), [1, 2, 3, 4, 5]);
    let info = info(&app, "a").await;
    assert_eq!(
        (info.task.as_str(), info.times),
        ("note", Timetable::Every { period: SECOND, offset: Duration::ZERO })
    );
    assert_eq!((info.is_in_code, info.is_declared), (true, true));
    assert_eq!((info.ran, info.skipped, info.missed), (5, 0, 0));
    assert_eq!(info.last.map(|at| at.as_millis()), Some((NEW_YEAR + 5) * 1_000));
    assert_eq!(info.next.map(|at| at.as_millis()), Some((NEW_YEAR + 6) * 1_000));
    assert_eq!(info.last_job, Some("a@20260101T000005Z".into()));
    worker.shutdown().await.unwrap();
    pass(5 * SECOND).await;
    assert_eq!(runs.count(), 0, "nobody ticks");
}

#[tokio::test(start_paused = true)]
async fn s118_an_expression_with_seconds_ticks() {
    let (app, runs) = (app(), Runs::default());
    app.schedules().upsert(named("a").cron("*/2 * * * * *").unwrap()).await.unwrap();
    let worker = worker(&app, &runs).start().await.unwrap();
    pass(6 * SECOND).await;
    assert_eq!(runs.times(), [2, 4, 6]);
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s121_of_several_workers_one_makes_each_tick() {
    let (app, runs) = (app(), Runs::default());
    let mut workers = Vec::new();
    for _ in 0..5 {
        workers.push(worker(&app, &runs).schedule(every(SECOND)).start().await.unwrap());
        pass(SECOND).await;
    }
    assert_eq!(runs.times(), [1, 2, 3, 4, 5]);
    // another one goes on at once
    while let Some(worker) = workers.pop() {
        worker.shutdown().await.unwrap();
        let left = if workers.is_empty() { 0 } else { 3 };
        pass(3 * SECOND).await;
        assert_eq!(runs.count(), left);
    }
}

#[tokio::test(start_paused = true)]
async fn x29_a_worker_without_the_task_ticks_too() {
    #[task]
    async fn other() {}

    let (app, runs) = (app(), Runs::default());
    app.schedules().upsert(every(SECOND)).await.unwrap();
    let other = Worker::builder(&app).register::<Other>().start().await.unwrap();
    pass(3 * SECOND).await;
    assert_eq!(app.counts("note").await.unwrap().waiting, 1, "the next ones are skipped until this one ran");
    let worker = worker(&app, &runs).schedules(false).start().await.unwrap();
    pass(SECOND).await;
    assert_eq!(runs.times(), [1, 4]);
    other.shutdown().await.unwrap();
    pass(3 * SECOND).await;
    assert_eq!(runs.count(), 0, "this one makes no ticks");
    worker.shutdown().await.unwrap();
}

/// What the store has after a fleet was down for five intervals and a half.
async fn after_an_outage(on_missed: OnMissed, overlap: Overlap) -> (Vec<u64>, ScheduleInfo) {
    let (app, runs) = (app(), Runs::default());
    let schedule = every(MINUTE).on_missed(on_missed).overlap(overlap);
    let first = worker(&app, &runs).schedule(schedule.clone()).start().await.unwrap();
    pass(MINUTE).await;
    first.shutdown().await.unwrap();
    assert_eq!(runs.times(), [60]);
    advance(5 * MINUTE + MINUTE / 2).await;
    let second = worker(&app, &runs).schedule(schedule).start().await.unwrap();
    pass(SECOND).await;
    let (times, info) = (runs.times(), info(&app, "a").await);
    assert_eq!(info.next.map(|at| at.as_millis()), Some((NEW_YEAR + 7 * 60) * 1_000));
    second.shutdown().await.unwrap();
    (times, info)
}

#[tokio::test(start_paused = true)]
async fn s122_to_s128_missed_ticks_run_as_the_schedule_says() {
    for (on_missed, times) in [
        (OnMissed::Skip, &[360][..]),
        (OnMissed::CatchUp, &[120, 180, 240, 300, 360]),
        (OnMissed::CatchUpNewest(100), &[120, 180, 240, 300, 360]),
        (OnMissed::CatchUpNewest(2), &[300, 360]),
    ] {
        for overlap in [Overlap::Skip, Overlap::Queue, Overlap::Allow] {
            let (ran, info) = after_an_outage(on_missed, overlap).await;
            assert_eq!(ran, times, "{on_missed:?} {overlap}");
            let counts = (info.ran as usize, info.skipped as usize, info.missed as usize);
            assert_eq!(counts, (1 + times.len(), 0, 5 - times.len()));
        }
    }
}

/// Takes longer than the minute after which the next tick comes.
#[task]
async fn slow(runs: State<Runs>, ctx: Context) {
    runs.ticks.lock().unwrap().push(ctx.tick());
    sleep(100 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn x31_while_a_run_has_not_ended_a_tick_is_skipped_or_waits_or_runs() {
    for (overlap, ticks, skipped) in [
        (Overlap::Skip, &[60, 180, 300][..], 2),
        (Overlap::Queue, &[60, 120, 180], 1),
        (Overlap::Allow, &[60, 120, 180, 240, 300], 0),
    ] {
        let (app, runs) = (app(), Runs::default());
        let schedule = Schedule::new("a").every(MINUTE).unwrap().overlap(overlap).run(Slow {});
        let worker = Worker::builder(&app).state(runs.clone()).register::<Slow>().schedule(schedule);
        let worker = worker.start().await.unwrap();
        pass(350 * SECOND).await;
        assert_eq!(runs.times(), ticks, "{overlap}");
        assert_eq!(info(&app, "a").await.skipped, skipped, "{overlap}");
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_tick_says_how_late_it_is() {
    let (app, runs) = (app(), Runs::default());
    app.schedules().upsert(every(MINUTE)).await.unwrap();
    advance(MINUTE + 7 * SECOND).await;
    let worker = worker(&app, &runs).start().await.unwrap();
    pass(SECOND).await;
    let tick = runs.take().remove(0).unwrap();
    assert_eq!((tick.schedule.as_str(), tick.late, tick.trigger), ("a", 7 * SECOND, false));
    assert_eq!(tick.at.as_millis(), (NEW_YEAR + 60) * 1_000);
    app.dispatch(Note { kind: "now".into() }).await.unwrap().result().await.unwrap();
    assert_eq!(runs.take(), [None], "it is no tick");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn x32_a_period_does_not_drift() {
    let (app, runs) = (app(), Runs::default());
    let schedule = every(SECOND).overlap(Overlap::Allow);
    let worker = worker(&app, &runs).schedule(schedule).start().await.unwrap();
    pass(1_000 * SECOND).await;
    assert_eq!(runs.times(), (1..=1_000).collect::<Vec<_>>());
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn x31_a_run_that_goes_on_skips_ticks() {
    let (app, runs) = (app(), Runs::gated());
    let worker = worker(&app, &runs).schedule(every(SECOND)).start().await.unwrap();
    pass(3 * SECOND).await;
    assert_eq!(runs.times(), [1]);
    assert_eq!(info(&app, "a").await.skipped, 2);
    runs.gate.as_ref().unwrap().notify_one();
    pass(SECOND).await;
    assert_eq!(runs.times(), [4]);
    runs.gate.as_ref().unwrap().notify_one();
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ticks_are_made_while_every_slot_is_taken() {
    let (app, runs) = (app(), Runs::gated());
    let schedule = every(SECOND).overlap(Overlap::Allow);
    let worker = worker(&app, &runs).schedule(schedule).concurrency(1).start().await.unwrap();
    pass(4 * SECOND).await;
    assert_eq!(runs.times(), [1]);
    let counts = app.counts("note").await.unwrap();
    assert_eq!((counts.active, counts.waiting), (1, 3));
    assert_eq!(info(&app, "a").await.missed, 0);
    for _ in 0..9 {
        runs.gate.as_ref().unwrap().notify_one();
        sleep(Duration::from_millis(1)).await;
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_of_clocks_loses_and_doubles_nothing() {
    // 28 March 2026, 23:00 in Berlin; the clock jumps from 02:00 to 03:00
    let start = 1_774_735_200;
    let (app, runs) = (app_at(start), Runs::default());
    let berlin = |name: &str, expression| named(name).cron(expression).unwrap().tz("Europe/Berlin").unwrap();
    let worker = worker(&app, &runs)
        .schedule(berlin("hourly", "0 * * * *"))
        .schedule(berlin("fixed", "30 2 * * *"))
        .start()
        .await
        .unwrap();
    pass(24 * HOUR).await;
    let hours = |name: &str, ticks: &[Option<Tick>]| -> Vec<u64> {
        let ticks = ticks.iter().flatten().filter(|tick| tick.schedule == name);
        ticks.map(|tick| (tick.at.as_millis() / 1_000 - start) / 60).collect()
    };
    let ticks = runs.take();
    assert_eq!(hours("hourly", &ticks), (1..=24).map(|hour| hour * 60).collect::<Vec<_>>());
    assert_eq!(hours("fixed", &ticks), [180], "at 03:00, as there is no 02:30");
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s132_a_trigger_runs_at_once() {
    let (app, runs) = (app(), Runs::gated());
    let schedules = app.schedules();
    let worker = worker(&app, &runs).schedule(every(HOUR)).start().await.unwrap();
    pass(SECOND).await;
    let before = info(&app, "a").await;
    let job = schedules.trigger("a").await.unwrap();
    assert_eq!(job.outcome(), &Outcome::Enqueued);
    pass(SECOND).await;
    let tick = runs.take().remove(0).unwrap();
    assert_eq!((tick.schedule.as_str(), tick.trigger, tick.late), ("a", true, Duration::ZERO));
    assert_eq!(tick.at.as_millis(), job.info().await.unwrap().unwrap().created_at.as_millis());
    let again = schedules.trigger("a").await.unwrap();
    assert_eq!(again.outcome(), &Outcome::Duplicate(job.id().clone()));
    assert_eq!(again.id(), job.id());
    let beside = schedules.trigger("a").anyway().await.unwrap();
    assert_ne!(beside.id(), job.id());
    pass(SECOND).await;
    assert_eq!(runs.count(), 1);
    let after = info(&app, "a").await;
    assert_eq!((after.next, after.last, after.ran), (before.next, None, 2));
    assert_eq!(after.last_job.as_ref(), Some(beside.id()));
    runs.gate.as_ref().unwrap().notify_waiters();
    assert_eq!(job.result().await.unwrap(), serde_json::Value::Null);
    beside.result().await.unwrap();
    schedules.pause("a").await.unwrap();
    let paused = schedules.trigger("a").await.unwrap();
    assert_eq!(paused.outcome(), &Outcome::Enqueued, "also while it is paused");
    assert!(matches!(schedules.trigger("b").await, Err(ScheduleError::NotFound { .. })));
    pass(SECOND).await;
    runs.gate.as_ref().unwrap().notify_waiters();
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_schedule_may_run_when_it_comes_into_being() {
    let (app, runs) = (app(), Runs::default());
    let once = || named("once").manual().run_on_start();
    let both = async |runs: &Runs| {
        let mut workers = Vec::new();
        for _ in 0..2 {
            let worker =
                worker(&app, runs).schedule(once()).schedule(named("always").manual().run_on_each_start());
            workers.push(worker.start().await.unwrap());
        }
        pass(SECOND).await;
        for worker in workers {
            worker.shutdown().await.unwrap();
        }
        let mut names: Vec<_> = runs.take().into_iter().map(|tick| tick.unwrap().schedule).collect();
        names.sort();
        names
    };
    assert_eq!(
        both(&runs).await,
        ["always", "once"],
        "the second one finds that the first one's run goes on"
    );
    assert_eq!(both(&runs).await, ["always"]);
    let changed = worker(&app, &runs).schedule(once().priority(5)).start().await.unwrap();
    pass(SECOND).await;
    assert_eq!(runs.count(), 1);
    assert_eq!(info(&app, "once").await.next, None);
    changed.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn jitter_moves_runs_and_not_ticks() {
    let (app, runs) = (app(), Runs::default());
    let spread = |name: &str| named(name).every(HOUR).unwrap().jitter(10 * MINUTE);
    let names: Vec<String> = (0..20).map(|number| format!("tenant-{number}")).collect();
    for name in &names {
        app.schedules().upsert(spread(name)).await.unwrap();
    }
    let worker = worker(&app, &runs).start().await.unwrap();
    pass(HOUR).await;
    assert!(runs.count() < 10);
    let (mut dues, mut late) = (Vec::new(), 0);
    for name in &names {
        let id = format!("{name}@20260101T010000Z");
        let job = app.job_raw(id.as_str()).info().await.unwrap().unwrap();
        late += usize::from(job.due_at.is_some_and(|due| due.since(job.created_at) > MINUTE));
        dues.push(job.due_at);
    }
    dues.sort();
    dues.dedup();
    assert!(late > 10 && dues.len() > 15, "{late} {dues:?}");
    pass(10 * MINUTE).await;
    let ticks = runs.take();
    assert!(ticks.iter().flatten().all(|tick| tick.at.as_millis() == (NEW_YEAR + 3600) * 1_000));
    for name in &names {
        assert_eq!(info(&app, name).await.last.map(|at| at.as_millis()), Some((NEW_YEAR + 3600) * 1_000));
    }
    worker.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_thousand_missed_ticks_are_caught_up_with() {
    for overlap in [Overlap::Skip, Overlap::Allow] {
        let (app, runs) = (app(), Runs::default());
        app.schedules().upsert(every(MINUTE).on_missed(OnMissed::CatchUp).overlap(overlap)).await.unwrap();
        advance(1_000 * MINUTE + MINUTE / 2).await;
        let worker = worker(&app, &runs).start().await.unwrap();
        pass(SECOND).await;
        assert_eq!(runs.times(), (1..=1_000).map(|minute| minute * 60).collect::<Vec<_>>(), "{overlap}");
        worker.shutdown().await.unwrap();
    }
}

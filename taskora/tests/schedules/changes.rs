//! Schedules that are changed, paused, declared by several builds, and declared no more.

use std::time::Duration;

use taskora::prelude::*;
use taskora::schedules::{Paused, Upserted};
use taskora::{OnMissed, Schedule, ScheduleError};
use tokio::time::advance;

use super::{HOUR, MINUTE, NEW_YEAR, Note, Runs, SECOND, app, every, info, named, pass, period, worker};

#[tokio::test(start_paused = true)]
async fn x28_restarts_and_deploys_move_nothing() {
    let (app, runs) = (app(), Runs::default());
    let schedule = || named("a").cron("0 * * * *").unwrap();
    // a deploy each twenty minutes of an hourly schedule
    for _ in 0..9 {
        let worker = worker(&app, &runs).schedule(schedule()).start().await.unwrap();
        pass(20 * MINUTE - 5 * Duration::from_millis(1)).await;
        worker.shutdown().await.unwrap();
    }
    let second = worker(&app, &runs).schedule(schedule()).start().await.unwrap();
    pass(SECOND).await;
    assert_eq!(runs.times(), [3600, 7200, 10800]);
    let before = info(&app, "a").await;
    app.schedules().pause("a").reason("migration").await.unwrap();
    second.shutdown().await.unwrap();
    let third = worker(&app, &runs).schedule(schedule()).start().await.unwrap();
    pass(3 * HOUR).await;
    let after = info(&app, "a").await;
    assert_eq!(after.paused.as_ref().map(|paused| paused.reason.as_str()), Some("migration"));
    assert_eq!((after.last, after.ran, after.next), (before.last, before.ran, None));
    assert_eq!(runs.count(), 0);
    app.schedules().resume("a").await.unwrap();
    pass(HOUR).await;
    assert_eq!(runs.count(), 1, "what was paused is not missed");
    assert_eq!(info(&app, "a").await.missed, 0);
    third.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_counts_from_now() {
    let (app, runs) = (app(), Runs::default());
    let first = worker(&app, &runs).schedule(every(HOUR)).start().await.unwrap();
    pass(HOUR + MINUTE).await;
    first.shutdown().await.unwrap();
    // another payload keeps the next tick
    let other = Schedule::new("a").every(HOUR).unwrap().run(Note { kind: "hourly".into() });
    let next = info(&app, "a").await.next;
    let second = worker(&app, &runs).schedule(other).start().await.unwrap();
    pass(MINUTE).await;
    assert_eq!(info(&app, "a").await.next, next);
    second.shutdown().await.unwrap();
    // another timetable does not
    let third = worker(&app, &runs).schedule(every(10 * MINUTE)).start().await.unwrap();
    pass(10 * MINUTE).await;
    assert_eq!(runs.times(), [3600, 4200]);
    assert_eq!(info(&app, "a").await.ran, 2);
    third.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_two_builds_has_its_way() {
    let (app, runs) = (app(), Runs::default());
    let old = worker(&app, &runs).schedule(every(HOUR)).start().await.unwrap();
    pass(SECOND).await;
    let new = worker(&app, &runs).schedule(every(2 * HOUR)).start().await.unwrap();
    pass(10 * MINUTE).await;
    assert_eq!(period(&app).await, 2 * HOUR, "the old one leaves it");
    new.shutdown().await.unwrap();
    pass(10 * MINUTE).await;
    assert_eq!(period(&app).await, HOUR, "until nobody declares it any more");
    old.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_out_of_the_code_stops_and_goes() {
    let (app, runs) = (app(), Runs::default());
    let old = worker(&app, &runs).schedule(every(MINUTE)).start().await.unwrap();
    pass(MINUTE).await;
    old.shutdown().await.unwrap();
    runs.take();
    let new = worker(&app, &runs).start().await.unwrap();
    pass(10 * MINUTE).await;
    assert!((1..=3).contains(&runs.count()), "for as long as somebody may still declare it");
    let info = info(&app, "a").await;
    assert_eq!((info.is_in_code, info.is_declared, info.next), (true, false, None));
    advance(7 * 24 * HOUR).await;
    pass(10 * SECOND).await;
    assert_eq!(app.schedules().list().await.unwrap(), []);
    assert_eq!(runs.count(), 0);
    new.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn s130_an_update_holds_until_the_code_changes() {
    let (app, runs) = (app(), Runs::default());
    let schedules = app.schedules();
    let first = worker(&app, &runs).schedule(every(5 * MINUTE)).start().await.unwrap();
    pass(SECOND).await;
    assert_eq!(schedules.update("a", |s| s.every(10 * MINUTE)).await.unwrap(), Upserted::Updated);
    assert_eq!(schedules.update("a", |s| s.every(10 * MINUTE)).await.unwrap(), Upserted::Unchanged);
    assert_eq!(info(&app, "a").await.times.to_string(), "every 10m");
    pass(5 * MINUTE).await;
    assert_eq!(runs.count(), 0);
    first.shutdown().await.unwrap();
    let same = worker(&app, &runs).schedule(every(5 * MINUTE)).start().await.unwrap();
    pass(6 * MINUTE).await;
    assert_eq!(info(&app, "a").await.times.to_string(), "every 10m");
    same.shutdown().await.unwrap();
    let other = worker(&app, &runs).schedule(every(7 * MINUTE)).start().await.unwrap();
    pass(SECOND).await;
    assert_eq!(info(&app, "a").await.times.to_string(), "every 7m");
    other.shutdown().await.unwrap();
    let unknown = schedules.update("b", Ok).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no schedule `b`");
    let wrong = schedules.update("a", |s| Ok(s.tz("UTC")?.on_missed(OnMissed::CatchUp))).await.unwrap_err();
    assert!(wrong.to_string().contains("`tz` does nothing with `every`"), "{wrong}");
}

#[tokio::test(start_paused = true)]
async fn upserts_say_what_they_did() {
    let app = app();
    let schedules = app.schedules();
    let daily = || named("a").cron("0 6 * * *").unwrap();
    assert_eq!(schedules.upsert(daily()).await.unwrap(), Upserted::Created);
    let first = info(&app, "a").await;
    assert_eq!(first.next.map(|at| at.as_millis()), Some((NEW_YEAR + 6 * 3600) * 1_000));
    assert_eq!(schedules.upsert(daily()).await.unwrap(), Upserted::Unchanged);
    assert_eq!(schedules.upsert(daily().priority(3)).await.unwrap(), Upserted::Updated);
    assert_eq!(info(&app, "a").await.next, first.next);
    let tokyo = daily().tz("Asia/Tokyo").unwrap();
    assert_eq!(schedules.upsert(tokyo).await.unwrap(), Upserted::Updated);
    let info = info(&app, "a").await;
    assert_eq!(info.next.map(|at| at.as_millis()), Some((NEW_YEAR + 21 * 3600) * 1_000));
    assert_eq!((info.is_in_code, info.is_declared), (false, true));
    let error = schedules.upsert(Schedule::new("b").cron("* * * * *").unwrap()).await.unwrap_err();
    assert!(matches!(error, ScheduleError::NothingToRun { .. }));
    assert_eq!(schedules.list().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn s131_what_code_declares_cannot_be_removed_or_replaced() {
    let (app, runs) = (app(), Runs::default());
    let schedules = app.schedules();
    let worker = worker(&app, &runs).schedule(every(MINUTE)).start().await.unwrap();
    schedules.upsert(named("b").every(MINUTE).unwrap()).await.unwrap();
    pass(SECOND).await;
    for error in [schedules.remove("a").await.unwrap_err(), schedules.upsert(every(HOUR)).await.unwrap_err()]
    {
        assert!(matches!(&error, ScheduleError::DeclaredInCode { name } if name == "a"), "{error}");
    }
    schedules.remove("b").await.unwrap();
    assert!(matches!(schedules.remove("b").await, Err(ScheduleError::NotFound { .. })));
    worker.shutdown().await.unwrap();
    pass(5 * MINUTE).await;
    schedules.remove("a").await.unwrap();
    assert_eq!(schedules.list().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn s292_pauses_are_seen_and_have_reasons() {
    let app = app();
    let schedules = app.schedules();
    schedules.upsert(every(HOUR)).await.unwrap();
    schedules.pause("a").await.unwrap();
    let Paused { since, reason, .. } = info(&app, "a").await.paused.unwrap();
    assert_eq!((since.as_millis(), reason.as_str()), (NEW_YEAR * 1_000, ""));
    assert_eq!(schedules.next_runs("a", 3).await.unwrap(), []);
    schedules.upsert(every(2 * HOUR)).await.unwrap();
    assert!(info(&app, "a").await.paused.is_some(), "an upsert ends no pause");
    schedules.resume("a").await.unwrap();
    schedules.resume("a").await.unwrap();
    let next = schedules.next_runs("a", 3).await.unwrap();
    assert_eq!(
        next.iter().map(|at| at.as_millis() / 1_000 - NEW_YEAR).collect::<Vec<_>>(),
        [7200, 14400, 21600]
    );
    assert!(matches!(schedules.pause("b").await, Err(ScheduleError::NotFound { .. })));
    assert!(matches!(schedules.resume("b").await, Err(ScheduleError::NotFound { .. })));
    assert!(matches!(schedules.next_runs("b", 1).await, Err(ScheduleError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn settings_that_cannot_be_are_refused_at_the_start() {
    let runs = Runs::default();
    let nowhere = App::builder(MemoryAdapter::new()).timezone("Europe/Berln").build();
    let daily = || named("a").cron("@daily").unwrap();
    let error = worker(&nowhere, &runs).schedule(daily()).start().await.unwrap_err();
    assert_eq!(error.to_string(), "unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
    assert!(nowhere.schedules().upsert(daily()).await.is_err());
    let error = worker(&app(), &runs).schedule(daily()).schedule(daily()).start().await.unwrap_err();
    assert_eq!(error.to_string(), "two schedules are named `a`");
    let berlin = App::builder(MemoryAdapter::new()).timezone("Europe/Berlin").build();
    berlin.schedules().upsert(daily()).await.unwrap();
    assert_eq!(info(&berlin, "a").await.times.to_string(), "cron @daily Europe/Berlin");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_can_be_triggered_as_soon_as_its_worker_has_started() {
    let (app, runs) = (app(), Runs::default());
    let worker = worker(&app, &runs).schedule(named("a").manual()).start().await.unwrap();
    app.schedules().trigger("a").await.unwrap().result().await.unwrap();
    assert_eq!(runs.count(), 1);
    worker.shutdown().await.unwrap();
}

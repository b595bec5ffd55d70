//! Schedules while nobody is there, while they are paused, and while workers come and go.

use std::time::Duration;

use taskora::adapter::StoredSchedule;
use taskora::prelude::*;
use taskora::{OnMissed, Overlap, Schedule, Timestamp};

use crate::support::{Probe, Store, on_both, quick, until_is};

const MINUTE: Duration = Duration::from_secs(60);
const NAME: &str = "each minute";

#[task]
async fn note(ctx: &Context, probe: State<Probe>) {
    let tick = ctx.tick().expect("it runs only as a tick");
    probe.saw(tick.at.as_millis());
}

fn each_minute() -> Schedule {
    Schedule::new(NAME).every(MINUTE).unwrap().overlap(Overlap::Allow).run(Note {})
}

async fn worker(app: &App, probe: &Probe, schedule: Option<Schedule>) -> Worker {
    let builder = quick(app).state(probe.clone()).register::<Note>();
    schedule.into_iter().fold(builder, |builder, one| builder.schedule(one)).start().await.unwrap()
}

/// The store's time, and what it knows of the schedule.
async fn known(store: &Store) -> (Timestamp, StoredSchedule) {
    let (now, known) = store.adapter().await.schedules().schedule(NAME).await.unwrap();
    (now, known.expect("it is there"))
}

/// Waits until all ticks up to now have been made, and have run.
async fn caught_up(store: &Store, probe: &Probe) -> StoredSchedule {
    let is = |(now, known, seen): &(Timestamp, StoredSchedule, usize)| {
        known.next.is_some_and(|next| next > *now) && known.ran == *seen as u64
    };
    let ask = || async {
        let (now, known) = known(store).await;
        (now, known, probe.seen().len())
    };
    until_is(is, ask, || "one that has made its ticks".to_owned()).await.1
}

/// The minutes since `first` of the ticks that ran, in their order.
fn minutes(probe: &Probe, first: Timestamp) -> Vec<u64> {
    let mut times: Vec<u64> = probe.seen().iter().map(|time| time.parse().unwrap()).collect();
    times.sort_unstable();
    times.into_iter().map(|time| (time - first.as_millis()) / 60_000).collect()
}

on_both! {
    // on Redis real time passes, too, so one more tick may be due than was waited for

    async fn s122_to_s128_what_runs_after_five_intervals_without_a_worker(store: Store) {
        for (on_missed, most) in
            [(OnMissed::Skip, Some(1)), (OnMissed::CatchUpNewest(3), Some(3)), (OnMissed::CatchUp, None)]
        {
            let (app, probe) = (store.app().await, Probe::new());
            app.schedules().upsert(each_minute().on_missed(on_missed)).await.unwrap();
            let first = known(&store).await.1.next.unwrap();
            store.pass(5 * MINUTE).await;
            let worker = worker(&app, &probe, None).await;
            let after = caught_up(&store, &probe).await;
            let ran = minutes(&probe, first);
            let late = *ran.first().unwrap();
            let missed = most.map_or(0, |most| 5 - most);
            assert!(late == missed || (late == missed + 1 && most.is_some()), "{on_missed:?}: {ran:?}");
            assert!(*ran.last().unwrap() >= 4, "{on_missed:?}: the newest of five runs, {ran:?}");
            assert_eq!(ran, (late..late + ran.len() as u64).collect::<Vec<_>>(), "{on_missed:?}: each once");
            assert_eq!((after.missed, after.skipped), (late, 0), "{on_missed:?}");
            worker.shutdown().await.unwrap();
            app.schedules().remove(NAME).await.unwrap();
        }
    }

    async fn s292_a_time_in_which_a_schedule_was_paused_is_not_missed(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        app.schedules().upsert(each_minute().on_missed(OnMissed::CatchUp)).await.unwrap();
        let worker = worker(&app, &probe, None).await;
        app.schedules().pause(NAME).reason("migration").await.unwrap();
        let before = probe.seen().len();
        store.pass(5 * MINUTE).await;
        assert_eq!(probe.seen().len(), before);
        let resumed = known(&store).await.0;
        app.schedules().resume(NAME).await.unwrap();
        store.pass(MINUTE).await;
        let after = caught_up(&store, &probe).await;
        let new: Vec<u64> = probe.seen()[before..].iter().map(|time| time.parse().unwrap()).collect();
        assert!(!new.is_empty() && new.len() <= 2, "{new:?}");
        assert!(new.iter().all(|time| *time > resumed.as_millis()), "{new:?} after {resumed:?}");
        assert_eq!((after.missed, after.skipped), (0, 0));
        worker.shutdown().await.unwrap();
    }

    async fn x28_a_schedule_ticks_although_it_is_deployed_more_often(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let mut first = None;
        for _ in 0..13 {
            let worker = worker(&app, &probe, Some(each_minute())).await;
            first = first.or(known(&store).await.1.next);
            store.pass(MINUTE / 6).await;
            caught_up(&store, &probe).await;
            worker.shutdown().await.unwrap();
        }
        let ran = minutes(&probe, first.unwrap());
        assert!(ran.len() >= 2, "{ran:?}");
        assert_eq!(ran, (0..ran.len() as u64).collect::<Vec<_>>(), "each once, and none is missing");
    }
}

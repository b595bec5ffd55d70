//! Schedules.

use taskora::Overlap;
use taskora::adapter::{PutSchedule, Schedules, Ticked};

use super::{Stage, is_refused};
use crate::garbage::world::{schedule, tick_of};
use crate::kit::job;

#[tokio::test]
async fn a_schedule_of_a_later_version_waits_for_a_worker_that_can_read_it() {
    for (key, what) in [("sched", "another layout"), ("schedrun", "a state of another layout")] {
        let mut stage = Stage::set().await;
        let adapter = stage.adapter.clone();
        let now = adapter.schedule("s1").await.expect("the time").0;
        let put = ["s1", "s4"].map(|name| schedule(name, now));
        assert_eq!(adapter.put_schedules(put.to_vec()).await.expect("put"), [true; 2]);
        let known = adapter.schedule("s1").await.expect("a schedule").1.expect("it is known");
        let today = stage.field(key, b"s1");
        stage.set_field(key, b"s1", &[&[2], &today[1..]].concat());

        // nobody ticks it, changes it or removes it
        for _ in 0..3 {
            stage.shift(101).await;
            let due = adapter.due_schedules("w").await.expect("due");
            let names: Vec<_> = due.schedules.iter().map(|schedule| schedule.name.as_str()).collect();
            assert_eq!(names, ["s4"], "{what}");
            let late = adapter.tick(vec![tick_of(&known, due.now)]).await.expect("tick");
            assert_eq!(late, [Ticked::Stale], "{what}");
            let ticks = due.schedules.iter().map(|schedule| tick_of(schedule, due.now)).collect();
            assert_eq!(
                adapter.tick(ticks).await.expect("tick"),
                [Ticked::Done { ran: 1, skipped: 0 }],
                "{what}"
            );
        }
        is_refused(adapter.schedule("s1"), what).await;
        is_refused(adapter.pause_schedule("s1", "why"), what).await;
        is_refused(adapter.remove_schedule("s1"), what).await;
        is_refused(adapter.trigger("s1", job("x"), Overlap::Allow), what).await;
        let again = schedule("s1", now);
        let changed = PutSchedule { expected: Some(known.version()), ..again.clone() };
        assert_eq!(adapter.put_schedules(vec![again, changed]).await.expect("put"), [false; 2], "{what}");
        assert_eq!(adapter.list_schedules().await.expect("list").len(), 1, "{what}");
        stage.is_checked_as(1, what).await;

        // a worker that can read it comes
        stage.set_field(key, b"s1", &today);
        stage.shift(6).await;
        assert_eq!(adapter.due_schedules("w").await.expect("due").schedules, [known], "{what}");
    }
}

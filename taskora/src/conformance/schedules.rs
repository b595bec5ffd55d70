//! Schedules: put, declared, paused, triggered and removed.

use super::Fixture;
use super::kit::{Caller, MARGIN, TASK, complete, job, state};
use super::schedule_kit::{
    MINUTE, ONE, SKIPPED, coded, create, declare, due, due_names, get, is_known, new, now, put, tick, tick_of,
};
use crate::adapter::{
    Declaration, Fingerprint, KEPT, NewJob, Origin, PutSchedule, RemoveOutcome, SIGN, StoredSchedule,
    TickStamp, Ticked, Triggered,
};
use crate::schedules::Overlap;

pub(super) async fn a_schedule_is_kept_as_it_is_put(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    assert!(!is_known(&adapter, "a").await);
    let schedule = PutSchedule { definition: (0..=255).chain(0..=255).collect(), ..new(&adapter, "a").await };
    assert!(put(&adapter, schedule.clone()).await);
    let known = get(&second, "a").await;
    assert_eq!(
        known,
        StoredSchedule {
            name: "a".to_owned(),
            definition: schedule.definition.clone(),
            origin: Origin::Api,
            is_declared: true,
            since: schedule.since,
            next: schedule.next,
            last: None,
            last_job: None,
            paused: None,
            ran: 0,
            skipped: 0,
            missed: 0,
        }
    );
    let declared = Fingerprint::of(b"another");
    let manual = PutSchedule { next: None, origin: Origin::Code { declared }, ..coded(&adapter, "b").await };
    assert!(put(&adapter, manual).await);
    let known = get(&second, "b").await;
    assert_eq!((known.next, known.origin, known.is_declared), (None, Origin::Code { declared }, true));
}

pub(super) async fn s129_schedules_are_listed_by_name(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert_eq!(adapter.schedules().list_schedules().await.unwrap(), []);
    let long = "é".repeat(87);
    let mut expected = vec!["b", "a", "a:b", "größe", "{x}", "@", "*", "%s", "0", &long];
    for name in &expected {
        create(&adapter, name).await;
    }
    expected.sort_unstable();
    let listed = adapter.schedules().list_schedules().await.unwrap();
    assert_eq!(listed.iter().map(|schedule| schedule.name.as_str()).collect::<Vec<_>>(), expected);
    for schedule in listed {
        assert_eq!(schedule, get(&adapter, &schedule.name).await);
    }
}

pub(super) async fn a_put_that_expects_something_else_changes_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let first = new(&adapter, "a").await;
    let version = Some(create(&adapter, "a").await.version());
    let other = PutSchedule { definition: b"other".to_vec(), ..first.clone() };
    assert!(!put(&adapter, other.clone()).await, "it is there already");
    let unknown = PutSchedule { expected: version, ..new(&adapter, "b").await };
    assert!(!put(&adapter, unknown).await, "it is not there");
    assert!(!is_known(&adapter, "b").await);
    let later = PutSchedule { next: first.next.map(|next| next.plus(MINUTE)), expected: version, ..first };
    assert!(put(&adapter, later.clone()).await);
    assert!(
        !put(&adapter, PutSchedule { expected: version, ..other.clone() }).await,
        "its next tick is another one"
    );
    assert!(put(&adapter, later.clone()).await, "a repeated call finds that it was made");
    let known = get(&adapter, "a").await;
    assert_eq!((known.next, &known.definition), (later.next, &later.definition));
    let version = Some(known.version());
    assert!(put(&adapter, PutSchedule { expected: version, ..other.clone() }).await);
    assert!(!put(&adapter, PutSchedule { expected: version, ..later }).await, "it is another definition");
    assert_eq!(get(&adapter, "a").await.definition, other.definition);
}

pub(super) async fn s292_a_paused_schedule_does_not_tick(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = create(&adapter, "a").await;
    let schedules = adapter.schedules();
    assert!(!schedules.pause_schedule("unknown", "why").await.unwrap());
    assert!(schedules.pause_schedule("a", "why").await.unwrap());
    let at = now(&adapter).await;
    assert!(schedules.pause_schedule("a", "another").await.unwrap());
    let paused = get(&adapter, "a").await;
    assert_eq!(paused.next, None);
    let (since, reason) = paused.paused.clone().unwrap();
    assert!(since <= at && reason == "why", "the first one stays: {since:?} {reason}");
    f.advance(5 * MINUTE).await;
    assert_eq!(due_names(&adapter).await, [""; 0]);
    assert_eq!(tick(&adapter, tick_of(&schedule)).await, Ticked::Stale, "it was computed before the pause");
    // it can be changed, and stays paused
    let changed = PutSchedule {
        expected: Some(paused.version()),
        definition: b"other".to_vec(),
        ..new(&adapter, "a").await
    };
    assert!(put(&adapter, changed.clone()).await);
    assert!(put(&adapter, changed).await, "again");
    let known = get(&adapter, "a").await;
    assert_eq!(
        (known.next, &known.paused, known.definition.as_slice()),
        (None, &paused.paused, &b"other"[..])
    );
    let resumed = PutSchedule {
        expected: Some(known.version()),
        definition: known.definition.clone(),
        resumes: true,
        ..new(&adapter, "a").await
    };
    assert!(put(&adapter, resumed.clone()).await);
    let known = get(&adapter, "a").await;
    assert_eq!((known.next, known.paused, known.missed), (resumed.next, None, 0));
    f.advance(MINUTE).await;
    assert_eq!(due_names(&adapter).await, ["a"]);
}

pub(super) async fn x28_declaring_again_keeps_next_last_and_pause(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for name in ["ticks", "is paused"] {
        let schedule = coded(&adapter, name).await;
        assert_eq!(declare(&adapter, &schedule).await, None);
        assert!(put(&adapter, schedule).await);
    }
    f.advance(MINUTE).await;
    for name in ["ticks", "is paused"] {
        assert_eq!(tick(&adapter, tick_of(&get(&adapter, name).await)).await, ONE);
    }
    assert!(adapter.schedules().pause_schedule("is paused", "why").await.unwrap());
    for name in ["ticks", "is paused"] {
        let before = get(&adapter, name).await;
        let schedule = coded(&adapter, name).await;
        assert_eq!(declare(&adapter, &schedule).await, Some(before.clone()));
        assert_eq!(get(&adapter, name).await, before);
        // a new definition leaves what was
        let expected = Some(before.version());
        let changed = PutSchedule { expected, definition: b"other".to_vec(), ..schedule };
        assert_eq!(declare(&adapter, &changed).await, Some(before.clone()));
        assert!(put(&adapter, changed.clone()).await);
        let after = get(&adapter, name).await;
        assert_eq!(
            (after.last, &after.last_job, after.ran, &after.paused),
            (before.last, &before.last_job, 1, &before.paused)
        );
        assert_eq!(after.next, if name == "ticks" { changed.next } else { None });
    }
}

pub(super) async fn what_nobody_declares_does_not_tick(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedule = coded(&adapter, "a").await;
    assert!(put(&adapter, schedule.clone()).await);
    f.advance(SIGN - MARGIN).await;
    // somebody else declares another thing
    let other = PutSchedule { definition: b"other".to_vec(), ..schedule.clone() };
    assert!(declare(&adapter, &other).await.unwrap().is_declared);
    f.advance(MARGIN).await;
    assert_eq!(due_names(&adapter).await, [""; 0]);
    let known = get(&adapter, "a").await;
    assert!(!known.is_declared);
    assert_eq!(known.next, schedule.next, "it would go on with this one");
    f.advance(KEPT - SIGN - MARGIN).await;
    assert_eq!(due_names(&adapter).await, [""; 0]);
    assert!(!declare(&adapter, &schedule).await.unwrap().is_declared, "not before");
    let known = get(&adapter, "a").await;
    assert!(known.is_declared);
    assert_eq!(due(&adapter).await.schedules, [known]);
}

pub(super) async fn what_nobody_declares_goes_after_seven_days(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for name in ["ticks", "is paused", "by hand", "is declared"] {
        let mut schedule = coded(&adapter, name).await;
        schedule.next = schedule.next.filter(|_| name != "by hand");
        assert!(put(&adapter, schedule).await);
    }
    adapter.schedules().pause_schedule("is paused", "why").await.unwrap();
    create(&adapter, "of the api").await;
    due(&adapter).await;
    f.advance(KEPT - MARGIN).await;
    let declared = coded(&adapter, "is declared").await;
    declare(&adapter, &declared).await;
    while !due(&adapter).await.schedules.is_empty() {}
    assert_eq!(adapter.schedules().list_schedules().await.unwrap().len(), 5);
    f.advance(2 * MARGIN).await;
    while !due(&adapter).await.schedules.is_empty() {}
    let left = adapter.schedules().list_schedules().await.unwrap();
    let left: Vec<_> = left.iter().map(|schedule| schedule.name.as_str()).collect();
    assert_eq!(left, ["is declared", "of the api"]);
}

pub(super) async fn s131_a_removed_schedule_is_gone(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedules = adapter.schedules();
    assert_eq!(schedules.remove_schedule("a").await.unwrap(), RemoveOutcome::NotFound);
    let schedule = create(&adapter, "a").await;
    f.advance(MINUTE).await;
    assert_eq!(tick(&adapter, tick_of(&schedule)).await, ONE);
    assert_eq!(schedules.remove_schedule("a").await.unwrap(), RemoveOutcome::Removed);
    assert_eq!(schedules.list_schedules().await.unwrap(), []);
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, 1, "its jobs stay");
    f.advance(MINUTE).await;
    assert_eq!(due_names(&adapter).await, [""; 0]);
    assert_eq!(create(&adapter, "a").await.ran, 0, "it is another one");
    // one that is declared stays until it is declared no more
    assert!(put(&adapter, coded(&adapter, "b").await).await);
    assert_eq!(schedules.remove_schedule("b").await.unwrap(), RemoveOutcome::Declared);
    f.advance(SIGN).await;
    assert_eq!(schedules.remove_schedule("b").await.unwrap(), RemoveOutcome::Removed);
}

pub(super) async fn s132_a_trigger_runs_now(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedules = adapter.schedules();
    let stamped = |id: &str| {
        let stamp = TickStamp { schedule: "a".to_owned(), at: None };
        NewJob { tick: Some(stamp), ..job(id, TASK) }
    };
    let trigger = |id: &str, overlap| schedules.trigger("a", stamped(id), overlap);
    assert_eq!(trigger("1", Overlap::Skip).await.unwrap(), Triggered::NotFound);
    let before = create(&adapter, "a").await;
    assert_eq!(trigger("1", Overlap::Skip).await.unwrap(), Triggered::Stored);
    let after = get(&adapter, "a").await;
    assert_eq!((after.next, after.last, after.since), (before.next, None, before.since));
    assert_eq!((after.ran, after.last_job), (1, Some("1".into())));
    assert_eq!(trigger("1", Overlap::Skip).await.unwrap(), Triggered::Stored, "the same call");
    assert_eq!(get(&adapter, "a").await.ran, 1);
    assert_eq!(trigger("2", Overlap::Skip).await.unwrap(), Triggered::Unfinished("1".into()));
    assert_eq!(trigger("3", Overlap::Allow).await.unwrap(), Triggered::Stored);
    assert_eq!(tick(&adapter, tick_of(&before)).await, SKIPPED, "a trigger is a run as any");
    let mut worker = Caller::new(&adapter);
    for id in ["1", "3"] {
        let run = worker.run_one(complete("1")).await;
        assert_eq!(run.lease.id.as_str(), id);
        assert_eq!(run.tick, Some(TickStamp { schedule: "a".to_owned(), at: None }));
    }
    schedules.pause_schedule("a", "why").await.unwrap();
    assert_eq!(trigger("4", Overlap::Skip).await.unwrap(), Triggered::Stored, "also while it is paused");
    assert_eq!(state(&adapter, "2").await, None);
}

pub(super) async fn nothing_to_do_is_nothing(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let schedules = adapter.schedules();
    assert_eq!(schedules.put_schedules(Vec::new()).await.unwrap(), [true; 0]);
    assert_eq!(schedules.tick(Vec::new()).await.unwrap(), []);
    assert_eq!(schedules.declare(Vec::new()).await.unwrap().known, []);
    let due = due(&adapter).await;
    assert_eq!((due.schedules.len(), due.next), (0, None));
    // a name among many
    let unknown = Declaration { name: "a".to_owned(), declared: Fingerprint(1) };
    create(&adapter, "b").await;
    let known = Declaration { name: "b".to_owned(), declared: Fingerprint(1) };
    let answer = schedules.declare(vec![unknown, known]).await.unwrap();
    assert_eq!(answer.known.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
    assert!(answer.now >= answer.known[1].as_ref().unwrap().since);
    let mut worker = Caller::new(&adapter);
    let job = worker.call(Vec::new(), None);
    assert_eq!(adapter.jobs().exchange(job).await.unwrap().ticks, None);
}

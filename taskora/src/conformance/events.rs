//! What is told to those who listen.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::action_kit::{delete, revive};
use super::flow_kit::{flow, node, start};
use super::gate_kit::{pause, resume};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, TASK, complete, delayed, fail, info, job, progress, put, retry,
    sweep, within,
};
use crate::adapter::{
    Adapter, AttemptEnd, Event, EventId, EventPage, Kind, Kinds, NewJob, RenewLease, Revival, What,
    WorkerEntry, WorkerReport,
};
use crate::policy::{Retention, Ttl};

/// Somebody who listens.
struct Ear {
    adapter: Arc<dyn Adapter>,
    kinds: Kinds,
    cursor: EventId,
}

impl Ear {
    async fn of(adapter: &Arc<dyn Adapter>, kinds: Kinds) -> Self {
        let page = adapter.events().listen(kinds, None).await.expect("listen");
        assert!(page.events.is_empty(), "{page:?}");
        Self { adapter: Arc::clone(adapter), kinds, cursor: page.last }
    }

    async fn all(adapter: &Arc<dyn Adapter>) -> Self {
        Self::of(adapter, Kinds::ALL).await
    }

    /// Everything since the last time.
    async fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let page = self.adapter.events().listen(self.kinds, Some(self.cursor)).await.expect("listen");
            self.cursor = page.last;
            events.extend(page.events);
            if !page.more {
                return events;
            }
        }
    }

    /// Longer than a lease, and listens on meanwhile.
    async fn outlast_a_lease(&self, f: &impl Fixture) {
        for _ in 0..2 {
            f.advance(LEASE / 2 + MOMENT).await;
            self.adapter.events().listen(self.kinds, None).await.expect("listen");
        }
    }

    /// The same in words.
    async fn told(&mut self) -> Vec<String> {
        self.events().await.iter().map(shown).collect()
    }
}

fn shown(event: &Event) -> String {
    let subject = event.job.as_ref().map(|id| id.as_str()).or(event.task.as_deref()).unwrap_or_default();
    let what = match &event.what {
        What::Enqueued { due_at } => format!("enqueued{}", if due_at.is_some() { " for later" } else { "" }),
        What::Started { attempt } => format!("started {attempt}"),
        What::Progress { value } => format!("progress {value}"),
        What::Completed { attempts } => format!("completed {attempts}"),
        What::Retrying { attempt, error, .. } => format!("retrying {attempt}: {error}"),
        What::Failed { attempts, error, stalled: false } => format!("failed {attempts}: {error}"),
        What::Failed { attempts, stalled: true, .. } => format!("stalled {attempts}"),
        What::Cancelled { reason } => format!("cancelled: {reason}"),
        What::Expired => "expired".into(),
        What::Released { due_at } => format!("released{}", if due_at.is_some() { " for later" } else { "" }),
        What::Rescued { stalls } => format!("rescued {stalls}"),
        What::Revived { due_at } => format!("revived{}", if due_at.is_some() { " for later" } else { "" }),
        What::Deleted => "deleted".into(),
        What::WorkflowStarted { workflow, nodes } => format!("{workflow} started with {nodes}"),
        What::WorkflowEnded { workflow, state } => format!("{workflow} ended as {state:?}"),
        What::Paused { reason } => format!("paused: {reason}"),
        What::Resumed => "resumed".into(),
        What::WorkerStarted { worker } => format!("{worker} started"),
        What::WorkerStopped { worker } => format!("{worker} stopped"),
        What::WorkerLost { worker } => format!("{worker} lost"),
        What::Gap => "gap".into(),
    };
    format!("{subject} {what}").trim_start().to_owned()
}

pub(super) async fn the_life_of_a_job_is_told_in_order(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("before", OTHER)]).await;
    let mut ear = Ear::all(&adapter).await;
    put(&adapter, [job("a", TASK), delayed("b", TASK, 60_000)]).await;
    let mut worker = Caller::new(&adapter);
    let claimed = worker.claim_one().await;
    progress(&adapter, &claimed, "[1]").await;
    worker.settle(&claimed, retry("not yet", MOMENT)).await;
    f.advance(MOMENT).await;
    let claimed = worker.claim_one().await;
    worker.settle(&claimed, complete("1")).await;

    let events = ear.events().await;
    let told: Vec<String> = events.iter().map(shown).collect();
    assert_eq!(
        told,
        [
            "a enqueued",
            "b enqueued for later",
            "a started 1",
            "a progress [1]",
            "a retrying 1: not yet",
            "a started 2",
            "a completed 2"
        ]
    );
    assert!(events.is_sorted_by(|one, next| one.id < next.id && one.at <= next.at), "{events:?}");
    assert!(events.iter().all(|event| event.task.as_deref() == Some(TASK)));
    assert_eq!(events[0].at, info(&adapter, "a").await.created_at);
    assert_eq!(ear.told().await, [""; 0], "each once");
}

pub(super) async fn each_end_is_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = Ear::of(&adapter, Kind::ENDS.into_iter().collect()).await;
    let brief = NewJob { ttl: Some(Ttl::new(MOMENT)), ..job("late", TASK) };
    put(
        &adapter,
        [job("fails", TASK), NewJob { max_stalls: 0, ..job("stalls", TASK) }, job("is flagged", TASK), brief],
    )
    .await;
    put(&adapter, [delayed("waits", TASK, 60_000)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(fail("no")).await;
    worker.claim_one().await;
    let flagged = worker.claim_one().await;
    for id in ["is flagged", "waits"] {
        adapter.jobs().cancel(&id.into(), "why").await.expect("cancel");
    }
    worker.settle(&flagged, AttemptEnd::Cancel).await;
    ear.outlast_a_lease(f).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let ends = [
        "fails failed 1: no",
        "waits cancelled: why",
        "is flagged cancelled: why",
        "stalls stalled 0",
        "late expired",
    ];
    let told = ear.told().await;
    let ended: Vec<&String> = told.iter().filter(|told| !told.ends_with("started 1")).collect();
    assert_eq!(ended, ends.iter().collect::<Vec<_>>());
}

pub(super) async fn what_comes_back_is_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = Ear::of(&adapter, [Kind::Released, Kind::Rescued].into_iter().collect()).await;
    put(&adapter, [job("a", TASK), job("b", TASK), job("c", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(AttemptEnd::Release { delay: MOMENT * 60 }).await;
    let back = worker.claim_one().await;
    worker.claim_one().await;
    worker.settle(&back, AttemptEnd::release()).await;
    ear.outlast_a_lease(f).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(ear.told().await, ["a released for later", "b released", "c rescued 1"]);
}

pub(super) async fn what_operators_do_is_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK), job("b", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(fail("no")).await;
    worker.run_one(fail("no")).await;
    let mut ear = Ear::all(&adapter).await;
    revive(&adapter, "a").await;
    let ended_at = info(&adapter, "b").await.finished_at.expect("an end");
    let later = Revival { id: "b".into(), ended_at, delay: MOMENT };
    adapter.actions().revive(vec![later]).await.expect("revive");
    delete(&adapter, "b").await;
    pause(&adapter, "too much").await;
    pause(&adapter, "again").await;
    resume(&adapter).await;
    resume(&adapter).await;
    assert_eq!(
        ear.told().await,
        [
            "a revived",
            "b revived for later",
            "b cancelled: gone",
            "b deleted",
            &format!("{TASK} paused: too much"),
            &format!("{TASK} resumed"),
        ]
    );
}

pub(super) async fn workflows_are_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = Ear::all(&adapter).await;
    start(&adapter, flow("w", vec![node(None), node(Some(0))], &[&[0]])).await;
    let mut worker = Caller::new(&adapter);
    worker.run_one(complete("1")).await;
    worker.run_one(fail("no")).await;
    assert_eq!(
        ear.told().await,
        [
            "w started with 2",
            "w#0 started 1",
            "w#0 completed 1",
            "w#1 started 1",
            "w#1 failed 1: no",
            "w ended as Failed"
        ]
    );
}

pub(super) async fn workers_that_come_and_go_are_told(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = Ear::all(&adapter).await;
    let report = |id: &str| WorkerReport::new(WorkerEntry { silence: MOMENT * 2, ..WorkerEntry::new(id) });
    let sweep = async |id: &str| {
        let swept = adapter.jobs().sweep_for(&report(id), &[], Retention::default()).await;
        swept.expect("a sweep");
    };
    for id in ["one", "two", "one"] {
        sweep(id).await;
    }
    adapter.jobs().sign_off(&report("two")).await.expect("sign_off");
    adapter.jobs().sign_off(&report("two")).await.expect("sign_off");
    sweep("three").await;
    assert_eq!(ear.told().await, ["one started", "two started", "two stopped", "three started"]);
    f.advance(MOMENT * 3).await;
    sweep("three").await;
    let mut told = ear.told().await;
    told.sort_unstable();
    assert_eq!(told, ["one lost", "three lost", "three started"], "each once, whoever swept last");
}

pub(super) async fn nothing_is_told_that_happened_before(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let mut first = Ear::all(&adapter).await;
    put(&adapter, [job("b", TASK)]).await;
    let mut second = Ear::all(&f.second().await).await;
    put(&adapter, [job("c", TASK)]).await;
    assert_eq!(first.told().await, ["b enqueued", "c enqueued"]);
    assert_eq!(second.told().await, ["c enqueued"]);
}

pub(super) async fn whoever_is_silent_for_long_hears_of_a_gap(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = Ear::all(&adapter).await;
    put(&adapter, [job("a", TASK)]).await;
    f.advance(EventPage::HEARD * 2).await;
    put(&adapter, [job("unheard", TASK)]).await;
    let told = ear.told().await;
    assert_eq!(told, ["a enqueued", "gap"], "what was written, and that something may be missing");
    put(&adapter, [job("b", TASK)]).await;
    assert_eq!(ear.told().await, ["b enqueued"]);
}

pub(super) async fn a_gap_is_one_of_those_who_wanted_these_kinds(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ends = Ear::of(&adapter, [Kind::Completed].into_iter().collect()).await;
    // others begin to listen to other kinds
    let mut starts = Ear::of(&adapter, [Kind::Started].into_iter().collect()).await;
    put(&adapter, [job("a", TASK)]).await;
    Caller::new(&adapter).run_one(complete("1")).await;
    for ear in [&mut ends, &mut starts] {
        assert!(!ear.told().await.contains(&"gap".to_owned()), "nothing is missing");
    }
    f.advance(EventPage::HEARD).await;
    assert_eq!(starts.told().await, [""; 0], "it keeps being written");
    f.advance(EventPage::HEARD).await;
    assert_eq!(starts.told().await, [""; 0]);
    assert_eq!(ends.told().await, ["gap"], "this one has been silent");
}

pub(super) async fn listening_goes_on_after_an_event(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = Ear::all(&adapter).await;
    // in one step
    put(&adapter, ["a", "b", "c"].map(|id| job(id, TASK))).await;
    put(&adapter, [job("d", TASK)]).await;
    let events = ear.events().await;
    for (at, event) in events.iter().enumerate() {
        let id: EventId = event.id.to_string().parse().expect("as it is shown");
        let mut later = Ear { adapter: f.second().await, kinds: Kinds::ALL, cursor: id };
        assert_eq!(later.events().await, events[at + 1..], "after {event:?}");
    }
}

pub(super) async fn an_id_of_another_stream_is_a_gap(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let ear = Ear::all(&adapter).await;
    put(&adapter, [job("a", TASK)]).await;
    for id in [EventId::new(1, 0, 0), EventId::new(u64::MAX, 0, 0)] {
        let mut lost = Ear { adapter: Arc::clone(&ear.adapter), kinds: Kinds::ALL, cursor: id };
        let told = lost.told().await;
        assert_eq!(told.first().map(String::as_str), Some("gap"), "{told:?}");
        assert_eq!(told.last().map(String::as_str), Some("a enqueued"));
        assert_eq!(lost.told().await, [""; 0]);
    }
}

pub(super) async fn who_listens_is_told_that_there_is_something(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut arrivals = adapter.events().arrivals();
    let mut ear = Ear::all(&adapter).await;
    arrivals.mark_unchanged();
    put(&adapter, [job("a", TASK)]).await;
    // the message may come before the connection is subscribed to it
    let mut number = 0;
    while tokio::time::timeout(Duration::from_millis(200), arrivals.changed()).await.is_err() {
        number += 1;
        assert!(number < 100, "no message");
        put(&adapter, [job(&number.to_string(), TASK)]).await;
    }
    assert!(ear.told().await.contains(&"a enqueued".to_owned()));
}

pub(super) async fn many_events_come_in_pages(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut ear = Ear::all(&adapter).await;
    for hundred in 0..12 {
        put(&adapter, (0..100).map(|n| job(&format!("{:04}", hundred * 100 + n), TASK))).await;
    }
    for _ in 0..30 {
        put(&adapter, [job(crate::job::JobId::new().as_str(), TASK)]).await;
    }
    let events = within(PATIENCE, "all events", ear.events()).await;
    assert_eq!(events.len(), 1_230);
    let ids: Vec<&str> = events.iter().filter_map(|event| Some(event.job.as_ref()?.as_str())).collect();
    assert!(ids[..1_200].iter().enumerate().all(|(n, id)| *id == format!("{n:04}")), "in their order");
}

pub(super) async fn whoever_is_too_slow_hears_of_a_gap(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("a", TASK)]).await;
    let claimed = Caller::new(&adapter).claim_one().await;
    let mut ear = Ear::of(&adapter, [Kind::Progress].into_iter().collect()).await;
    for n in 0..10_300 {
        assert!(progress(&adapter, &claimed, &n.to_string()).await);
        if n % 1_000 == 0 {
            // the lease and the listening go on, whatever the machine takes for this
            let renew = RenewLease { lease: claimed.lease.clone(), length: LEASE };
            adapter.jobs().renew(vec![renew]).await.expect("renew");
            adapter.events().listen(ear.kinds, None).await.expect("listen");
        }
    }
    let told = ear.told().await;
    assert_eq!(told.first().map(String::as_str), Some("gap"), "{:?}", &told[..2]);
    assert_eq!(told.last().map(String::as_str), Some("a progress 10299"));
    assert!(told.len() > 9_000 && told.len() < 10_300, "{}", told.len());
}

//! Gates: how many jobs of a task run at once, and pauses.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{chord, start};
use super::gate_kit::{declare, gate, idle_worker, limit, pause, put_numbered, resume, room, set, task};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, PROMPT, TASK, claim, complete, ended, fail, ids, info, job,
    prioritised, put, renew, retry, sweep, within,
};
use crate::adapter::{
    AdapterError, AttemptEnd, CancelOutcome, DeclaredLimit, Ending, Gate, GatedTask, NewJob, Renewal, Settled,
};
use crate::job::{Blocked, JobState};
use crate::policy::{Retention, Ttl};
use crate::workflow::WorkflowState;

pub(super) async fn a_limit_holds_over_all_workers(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    limit(&adapter, 3).await;
    put_numbered(&adapter, 0..9).await;
    let (mut one, mut two) = (Caller::new(&adapter), Caller::new(&second));
    let first = one.claim(2, &[TASK]).await;
    assert_eq!(ids(&first), ["0", "1"]);
    assert_eq!(ids(&two.claim(9, &[TASK]).await), ["2"]);
    assert!(one.claim(9, &[TASK]).await.is_empty());
    one.settle(&first[0], complete("1")).await;
    assert_eq!(ids(&two.claim(9, &[TASK]).await), ["3"]);
    let gate = gate(&adapter).await;
    assert_eq!((gate.running, gate.limit(), gate.to_string()), (3, Some(3), "3 of 3".to_owned()));
    assert_eq!(info(&second, "4").await.blocked, Some(Blocked::Limit));
    assert_eq!(info(&second, "3").await.blocked, None, "it runs");
    two.settle(&first[1], complete("1")).await;
    assert_eq!(info(&second, "4").await.blocked, None, "it may be claimed");
}

pub(super) async fn whatever_ends_a_lease_makes_room(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..9).await;
    let mut worker = Caller::new(&adapter);
    let ends = [
        complete("1"),
        fail("no"),
        retry("again", Duration::ZERO),
        retry("again", MOMENT),
        AttemptEnd::release(),
        AttemptEnd::Release { delay: MOMENT },
        AttemptEnd::Cancel,
    ];
    for end in ends {
        let job = worker.claim_one().await;
        assert_eq!(room(&adapter).await, 0, "{end:?}");
        worker.settle(&job, end.clone()).await;
        assert_eq!(room(&adapter).await, 1, "{end:?}");
    }
    let flagged = worker.claim_one().await;
    let outcome = adapter.jobs().cancel(&flagged.lease.id, "why").await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    assert_eq!(room(&adapter).await, 0, "it has been told, and still runs");
    worker.settle(&flagged, AttemptEnd::Cancel).await;
    assert_eq!(room(&adapter).await, 1);
}

pub(super) async fn who_settles_a_job_claims_the_next_one_in_the_same_call(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 2).await;
    put_numbered(&adapter, 0..6).await;
    let mut worker = Caller::new(&adapter);
    let mut jobs = worker.claim(9, &[TASK]).await;
    for next in [["2", "3"], ["4", "5"]] {
        let settle = jobs.iter().map(|job| job.settlement(complete("1"))).collect();
        let answer = worker.exchange(settle, Some(claim(9, &[(TASK, 9)]))).await;
        assert_eq!(ids(&answer.jobs), next);
        assert!(!answer.more, "the limit is reached");
        jobs = answer.jobs;
    }
    // one that only settles leaves the rest to others
    put_numbered(&adapter, 6..9).await;
    worker.settle(&jobs[0], complete("1")).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["6"]);
}

pub(super) async fn a_repeated_call_claims_no_more(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 2).await;
    put_numbered(&adapter, 0..4).await;
    let mut worker = Caller::new(&adapter);
    let call = worker.call(Vec::new(), Some(claim(9, &[(TASK, 9)])));
    for _ in 0..2 {
        let answer = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(ids(&answer.jobs), ["0", "1"]);
    }
    assert_eq!(gate(&adapter).await.running, 2);
}

pub(super) async fn a_lease_past_its_deadline_counts_until_it_is_rescued(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..3).await;
    let (mut frozen, mut other) = (Caller::new(&adapter), Caller::new(&adapter));
    let first = frozen.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert!(other.claim(9, &[TASK]).await.is_empty(), "it may still be renewed");
    assert_eq!(renew(&adapter, &first, LEASE).await, Renewal::Extended);
    f.advance(LEASE + MOMENT).await;
    assert!(other.claim(9, &[TASK]).await.is_empty(), "and settled");
    assert_eq!(frozen.settle(&first, complete("1")).await, Settled::Now(JobState::Completed));
    let second = frozen.claim_one().await;
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await.rescued, 1);
    assert_eq!(ids(&other.claim(9, &[TASK]).await), [second.lease.id.as_str()], "it comes back first");
    assert_eq!(renew(&adapter, &second, LEASE).await, Renewal::Lost);
    assert_eq!(frozen.settle(&second, complete("1")).await, Settled::Stale);
    assert_eq!(room(&adapter).await, 0, "a late settlement makes no room");
}

pub(super) async fn a_limit_that_is_set_goes_before_the_declared_one(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 2).await;
    put_numbered(&adapter, 0..9).await;
    assert_eq!(room(&adapter).await, 2);
    set(&adapter, Some(5)).await;
    assert_eq!(room(&adapter).await, 5);
    assert_eq!(declare(&adapter, task(), Some(3)).await, Some(2), "what was declared before");
    assert_eq!(room(&adapter).await, 5, "a new start does not change it");
    let known = gate(&adapter).await;
    assert_eq!((known.declared, known.set, known.limit()), (Some(3), Some(5), Some(5)));
    set(&adapter, None).await;
    assert_eq!(room(&adapter).await, 3);
    set(&adapter, Some(1)).await;
    assert_eq!(declare(&adapter, task(), None).await, Some(3), "the code says nothing any more");
    assert_eq!(room(&adapter).await, 1);
    set(&adapter, None).await;
    assert_eq!(room(&adapter).await, 9);
    assert_eq!(gate(&adapter).await, Gate::default());
}

pub(super) async fn lowering_a_limit_stops_nobody(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put_numbered(&adapter, 0..9).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(5, &[TASK]).await;
    // those that were claimed before there was a limit count, too
    limit(&adapter, 3).await;
    assert_eq!(gate(&adapter).await.to_string(), "5 of 3");
    for job in &jobs[..3] {
        assert_eq!(room(&adapter).await, 0);
        assert_eq!(worker.settle(job, complete("1")).await, Settled::Now(JobState::Completed));
    }
    assert_eq!(room(&adapter).await, 1);
    set(&adapter, Some(1)).await;
    assert_eq!(room(&adapter).await, 0);
    set(&adapter, Some(4)).await;
    assert_eq!(room(&adapter).await, 2);
}

pub(super) async fn a_limit_of_zero_is_refused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let refused = adapter.control().set_limit(&task(), None, Some(0)).await;
    assert!(matches!(&refused, Err(AdapterError::Config(why)) if why.contains("pause")), "{refused:?}");
    let limits = vec![DeclaredLimit::none(task()).max(Some(0))];
    assert!(matches!(adapter.control().declare_limits(limits).await, Err(AdapterError::Config(_))));
    assert_eq!(gate(&adapter).await, Gate::default());
    put_numbered(&adapter, 0..1).await;
    assert_eq!(room(&adapter).await, 1);
}

pub(super) async fn limits_are_declared_one_by_one(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let of = |task: &str, max| DeclaredLimit::none(GatedTask::new(task)).max(max);
    let control = adapter.control();
    let before = control.declare_limits(vec![of("a", Some(1)), of("b", None), of("c", Some(3))]).await;
    assert_eq!(before.unwrap(), [of("a", None), of("b", None), of("c", None)]);
    let before = control.declare_limits(vec![of("c", None), of("b", Some(2)), of("a", Some(1))]).await;
    assert_eq!(before.unwrap(), [of("c", Some(3)), of("b", None), of("a", Some(1))]);
    assert_eq!(control.gate(&GatedTask::new("b"), None).await.unwrap().declared, Some(2));
    assert!(control.declare_limits(Vec::new()).await.unwrap().is_empty());
}

pub(super) async fn a_closed_task_keeps_no_other_from_running(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 1).await;
    put_numbered(&adapter, 0..5).await;
    put(&adapter, [job("x", OTHER), job("y", OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    let answer = worker.exchange(Vec::new(), Some(claim(9, &[(TASK, 9), (OTHER, 9)]))).await;
    assert_eq!(ids(&answer.jobs), ["0", "x", "y"]);
    assert!(!answer.more, "nothing more can be claimed");
    put(&adapter, [job("z", OTHER)]).await;
    let answer = worker.exchange(Vec::new(), Some(claim(9, &[(TASK, 9), (OTHER, 9)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["z"], false));
}

pub(super) async fn the_order_stays(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 1).await;
    put(
        &adapter,
        [job("a", TASK), prioritised("low", TASK, -1), prioritised("high", TASK, 1), job("b", TASK)],
    )
    .await;
    put(&adapter, [job("other", OTHER), job("c", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let mut order = Vec::new();
    for _ in 0..6 {
        let job = worker.claim(1, &[TASK, OTHER]).await.pop().expect("a job waits");
        worker.settle(&job, complete("1")).await;
        order.push(job.lease.id.to_string());
    }
    assert_eq!(order, ["high", "a", "b", "other", "c", "low"]);
}

pub(super) async fn a_paused_task_hands_out_nothing(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put_numbered(&adapter, 0..3).await;
    let mut worker = Caller::new(&adapter);
    let running = worker.claim_one().await;
    assert!(pause(&adapter, "provider down").await);
    assert!(!pause(&second, "again").await, "it is paused already");
    assert!(Caller::new(&second).claim(9, &[TASK]).await.is_empty());
    put_numbered(&second, 3..5).await;
    assert_eq!(info(&adapter, "4").await.blocked, Some(Blocked::Paused));
    let known = gate(&second).await;
    let known_pause = known.paused.expect("it is paused");
    assert_eq!((known_pause.reason.as_str(), known.running), ("provider down", 1));
    assert!(known_pause.since >= running.claimed_at);
    // what runs goes on, and comes back
    assert_eq!(worker.settle(&running, retry("no", Duration::ZERO)).await, Settled::Now(JobState::Waiting));
    assert_eq!(room(&adapter).await, 0);
    // limits change nothing about that
    set(&adapter, Some(3)).await;
    set(&adapter, None).await;
    assert_eq!(room(&adapter).await, 0);
    assert_eq!(adapter.jobs().cancel(&"3".into(), "why").await.unwrap(), CancelOutcome::Cancelled);
    assert!(resume(&second).await);
    assert!(!resume(&adapter).await, "it was not paused any more");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["1", "2", "4", "0"]);
    assert_eq!(gate(&adapter).await.paused, None);
}

pub(super) async fn a_pause_and_a_limit_hold_together(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 2).await;
    put_numbered(&adapter, 0..5).await;
    let jobs = Caller::new(&adapter).claim(1, &[TASK]).await;
    assert!(pause(&adapter, "").await);
    assert_eq!(gate(&adapter).await.to_string(), "1 of 2, paused");
    assert_eq!(declare(&adapter, task(), None).await, Some(2));
    assert_eq!(room(&adapter).await, 0);
    assert_eq!(declare(&adapter, task(), Some(3)).await, None);
    assert!(resume(&adapter).await);
    assert_eq!(room(&adapter).await, 3 - jobs.len());
}

pub(super) async fn jobs_of_a_closed_task_expire(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert!(pause(&adapter, "").await);
    let ttl = Some(Ttl::new(MOMENT));
    put(&adapter, [NewJob { ttl, ..job("a", TASK) }, job("b", TASK)]).await;
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(ended(&adapter, "a").await.unwrap().ending, Ending::Expired);
    assert!(resume(&adapter).await);
    assert_eq!(Caller::new(&adapter).claim_one().await.lease.id, "b".into());
}

pub(super) async fn a_node_waits_at_the_gate_like_any_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    limit(&adapter, 2).await;
    start(&adapter, chord("flow", 5)).await;
    let mut worker = Caller::new(&adapter);
    let mut done = 0;
    loop {
        let jobs = worker.claim(9, &[TASK]).await;
        if jobs.is_empty() {
            break;
        }
        assert!(jobs.len() <= 2);
        done += jobs.len();
        let settle = jobs.iter().map(|job| job.settlement(complete("1"))).collect();
        worker.exchange(settle, None).await;
    }
    assert_eq!(done, 6);
    let record = super::flow_kit::record(&adapter, "flow").await;
    assert_eq!(record.state, WorkflowState::Completed);
    // a workflow that ends takes its nodes out of the line
    start(&adapter, chord("broken", 5)).await;
    let jobs = worker.claim(9, &[TASK]).await;
    worker.settle(&jobs[0], fail("no")).await;
    assert_eq!(worker.settle(&jobs[1], complete("1")).await, Settled::Now(JobState::Cancelled));
    put_numbered(&adapter, 0..4).await;
    assert_eq!(room(&adapter).await, 2);
}

pub(super) async fn aliases_share_the_gate(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let renamed = GatedTask { aliases: vec![OTHER.into()], ..task() };
    assert_eq!(declare(&adapter, renamed.clone(), Some(2)).await, None);
    put(&adapter, [job("old 1", OTHER), job("new 1", TASK), job("old 2", OTHER), job("new 2", TASK)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK, OTHER]).await;
    assert_eq!(ids(&jobs), ["old 1", "new 1"]);
    assert_eq!(gate(&adapter).await.running, 2);
    // an older build knows the old name only
    assert_eq!(adapter.control().gate(&GatedTask::new(OTHER), None).await.unwrap().running, 2);
    let idle = idle_worker(&second).await;
    worker.settle(&jobs[1], complete("1")).await;
    let next = within(PROMPT, "the hand-over", idle).await.unwrap();
    assert_eq!(next.lease.id, "old 2".into());
    assert!(worker.claim(9, &[TASK, OTHER]).await.is_empty());
    assert!(adapter.control().pause(&renamed, None, "".into()).await.unwrap());
    worker.settle(&jobs[0], complete("1")).await;
    worker.settle(&next, complete("1")).await;
    put(&adapter, [job("old 3", OTHER)]).await;
    assert!(worker.claim(9, &[TASK, OTHER]).await.is_empty());
    assert!(resume(&adapter).await, "with the name alone");
    assert_eq!(ids(&worker.claim(9, &[TASK, OTHER]).await), ["new 2", "old 3"]);
    assert_eq!(declare(&adapter, renamed, None).await, Some(2));
    put(&adapter, [job("old 4", OTHER)]).await;
    assert_eq!(ids(&worker.claim(9, &[TASK, OTHER]).await), ["old 4"]);
}

pub(super) async fn what_was_set_stays_when_a_task_is_renamed(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let control = adapter.control();
    let (old, renamed) = (GatedTask::new(OTHER), GatedTask { aliases: vec![OTHER.into()], ..task() });
    // without a limit in the contract, and with one
    for max in [None, Some(3)] {
        assert!(control.pause(&old, None, "why".into()).await.unwrap());
        control.set_limit(&old, None, Some(1)).await.unwrap();
        assert_eq!(declare(&adapter, renamed.clone(), max).await, None);
        assert!(!control.pause(&renamed, None, "another reason".into()).await.unwrap());
        let known = gate(&adapter).await;
        assert_eq!(
            (known.declared, known.set, known.paused.unwrap().reason),
            (max, Some(1), "why".to_owned())
        );
        let stored = [format!("old {max:?}"), format!("new {max:?}")];
        put(&adapter, [job(&stored[0], OTHER), job(&stored[1], TASK)]).await;
        let mut worker = Caller::new(&adapter);
        assert!(worker.claim(9, &[TASK, OTHER]).await.is_empty());
        assert!(resume(&adapter).await);
        for id in stored {
            let jobs = worker.claim(9, &[TASK, OTHER]).await;
            assert_eq!(ids(&jobs), [id]);
            worker.settle(&jobs[0], complete("1")).await;
        }
        // nothing of it comes back
        set(&adapter, None).await;
        assert_eq!(declare(&adapter, renamed.clone(), None).await, max);
        assert_eq!(control.gate(&old, None).await.unwrap(), Gate::default());
    }
    // so does a declared limit, until the task of that name declares its own or none
    assert_eq!(declare(&adapter, old.clone(), Some(2)).await, None);
    set(&adapter, Some(7)).await;
    assert!(!control.resume(&renamed, None).await.unwrap());
    assert_eq!(gate(&adapter).await.declared, Some(2));
    set(&adapter, None).await;
    assert_eq!(declare(&adapter, renamed.clone(), None).await, Some(2));
    assert_eq!(control.gate(&old, None).await.unwrap(), Gate::default());
    // a call that names the aliases finds it before any worker does
    assert!(control.pause(&old, None, "why".into()).await.unwrap());
    assert!(control.resume(&renamed, None).await.unwrap());
    assert!(!control.resume(&old, None).await.unwrap());
}

pub(super) async fn a_task_that_is_renamed_twice_takes_all_its_names_along(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let control = adapter.control();
    let named = |name: &str, alias: &str| GatedTask { task: name.into(), aliases: vec![alias.into()] };
    assert_eq!(declare(&adapter, named("b", "a"), Some(1)).await, None);
    assert_eq!(declare(&adapter, named("c", "b"), Some(1)).await, Some(1));
    put(&adapter, [job("1", "a"), job("2", "b"), job("3", "c")]).await;
    let mut worker = Caller::new(&adapter);
    for id in ["1", "2", "3"] {
        let jobs = worker.claim(9, &["a", "b", "c"]).await;
        assert_eq!(ids(&jobs), [id]);
        worker.settle(&jobs[0], complete("1")).await;
    }
    // the first name belongs to another task now, and is bound by that one's limit alone
    assert_eq!(declare(&adapter, named("d", "a"), Some(2)).await, None);
    put(&adapter, [job("4", "c"), job("5", "a"), job("6", "a"), job("7", "a")]).await;
    assert_eq!(ids(&worker.claim(9, &["a", "b", "c"]).await), ["4", "5", "6"]);
    for task in ["c", "d"] {
        assert_eq!(declare(&adapter, GatedTask::new(task), None).await.map(|_| ()), Some(()));
    }
    assert_eq!(ids(&worker.claim(9, &["a", "b", "c"]).await), ["7"]);
    for name in ["a", "b", "c", "d"] {
        assert_eq!(control.gate(&GatedTask::new(name), None).await.unwrap().limit(), None, "{name}");
    }
}

pub(super) async fn a_gate_may_have_any_name(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for name in ["größe ändern", "a:b", "{x}", &"n".repeat(200)] {
        let alias = format!("{}'", &name[..1]);
        let task = GatedTask { task: name.into(), aliases: vec![alias.as_str().into()] };
        assert_eq!(declare(&adapter, task.clone(), Some(1)).await, None);
        put(&adapter, [job(&format!("{alias} 1"), name), job(&format!("{alias} 2"), &alias)]).await;
        let mut worker = Caller::new(&adapter);
        let jobs = worker.claim(9, &[name, &alias]).await;
        assert_eq!(jobs.len(), 1, "{name}");
        worker.settle(&jobs[0], complete("1")).await;
        assert_eq!(worker.claim(9, &[name, &alias]).await.len(), 1, "{name}");
    }
}

pub(super) async fn each_state_of_a_gate_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let checked = |step: &'static str| {
        let adapter = Arc::clone(&adapter);
        async move { super::upkeep::sound(&adapter, step).await }
    };
    limit(&adapter, 1).await;
    checked("declared").await;
    put_numbered(&adapter, 0..3).await;
    checked("stored").await;
    let mut worker = Caller::new(&adapter);
    let running = worker.claim_one().await;
    checked("full").await;
    put_numbered(&adapter, 3..4).await;
    checked("full, and one more has come").await;
    set(&adapter, Some(2)).await;
    checked("raised").await;
    set(&adapter, Some(1)).await;
    checked("lowered").await;
    assert!(pause(&adapter, "").await);
    checked("paused").await;
    worker.settle(&running, complete("1")).await;
    checked("paused and empty").await;
    assert!(resume(&adapter).await);
    checked("resumed").await;
    for _ in 0..3 {
        worker.run_one(complete("1")).await;
        checked("the next one has run").await;
    }
    let claimed = {
        put_numbered(&adapter, 4..5).await;
        worker.claim_one().await
    };
    checked("nothing waits at the full gate").await;
    f.advance(LEASE + MOMENT).await;
    checked("a lease has passed").await;
    within(PATIENCE, "a sweep", sweep(&adapter, &[TASK], Retention::default())).await;
    checked("swept").await;
    assert_eq!(worker.settle(&claimed, complete("1")).await, Settled::Stale);
    set(&adapter, None).await;
    assert_eq!(declare(&adapter, task(), None).await, Some(1));
    checked("without a limit").await;
}

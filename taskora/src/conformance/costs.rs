//! Jobs that count as several starts of a rate.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::flow_kit::{flow, node, start};
use super::gate_kit::{gate, got, idle_worker, pause, rate, resume, set, set_rate, task};
use super::kit::{
    Caller, LEASE, MOMENT, OTHER, PATIENCE, QUIET, TASK, claim, complete, delayed, ids, info, job,
    prioritised, put, retry, sweep, within,
};
use super::lane_kit::{claim_all, declare, keyed};
use crate::adapter::{
    Adapter, AdapterError, Admission, AttemptEnd, BlockingStates, Collect, DeclaredLimit, GatedTask, NewJob,
    NewNode, Otherwise, PerKey, Rate, Rule,
};
use crate::job::{Blocked, JobState, Timestamp};
use crate::policy::{Retention, Ttl};

const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// The same job at this cost.
pub(super) fn at(cost: u32, job: NewJob) -> NewJob {
    NewJob { cost, ..job }
}

/// Stores jobs of [`TASK`] with these costs.
async fn put_costs(adapter: &Arc<dyn Adapter>, jobs: &[(&str, u32)]) {
    put(adapter, jobs.iter().map(|(id, cost)| at(*cost, job(id, TASK)))).await;
}

pub(super) async fn cancel(adapter: &Arc<dyn Adapter>, id: &str) {
    adapter.jobs().cancel(&id.into(), "why").await.expect("cancel");
}

/// When the gate opens, in milliseconds after this claim.
async fn opens_after(adapter: &Arc<dyn Adapter>, claimed_at: Timestamp) -> Option<u64> {
    gate(adapter).await.opens_at.map(|at| at.as_millis() - claimed_at.as_millis())
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("not too long")
}

pub(super) async fn a_job_counts_as_what_it_costs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(5, HOUR)).await;
    put_costs(&adapter, &[("a", 2), ("b", 2), ("c", 2), ("d", 1), ("e", 0), ("f", 2)]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a", "b"]);
    // one start is left, and `c` is not overtaken
    assert_eq!(info(&adapter, "d").await.blocked, Some(Blocked::Rate));
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["c", "d", "e"]);
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["f"]);
}

pub(super) async fn what_a_job_costs_is_shown(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put_costs(&adapter, &[("a", 300), ("b", 1), ("c", 0), ("d", u32::MAX)]).await;
    put(&adapter, [NewJob { cost: 4, ..keyed("k1") }, at(5, delayed("late", TASK, 60))]).await;
    let nodes = vec![NewNode { cost: 6, ..node(None) }, node(Some(0))];
    start(&adapter, flow("flow", nodes, &[&[0]])).await;
    let costs = [("a", 300), ("b", 1), ("c", 1), ("d", u32::MAX), ("k1", 4), ("late", 5), ("flow#0", 6)];
    let shown = async || {
        for (id, cost) in costs {
            let info = info(&adapter, id).await;
            assert_eq!(info.cost, cost, "{info:?}");
        }
    };
    shown().await;
    let mut worker = Caller::new(&adapter);
    for job in worker.claim(9, &[TASK]).await {
        worker.settle(&job, complete("1")).await;
    }
    assert_eq!(info(&adapter, "a").await.state, JobState::Completed);
    shown().await;
    assert_eq!(info(&adapter, "flow#1").await.cost, 1);
}

pub(super) async fn single_claims_take_what_is_left(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    rate(&adapter, Rate::new(6, HOUR)).await;
    put_costs(&adapter, &[("a", 3), ("b", 1), ("c", 2), ("d", 3)]).await;
    let mut workers = [Caller::new(&adapter), Caller::new(&second)];
    for (at, id) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(ids(&workers[at % 2].claim(1, &[TASK]).await), [id]);
        f.advance(10 * MINUTE).await;
    }
    for minutes in [29, 1] {
        assert!(workers[0].claim(1, &[TASK]).await.is_empty());
        f.advance(minutes * MINUTE).await;
    }
    assert_eq!(ids(&workers[1].claim(1, &[TASK]).await), ["d"]);
}

pub(super) async fn a_bucket_waits_until_the_cost_is_there(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(6, HOUR).burst(3)).await;
    put_costs(&adapter, &[("a", 2), ("b", 2), ("c", 3), ("d", 1)]).await;
    let first = claim_all(&adapter).await;
    assert_eq!(ids(&first), ["a"]);
    assert_eq!(opens_after(&adapter, first[0].claimed_at).await, Some(millis(10 * MINUTE)));
    f.advance(10 * MINUTE).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["b"]);
    for _ in 0..2 {
        f.advance(10 * MINUTE).await;
        assert!(claim_all(&adapter).await.is_empty());
    }
    f.advance(10 * MINUTE).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["c"]);
    f.advance(10 * MINUTE).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["d"]);
}

pub(super) async fn a_job_that_costs_too_much_starts_when_all_is_there(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let rates = [Rate::new(3, HOUR), Rate::new(3, HOUR).burst(3)];
    for (rate, [a, b, c]) in rates.into_iter().zip([["a", "b", "c"], ["d", "e", "f"]]) {
        set_rate(&adapter, Some(rate)).await;
        put_costs(&adapter, &[(a, 1), (b, 50), (c, 1)]).await;
        // each takes all that there is, and no more
        for id in [a, b, c] {
            assert_eq!(ids(&claim_all(&adapter).await), [id]);
            f.advance(HOUR).await;
        }
    }
    // a rate that is lowered blocks nothing for ever, either
    set_rate(&adapter, Some(Rate::new(9, HOUR))).await;
    put_costs(&adapter, &[("x", 9), ("y", 9), ("z", 1)]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["x"]);
    set_rate(&adapter, Some(Rate::new(2, HOUR))).await;
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["y"]);
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["z"]);
}

pub(super) async fn each_start_costs_as_much(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(14, HOUR)).await;
    put_costs(&adapter, &[("a", 3), ("b", 2)]).await;
    let mut worker = Caller::new(&adapter);
    for end in [retry("no", Duration::ZERO), AttemptEnd::release()] {
        let again = worker.claim_one().await;
        assert_eq!(again.lease.id.as_str(), "a");
        worker.settle(&again, end).await;
        let other = worker.claim(1, &[TASK]).await;
        if other[0].lease.id.as_str() == "b" {
            worker.settle(&other[0], retry("no", HOUR)).await;
        } else {
            worker.settle(&other[0], AttemptEnd::release()).await;
        }
    }
    // 3 + 2 + 3 + 3 of 14 have started
    let last = worker.claim_one().await;
    assert_eq!(last.lease.id.as_str(), "a");
    f.advance(LEASE + MOMENT).await;
    assert_eq!(sweep(&adapter, &[TASK], Retention::default()).await.rescued, 1);
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(info(&adapter, "a").await.blocked, Some(Blocked::Rate));
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a", "b"]);
}

pub(super) async fn a_repeated_claim_costs_once(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(6, HOUR)).await;
    put_costs(&adapter, &[("a", 2), ("b", 2), ("c", 2), ("d", 1)]).await;
    let call = Caller::new(&adapter).call(Vec::new(), Some(claim(2, &[(TASK, 9)])));
    for _ in 0..3 {
        let answer = adapter.jobs().exchange(call.clone()).await.unwrap();
        assert_eq!(ids(&answer.jobs), ["a", "b"]);
    }
    assert_eq!(ids(&claim_all(&adapter).await), ["c"]);
}

pub(super) async fn the_gate_opens_for_the_next_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(4, HOUR)).await;
    put_costs(&adapter, &[("a", 1)]).await;
    let first = Caller::new(&adapter).claim_one().await.claimed_at;
    f.advance(10 * MINUTE).await;
    put_costs(&adapter, &[("b", 2)]).await;
    let second = Caller::new(&adapter).claim_one().await.claimed_at;
    assert_eq!(gate(&adapter).await.opens_at, None);
    put_costs(&adapter, &[("c", 4), ("d", 2), ("e", 1)]).await;
    // the first job in line decides when it opens
    assert_eq!(opens_after(&adapter, second).await, Some(millis(HOUR)));
    assert!(claim_all(&adapter).await.is_empty());
    assert_eq!(opens_after(&adapter, second).await, Some(millis(HOUR)));
    cancel(&adapter, "c").await;
    assert_eq!(opens_after(&adapter, first).await, Some(millis(HOUR)));
    assert!(claim_all(&adapter).await.is_empty());
    cancel(&adapter, "d").await;
    assert_eq!(opens_after(&adapter, first).await, None);
    assert_eq!(info(&adapter, "e").await.blocked, None);
    assert_eq!(ids(&claim_all(&adapter).await), ["e"]);
}

pub(super) async fn whoever_comes_first_goes_by_its_own_cost(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(4, HOUR)).await;
    put_costs(&adapter, &[("a", 2), ("b", 3), ("c", 1)]).await;
    let first = claim_all(&adapter).await;
    assert_eq!(ids(&first), ["a"]);
    // one of a higher priority goes before it, if its cost is there
    put(&adapter, [at(3, prioritised("p3", TASK, 5)), at(1, prioritised("p1", TASK, 9))]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["p1"]);
    cancel(&adapter, "p3").await;
    assert!(claim_all(&adapter).await.is_empty());
    // so does one that comes back
    Caller::new(&adapter).settle(&first[0], AttemptEnd::release()).await;
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a"]);
    // one that is delayed comes last
    put(&adapter, [at(1, delayed("late", TASK, 1))]).await;
    f.advance(MOMENT).await;
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["b", "c"]);
    assert!(claim_all(&adapter).await.is_empty());
}

pub(super) async fn a_job_that_is_too_late_leaves_the_line_to_the_next(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(3, HOUR)).await;
    let ttl = Some(Ttl::new(MOMENT));
    put_costs(&adapter, &[("a", 2)]).await;
    put(&adapter, [NewJob { ttl, ..at(2, job("b", TASK)) }, at(1, job("c", TASK))]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a"]);
    f.advance(2 * MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(info(&adapter, "b").await.state, JobState::Expired);
    assert_eq!(ids(&claim_all(&adapter).await), ["c"]);
}

pub(super) async fn a_replaced_job_costs_what_it_costs_now(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(3, HOUR)).await;
    put_costs(&adapter, &[("a", 2)]).await;
    let admit = async |id: &str, cost: u32| {
        let states = [JobState::Waiting, JobState::Delayed, JobState::Active, JobState::Retrying];
        let while_in = BlockingStates::new(states).expect("no ends");
        let rule = Rule::Deduplicate { while_in, otherwise: Otherwise::Replace };
        let admission = Admission { job: at(cost, job(id, TASK)), key: "k".into(), rule };
        adapter.admissions().admit(vec![admission]).await.expect("admit");
    };
    admit("b", 3).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a"]);
    admit("c", 2).await;
    assert!(claim_all(&adapter).await.is_empty());
    admit("d", 1).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["b"]);
}

pub(super) async fn a_limit_counts_jobs_and_a_rate_their_costs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let both = DeclaredLimit::none(task()).max(Some(2)).rate(Some(Rate::new(9, HOUR)));
    declare(&adapter, both).await;
    put_costs(&adapter, &[("a", 3), ("b", 3), ("c", 4), ("d", 1)]).await;
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a", "b"]);
    assert_eq!(info(&adapter, "c").await.blocked, Some(Blocked::Limit));
    for job in &jobs {
        worker.settle(job, complete("1")).await;
    }
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert_eq!(info(&adapter, "c").await.blocked, Some(Blocked::Rate));
    assert!(pause(&adapter, "").await);
    f.advance(HOUR).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    assert!(resume(&adapter).await);
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c", "d"]);
}

pub(super) async fn aliases_share_the_first_place(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let renamed = GatedTask { aliases: vec![OTHER.into()], ..task() };
    declare(&adapter, DeclaredLimit::none(renamed).rate(Some(Rate::new(4, HOUR)))).await;
    put(&adapter, [job("old 1", OTHER), at(4, job("new 1", TASK)), job("old 2", OTHER)]).await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(ids(&worker.claim(9, &[TASK, OTHER]).await), ["old 1"]);
    assert!(worker.claim(9, &[OTHER]).await.is_empty(), "`new 1` is the next one");
    assert_eq!(info(&adapter, "old 2").await.blocked, Some(Blocked::Rate));
    cancel(&adapter, "new 1").await;
    assert_eq!(ids(&worker.claim(9, &[OTHER]).await), ["old 2"]);
}

pub(super) async fn costs_keep_no_other_task_from_running(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(3, HOUR)).await;
    put(&adapter, [at(2, job("a", TASK)), at(2, job("b", TASK)), at(7, job("x", OTHER)), job("y", OTHER)])
        .await;
    let answer = Caller::new(&adapter).exchange(Vec::new(), Some(claim(9, &[(TASK, 9), (OTHER, 9)]))).await;
    assert_eq!((ids(&answer.jobs), answer.more), (vec!["a", "x", "y"], false));
}

pub(super) async fn nodes_cost_like_any_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(5, HOUR)).await;
    let cost = |cost, after| NewNode { cost, ..node(after) };
    start(
        &adapter,
        flow("flow", vec![cost(3, None), cost(2, None), cost(1, None), cost(5, Some(0))], &[&[0]]),
    )
    .await;
    let jobs = claim_all(&adapter).await;
    assert_eq!(jobs.len(), 2);
    assert!(claim_all(&adapter).await.is_empty());
    let mut worker = Caller::new(&adapter);
    for job in &jobs {
        worker.settle(job, complete("1")).await;
    }
    f.advance(HOUR).await;
    assert_eq!(claim_all(&adapter).await.len(), 1);
    f.advance(MINUTE).await;
    assert!(claim_all(&adapter).await.is_empty());
    f.advance(HOUR).await;
    assert_eq!(claim_all(&adapter).await.len(), 1);
}

pub(super) async fn a_closed_gate_opens_when_the_cost_is_there(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let per = 4 * QUIET;
    rate(&adapter, Rate::new(3, per).burst(3)).await;
    put_costs(&adapter, &[("a", 3), ("b", 2)]).await;
    let started = Caller::new(&adapter).claim_one().await;
    let worker = idle_worker(&second).await;
    let next = within(PATIENCE, "the opening of the gate", worker).await.unwrap();
    let waited = next.claimed_at.as_millis() - started.claimed_at.as_millis();
    assert!(waited >= millis(per) * 2 / 3, "{waited}");
}

pub(super) async fn a_gate_that_costs_have_closed_makes_no_noise(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    rate(&adapter, Rate::new(3, HOUR)).await;
    put_costs(&adapter, &[("a", 1), ("b", 3), ("c", 2)]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a"]);
    let idle = [idle_worker(&second).await, idle_worker(&adapter).await];
    put(&second, (0..20).map(|number| job(&number.to_string(), TASK))).await;
    tokio::time::sleep(QUIET).await;
    assert!(idle.iter().all(|worker| !worker.is_finished()));
    let listener = adapter.signals().work();
    assert!(Caller::new(&adapter).wait(&*listener, &[TASK], QUIET).await.jobs.is_empty());
    // the first one goes, and the next one can start
    cancel(&adapter, "b").await;
    let [one, other] = idle;
    let (is_first, rest) = tokio::select! {
        job = one => (job.unwrap().lease.id.as_str() == "c", other),
        () = tokio::time::sleep(PATIENCE) => panic!("nobody was woken"),
    };
    assert!(is_first);
    tokio::time::sleep(QUIET).await;
    assert!(!rest.is_finished());
    set_rate(&adapter, Some(Rate::new(4, HOUR))).await;
    assert_eq!(got(rest).await, "0");
}

pub(super) async fn a_job_that_gathers_costs_one_start(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let collect = Some(Collect::new(5, MINUTE));
    let item = NewJob { collect, ..at(2, keyed("a1")) };
    let refused = adapter.jobs().enqueue(vec![item]).await;
    assert!(matches!(&refused, Err(AdapterError::Config(why)) if why.contains("gathers")), "{refused:?}");
}

pub(super) async fn a_job_may_cost_a_whole_window(f: &impl Fixture) {
    let adapter = f.adapter().await;
    rate(&adapter, Rate::new(1_000, HOUR)).await;
    put_costs(&adapter, &[("a", 1), ("b", 999), ("c", 1_000), ("d", u32::MAX)]).await;
    assert_eq!(ids(&claim_all(&adapter).await), ["a", "b"]);
    for id in ["c", "d"] {
        f.advance(HOUR).await;
        assert_eq!(ids(&claim_all(&adapter).await), [id]);
    }
}

pub(super) async fn each_state_of_costs_is_sound(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let checked = |step: &'static str| {
        let adapter = Arc::clone(&adapter);
        async move { super::upkeep::sound(&adapter, step).await }
    };
    rate(&adapter, Rate::new(4, HOUR)).await;
    put_costs(&adapter, &[("a", 2), ("b", 3), ("c", 2), ("d", 9), ("e", 1)]).await;
    checked("stored").await;
    let mut worker = Caller::new(&adapter);
    let first = worker.claim_one().await;
    checked("started, and not known to be closed").await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    checked("closed").await;
    put(&adapter, [at(3, prioritised("p", TASK, 5))]).await;
    checked("closed for another one").await;
    cancel(&adapter, "p").await;
    cancel(&adapter, "b").await;
    checked("open for the next one").await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["c"]);
    checked("without any start left").await;
    worker.settle(&first, retry("no", Duration::ZERO)).await;
    set(&adapter, Some(1)).await;
    checked("full").await;
    set(&adapter, None).await;
    f.advance(HOUR).await;
    checked("late").await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["d"]);
    checked("closed by one that costs more than there is").await;
    set_rate(&adapter, Some(Rate::new(4, HOUR).burst(2))).await;
    checked("a bucket").await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["e"]);
    checked("a bucket that is half empty").await;
    f.advance(HOUR).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["a"]);
    checked("an empty bucket").await;
    f.advance(HOUR).await;
    super::key_costs::of_each(&adapter, PerKey::fair(), Rate::new(4, HOUR)).await;
    put(&adapter, [at(3, keyed("a1")), at(2, keyed("a2")), at(1, keyed("a3"))]).await;
    checked("with a lane").await;
    assert!(!worker.claim(9, &[TASK]).await.is_empty());
    checked("with a lane that costs have closed").await;
    cancel(&adapter, "a2").await;
    checked("with a lane that is open again").await;
}

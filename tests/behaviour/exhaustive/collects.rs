//! Every interleaving of a few items of one key that gather for batches of two: dispatches, claims, settlements, leases that pass, sweeps,
//! cancellations, flushes, and time.
//!
//! After each step it holds that no batch is too large, that none mixes new items with those that came back, that a claim leaves nothing
//! that may go, that of a serial key one batch runs at a time, and that what is stored agrees with itself. From each state, a worker that
//! sleeps is woken if a batch may go, and only then, and everything comes to its end.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use taskora::adapter::{
    Adapter, CallId, Claim, ClaimedJob, Collect, Exchange, GatedTask, LimitKey, NewJob, Settlement, TaskClaim,
};
use taskora::{JobId, JobInfo, JobState, Retention};
use tokio::sync::Notify;

use super::action::End;
use super::stage::{Stage, TASK, is_sound};

const LEASE: Duration = Duration::from_secs(10);
/// Longer than a lease, and than any backoff.
const TICK: Duration = Duration::from_secs(11);
/// Between one and two ticks.
const DELAY: Duration = Duration::from_secs(15);
/// Between two and three ticks.
const MAX_WAIT: Duration = Duration::from_secs(30);
const SIZE: usize = 2;

#[derive(Debug, Clone, Copy)]
enum Step {
    Dispatch,
    Claim,
    /// All leases in one call.
    SettleAll(End),
    /// The first lease.
    Settle(End),
    Tick,
    Sweep,
    Cancel(usize),
    Flush,
}

/// What tells two states apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fingerprint {
    jobs: Vec<(JobState, u32, u32)>,
    /// How many ticks ago each item came.
    ages: Vec<u32>,
    returned: Vec<bool>,
    flushed: usize,
    held: Vec<(JobId, bool)>,
    due: Vec<bool>,
}

struct World<'a> {
    stage: &'a Stage,
    adapter: Arc<dyn Adapter>,
    rule: Collect,
    /// When each item came, in ticks.
    came: Vec<u32>,
    returned: Vec<bool>,
    /// Items before this one were flushed.
    flushed: usize,
    now: u32,
    held: Vec<(ClaimedJob, bool)>,
    /// Whether the time of each item's next attempt has come.
    due: Vec<bool>,
    number: u64,
}

fn id(number: usize) -> JobId {
    format!("job-{number}").as_str().into()
}

fn key() -> LimitKey {
    LimitKey::new("k").expect("a key")
}

impl World<'_> {
    async fn replay<'a>(stage: &'a Stage, rule: Collect, path: &[Step]) -> World<'a> {
        let mut world = World {
            stage,
            adapter: stage.empty(),
            rule,
            came: Vec::new(),
            returned: Vec::new(),
            flushed: 0,
            now: 0,
            held: Vec::new(),
            due: Vec::new(),
            number: 0,
        };
        for step in path {
            world.apply(*step, path).await;
        }
        is_sound(&world.adapter, path).await;
        world
    }

    async fn jobs(&self) -> Vec<JobInfo> {
        let mut jobs = Vec::new();
        for number in 0..self.came.len() {
            jobs.extend(self.adapter.inspection().job(&id(number)).await.expect("a job"));
        }
        jobs
    }

    /// Whether a claim gets a batch now.
    async fn may_go(&self) -> bool {
        let jobs = self.jobs().await;
        if self.rule.serial && jobs.iter().any(|job| job.state == JobState::Active) {
            return false;
        }
        let (back, new): (Vec<_>, Vec<_>) = (0..jobs.len())
            .filter(|at| jobs[*at].state == JobState::Waiting)
            .partition(|at| self.returned[*at]);
        let is_due = (0..jobs.len()).any(|at| self.due[at] && jobs[at].state == JobState::Retrying);
        let (Some(first), Some(last)) = (new.first(), new.last()) else { return is_due || !back.is_empty() };
        let by_time = self.age(*last) * TICK >= DELAY || self.age(*first) * TICK >= MAX_WAIT;
        is_due || !back.is_empty() || by_time || new.len() >= SIZE || *first < self.flushed
    }

    fn age(&self, at: usize) -> u32 {
        self.now - self.came[at]
    }

    fn call(&mut self, settle: Vec<Settlement>, limit: usize) -> Exchange {
        self.number += 1;
        let tasks = [TaskClaim { task: TASK.into(), limit, lease: LEASE }].into();
        Exchange {
            call: CallId { worker: "w".into(), slot: 0, number: self.number },
            settle,
            claim: (limit > 0).then_some(Claim { limit, room: limit, tasks }),
            retention: Retention::default(),
        }
    }

    /// Keeps the leases of these items, and looks at their batches.
    fn take(&mut self, claimed: Vec<ClaimedJob>, path: &[Step]) {
        let mut batches: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for job in &claimed {
            let number = (0..self.came.len()).find(|at| id(*at) == job.lease.id).expect("one of the items");
            batches.entry(job.batch.expect("a batch")).or_default().push(number);
        }
        assert!(!self.rule.serial || batches.len() < 2, "{batches:?}: {path:?}");
        for batch in batches.values() {
            assert!(batch.len() <= SIZE, "{batch:?}: {path:?}");
            let is_mixed = batch.iter().any(|at| self.returned[*at] != self.returned[batch[0]]);
            assert!(!is_mixed, "{batch:?}: {path:?}");
            assert!(self.returned[batch[0]] || batch.is_sorted(), "{batch:?}: {path:?}");
        }
        batches.into_values().flatten().for_each(|at| self.returned[at] = true);
        self.held.extend(claimed.into_iter().map(|job| (job, false)));
    }

    async fn settle(&mut self, leases: Vec<(ClaimedJob, bool)>, end: End) {
        let settle = leases.iter().map(|(job, _)| job.settlement(end.attempt_end())).collect();
        let call = self.call(settle, 0);
        self.adapter.jobs().exchange(call).await.expect("exchange");
    }

    async fn apply(&mut self, step: Step, path: &[Step]) {
        match step {
            Step::Dispatch => {
                let job = NewJob::new(id(self.came.len()), TASK, "1");
                let (limit_key, collect) = (Some(key()), Some(self.rule));
                let job = NewJob { max_attempts: 2, max_stalls: 1, limit_key, collect, ..job };
                self.adapter.jobs().enqueue(vec![job]).await.expect("enqueue");
                self.came.push(self.now);
                self.returned.push(false);
                self.due.push(false);
            }
            Step::Claim => {
                // a call takes one batch of a key
                let mut more = true;
                while more {
                    let call = self.call(Vec::new(), 9);
                    let answer = self.adapter.jobs().exchange(call).await.expect("exchange");
                    self.take(answer.jobs, path);
                    more = answer.more;
                }
                assert!(!self.may_go().await, "a batch is left: {path:?}");
            }
            Step::SettleAll(end) => {
                let leases = std::mem::take(&mut self.held);
                self.settle(leases, end).await;
            }
            Step::Settle(end) => {
                let lease = self.held.remove(0);
                self.settle(vec![lease], end).await;
            }
            Step::Tick => {
                self.stage.advance(TICK).await;
                self.now += 1;
                self.held.iter_mut().for_each(|(_, is_late)| *is_late = true);
                let jobs = self.jobs().await;
                self.due = jobs.iter().map(|job| job.state == JobState::Retrying).collect();
            }
            Step::Sweep => {
                let tasks = [TASK.into()];
                while self.adapter.jobs().sweep(&tasks, Retention::default()).await.expect("sweep").more {}
                self.held.retain(|(_, is_late)| !is_late);
            }
            Step::Cancel(number) => {
                self.adapter.jobs().cancel(&id(number), "why").await.expect("cancel");
            }
            Step::Flush => {
                let task = GatedTask::new(TASK);
                if self.adapter.control().flush(&task, &key()).await.expect("flush") {
                    self.flushed = self.came.len();
                }
                // what comes next comes later
                self.stage.advance(Duration::from_millis(1)).await;
            }
        }
    }

    async fn steps(&self, dispatches: usize) -> Vec<Step> {
        let jobs = self.jobs().await;
        let mut steps = vec![Step::Sweep, Step::Claim, Step::Flush];
        if self.came.len() < dispatches {
            steps.push(Step::Dispatch);
        }
        let may_end = |end: &End| self.held.iter().all(|(job, _)| job.attempt < 2) || !end.is_retry();
        if !self.held.is_empty() {
            steps.extend(End::ALL.into_iter().filter(may_end).map(Step::SettleAll));
        }
        if self.held.len() > 1 {
            steps.extend(End::ALL.into_iter().filter(may_end).map(Step::Settle));
        }
        if jobs.iter().any(|job| !job.state.is_terminal()) && self.ages().iter().any(|age| *age < 3) {
            steps.push(Step::Tick);
        }
        let unfinished = (0..jobs.len()).filter(|at| !jobs[*at].state.is_terminal());
        steps.extend(unfinished.map(Step::Cancel));
        steps
    }

    /// Older is as good as three ticks.
    fn ages(&self) -> Vec<u32> {
        (0..self.came.len()).map(|at| self.age(at).min(3)).collect()
    }

    async fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            jobs: self.jobs().await.iter().map(|job| (job.state, job.attempts, job.stalls)).collect(),
            ages: self.ages(),
            returned: self.returned.clone(),
            flushed: self.flushed,
            held: self.held.iter().map(|(job, is_late)| (job.lease.id.clone(), *is_late)).collect(),
            due: self.due.clone(),
        }
    }

    /// A worker that sleeps is woken if a batch may go, and only then; and everything comes to its end.
    async fn drain(&mut self, path: &[Step]) {
        let may_go = self.may_go().await;
        let (call, limit) = (self.call(Vec::new(), 1), Duration::from_secs(3));
        let (listener, started) = (self.adapter.signals().work(), tokio::time::Instant::now());
        let answer = listener.wait(&call, limit, &Notify::new()).await.expect("wait");
        assert_eq!(!answer.jobs.is_empty(), may_go, "{path:?}");
        assert!(!may_go || started.elapsed() < limit, "nobody is woken: {path:?}");
        self.take(answer.jobs, path);
        for _ in 0..8 {
            self.apply(Step::Tick, path).await;
            self.apply(Step::Sweep, path).await;
            self.held.clear();
            self.apply(Step::Claim, path).await;
            self.apply(Step::SettleAll(End::Complete), path).await;
        }
        let jobs = self.jobs().await;
        assert!(jobs.iter().all(|job| job.state.is_terminal()), "{jobs:?}: {path:?}");
    }
}

async fn visit(rule: Collect, dispatches: usize, depth: usize) -> usize {
    let stage = Stage::memory();
    let (mut seen, mut frontier, mut reached) = (HashSet::new(), vec![Vec::new()], 0);
    while !frontier.is_empty() && reached <= depth {
        let mut next = Vec::new();
        for path in frontier {
            let mut world = World::replay(&stage, rule, &path).await;
            if !seen.insert(world.fingerprint().await) {
                continue;
            }
            let steps = world.steps(dispatches).await;
            world.drain(&path).await;
            next.extend(steps.into_iter().map(|step| {
                let mut path: Vec<Step> = path.clone();
                path.push(step);
                path
            }));
        }
        frontier = next;
        reached += 1;
    }
    println!("{dispatches} items: {} states", seen.len());
    seen.len()
}

const fn rule() -> Collect {
    Collect::new(2, DELAY).max_wait(MAX_WAIT)
}

#[tokio::test(start_paused = true)]
async fn the_states_of_two_items() {
    for rule in [rule(), rule().serial()] {
        let states = visit(rule, 2, 7).await;
        assert!(states >= 500, "{states} states");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_states_of_four_items() {
    for rule in [rule(), rule().serial()] {
        let states = visit(rule, 4, 6).await;
        assert!(states >= 500, "{states} states");
    }
}

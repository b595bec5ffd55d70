//! Every interleaving of a few jobs of one task, claims, settlements, leases that pass, sweeps and cancellations, while its limit is
//! set and reset, and the task is paused and resumed. The same with a limit by key, where the first two jobs have the same key, the
//! limit of that key is set, and that key is paused and resumed, too.
//!
//! After each step it holds that a claim fills the gate and never exceeds it, that as many jobs run as the gate says, that the jobs of an
//! ordered key run one after the other, and that what is stored agrees with itself. From each state, a worker that sleeps is woken if there is a job that it may claim, and only then, and
//! everything comes to its end.

mod finish;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskora::adapter::{
    Adapter, CallId, Claim, ClaimedJob, DeclaredLimit, Exchange, GatedTask, LimitKey, NewJob, PerKey,
    Settled, Settlement, TaskClaim,
};
use taskora::{JobId, JobInfo, JobState, Retention};

use super::action::End;
use super::stage::{Stage, TASK, is_sound};

const LEASE: Duration = Duration::from_secs(10);
/// Longer than a lease, and than any delay.
const TICK: Duration = Duration::from_secs(11);
/// The limit of the contract.
const DECLARED: u32 = 1;

#[derive(Debug, Clone, Copy)]
enum Step {
    Dispatch,
    Claim,
    /// The lease at this place, by its owner, who may claim in the same call.
    Settle {
        lease: usize,
        end: End,
        claim: bool,
    },
    Tick,
    Sweep,
    Cancel(usize),
    Set(Option<u32>),
    Pause(Of),
    Resume(Of),
}

/// The task, or the key of the first two jobs.
#[derive(Debug, Clone, Copy)]
enum Of {
    Task,
    Key,
}

/// What tells two states apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fingerprint {
    jobs: Vec<(JobState, u32, u32)>,
    /// The jobs whose leases are held, and whether they are past their deadline.
    held: Vec<(JobId, bool)>,
    set: Option<u32>,
    paused: [bool; 2],
    is_due: bool,
}

struct World<'a> {
    stage: &'a Stage,
    adapter: Arc<dyn Adapter>,
    task: GatedTask,
    /// The limit by key, if it is one.
    per_key: Option<PerKey>,
    dispatched: usize,
    held: Vec<(ClaimedJob, bool)>,
    set: Option<u32>,
    /// The task, and the key.
    paused: [bool; 2],
    is_due: bool,
    number: u64,
}

fn id(number: usize) -> JobId {
    format!("job-{number}").as_str().into()
}

/// The key of a job: the first two share one.
fn key(number: usize) -> LimitKey {
    LimitKey::new(if number < 2 { "a" } else { "b" }).expect("a key")
}

impl World<'_> {
    async fn replay<'a>(stage: &'a Stage, per_key: Option<PerKey>, path: &[Step]) -> World<'a> {
        let (adapter, task) = (stage.empty(), GatedTask::new(TASK));
        let max = per_key.is_none().then_some(DECLARED);
        let limit = DeclaredLimit::none(task.clone()).max(max).per_key(per_key);
        let before = adapter.control().declare_limits(vec![limit]).await.expect("declare_limits");
        assert_eq!(before, [DeclaredLimit::none(task.clone())]);
        let mut world = World {
            stage,
            adapter,
            task,
            per_key,
            dispatched: 0,
            held: Vec::new(),
            set: None,
            paused: [false; 2],
            is_due: false,
            number: 0,
        };
        // what is before the last step was looked at when that was the last one
        if let Some((last, before)) = path.split_last() {
            for step in before {
                world.go(*step, path).await;
            }
            world.apply(*last, path).await;
            world.check(path).await;
        }
        world
    }

    async fn jobs(&self) -> Vec<JobInfo> {
        let mut jobs = Vec::new();
        for number in 0..self.dispatched {
            jobs.extend(self.adapter.inspection().job(&id(number)).await.expect("a job"));
        }
        jobs
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

    /// The limit of the task, or of its keys, if it is not paused.
    fn limit(&self, of: Option<&LimitKey>) -> usize {
        let is_set = of.is_none_or(|of| *of == key(0));
        let [task, key] = self.paused;
        if task || key && is_set { 0 } else { self.set.filter(|_| is_set).unwrap_or(DECLARED) as usize }
    }

    /// What is paused, as calls name it.
    fn key(of: Of) -> Option<LimitKey> {
        match of {
            Of::Task => None,
            Of::Key => Some(key(0)),
        }
    }

    /// The jobs that share a limit, with that limit: those of each key, or all.
    async fn groups(&self) -> Vec<(usize, Vec<JobInfo>)> {
        let jobs = self.jobs().await;
        if self.per_key.is_none() {
            return vec![(self.limit(None), jobs)];
        }
        let of = |wanted: LimitKey| {
            let is_of = |job: &&JobInfo| (0..self.dispatched).any(|at| job.id == id(at) && key(at) == wanted);
            (self.limit(Some(&wanted)), jobs.iter().filter(is_of).cloned().collect())
        };
        vec![of(key(0)), of(key(2))]
    }

    /// How many jobs hold the gate, or a key. A job holds an ordered key also while it waits for its next attempt.
    fn holders(&self, jobs: &[JobInfo]) -> usize {
        let is_ordered = self.per_key.is_some_and(|per_key| per_key.ordered);
        let waits = count(jobs, JobState::Retrying) + count(jobs, JobState::Delayed);
        count(jobs, JobState::Active) + if is_ordered { waits } else { 0 }
    }

    /// How many more jobs of those that wait may be claimed now, and how many wait behind a limit.
    async fn claimable(&self) -> (usize, usize) {
        let (mut claimable, mut waiting) = (0, 0);
        for (limit, jobs) in self.groups().await {
            let (room, waits) = (limit.saturating_sub(self.holders(&jobs)), count(&jobs, JobState::Waiting));
            claimable += room.min(waits);
            waiting += waits;
        }
        (claimable, waiting)
    }

    /// Settles, and claims as much as there is.
    async fn exchange(&mut self, settle: Vec<Settlement>, claims: bool, path: &[Step]) {
        let settles = settle.len();
        let call = self.call(settle, if claims { 9 } else { 0 });
        let answer = self.adapter.jobs().exchange(call).await.expect("exchange");
        let is_settled = answer.settled.iter().all(|settled| *settled != Settled::Stale);
        assert!(is_settled && answer.settled.len() == settles, "{path:?}");
        self.take(answer.jobs, path).await;
        if claims {
            let (claimable, _) = self.claimable().await;
            assert!(claimable == 0, "a job is left: {:?}: {path:?}", self.jobs().await);
        }
    }

    /// Keeps the leases of these jobs.
    async fn take(&mut self, claimed: Vec<ClaimedJob>, path: &[Step]) {
        for job in &claimed {
            assert_eq!(job.holds_key, self.per_key.is_some(), "{path:?}");
            let is_second = self.per_key.is_some_and(|per_key| per_key.ordered) && job.lease.id == id(1);
            let first = self.jobs().await.into_iter().find(|job| job.id == id(0));
            let is_over = first.is_none_or(|first| first.state.is_terminal());
            assert!(!is_second || is_over, "out of order: {path:?}");
            let is_paused = self.paused[1] && [id(0), id(1)].contains(&job.lease.id);
            assert!(!is_paused, "of a paused key: {path:?}");
        }
        self.held.extend(claimed.into_iter().map(|job| (job, false)));
    }

    /// One step, which starts no more jobs than the limits let.
    async fn apply(&mut self, step: Step, path: &[Step]) {
        let before = self.groups().await;
        self.go(step, path).await;
        for ((limit, now), (_, before)) in self.groups().await.iter().zip(&before) {
            let (now, before) = (count(now, JobState::Active), count(before, JobState::Active));
            assert!(now <= before.max(*limit), "{now} run: {path:?}");
        }
    }

    async fn go(&mut self, step: Step, path: &[Step]) {
        match step {
            Step::Dispatch => {
                let limit_key = self.per_key.map(|_| key(self.dispatched));
                let job = NewJob::new(id(self.dispatched), TASK, "1");
                let job = NewJob { max_attempts: 2, max_stalls: 1, limit_key, ..job };
                self.adapter.jobs().enqueue(vec![job]).await.expect("enqueue");
                self.dispatched += 1;
            }
            Step::Claim => self.exchange(Vec::new(), true, path).await,
            Step::Settle { lease, end, claim } => {
                let (job, _) = self.held.remove(lease);
                self.exchange(vec![job.settlement(end.attempt_end())], claim, path).await;
                self.is_due = false;
            }
            Step::Tick => {
                self.stage.advance(TICK).await;
                self.held.iter_mut().for_each(|(_, is_late)| *is_late = true);
                self.is_due = true;
            }
            Step::Sweep => {
                let tasks = [TASK.into()];
                while self.adapter.jobs().sweep(&tasks, Retention::default()).await.expect("sweep").more {}
                self.held.retain(|(_, is_late)| !is_late);
            }
            Step::Cancel(number) => {
                self.adapter.jobs().cancel(&id(number), "why").await.expect("cancel");
            }
            Step::Set(max) => {
                let of = self.per_key.map(|_| key(0));
                self.adapter.control().set_limit(&self.task, of.as_ref(), max).await.expect("set_limit");
                self.set = max;
            }
            Step::Pause(of) => {
                let paused =
                    self.adapter.control().pause(&self.task, Self::key(of).as_ref(), "why".into()).await;
                assert!(paused.expect("pause"), "{path:?}");
                self.paused[of as usize] = true;
            }
            Step::Resume(of) => {
                let resumed = self.adapter.control().resume(&self.task, Self::key(of).as_ref()).await;
                assert!(resumed.expect("resume"), "{path:?}");
                self.paused[of as usize] = false;
            }
        }
    }

    async fn check(&self, path: &[Step]) {
        let active = count(&self.jobs().await, JobState::Active);
        let gate = self.adapter.control().gate(&self.task, None).await.expect("gate");
        if self.per_key.is_none() {
            assert_eq!((gate.declared, gate.set), (Some(DECLARED), self.set), "{path:?}");
        } else {
            let known = self.adapter.control().gate(&self.task, Some(&key(0))).await.expect("gate");
            let holders = self.groups().await.first().map(|(_, jobs)| self.holders(jobs));
            assert_eq!((known.set, Some(known.running)), (self.set, holders), "{path:?}");
            assert_eq!(known.paused.is_some(), self.paused[1], "{path:?}");
        }
        assert_eq!((gate.running, gate.paused.is_some()), (active, self.paused[0]), "{path:?}");
        assert_eq!(active, self.held.len(), "{path:?}");
        is_sound(&self.adapter, path).await;
    }

    async fn steps(&self, dispatches: usize) -> Vec<Step> {
        let jobs = self.jobs().await;
        let mut steps = vec![Step::Sweep, Step::Claim];
        if self.dispatched < dispatches {
            steps.push(Step::Dispatch);
        }
        for (lease, (job, _)) in self.held.iter().enumerate() {
            let ends = End::ALL.into_iter().filter(|end| job.attempt < 2 || !end.is_retry());
            steps.extend(ends.map(|end| Step::Settle { lease, end, claim: end == End::RetryNow }));
            steps.push(Step::Settle { lease, end: End::Complete, claim: true });
        }
        let is_delayed = |job: &JobInfo| matches!(job.state, JobState::Delayed | JobState::Retrying);
        if self.held.iter().any(|(_, is_late)| !is_late) || jobs.iter().any(is_delayed) && !self.is_due {
            steps.push(Step::Tick);
        }
        let unfinished = (0..self.dispatched)
            .filter(|number| jobs.iter().any(|job| job.id == id(*number) && !job.state.is_terminal()));
        steps.extend(unfinished.map(Step::Cancel));
        // with more than one at a time, there is no order
        if self.per_key.is_none_or(|per_key| !per_key.ordered) {
            let limits = [None, Some(2)].into_iter().filter(|max| *max != self.set);
            steps.extend(limits.map(Step::Set));
        }
        let pauses = [Of::Task, Of::Key].into_iter().take(if self.per_key.is_some() { 2 } else { 1 });
        steps.extend(
            pauses.map(|of| if self.paused[of as usize] { Step::Resume(of) } else { Step::Pause(of) }),
        );
        steps
    }

    async fn fingerprint(&self) -> Fingerprint {
        let jobs = self.jobs().await;
        Fingerprint {
            jobs: jobs.iter().map(|job| (job.state, job.attempts, job.stalls)).collect(),
            held: self.held.iter().map(|(job, is_late)| (job.lease.id.clone(), *is_late)).collect(),
            set: self.set,
            paused: self.paused,
            is_due: self.is_due,
        }
    }
}

fn count(jobs: &[JobInfo], state: JobState) -> usize {
    jobs.iter().filter(|job| job.state == state).count()
}

async fn visit(stage: &Stage, per_key: Option<PerKey>, dispatches: usize, depth: usize) -> (usize, bool) {
    let started = Instant::now();
    let (mut seen, mut frontier, mut reached) = (HashSet::new(), vec![Vec::new()], 0);
    while !frontier.is_empty() && reached <= depth {
        let mut next = Vec::new();
        for path in frontier {
            let mut world = World::replay(stage, per_key, &path).await;
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
    println!("{dispatches} jobs: {} states in {:?}", seen.len(), started.elapsed());
    (seen.len(), frontier.is_empty())
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_gate() {
    let (states, is_closed) = visit(&Stage::memory(), None, 2, usize::MAX).await;
    assert!(is_closed && states >= 1_000, "{states} states");
}

#[tokio::test(start_paused = true)]
async fn the_first_states_of_a_gate_with_three_jobs() {
    let (states, _) = visit(&Stage::memory(), None, 3, 7).await;
    assert!(states >= 1_000, "{states} states");
}

#[tokio::test(start_paused = true)]
async fn every_state_of_an_ordered_key() {
    let (states, is_closed) = visit(&Stage::memory(), Some(PerKey::ordered()), 2, usize::MAX).await;
    assert!(is_closed && states >= 500, "{states} states");
}

#[tokio::test(start_paused = true)]
async fn the_first_states_of_two_keys() {
    for per_key in [PerKey::at_most(DECLARED), PerKey::ordered()] {
        let (states, _) = visit(&Stage::memory(), Some(per_key), 3, 7).await;
        assert!(states >= 500, "{states} states");
    }
}

#[tokio::test]
async fn the_first_states_of_a_gate_on_redis() {
    let (states, _) = visit(&Stage::redis().await, None, 3, 4).await;
    assert!(states >= 60, "{states} states");
}

#[tokio::test]
async fn the_first_states_of_two_keys_on_redis() {
    let stage = Stage::redis().await;
    for per_key in [PerKey::at_most(DECLARED), PerKey::ordered()] {
        let (states, _) = visit(&stage, Some(per_key), 3, 4).await;
        assert!(states >= 40, "{states} states");
    }
}

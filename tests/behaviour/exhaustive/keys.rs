//! Every interleaving of a few dispatches of one key, a worker's claims and settlements, leases that pass, sweeps and
//! cancellations.
//!
//! After each step it holds that the key's owner is the unfinished job that is behind no other one, that there is one such job at
//! most, with one valid lease at most, that no accepted payload is lost, and that what is stored agrees with itself.
//! In the end the key is free.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskora::adapter::{
    Adapter, Admission, Admitted, BlockingStates, CallId, Claim, ClaimedJob, Exchange, NewJob, Otherwise,
    Rule, Settled, Settlement, TaskClaim,
};
use taskora::{Blocked, JobId, JobInfo, JobState, Retention};

use super::action::End;
use super::stage::{Stage, TASK, is_sound};

const LEASE: Duration = Duration::from_secs(10);
/// Longer than a lease, than any delay, and than a debounced job waits.
const TICK: Duration = Duration::from_secs(11);
const KEY: &str = "k";

#[derive(Debug, Clone, Copy)]
enum Step {
    Dispatch,
    Claim,
    /// The lease handed out last, by its owner.
    Settle(End),
    Tick,
    Sweep,
    Cancel(usize),
}

/// What tells two states apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Fingerprint {
    jobs: Vec<(JobState, u32, u32, bool, String)>,
    has_lease: bool,
    is_flagged: bool,
    is_late: bool,
    is_due: bool,
    dispatched: usize,
}

struct World<'a> {
    stage: &'a Stage,
    adapter: Arc<dyn Adapter>,
    rule: Rule,
    /// How many dispatches there may be.
    dispatches: usize,
    dispatched: usize,
    /// The payload that was accepted last, and has not been handed out since nor cancelled.
    newest: Option<String>,
    held: Option<ClaimedJob>,
    number: u64,
    is_late: bool,
    is_due: bool,
}

fn id(number: usize) -> JobId {
    format!("job-{number}").as_str().into()
}

impl World<'_> {
    async fn replay<'a>(stage: &'a Stage, (rule, dispatches): (Rule, usize), path: &[Step]) -> World<'a> {
        let mut world = World {
            stage,
            adapter: stage.empty(),
            rule,
            dispatches,
            dispatched: 0,
            newest: None,
            held: None,
            number: 0,
            is_late: false,
            is_due: false,
        };
        for (at, step) in path.iter().enumerate() {
            world.apply(*step, path).await;
            if at + 1 == path.len() {
                world.check(path).await;
            }
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

    async fn call(&mut self, settle: Vec<Settlement>, limit: usize) -> (Vec<Settled>, Vec<ClaimedJob>) {
        self.number += 1;
        let tasks = [TaskClaim { task: TASK.into(), limit, lease: LEASE }].into();
        let call = Exchange {
            call: CallId { worker: "w".into(), slot: 0, number: self.number },
            settle,
            claim: (limit > 0).then_some(Claim { limit, room: limit, tasks }),
            retention: Retention::default(),
        };
        let answer = self.adapter.jobs().exchange(call).await.expect("exchange");
        (answer.settled, answer.jobs)
    }

    fn is_debounced(&self) -> bool {
        matches!(self.rule, Rule::Debounce { .. })
    }

    async fn apply(&mut self, step: Step, path: &[Step]) {
        match step {
            Step::Dispatch => {
                let number = self.dispatched;
                let text = number.to_string();
                let meta = vec![("n".to_owned(), text.clone())];
                let job = NewJob { meta, max_attempts: 2, ..NewJob::new(id(number), TASK, text.clone()) };
                let admission = Admission { job, key: KEY.to_owned(), rule: self.rule };
                let admitted = self.adapter.admissions().admit(vec![admission]).await.expect("admit");
                self.dispatched += 1;
                match &admitted[..] {
                    [Admitted::New | Admitted::Replaced(_)] => self.newest = Some(text),
                    [Admitted::Duplicate(_)] => {}
                    other => panic!("{other:?}: {path:?}"),
                }
            }
            Step::Claim => {
                let (_, jobs) = self.call(Vec::new(), 1).await;
                for job in jobs {
                    assert!(self.held.is_none() || self.is_debounced(), "two at once: {path:?}");
                    if self.newest.as_deref().map(str::as_bytes) == Some(&job.payload) {
                        self.newest = None;
                    }
                    (self.held, self.is_late) = (Some(job), false);
                }
            }
            Step::Settle(end) => {
                let job = self.held.take().expect("a lease");
                let (settled, _) = self.call(vec![job.settlement(end.attempt_end())], 0).await;
                assert_ne!(settled, [Settled::Stale], "{path:?}");
                self.is_due = false;
            }
            Step::Tick => {
                self.stage.advance(TICK).await;
                (self.is_late, self.is_due) = (self.held.is_some(), true);
            }
            Step::Sweep => {
                let tasks = [TASK.into()];
                while self.adapter.jobs().sweep(&tasks, Retention::default()).await.expect("sweep").more {}
                if self.is_late {
                    (self.held, self.is_late) = (None, false);
                }
            }
            Step::Cancel(number) => {
                let jobs = self.jobs().await;
                if jobs
                    .iter()
                    .any(|job| job.id == id(number) && job.meta[0].1 == self.newest.as_deref().unwrap_or("-"))
                {
                    self.newest = None;
                }
                self.adapter.jobs().cancel(&id(number), "why").await.expect("cancel");
            }
        }
    }

    async fn check(&mut self, path: &[Step]) {
        let jobs = self.jobs().await;
        let unfinished: Vec<&JobInfo> = jobs.iter().filter(|job| !job.state.is_terminal()).collect();
        let owner = self.adapter.admissions().key_owner(TASK, KEY).await.expect("key_owner");
        let free: Vec<&JobInfo> = unfinished.iter().copied().filter(|job| job.blocked.is_none()).collect();
        if !self.is_debounced() {
            assert!(free.len() <= 1, "two own the key: {jobs:?}: {path:?}");
            assert_eq!(owner, free.first().map(|job| job.id.clone()), "{jobs:?}: {path:?}");
        }
        for job in unfinished.iter().filter(|job| job.blocked.is_some()) {
            assert_eq!(job.blocked, owner.clone().map(Blocked::Behind), "{path:?}");
        }
        assert!(unfinished.len() - free.len() <= 1, "two wait for one: {path:?}");
        let active = jobs.iter().filter(|job| job.state == JobState::Active).count();
        assert!(active <= 1 || self.is_debounced(), "{path:?}");
        if let Some(newest) = &self.newest {
            let is_there = unfinished.iter().any(|job| job.meta[0].1 == *newest);
            assert!(is_there, "payload {newest} is lost: {jobs:?}: {path:?}");
        }
        is_sound(&self.adapter, path).await;
    }

    async fn steps(&self) -> Vec<Step> {
        let jobs = self.jobs().await;
        let mut steps = vec![Step::Sweep];
        if self.dispatched < self.dispatches {
            steps.push(Step::Dispatch);
        }
        if self.held.is_none() {
            steps.push(Step::Claim);
        } else {
            let may_retry = self.held.as_ref().is_some_and(|held| held.attempt < 2);
            let ends = End::ALL.into_iter().filter(|end| may_retry || !end.is_retry());
            steps.extend(ends.map(Step::Settle));
        }
        let is_delayed = |job: &JobInfo| matches!(job.state, JobState::Delayed | JobState::Retrying);
        if self.held.is_some() && !self.is_late || jobs.iter().any(is_delayed) && !self.is_due {
            steps.push(Step::Tick);
        }
        let unfinished = (0..self.dispatched)
            .filter(|number| jobs.iter().any(|job| job.id == id(*number) && !job.state.is_terminal()));
        steps.extend(unfinished.map(Step::Cancel));
        steps
    }

    async fn fingerprint(&self) -> Fingerprint {
        let jobs = self.jobs().await;
        let told = |job: &JobInfo| {
            let number = job.meta.first().map(|(_, text)| text.clone()).unwrap_or_default();
            (job.state, job.attempts, job.stalls, job.blocked.is_some(), number)
        };
        Fingerprint {
            has_lease: self.held.is_some(),
            is_flagged: self.held.as_ref().is_some_and(|held| held.cancelled),
            is_late: self.is_late,
            is_due: self.is_due,
            dispatched: self.dispatched,
            jobs: jobs.iter().map(told).collect(),
        }
    }

    /// From here everything comes to its end, and the key is free.
    async fn drain(&mut self, path: &[Step]) {
        for _ in 0..12 {
            self.stage.advance(TICK * 2).await;
            self.apply(Step::Sweep, path).await;
            let (_, jobs) = self.call(Vec::new(), 9).await;
            for job in jobs {
                self.call(vec![job.settlement(End::Complete.attempt_end())], 0).await;
            }
        }
        let jobs = self.jobs().await;
        assert!(jobs.iter().all(|job| job.state.is_terminal()), "{jobs:?}: {path:?}");
        let owner = self.adapter.admissions().key_owner(TASK, KEY).await.expect("key_owner");
        assert_eq!(owner, None, "{path:?}");
    }
}

async fn visit(stage: &Stage, rule: (Rule, usize), depth: usize) -> (usize, bool) {
    let started = Instant::now();
    let (mut seen, mut frontier, mut reached) = (HashSet::new(), vec![Vec::new()], 0);
    while !frontier.is_empty() && reached <= depth {
        let mut next = Vec::new();
        for path in frontier {
            let mut world = World::replay(stage, rule, &path).await;
            if !seen.insert(world.fingerprint().await) {
                continue;
            }
            let steps = world.steps().await;
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
    println!("{rule:?}: {} states in {:?}", seen.len(), started.elapsed());
    (seen.len(), frontier.is_empty())
}

const fn deduplicate(otherwise: Otherwise) -> Rule {
    Rule::Deduplicate { while_in: BlockingStates::ALL, otherwise }
}

const DROP: Rule = deduplicate(Otherwise::Drop);
const REPLACE: Rule = deduplicate(Otherwise::Replace);
const FOLLOW: Rule = deduplicate(Otherwise::Follow { cancel_running: false });
const CANCEL: Rule = deduplicate(Otherwise::Follow { cancel_running: true });
const DEBOUNCE: Rule =
    Rule::Debounce { delay: Duration::from_secs(5), max_wait: Some(Duration::from_secs(8)) };

async fn all_of(rule: Rule, dispatches: usize, at_least: usize) {
    let (states, is_closed) = visit(&Stage::memory(), (rule, dispatches), usize::MAX).await;
    assert!(is_closed && states >= at_least, "{rule:?}: {states} states");
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_key() {
    all_of(DROP, 2, 500).await;
    all_of(REPLACE, 2, 500).await;
    all_of(DEBOUNCE, 2, 500).await;
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_key_whose_jobs_follow_each_other() {
    all_of(FOLLOW, 3, 10_000).await;
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_key_whose_last_job_cancels_the_one_before() {
    all_of(CANCEL, 2, 500).await;
}

#[tokio::test]
async fn the_first_states_of_a_key_on_redis() {
    let stage = Stage::redis().await;
    for rule in [DROP, REPLACE, FOLLOW, CANCEL, DEBOUNCE] {
        let (states, _) = visit(&stage, (rule, 3), 5).await;
        assert!(states >= 40, "{rule:?}: {states} states");
    }
}

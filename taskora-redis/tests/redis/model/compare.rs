//! What can be seen of a store, in a form in which two stores can be compared.

use std::collections::BTreeSet;
use std::time::Duration;

use taskora::adapter::{
    Adapter, ClaimedJob, Collected, Ended, Ending, Gate, GatedTask, Inspection, JobQuery, WorkflowEnded,
    WorkflowQuery,
};
use taskora::workflow::{WorkflowId, WorkflowInfo, WorkflowState};
use taskora::{AdapterError, JobCounts, JobId, JobState, Timestamp};

use super::operation::{NODES, TASKS, limit_key};

/// Clocks differ by so much more than by what a case takes: they are read one after the other, in milliseconds.
const ROUNDING: u64 = 5;

/// What was seen, each under a name. Times are apart: two clocks never agree to the millisecond.
#[derive(Default)]
pub(super) struct Snapshot {
    seen: Vec<(String, String)>,
    times: Vec<(String, Option<Timestamp>)>,
}

/// What a snapshot looks at: what was ever enqueued and started.
#[derive(Default)]
pub(super) struct Subjects {
    pub(super) jobs: BTreeSet<JobId>,
    pub(super) flows: BTreeSet<WorkflowId>,
}

impl Snapshot {
    /// Everything that can be read. The parts are asked for together, so that they share round trips.
    pub(super) async fn take<A: Adapter + Clone>(
        adapter: &A,
        subjects: &Subjects,
    ) -> Result<Self, AdapterError> {
        let mut parts = Vec::new();
        for id in subjects.jobs.clone() {
            let adapter = adapter.clone();
            parts.push(tokio::spawn(async move {
                let mut part = Self::default();
                part.job(&adapter, &id).await.map(|()| part)
            }));
        }
        for id in subjects.flows.clone() {
            let adapter = adapter.clone();
            parts.push(tokio::spawn(async move {
                let mut part = Self::default();
                part.workflow(&adapter, id).await.map(|()| part)
            }));
        }
        let mut snapshot = Self::default();
        for task in TASKS {
            let counts = adapter.inspection().counts(task).await?;
            snapshot.seen.push((format!("counts of {task}"), format!("{counts:?}")));
            for state in JobState::ALL {
                let jobs = listed(adapter, task, *state).await?;
                snapshot.seen.push((format!("{state} jobs of {task}"), format!("{jobs:?}")));
            }
            let mut gate = adapter.control().gate(&GatedTask::new(task), None).await?;
            snapshot.pause_of(task, &mut gate);
            let opens = gate.opens_at.take();
            snapshot.seen.push((format!("gate of {task}"), format!("{gate:?}")));
            for number in 0..3 {
                let key = limit_key(number);
                let mut gate = adapter.control().gate(&GatedTask::new(task), Some(&key)).await?;
                snapshot.pause_of(&format!("key `{key}` of {task}"), &mut gate);
                snapshot.times.push((format!("opening of key `{key}` of {task}"), gate.opens_at.take()));
                snapshot.seen.push((format!("key `{key}` of {task}"), format!("{gate:?}")));
                let gathered = adapter.control().collected(&GatedTask::new(task), &key, 2).await?;
                snapshot.gathered(&format!("under `{key}` of {task}"), gathered);
            }
            snapshot.times.push((format!("opening of {task}"), opens));
        }
        let overview = adapter.inspection().overview().await?;
        let flows = (overview.running_workflows, overview.ended_workflows);
        snapshot.seen.push(("workflows".into(), format!("{flows:?}")));
        for state in WorkflowState::ALL {
            let listed = adapter.inspection().list_workflows(&WorkflowQuery::new(*state)).await?;
            let shown = |flow: WorkflowInfo| (flow.id.to_string(), flow.steps, flow.open_steps, flow.meta);
            let mut flows: Vec<_> = listed.workflows.into_iter().map(shown).collect();
            // the order of those that end in one sweep is the store's
            flows.sort_unstable();
            snapshot.seen.push((format!("{state} workflows"), format!("{flows:?}")));
        }
        // a task that has only settings is known to one of them
        for task in overview.tasks.iter().filter(|task| task.counts != JobCounts::default()) {
            let paused = task.paused.as_ref().map(|pause| (&pause.reason, &pause.by, pause.until.is_some()));
            let shown = (&task.counts, task.blocked.as_ref(), paused, task.oldest_waiting.is_some());
            snapshot.seen.push((format!("overview of {}", task.task), format!("{shown:?}")));
        }
        for part in parts {
            let part = part.await.expect("no panic")?;
            snapshot.seen.extend(part.seen);
            snapshot.times.extend(part.times);
        }
        Ok(snapshot)
    }

    /// Takes the times out of a pause.
    fn pause_of(&mut self, of: &str, gate: &mut Gate) {
        let pause = gate.paused.as_mut();
        let times = pause.map(|pause| (std::mem::take(&mut pause.since), pause.until.take()));
        self.times.push((format!("pause of {of}"), times.map(|(since, _)| since)));
        self.times.push((format!("end of the pause of {of}"), times.and_then(|(_, until)| until)));
    }

    fn gathered(&mut self, what: &str, gathered: Option<Collected>) {
        let shown = gathered.as_ref().map(|all| (all.count, all.items.clone()));
        self.seen.push((format!("gathered {what}"), format!("{shown:?}")));
        let times = gathered.map(|all| [all.oldest, all.newest, all.due]);
        for (at, name) in ["oldest", "newest", "due"].into_iter().enumerate() {
            self.times.push((format!("{name} {what}"), times.map(|times| times[at])));
        }
    }

    async fn job(&mut self, adapter: &impl Adapter, id: &JobId) -> Result<(), AdapterError> {
        let Some(mut info) = adapter.inspection().job(id).await? else {
            self.seen.push((format!("job {id}"), "unknown".into()));
            return Ok(());
        };
        let times = [
            ("created", Some(std::mem::take(&mut info.created_at))),
            ("due", info.due_at.take()),
            ("expires", info.expires_at.take()),
            ("started", info.started_at.take()),
            ("finished", info.finished_at.take()),
        ];
        if info.state.is_terminal() {
            let ended = adapter.signals().ended(id).await?;
            self.seen.push((format!("end of {id}"), shown(ended.as_ref())));
        }
        let data = adapter.inspection().details(id).await?;
        for (number, mut step) in data.map(|data| data.past).unwrap_or_default().into_iter().enumerate() {
            self.times.push((format!("step {number} of {id}"), Some(std::mem::take(&mut step.at))));
            self.times.push((format!("start of step {number} of {id}"), step.started_at.take()));
            self.seen.push((format!("step {number} of {id}"), format!("{step:?}")));
        }
        let logs = adapter.inspection().logs(id).await?;
        self.seen
            .push((format!("job {id}"), format!("{info:?} {:?} {:?} {logs:?}", info.progress, info.meta)));
        self.times.extend(times.map(|(what, time)| (format!("{what} of {id}"), time)));
        Ok(())
    }

    async fn workflow(&mut self, adapter: &impl Adapter, id: WorkflowId) -> Result<(), AdapterError> {
        let Some(mut record) = adapter.workflows().workflow(&id, true).await? else {
            self.seen.push((format!("workflow {id}"), "unknown".into()));
            return Ok(());
        };
        if record.state.is_terminal() {
            let ended = adapter.workflows().workflow_ended(&id).await?;
            self.seen.push((format!("end of workflow {id}"), shown_workflow(ended.as_ref())));
        }
        let all: Vec<u32> = (0..NODES.into()).collect();
        let results = adapter.workflows().node_results(&id, &all).await?;
        self.times.push((format!("created of {id}"), Some(std::mem::take(&mut record.created_at))));
        self.times.push((format!("finished of {id}"), record.finished_at.take()));
        for (number, node) in (0..).zip(&mut record.nodes) {
            let node_id = JobId::node(&id, number);
            self.times.push((format!("started of {node_id}"), node.started_at.take()));
            self.times.push((format!("finished of {node_id}"), node.finished_at.take()));
            if node.state.is_some() {
                self.job(adapter, &node_id).await?;
            }
        }
        self.seen.push((format!("workflow {id}"), format!("{record:?} {results:?}")));
        Ok(())
    }

    /// What Redis shows must be what the model does. Its times may be later, by what the case has taken so far.
    pub(super) fn check(&self, redis: &Self, clocks: Clocks) -> Result<(), String> {
        for ((what, expected), (_, found)) in self.seen.iter().zip(&redis.seen) {
            if found != expected {
                return Err(format!("{what}: memory shows {expected}, redis shows {found}"));
            }
        }
        let goes = |(what, due): &(String, Option<Timestamp>)| {
            what.starts_with("due under") && due.is_some_and(|due| clocks.has_come(due))
        };
        // items whose time has come are next in line for the model, and on Redis once a worker has looked; what the next job
        // costs says when a gate opens
        let is_ahead = self.times.iter().any(goes);
        for ((what, expected), (_, found)) in self.times.iter().zip(&redis.times) {
            if !(is_ahead && what.starts_with("opening of")) {
                clocks.check(what, *expected, *found)?;
            }
        }
        if (self.seen.len(), self.times.len()) == (redis.seen.len(), redis.times.len()) {
            Ok(())
        } else {
            Err("one of both shows more than the other".into())
        }
    }
}

/// When the case began by the clock of each, and how long ago that is in real time, which passes on Redis only.
#[derive(Clone, Copy)]
pub(super) struct Clocks {
    pub(super) memory: Timestamp,
    pub(super) redis: Timestamp,
    pub(super) elapsed: Duration,
    /// By how much the model's beginning may be wrong.
    pub(super) unsure: Duration,
    /// The fives of seconds that have passed, and what a case may take in addition.
    pub(super) passed: Duration,
}

impl Clocks {
    /// Whether a time of the model is past.
    fn has_come(self, time: Timestamp) -> bool {
        let since = time.as_millis().saturating_sub(self.memory.as_millis());
        u128::from(since) <= self.passed.as_millis()
    }

    fn check(self, what: &str, memory: Option<Timestamp>, redis: Option<Timestamp>) -> Result<(), String> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let since = |time: Option<Timestamp>, start: Timestamp| {
            time.map(|time| (time.as_millis() + ROUNDING).saturating_sub(start.as_millis()))
        };
        let (expected, found) = (since(memory, self.memory), since(redis, self.redis));
        let latest = expected.map(|time| time + millis(self.elapsed) + ROUNDING);
        let earliest = expected.map(|time| time.saturating_sub(millis(self.unsure) + ROUNDING));
        if found >= earliest && found <= latest {
            return Ok(());
        }
        Err(format!("{what}: memory says {expected:?} ms after the start, redis {found:?}"))
    }
}

/// What a claim hands out, without its time and its token: each store counts tokens in its own way.
pub(super) fn claimed(jobs: &[ClaimedJob]) -> String {
    let one = |job: &ClaimedJob| {
        let payload = String::from_utf8_lossy(&job.payload);
        let ClaimedJob { lease, attempt, meta, cancelled, node, tick, limit_key, holds_key, batch, .. } = job;
        let tick = tick.as_ref().map(|tick| (&tick.schedule, tick.at.is_some()));
        let key = (limit_key, holds_key, batch);
        format!(
            "{} {} {payload} {attempt} {meta:?} {cancelled} {node:?} {tick:?} {key:?}",
            lease.id, lease.task
        )
    };
    jobs.iter().map(one).collect::<Vec<_>>().join("\n")
}

pub(super) fn shown(ended: Option<&Ended>) -> String {
    let result = match ended.map(|ended| &ended.ending) {
        Some(Ending::Completed(result)) => String::from_utf8_lossy(result),
        _ => "".into(),
    };
    format!("{ended:?} {result}")
}

pub(super) fn shown_workflow(ended: Option<&WorkflowEnded>) -> String {
    let shown = |ended: &WorkflowEnded| {
        let WorkflowEnded { state, output, cause, reason } = ended;
        format!("{state:?} {output:?} {cause:?} {reason:?}")
    };
    ended.map_or_else(|| "unknown".into(), shown)
}

/// Whether anybody knows the job.
pub(super) async fn is_known(adapter: &impl Inspection, id: &JobId) -> Result<bool, AdapterError> {
    adapter.job(id).await.map(|info| info.is_some())
}

/// The jobs of a task in a state, by id: jobs of one time are in an order of each store's.
async fn listed(
    adapter: &impl Adapter,
    task: &str,
    state: JobState,
) -> Result<Vec<(JobId, u32)>, AdapterError> {
    let mut query = JobQuery { limit: 3, ..JobQuery::new(task, state) };
    let mut jobs = Vec::new();
    loop {
        let page = adapter.inspection().list(&query).await?;
        jobs.extend(page.jobs.into_iter().map(|job| (job.id, job.attempts)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    jobs.sort_unstable();
    Ok(jobs)
}

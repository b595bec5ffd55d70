//! Reading.

use async_trait::async_trait;
use taskora::adapter::{
    HistoryStep, Inspection, JobData, JobQuery, Listed, ListedWorkflows, Overview, Schedules, StoredHistory,
    WorkerInfo, WorkflowQuery,
};
use taskora::{AdapterError, Blocked, JobCounts, JobId, JobInfo, JobState, LogEntry, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, newer, nonsense, number};
use crate::codec::{End, Life, Record, message, state_at};
use crate::id;
use crate::scripts::SCRIPTS;

#[async_trait]
impl Inspection for RedisAdapter {
    async fn job(&self, id: &JobId) -> Result<Option<JobInfo>, AdapterError> {
        let stored = id::store(id);
        let answer = self
            .inner
            .script(&SCRIPTS.inspect, |call, _| {
                call.put("id", &stored);
            })
            .await?;
        let values = array(answer, "the answer to `inspect`")?;
        if values.is_empty() {
            return Ok(None);
        }
        read_job(id, exactly(redis::Value::Array(values), "the answer to `inspect`")?).map(Some)
    }

    async fn now(&self) -> Result<Timestamp, AdapterError> {
        // of a schedule that there is not, it answers nothing else
        Ok(Schedules::schedule(self, "").await?.0)
    }

    async fn logs(&self, id: &JobId) -> Result<Vec<LogEntry>, AdapterError> {
        let settings = self.inner.settings();
        let key = settings.keys.log(&id::store(id));
        let answer = self
            .inner
            .send("lrange", settings.command_timeout, |_| {
                let mut cmd = redis::cmd("LRANGE");
                cmd.arg(&key).arg(0).arg(-1);
                cmd
            })
            .await?;
        let read = |line| {
            serde_json::from_slice(&bytes(line, "a log line")?)
                .map_err(|error| nonsense(format!("a log line of `{id}`: {error}")))
        };
        array(answer, "the log")?.into_iter().map(read).collect()
    }

    async fn counts(&self, task: &str) -> Result<JobCounts, AdapterError> {
        let answer = self
            .inner
            .script(&SCRIPTS.counts, |call, _| {
                call.put("task", task);
            })
            .await?;
        read_counts(answer)
    }

    async fn list(&self, query: &JobQuery) -> Result<Listed, AdapterError> {
        self.listed(query).await
    }

    async fn list_workflows(&self, query: &WorkflowQuery) -> Result<ListedWorkflows, AdapterError> {
        self.listed_workflows(query).await
    }

    async fn details(&self, id: &JobId) -> Result<Option<JobData>, AdapterError> {
        self.data(id).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, AdapterError> {
        self.live_workers(true).await
    }

    async fn history(
        &self,
        task: &str,
        step: HistoryStep,
        slots: usize,
    ) -> Result<StoredHistory, AdapterError> {
        self.stored_history(task, step, slots).await
    }

    async fn overview(&self) -> Result<Overview, AdapterError> {
        self.look_over().await
    }

    async fn is_served_by_another_build(&self, task: &str) -> Result<bool, AdapterError> {
        let own = &self.inner.settings().process;
        let processes = self.processes().await?;
        Ok(processes.iter().any(|other| own.differs_from(other) && other.serves(task)))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

/// What is known about a job, from what `inspect` returns.
pub(crate) fn read_job(
    id: &JobId,
    [record, life, end, progress, place, due, head]: [redis::Value; 7],
) -> Result<JobInfo, AdapterError> {
    let unreadable = || nonsense(format!("the job `{id}` cannot be read"));
    let record = bytes(record, "a record")?;
    let head = bytes(head, "a workflow's head")?;
    let record = Record::read_of(&record, &head)
        .ok_or_else(|| if Record::is_newer(&record, &head) { newer("the job") } else { unreadable() })?;
    let life = Life::read(&bytes(life, "a job's life")?).ok_or_else(unreadable)?;
    let end = bytes(end, "a job's end")?;
    let progress = bytes(progress, "a job's progress")?;
    let place = bytes(place, "a job's place")?;
    let due = bytes(due, "a due time")?;

    let mut info;
    if end.is_empty() {
        let state = state_at(&place, life.attempts);
        info = record.info(id.clone(), state);
        info.attempts = life.attempts + u32::from(state == JobState::Active);
        info.stalls = life.stalls;
        info.error = life.error;
        if &*place == b"waiting" {
            info.blocked = read_blocked(&due);
        } else if &*place == b"behind" {
            info.blocked = id::load(&due).map(Blocked::Behind);
        } else if !due.is_empty() {
            let due = std::str::from_utf8(&due).ok().and_then(|due| due.parse::<u64>().ok());
            info.due_at = Some(Timestamp::from_millis(due.ok_or_else(unreadable)?));
        }
    } else {
        let end = End::read(&end).ok_or_else(|| End::unreadable(&end, "the job"))?;
        info = record.info(id.clone(), end.ending.state());
        info.attempts = end.attempts;
        info.stalls = end.stalls;
        info.started_at = end.started_at;
        info.finished_at = Some(end.finished_at);
        info.error = message(end.ending);
    }
    if !progress.is_empty() {
        let read = serde_json::from_slice(&progress);
        info.progress = Some(read.map_err(|error| nonsense(format!("the progress of `{id}`: {error}")))?);
    }
    Ok(info)
}

/// How many jobs are in each state, as `counts` returns it.
pub(crate) fn read_counts(answer: redis::Value) -> Result<JobCounts, AdapterError> {
    let values: [redis::Value; 7] = exactly(answer, "the answer to `counts`")?;
    let [waiting, delayed, active, completed, failed, cancelled, expired] = &values;
    let mut counts = JobCounts::default();
    counts.waiting = number(waiting, "waiting jobs")?;
    counts.delayed = number(delayed, "delayed jobs")?;
    counts.active = number(active, "active jobs")?;
    counts.completed = number(completed, "completed jobs")?;
    counts.failed = number(failed, "failed jobs")?;
    counts.cancelled = number(cancelled, "cancelled jobs")?;
    counts.expired = number(expired, "expired jobs")?;
    Ok(counts)
}

/// Why a task, or a lane, is closed, as scripts say it.
pub(crate) fn read_blocked(why: &[u8]) -> Option<Blocked> {
    match why {
        b"p" => Some(Blocked::Paused),
        b"l" => Some(Blocked::Limit),
        b"r" => Some(Blocked::Rate),
        b"g" => Some(Blocked::Gathering),
        [b'k', key @ ..] => Some(Blocked::LimitKey(String::from_utf8_lossy(key).into_owned())),
        _ => None,
    }
}

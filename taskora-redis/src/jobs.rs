//! The transitions of a job; each is one script.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use taskora::adapter::{
    AttemptEnd, CallId, CancelOutcome, ClaimedJob, Enqueued, Exchange, Exchanged, JobReport, Jobs, Lease,
    NewJob, RenewLease, Renewal, Settlement, Swept, TaskName, WorkerReport,
};
use taskora::{AdapterError, JobId, LogEntry, Retention, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, letters, nonsense, number, text};
use crate::arguments::Arguments;
use crate::coalescer::Item;
use crate::codec::{Packed, cancelled, is_envelope, millis, pack, plain_task};
use crate::exchange::{Answer, Blob, Call};
use crate::history::list_sums;
use crate::inner::{Inner, Round};
use crate::link::Link;
use crate::process::check_level;
use crate::scripts::SCRIPTS;
use crate::{id, tasks, workers};

/// The most large payloads fetched in one call.
const MAX_BLOBS: usize = 16;
/// The approximate limit of their bytes in one answer; a larger payload comes alone.
const MAX_BLOB_BYTES: usize = 1 << 20;
/// The size that a call for payloads must be able to carry, because their size is not known beforehand.
const ROOM: usize = 8 << 20;
/// The delay before a job of a later version is handed out again.
const REST: Duration = Duration::from_secs(5);
/// The most reports in one call.
const MAX_NOTES: usize = 64;

#[async_trait]
impl Jobs for RedisAdapter {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError> {
        let jobs: Result<Vec<Packed>, String> = jobs.into_iter().map(pack).collect();
        self.inner.sign();
        self.inner.connections()?.enqueues.send(jobs.map_err(AdapterError::Config)?).await
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError> {
        if exchange.claim.is_some() {
            self.inner.hear_cancellations().await;
        }
        self.inner.exchange(&Call::new(&exchange)).await
    }

    async fn renew(&self, leases: Vec<RenewLease>) -> Result<Vec<Renewal>, AdapterError> {
        self.inner.push_connection().renew(leases).await
    }

    async fn note(&self, notes: Vec<JobReport>) -> Result<Vec<bool>, AdapterError> {
        let mut kept = Vec::with_capacity(notes.len());
        for page in notes.chunks(MAX_NOTES) {
            let mut lines = Vec::with_capacity(page.len());
            for note in page {
                let encoded: Result<Vec<_>, _> = note.logs.iter().map(serde_json::to_vec).collect();
                lines.push(encoded.map_err(|error| AdapterError::Config(error.to_string()))?);
            }
            let answer = self.inner.script(&SCRIPTS.note, |call, how| {
                call.put("again", u8::from(how.repeat)).put("keep", LogEntry::MAX_PER_JOB);
                for (note, lines) in page.iter().zip(&lines) {
                    let id = id::store(&note.lease.id);
                    call.list(&*note.lease.task).list(id::member(&id, &note.lease)).list(id);
                    call.list(note.progress.as_deref().unwrap_or_default()).list(lines.len());
                    for line in lines {
                        call.list(line);
                    }
                }
            });
            let letters = letters(answer.await?, page.len(), "the answer to `note`")?;
            kept.extend(letters.into_iter().map(|letter| letter == b'1'));
        }
        Ok(kept)
    }

    async fn cancel(&self, id: &JobId, reason: &str) -> Result<CancelOutcome, AdapterError> {
        let id = id::store(id);
        let answer = self.inner.script(&SCRIPTS.cancel, |call, how| {
            call.put("again", u8::from(how.repeat)).put("id", &id).put("reason", reason);
        });
        cancelled(answer.await?, "the job")
    }

    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError> {
        self.sweep_and_say(None, tasks, retention).await
    }

    async fn sweep_for(
        &self,
        report: &WorkerReport,
        tasks: &[TaskName],
        retention: Retention,
    ) -> Result<Swept, AdapterError> {
        report.worker.check()?;
        self.sweep_and_say(Some(report), tasks, retention).await
    }

    async fn sign_off(&self, report: &WorkerReport) -> Result<(), AdapterError> {
        self.forget_worker(report).await
    }
}

impl RedisAdapter {
    async fn sweep_and_say(
        &self,
        report: Option<&WorkerReport>,
        tasks: &[TaskName],
        retention: Retention,
    ) -> Result<Swept, AdapterError> {
        let own = tasks::names(tasks);
        let Retention { completed, failed, workflows, .. } = retention;
        let settings = self.inner.settings();
        let is_new = settings.process.serves(tasks);
        let about = settings.process.about();
        let (worker, worker_about) =
            report.map_or(("", Vec::new()), |report| (&*report.worker.id, workers::pack(&report.worker)));
        let round = self.inner.round(tasks);
        let answer = self.inner.script(&SCRIPTS.sweep, |call, how| {
            call.put("tasks", &own).put("from", round.from).put("carry", u8::from(round.carry));
            call.put("completed_age", millis(completed.age)).put("completed_keep", completed.count);
            call.put("failed_age", millis(failed.age)).put("failed_keep", failed.count);
            call.put("workflows_age", millis(workflows.age)).put("workflows_keep", workflows.count);
            call.put("process", &settings.process.name).put("about", &about);
            call.put("worker", worker).put("worker_about", &worker_about);
            call.put("history", u8::from(report.is_some_and(|report| report.history)));
            list_sums(call, report, how.repeat);
        });
        let what = "the answer to `sweep`";
        let [
            rescued,
            stalled,
            more,
            from,
            carry,
            rescued_ids,
            stalled_ids,
            level,
            raised_by,
            created,
            ticks,
            quiet,
        ] = exactly(answer.await?, what)?;
        let (from, carry) = (number(&from, what)?, number::<u8>(&carry, what)? == 1);
        self.inner.end_round(tasks, Round { from, carry });
        let level = number(&level, what)?;
        check_level(level, &String::from_utf8_lossy(&bytes(raised_by, what)?))?;
        self.restore_limits(&bytes(created, what)?).await;
        let ids = |ids| {
            let stored = array(ids, what)?.into_iter().map(|id| bytes(id, what));
            let stored: Vec<Vec<u8>> = stored.collect::<Result<_, _>>()?;
            Ok::<_, AdapterError>(stored.iter().filter_map(|id| id::load(id)).collect::<Vec<JobId>>())
        };
        if is_new {
            self.warn_of_other_programs(tasks).await;
        }
        Ok(Swept {
            rescued: number(&rescued, "the rescued jobs")?,
            rescued_ids: ids(rescued_ids)?,
            stalled: number(&stalled, "the stalled jobs")?,
            stalled_ids: ids(stalled_ids)?,
            more: number::<u8>(&more, "`more`")? == 1,
            ticks: number::<u8>(&ticks, "`ticks`")? == 1,
            quiet: number::<u8>(&quiet, "`quiet`")? == 1,
        })
    }
}

/// Jobs that are dispatched at the same time are stored together.
impl Item for Packed {
    type Answer = Enqueued;

    fn count(&self) -> usize {
        1
    }

    fn size(&self) -> usize {
        Self::size(self)
    }

    async fn send(link: &Link, jobs: &[&Self]) -> Result<Vec<Enqueued>, AdapterError> {
        let size = jobs.iter().map(|job| job.size()).sum();
        let alike = alike(jobs);
        let answer = link.script_carrying(size, &SCRIPTS.enqueue, |call, how| {
            call.put("again", u8::from(how.repeat)).put("alike", alike).put("count", jobs.len());
            for job in jobs {
                call.list(&job.id);
            }
            for job in jobs {
                call.list(&job.rest);
            }
            for job in jobs {
                if let Some(payload) = &job.payload {
                    call.list(payload);
                }
                if let Some(due) = &job.due {
                    call.list(due);
                }
            }
        });
        let what = "the answer to `enqueue`";
        // letters, then the tasks that own the taken ids
        let (answers, mut tasks) = match answer.await?.1 {
            Value::Array(values) => {
                let mut values = values.into_iter();
                let first = values.next().ok_or_else(|| nonsense("`enqueue` answered nothing"))?;
                (first, values.collect::<Vec<_>>().into_iter())
            }
            letters => (letters, Vec::new().into_iter()),
        };
        let read = |letter| match letter {
            b'1' => Ok(Enqueued::New),
            b'T' => {
                let task = tasks.next().ok_or_else(|| nonsense("`enqueue` names too few tasks"))?;
                Ok(Enqueued::Taken { task: text(task, what)?.into() })
            }
            _ => Ok(Enqueued::Duplicate),
        };
        letters(answers, jobs.len(), what)?.into_iter().map(read).collect()
    }
}

/// The task of all these jobs, if they differ in nothing that the script has to look at, and no two have the same id;
/// otherwise empty.
fn alike<'a>(jobs: &[&'a Packed]) -> &'a [u8] {
    let mut ids = HashSet::with_capacity(if jobs.len() > 1 { jobs.len() } else { 0 });
    if jobs.len() > 1 && !jobs.iter().all(|job| ids.insert(job.id.as_slice())) {
        return &[];
    }
    let mut tasks = jobs.iter().map(|job| plain_task(&job.rest));
    let first = tasks.next().flatten().unwrap_or_default();
    if tasks.all(|task| task == Some(first)) { first } else { &[] }
}

impl Inner {
    pub(crate) async fn exchange(&self, call: &Call<'_>) -> Result<Exchanged, AdapterError> {
        let fill = |arguments: &mut Arguments<'_>, _| call.fill(arguments);
        let answer = self.script_carrying(call.size(), &SCRIPTS.exchange, fill).await?;
        self.read_exchange(call, answer).await
    }

    /// Reads the answer, and fetches payloads that are stored separately.
    pub(crate) async fn read_exchange(
        &self,
        call: &Call<'_>,
        answer: Value,
    ) -> Result<Exchanged, AdapterError> {
        let Answer { mut exchanged, blobs, mut newer } = call.read(answer)?;
        if !blobs.is_empty() {
            fetch_payloads(self, &mut exchanged.jobs, &blobs, &mut newer).await?;
        }
        if !newer.is_empty() {
            self.put_off(newer).await;
        }
        Ok(exchanged)
    }

    /// Hands back jobs that a later version wrote, without using up an attempt, because a worker of that version may come.
    /// If this fails, they come back when their leases have expired.
    async fn put_off(&self, leases: Vec<Lease>) {
        if !self.has_met_newer.swap(true, Ordering::Relaxed) {
            let id = leases.first().map(|lease| lease.id.to_string()).unwrap_or_default();
            tracing::warn!(
                id,
                "jobs that a later version of taskora dispatched wait for a worker of that version"
            );
        }
        let settle = leases.into_iter().map(|lease| Settlement {
            lease,
            attempt: 1,
            started_at: Timestamp::default(),
            end: AttemptEnd::Release { delay: REST },
            node: None,
        });
        let number = self.put_offs.fetch_add(1, Ordering::Relaxed) + 1;
        let worker = format!("newer-{}", self.settings().process.name);
        let exchange = Exchange {
            call: CallId { worker: worker.into(), slot: 0, number },
            settle: settle.collect(),
            claim: None,
            retention: Retention::default(),
        };
        let call = Call::new(&exchange);
        let fill = |arguments: &mut Arguments<'_>, _| call.fill(arguments);
        if let Err(error) = self.script_carrying(call.size(), &SCRIPTS.exchange, fill).await {
            tracing::debug!(%error, "jobs of a later version were not handed back");
        }
    }
}

/// Adds the payloads that are stored outside the records. A job whose payload is gone is left out, like one that cannot be
/// read.
async fn fetch_payloads(
    inner: &Inner,
    jobs: &mut Vec<ClaimedJob>,
    blobs: &[Blob],
    newer: &mut Vec<Lease>,
) -> Result<(), AdapterError> {
    let mut lost = Vec::new();
    let mut rest = blobs;
    while !rest.is_empty() {
        let page = rest.split_at_checked(MAX_BLOBS).map_or(rest, |(page, _)| page);
        let answer = inner
            .script_carrying(ROOM, &SCRIPTS.fetch, |call, _| {
                call.put("most", MAX_BLOB_BYTES);
                for (_, id) in page {
                    call.list(id);
                }
            })
            .await?;
        let payloads = array(answer, "the payloads")?;
        rest = match rest.split_at_checked(payloads.len()) {
            Some((_, tail)) if !payloads.is_empty() => tail,
            _ => return Err(nonsense("`fetch` answered another number of payloads")),
        };
        for ((place, _), payload) in page.iter().zip(payloads) {
            match (jobs.get_mut(*place), payload) {
                (Some(_), Value::BulkString(payload)) if is_envelope(&payload) => lost.push((*place, true)),
                (Some(job), Value::BulkString(payload)) => job.payload = payload,
                _ => lost.push((*place, false)),
            }
        }
    }
    for (place, is_newer) in lost.into_iter().rev() {
        let job = jobs.remove(place);
        if is_newer {
            newer.push(job.lease);
            continue;
        }
        tracing::error!(id = %job.lease.id, "a claimed job has lost its payload and is not run; it will end as stalled");
    }
    Ok(())
}

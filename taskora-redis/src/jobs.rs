//! The transitions of a job: each is one script.

use async_trait::async_trait;
use redis::{Cmd, Value};
use taskora::adapter::{
    CancelOutcome, ClaimedJob, Enqueued, Exchange, Exchanged, Jobs, NewJob, Notes, Renew, Renewal, Swept,
    TaskName,
};
use taskora::{AdapterError, JobId, LogEntry, Retention};

use crate::adapter::{Inner, RedisAdapter};
use crate::answer::{array, bytes, exactly, letters, nonsense, number};
use crate::exchange::{Blob, Call};
use crate::gather::Item;
use crate::link::Link;
use crate::record::{Packed, millis, pack, plain_task, state};
use crate::scripts::SCRIPTS;
use crate::{id, tasks};

/// Large payloads asked for in one call.
const MAX_BLOBS: usize = 16;
/// About how many bytes of them come in one answer; a larger payload comes alone.
const MAX_BLOB_BYTES: usize = 1 << 20;
/// How much a call must be able to carry that asks for payloads, whose size is not known before.
const ROOM: usize = 8 << 20;
/// Notes in one call.
const MAX_NOTES: usize = 64;

#[async_trait]
impl Jobs for RedisAdapter {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, AdapterError> {
        let jobs: Result<Vec<Packed>, String> = jobs.into_iter().map(pack).collect();
        self.inner.lane()?.enqueues.send(jobs.map_err(AdapterError::Config)?).await
    }

    async fn exchange(&self, exchange: Exchange) -> Result<Exchanged, AdapterError> {
        if exchange.claim.is_some() {
            self.inner.hear_cancellations().await;
        }
        self.inner.exchange(&Call::new(&exchange)).await
    }

    async fn renew(&self, leases: Vec<Renew>) -> Result<Vec<Renewal>, AdapterError> {
        self.inner.side().renew(leases).await
    }

    async fn note(&self, notes: Vec<Notes>) -> Result<Vec<bool>, AdapterError> {
        let mut kept = Vec::with_capacity(notes.len());
        for page in notes.chunks(MAX_NOTES) {
            let mut lines = Vec::with_capacity(page.len());
            for note in page {
                let encoded: Result<Vec<_>, _> = note.logs.iter().map(serde_json::to_vec).collect();
                lines.push(encoded.map_err(|error| AdapterError::Config(error.to_string()))?);
            }
            let answer = self.inner.script(&SCRIPTS.note, |cmd, how| {
                cmd.arg(u8::from(how.repeat)).arg(LogEntry::MAX_PER_JOB);
                for (note, lines) in page.iter().zip(&lines) {
                    let id = id::store(&note.lease.id);
                    cmd.arg(&*note.lease.task).arg(id::member(&id, &note.lease)).arg(id);
                    cmd.arg(note.progress.as_deref().unwrap_or_default()).arg(lines.len());
                    for line in lines {
                        cmd.arg(line);
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
        let answer = self.inner.script(&SCRIPTS.cancel, |cmd, how| {
            cmd.arg(u8::from(how.repeat)).arg(&id).arg(reason);
        });
        match bytes(answer.await?, "the answer to `cancel`")?.as_slice() {
            b"N" => Ok(CancelOutcome::NotFound),
            b"A" => Ok(CancelOutcome::Requested),
            b"D" => Ok(CancelOutcome::Cancelled),
            [letter] => {
                let state = state(*letter).ok_or_else(|| nonsense("a job ended in an unknown state"))?;
                Ok(CancelOutcome::AlreadyEnded(state))
            }
            _ => Err(nonsense("the answer to `cancel` is too long")),
        }
    }

    async fn sweep(&self, tasks: &[TaskName], retention: Retention) -> Result<Swept, AdapterError> {
        let own = tasks::names(tasks);
        let Retention { completed, failed, workflows } = retention;
        let answer = self.inner.script(&SCRIPTS.sweep, |cmd, _| {
            cmd.arg(&own);
            for keep in [completed, failed, workflows] {
                cmd.arg(millis(keep.age)).arg(keep.count);
            }
        });
        let [rescued, stalled, more] = exactly(answer.await?, "the answer to `sweep`")?;
        Ok(Swept {
            rescued: number(&rescued, "the rescued jobs")?,
            stalled: number(&stalled, "the stalled jobs")?,
            more: number::<u8>(&more, "`more`")? == 1,
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
        let answer = link.script_carrying(size, &SCRIPTS.enqueue, |cmd, how| {
            cmd.arg(u8::from(how.repeat)).arg(alike(jobs)).arg(jobs.len());
            for job in jobs {
                cmd.arg(&job.id);
            }
            for job in jobs {
                cmd.arg(&job.rest);
            }
            for job in jobs {
                if let Some(payload) = &job.payload {
                    cmd.arg(payload);
                }
                if let Some(due) = &job.due {
                    cmd.arg(due);
                }
            }
        });
        let answers = letters(answer.await?.1, jobs.len(), "the answer to `enqueue`")?;
        let read = |letter| if letter == b'1' { Enqueued::New } else { Enqueued::Duplicate };
        Ok(answers.into_iter().map(read).collect())
    }
}

/// The task of all these jobs, if they differ in nothing that the script would have to look at; else nothing.
fn alike<'a>(jobs: &[&'a Packed]) -> &'a [u8] {
    let mut tasks = jobs.iter().map(|job| plain_task(&job.rest));
    let first = tasks.next().flatten().unwrap_or_default();
    if tasks.all(|task| task == Some(first)) { first } else { &[] }
}

impl Inner {
    pub(crate) async fn exchange(&self, call: &Call<'_>) -> Result<Exchanged, AdapterError> {
        let fill = |cmd: &mut Cmd, _| call.fill(cmd);
        let answer = self.script_carrying(call.size(), &SCRIPTS.exchange, fill).await?;
        self.read_exchange(call, answer).await
    }

    /// Reads the answer, and fetches what is kept beside it.
    pub(crate) async fn read_exchange(
        &self,
        call: &Call<'_>,
        answer: Value,
    ) -> Result<Exchanged, AdapterError> {
        let (mut exchanged, blobs) = call.read(answer)?;
        if !blobs.is_empty() {
            fetch_payloads(self, &mut exchanged.jobs, &blobs).await?;
        }
        Ok(exchanged)
    }
}

/// Adds the payloads that are kept beside the records. A job whose payload is gone is left out, like one that cannot be
/// read.
async fn fetch_payloads(
    inner: &Inner,
    jobs: &mut Vec<ClaimedJob>,
    blobs: &[Blob],
) -> Result<(), AdapterError> {
    let mut lost = Vec::new();
    let mut rest = blobs;
    while !rest.is_empty() {
        let page = rest.split_at_checked(MAX_BLOBS).map_or(rest, |(page, _)| page);
        let answer = inner
            .script_carrying(ROOM, &SCRIPTS.fetch, |cmd, _| {
                cmd.arg(MAX_BLOB_BYTES);
                for (_, id) in page {
                    cmd.arg(id);
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
                (Some(job), Value::BulkString(payload)) => job.payload = payload,
                _ => lost.push(*place),
            }
        }
    }
    for place in lost.into_iter().rev() {
        let job = jobs.remove(place);
        tracing::error!(id = %job.lease.id, "a claimed job has lost its payload and is not run; it will end as stalled");
    }
    Ok(())
}

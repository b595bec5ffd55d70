//! How settlements and claims are written for the exchange script, and how its answer is read.

use redis::{Cmd, Value};
use taskora::adapter::{
    AttemptEnd, Claim, ClaimedJob, Exchange, Exchanged, Lease, NodeOf, Settled, Settlement,
};
use taskora::{AdapterError, Timestamp};

use crate::answer::{array, bytes, nonsense, number};
use crate::record::{Reader, Record, millis, state, u48};
use crate::{id, tasks};

/// Jobs that one call claims at most.
const MAX_CLAIM: usize = 500;

/// A payload that is kept beside its record: the place of its job among those claimed, and the stored id.
pub(crate) type Blob = (usize, Vec<u8>);

/// An exchange, ready to be sent as often as need be.
pub(crate) struct Call {
    fixed: Vec<Vec<u8>>,
    settlements: usize,
    asked: usize,
    limit: usize,
}

impl Call {
    pub(crate) fn new(exchange: &Exchange) -> Self {
        let Exchange { call, settle, claim, retention } = exchange;
        let settlements = settle.len();
        let asked = claim.as_ref().map_or(0, |claim| claim.limit);
        let limit = asked.min(MAX_CLAIM);
        let (limit_text, own) = match claim {
            Some(Claim { tasks, .. }) => (limit.to_string(), tasks::with_terms(tasks)),
            None => ("-1".to_owned(), Vec::new()),
        };
        let mut names: Vec<&str> = Vec::new();
        let mut parts = Vec::with_capacity(settlements * 2);
        for settlement in settle {
            let task = &*settlement.lease.task;
            let place = names.iter().position(|name| *name == task).unwrap_or_else(|| {
                names.push(task);
                names.len() - 1
            });
            let stored = id::store(&settlement.lease.id);
            parts.push(id::member(&stored, &settlement.lease));
            parts.push(entry(settlement, stored.len(), place + 1));
        }
        let mut fixed = vec![
            call.worker.as_bytes().to_vec(),
            call.slot.to_string().into_bytes(),
            call.number.to_string().into_bytes(),
            retention.completed.count.to_string().into_bytes(),
            retention.failed.count.to_string().into_bytes(),
            retention.workflows.count.to_string().into_bytes(),
            limit_text.into_bytes(),
            own,
            names.len().to_string().into_bytes(),
        ];
        fixed.extend(names.iter().map(|name| name.as_bytes().to_vec()));
        fixed.extend(parts);
        Self { fixed, settlements, asked, limit }
    }

    /// How many bytes travel.
    pub(crate) fn size(&self) -> usize {
        self.fixed.iter().map(Vec::len).sum()
    }

    pub(crate) fn fill(&self, cmd: &mut Cmd) {
        for argument in &self.fixed {
            cmd.arg(argument);
        }
    }

    /// Reads the script's answer. Jobs with large payloads come with their place in the list: the payloads are still to
    /// be fetched. A job that makes no sense is left out: its lease passes, and it ends as stalled.
    pub(crate) fn read(&self, answer: Value) -> Result<(Exchanged, Vec<Blob>), AdapterError> {
        let mut values = array(answer, "the answer to `exchange`")?.into_iter();
        let mut next = || values.next().ok_or_else(|| nonsense("the answer to `exchange` is too short"));
        let letters = crate::answer::letters(next()?, self.settlements, "the settlements")?;
        let more = number::<u8>(&next()?, "`more`")? == 1;
        let next_due = number::<i64>(&next()?, "the next due time")?;
        let now = Timestamp::from_millis(number(&next()?, "the server's time")?);
        let flags = bytes(next()?, "the flags")?;
        let lives = bytes(next()?, "the claims and attempts")?;
        let mut lives = Reader(&lives);
        let settled = letters
            .into_iter()
            .map(|letter| match letter {
                b'-' => Ok(Settled::Stale),
                other => state(other)
                    .map(Settled::Now)
                    .ok_or_else(|| nonsense(format!("a settlement ended in state {other}"))),
            })
            .collect::<Result<_, _>>()?;
        let (mut jobs, mut blobs, mut claimed) = (Vec::new(), Vec::new(), 0);
        while let Ok(stored) = next() {
            claimed += 1;
            let stored = bytes(stored, "a job's id")?;
            let record = bytes(next()?, "a job's record")?;
            let (token, attempt) = (lives.u32().unwrap_or(1), lives.u32().unwrap_or(1));
            let (Some(id), Some(record)) = (id::load(&stored), Record::read_of(&stored, &record)) else {
                let id = String::from_utf8_lossy(&stored);
                tracing::error!(%id, "a claimed job cannot be read and is not run; it will end as stalled");
                continue;
            };
            let node = id::node(&stored).and_then(|(workflow, node)| {
                let workflow = id::load_workflow(workflow)?;
                Some(NodeOf { workflow, node, composed: record.composed })
            });
            if record.payload.is_none() {
                blobs.push((jobs.len(), stored));
            }
            jobs.push(ClaimedJob {
                node,
                lease: Lease { id, task: record.task.into(), token },
                payload: record.payload.unwrap_or_default(),
                attempt,
                created_at: record.created_at,
                claimed_at: now,
                meta: record.meta,
                cancelled: flags.get(claimed - 1) == Some(&b'1'),
            });
        }
        let more = more || (claimed == self.limit && self.limit < self.asked);
        let next_due = u64::try_from(next_due).ok().map(std::time::Duration::from_millis);
        Ok((Exchanged { settled, jobs, more, next_due }, blobs))
    }
}

/// What an end begins with (kind, attempt (4), stalls (4), claimed at (6)), length of the id, place of the task's name (2), of
/// a retry its delay (6), then the result or the error.
fn entry(settlement: &Settlement, id_len: usize, place: usize) -> Vec<u8> {
    let (kind, delay, body) = match &settlement.end {
        AttemptEnd::Complete(result) => (b'C', None, result.as_slice()),
        AttemptEnd::Fail(error) => (b'F', None, error.as_bytes()),
        AttemptEnd::Retry { error, delay } => (b'R', Some(millis(*delay)), error.as_bytes()),
        AttemptEnd::Cancel => (b'X', None, &[][..]),
        AttemptEnd::Release => (b'L', None, &[][..]),
    };
    let mut entry = Vec::with_capacity(24 + body.len());
    entry.push(kind);
    entry.extend(settlement.attempt.to_be_bytes());
    entry.extend([0; 4]);
    entry.extend(u48(settlement.started_at.as_millis()));
    entry.push(u8::try_from(id_len).unwrap_or(0));
    entry.extend(u16::try_from(place).unwrap_or(0).to_be_bytes());
    entry.extend(delay.map(u48).into_iter().flatten());
    entry.extend(body);
    entry
}

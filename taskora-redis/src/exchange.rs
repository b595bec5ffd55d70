//! How settlements and claims are written for the exchange script, and how its answer is read.

use std::fmt::Display;
use std::io::Write as _;

use redis::Value;
use taskora::adapter::{
    AttemptEnd, ClaimedJob, Ending, Exchange, Exchanged, Lease, NodeRef, Settled, Settlement, TaskClaim,
    TaskName,
};
use taskora::{AdapterError, Timestamp};

use crate::answer::{array, bytes, nonsense, number};
use crate::arguments;
use crate::codec::{End, Reader, Record, millis, state, u48};
use crate::{id, tasks};

/// The most jobs that one call claims.
const MAX_CLAIM: usize = 500;

/// A payload that is stored outside its record: the index of its job among the claimed ones, and the stored id.
pub(crate) type Blob = (usize, Vec<u8>);

/// The answer to an exchange.
pub(crate) struct Answer {
    pub(crate) exchanged: Exchanged,
    /// Jobs whose payloads still have to be fetched.
    pub(crate) blobs: Vec<Blob>,
    /// Jobs that a later version wrote.
    pub(crate) newer: Vec<Lease>,
}

/// An exchange, ready to be sent, and sent again.
pub(crate) struct Call<'a> {
    arguments: Arguments,
    settlements: usize,
    tasks: &'a [TaskClaim],
}

impl<'a> Call<'a> {
    pub(crate) fn new(Exchange { call, settle, claim, retention }: &'a Exchange) -> Self {
        let limit = claim.as_ref().map_or(0, |claim| claim.limit.min(MAX_CLAIM));
        let tasks: &[TaskClaim] = claim.as_ref().map_or(&[], |claim| &claim.tasks);
        let mut names: Vec<&str> = Vec::new();
        for settlement in settle {
            if !names.contains(&&*settlement.lease.task) {
                names.push(&settlement.lease.task);
            }
        }
        let mut arguments = Arguments::default();
        // in the order of `arguments.rs`, as `fill` checks
        arguments.add(call.worker.as_bytes());
        arguments.add_text(call.slot);
        arguments.add_text(call.number);
        arguments.add_text(retention.completed.count);
        arguments.add_text(retention.failed.count);
        arguments.add_text(retention.workflows.count);
        match claim {
            Some(_) => arguments.add_text(limit),
            None => arguments.add_text(-1),
        }
        arguments.add_text(claim.as_ref().map_or(0, |claim| claim.room));
        tasks::with_terms(tasks, &mut arguments.bytes);
        arguments.end();
        arguments.add_text(names.len());
        for name in &names {
            arguments.add(name.as_bytes());
        }
        for settlement in settle {
            let place = names.iter().position(|name| *name == &*settlement.lease.task).unwrap_or_default();
            let start = arguments.bytes.len();
            id::write(&settlement.lease.id, &mut arguments.bytes);
            let id_len = arguments.bytes.len() - start;
            let _ = write!(arguments.bytes, ":{}", settlement.lease.token);
            arguments.end();
            write_entry(settlement, id_len, place + 1, &mut arguments.bytes);
            arguments.end();
        }
        Self { arguments, settlements: settle.len(), tasks }
    }

    /// How many bytes are sent.
    pub(crate) fn size(&self) -> usize {
        self.arguments.bytes.len()
    }

    pub(crate) fn fill(&self, call: &mut arguments::Arguments<'_>) {
        let mut values = self.arguments.iter();
        for (name, value) in arguments::names("exchange").iter().zip(values.by_ref()) {
            call.put(name, value);
        }
        for value in values {
            call.list(value);
        }
    }

    /// The name that the caller knows the task by.
    fn task(&self, name: &str) -> TaskName {
        match self.tasks.iter().find(|claim| &*claim.task == name) {
            Some(claim) => claim.task.clone(),
            None => name.into(),
        }
    }

    /// Reads the script's answer. A job that cannot be read is left out: its lease expires, and it ends as stalled.
    pub(crate) fn read(&self, answer: Value) -> Result<Answer, AdapterError> {
        let mut values = array(answer, "the answer to `exchange`")?.into_iter();
        let mut next = || values.next().ok_or_else(|| nonsense("the answer to `exchange` is too short"));
        let letters = crate::answer::letters(next()?, self.settlements, "the settlements")?;
        let more = number::<u8>(&next()?, "`more`")? == 1;
        let next_due = number::<i64>(&next()?, "the next due time")?;
        let now = Timestamp::from_millis(number(&next()?, "the server's time")?);
        let flags = bytes(next()?, "the flags")?;
        let lives = bytes(next()?, "the tokens and attempts")?;
        let mut lives = Reader(&lives);
        let first_token = number(&next()?, "the token of a first claim")?;
        let ticks = number::<i64>(&next()?, "the time of the next tick")?;
        let batches = bytes(next()?, "the numbers of batches")?;
        let mut batches = Reader(&batches);
        let settled = letters
            .into_iter()
            .map(|letter| match letter {
                b'-' => Ok(Settled::Stale),
                // it has already ended, in a way that only a later version knows
                letter if state(letter).is_none() && letter.is_ascii_uppercase() => Ok(Settled::Stale),
                other => state(other)
                    .map(Settled::Now)
                    .ok_or_else(|| nonsense(format!("a settlement ended in state {other}"))),
            })
            .collect::<Result<_, _>>()?;
        let (mut jobs, mut blobs, mut newer, mut claimed) = (Vec::new(), Vec::new(), Vec::new(), 0);
        while let Ok(stored) = next() {
            claimed += 1;
            let stored = bytes(stored, "a job's id")?;
            let packed = bytes(next()?, "a job's record")?;
            let (mut head, mut before) = (Vec::new(), Vec::new());
            if id::is_node(&stored) {
                head = bytes(next()?, "a workflow's head")?;
                before = bytes(next()?, "the end of the node before")?;
            }
            let (token, attempt) = (lives.u64().unwrap_or(first_token), lives.u32().unwrap_or(1));
            let batch = batches.array().map_or(0, u16::from_be_bytes);
            let read = (id::load(&stored), Record::read_of(&packed, &head));
            if let (Some(id), None) = &read
                && Record::is_newer(&packed, &head)
            {
                // its task may be in the unreadable part, so give a lease for each task: the wrong ones are refused
                let leases = self.tasks.iter().map(|claim| claim.task.clone());
                newer.extend(leases.map(|task| Lease { id: id.clone(), task, token }));
                continue;
            }
            let (Some(id), Some(record)) = read else {
                let id = String::from_utf8_lossy(&stored);
                tracing::error!(%id, "a claimed job cannot be read and is not run; it will end as stalled");
                continue;
            };
            let node = id::node(&stored).and_then(|(workflow, node)| {
                let workflow = id::load_workflow(workflow)?;
                Some(NodeRef { workflow, node, composed: record.composed })
            });
            let prior_result = node.as_ref().and_then(|node| {
                let Ending::Completed(result) = End::read(&before)?.ending else { return None };
                Some((node.node.checked_sub(1)?, result))
            });
            let is_first = token == id::first_token(&stored, record.created_at, first_token);
            if record.payload.is_none() {
                blobs.push((jobs.len(), stored));
            }
            // digits
            let flag = flags.get(claimed - 1).copied().unwrap_or(b'0');
            let ready_at = (is_first && node.is_none() && !record.is_delayed).then_some(record.created_at);
            jobs.push(ClaimedJob {
                node,
                limit_key: record.limit_key,
                batch: u32::from(batch).checked_sub(1),
                holds_key: flag & 2 != 0,
                tick: record.tick,
                prior_result,
                lease: Lease { id, task: self.task(record.task), token },
                payload: record.payload.unwrap_or_default().to_vec(),
                attempt,
                created_at: record.created_at,
                claimed_at: now,
                ready_at,
                meta: record.meta,
                cancelled: flag & 1 != 0,
            });
        }
        let wait = |wait| u64::try_from(wait).ok().map(std::time::Duration::from_millis);
        let (next_due, ticks) = (wait(next_due), wait(ticks));
        Ok(Answer { exchanged: Exchanged { settled, jobs, more, next_due, ticks }, blobs, newer })
    }
}

/// Writes the start of an end (kind, attempt (4), stalls (4), claimed at (6)), the length of the id, the position of the
/// task's name (2), for a retry its delay (6), then the result or the error.
fn write_entry(settlement: &Settlement, id_len: usize, place: usize, to: &mut Vec<u8>) {
    let (kind, delay, body) = match &settlement.end {
        AttemptEnd::Complete(result) => (b'C', None, result.as_slice()),
        AttemptEnd::Fail(error) => (b'F', None, error.as_bytes()),
        AttemptEnd::Retry { error, delay } => (b'R', Some(millis(*delay)), error.as_bytes()),
        AttemptEnd::Cancel => (b'X', None, &[][..]),
        AttemptEnd::Release { delay } if delay.is_zero() => (b'L', None, &[][..]),
        AttemptEnd::Release { delay } => (b'L', Some(millis(*delay)), &[][..]),
    };
    to.push(kind);
    to.extend(settlement.attempt.to_be_bytes());
    to.extend([0; 4]);
    to.extend(u48(settlement.started_at.as_millis()));
    to.push(u8::try_from(id_len).unwrap_or(0));
    to.extend(u16::try_from(place).unwrap_or(0).to_be_bytes());
    to.extend(delay.map(u48).into_iter().flatten());
    to.extend(body);
}

/// The arguments of a script, one after the other in one buffer.
#[derive(Default)]
struct Arguments {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Arguments {
    /// Ends an argument: everything written since the last one.
    fn end(&mut self) {
        self.ends.push(self.bytes.len());
    }

    fn add(&mut self, argument: &[u8]) {
        self.bytes.extend(argument);
        self.end();
    }

    fn add_text(&mut self, value: impl Display) {
        let _ = write!(self.bytes, "{value}");
        self.end();
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.bytes.get(start..*end))
    }
}

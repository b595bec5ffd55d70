//! Settling and claiming in one step, and the answers that are kept for repeated calls.

use std::collections::BTreeSet;
use std::time::Duration;

use super::calls::{Answer, Claimed};
use super::record::Record;
use super::store::{PAGE, Store};
use crate::adapter::{
    Claim, ClaimedJob, Due, Exchange, Exchanged, Kind, Lease, SCHEDULES, Settled, TaskName, What,
};
use crate::job::{JobId, Timestamp, millis};

/// How long the answer of a slot's last call is kept, in milliseconds.
const KEPT: u64 = 60_000;

impl Store {
    pub(super) fn exchange(&mut self, exchange: Exchange, now: u64) -> Exchanged {
        let Exchange { call, settle, claim, retention } = exchange;
        let slot = (call.worker, call.slot);
        let claimed_from = claim.iter().flat_map(|claim| claim.tasks.iter().map(|asked| asked.task.clone()));
        if let Some(answer) = self.calls.get(&slot).filter(|answer| answer.number >= call.number) {
            let exchanged = if answer.number == call.number {
                self.exchanged(answer, claim.as_ref(), now)
            } else {
                Exchanged { settled: vec![Settled::Stale; settle.len()], ..Exchanged::default() }
            };
            // pass on the signal that it may have received
            self.wake(claimed_from);
            return exchanged;
        }

        let opened = self.opened(now);
        let tasks: BTreeSet<TaskName> =
            settle.iter().map(|settlement| settlement.lease.task.clone()).collect();
        let mut ended = BTreeSet::new();
        let settled: Vec<Settled> = settle
            .into_iter()
            .map(|settlement| {
                let task = settlement.lease.task.clone();
                let settled = self.settle(settlement, now);
                if let Settled::Now(state) = settled {
                    ended.insert((task, state));
                }
                settled
            })
            .collect();
        self.proceed(now);
        self.trim_by_count(&ended, retention);
        self.trim_flows_by_count(settled.len(), retention);
        let (claimed, more) = claim.as_ref().map(|claim| self.claim(claim, now)).unwrap_or_default();
        self.wake_released();
        // only now, so that no worker is woken for jobs that this call has claimed
        self.wake(opened);
        self.wake(tasks);
        self.wake(claimed_from.clone());
        self.quiet(&claimed_from.collect::<Vec<_>>());
        // a worker that leaves passes its next tick on
        if claim
            .as_ref()
            .is_some_and(|claim| claim.limit == 0 && claim.open_tasks().any(|task| &**task == SCHEDULES))
        {
            self.wakes.wake(&SCHEDULES.into());
        }

        let answer = Answer { number: call.number, at: now, settled, claimed, more };
        let exchanged = self.exchanged(&answer, claim.as_ref(), now);
        self.calls.insert(slot, answer);
        exchanged
    }

    /// Hands out the first jobs of all lines, and says whether there may be more.
    fn claim(&mut self, claim: &Claim, now: u64) -> (Vec<Claimed>, bool) {
        let late_left = self.expire_flows(now);
        let due_left = self.make_ready(claim.tasks.iter().map(|asked| &asked.task), now) || late_left;
        let work_left = self.proceed(now);
        // a job that waited for one that expires here comes with the next claim
        let (mut voids, last) = (0, self.last);
        let mut room: Vec<usize> = claim.tasks.iter().map(|asked| asked.limit).collect();
        // no job of these goes, because the next one costs more than their rate has left
        let asked = claim.tasks.iter().map(|asked| &asked.task);
        let mut short: BTreeSet<TaskName> = asked.filter(|task| !self.is_open(task)).cloned().collect();
        // a batch takes one place
        let (mut claimed, mut taken, mut batches) = (Vec::new(), 0, 0);
        while taken < claim.limit {
            let first = claim
                .tasks
                .iter()
                .zip(&mut room)
                .filter(|(asked, room)| {
                    **room > 0 && !short.contains(&asked.task) && self.places(&asked.task) > 0
                })
                .filter_map(|(asked, room)| Some((self.next_in_line(&asked.task, last)?, asked, room)))
                .min_by_key(|((place, _), ..)| *place);
            let Some(((_, id), asked, room)) = first else { break };
            let id = id.clone();
            if !self.has_starts(&asked.task, self.cost(&id)) {
                short.extend(self.gates.lines_of(&asked.task));
                continue;
            }
            if self.end_void(&id, now) || self.end_late(&id, now) {
                voids += 1;
                if voids == PAGE {
                    break;
                }
                continue;
            }
            let deadline = now.saturating_add(millis(asked.lease));
            match self.hand_out_batch(&id, last, batches, deadline, now) {
                Some((batch, late)) => {
                    claimed.extend(batch);
                    batches += 1;
                    voids += late;
                }
                None => claimed.extend(self.hand_out(&id, deadline, now)),
            }
            *room -= 1;
            taken += 1;
            if voids >= PAGE {
                break;
            }
        }
        for asked in claim.tasks.iter() {
            if let Some(queue) = self.queues.get_mut(&asked.task) {
                queue.collects.end_call();
            }
        }
        // the other nodes of workflows that have ended here
        let work_left = (voids > 0 && self.proceed(now)) || work_left;
        let is_left =
            claim.tasks.iter().zip(room).any(|(asked, room)| room > 0 && self.has_claimable(&asked.task));
        let more = due_left || work_left || voids > 0 || (is_left && claim.limit > 0);
        (claimed, more)
    }

    pub(super) fn hand_out(&mut self, id: &JobId, deadline: u64, now: u64) -> Option<Claimed> {
        self.enter_active(id, deadline, now);
        let record = self.jobs.get_mut(id)?;
        self.last_token += 1;
        let is_first = record.token == 0;
        record.token = self.last_token;
        let lease = Lease { id: id.clone(), task: record.new.task.clone(), token: record.token };
        let (attempt, key) = (record.attempts + 1, record.holds.clone());
        self.count_start(&lease.task, key.as_ref(), self.cost(id), now);
        self.announce(id, Kind::Started, || What::Started { attempt });
        Some(Claimed { lease, attempt, batch: None, at: now, is_first })
    }

    /// The answer as the caller gets it. A job that is gone since the first answer is left out.
    fn exchanged(&self, answer: &Answer, claim: Option<&Claim>, now: u64) -> Exchanged {
        let claimed_job = |claimed: &Claimed| {
            // a later job with the same id is a different one
            let is_it = |record: &&Record| record.older_tokens < claimed.lease.token;
            let record = self.jobs.get(&claimed.lease.id).filter(is_it)?;
            Some(ClaimedJob {
                node: record.node.clone(),
                limit_key: record.new.limit_key.clone(),
                holds_key: record.holds.is_some(),
                batch: claimed.batch,
                tick: record.new.tick.clone(),
                prior_result: None,
                lease: claimed.lease.clone(),
                payload: record.new.payload.clone(),
                attempt: claimed.attempt,
                created_at: Timestamp::from_millis(record.created_at),
                claimed_at: Timestamp::from_millis(claimed.at),
                ready_at: (claimed.is_first && record.node.is_none() && record.new.due == Due::Now)
                    .then(|| Timestamp::from_millis(record.created_at)),
                meta: record.new.meta.clone(),
                cancelled: record.flag.is_some(),
            })
        };
        Exchanged {
            settled: answer.settled.clone(),
            jobs: answer.claimed.iter().filter_map(claimed_job).collect(),
            more: answer.more,
            // waiters set their own timers, so the caller need not come back
            next_due: None,
            ticks: claim
                .filter(|claim| claim.limit > 0 && claim.open_tasks().any(|task| &**task == SCHEDULES))
                .and_then(|_| self.schedules.first_look())
                .map(|look| Duration::from_millis(look.saturating_sub(now))),
        }
    }

    /// Drops answers that are too old to be asked for again.
    pub(super) fn forget_calls(&mut self, now: u64) {
        self.calls.retain(|_, answer| now.saturating_sub(answer.at) <= KEPT);
    }
}

//! Which job is stored under a key, and what becomes of the one that has it.

use std::time::Duration;

use super::collects::{BatchLane, Item};
use super::key::{Held, Key, OnceKey};
use super::keys::Owner;
use super::line::Line;
use super::record::{Phase, Record};
use super::store::{Store, due_at};
use crate::adapter::{
    Admission, Admitted, AdmittedWorkflow, BlockingStates, Due, Enqueued, NewJob, NewWorkflow, Once,
    Otherwise, Rule,
};
use crate::job::{JobId, millis};

impl Store {
    pub(super) fn admit(&mut self, admission: Admission, now: u64) -> Admitted {
        let Admission { job, key, rule } = admission;
        match self.known(&job) {
            Some(Enqueued::Taken { task }) => return Admitted::Taken { task },
            Some(_) => return Admitted::Duplicate(job.id),
            None => {}
        }
        match rule {
            Rule::Throttle { max, window } => self.throttle(job, key, max, millis(window), now),
            Rule::Debounce { delay, max_wait } => {
                let key = Key { task: job.task.clone(), is_debounced: true, text: key };
                self.debounce(job, key, delay, max_wait, now)
            }
            Rule::Deduplicate { while_in, otherwise } => {
                let key = Key { task: job.task.clone(), is_debounced: false, text: key };
                self.deduplicate(job, key, while_in, otherwise, now)
            }
            Rule::Once(once) => {
                let key = OnceKey::OfJob(job.task.clone(), key);
                match self.keys.standing(&key, once, now) {
                    Some(Ok(known)) => return Admitted::Duplicate(known.into()),
                    Some(Err(known)) => return Admitted::Reused(known.into()),
                    None => self.keys.stand(key.clone(), job.id.to_string(), once, now),
                }
                let id = job.id.clone();
                self.store_new(job, now, None);
                if let Some(record) = self.jobs.get_mut(&id).filter(|_| !once.keep_failures) {
                    record.once = Some(key);
                }
                Admitted::New
            }
        }
    }

    pub(super) fn admit_workflow(
        &mut self,
        workflow: NewWorkflow,
        key: &str,
        once: Once,
        now: u64,
    ) -> AdmittedWorkflow {
        let id = workflow.id.clone();
        if self.flows.by_id.contains_key(&id) {
            return AdmittedWorkflow::Duplicate(id);
        }
        let key = OnceKey::OfWorkflow(key.to_owned());
        match self.keys.standing(&key, once, now) {
            Some(Ok(known)) => return AdmittedWorkflow::Duplicate(known.as_str().into()),
            Some(Err(known)) => return AdmittedWorkflow::Reused(known.as_str().into()),
            None => self.keys.stand(key.clone(), id.to_string(), once, now),
        }
        self.start(workflow, now);
        if let Some(flow) = self.flows.by_id.get_mut(&id).filter(|_| !once.keep_failures) {
            flow.once = Some(key);
        }
        AdmittedWorkflow::New
    }

    fn throttle(&mut self, job: NewJob, key: String, max: u32, window: u64, now: u64) -> Admitted {
        let (times, until) = self.keys.throttled.entry((job.task.clone(), key)).or_default();
        let max = max as usize;
        if let Some(bar) = times.len().checked_sub(max).and_then(|first| times.get(first)) {
            let over = bar.saturating_add(window);
            if over > now {
                return Admitted::Throttled { retry_in: Duration::from_millis((over - now).min(window)) };
            }
        }
        times.push_back(now);
        while times.len() > max {
            times.pop_front();
        }
        *until = (*until).max(now.saturating_add(window));
        self.store_new(job, now, None);
        Admitted::New
    }

    fn debounce(
        &mut self,
        mut job: NewJob,
        key: Key,
        delay: Duration,
        max_wait: Option<Duration>,
        now: u64,
    ) -> Admitted {
        let latest = |first: u64| max_wait.map_or(u64::MAX, |wait| first.saturating_add(millis(wait)));
        if let Some(owner) = self.keys.owners.get(&key)
            && let Some(Phase::Delayed { due, .. }) = self.jobs.get(&owner.id).map(|record| &record.phase)
        {
            let (id, due) = (owner.id.clone(), *due);
            // a job that is already due keeps its due time
            let due = if due <= now { due } else { (now + millis(delay)).min(latest(owner.first)) };
            self.replace(&id, job, due.max(now));
            self.delay_anew(&id, due);
            return Admitted::Replaced(id);
        }
        job.due = Due::After(delay);
        self.store_new(job, now, Some(key));
        Admitted::New
    }

    fn deduplicate(
        &mut self,
        job: NewJob,
        key: Key,
        while_in: BlockingStates,
        otherwise: Otherwise,
        now: u64,
    ) -> Admitted {
        let owner = self.keys.owners.get(&key).map(|owner| owner.id.clone());
        let owner = owner.and_then(|id| Some((self.jobs.get(&id)?, id)));
        let Some((record, owner)) = owner.filter(|(record, _)| while_in.contains(record.phase.state()))
        else {
            self.store_new(job, now, Some(key));
            return Admitted::New;
        };
        let has_started = record.token > 0;
        let next = self.next_of(&owner).cloned();
        let ready = match &record.phase {
            Phase::Delayed { due, .. } => *due,
            _ => now,
        };
        match otherwise {
            Otherwise::Drop => Admitted::Duplicate(owner),
            Otherwise::Replace if has_started => Admitted::Duplicate(owner),
            Otherwise::Replace | Otherwise::Follow { .. } if !has_started => {
                self.replace(&owner, job, ready.max(now));
                Admitted::Replaced(owner)
            }
            Otherwise::Replace | Otherwise::Follow { .. } => {
                let admitted = self.follow(&owner, next, job, now);
                if matches!(otherwise, Otherwise::Follow { cancel_running: true }) {
                    self.cancel(&owner, Otherwise::SUPERSEDED, now);
                }
                admitted
            }
        }
    }

    /// Stores a job behind another one, or replaces the job that already waits there.
    fn follow(&mut self, owner: &JobId, next: Option<JobId>, job: NewJob, now: u64) -> Admitted {
        if let Some(next) = next.filter(|next| self.is_behind(next, owner)) {
            self.replace(&next, job, now);
            return Admitted::Replaced(next);
        }
        self.add_behind(owner, job, now);
        Admitted::New
    }

    /// Stores a new job behind one that has a key.
    fn add_behind(&mut self, front: &JobId, job: NewJob, now: u64) {
        let id = job.id.clone();
        self.add_new(job, now, now);
        self.enter_line(&id, Line::Behind(front.clone()));
        self.announce_enqueued(&id, None);
        if let Some(held) = self.jobs.get_mut(front).and_then(|record| record.held.as_mut()) {
            held.next = Some(id);
        }
    }

    /// Stores a run of a schedule behind its last one, which has not ended.
    pub(super) fn add_run_behind(&mut self, front: &JobId, schedule: &str, job: NewJob, now: u64) {
        if let Some(record) = self.jobs.get_mut(front) {
            record.held.get_or_insert_with(|| Held { key: Key::of_schedule(schedule), next: None });
        }
        let (id, next) =
            (job.id.clone(), self.next_of(front).filter(|next| self.is_behind(next, front)).cloned());
        self.add_behind(front, job, now);
        if let Some(next) = next {
            // a schedule that was put back: what waits for that run waits for this one now
            self.enter_line(&next, Line::Behind(id.clone()));
            if let Some(record) = self.jobs.get_mut(&id) {
                record.held = Some(Held { key: Key::of_schedule(schedule), next: Some(next) });
            }
        }
    }

    /// Stores a new job, as the owner of the key if there is one.
    fn store_new(&mut self, job: NewJob, now: u64, key: Option<Key>) {
        let (id, task, due) = (job.id.clone(), job.task.clone(), due_at(job.due, now));
        self.add_new(job, due.unwrap_or(now), now);
        if let Some(key) = key {
            self.own(&id, key, now);
        }
        self.enter_line(&id, due.map_or(Line::Back, Line::Due));
        self.announce_enqueued(&id, due);
        self.wake([task]);
    }

    fn own(&mut self, id: &JobId, key: Key, now: u64) {
        self.keys.owners.insert(key.clone(), Owner { first: now, id: id.clone() });
        if let Some(record) = self.jobs.get_mut(id) {
            let next = record.held.take().and_then(|held| held.next);
            record.held = Some(Held { key, next });
        }
    }

    /// Gives the new job's data to a job that no worker has claimed. Its deadline then counts from `ready`.
    fn replace(&mut self, id: &JobId, job: NewJob, ready: u64) {
        let Some(record) = self.jobs.get_mut(id) else { return };
        // its place in the line depends on its priority
        let priority = if matches!(record.phase, Phase::Waiting(_) | Phase::InLane(..) | Phase::Gathering(_))
        {
            record.new.priority
        } else {
            job.priority
        };
        let old = record.deadline;
        record.new = NewJob { id: id.clone(), due: record.new.due, priority, ..job };
        record.start_by(ready);
        let Some(queue) = self.queues.get_mut(&record.new.task) else { return };
        queue.set_deadline(id, old, &Phase::Between { from: None });
        queue.set_deadline(id, record.deadline, &record.phase);
        let task = record.new.task.clone();
        self.change_lanes(id);
        if self.is_timed(&task) {
            // it may cost less
            self.wake([task]);
            self.wakes.due_earlier();
        }
    }

    /// A job in a lane may have another key now, or none. It keeps its number. A job outside takes its key when it is claimed.
    fn change_lanes(&mut self, id: &JobId) {
        let Some(record) = self.jobs.get(id) else { return };
        let task = record.new.task.clone();
        let (place, at) = match &record.phase {
            Phase::InLane(_, place) => (*place, self.clock),
            Phase::Gathering(item) => (item.place, item.at),
            _ => return,
        };
        let phase = match (record.new.limit_key.clone(), record.new.collect) {
            (Some(key), Some(rule)) => {
                Phase::Gathering(Item { lane: BatchLane { key, is_returned: false }, place, at, rule })
            }
            (Some(key), None) if self.per_key(&task).is_some() => Phase::InLane(key, place),
            _ => Phase::Waiting(place),
        };
        let (Some(record), Some(queue)) = (self.jobs.get_mut(id), self.queues.get_mut(&task)) else { return };
        queue.remove(id, &record.phase);
        queue.insert(id, &phase);
        record.phase = phase;
        self.wake([task]);
    }

    /// Ends the job's ownership of its key. Returns its relation to keys, and whether the key is free now.
    pub(super) fn free_key(&mut self, id: &JobId) -> Option<Held> {
        let held = self.jobs.get_mut(id)?.held.take()?;
        if self.keys.owners.get(&held.key).is_some_and(|owner| owner.id == *id) {
            self.keys.owners.remove(&held.key);
        }
        Some(held)
    }

    /// A new job takes over the keys of another one, and its place behind a third one, which is returned. What belongs to a schedule
    /// stays.
    pub(super) fn hand_over(&mut self, from: &JobId, to: &JobId) -> Option<JobId> {
        let record = self.jobs.get_mut(from)?;
        let once = record.once.take();
        let held = record.held.take_if(|held| !held.key.is_of_schedule());
        let front = match &record.phase {
            Phase::Behind(front) => Some(front.clone()),
            _ => None,
        };
        if let Some(key) = &once {
            self.keys.pass_on(key, from.as_str(), to.as_str());
        }
        if let Some(held) = &held
            && let Some(owner) = self.keys.owners.get_mut(&held.key).filter(|owner| owner.id == *from)
        {
            owner.id = to.clone();
        }
        let next = held.as_ref().and_then(|held| held.next.clone()).filter(|next| self.is_behind(next, from));
        if let Some(next) = next {
            self.enter_line(&next, Line::Behind(to.clone()));
        }
        if let Some(record) = self.jobs.get_mut(to) {
            (record.held, record.once) = (held, once);
        }
        let front = front?;
        let held = self.jobs.get_mut(&front)?.held.as_mut().filter(|held| !held.key.is_of_schedule())?;
        held.next = Some(to.clone());
        Some(front)
    }

    /// A job has ended: the one behind it joins its line, and owns the key unless another job does.
    pub(super) fn pass_key_on(&mut self, id: &JobId, now: u64) {
        let Some(Held { key, next: Some(next) }) = self.free_key(id) else { return };
        if !self.is_behind(&next, id) {
            return;
        }
        let task = self.jobs.get(&next).map(|record| record.new.task.clone());
        if !self.keys.owners.contains_key(&key) {
            self.own(&next, key, now);
        }
        self.enter_line(&next, Line::Back);
        self.wake(task);
    }

    /// A job has ended while it waited behind another one: the one behind it waits for that one now.
    pub(super) fn close_ranks(&mut self, id: &JobId, front: &JobId) {
        self.step_back(id, front);
        let Some(next) = self.free_key(id).and_then(|held| held.next) else { return };
        if !self.is_behind(&next, id) {
            return;
        }
        self.enter_line(&next, Line::Behind(front.clone()));
        if let Some(held) = self.jobs.get_mut(front).and_then(|record| record.held.as_mut()) {
            held.next = Some(next);
        }
    }

    /// The job that an unfinished one lets into its line when it ends.
    pub(super) fn next_of(&self, id: &JobId) -> Option<&JobId> {
        self.jobs.get(id)?.held.as_ref()?.next.as_ref()
    }

    /// Whether a job waits behind another one, or another one waits behind it.
    pub(super) fn is_followed_or_behind(&self, id: &JobId) -> bool {
        matches!(self.jobs.get(id), Some(Record { phase: Phase::Behind(_), .. }))
            || self.next_of(id).is_some_and(|next| self.is_behind(next, id))
    }

    /// Whether a job, or the one that it waits behind, has a key of its dispatch: nothing else may wait for it.
    pub(super) fn has_other_key(&self, id: &JobId) -> bool {
        let Some(record) = self.jobs.get(id) else { return false };
        let front = match &record.phase {
            Phase::Behind(front) => self.jobs.get(front),
            _ => None,
        };
        let mut held = [Some(record), front].into_iter().flatten().filter_map(|record| record.held.as_ref());
        record.once.is_some() || held.any(|held| !held.key.is_of_schedule())
    }

    fn is_behind(&self, id: &JobId, front: &JobId) -> bool {
        matches!(self.jobs.get(id), Some(Record { phase: Phase::Behind(known), .. }) if known == front)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Place, Violation};
    use crate::job::JobState;

    fn store() -> Store {
        let mut store = Store::new();
        let otherwise = Otherwise::Follow { cancel_running: false };
        for id in ["owner", "behind"] {
            let rule = Rule::Deduplicate { while_in: BlockingStates::ALL, otherwise };
            let job = NewJob::new(id, "task", "1");
            assert_eq!(store.admit(Admission { job, key: "k".into(), rule }, 0), Admitted::New);
            store.enter_active(&"owner".into(), 30_000, 0);
            store.jobs.get_mut(&JobId::from("owner")).expect("a job").token = 1;
        }
        assert_eq!(store.violations(), []);
        store
    }

    #[test]
    fn a_key_that_nobody_owns_is_freed() {
        for held in [None, Some("other")] {
            let mut store = store();
            let key = store.keys.owners.keys().next().cloned().expect("a key");
            let record = store.jobs.get_mut(&JobId::from("owner")).expect("a job");
            let next = record.held.take().and_then(|held| held.next);
            record.held = held
                .map(|text| Held { key: Key { text: text.to_owned(), ..key.clone() }, next: next.clone() });
            let found: Vec<Violation> = store
                .violations()
                .into_iter()
                .filter(|violation| matches!(violation, Violation::StaleKey { .. }))
                .collect();
            let expected = Violation::StaleKey { task: "task".into(), key: "k".into(), id: "owner".into() };
            assert_eq!(found, [expected]);
            store.repair(&found[0], 1);
            assert!(store.keys.owners.is_empty());
        }
    }

    #[test]
    fn a_job_that_nobody_lets_in_comes_into_its_line() {
        let mut store = store();
        store.jobs.get_mut(&JobId::from("owner")).expect("a job").held.as_mut().expect("a key").next = None;
        let found = store.violations();
        let lost = Violation::LostJob { task: "task".into(), id: "behind".into(), place: Place::Waiting };
        assert_eq!(found, [lost]);
        store.repair(&found[0], 1);
        assert_eq!(store.violations(), []);
        assert_eq!(store.jobs[&JobId::from("behind")].phase.state(), JobState::Waiting);
        assert_eq!(store.queues["task"].first_until(i64::MAX).map(|(_, id)| id.as_str()), Some("behind"));
    }
}

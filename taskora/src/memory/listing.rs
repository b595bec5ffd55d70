//! Pages of jobs and of workflows: all entries of an index are put in order, and those behind a place are looked at. A remote store finds the place.

use std::cmp::Ordering;

use super::queue::Entry;
use super::record::Record;
use super::store::Store;
use crate::adapter::{AdapterError, JobFilter, JobQuery, Listed, ListedWorkflows, Place, WorkflowQuery};
use crate::job::{JobId, JobState, Timestamp};
use crate::workflow::{WorkflowInfo, WorkflowState};

/// A line's place as a number: a priority has 2⁴² of them.
const BAND: f64 = 4_398_046_511_104.0;

/// Where an entry is: in which of several lists, and at which number there.
#[allow(clippy::cast_precision_loss, reason = "no number is above 2^53")]
fn place(entry: &Entry<'_>, created_at: u64) -> Place {
    let (part, number) = match entry {
        Entry::Waiting((priority, number), _) => (0, *number as f64 - f64::from(priority.0) * BAND),
        Entry::InLane(..) | Entry::Gathering(..) => (1, 0.0),
        Entry::Behind(_) => (2, created_at as f64),
        Entry::Delayed(at, _) | Entry::Active(at, _) | Entry::Ended(_, at, _) => (0, *at as f64),
    };
    Place { part, number, entry: entry.id().as_str().into() }
}

/// Whether an entry is looked at for jobs of this state.
fn is_of(entry: &Entry<'_>, state: JobState) -> bool {
    match entry {
        Entry::Waiting(..) | Entry::InLane(..) | Entry::Gathering(..) | Entry::Behind(_) => {
            state == JobState::Waiting
        }
        Entry::Delayed(..) => matches!(state, JobState::Delayed | JobState::Retrying),
        Entry::Active(..) => state == JobState::Active,
        Entry::Ended(ended, ..) => state == *ended,
    }
}

fn is_in_time(entry: &Entry<'_>, filter: &JobFilter) -> bool {
    let Entry::Ended(_, at, _) = entry else { return true };
    let at = Timestamp::from_millis(*at);
    filter.since.is_none_or(|since| at >= since) && filter.until.is_none_or(|until| at <= until)
}

fn order(a: &Place, b: &Place, state: JobState) -> Ordering {
    let by_number = a.number.total_cmp(&b.number).then_with(|| a.entry.cmp(&b.entry));
    a.part.cmp(&b.part).then(if state.is_terminal() { by_number.reverse() } else { by_number })
}

impl Store {
    pub(super) fn list(&self, query: &JobQuery, now: u64) -> Listed {
        let state = query.state;
        let Some(queue) = self.queues.get(&query.task) else { return Listed::default() };
        let behind =
            |place: &Place| query.after.as_ref().is_none_or(|after| order(place, after, state).is_gt());
        let mut entries: Vec<(Place, JobId)> = queue
            .entries()
            .filter(|entry| is_of(entry, state) && is_in_time(entry, &query.filter))
            .map(|entry| {
                let created_at = self.jobs.get(entry.id()).map_or(0, |record| record.created_at);
                (place(&entry, created_at), entry.id().clone())
            })
            .filter(|(place, _)| behind(place))
            .collect();
        let by_place = |(a, _): &(Place, JobId), (b, _): &(Place, JobId)| order(a, b, state);
        let all = entries.len();
        if all > JobQuery::PAGE {
            entries.select_nth_unstable_by(JobQuery::PAGE, by_place);
            entries.truncate(JobQuery::PAGE);
        }
        entries.sort_unstable_by(by_place);
        let mut listed = Listed::default();
        for (place, id) in entries.into_iter().take(query.most.min(JobQuery::PAGE)) {
            if listed.jobs.len() == query.limit.max(1) {
                break;
            }
            listed.scanned += 1;
            listed.next = Some(place);
            let is_asked_for = |record: &Record| record.phase.state() == state && has_payload(record, query);
            if self.jobs.get(&id).is_some_and(is_asked_for) {
                // one that is unreadable is left out
                let job = self.info(&id, now).and_then(Result::ok);
                listed.jobs.extend(job.filter(|job| query.filter.fits(job)));
            }
        }
        if listed.scanned == all {
            listed.next = None;
        }
        listed
    }

    #[allow(clippy::cast_precision_loss, reason = "no time is above 2^53")]
    pub(super) fn list_workflows(&self, query: &WorkflowQuery) -> Result<ListedWorkflows, AdapterError> {
        let state = query.state;
        let running = self.flows.by_id.iter().filter(|(_, flow)| flow.state == WorkflowState::Running);
        let running = running.map(|(id, flow)| (flow.created_at, id));
        let ended = self.flows.done.iter().map(|(at, id)| (*at, id));
        let entries: Box<dyn Iterator<Item = _>> =
            if state.is_terminal() { Box::new(ended) } else { Box::new(running) };
        let order = |a: &Place, b: &Place| {
            let order = a.number.total_cmp(&b.number).then_with(|| a.entry.cmp(&b.entry));
            if state.is_terminal() { order.reverse() } else { order }
        };
        let mut entries: Vec<_> = entries
            .map(|(at, id)| (Place { part: 0, number: at as f64, entry: id.as_str().into() }, id))
            .filter(|(place, _)| query.after.as_ref().is_none_or(|after| order(place, after).is_gt()))
            .collect();
        entries.sort_unstable_by(|(a, _), (b, _)| order(a, b));
        let (all, mut listed) = (entries.len(), ListedWorkflows::default());
        for (place, id) in entries.into_iter().take(query.most.min(JobQuery::PAGE)) {
            if listed.workflows.len() == query.limit.max(1) {
                break;
            }
            listed.scanned += 1;
            listed.next = Some(place);
            if let Some(record) = self.flow(id, false)?.filter(|record| record.state == state) {
                listed.workflows.push(WorkflowInfo::new(id.clone(), record));
            }
        }
        if listed.scanned == all {
            listed.next = None;
        }
        Ok(listed)
    }
}

fn has_payload(record: &Record, query: &JobQuery) -> bool {
    let Some(text) = query.filter.payload.as_deref().map(str::as_bytes) else { return true };
    text.is_empty() || record.new.payload.windows(text.len()).any(|part| part == text)
}

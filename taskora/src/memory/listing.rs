//! Pages of jobs: all entries of an index are put in order, and those behind a place are looked at. A remote store finds the place.

use std::cmp::Ordering;

use super::queue::Entry;
use super::record::Record;
use super::store::Store;
use crate::adapter::{JobQuery, Listed, Place};
use crate::job::{JobState, Timestamp};

/// A line's place as a number: a priority has 2⁴² of them.
const BAND: f64 = 4_398_046_511_104.0;

/// Where an entry is in its list, which list that is, and of which states its jobs are.
#[allow(clippy::cast_precision_loss, reason = "no number is above 2^53")]
fn place(entry: &Entry<'_>) -> Place {
    let (part, number) = match entry {
        Entry::Waiting((priority, number), _) => (0, *number as f64 - f64::from(priority.0) * BAND),
        Entry::InLane(..) | Entry::Gathering(..) => (1, 0.0),
        Entry::Behind(_) => (2, 0.0),
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

fn order(a: &Place, b: &Place, state: JobState) -> Ordering {
    let by_number = a.number.total_cmp(&b.number).then_with(|| a.entry.cmp(&b.entry));
    a.part.cmp(&b.part).then(if state.is_terminal() { by_number.reverse() } else { by_number })
}

impl Store {
    pub(super) fn list(&self, query: &JobQuery, now: u64) -> Listed {
        let state = query.state;
        let Some(queue) = self.queues.get(&query.task) else { return Listed::default() };
        let (since, until) = (query.filter.since, query.filter.until);
        let is_in_time = |entry: &Entry<'_>| match entry {
            Entry::Ended(_, at, _) => {
                let at = Timestamp::from_millis(*at);
                since.is_none_or(|since| at >= since) && until.is_none_or(|until| at <= until)
            }
            _ => true,
        };
        let entries = queue.entries().filter(|entry| is_of(entry, state) && is_in_time(entry));
        let mut entries: Vec<_> = entries
            .map(|entry| {
                let came = self.jobs.get(entry.id()).map_or(0, |record| record.created_at);
                let mut place = place(&entry);
                if matches!(entry, Entry::Behind(_)) {
                    #[allow(clippy::cast_precision_loss, reason = "no time is above 2^53")]
                    let came = came as f64;
                    place.number = came;
                }
                (place, entry.id().clone())
            })
            .filter(|(place, _)| query.after.as_ref().is_none_or(|after| order(place, after, state).is_gt()))
            .collect();
        entries.sort_unstable_by(|(a, _), (b, _)| order(a, b, state));
        let mut listed = Listed::default();
        let all = entries.len();
        for (place, id) in entries.into_iter().take(query.most.min(JobQuery::PAGE)) {
            if listed.jobs.len() == query.limit.max(1) {
                break;
            }
            listed.scanned += 1;
            listed.next = Some(place);
            let Some(record) = self.jobs.get(&id) else { continue };
            if record.phase.state() != state || !has_payload(record, query) {
                continue;
            }
            if let Some(Ok(info)) =
                self.info(&id, now).filter(|info| info.as_ref().is_ok_and(|info| query.filter.fits(info)))
            {
                listed.jobs.push(info);
            }
        }
        if listed.scanned == all {
            listed.next = None;
        }
        listed
    }
}

fn has_payload(record: &Record, query: &JobQuery) -> bool {
    let Some(text) = query.filter.payload.as_deref().map(str::as_bytes) else { return true };
    text.is_empty() || record.new.payload.windows(text.len()).any(|part| part == text)
}

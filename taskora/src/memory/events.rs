//! The stream of events, which is written while somebody listens.

use std::collections::VecDeque;

use async_trait::async_trait;
use tokio::sync::watch;

use super::adapter::MemoryAdapter;
use super::store::Store;
use crate::adapter::{AdapterError, Ending, Event, EventId, EventPage, Events, Kind, Kinds, TaskName, What};
use crate::job::{JobId, Timestamp, millis};

/// How many steps with events are kept.
const KEPT: usize = 10_000;
/// The most events of a page.
const PAGE: usize = 500;

/// A stream of events.
pub(super) struct Stream {
    /// When it was begun.
    begun: u64,
    steps: VecDeque<Step>,
    /// The number of the next step.
    next: u64,
    /// The time in [`EventPage::HEARD`]s in which somebody has listened last, to what then, and to what in the time before.
    heard: (u64, Kinds, Kinds),
    arrivals: watch::Sender<u64>,
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            begun: 0,
            steps: VecDeque::new(),
            next: 0,
            heard: (0, Kinds::default(), Kinds::default()),
            arrivals: watch::channel(0).0,
        }
    }
}

enum Step {
    Event(Event),
    /// Somebody began to listen to kinds that nobody had listened to.
    Began(Kinds),
}

fn time_of(now: u64) -> u64 {
    now / millis(EventPage::HEARD)
}

impl Stream {
    /// What is listened to.
    fn kinds(&self, now: u64) -> Kinds {
        let (time, last, before) = self.heard;
        match time_of(now).saturating_sub(time) {
            0 => Kinds::from_bits(last.bits() | before.bits()),
            1 => last,
            _ => Kinds::default(),
        }
    }

    /// Somebody listens to these kinds. Returns those that nobody has listened to.
    fn hear(&mut self, kinds: Kinds, now: u64) -> Kinds {
        let known = self.kinds(now);
        let (time, last, _) = self.heard;
        let this = time_of(now);
        self.heard = match this.saturating_sub(time) {
            0 => (this, Kinds::from_bits(last.bits() | kinds.bits()), self.heard.2),
            1 => (this, kinds, last),
            _ => (this, kinds, Kinds::default()),
        };
        Kinds::from_bits(kinds.bits() & !known.bits())
    }

    fn add(&mut self, at: u64, task: Option<TaskName>, job: Option<JobId>, what: What) {
        self.push(at, |id| {
            Step::Event(Event { task, job, ..Event::new(id, Timestamp::from_millis(at), what) })
        });
    }

    fn push(&mut self, at: u64, step: impl FnOnce(EventId) -> Step) {
        if self.next == 0 {
            self.begun = at;
        }
        self.steps.push_back(step(EventId::new(self.begun, self.next, 0)));
        self.next += 1;
        if self.steps.len() > KEPT {
            self.steps.pop_front();
        }
        self.arrivals.send_modify(|count| *count += 1);
    }

    /// What comes after this event, a page at most.
    fn after(&self, after: EventId, kinds: Kinds, now: u64) -> EventPage {
        let (stream, last, _) = after.parts();
        let oldest = self.next - self.steps.len() as u64;
        let is_known = stream == self.begun && last + 1 >= oldest && last < self.next;
        let from = if is_known { last + 1 } else { oldest };
        let gap = |id| Event::new(id, Timestamp::from_millis(now), What::Gap);
        let mut events = if is_known { Vec::new() } else { vec![gap(after)] };
        let skipped = usize::try_from(from - oldest).unwrap_or(usize::MAX);
        let steps = self.steps.iter().skip(skipped).take(PAGE);
        let to = from + steps.len() as u64;
        for (step, number) in steps.zip(from..) {
            match step {
                Step::Event(event) => events.push(event.clone()),
                Step::Began(fresh) if fresh.overlaps(kinds) => {
                    events.push(gap(EventId::new(self.begun, number, 0)));
                }
                Step::Began(_) => {}
            }
        }
        let last = if to > from { EventId::new(self.begun, to - 1, EventId::WHOLE) } else { after };
        EventPage { events, last, more: to < self.next }
    }
}

impl Store {
    /// Tells what happened to a job, if somebody listens.
    pub(super) fn announce(&mut self, id: &JobId, kind: Kind, what: impl FnOnce() -> What) {
        if self.stream.kinds(self.clock).contains(kind) {
            let task = self.jobs.get(id).map(|record| record.new.task.clone());
            self.stream.add(self.clock, task, Some(id.clone()), what());
        }
    }

    /// The same of a task or a workflow.
    pub(super) fn announce_of(&mut self, task: Option<&TaskName>, kind: Kind, what: impl FnOnce() -> What) {
        if self.stream.kinds(self.clock).contains(kind) {
            self.stream.add(self.clock, task.cloned(), None, what());
        }
    }

    /// A job has ended.
    pub(super) fn announce_end(&mut self, id: &JobId, ending: &Ending) {
        let attempts = self.jobs.get(id).map_or(0, |record| record.attempts);
        let failed = |error: &str, stalled| What::Failed { attempts, error: What::text(error), stalled };
        match ending {
            Ending::Completed(_) => self.announce(id, Kind::Completed, || What::Completed { attempts }),
            Ending::Failed(error) => self.announce(id, Kind::Failed, || failed(error, false)),
            Ending::Stalled(error) => self.announce(id, Kind::Failed, || failed(error, true)),
            Ending::Cancelled(reason) => {
                self.announce(id, Kind::Cancelled, || What::Cancelled { reason: What::text(reason) });
            }
            Ending::Expired => self.announce(id, Kind::Expired, || What::Expired),
        }
    }

    fn listen(&mut self, kinds: Kinds, after: Option<EventId>, now: u64) -> EventPage {
        let fresh = self.stream.hear(kinds, now);
        if fresh != Kinds::default() {
            // whoever comes back from before this has missed something
            self.stream.push(now, |_| Step::Began(fresh));
        }
        let stream = &self.stream;
        after.map_or_else(
            || {
                let last = EventId::new(stream.begun, stream.next.saturating_sub(1), EventId::WHOLE);
                EventPage { last, ..EventPage::default() }
            },
            |after| stream.after(after, kinds, now),
        )
    }
}

#[async_trait]
impl Events for MemoryAdapter {
    async fn listen(&self, kinds: Kinds, after: Option<EventId>) -> Result<EventPage, AdapterError> {
        Ok(self.0.lock().listen(kinds, after, self.0.now()))
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.0.lock().stream.arrivals.subscribe()
    }
}

//! Both stores tell the same of each job, in the same order.

use std::collections::BTreeMap;

use taskora::adapter::{Event, EventId, EventPage, Events, Kinds, What};
use taskora::{AdapterError, Timestamp};

use super::pair::Pair;

/// The events of each subject, without ids and times.
type Told = BTreeMap<String, Vec<String>>;

pub(super) async fn begin(adapter: &impl Events) -> Result<EventId, AdapterError> {
    Ok(adapter.listen(Kinds::ALL, None).await?.last)
}

async fn since(adapter: &impl Events, cursor: &mut EventId) -> Result<Told, AdapterError> {
    let mut told = Told::new();
    loop {
        let EventPage { events, last, more, .. } = adapter.listen(Kinds::ALL, Some(*cursor)).await?;
        *cursor = last;
        for event in events {
            let (subject, what) = without_times(event);
            told.entry(subject).or_default().push(what);
        }
        if !more {
            return Ok(told);
        }
    }
}

fn without_times(event: Event) -> (String, String) {
    let Event { task, job, mut what, .. } = event;
    let some_time = |at: &mut Option<Timestamp>| *at = at.map(|_| Timestamp::default());
    match &mut what {
        What::Enqueued { due_at } | What::Released { due_at } | What::Revived { due_at } => some_time(due_at),
        What::Retrying { due_at, .. } => *due_at = Timestamp::default(),
        _ => {}
    }
    let subject = match &what {
        What::WorkflowStarted { workflow, .. } | What::WorkflowEnded { workflow, .. } => workflow.to_string(),
        _ => job.map_or_else(String::new, |job| job.to_string()),
    };
    (subject, format!("{task:?} {what:?}"))
}

impl Pair<'_> {
    pub(super) fn keep_listening(&self) -> Result<(), String> {
        self.memory.0.block_on(begin(&self.memory.1)).map_err(|error| error.to_string())?;
        self.redis.0.block_on(begin(&self.redis.1)).map_err(|error| error.to_string())?;
        Ok(())
    }

    pub(super) fn compare_told(&mut self) -> Result<(), String> {
        let [memory, redis] = &mut self.heard_until;
        let memory =
            self.memory.0.block_on(since(&self.memory.1, memory)).map_err(|error| error.to_string())?;
        let redis = self.redis.0.block_on(since(&self.redis.1, redis)).map_err(|error| error.to_string())?;
        for subject in memory.keys().chain(redis.keys()) {
            let (expected, found) = (memory.get(subject), redis.get(subject));
            if expected != found {
                return Err(format!("of `{subject}` memory tells {expected:?}, redis {found:?}"));
            }
        }
        Ok(())
    }
}

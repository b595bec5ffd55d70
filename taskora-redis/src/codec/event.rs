//! Events, as `lua/lib/events.lua` writes them.

use taskora::adapter::{Ending, Event, EventId, Kinds, What};
use taskora::workflow::WorkflowState;
use taskora::{JobState, Timestamp};

use super::end::state;
use super::reader::{Reader, cut_text, text};
use crate::id;

/// What one command has told.
pub(crate) struct Entry<'a> {
    at: Timestamp,
    rest: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Bytes that cannot be read tell nothing.
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        let mut reader = Reader(bytes);
        let at = Timestamp::from_millis(reader.u48().unwrap_or_default());
        Self { at, rest: reader.0 }
    }

    /// Something may be missing after this event.
    pub(crate) fn gap(&self, after: EventId) -> Event {
        Event::new(after, self.at, What::Gap)
    }

    /// Its events; whoever listens to these kinds hears of a gap where somebody began to.
    pub(crate) fn events(&self, entry: EventId, kinds: Kinds) -> impl Iterator<Item = Event> + use<'a> {
        let (stream, step, _) = entry.parts();
        let (at, mut reader) = (self.at, Reader(self.rest));
        let one = move |index| {
            let kind = reader.u8()?;
            let length = reader.u8()?;
            let task = text(reader.take(length.into())?);
            let length = reader.u8()?;
            let id = reader.take(length.into())?;
            let length = reader.u16()?;
            let rest = reader.take(length.into())?;
            Some((EventId::new(stream, step, index), kind, task, id, rest))
        };
        (0..).map_while(one).filter_map(move |(event, kind, task, id, rest)| {
            let what = what(kind, id, rest, kinds)?;
            let job = if matches!(kind, b'w' | b'z' | b'o' | b'n' | b'u' | b'y' | b'g' | b'B') {
                None
            } else {
                Some(id::load(id)?)
            };
            let mut event = Event::new(event, at, what);
            event.task = (!task.is_empty()).then(|| task.into());
            event.job = job;
            Some(event)
        })
    }
}

/// `None` if it cannot be read, or is of a later version.
fn what(kind: u8, id: &[u8], rest: &[u8], kinds: Kinds) -> Option<What> {
    let mut reader = Reader(rest);
    let due = |reader: &mut Reader<'_>| {
        let at = reader.u48()?;
        Some((at > 0).then(|| Timestamp::from_millis(at)))
    };
    Some(match kind {
        b'e' => What::Enqueued { due_at: due(&mut reader)? },
        b's' => What::Started { attempt: reader.u32()? },
        b'p' => What::Progress { value: serde_json::from_slice(rest).ok()? },
        b'c' => What::Completed { attempts: reader.u32()? },
        b'r' => {
            let (attempt, due_at) = (reader.u32()?, Timestamp::from_millis(reader.u48()?));
            What::Retrying { attempt, due_at, error: cut_text(reader.0) }
        }
        b'f' => {
            let (attempts, stalls) = (reader.u32()?, reader.u32()?);
            let stalled = stalls > 0;
            let error = if stalled { Ending::stalled_message(stalls) } else { cut_text(reader.0) };
            What::Failed { attempts, error, stalled }
        }
        b'x' => What::Cancelled { reason: cut_text(rest) },
        b't' => What::Expired,
        b'l' => What::Released { due_at: due(&mut reader)? },
        b'k' => What::Rescued { stalls: reader.u32()? },
        b'v' => What::Revived { due_at: due(&mut reader)? },
        b'd' => What::Deleted,
        b'w' => What::WorkflowStarted { workflow: id::load_workflow(id)?, nodes: reader.u32()? },
        b'z' => What::WorkflowEnded { workflow: id::load_workflow(id)?, state: end_of(reader.u8()?)? },
        b'o' => What::Paused { reason: cut_text(rest) },
        b'n' => What::Resumed,
        b'u' => What::WorkerStarted { worker: text(id) },
        b'y' => What::WorkerStopped { worker: text(id) },
        b'g' => What::WorkerLost { worker: text(id) },
        b'B' if Kinds::from_bits(reader.u32()?).overlaps(kinds) => What::Gap,
        _ => return None,
    })
}

fn end_of(letter: u8) -> Option<WorkflowState> {
    Some(match state(letter)? {
        JobState::Completed => WorkflowState::Completed,
        JobState::Failed => WorkflowState::Failed,
        JobState::Cancelled => WorkflowState::Cancelled,
        JobState::Expired => WorkflowState::Expired,
        _ => return None,
    })
}

//! What happens, from the stream that scripts write while somebody listens.

use async_trait::async_trait;
use taskora::AdapterError;
use taskora::adapter::{EventId, EventPage, Events, Kinds};
use tokio::sync::watch;

use crate::adapter::RedisAdapter;
use crate::answer::{nonsense, strings};
use crate::codec::Entry;
use crate::scripts::SCRIPTS;

/// The most entries in one answer.
const PAGE: usize = 64;

#[async_trait]
impl Events for RedisAdapter {
    async fn listen(&self, kinds: Kinds, after: Option<EventId>) -> Result<EventPage, AdapterError> {
        let from = after.map_or_else(String::new, |after| {
            let (stream, step, index) = after.parts();
            let is_whole = index == EventId::WHOLE;
            format!("{}{stream}-{step}", if is_whole { "(" } else { "" })
        });
        let answer = self.inner.script(&SCRIPTS.listen, |call, _| {
            call.put("kinds", kinds.bits()).put("from", &from).put("count", PAGE);
        });
        let what = "the answer to `listen`";
        let mut answer = strings(answer.await?, what)?.into_iter();
        let newest =
            answer.next().and_then(|id| whole(&id)).ok_or_else(|| nonsense(format!("{what} has no id")))?;
        let Some(after) = after else { return Ok(EventPage { last: newest, ..EventPage::default() }) };
        let mut page = EventPage { last: after, ..EventPage::default() };
        let mut is_first = true;
        while let (Some(id), Some(text)) = (answer.next(), answer.next()) {
            let id = whole(&id).ok_or_else(|| nonsense(format!("{what} has an id that is none")))?;
            let entry = Entry::read(&text);
            if std::mem::take(&mut is_first) && !follows(after, id) {
                page.events.push(entry.gap(after));
            }
            page.events.extend(entry.events(id, kinds).filter(|event| event.id > after || !is_of(after, id)));
            page.last = id;
        }
        // without an entry there is nothing more, whatever the last one is
        page.more = !is_first && page.last < newest;
        Ok(page)
    }

    fn arrivals(&self) -> watch::Receiver<u64> {
        self.inner.push_connection().arrivals()
    }
}

/// The id of an entry, with all its events.
fn whole(id: &[u8]) -> Option<EventId> {
    let (stream, step) = std::str::from_utf8(id).ok()?.split_once('-')?;
    Some(EventId::new(stream.parse().ok()?, step.parse().ok()?, EventId::WHOLE))
}

/// Whether this is the entry of that event.
fn is_of(event: EventId, entry: EventId) -> bool {
    let ((stream, step, _), (of, number, _)) = (event.parts(), entry.parts());
    (stream, step) == (of, number)
}

/// Whether nothing is missing between the event and the entry: it is that of the event, or the next one if the event is the last of its own.
fn follows(event: EventId, entry: EventId) -> bool {
    let ((stream, step, index), (of, number, _)) = (event.parts(), entry.parts());
    stream == of && (number == step || index == EventId::WHOLE && Some(number) == step.checked_add(1))
}

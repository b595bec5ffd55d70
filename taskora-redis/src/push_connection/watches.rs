//! Who watches jobs, and what they were told.

use std::collections::HashMap;

use taskora::JobState;
use taskora::adapter::JobNews;
use tokio::sync::watch;

type Watcher = watch::Sender<Option<JobNews>>;

/// The watched jobs of this process.
#[derive(Default)]
pub(super) struct Watches(HashMap<Vec<u8>, Watched>);

#[derive(Default)]
struct Watched {
    watchers: Vec<Watcher>,
    last: Option<JobNews>,
    /// The connection that has brought a message about the job since Redis was last asked about it.
    heard_on: Option<u64>,
}

impl Watches {
    pub(super) fn add(&mut self, id: Vec<u8>, watcher: Watcher) {
        let watched = self.0.entry(id).or_default();
        if watched.last.is_some() {
            watcher.send_replace(watched.last.clone());
        }
        watched.watchers.push(watcher);
    }

    pub(super) fn has(&self, id: &[u8]) -> bool {
        self.0.contains_key(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.0.keys()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets watchers that are gone.
    pub(super) fn tidy(&mut self) {
        self.0.retain(|_, watched| {
            watched.watchers.retain(|watcher| !watcher.is_closed());
            !watched.watchers.is_empty()
        });
    }

    /// There is nothing more to tell of this job.
    pub(super) fn end(&mut self, id: &[u8]) {
        self.0.remove(id);
    }

    /// Redis is about to be asked.
    pub(super) fn ask(&mut self, id: &[u8]) {
        if let Some(watched) = self.0.get_mut(id) {
            watched.heard_on = None;
        }
    }

    /// A message has come: the letter of a state, and the progress of an active job. Returns whether Redis must be asked, because the progress is too
    /// long for a message.
    pub(super) fn hear(&mut self, id: &[u8], task: String, message: &[u8], generation: u64) -> bool {
        let (Some(watched), Some((letter, progress))) = (self.0.get_mut(id), message.split_first()) else {
            return false;
        };
        let Some(state) = state_of(*letter) else { return false };
        if state == JobState::Active && progress.is_empty() {
            return true;
        }
        watched.heard_on = Some(generation);
        let progress = if progress.is_empty() {
            watched.last.take().and_then(|news| news.progress)
        } else {
            Some(progress.to_vec())
        };
        watched.tell(JobNews { task, state, progress });
        false
    }

    /// Redis has answered. If a message has come on this connection since it was asked, that is at least as new.
    pub(super) fn learn(&mut self, id: &[u8], task: &str, letter: &[u8], progress: Vec<u8>, generation: u64) {
        let Some(watched) = self.0.get_mut(id) else { return };
        let Some(state) = letter.first().and_then(|letter| state_of(*letter)) else { return };
        let progress = (!progress.is_empty()).then_some(progress);
        let mut news = JobNews { task: task.to_owned(), state, progress };
        if watched.heard_on == Some(generation)
            && let Some(last) = watched.last.take()
        {
            news = JobNews { progress: last.progress.or(news.progress), ..last };
        }
        watched.tell(news);
    }
}

impl Watched {
    fn tell(&mut self, news: JobNews) {
        for watcher in &self.watchers {
            watcher.send_if_modified(|last| {
                let is_new = last.as_ref() != Some(&news);
                if is_new {
                    *last = Some(news.clone());
                }
                is_new
            });
        }
        self.last = Some(news);
    }
}

const fn state_of(letter: u8) -> Option<JobState> {
    Some(match letter {
        b'w' => JobState::Waiting,
        b'd' => JobState::Delayed,
        b'r' => JobState::Retrying,
        b'a' => JobState::Active,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(state: JobState, progress: &str) -> Option<JobNews> {
        let progress = (!progress.is_empty()).then(|| progress.as_bytes().to_vec());
        Some(JobNews { task: "task".to_owned(), state, progress })
    }

    fn watched() -> (Watches, watch::Receiver<Option<JobNews>>) {
        let (mut watches, (watcher, told)) = (Watches::default(), watch::channel(None));
        watches.add(b"a".to_vec(), watcher);
        watches.ask(b"a");
        (watches, told)
    }

    #[test]
    fn an_answer_is_not_newer_than_a_message_that_was_read_before_it() {
        let (mut watches, told) = watched();
        assert!(!watches.hear(b"a", "task".to_owned(), b"a2", 7));
        watches.learn(b"a", "task", b"a", b"1".to_vec(), 7);
        assert_eq!(*told.borrow(), news(JobState::Active, "2"));
        // on another connection it is
        watches.learn(b"a", "task", b"w", b"3".to_vec(), 8);
        assert_eq!(*told.borrow(), news(JobState::Waiting, "3"));
    }

    #[test]
    fn a_message_without_progress_leaves_what_there_was() {
        let (mut watches, told) = watched();
        assert!(!watches.hear(b"a", "task".to_owned(), b"r", 7));
        assert_eq!(*told.borrow(), news(JobState::Retrying, ""));
        watches.learn(b"a", "task", b"a", b"1".to_vec(), 7);
        assert_eq!(*told.borrow(), news(JobState::Retrying, "1"));
        assert!(!watches.hear(b"a", "task".to_owned(), b"w", 7));
        assert_eq!(*told.borrow(), news(JobState::Waiting, "1"));
        assert!(watches.hear(b"a", "task".to_owned(), b"a", 7), "it is too long");
    }

    #[test]
    fn whoever_comes_later_is_told_what_the_others_know() {
        let (mut watches, told) = watched();
        watches.learn(b"a", "task", b"a", b"1".to_vec(), 7);
        let (watcher, later) = watch::channel(None);
        watches.add(b"a".to_vec(), watcher);
        assert_eq!(*told.borrow(), *later.borrow());
        drop((told, later));
        watches.tidy();
        assert!(watches.is_empty());
    }

    #[test]
    fn nonsense_is_not_told() {
        let (mut watches, told) = watched();
        for message in [&b""[..], b"?", b"z1"] {
            assert!(!watches.hear(b"a", "task".to_owned(), message, 7));
            watches.learn(b"a", "task", message, Vec::new(), 7);
        }
        assert_eq!(*told.borrow(), None);
    }
}

//! Pauses: that of a task, or of one of its keys, as its gate keeps it.

use crate::adapter::{NewPause, Pause};
use crate::job::{Timestamp, millis};

/// The pause of a task or a key, if it has one. One that has ended by itself counts as none, and is forgotten with the next change.
#[derive(Default)]
pub(super) struct Paused(Option<Pause>);

impl Paused {
    /// The pause, if it holds.
    pub(super) fn at(&self, now: u64) -> Option<&Pause> {
        self.0.as_ref().filter(|pause| pause.until.is_none_or(|until| until.as_millis() > now))
    }

    /// When it ends by itself, or has ended.
    pub(super) fn until(&self) -> Option<u64> {
        self.0.as_ref()?.until.map(Timestamp::as_millis)
    }

    /// Whether there is one, though it may have ended.
    pub(super) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Begins a pause. Returns whether there was none; if there was one, it ends when the later of both does.
    pub(super) fn begin(&mut self, new: NewPause, now: u64) -> bool {
        let until = new.lasting.map(|time| Timestamp::from_millis(now + millis(time)));
        self.forget_over(now);
        if let Some(pause) = &mut self.0 {
            pause.until = pause.until.zip(until).map(|(old, new)| old.max(new));
            return false;
        }
        let mut pause = Pause::new(Timestamp::from_millis(now));
        (pause.reason, pause.by, pause.until) = (new.reason, new.by, until);
        self.0 = Some(pause);
        true
    }

    /// Ends it. Returns whether it held.
    pub(super) fn end(&mut self, now: u64) -> bool {
        let held = self.at(now).is_some();
        self.0 = None;
        held
    }

    /// Takes over the pause of another, unless it has its own.
    pub(super) fn adopt(&mut self, former: Self, now: u64) {
        self.forget_over(now);
        if self.0.is_none() {
            *self = former;
        }
    }

    /// Forgets one that has ended by itself.
    pub(super) fn forget_over(&mut self, now: u64) {
        if self.at(now).is_none() {
            self.0 = None;
        }
    }
}

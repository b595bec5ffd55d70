//! The loop of the push connection's thread: requests, pushes and registrations, one after the other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use redis::{PushInfo, PushKind, Value};
use taskora::adapter::Cancellation;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::calls::{register, renew};
use super::{Actor, Answer, Outcome, Registered, Request, arrivals};
use crate::codec::{End, Reader};
use crate::fault::{again, pause};
use crate::id;

/// Answers may be large: fewer of them go in one call.
const MAX_WAITS: usize = 64;
/// How often a connection is checked while a caller awaits something or listens for cancellations on it. A silent connection
/// is noticed after this, plus the time of one call.
const CHECK: Duration = Duration::from_secs(8);
/// How often everything is registered again; the store forgets those who registered more than an hour ago.
const REFRESH: Duration = Duration::from_secs(1200);
/// The longest sleep.
const LONGEST: Duration = Duration::from_secs(3600);

impl Actor {
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Request>,
        mut pushed: mpsc::UnboundedReceiver<(u64, PushInfo)>,
        mut outcomes: mpsc::UnboundedReceiver<Outcome>,
    ) {
        let mut ticks = interval(CHECK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moves = self.link.settings().route.moves();
        loop {
            tokio::select! {
                request = inbox.recv() => match request {
                    Some(request) => {
                        self.take(request);
                        // requests that came together are sent together
                        while let Ok(request) = inbox.try_recv() {
                            self.take(request);
                        }
                    }
                    None => return,
                },
                Some((generation, push)) = pushed.recv() => self.hear(generation, push),
                Some(outcome) = outcomes.recv() => self.settle(outcome),
                _ = ticks.tick() => self.check(),
                () = sleep_until(self.next_deadline()) => self.ask_about_late(),
                // its connection counts as lost
                _ = moves.changed() => {}
            }
            self.keep_up();
        }
    }

    fn next_deadline(&self) -> Instant {
        self.deadlines.first().map_or_else(|| Instant::now() + LONGEST, |(at, _)| *at)
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Renew { leases, answer } => {
                let link = Arc::clone(&self.link);
                tokio::spawn(async move {
                    let _ = answer.send(renew(&link, &leases).await);
                });
            }
            Request::Await { id, answer } => {
                let waits = self.waits.entry(id.clone()).or_default();
                waits.push(answer);
                if waits.len() == 1 {
                    self.unregistered.push_back(id);
                }
            }
            Request::Watch { id, watcher } => {
                self.watches.add(id.clone(), watcher);
                self.unregistered.push_back(id);
            }
            Request::Listen => self.listening = true,
            Request::Follow => {
                tokio::spawn(arrivals::follow(self.link.shared_settings(), self.arrivals.clone()));
            }
        }
    }

    fn hear(&mut self, generation: u64, push: PushInfo) {
        match push.kind {
            PushKind::Disconnection => self.link.drop_generation(generation),
            // cancellations from before the subscription were not received on this connection
            PushKind::Subscribe if self.is_of_cancellations(push.data.first()) => {
                let _ = self.cancels.send(Cancellation::Missed);
            }
            PushKind::Message => {
                let mut data = push.data.into_iter();
                let (channel, Some(Value::BulkString(message))) = (data.next(), data.next()) else { return };
                if self.is_of_cancellations(channel.as_ref()) {
                    if let Some(id) = id::load(&message) {
                        let _ = self.cancels.send(Cancellation::Of(id));
                    }
                } else {
                    self.read_pushed(generation, &message);
                }
            }
            _ => {}
        }
    }

    fn is_of_cancellations(&self, channel: Option<&Value>) -> bool {
        matches!(channel, Some(Value::BulkString(channel)) if channel == self.cancel_channel.as_bytes())
    }

    /// Whether anybody waits for the job, or watches it.
    fn wants(&self, id: &[u8]) -> bool {
        self.waits.contains_key(id) || self.watches.has(id)
    }

    /// Length and id, length and task, and what is new, or the end; either is left out if it is too long to be pushed.
    fn read_pushed(&mut self, generation: u64, message: &[u8]) {
        let mut reader = Reader(message);
        let mut next = || {
            let len = reader.u8()?;
            Some(reader.take(len.into())?.to_vec())
        };
        let (Some(id), Some(Ok(task))) = (next(), next().map(String::from_utf8)) else {
            tracing::warn!("a pushed message cannot be read");
            return;
        };
        if !self.wants(&id) {
            return;
        }
        if reader.0.first().is_some_and(u8::is_ascii_lowercase) {
            if self.watches.hear(&id, task, reader.0, generation) {
                self.unregistered.push_back(id);
            }
            return;
        }
        match End::read(reader.0) {
            Some(end) => self.answer(&id, || Ok(Some(end.clone().ended(task.clone())))),
            None => self.unregistered.push_back(id),
        }
    }

    /// The job has ended, is unknown, or cannot be asked about.
    fn answer(&mut self, id: &[u8], answer: impl Fn() -> Answer) {
        self.watches.end(id);
        for wait in self.waits.remove(id).unwrap_or_default() {
            let _ = wait.send(answer());
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        self.registering = false;
        self.failures = if outcome.result.is_ok() { 0 } else { self.failures.saturating_add(1) };
        match outcome.result {
            Ok(Registered { generation, ends, news }) => {
                if generation != self.generation {
                    // this is another connection than the one on which the others were registered
                    self.register_all_but(&outcome.ids);
                    self.generation = generation;
                }
                let known = outcome.ids.iter().zip(&ends).zip(news);
                for ((id, (task, _)), (letter, progress)) in known {
                    self.watches.learn(id, task, &letter, progress, generation);
                }
                for (id, (task, end)) in outcome.ids.iter().zip(ends) {
                    if task.is_empty() {
                        self.answer(id, || Ok(None));
                    } else if let Some(wait) = end.strip_prefix(b"+") {
                        self.wait_for_deadline(id.clone(), wait);
                    } else if !end.is_empty() {
                        match End::read(&end) {
                            Some(end) => self.answer(id, || Ok(Some(end.clone().ended(task.clone())))),
                            None => self.answer(id, || Err(End::unreadable(&end, "the job"))),
                        }
                    }
                }
            }
            Err(error) if error.is_retryable() => self.unregistered.extend(outcome.ids),
            Err(error) => {
                for id in &outcome.ids {
                    self.answer(id, || Err(again(&error)));
                }
            }
        }
    }

    /// Sets a timer for a workflow's deadline. Asking about the workflow then makes the store end it.
    fn wait_for_deadline(&mut self, id: Vec<u8>, millis: &[u8]) {
        let wait = std::str::from_utf8(millis).ok().and_then(|millis| millis.parse().ok());
        if let Some(wait) = wait {
            // longer times are cut: the store is asked again, and returns the time that is left
            let at = Instant::now() + Duration::from_millis(wait).min(LONGEST);
            self.deadlines.insert((at, id));
        }
    }

    /// Asks about the workflows whose deadlines have passed.
    fn ask_about_late(&mut self) {
        while let Some((at, _)) = self.deadlines.first()
            && *at <= Instant::now()
            && let Some((_, id)) = self.deadlines.pop_first()
        {
            if self.waits.contains_key(&id) {
                self.unregistered.push_back(id);
            }
        }
    }

    /// Registers again now and then.
    fn refresh(&mut self) {
        if self.refreshed.elapsed() >= REFRESH {
            self.refreshed = Instant::now();
            self.register_all();
        }
    }

    fn register_all(&mut self) {
        self.register_all_but(&[]);
    }

    /// Queues every awaited job, except those of `asked` that nobody has queued since.
    fn register_all_but(&mut self, asked: &[Vec<u8>]) {
        let mut known: HashSet<&Vec<u8>> = asked.iter().collect();
        // somebody waits for it again: the answer for the first caller was pushed before this one came
        for id in &self.unregistered {
            known.remove(id);
        }
        let watched = self.watches.ids().filter(|id| !self.waits.contains_key(*id));
        self.unregistered =
            self.waits.keys().chain(watched).filter(|id| !known.contains(id)).cloned().collect();
    }

    /// Forgets callers that no longer wait, and checks that the connection is alive while it is needed.
    fn check(&mut self) {
        self.waits.retain(|_, waits| {
            waits.retain(|wait| !wait.is_closed());
            !waits.is_empty()
        });
        self.watches.tidy();
        self.refresh();
        let generation = self.link.generation();
        if generation != 0 && (self.listening || !self.waits.is_empty() || !self.watches.is_empty()) {
            let (link, pushes) = (Arc::clone(&self.link), self.pushes.clone());
            tokio::spawn(async move {
                // every user may send it, whatever its permissions
                if link.send("ping", link.settings().command_timeout, |_| redis::cmd("HELLO")).await.is_err()
                {
                    // as if the connection itself had reported it: a new one is opened at once
                    let _ =
                        pushes.send((generation, PushInfo { kind: PushKind::Disconnection, data: vec![] }));
                }
            });
        }
    }

    /// Registers what is not yet registered, and reconnects if a caller needs the connection; one call at a time.
    fn keep_up(&mut self) {
        let live = self.link.generation();
        self.is_connected
            .send_if_modified(|connected| std::mem::replace(connected, live != 0) != (live != 0));
        if self.registering {
            return;
        }
        let is_lost = live != self.generation;
        if is_lost && !(self.waits.is_empty() && self.watches.is_empty()) {
            self.register_all();
            self.generation = live;
        }
        let mut ids = Vec::new();
        while ids.len() < MAX_WAITS
            && let Some(id) = self.unregistered.pop_front()
        {
            // the waiting caller may be gone
            if self.wants(&id) {
                ids.push(id);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids.sort_by_key(|id| !self.watches.has(id));
        let watches = ids.partition_point(|id| self.watches.has(id));
        for id in &ids {
            self.watches.ask(id);
        }
        if ids.is_empty() && !(self.listening && live == 0) {
            return;
        }
        self.registering = true;
        let (link, tag, registered) = (Arc::clone(&self.link), self.tag.clone(), self.registered.clone());
        let failures = self.failures;
        tokio::spawn(async move {
            if failures > 0 {
                tokio::time::sleep(pause(failures)).await;
            }
            let result = register(&link, &tag, &ids, watches).await;
            let _ = registered.send(Outcome { ids, result });
        });
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{broadcast, oneshot, watch};

    use super::*;
    use crate::config::RedisConfig;

    fn actor() -> Actor {
        let settings = RedisConfig::new("redis://localhost").check().expect("a valid configuration");
        let (registered, _outcomes) = mpsc::unbounded_channel();
        let (pushes, _pushed) = mpsc::unbounded_channel();
        let (cancels, connected) = (broadcast::channel(1).0, watch::channel(false).0);
        Actor::new(&Arc::new(settings), cancels, connected, registered, pushes, arrivals::Arrivals::default())
    }

    fn wait(actor: &mut Actor, id: &[u8]) -> oneshot::Receiver<Answer> {
        let (answer, reply) = oneshot::channel();
        actor.take(Request::Await { id: id.to_vec(), answer });
        reply
    }

    #[tokio::test]
    async fn a_wait_that_comes_between_a_push_and_the_first_answer_is_registered() {
        let mut actor = actor();
        let _first = wait(&mut actor, b"a");
        let _other = wait(&mut actor, b"b");
        // both are sent on a new connection, and the end of one is pushed before their answer is read
        let ids: Vec<Vec<u8>> = actor.unregistered.drain(..).collect();
        actor.answer(b"a", || Ok(None));
        let _again = wait(&mut actor, b"a");
        let ends = ids.iter().map(|_| ("task".to_owned(), Vec::new())).collect();
        actor.settle(Outcome { ids, result: Ok(Registered { generation: 1, ends, news: Vec::new() }) });
        assert_eq!(Vec::from(actor.unregistered), [b"a".to_vec()]);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_long_registers_again() {
        let mut actor = actor();
        let _waits = wait(&mut actor, b"a");
        let (watcher, _news) = watch::channel(None);
        actor.take(Request::Watch { id: b"b".to_vec(), watcher });
        actor.unregistered.clear();
        actor.check();
        assert!(actor.unregistered.is_empty());
        tokio::time::advance(REFRESH).await;
        actor.check();
        let mut ids = Vec::from(std::mem::take(&mut actor.unregistered));
        ids.sort();
        assert_eq!(ids, [b"a", b"b"]);
        actor.check();
        assert!(actor.unregistered.is_empty());
    }
}

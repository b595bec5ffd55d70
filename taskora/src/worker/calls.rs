//! The worker's calls in flight: exchanges, and the listener's claim, which is answered when there is work.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::backoff::StoreBackoff;
use super::capacity::Reservation;
use super::store::{Refused, Store, backoff, ends_the_worker, until_answered};
use super::tally::Sent;
use crate::adapter::{CallId, Exchange, Exchanged, TaskClaim, WorkListener, step_aside};

/// The most exchanges in flight at a time.
const EXCHANGES: usize = 2;
/// The slot of the listener.
const LISTENER: usize = EXCHANGES;
/// The longest wait for work. It only determines how soon a dead connection is noticed.
const WAIT: Duration = Duration::from_secs(10);
/// The same as a share of the shortest lease, because a lease counts from when its wait began.
const WAIT_SHARE: f64 = 0.25;

/// The store's answer to a call.
pub(crate) type Answer = Result<Exchanged, Refused>;

/// A call in flight.
pub(crate) struct Call {
    /// Its number among all calls.
    number: u64,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    /// What it settles.
    pub(crate) sent: Vec<Sent>,
    pub(crate) reservation: Option<Reservation>,
    /// The most jobs that it claims.
    pub(crate) limit: usize,
    pub(crate) asked: Instant,
    /// The work epoch when the call was made: an answer of an older epoch says nothing about work that came since.
    pub(crate) work_epoch: u64,
}

/// What the listener waits for.
struct Listening {
    tasks: Arc<[TaskClaim]>,
    wake_early: Arc<Notify>,
}

pub(crate) struct Calls {
    store: Arc<Store>,
    worker: Arc<str>,
    listener: Arc<dyn WorkListener>,
    listener_backoff: Arc<Mutex<StoreBackoff>>,
    listening: Option<Listening>,
    slots: [Option<Call>; EXCHANGES + 1],
    numbers: [u64; EXCHANGES + 1],
    /// How many calls have been made.
    made: u64,
}

impl Calls {
    pub(crate) fn new(store: Arc<Store>, worker: Arc<str>) -> Self {
        Self {
            listener: Arc::from(store.adapter.signals().work()),
            listener_backoff: Arc::new(Mutex::new(backoff())),
            store,
            worker,
            listening: None,
            slots: [const { None }; EXCHANGES + 1],
            numbers: [0; EXCHANGES + 1],
            made: 0,
        }
    }

    /// A free slot for an exchange.
    pub(crate) fn free_slot(&self) -> Option<usize> {
        self.slots.iter().take(EXCHANGES).position(Option::is_none)
    }

    /// Whether exchanges are in flight.
    pub(crate) fn exchanges(&self) -> bool {
        self.slots.iter().take(EXCHANGES).any(Option::is_some)
    }

    /// Whether exchanges that settle something are in flight.
    pub(crate) fn settles(&self) -> bool {
        self.slots.iter().take(EXCHANGES).flatten().any(|call| !call.sent.is_empty())
    }

    /// Whether exchanges that claim are in flight.
    pub(crate) fn claims(&self) -> bool {
        self.slots.iter().take(EXCHANGES).flatten().any(|call| call.limit > 0)
    }

    /// Whether any call is in flight.
    pub(crate) fn any(&self) -> bool {
        self.slots.iter().any(Option::is_some)
    }

    /// What the listener waits for, if it waits.
    pub(crate) fn listening(&self) -> Option<&[TaskClaim]> {
        self.listening.as_ref().map(|listening| &*listening.tasks)
    }

    /// The id of this slot's next call.
    pub(crate) fn name(&mut self, slot: usize) -> CallId {
        let number = self.numbers.get_mut(slot).map_or(0, |number| {
            *number += 1;
            *number
        });
        CallId { worker: self.worker.clone(), slot: slot as u8, number }
    }

    /// The id of the listener's next call. The worker's last call uses it, too, so that an earlier call of the listener
    /// claims nothing if it arrives after that.
    pub(crate) fn name_listener(&mut self) -> CallId {
        self.name(LISTENER)
    }

    /// Makes an exchange in a free slot.
    pub(crate) fn exchange(
        &mut self,
        slot: usize,
        exchange: Exchange,
        reservation: Option<Reservation>,
        work_epoch: u64,
    ) {
        let (limit, sent) = summary(&exchange);
        let answer = Box::pin(until_answered(self.store.clone(), exchange));
        self.put(
            slot,
            Call { number: 0, answer, sent, reservation, limit, asked: Instant::now(), work_epoch },
        );
    }

    /// Makes the listener's claim: at once if the store has kept a signal, otherwise when there is work.
    pub(crate) fn listen(&mut self, exchange: Exchange, reservation: Option<Reservation>, work_epoch: u64) {
        let wake_early = Arc::new(Notify::new());
        let tasks = exchange.claim.as_ref().map(|claim| claim.tasks.clone()).unwrap_or_default();
        let shortest = tasks.iter().map(|task| task.lease).min().unwrap_or(WAIT);
        let wait = WAIT.min(shortest.mul_f64(WAIT_SHARE));
        self.listening = Some(Listening { tasks, wake_early: wake_early.clone() });
        let (limit, sent) = summary(&exchange);
        let (store, listener, backoff) =
            (self.store.clone(), self.listener.clone(), self.listener_backoff.clone());
        let answer = Box::pin(async move {
            // let jobs that were just claimed start before this is sent
            step_aside().await;
            match listener.wait(&exchange, wait, &wake_early).await {
                Ok(answer) => {
                    locked(&backoff).reset();
                    store.answered();
                    Ok(answer)
                }
                Err(error) if ends_the_worker(&error) => Err(Refused::claim(error)),
                Err(error) => {
                    store.failed(&error);
                    tracing::warn!(%error, "cannot wait for work");
                    let delay = locked(&backoff).delay();
                    let _ = tokio::time::timeout(delay, wake_early.notified()).await;
                    // a signal may have been missed, so look for work; if the claim was made, this repeats it
                    until_answered(store, exchange).await
                }
            }
        });
        self.put(
            LISTENER,
            Call { number: 0, answer, sent, reservation, limit, asked: Instant::now(), work_epoch },
        );
    }

    fn put(&mut self, slot: usize, mut call: Call) {
        self.made += 1;
        call.number = self.made;
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = Some(call);
        }
    }

    /// Makes the listener claim now.
    pub(crate) fn wake_early(&self) {
        if let Some(listening) = &self.listening {
            listening.wake_early.notify_one();
        }
    }

    /// The answered calls, at least one, in the order they were made, so that their jobs start in order.
    pub(crate) async fn answered(&mut self) -> Vec<(Call, Answer)> {
        std::future::poll_fn(|cx| {
            let mut answers = self.take_answered(cx);
            if answers.is_empty() {
                return Poll::Pending;
            }
            // answers come in order: an earlier call that had no answer a moment ago has one by now
            answers.extend(self.take_answered(cx));
            answers.sort_by_key(|(call, _)| call.number);
            Poll::Ready(answers)
        })
        .await
    }

    /// Polls the calls in the order they were made, which is the order they are sent in.
    fn take_answered(&mut self, cx: &mut Context<'_>) -> Vec<(Call, Answer)> {
        let mut slots = self.slots.each_mut();
        slots.sort_by_key(|slot| slot.as_ref().map(|call| call.number));
        let mut answers = Vec::new();
        for slot in slots {
            if let Some(call) = slot
                && let Poll::Ready(answer) = call.answer.as_mut().poll(cx)
                && let Some(call) = slot.take()
            {
                answers.push((call, answer));
            }
        }
        if self.slots.get(LISTENER).is_some_and(Option::is_none) {
            self.listening = None;
        }
        answers
    }
}

fn summary(exchange: &Exchange) -> (usize, Vec<Sent>) {
    let limit = exchange.claim.as_ref().map_or(0, |claim| claim.limit);
    (limit, exchange.settle.iter().map(Sent::new).collect())
}

fn locked(backoff: &Mutex<StoreBackoff>) -> std::sync::MutexGuard<'_, StoreBackoff> {
    backoff.lock().unwrap_or_else(PoisonError::into_inner)
}

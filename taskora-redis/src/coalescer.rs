//! Batches concurrent dispatches: jobs with jobs, and starts of small workflows with each other. At most two calls are in
//! flight; dispatches that come meanwhile go with the next one. A dispatch that finds a free call goes at once, in its
//! caller's own future.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use taskora::AdapterError;
use taskora::adapter::step_aside;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::fault::again;
use crate::link::Link;

/// The most jobs, or nodes, in one call.
const MAX_JOBS: usize = 500;
/// The most in one call made of several dispatches.
const MAX_GATHERED: usize = 256;
/// The approximate limit of bytes in one call.
const MAX_BYTES: usize = 1 << 20;
/// A dispatch of more jobs goes alone.
const MAX_SMALL: usize = 64;
const MAX_CALLS: u8 = 2;

/// What can be batched.
pub(crate) trait Item: Send + Sync + Sized + 'static {
    type Answer: Send + 'static;

    /// How many jobs it has.
    fn count(&self) -> usize;

    /// About how many bytes are sent.
    fn size(&self) -> usize;

    /// Makes one call for all of them, with one answer for each.
    fn send(
        link: &Link,
        items: &[&Self],
    ) -> impl Future<Output = Result<Vec<Self::Answer>, AdapterError>> + Send;
}

type Answers<T> = Result<Vec<<T as Item>::Answer>, AdapterError>;

/// Sends concurrent dispatches in few calls.
pub(crate) struct Coalescer<T: Item> {
    link: Arc<Link>,
    line: Mutex<Line<T>>,
}

struct Line<T: Item> {
    calls: u8,
    waiting: VecDeque<Dispatch<T>>,
}

struct Dispatch<T: Item> {
    items: Vec<T>,
    answer: oneshot::Sender<Answers<T>>,
}

enum Place<T: Item> {
    /// A call is free: send them now.
    First(Vec<T>),
    /// They go with the next call.
    InLine(oneshot::Receiver<Answers<T>>),
}

impl<T: Item> Coalescer<T> {
    pub(crate) fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(Self { link, line: Mutex::new(Line { calls: 0, waiting: VecDeque::new() }) })
    }

    pub(crate) async fn send(self: &Arc<Self>, items: Vec<T>) -> Answers<T> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        if count(&items) > MAX_SMALL || size(&items) > MAX_BYTES / 4 {
            let mut answers = Vec::with_capacity(items.len());
            let mut rest = items.as_slice();
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(fitting(rest));
                answers.extend(T::send(&self.link, &piece.iter().collect::<Vec<_>>()).await?);
                rest = tail;
            }
            return Ok(answers);
        }
        match self.find_place(items) {
            Place::First(items) => {
                let _turn = Turn(self);
                let answers = T::send(&self.link, &items.iter().collect::<Vec<_>>()).await;
                if let Err(error) = &answers {
                    self.fail_waiting(error);
                }
                answers
            }
            Place::InLine(answer) => answer.await.unwrap_or_else(|_| {
                Err(AdapterError::Unavailable {
                    address: self.link.settings().address.clone(),
                    message: "the runtime was shut down during the dispatch".to_owned(),
                })
            }),
        }
    }

    fn line(&self) -> MutexGuard<'_, Line<T>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_place(&self, items: Vec<T>) -> Place<T> {
        let mut line = self.line();
        if line.calls < MAX_CALLS && line.waiting.is_empty() {
            line.calls += 1;
            return Place::First(items);
        }
        let (sender, answer) = oneshot::channel();
        line.waiting.push_back(Dispatch { items, answer: sender });
        Place::InLine(answer)
    }

    /// The waiting dispatches, up to the limits of one call. If none waits, the caller's turn ends.
    fn next_batch(&self) -> Vec<Dispatch<T>> {
        let mut line = self.line();
        let (mut jobs, mut bytes) = (0, 0);
        let mut batch = Vec::new();
        while let Some(dispatch) = line.waiting.front() {
            jobs += count(&dispatch.items);
            bytes += size(&dispatch.items);
            if !batch.is_empty() && (jobs > MAX_GATHERED || bytes > MAX_BYTES) {
                break;
            }
            batch.extend(line.waiting.pop_front());
        }
        if batch.is_empty() {
            line.calls -= 1;
        }
        batch
    }

    /// A call has timed out because the server cannot be reached. Fails the waiting dispatches, too, so that they do not
    /// wait for another timeout.
    fn fail_waiting(&self, error: &AdapterError) {
        if !matches!(error, AdapterError::Unavailable { .. }) {
            return;
        }
        let waiting = std::mem::take(&mut self.line().waiting);
        for dispatch in waiting {
            let _ = dispatch.answer.send(Err(again(error)));
        }
    }

    /// Serves waiting callers until there are none.
    async fn serve(mut turn: Serving<T>) {
        let coalescer = Arc::clone(&turn.coalescer);
        loop {
            let batch = coalescer.next_batch();
            if batch.is_empty() {
                turn.is_over = true;
                return;
            }
            let items: Vec<&T> = batch.iter().flat_map(|dispatch| &dispatch.items).collect();
            let answers = T::send(&coalescer.link, &items).await;
            if let Err(error) = &answers {
                coalescer.fail_waiting(error);
            }
            let mut answers = answers.map(Vec::into_iter);
            for dispatch in batch {
                let own = match &mut answers {
                    Ok(answers) => Ok(answers.by_ref().take(dispatch.items.len()).collect()),
                    Err(error) => Err(again(error)),
                };
                // a caller that is gone needs no answer; its jobs are stored nevertheless
                let _ = dispatch.answer.send(own);
            }
            // callers that were just answered may dispatch again at once, and go together
            step_aside().await;
        }
    }
}

/// A caller's turn. When it ends, even because the caller dropped its future, another caller serves the waiting ones.
struct Turn<'a, T: Item>(&'a Arc<Coalescer<T>>);

impl<T: Item> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut line = self.0.line();
        if line.waiting.is_empty() {
            line.calls -= 1;
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => {
                drop(line);
                runtime.spawn(Coalescer::serve(Serving { coalescer: Arc::clone(self.0), is_over: false }));
            }
            // dropped outside a runtime, which is being shut down: tell the waiting callers
            Err(_) => {
                line.calls -= 1;
                line.waiting.clear();
            }
        }
    }
}

/// The turn of [`Coalescer::serve`]. A runtime that is shut down drops it early, or never begins it. Then the waiting
/// callers are told, and the turn is free again.
struct Serving<T: Item> {
    coalescer: Arc<Coalescer<T>>,
    is_over: bool,
}

impl<T: Item> Drop for Serving<T> {
    fn drop(&mut self) {
        if !self.is_over {
            let mut line = self.coalescer.line();
            line.calls -= 1;
            line.waiting.clear();
        }
    }
}

fn count<T: Item>(items: &[T]) -> usize {
    items.iter().map(Item::count).sum()
}

fn size<T: Item>(items: &[T]) -> usize {
    items.iter().map(Item::size).sum()
}

/// How many of these fit into one call; at least one.
fn fitting<T: Item>(items: &[T]) -> usize {
    let (mut jobs, mut bytes) = (0, 0);
    let fit = items.iter().take_while(|item| {
        jobs += item.count();
        bytes += item.size();
        jobs <= MAX_JOBS && bytes <= MAX_BYTES
    });
    fit.count().max(1)
}

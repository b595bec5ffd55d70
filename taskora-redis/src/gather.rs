//! Puts concurrent dispatches together. At most two calls are under way; what comes meanwhile goes with the next one.
//! A dispatch that finds a call free goes at once, in its caller's own future.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use taskora::AdapterError;
use taskora::adapter::Enqueued;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::answer::letters;
use crate::fault::again;
use crate::link::Link;
use crate::record::Packed;
use crate::scripts::SCRIPTS;

/// Jobs in one call.
const MAX_JOBS: usize = 500;
/// Jobs in one call made of several dispatches.
const MAX_GATHERED: usize = 256;
/// About how many bytes go in one call.
const MAX_BYTES: usize = 1 << 20;
/// A dispatch of more jobs goes by itself.
const MAX_SMALL: usize = 64;
const MAX_CALLS: u8 = 2;

type Answers = Result<Vec<Enqueued>, AdapterError>;

/// Stores jobs in few calls.
pub(crate) struct Gather {
    link: Arc<Link>,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    calls: u8,
    waiting: VecDeque<Dispatch>,
}

struct Dispatch {
    jobs: Vec<Packed>,
    answer: oneshot::Sender<Answers>,
}

enum Place {
    /// A call is free: send them now.
    First(Vec<Packed>),
    /// They go with the next call.
    InLine(oneshot::Receiver<Answers>),
}

impl Gather {
    pub(crate) fn new(link: Arc<Link>) -> Arc<Self> {
        Arc::new(Self { link, line: Mutex::default() })
    }

    pub(crate) async fn enqueue(self: &Arc<Self>, jobs: Vec<Packed>) -> Answers {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        if jobs.len() > MAX_SMALL || size(&jobs) > MAX_BYTES / 4 {
            let mut answers = Vec::with_capacity(jobs.len());
            let mut rest = jobs.as_slice();
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(fitting(rest));
                answers.extend(self.store(&piece.iter().collect::<Vec<_>>()).await?);
                rest = tail;
            }
            return Ok(answers);
        }
        match self.find_place(jobs) {
            Place::First(jobs) => {
                let _turn = Turn(self);
                let answers = self.store(&jobs.iter().collect::<Vec<_>>()).await;
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

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_place(&self, jobs: Vec<Packed>) -> Place {
        let mut line = self.line();
        if line.calls < MAX_CALLS && line.waiting.is_empty() {
            line.calls += 1;
            return Place::First(jobs);
        }
        let (sender, answer) = oneshot::channel();
        line.waiting.push_back(Dispatch { jobs, answer: sender });
        Place::InLine(answer)
    }

    /// What waits, up to the limits of one call. With nothing waiting the caller's turn ends.
    fn next_batch(&self) -> Vec<Dispatch> {
        let mut line = self.line();
        let (mut jobs, mut bytes) = (0, 0);
        let mut batch = Vec::new();
        while let Some(dispatch) = line.waiting.front() {
            jobs += dispatch.jobs.len();
            bytes += size(&dispatch.jobs);
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

    /// A call has used up its time, because nobody is there: whoever waits for the next one is not to wait for that one's
    /// time as well.
    fn fail_waiting(&self, error: &AdapterError) {
        if !matches!(error, AdapterError::Unavailable { .. }) {
            return;
        }
        let waiting = std::mem::take(&mut self.line().waiting);
        for dispatch in waiting {
            let _ = dispatch.answer.send(Err(again(error)));
        }
    }

    /// Serves whoever waits until nobody does.
    async fn serve(mut turn: Serving) {
        let gather = Arc::clone(&turn.gather);
        loop {
            let batch = gather.next_batch();
            if batch.is_empty() {
                turn.is_over = true;
                return;
            }
            let jobs: Vec<&Packed> = batch.iter().flat_map(|dispatch| &dispatch.jobs).collect();
            let answers = gather.store(&jobs).await;
            if let Err(error) = &answers {
                gather.fail_waiting(error);
            }
            let mut answers = answers.map(Vec::into_iter);
            for dispatch in batch {
                let own = match &mut answers {
                    Ok(answers) => Ok(answers.take(dispatch.jobs.len()).collect()),
                    Err(error) => Err(again(error)),
                };
                // whoever is gone asked for no answer; the jobs are stored all the same
                let _ = dispatch.answer.send(own);
            }
            // those who were just answered may come back at once, and go together
            tokio::task::yield_now().await;
        }
    }

    async fn store(&self, jobs: &[&Packed]) -> Answers {
        let answer = self
            .link
            .script_carrying(jobs.iter().map(|job| job.size()).sum(), &SCRIPTS.enqueue, |cmd, how| {
                cmd.arg(u8::from(how.repeat)).arg(jobs.len());
                for job in jobs {
                    cmd.arg(&job.id).arg(&job.rest);
                }
                for job in jobs {
                    if let Some(payload) = &job.payload {
                        cmd.arg(payload);
                    }
                    if let Some(due) = &job.due {
                        cmd.arg(due);
                    }
                }
            })
            .await?
            .1;
        let answers = letters(answer, jobs.len(), "the answer to `enqueue`")?;
        let read = |letter| if letter == b'1' { Enqueued::New } else { Enqueued::Duplicate };
        Ok(answers.into_iter().map(read).collect())
    }
}

/// A caller's turn. When it is over, also because the caller's future was dropped, somebody else serves whoever waits.
struct Turn<'a>(&'a Arc<Gather>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut line = self.0.line();
        if line.waiting.is_empty() {
            line.calls -= 1;
            return;
        }
        match Handle::try_current() {
            Ok(runtime) => {
                drop(line);
                runtime.spawn(Gather::serve(Serving { gather: Arc::clone(self.0), is_over: false }));
            }
            // dropped outside of a runtime, which is being shut down: those who wait are told so
            Err(_) => {
                line.calls -= 1;
                line.waiting.clear();
            }
        }
    }
}

/// The turn of [`Gather::serve`]. A runtime that is shut down drops it before it is over, or does not even begin it: those
/// who wait are told so, and the turn is free again.
struct Serving {
    gather: Arc<Gather>,
    is_over: bool,
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.is_over {
            let mut line = self.gather.line();
            line.calls -= 1;
            line.waiting.clear();
        }
    }
}

fn size(jobs: &[Packed]) -> usize {
    jobs.iter().map(Packed::size).sum()
}

/// How many of these jobs go in one call; at least one.
fn fitting(jobs: &[Packed]) -> usize {
    let mut bytes = 0;
    let fit = jobs.iter().take(MAX_JOBS).take_while(|job| {
        bytes += job.size();
        bytes <= MAX_BYTES
    });
    fit.count().max(1)
}

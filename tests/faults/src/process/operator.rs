//! What a producer does as an operator would: changes jobs that it has dispatched, and pauses a task.

use std::future::Future;
use std::time::Duration;

use taskora::prelude::*;
use taskora::{ActionError, AdapterError};

use super::producer::{AGAIN, Desk};
use crate::ledger::{Record, now};
use crate::seed::Random;
use crate::tasks::{Act, Done, Serve, Work};

/// How long a pause lasts at most: it ends by itself if nobody is left to end it.
const PAUSE: Duration = Duration::from_millis(150);

impl Desk {
    /// Does something with a job, if its state allows that by now.
    pub(super) async fn change<F>(&self, job: &str, what: &str, call: impl Fn() -> F)
    where
        F: Future<Output = Result<(), ActionError>>,
    {
        loop {
            let asked = now();
            match call().await {
                Ok(()) | Err(ActionError::State { .. } | ActionError::Job(JobError::NotFound { .. })) => {
                    return;
                }
                Err(error) => self.failed(job, what, &error, asked),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Puts another job in the place of this one, if it has not been claimed. Then that one must end.
    pub(super) async fn replace(&self, handle: &JobHandle<Done>, act: &Act) {
        let (old, new) = (handle.id().to_string(), format!("{}-again", handle.id()));
        self.ledger.write(Record::Trying { job: new.clone(), workflow: false });
        loop {
            let asked = now();
            match handle.replace(Work { act: act.clone() }).id(new.as_str()).await {
                Ok(_) => {
                    self.ledger.write(Record::Accepted { job: new, workflow: false, duplicate: false });
                    return;
                }
                Err(ActionError::State { .. } | ActionError::Job(JobError::NotFound { .. })) => return,
                Err(error) => self.failed(&old, "replace", &error, asked),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Pauses the task with limits by key, and ends the pause, or leaves that to time.
    pub(super) async fn pause(&self, job: &str, random: &mut Random) {
        let queues = self.app.queues();
        self.settle(job, "pause", || queues.pause::<Serve>().reason("a fault").lasting(PAUSE).into_future())
            .await;
        if random.percent(50) {
            self.settle(job, "resume", || queues.resume::<Serve>().into_future()).await;
        }
    }

    async fn settle<F: Future<Output = Result<bool, AdapterError>>>(
        &self,
        job: &str,
        what: &str,
        call: impl Fn() -> F,
    ) {
        loop {
            let asked = now();
            match call().await {
                Ok(_) => return,
                Err(error) => self.failed(job, what, &error, asked),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

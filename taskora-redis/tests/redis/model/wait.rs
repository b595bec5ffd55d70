//! Waits for ends, which go on while other operations happen.

use std::time::Instant;

use taskora::adapter::{Signals, Workflows};
use taskora::{AdapterError, JobId};
use taskora_test_server::RedisServer;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::compare::{is_known, shown, shown_workflow};
use super::operation::{Target, flow_id};
use super::pair::{Pair, both, same};
use crate::kit::PATIENCE;

/// A wait on both.
pub(super) struct Wait {
    what: String,
    pub(super) memory: JoinHandle<String>,
    pub(super) redis: JoinHandle<String>,
}

impl Pair<'_> {
    pub(super) fn wait(&mut self, target: Target) -> Result<(), String> {
        let id = target.id();
        if !both!(self, |adapter| is_known(adapter, &id)) {
            return Ok(());
        }
        let before = waiters(self.server);
        let (memory, redis) = (self.memory.1.clone(), self.redis.1.clone());
        let (here, there) = (id.clone(), id.clone());
        self.waits.push_back(Wait {
            what: end_of(&id),
            memory: self
                .memory
                .0
                .spawn(async move { answer(memory.ended(&here).await, |e| shown(e.as_ref())) }),
            redis: self
                .redis
                .0
                .spawn(async move { answer(redis.ended(&there).await, |e| shown(e.as_ref())) }),
        });
        self.registered(before)
    }

    pub(super) fn wait_for_workflow(&mut self, number: u8) -> Result<(), String> {
        let id = flow_id(number);
        let known = both!(self, |adapter| async {
            adapter.workflow(&id, false).await.map(|record| record.is_some())
        });
        if !known {
            return Ok(());
        }
        let before = waiters(self.server);
        let (memory, redis) = (self.memory.1.clone(), self.redis.1.clone());
        let (here, there) = (id.clone(), id.clone());
        let show = |ended: Option<_>| shown_workflow(ended.as_ref());
        self.waits.push_back(Wait {
            what: format!("the end of workflow {id}"),
            memory: self.memory.0.spawn(async move { answer(memory.workflow_ended(&here).await, show) }),
            redis: self.redis.0.spawn(async move { answer(redis.workflow_ended(&there).await, show) }),
        });
        self.registered(before)
    }

    /// Waits until Redis knows of the newest wait, or has answered it: what comes next must find it there.
    fn registered(&mut self, known_before: i64) -> Result<(), String> {
        self.memory.0.block_on(tokio::task::yield_now());
        let Some(wait) = self.waits.back() else { return Ok(()) };
        if !self.registered.insert(wait.what.clone()) {
            return Ok(());
        }
        let deadline = Instant::now() + PATIENCE;
        while !wait.redis.is_finished() && waiters(self.server) == known_before {
            self.redis.0.block_on(tokio::task::yield_now());
            if Instant::now() > deadline {
                return Err(format!("redis was not told of the wait for {}", wait.what));
            }
        }
        Ok(())
    }

    /// Whoever was told on the one was told the same on the other, and nobody else was.
    pub(super) fn compare_waits(&mut self) -> Result<(), String> {
        // the model's waits go on when its runtime does
        self.memory.0.block_on(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        });
        for wait in std::mem::take(&mut self.waits) {
            if !wait.memory.is_finished() {
                if wait.redis.is_finished() {
                    return Err(format!("redis has told {}, and memory has not", wait.what));
                }
                self.waits.push_back(wait);
                continue;
            }
            let expected = self.memory.0.block_on(wait.memory).map_err(|e| e.to_string())?;
            let told = self.redis.0.block_on(async { timeout(PATIENCE, wait.redis).await });
            let told = told.map_err(|_| format!("redis has not told {}: {expected}", wait.what))?;
            same(&wait.what, &expected, &told.map_err(|error| error.to_string())?)?;
        }
        Ok(())
    }
}

pub(super) fn end_of(id: &JobId) -> String {
    format!("the end of {id}")
}

/// How many jobs and workflows are awaited on Redis.
fn waiters(server: &RedisServer) -> i64 {
    server.command(&["HLEN", "{taskora}:waiters"]).ok().and_then(|reply| reply.number()).unwrap_or(0)
}

fn answer<T>(result: Result<T, AdapterError>, show: impl Fn(T) -> String) -> String {
    result.map_or_else(|error| format!("error: {error}"), show)
}

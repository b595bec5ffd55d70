//! What operators do with single jobs.

use async_trait::async_trait;
use redis::Value;
use taskora::adapter::{Acted, Actions, Due, NewJob, Revival};
use taskora::{AdapterError, JobId, JobState, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, newer, nonsense};
use crate::codec::{millis, pack, state};
use crate::id;
use crate::scripts::SCRIPTS;

#[async_trait]
impl Actions for RedisAdapter {
    async fn revive(&self, jobs: Vec<Revival>) -> Result<Vec<Acted>, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.revive, |call, how| {
            call.put("again", u8::from(how.repeat));
            for job in &jobs {
                call.list(id::store(&job.id)).list(job.ended_at.as_millis()).list(millis(job.delay));
            }
        });
        read_all(answer.await?, jobs.len(), "the answer to `revive`")
    }

    async fn promote(&self, id: &JobId) -> Result<Acted, AdapterError> {
        let id = id::store(id);
        let answer = self.inner.script(&SCRIPTS.promote, |call, how| {
            call.put("again", u8::from(how.repeat)).put("id", &id);
        });
        read(&bytes(answer.await?, "the answer to `promote`")?)
    }

    async fn withdraw(&self, ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError> {
        self.withdraw_all(ids, reason, b"c").await
    }

    async fn delete(&self, ids: &[JobId], reason: &str) -> Result<Vec<Acted>, AdapterError> {
        self.withdraw_all(ids, reason, b"d").await
    }

    async fn discard(&self, jobs: Vec<(JobId, Timestamp)>) -> Result<Vec<Acted>, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.discard, |call, how| {
            call.put("again", u8::from(how.repeat));
            for (id, ended_at) in &jobs {
                call.list(id::store(id)).list(ended_at.as_millis());
            }
        });
        read_all(answer.await?, jobs.len(), "the answer to `discard`")
    }

    async fn reprioritise(&self, id: &JobId, priority: i16) -> Result<Acted, AdapterError> {
        let id = id::store(id);
        let answer = self.inner.script(&SCRIPTS.reprioritise, |call, how| {
            call.put("again", u8::from(how.repeat)).put("id", &id).put("priority", priority);
        });
        read(&bytes(answer.await?, "the answer to `reprioritise`")?)
    }

    async fn replace(&self, id: &JobId, with: NewJob, reason: &str) -> Result<Acted, AdapterError> {
        let with = NewJob { due: Due::Now, replace_failed: false, tick: None, ..with };
        let (id, new) = (id::store(id), pack(with).map_err(AdapterError::Config)?);
        let answer = self.inner.script_carrying(new.size(), &SCRIPTS.replace, |call, _| {
            call.put("id", &id).put("reason", reason).put("new_id", &new.id).put("record", &new.rest);
            call.put("payload", new.payload.as_deref().unwrap_or_default());
        });
        match bytes(answer.await?, "the answer to `replace`")?.as_slice() {
            b"O" => Err(AdapterError::Config("a job is replaced by one of its own task".to_owned())),
            answer => read(answer),
        }
    }
}

impl RedisAdapter {
    async fn withdraw_all(
        &self,
        ids: &[JobId],
        reason: &str,
        what: &[u8],
    ) -> Result<Vec<Acted>, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.withdraw, |call, how| {
            call.put("again", u8::from(how.repeat)).put("what", what);
            call.put("reason", reason);
            for id in ids {
                call.list(id::store(id));
            }
        });
        read_all(answer.await?, ids.len(), "the answer to `withdraw`")
    }
}

fn read_all(answer: Value, count: usize, what: &str) -> Result<Vec<Acted>, AdapterError> {
    let answers = array(answer, what)?;
    if answers.len() != count {
        return Err(nonsense(format!("{what} has {} values for {count} jobs", answers.len())));
    }
    answers.into_iter().map(|answer| read(&bytes(answer, what)?)).collect()
}

/// See `lua/lib/act.lua`.
fn read(answer: &[u8]) -> Result<Acted, AdapterError> {
    Ok(match answer {
        b"1" => Acted::Done,
        b"N" => Acted::NotFound,
        b"?" => return Err(newer("the job")),
        b"T" => Acted::Taken,
        b"w" => Acted::Is(JobState::Waiting),
        b"d" => Acted::Is(JobState::Delayed),
        b"r" => Acted::Is(JobState::Retrying),
        b"a" => Acted::Is(JobState::Active),
        [b'W', workflow @ ..] if !workflow.is_empty() => match id::load_workflow(workflow) {
            Some(workflow) => Acted::PartOf(workflow),
            None => return Err(nonsense("a job is the node of a workflow whose id cannot be read")),
        },
        [letter] => Acted::Is(state(*letter).ok_or_else(|| newer("the job"))?),
        _ => return Err(nonsense("the answer to an action is unknown")),
    })
}

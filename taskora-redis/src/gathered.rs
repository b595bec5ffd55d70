//! What gathers under a key.

use redis::Value;
use taskora::adapter::{Collected, GatedTask, LimitKey};
use taskora::{AdapterError, JobId, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, nonsense, number};
use crate::control::aliases;
use crate::id;
use crate::scripts::SCRIPTS;

const WHAT: &str = "the answer to `collected`";

impl RedisAdapter {
    pub(crate) async fn gathered(
        &self,
        task: &GatedTask,
        key: &LimitKey,
        limit: usize,
    ) -> Result<Option<Collected>, AdapterError> {
        let limit = limit.min(Collected::MAX_ITEMS);
        let (lines, mut items) = self.page(task, key, 0, limit).await?;
        let mut all: Option<Collected> = None;
        for line in lines {
            match (&mut all, read_line(line)?) {
                (Some(all), Some(line)) => all.merge(line),
                (all, line) => *all = all.take().or(line),
            }
        }
        let Some(mut all) = all else { return Ok(None) };
        // a page has at least one item, if there is another one
        while !items.is_empty() {
            all.items.append(&mut items);
            let room = limit.min(all.count).saturating_sub(all.items.len());
            if room > 0 {
                items = self.page(task, key, all.items.len(), room).await?.1;
            }
        }
        Ok(Some(all))
    }

    /// What is known about each line of the task, and items, `from` this one on.
    async fn page(
        &self,
        task: &GatedTask,
        key: &LimitKey,
        from: usize,
        limit: usize,
    ) -> Result<(Vec<Value>, Vec<(JobId, Vec<u8>)>), AdapterError> {
        let aliases = aliases(task);
        let answer = self.inner.script(&SCRIPTS.collected, |call, _| {
            call.put("task", &*task.task).put("aliases", &aliases).put("key", key.as_str());
            call.put("from", from).put("limit", limit);
        });
        let [lines, items] = exactly(answer.await?, WHAT)?;
        let mut values = array(items, WHAT)?.into_iter();
        let mut items = Vec::with_capacity(values.len() / 2);
        while let (Some(id), Some(payload)) = (values.next(), values.next()) {
            let id = id::load(&bytes(id, WHAT)?).ok_or_else(|| nonsense(format!("{WHAT} has no id")))?;
            items.push((id, bytes(payload, WHAT)?));
        }
        Ok((array(lines, WHAT)?, items))
    }

    pub(crate) async fn flush_key(&self, task: &GatedTask, key: &LimitKey) -> Result<bool, AdapterError> {
        let aliases = aliases(task);
        let answer = self.inner.script(&SCRIPTS.flush, |call, _| {
            call.put("task", &*task.task).put("aliases", &aliases).put("key", key.as_str());
        });
        Ok(number::<u8>(&answer.await?, "the answer to `flush`")? == 1)
    }
}

/// How many items gather in a line, when the first and the last one came, and when they go; `None` if there is none.
fn read_line(line: Value) -> Result<Option<Collected>, AdapterError> {
    if array(line.clone(), WHAT)?.is_empty() {
        return Ok(None);
    }
    let [count, oldest, newest, due] = exactly(line, WHAT)?;
    let time = |text| {
        let digits = String::from_utf8(bytes(text, WHAT)?).ok().and_then(|text| text.parse().ok());
        digits.map(Timestamp::from_millis).ok_or_else(|| nonsense(format!("{WHAT} has no time")))
    };
    Ok(Some(Collected::new(number(&count, WHAT)?, time(oldest)?, time(newest)?, time(due)?)))
}

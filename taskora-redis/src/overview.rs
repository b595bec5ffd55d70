//! What is in the namespace.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use redis::Value;
use taskora::AdapterError;
use taskora::adapter::{Overview, TaskOverview};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, number};
use crate::control::read_pause;
use crate::inspection::{read_blocked, read_counts};
use crate::scripts::SCRIPTS;

/// How many tasks one call looks at.
const PAGE: u32 = 128;

const WHAT: &str = "the answer to `overview`";

impl RedisAdapter {
    pub(crate) async fn look_over(&self) -> Result<Overview, AdapterError> {
        let (mut overview, mut tasks) = (Overview::default(), BTreeMap::new());
        let mut cursor = b"0".to_vec();
        loop {
            let answer = self.inner.script(&SCRIPTS.overview, |call, _| {
                call.put("cursor", &cursor).put("count", PAGE);
            });
            let [next, running, ended, page] = exactly(answer.await?, WHAT)?;
            overview.running_workflows = number(&running, WHAT)?;
            overview.ended_workflows = number(&ended, WHAT)?;
            for task in array(page, WHAT)? {
                // a name that is no text is none of taskora's
                if let Some(task) = read_task(task)? {
                    tasks.insert(task.task.clone(), task);
                }
            }
            cursor = bytes(next, WHAT)?;
            if cursor == b"0" {
                break;
            }
        }
        let workers = self.live_workers(false).await?;
        let mut served: HashMap<&str, usize> = HashMap::new();
        for task in workers.iter().flat_map(|worker| &worker.tasks) {
            *served.entry(task).or_default() += 1;
        }
        overview.tasks = tasks.into_values().collect();
        for task in &mut overview.tasks {
            task.workers = served.get(&*task.task).copied().unwrap_or_default();
        }
        overview.workers = workers.len();
        Ok(overview)
    }
}

fn read_task(value: Value) -> Result<Option<TaskOverview>, AdapterError> {
    let [name, counts, age, why, pause, more] = exactly(value, WHAT)?;
    let Ok(name) = String::from_utf8(bytes(name, WHAT)?) else { return Ok(None) };
    let mut task = TaskOverview::default();
    task.task = name;
    task.counts = read_counts(counts)?;
    task.oldest_waiting = u64::try_from(number::<i64>(&age, WHAT)?).ok().map(Duration::from_millis);
    task.paused = read_pause(&bytes(pause, WHAT)?, &bytes(more, WHAT)?);
    task.blocked = read_blocked(&bytes(why, WHAT)?);
    Ok(Some(task))
}

//! The existing tasks, and the data about each task as a whole.

use std::sync::Arc;

use redis::Value;
use taskora::AdapterError;
use taskora::adapter::AuditPage;

use super::{Pass, SETS, Step, whole};
use crate::answer::strings;
use crate::scripts::SCRIPTS;
use crate::upkeep::found::task_faults;

impl Pass {
    pub(super) async fn task_names(&mut self) -> Result<AuditPage, AdapterError> {
        let inner = Arc::clone(&self.inner);
        let (keys, limit) = (&inner.settings().keys, inner.settings().command_timeout);
        for (name, command) in [("tasks", "SMEMBERS"), ("timer", "HKEYS"), ("closed", "SMEMBERS")] {
            let key = keys.of(name, b"");
            let names = inner
                .send("check", limit, |_| {
                    let mut cmd = redis::cmd(command);
                    cmd.arg(&key);
                    cmd
                })
                .await?;
            let names = if let Value::Set(names) = names { Value::Array(names) } else { names };
            self.tasks.extend(strings(names, "names of tasks")?);
        }
        for name in ["due", "ready", "opens"] {
            let key = keys.of(name, b"");
            let names = inner
                .send("check", limit, |_| {
                    let mut cmd = redis::cmd("ZRANGE");
                    cmd.arg(&key).arg(0).arg(-1);
                    cmd
                })
                .await?;
            self.tasks.extend(strings(names, "names of tasks")?.into_iter().map(|mut task| {
                // of a task with lanes that time opens, there is a NUL behind the name
                if name == "opens" && task.last() == Some(&0) {
                    task.pop();
                }
                task
            }));
        }
        let names: Vec<Vec<u8>> = self.tasks.iter().cloned().collect();
        let mut next: Vec<Step> = names.chunks(100).map(|names| Step::Tasks(names.to_vec())).collect();
        for task in &self.tasks {
            for name in SETS.into_iter().chain(["tombstones"]) {
                next.push(Step::Scan(whole(name, task)));
            }
        }
        self.next(next);
        Ok(AuditPage::default())
    }

    pub(super) async fn task_faults(&self, names: Vec<Vec<u8>>) -> Result<AuditPage, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.check_tasks, |call, _| {
            call.list(&names);
        });
        let faults = strings(answer.await?, "the answer to `check_tasks`")?;
        let findings = names.iter().zip(&faults).flat_map(|(task, letters)| task_faults(task, letters));
        Ok(AuditPage { scanned: names.len(), findings: findings.collect(), ..AuditPage::default() })
    }
}

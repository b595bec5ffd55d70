//! The workers of a namespace: what they say of themselves, and how it is read.

use serde_json::{Value, json};
use taskora::adapter::{TaskName, WorkerEntry, WorkerInfo, WorkerReport, WorkerState};
use taskora::{AdapterError, JobId, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{bytes, exactly, nonsense, number, strings};
use crate::codec::{Reader, millis, u48};
use crate::history::list_sums;
use crate::scripts::SCRIPTS;

/// How many workers one call looks at.
const PAGE: u32 = 64;

/// What a worker says, without the time of its last sign of life and the mark: these are the store's.
pub(crate) fn pack(entry: &WorkerEntry) -> Vec<u8> {
    let about = json!({
        "host": entry.program.host,
        "pid": entry.program.pid,
        "program": entry.program.name,
        "build": entry.program.build,
        "tasks": entry.tasks.iter().take(WorkerEntry::MAX_TASKS).map(|task| &**task).collect::<Vec<_>>(),
        "concurrency": entry.concurrency,
        "running": entry.running,
        "state": entry.state.as_str(),
        "up": millis(entry.up),
    })
    .to_string();
    let jobs: Vec<String> = entry.jobs.iter().take(WorkerEntry::MAX_JOBS).map(ToString::to_string).collect();
    let mut packed = u48(millis(entry.silence).min((1 << 48) - 1)).to_vec();
    packed.extend(u32::try_from(about.len()).unwrap_or(u32::MAX).to_be_bytes());
    packed.extend(about.into_bytes());
    packed.extend(Value::from(jobs).to_string().into_bytes());
    packed
}

/// Fields that a later version adds are ignored, and fields that it leaves out are empty.
fn read(id: &[u8], entry: &[u8]) -> Option<WorkerInfo> {
    let mut reader = Reader(entry);
    let (heard, _silence, mark) = (Timestamp::from_millis(reader.u48()?), reader.u48()?, reader.u8()?);
    let length = usize::try_from(reader.u32()?).ok()?;
    let (about, jobs) = reader.0.split_at_checked(length)?;
    let about: Value = serde_json::from_slice(about).unwrap_or_default();
    let text = |field: &str| about.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let whole = |field: &str| about.get(field).and_then(Value::as_u64).unwrap_or_default();
    let count = |field: &str| usize::try_from(whole(field)).unwrap_or(usize::MAX);
    let tasks = about.get("tasks").and_then(Value::as_array).into_iter().flatten();
    let jobs: Vec<String> = serde_json::from_slice(jobs).unwrap_or_default();
    let mut worker = WorkerEntry::default();
    worker.id = String::from_utf8_lossy(id).into();
    worker.program.host = text("host");
    worker.program.pid = u32::try_from(whole("pid")).unwrap_or_default();
    worker.program.name = text("program");
    worker.program.build = text("build");
    worker.tasks = tasks.filter_map(|task| task.as_str().map(TaskName::from)).collect();
    worker.concurrency = count("concurrency");
    worker.running = count("running");
    worker.jobs = jobs.into_iter().map(JobId::from).collect();
    worker.state = WorkerState::named(&text("state"));
    worker.up = std::time::Duration::from_millis(whole("up"));
    Some(WorkerInfo::new(worker, heard, mark == 1))
}

impl RedisAdapter {
    /// The live workers, by id; without the ids of their jobs, unless they are asked for.
    pub(crate) async fn live_workers(&self, jobs: bool) -> Result<Vec<WorkerInfo>, AdapterError> {
        let what = "the answer to `workers`";
        let mut workers = Vec::new();
        let mut cursor = b"0".to_vec();
        loop {
            let answer = self.inner.script(&SCRIPTS.workers, |call, _| {
                call.put("cursor", &cursor).put("count", PAGE).put("jobs", u8::from(jobs));
            });
            let [next, page] = exactly(answer.await?, what)?;
            for pair in strings(page, what)?.chunks(2) {
                let [id, entry] = pair else { return Err(nonsense("a worker without an entry")) };
                // what cannot be read is gone after its time
                workers.extend(read(id, entry));
            }
            cursor = bytes(next, what)?;
            if cursor == b"0" {
                break;
            }
        }
        workers.sort_by(|a, b| a.id.cmp(&b.id));
        workers.dedup_by(|a, b| a.id == b.id);
        Ok(workers)
    }

    pub(crate) async fn forget_worker(&self, report: &WorkerReport) -> Result<(), AdapterError> {
        report.worker.check()?;
        let answer = self.inner.script(&SCRIPTS.sign_off, |call, how| {
            call.put("worker", &*report.worker.id);
            list_sums(call, Some(report), how.repeat);
        });
        answer.await.map(drop)
    }

    pub(crate) async fn keep_quiet(&self, worker: &str, is_quiet: bool) -> Result<bool, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.quiet, |call, _| {
            call.put("worker", worker).put("quiet", u8::from(is_quiet));
        });
        Ok(number::<u8>(&answer.await?, "the answer to `quiet`")? == 1)
    }
}

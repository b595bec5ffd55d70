//! Faults 25 and 32: somebody writes as a later version may.

use std::time::{Duration, Instant};

use redis::{Commands, Connection};
use taskora::JobId;

use crate::ledger::Record;
use crate::process::{Process, Producer, WorkerPart};
use crate::report::Report;
use crate::stage::Stage;
use crate::tasks::{Act, Work};

/// Jobs that a later version writes.
const JOBS: usize = 30;
/// What a payload in an envelope begins with.
const ENVELOPE: &[u8] = b"\xC1\x01future";
/// Where the flags, the length of the task's name, and the name are in a record.
const FLAGS: usize = 7;
const LENGTH: usize = 13;
const NAME: usize = 14;

/// A job as it is stored under its id, and as today's version would have stored it.
struct Future {
    id: JobId,
    stored: Vec<u8>,
    written: Vec<u8>,
    today: Vec<u8>,
}

/// A later version dispatches jobs that this one cannot read, beside a producer and two workers, which are killed now and then.
/// None of its jobs is run, ended or lost. When workers come that can read them (here, the jobs become today's), all run.
pub async fn newer(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("from the future", seed);
    let load = Producer { count: 0, pause: Duration::from_millis(10), awaited: 50, ..Producer::default() };
    let mut producer = stage.producer(load);
    let mut workers: Vec<Process> = (0..2).map(|_| stage.worker(WorkerPart::default())).collect();
    let client = redis::Client::open(stage.server.url()).expect("a URL");
    let mut redis = client.get_connection().expect("a connection");
    let jobs = write(&stage, &mut redis).await;

    let end = Instant::now() + Duration::from_secs(3 * u64::from(scale));
    let mut place = 0;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(stage.random.between(300, 700))).await;
        place = (place + 1) % workers.len();
        let Some(worker) = workers.get_mut(place) else { continue };
        stage.kill(worker);
        *worker = stage.worker(WorkerPart::default());
    }
    stage.stop(&mut producer).await;

    let history = stage.history();
    let claims = history.count(|record| matches!(record, Record::Claimed { .. }));
    let mut findings = Vec::new();
    for Future { id, stored, written, today } in &jobs {
        let kept: Option<Vec<u8>> = redis.hget("{taskora}:jobs", stored).expect("an answer");
        let has_ended: bool = redis.hexists("{taskora}:done", stored).expect("an answer");
        if history.starts(id.as_str()) > 0 || has_ended || kept.as_ref() != Some(written) {
            findings.push(format!("`{id}` was run, ended or changed; ended: {has_ended}"));
        }
        redis.hset::<_, _, _, ()>("{taskora}:jobs", stored, today).expect("an answer");
    }
    let mut report = stage.finish(workers).await;
    report.demand(findings.is_empty(), || findings.join("; "));
    report.demand(claims > 0, || "nothing else was run meanwhile".to_owned());
    for Future { id, .. } in &jobs {
        let starts = report.history.starts(id.as_str());
        report.demand(starts > 0, || format!("`{id}` was not run when it could be read"));
    }
    report
}

/// Dispatches jobs for much later, makes them a later version's, and has them come due.
async fn write(stage: &Stage, redis: &mut Connection) -> Vec<Future> {
    let app = stage.app().await;
    let mut jobs = Vec::new();
    for number in 0..JOBS {
        let job = app.dispatch(Work { act: Act::returns(1) }).delay(Duration::from_secs(3_600));
        let id = stage.dispatched(job.await).id().clone();
        let stored = stored_id(&id);
        let today: Vec<u8> = redis.hget("{taskora}:jobs", &stored).expect("a record");
        let mut written = today.clone();
        match number % 3 {
            0 => written.iter_mut().take(1).for_each(|layout| *layout = 2),
            1 => written.iter_mut().skip(FLAGS).take(1).for_each(|flags| *flags |= 128),
            _ => {
                let length = today.get(LENGTH).copied().unwrap_or_default();
                written.truncate(NAME + usize::from(length));
                written.extend(ENVELOPE);
            }
        }
        redis.hset::<_, _, _, ()>("{taskora}:jobs", &stored, &written).expect("an answer");
        redis.zadd::<_, _, _, ()>("{taskora}:delayed:work", &stored, 1).expect("an answer");
        redis.zadd::<_, _, _, ()>("{taskora}:due", "work", 1).expect("an answer");
        jobs.push(Future { id, stored, written, today });
    }
    jobs
}

/// An id that we made is stored as its 16 bytes.
fn stored_id(id: &JobId) -> Vec<u8> {
    let digits = id.as_str().replace('-', "");
    let number = u128::from_str_radix(&digits, 16).expect("an id that we made");
    number.to_be_bytes().to_vec()
}

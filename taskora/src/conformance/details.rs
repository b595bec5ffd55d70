//! What is stored with a job.

use super::Fixture;
use super::admission_kit::{admit, unique};
use super::flow_kit::{chain, start};
use super::kit::{Caller, MARGIN, OTHER, TASK, complete, fail, job, put, sweep};
use super::lane_kit::keyed;
use crate::adapter::{Adapter, AttemptEnd, JobData, JobReport, NewJob, StoredValue, Swept};
use crate::job::{LogEntry, LogLevel, Timestamp};
use crate::policy::Retention;

async fn of(adapter: &dyn Adapter, id: &str) -> Option<JobData> {
    adapter.inspection().details(&id.into()).await.expect("details")
}

async fn known(adapter: &dyn Adapter, id: &str) -> JobData {
    of(adapter, id).await.unwrap_or_else(|| panic!("`{id}` is not known"))
}

pub(super) async fn what_is_stored_with_a_job_is_shown(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    let mut worker = Caller::new(&adapter);
    assert_eq!(of(&*adapter, "nobody").await, None);
    let big = serde_json::to_vec(&"x".repeat(100_000)).unwrap();
    put(&adapter, [job("done", TASK), NewJob { payload: big.clone(), ..job("big", TASK) }, keyed("k1")])
        .await;
    admit(&adapter, unique("one", TASK)).await;
    start(&adapter, chain("flow", 1)).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    let data = known(&*second, "done").await;
    assert_eq!(data, JobData::new(StoredValue::new(b"\"done\"")));
    assert_eq!(known(&*second, "big").await.payload, StoredValue::new(&big));
    assert_eq!(known(&*second, "k1").await.limit_key.as_deref(), Some("k"));
    assert_eq!(known(&*second, "one").await.key.as_deref(), Some("k"));
    assert_eq!(known(&*second, "flow#0").await.payload, StoredValue::new(b"{}"));

    let claimed = worker.claim_one().await;
    let line = LogEntry {
        level: LogLevel::Info,
        message: "so far".to_owned(),
        fields: serde_json::Value::Null,
        at: Timestamp::from_millis(7),
        attempt: 1,
    };
    let notes = JobReport { lease: claimed.lease.clone(), progress: None, logs: vec![line; 3] };
    adapter.jobs().note(vec![notes]).await.unwrap();
    worker.settle(&claimed, complete("{\"sent\":true}")).await;
    let data = known(&*second, "done").await;
    assert_eq!((data.result, data.log_lines), (Some(StoredValue::new(b"{\"sent\":true}")), 3));
    worker.run_one(fail("no")).await;
    assert_eq!(known(&*second, "big").await.result, None, "it has failed");
    worker.run_one(complete("1")).await;
    worker.run_one(complete("1")).await;
    assert_eq!(known(&*second, "one").await.key, None, "it has ended");
    worker.run_one(complete("[7]")).await;
    assert_eq!(known(&*second, "flow#0").await.result, Some(StoredValue::new(b"[7]")));
}

pub(super) async fn what_is_too_long_is_left_out(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let long = vec![b'7'; JobData::MAX_VALUE + 1];
    put(&adapter, [NewJob { payload: long.clone(), ..job("long", TASK) }]).await;
    Caller::new(&adapter).run_one(AttemptEnd::Complete(long.clone())).await;
    let left_out = StoredValue { len: long.len(), json: None };
    let data = known(&*adapter, "long").await;
    assert_eq!((data.payload, data.result), (left_out.clone(), Some(left_out)));
}

pub(super) async fn whether_anybody_serves_a_job_is_known(f: &impl Fixture) {
    let (adapter, second) = (f.adapter().await, f.second().await);
    put(&adapter, [job("a", TASK), job("b", OTHER)]).await;
    let are_served = async || (known(&*second, "a").await.is_served, known(&*second, "b").await.is_served);
    assert_eq!(are_served().await, (false, false));
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(are_served().await, (true, false));
    f.advance(Swept::SERVED - MARGIN).await;
    assert_eq!(are_served().await, (true, false));
    sweep(&adapter, &[OTHER], Retention::default()).await;
    f.advance(MARGIN).await;
    assert_eq!(are_served().await, (false, true));
}

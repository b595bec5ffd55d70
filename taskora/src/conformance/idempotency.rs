//! Keys that stand for a job or a workflow for a limited time.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::admission_kit::admit;
use super::flow_kit::{flow, node};
use super::kit::{Caller, LEASE, MOMENT, OTHER, TASK, complete, fail, ids, job, put, retry, state, sweep};
use crate::adapter::{Adapter, Admission, Admitted, AdmittedWorkflow, NewJob, NewWorkflow, Once, Rule};
use crate::job::JobState;
use crate::policy::{Retention, RetentionLimit, Ttl};
use crate::workflow::WorkflowId;

const LIFE: Duration = Duration::from_secs(24 * 3_600);
const ONCE: Once = Once { life: LIFE, fingerprint: 7, keep_failures: false };
const KEEP: Once = Once { keep_failures: true, ..ONCE };

fn once(id: &str, once: Once) -> Admission {
    Admission { job: job(id, TASK), key: "k".to_owned(), rule: Rule::Once(once) }
}

fn duplicate(id: &str) -> Admitted {
    Admitted::Duplicate(id.into())
}

fn nothing_kept() -> Retention {
    Retention::all(RetentionLimit::new(Duration::ZERO, 0))
}

pub(super) async fn a_key_stands_for_its_job_longer_than_the_job_is_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(admit(&adapter, once("a", ONCE)).await, Admitted::New);
    assert_eq!(admit(&adapter, once("b", ONCE)).await, duplicate("a"), "it waits");
    let a = worker.claim_one().await;
    assert_eq!(admit(&adapter, once("b", ONCE)).await, duplicate("a"), "it runs");
    worker.settle(&a, retry("no", MOMENT)).await;
    assert_eq!(admit(&adapter, once("b", ONCE)).await, duplicate("a"), "it is retried");
    f.advance(MOMENT).await;
    worker.run_one(complete("1")).await;
    assert_eq!(admit(&adapter, once("b", ONCE)).await, duplicate("a"), "it has completed");
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], nothing_kept()).await;
    assert_eq!(state(&adapter, "a").await, None);
    assert_eq!(admit(&adapter, once("b", ONCE)).await, duplicate("a"), "it was removed");
    f.advance(LIFE).await;
    assert_eq!(admit(&adapter, once("b", ONCE)).await, Admitted::New, "the key has lived");
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["b"]);
}

pub(super) async fn a_key_of_another_payload_is_reused(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert_eq!(admit(&adapter, once("a", ONCE)).await, Admitted::New);
    let other = Once { fingerprint: u64::MAX, ..ONCE };
    assert_eq!(admit(&adapter, once("b", other)).await, Admitted::Reused("a".into()));
    assert_eq!(state(&adapter, "b").await, None);
    let of_other = Admission { job: job("c", OTHER), ..once("c", other) };
    assert_eq!(admit(&adapter, of_other).await, Admitted::New, "keys belong to a task");
    let of_another = Admission { key: "k2".to_owned(), ..once("d", other) };
    assert_eq!(admit(&adapter, of_another).await, Admitted::New);
}

pub(super) async fn each_end_in_vain_frees_the_key_unless_it_is_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    for (round, rule) in [("x", ONCE), ("y", KEEP)] {
        let mut number = 0;
        for end in ["failed", "cancelled", "stalled", "expired"] {
            let id = format!("{round}-{end}");
            let key = format!("{round}{end}");
            let new = NewJob { max_stalls: 0, ..job(&id, TASK) };
            let new = if end == "expired" { NewJob { ttl: Some(Ttl::new(MOMENT)), ..new } } else { new };
            let first = Admission { job: new, key: key.clone(), rule: Rule::Once(rule) };
            assert_eq!(admit(&adapter, first).await, Admitted::New, "{id}");
            match end {
                "failed" => drop(worker.run_one(fail("no")).await),
                "cancelled" => drop(adapter.jobs().cancel(&id.as_str().into(), "no").await.unwrap()),
                "stalled" => {
                    worker.claim_one().await;
                    f.advance(LEASE).await;
                }
                _ => f.advance(MOMENT).await,
            }
            sweep(&adapter, &[TASK], Retention::default()).await;
            assert!(state(&adapter, &id).await.is_some_and(JobState::is_terminal), "{id}");
            number += 1;
            let again = Admission { key, ..once(&format!("{round}-again-{number}"), rule) };
            let expected = if rule == KEEP { duplicate(&id) } else { Admitted::New };
            assert_eq!(admit(&adapter, again).await, expected, "{id}");
            while worker.claim(1, &[TASK]).await.pop().is_some() {
                f.advance(LEASE).await;
                sweep(&adapter, &[TASK], Retention::default()).await;
            }
        }
    }
}

pub(super) async fn an_id_is_looked_at_before_its_idempotency_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("other", OTHER)]).await;
    assert_eq!(admit(&adapter, once("a", ONCE)).await, Admitted::New);
    let another = Admission { key: "k2".to_owned(), ..once("a", ONCE) };
    assert_eq!(admit(&adapter, another).await, duplicate("a"));
    assert_eq!(admit(&adapter, once("other", ONCE)).await, Admitted::Taken { task: OTHER.into() });
    let free = Admission { key: "k2".to_owned(), ..once("b", ONCE) };
    assert_eq!(admit(&adapter, free).await, Admitted::New, "the duplicate took no key");
}

async fn start(adapter: &Arc<dyn Adapter>, id: &str, once: Once) -> AdmittedWorkflow {
    let workflow: NewWorkflow = flow(id, vec![node(None)], &[]);
    adapter.admissions().admit_workflow(workflow, "k", once).await.expect("admit_workflow")
}

fn known(id: &str) -> AdmittedWorkflow {
    AdmittedWorkflow::Duplicate(id.into())
}

pub(super) async fn a_key_stands_for_a_workflow(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(start(&adapter, "a", ONCE).await, AdmittedWorkflow::New);
    assert_eq!(start(&adapter, "b", ONCE).await, known("a"));
    assert_eq!(start(&adapter, "a", ONCE).await, known("a"));
    let other = Once { fingerprint: 8, ..ONCE };
    assert_eq!(start(&adapter, "b", other).await, AdmittedWorkflow::Reused("a".into()));
    assert_eq!(admit(&adapter, once("a-job", ONCE)).await, Admitted::New, "keys of jobs are others");
    while let Some(job) = worker.claim(1, &[TASK]).await.pop() {
        worker.settle(&job, complete("1")).await;
    }
    assert_eq!(start(&adapter, "b", ONCE).await, known("a"), "it has completed");
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], nothing_kept()).await;
    assert!(adapter.workflows().workflow(&"a".into(), false).await.unwrap().is_none());
    assert_eq!(start(&adapter, "b", ONCE).await, known("a"), "it was removed");
    f.advance(LIFE).await;
    assert_eq!(start(&adapter, "b", ONCE).await, AdmittedWorkflow::New);
}

pub(super) async fn a_workflow_that_ends_in_vain_frees_its_key_unless_it_is_kept(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(start(&adapter, "a", ONCE).await, AdmittedWorkflow::New);
    worker.run_one(fail("no")).await;
    assert_eq!(start(&adapter, "b", ONCE).await, AdmittedWorkflow::New);
    adapter.workflows().cancel_workflow(&WorkflowId::from("b"), "no").await.unwrap();
    let brief = NewWorkflow { ttl: Some(MOMENT), ..flow("c", vec![node(None)], &[]) };
    let admitted = adapter.admissions().admit_workflow(brief, "k", ONCE).await.unwrap();
    assert_eq!(admitted, AdmittedWorkflow::New);
    f.advance(MOMENT).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(start(&adapter, "d", KEEP).await, AdmittedWorkflow::New);
    worker.run_one(fail("no")).await;
    assert_eq!(start(&adapter, "e", KEEP).await, known("d"));
}

pub(super) async fn a_large_workflow_has_a_key_too(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let large = |id: &str| flow(id, vec![node(None); 1_500], &[]);
    for (id, expected) in [("a", AdmittedWorkflow::New), ("b", known("a"))] {
        let admitted = adapter.admissions().admit_workflow(large(id), "k", ONCE).await.unwrap();
        assert_eq!(admitted, expected);
    }
    assert!(adapter.workflows().workflow(&"b".into(), false).await.unwrap().is_none());
    adapter.workflows().cancel_workflow(&"a".into(), "no").await.unwrap();
    let admitted = adapter.admissions().admit_workflow(large("c"), "k", ONCE).await.unwrap();
    assert_eq!(admitted, AdmittedWorkflow::New);
}

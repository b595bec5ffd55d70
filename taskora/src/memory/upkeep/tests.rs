use std::time::Duration;

use super::*;
use crate::adapter::{Due, NewJob, NewNode, NewWorkflow};
use crate::policy::Ttl;

const TASK: &str = "send-email";

fn job(id: &str) -> NewJob {
    NewJob::new(id, TASK, "1")
}

fn node(after: Option<u32>) -> NewNode {
    NewNode { after, ..NewNode::new("step", TASK, "") }
}

/// A job that waits, one that is delayed, one that has ended, and a workflow of two steps.
fn store() -> Store {
    let mut store = Store::new();
    let ttl = Some(Ttl::new(Duration::from_secs(60)));
    let delayed = NewJob { due: Due::After(Duration::from_secs(9)), ttl, ..job("delayed") };
    store.enqueue(vec![job("waiting"), delayed, job("cancelled")], 0);
    store.cancel(&"cancelled".into(), "why", 1);
    let flow = NewWorkflow {
        ttl: Some(Duration::from_secs(60)),
        ..NewWorkflow::new("flow", vec![node(None), node(Some(0))], vec![vec![0]], "")
    };
    store.start(flow, 0);
    assert_eq!(store.violations(), []);
    store
}

fn flow(store: &mut Store) -> &mut Flow {
    store.flows.by_id.get_mut(&WorkflowId::from("flow")).expect("a workflow")
}

fn heals(damage: impl FnOnce(&mut Store), expected: &[&str]) {
    let mut store = store();
    damage(&mut store);
    let found = store.violations();
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    let short: Vec<&str> = texts.iter().map(|text| text.split_once("; ").expect("a remedy").0).collect();
    assert_eq!(short, expected);
    for violation in &found {
        assert_eq!(store.repair(violation, 2), RepairOutcome::Repaired);
        assert_eq!(store.repair(violation, 2), RepairOutcome::Gone);
    }
    assert_eq!(store.violations(), []);
}

#[test]
fn indexes_and_jobs_agree_again() {
    heals(
        |store| drop(store.jobs.remove(&JobId::from("waiting"))),
        &["job `waiting` of `send-email`: the waiting jobs have an entry for it, but it is not known"],
    );
    for (id, place) in [
        ("waiting", "the waiting jobs"),
        ("delayed", "the delayed jobs"),
        ("cancelled", "the cancelled jobs"),
    ] {
        let lose = |store: &mut Store| {
            let place = place_of(&store.jobs[&JobId::from(id)].phase);
            store.queues.get_mut(TASK).expect("a queue").expel(place, &id.into(), None);
        };
        heals(lose, &[&format!("job `{id}` of `send-email`: it is missing from {place}")]);
        let double = |store: &mut Store| {
            let phase = Phase::Active { deadline: 7, claimed_at: 1 };
            store.queues.get_mut(TASK).expect("a queue").insert(&id.into(), &phase);
        };
        heals(
            double,
            &[&format!(
                "job `{id}` of `send-email`: the leases have an entry for it, but it does not belong there"
            )],
        );
    }
    let deadlines = "the deadlines to start";
    heals(
        |store| {
            let id = JobId::from("delayed");
            store.queues.get_mut(TASK).expect("a queue").expel(Place::Deadlines, &id, None);
        },
        &[&format!("job `delayed` of `send-email`: it is missing from {deadlines}")],
    );
    for (id, what) in [("gone", "is not known"), ("waiting", "does not belong there")] {
        let add = |store: &mut Store| {
            let phase = Phase::Delayed { due: 1, retrying: false };
            store.queues.get_mut(TASK).expect("a queue").set_deadline(&id.into(), Some(7), &phase);
        };
        heals(
            add,
            &[&format!("job `{id}` of `send-email`: {deadlines} have an entry for it, but it {what}")],
        );
    }
    heals(
        |store| store.jobs.get_mut(&JobId::from("waiting")).expect("a job").flag = Some("why".into()),
        &["job `waiting`: a cancel flag is left over"],
    );
    let waits = |store: &mut Store| {
        let (tell, told) = tokio::sync::oneshot::channel();
        std::mem::forget(told);
        store.jobs.get_mut(&JobId::from("cancelled")).expect("a job").waiters.push(tell);
    };
    heals(waits, &["job `cancelled`: waiters is left over"]);
}

#[test]
fn workflows_agree_again() {
    heals(|store| flow(store).open = 7, &["workflow `flow`: it counts 7 open nodes, but has 2"]);
    heals(
        |store| flow(store).joins[0].left = 0,
        &["workflow `flow`: its join 0 says 0, but 1 nodes have not completed"],
    );
    let moved = "workflow `flow`: it is not in the index it belongs to";
    heals(|store| store.flows.deadlines.clear(), &[moved]);
    heals(
        |store| store.flows.done.extend([(1, "gone".into())]),
        &["workflow `gone`: an index has an entry for it, but it is not known"],
    );
    // it has ended, but nothing goes on with its nodes
    let mut store = store();
    store.end_flow(&"flow".into(), WorkflowState::Cancelled, None, Some("why".into()), 1);
    store.flows.work.clear();
    let found = store.violations();
    assert_eq!(found, [Violation::NotWoundUp { workflow: "flow".into(), node: 0 }]);
    assert_eq!(store.repair(&found[0], 2), RepairOutcome::Repaired);
    store.proceed(2);
    assert_eq!(store.violations(), []);
    assert_eq!(flow(&mut store).open, 0);
}

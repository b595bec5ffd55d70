//! Recipes and shapes, which workers read.

use redis::Commands;
use taskora::adapter::{Due, Jobs as _, NewNode, NewWorkflow, Workflows};
use taskora::prelude::*;
use taskora::{AdapterError, WorkflowError};
use tokio::time::timeout;

use super::{ENVELOPE, Stage, key};
use crate::flows::{flow, node};
use crate::kit::PATIENCE;

#[task(retry(attempts = 1))]
async fn double(n: u64) -> u64 {
    2 * n
}

/// A chain of two, the second of which has this recipe.
fn doubles(recipe: &[u8]) -> NewWorkflow {
    let first = NewNode { task: "double".into(), payload: br#"{"n":3}"#.to_vec(), ..node(None) };
    let second = NewNode { task: "double".into(), payload: recipe.to_vec(), composed: true, ..node(Some(0)) };
    NewWorkflow { output: b"1".to_vec(), due: Due::Now, ..flow("a", vec![first, second], vec![vec![0]]) }
}

const TODAY: &[u8] = br#"{"form":"arguments","template":[null],"holes":[[1,0]]}"#;

#[tokio::test]
async fn a_recipe_of_a_later_version_waits_for_a_worker_that_can_follow_it() {
    let recipes: [(&str, &[u8]); 4] = [
        ("an unknown field", br#"{"form":"arguments","template":[null],"holes":[[1,0]],"then":"more"}"#),
        ("an unknown form", br#"{"form":"fields","template":[null],"holes":[[1,0]]}"#),
        (
            "an unknown field of a shape",
            br#"{"form":"arguments","template":[null],"holes":[[1,{"of":0,"len":1,"step":1,"by":2}]]}"#,
        ),
        ("an envelope", ENVELOPE),
    ];
    for (what, recipe) in recipes {
        let mut stage = Stage::set().await;
        let app = App::new(stage.adapter.clone());
        let worker = Worker::builder(&app).register::<Double>().start().await.expect("start");
        stage.adapter.start(doubles(recipe)).await.expect("start");
        is_put_off(&mut stage, what).await;
        // once more, for it is tried again
        stage.shift(6).await;
        let past = is_put_off(&mut stage, what).await;
        assert_eq!(past[8..16], [0; 8], "{what}: neither an attempt nor a stall is used up");
        let left: String = stage.redis.hget(key("wf:=a"), "l").expect("hget");
        assert_eq!(left, "1", "{what}: nothing has ended by it");

        let node = stage.field("wf:=a", b"n1");
        let head = &node[..node.len() - recipe.len()];
        stage.set_field("wf:=a", b"n1", &[head, TODAY].concat());
        stage.shift(6).await;
        let handle = app.workflow::<u64>("a");
        assert_eq!(
            timeout(PATIENCE, handle.result()).await.expect("in time").expect("a result"),
            12,
            "{what}"
        );
        worker.shutdown().await.expect("shutdown");
    }
}

/// Waits until the second node was claimed and put off; answers its history.
async fn is_put_off(stage: &mut Stage, what: &str) -> Vec<u8> {
    let now: u64 = {
        let time: Vec<String> = redis::cmd("TIME").query(&mut stage.redis).expect("time");
        let shifted: Option<u64> = stage.redis.get(key("clock")).expect("get");
        time[0].parse::<u64>().expect("seconds") * 1000 + shifted.unwrap_or(0)
    };
    let put_off = async {
        loop {
            let due: Option<f64> = stage.redis.zscore(key("delayed:double"), "*=a#1").expect("zscore");
            if due.is_some_and(|due| due > now as f64) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, put_off).await.unwrap_or_else(|_| panic!("{what}: it is put off"));
    stage.field("life", b"*=a#1")
}

/// A result that an earlier step has left in an envelope: who needs it waits.
#[tokio::test]
async fn a_step_whose_input_nobody_can_read_waits() {
    let mut stage = Stage::set().await;
    let app = App::new(stage.adapter.clone());
    stage.adapter.start(doubles(TODAY)).await.expect("start");
    // the first step, as a later version would end it
    let claim = taskora::adapter::TaskClaim {
        task: "double".into(),
        limit: 1,
        lease: std::time::Duration::from_secs(30),
    };
    let mut call = crate::kit::exchange("newer", 1, Vec::new(), 1);
    call.claim.as_mut().expect("a claim").tasks = std::sync::Arc::new([claim]);
    let first = stage.adapter.exchange(call).await.expect("claim").jobs.remove(0);
    let end = taskora::adapter::AttemptEnd::Complete(ENVELOPE.to_vec());
    let settle = vec![first.settlement(end)];
    stage.adapter.exchange(crate::kit::exchange("newer", 2, settle, 0)).await.expect("settle");

    let worker = Worker::builder(&app).register::<Double>().start().await.expect("start");
    let past = is_put_off(&mut stage, "an input").await;
    assert_eq!(past[8..16], [0; 8]);
    let end = stage.field("wf:=a", b"d0");
    stage.set_field("wf:=a", b"d0", &[&end[..21], b"6"].concat());
    stage.shift(6).await;
    let handle = app.workflow::<u64>("a");
    assert_eq!(timeout(PATIENCE, handle.result()).await.expect("in time").expect("a result"), 12);
    worker.shutdown().await.expect("shutdown");
}

/// What a workflow's result is put together by.
#[tokio::test]
async fn a_result_that_nobody_can_put_together_is_refused() {
    let mut stage = Stage::set().await;
    let app = App::new(stage.adapter.clone());
    let worker = Worker::builder(&app).register::<Double>().start().await.expect("start");
    stage.adapter.start(doubles(TODAY)).await.expect("start");
    let handle = app.workflow::<u64>("a");
    timeout(PATIENCE, handle.result()).await.expect("in time").expect("a result");
    stage.set_field("wf:=a", b"o", br#"{"first_of":[0,1]}"#);
    let error = timeout(PATIENCE, handle.result()).await.expect("in time").expect_err("nobody can");
    let is_refused = matches!(&error, WorkflowError::Adapter { source: AdapterError::Incompatible(_), .. });
    assert!(is_refused, "{error:?}");
    worker.shutdown().await.expect("shutdown");
}

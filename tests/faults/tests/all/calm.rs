//! The harness itself: it finds nothing where nothing is wrong, and what is wrong where something is.

use std::collections::BTreeSet;

use taskora_fault_tests::raw::Snapshot;
use taskora_fault_tests::scenarios::calm;
use taskora_fault_tests::{History, Record, Stage, WorkerPart, check, seed};

#[tokio::test]
async fn without_a_fault_nothing_is_found() {
    calm::calm(seed(), 1).await.assert();
}

/// Which rules are broken once the two witnesses have been changed like this.
fn broken(
    history: &History,
    snapshot: &Snapshot,
    change: impl FnOnce(&mut History, &mut Snapshot),
) -> Vec<&'static str> {
    let (mut history, mut snapshot) = (history.clone(), snapshot.clone());
    change(&mut history, &mut snapshot);
    let rules: BTreeSet<_> =
        check::at_rest(&history, &snapshot).into_iter().map(|found| found.rule).collect();
    rules.into_iter().collect()
}

#[tokio::test]
async fn every_broken_promise_is_found() {
    let stage = Stage::set("broken promises", seed());
    let workers = vec![stage.worker(WorkerPart::default())];
    let mut producer = stage.producer(calm::everything(150));
    stage.until_ended(&mut producer).await;
    stage.quiet(&stage.adapter().await).await;
    let (history, snapshot) = (stage.history(), stage.snapshot().await);
    assert_eq!(broken(&history, &snapshot, |_, _| {}), [""; 0]);

    let completed = |snapshot: &Snapshot| {
        let job = snapshot.done.iter().find(|(_, end)| end.letter == b'C');
        job.map(|(job, _)| job.clone()).expect("a completed job")
    };
    let flow = |snapshot: &Snapshot| {
        let flow = snapshot.flows.iter().find(|(_, flow)| flow.ended == Some(b'C'));
        flow.map(|(id, _)| id.clone()).expect("a completed workflow")
    };
    let lost = broken(&history, &snapshot, |_, snapshot| {
        let job = completed(snapshot);
        snapshot.jobs.remove(&job);
        snapshot.done.remove(&job);
    });
    assert!(lost.contains(&"I1") && lost.contains(&"I8"), "{lost:?}");
    let unended = broken(&history, &snapshot, |_, snapshot| {
        let job = completed(snapshot);
        snapshot.done.remove(&job);
    });
    assert!(unended.contains(&"I1") && unended.contains(&"I8"), "{unended:?}");

    let ended_twice = broken(&history, &snapshot, |history, _| {
        let is_end = |record: &Record| matches!(record, Record::Settled { nonce: Some(_), state: Some(state), .. } if state == "completed");
        let line = history.lines.iter().find(|line| is_end(&line.record)).cloned();
        history.lines.extend(line);
    });
    assert_eq!(ended_twice, ["I2"]);
    let other_result = broken(&history, &snapshot, |_, snapshot| {
        let job = completed(snapshot);
        if let Some(end) = snapshot.done.get_mut(&job) {
            end.nonce = Some(1);
        }
    });
    assert!(other_result.contains(&"I2"), "{other_result:?}");

    let two_leases = broken(&history, &snapshot, |history, _| {
        // of a job without a key: two leases of one with a key are two of the key, too
        let is_claim =
            |record: &Record| matches!(record, Record::Claimed { job, .. } if !job.starts_with("key-"));
        let place = history.lines.iter().position(|line| is_claim(&line.record)).expect("a claim");
        let mut second = history.lines[place].clone();
        second.at += 1;
        if let Record::Claimed { token, .. } = &mut second.record {
            *token += 1;
        }
        history.lines.insert(place + 1, second);
    });
    assert_eq!(two_leases, ["I3"]);
    let two_of_a_key = broken(&history, &snapshot, |history, _| {
        let is_claim = |record: &Record| matches!(record, Record::Claimed { .. });
        let claim = history.lines.iter().find(|line| is_claim(&line.record)).cloned().expect("a claim");
        for id in ["key-9-producer-1", "key-9-producer-2"] {
            let mut line = claim.clone();
            if let Record::Claimed { job, .. } = &mut line.record {
                id.clone_into(job);
            }
            line.at += u64::from(id.ends_with('2'));
            history.lines.push(line);
        }
    });
    assert_eq!(two_of_a_key, ["I9"]);

    let open_node = broken(&history, &snapshot, |_, snapshot| {
        let id = flow(snapshot);
        let node = snapshot.flows.get_mut(&id).and_then(|flow| flow.nodes.values_mut().next());
        node.expect("a node").end = None;
    });
    assert!(open_node.contains(&"I4"), "{open_node:?}");
    let other_order = broken(&history, &snapshot, |history, _| {
        for line in &mut history.lines {
            if let Record::Started { inputs, .. } = &mut line.record {
                inputs.reverse();
            }
        }
    });
    assert_eq!(other_order, ["I4"]);

    let left_over = broken(&history, &snapshot, |_, snapshot| snapshot.left_over.push("a lease".to_owned()));
    assert_eq!(left_over, ["I5"]);
    assert!(!check::after_retention(&snapshot).is_empty(), "nothing has been trimmed");

    let told_otherwise = broken(&history, &snapshot, |history, _| {
        for line in &mut history.lines {
            if let Record::Seen { state, .. } = &mut line.record {
                *state = "expired".to_owned();
            }
        }
    });
    assert_eq!(told_otherwise, ["I7"]);
    let two_indexes = broken(&history, &snapshot, |_, snapshot| {
        let job = completed(snapshot);
        snapshot.indexes.entry(("work".to_owned(), "failed")).or_default().push(job);
    });
    assert_eq!(two_indexes, ["I8"]);
    stage.finish(workers).await.assert();
}

/// What is left in Redis by whoever breaks a rule is seen there, too.
#[tokio::test]
async fn what_is_left_over_in_redis_is_found() {
    let stage = Stage::set("left over", seed());
    stage.server.command(&["ZADD", "{taskora}:active:work", "1", "=a:1"]).expect("written");
    stage.server.command(&["HSET", "{taskora}:waiters", "=a", "tag"]).expect("written");
    stage.server.command(&["LPUSH", "{taskora}:deferred", "Xn:0 =a"]).expect("written");
    let snapshot = stage.snapshot().await;
    let found = check::at_rest(&stage.history(), &snapshot);
    assert_eq!(found.iter().filter(|finding| finding.rule == "I5").count(), 3, "{found:?}");
}

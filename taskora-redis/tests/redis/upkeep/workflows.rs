//! Damage to workflows.

use std::time::Duration;

use taskora::adapter::{AttemptEnd, Jobs, NewNode, NewWorkflow, Upkeep, Workflows};
use taskora::workflow::WorkflowState;

use crate::flows::{chain, chord, flow, node};
use crate::kit::{complete, drain, exchange};

use super::assert_clean;
use super::bench::Bench;

#[tokio::test]
async fn workflows_that_count_wrongly() {
    let mut bench = Bench::full().await;
    let open = |counted: &str| format!("workflow `chord`: it counts {counted} open nodes, but has 4");
    for counted in [3, 7, 0] {
        bench.set_state("chord", counted, true);
        bench.heals(&[], &[&open(&counted.to_string())]).await;
    }
    for command in ["HDEL @wf:=chord l", "HSET @wf:=chord l nonsense"] {
        bench.heals(&[command], &[&open("nothing readable")]).await;
    }
    for (value, counted) in
        [("2", "2"), ("8", "8"), ("x", "nothing readable"), ("0", "0"), ("-1", "nothing readable")]
    {
        let expected = format!("workflow `chord`: its join 0 says {counted}, but 3 nodes have not completed");
        bench.heals(&[&format!("HSET @wf:=chord j0 {value}")], &[&expected]).await;
    }
    bench.heals(&["ZREM @wfdue =chord"], &["workflow `chord`: it is not in the index it belongs to"]).await;
    for (command, id) in [
        ("ZADD @wfdue 9999999999999 =first", "first"),
        ("ZADD @wfdone 9999999999999 =first", "first"),
        ("ZREM @wfdone =stopped", "stopped"),
        ("ZADD @wfdue 9999999999999 =stopped", "stopped"),
    ] {
        bench.heals(&[command], &[&format!("workflow `{id}`: it is not in the index it belongs to")]).await;
    }
    for command in ["ZADD @wfdone 7 =gone", "ZADD @wfdue 9999999999999 =gone"] {
        bench
            .heals(&[command], &["workflow `gone`: an index has an entry for it, but it is not known"])
            .await;
    }
    drain(&bench.adapter, "last").await;
    for id in ["first", "chord"] {
        let record = bench.adapter.workflow(&id.into(), false).await.expect("workflow").expect(id);
        assert_eq!(record.state, WorkflowState::Completed, "{id}");
    }
    bench.drains().await;
}

#[tokio::test]
async fn joins_that_cannot_be_read() {
    let mut bench = Bench::full().await;
    let says = "workflow `first`: its join 0 says 5, but 1 nodes have not completed";
    bench.heals(&["HSET @wf:=first j0 5"], &[says]).await;
    for command in ["HSET @wf:=chord c0 abc", "HDEL @wf:=chord c0"] {
        bench.run(command);
        let expected = "join 0 of workflow `chord`: it cannot be read; look at it by hand";
        assert_eq!(bench.found().await, [expected], "{command}");
        let report = bench.app.repair().await.expect("repair");
        assert_eq!((report.repaired, report.left), (0, 1), "{report}");
    }
}

/// Nodes that end while a large workflow is read, again and again: it is not called damaged, and not sound either.
#[tokio::test]
async fn a_workflow_that_never_rests_is_counted_as_unjudged() {
    let bench = Bench::start().await;
    let adapter = &bench.adapter;
    adapter.start(chord("large", 1_000)).await.expect("start");
    let jobs = adapter.exchange(exchange("w", 1, Vec::new(), 1_000)).await.expect("claim").jobs;
    let (mut audit, mut skipped, mut settled) = (adapter.audit(), 0, 0);
    while let Some(page) = audit.page().await.expect("page") {
        assert!(page.findings.is_empty(), "{:?}", page.findings);
        skipped += page.skipped;
        if let Some(job) = jobs.get(settled) {
            settled += 1;
            let number = settled as u64 + 1;
            adapter.exchange(exchange("w", number, vec![complete(job)], 0)).await.expect("settle");
        }
    }
    assert_eq!(skipped, 1);
    assert!(settled > 10, "{settled}");
    assert_eq!(assert_clean(adapter, "at rest").await.skipped, 0);
}

#[tokio::test]
async fn workflows_that_do_not_go_on() {
    // the join of a chord is at zero, and nobody was told
    let mut bench = Bench::start().await;
    bench.adapter.start(chord("w", 2)).await.expect("start");
    let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 2)).await.expect("claim").jobs;
    bench.adapter.exchange(exchange("w", 2, jobs.iter().map(complete).collect(), 0)).await.expect("settle");
    bench.run("DEL @wait:send-email");
    bench.run("HSET @wf:=w j0 -0\\x200");
    bench.run("ZREM @ready send-email");
    let stuck = "workflow `w`: its join 0 says 0, but 0 nodes have not completed";
    bench.heals(&["DEL @wake:send-email"], &[stuck]).await;
    assert_eq!(drain(&bench.adapter, "x").await, 1, "the callback");
    bench.drains().await;

    // the next step of a chain was not told
    for (damage, says) in
        [("HDEL @wf:=w j0", "1"), ("HSET @wf:=w j0 -0\\x200", "0"), ("HSET @wf:=w j0 7", "7")]
    {
        let mut bench = Bench::start().await;
        bench.adapter.start(chain("w", 3)).await.expect("start");
        let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
        bench.adapter.exchange(exchange("w", 2, vec![complete(&jobs[0])], 0)).await.expect("settle");
        for command in ["DEL @wait:send-email", "ZREM @ready send-email", "DEL @wake:send-email"] {
            bench.run(command);
        }
        let stuck = format!("workflow `w`: its join 0 says {says}, but 0 nodes have not completed");
        bench.heals(&[damage], &[&stuck]).await;
        assert_eq!(drain(&bench.adapter, "x").await, 2, "the other steps");
        bench.drains().await;
    }

    // it has ended, and what is left to cancel was forgotten
    let mut bench = Bench::start().await;
    bench.adapter.start(chain("w", 400)).await.expect("start");
    let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let failed = jobs[0].settlement(AttemptEnd::Fail("no".into()));
    bench.adapter.exchange(exchange("w", 2, vec![failed], 0)).await.expect("settle");
    assert_eq!(bench.found().await, [""; 0], "the rest is under way");
    bench.run("DEL @deferred");
    let found = bench.found().await;
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("workflow `w`: it has ended, but node 128 still waits"), "{found:?}");
    let report = bench.app.repair().await.expect("repair");
    assert_eq!((report.repaired, report.left), (1, 0), "{report}");
    bench.drains().await;

    // a node has failed, and it runs on
    let mut bench = Bench::start().await;
    bench.adapter.start(chord("w", 2)).await.expect("start");
    let jobs = bench.adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let failed = jobs[0].settlement(AttemptEnd::Fail("no".into()));
    bench.adapter.exchange(exchange("w", 2, vec![failed], 0)).await.expect("settle");
    for command in ["HDEL @wf:=w d1", "HDEL @wf:=w d2", "ZREM @wfdone =w"] {
        bench.run(command);
    }
    bench.set_state("w", 2, false);
    let found = bench.found().await;
    assert!(
        found
            .iter()
            .any(|text| text.starts_with("workflow `w`: it still runs, although node 0 has ended it")),
        "{found:?}"
    );
    while bench.app.repair().await.expect("repair").repaired > 0 {}
    assert_eq!(bench.found().await, [""; 0]);
    let record = bench.adapter.workflow(&"w".into(), false).await.expect("workflow").expect("known");
    assert_eq!(record.state, WorkflowState::Failed);
    bench.drains().await;
}

/// More joins than a page has; the join of the roots is looked at with the first page.
#[tokio::test]
async fn a_long_chain_is_clean_on_its_way() {
    let bench = Bench::start().await;
    bench.adapter.start(chain("w", 450)).await.expect("start");
    let mut settle = Vec::new();
    for number in 1..=450 {
        let jobs = bench.adapter.exchange(exchange("w", number, settle, 1)).await.expect("claim").jobs;
        settle = jobs.iter().map(complete).collect();
        if number % 45 == 0 || (198..=203).contains(&number) {
            assert_clean(&bench.adapter, &format!("at node {number}")).await;
        }
    }
    bench.adapter.exchange(exchange("w", 451, settle, 0)).await.expect("settle");
    bench.drains().await;
}

/// A workflow that is late is ended by the claim that meets it, and its delayed nodes with it.
#[tokio::test]
async fn a_claim_that_ends_a_late_workflow_leaves_no_timer() {
    let bench = Bench::start().await;
    let later = NewNode { delay: Duration::from_secs(60), ..node(None) };
    let two = NewWorkflow { ttl: Some(Duration::from_secs(5)), ..flow("w", vec![node(None), later], vec![]) };
    bench.adapter.start(two).await.expect("start");
    bench.adapter.shift_clock(Duration::from_secs(6)).await.expect("shift the clock");
    for limit in [5, 0] {
        let answer = bench.adapter.exchange(exchange("w", 6 - limit as u64, Vec::new(), limit)).await;
        assert!(answer.expect("claim").jobs.is_empty());
        assert_clean(&bench.adapter, &format!("after a claim of {limit}")).await;
    }
    bench.drains().await;
}

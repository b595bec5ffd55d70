//! What only this adapter's workflows have: starts in several calls, bounded scripts, and how these meet.

use std::collections::HashSet;
use std::time::Duration;

use taskora::adapter::{
    AttemptEnd, CancelOutcome, Enqueued, Exchange, Inspection, Jobs, NewNode, NewWorkflow, Settled, Workflows,
};
use taskora::workflow::WorkflowState;
use taskora::{JobState, Retention};
use taskora_redis::{RedisAdapter, RedisConfig};

use crate::flows::{chain, chord, flow, node};
use crate::kit::{PATIENCE, TASK, complete, drain, exchange, job, settlement};
use crate::proxy::{Fate, Proxy};
use crate::server::Server;
use crate::upkeep::assert_clean;

/// No script may keep Redis for longer, in microseconds.
const LIMIT: &str = "10000";

/// Claims and completes until nothing is left; the numbers of the nodes, in order.
async fn run(adapter: &RedisAdapter, worker: &str, page: usize) -> Vec<u32> {
    let (mut number, mut nodes, mut settle) = (0, Vec::new(), Vec::new());
    loop {
        number += 1;
        let answer = adapter.exchange(exchange(worker, number, settle, page)).await.expect("exchange");
        nodes.extend(answer.jobs.iter().filter_map(|job| job.node.as_ref()).map(|of| of.node));
        settle = answer.jobs.iter().map(complete).collect();
        if settle.is_empty() && !answer.more {
            return nodes;
        }
    }
}

#[tokio::test]
async fn a_chord_of_ten_thousand_keeps_redis_for_a_moment_only() {
    const HEADERS: u32 = 10_000;
    let mut slow = String::new();
    // a machine that is busy with other things is slow at times: what is slow each time is slow
    for _ in 0..3 {
        let server = Server::with(&["--save", "", "--slowlog-log-slower-than", LIMIT]);
        let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
        // a chord, and a fan-out as wide behind one node
        let mut fan = chord("fan", 1);
        fan.nodes.extend(vec![node(Some(0)); HEADERS as usize]);
        for flow in [chord("w", HEADERS), fan] {
            let (id, count) = (flow.id.clone(), flow.nodes.len() as u32);
            assert_eq!(adapter.start(flow).await.expect("start"), Enqueued::New);
            let nodes = run(&adapter, id.as_str(), 100).await;
            assert_eq!(nodes, (0..count).collect::<Vec<_>>(), "each once, in order");
            let ended = adapter.workflow_ended(&id).await.expect("ended").expect("known");
            assert_eq!(ended.state, WorkflowState::Completed);
        }
        let results =
            adapter.node_results(&"w".into(), &(0..1_000).collect::<Vec<_>>()).await.expect("results");
        assert!(results.iter().all(|result| result.as_deref() == Some(b"null")));
        // also the way in which all of it is cancelled, read and removed
        adapter.start(chord("cancelled", HEADERS)).await.expect("start");
        adapter.exchange(exchange("x", 1, Vec::new(), 100)).await.expect("claim");
        adapter.cancel_workflow(&"cancelled".into(), "stop").await.expect("cancel");
        let record = adapter.workflow(&"cancelled".into(), true).await.expect("read").expect("known");
        let active = record.nodes.iter().filter(|node| node.state == Some(JobState::Active)).count();
        let cancelled = record.nodes.iter().filter(|node| node.state == Some(JobState::Cancelled)).count();
        assert_eq!((active, cancelled), (100, HEADERS as usize - 99));
        let none = taskora::RetentionLimit::new(Duration::ZERO, 0);
        while adapter.sweep(&[TASK.into()], Retention::default().workflows(none)).await.expect("sweep").more {
        }
        slow = server.cli(&["SLOWLOG", "GET"]);
        if slow.is_empty() {
            return;
        }
    }
    panic!("calls of more than {LIMIT} µs: {slow}");
}

#[tokio::test]
async fn what_a_page_of_scattered_nodes_reads_is_bounded() {
    const NODES: u32 = 10_000;
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    // a third of them waits for the first join, a third for the second one, and the rest are roots
    let mut nodes = vec![node(None)];
    nodes.extend((1..NODES).map(|number| node(Some(number % 3).filter(|join| *join < 2))));
    adapter.start(flow("w", nodes, vec![vec![0], vec![0]])).await.expect("start");
    let fields = server.cli(&["HKEYS", "{taskora}:wf:=w"]);
    let slabs: Vec<&str> = fields.lines().filter(|field| field.starts_with('c')).collect();
    assert!(slabs.len() > 60 && slabs.contains(&"c1.1") && slabs.contains(&"cr.1"), "{slabs:?}");
    for slab in slabs {
        let len: usize = server.cli(&["HSTRLEN", "{taskora}:wf:=w", slab]).parse().expect("a length");
        assert!(len <= 8 + 4096, "a page reads `{slab}`, which is {len} bytes");
    }
    let mut nodes = run(&adapter, "w", 500).await;
    nodes.sort_unstable();
    assert_eq!(nodes, (0..NODES).collect::<Vec<_>>(), "each once");
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_parents_that_end_at_once_release_the_child_once() {
    const TIMES: u32 = 1_000;
    let server = Server::start();
    let (one, other) = (
        RedisAdapter::connect(server.url()).await.expect("connect"),
        RedisAdapter::connect(server.url()).await.expect("connect"),
    );
    for time in 0..TIMES {
        let id = format!("w{time}");
        one.start(chord(&id, 2)).await.expect("start");
        let number = u64::from(time) * 4;
        let parents = one.exchange(exchange("w", number + 1, Vec::new(), 2)).await.expect("claim").jobs;
        let settle = |worker: &str, place: usize| Exchange {
            claim: None,
            ..exchange(worker, number + 2, vec![complete(&parents[place])], 0)
        };
        let (settle_one, settle_other) = (settle("a", 0), settle("b", 1));
        let ended = tokio::join!(one.exchange(settle_one.clone()), other.exchange(settle_other.clone()));
        ended.0.expect("settle");
        ended.1.expect("settle");
        // and once more, as after a lost answer
        one.exchange(settle_other).await.expect("settle again");
        other.exchange(settle_one).await.expect("settle again");
        let children = one.exchange(exchange("w", number + 3, Vec::new(), 9)).await.expect("claim").jobs;
        let ids: Vec<&str> = children.iter().map(|job| job.lease.id.as_str()).collect();
        assert_eq!(ids, [format!("{id}#2")]);
        one.exchange(exchange("w", number + 4, vec![complete(&children[0])], 0)).await.expect("settle");
        let ended = one.workflow_ended(&id.into()).await.expect("ended").expect("known");
        assert_eq!(ended.state, WorkflowState::Completed);
    }
    assert_clean(&one, "at the end").await;
}

#[tokio::test]
async fn workers_that_compete_for_a_large_workflow_run_each_node_once() {
    let server = Server::start();
    let mut nodes = vec![node(None)];
    nodes.extend(vec![node(Some(0)); 3_000]);
    nodes.push(node(Some(1)));
    let first = RedisAdapter::connect(server.url()).await.expect("connect");
    first.start(flow("w", nodes, vec![vec![0], (1..=3_000).collect()])).await.expect("start");
    let mut workers = Vec::new();
    for number in 0..4 {
        let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
        workers.push(tokio::spawn(async move {
            let (worker, mut seen) = (format!("w{number}"), Vec::new());
            let (waiting, id) = (adapter.clone(), "w".into());
            let ended = waiting.workflow_ended(&id);
            tokio::pin!(ended);
            let (mut call, mut settle) = (0, Vec::new());
            loop {
                call += 1;
                let jobs =
                    adapter.exchange(exchange(&worker, call, settle, 32)).await.expect("exchange").jobs;
                seen.extend(jobs.iter().filter_map(|job| job.node.as_ref()).map(|of| of.node));
                settle = jobs.iter().map(complete).collect();
                if settle.is_empty()
                    && let Ok(ended) = tokio::time::timeout(Duration::from_millis(1), &mut ended).await
                {
                    assert_eq!(ended.expect("ended").expect("known").state, WorkflowState::Completed);
                    return seen;
                }
            }
        }));
    }
    let mut seen = Vec::new();
    for worker in workers {
        seen.extend(tokio::time::timeout(PATIENCE, worker).await.expect("in time").expect("a worker"));
    }
    assert_eq!(seen.len(), 3_002);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 3_002);
    assert_clean(&first, "at the end").await;
}

#[tokio::test]
async fn a_node_of_many_joins_counts_them_all_down() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    let mut nodes = vec![node(None)];
    nodes.extend((0..1_000).map(|join| node(Some(join))));
    adapter.start(flow("w", nodes, vec![vec![0]; 1_000])).await.expect("start");
    assert_eq!(run(&adapter, "w", 32).await, (0..=1_000).collect::<Vec<_>>());
    let record = adapter.workflow(&"w".into(), true).await.expect("read").expect("known");
    assert_eq!((record.state, record.joins), (WorkflowState::Completed, vec![vec![0]; 1_000]));
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn what_a_dead_starter_has_put_aside_hinders_nobody() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    adapter.start(chord("w", 2_000)).await.expect("start");
    assert_eq!(adapter.start(chord("w", 3_000)).await.expect("start"), Enqueued::Duplicate);
    assert_eq!(server.cli(&["KEYS", "*stage*"]), "", "a duplicate leaves nothing behind");
    assert_eq!(server.cli(&["TTL", "{taskora}:wf:=w"]), "-1", "what was aside had a time to live");
    assert_eq!(run(&adapter, "w", 500).await, (0..=2_000).collect::<Vec<_>>());
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_starter_that_dies_between_any_two_calls_has_started_all_or_nothing() {
    const HEADERS: u32 = 2_400;
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    adapter.start(chord("first", HEADERS)).await.expect("start, which loads the scripts");
    run(&adapter, "first", 500).await;
    let (mut nothing, mut all) = (0, 0);
    for answers in 0.. {
        assert!(answers < 100, "a start takes no hundred calls");
        let id = format!("w{answers}");
        let proxy = Proxy::start(server.port()).await;
        let config = RedisConfig::new(proxy.url()).command_timeout(PATIENCE);
        let mortal = RedisAdapter::connect(config).await.expect("connect");
        // the call that is not answered is done, and the ones after it are never made
        proxy.let_through(answers);
        let done =
            tokio::time::timeout(Duration::from_millis(500), mortal.start(chord(&id, HEADERS))).await.is_ok();
        drop(mortal);
        match adapter.workflow(&id.as_str().into(), false).await.expect("read") {
            Some(_) => all += 1,
            None => {
                nothing += 1;
                assert_eq!(adapter.start(chord(&id, HEADERS)).await.expect("start"), Enqueued::New);
            }
        }
        assert_eq!(run(&adapter, &id, 500).await, (0..=HEADERS).collect::<Vec<_>>(), "{answers} answers");
        let ended = adapter.workflow_ended(&id.as_str().into()).await.expect("ended").expect("known");
        assert_eq!(ended.state, WorkflowState::Completed);
        if done {
            break;
        }
    }
    assert!(nothing > 2 && all > 2, "died {nothing} times before the commit, {all} times after it");
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_workflow_whose_rest_nobody_has_released_is_released_by_the_workers() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    adapter.start(chord("w", 2_000)).await.expect("start");
    // as if its starter had died after the last call of the start: nothing is released
    server.cli(&["DEL", "{taskora}:wait:send-email", "{taskora}:wake:send-email", "{taskora}:ready"]);
    server.cli(&["HSET", "{taskora}:wf:=w", "jr", "-0 0"]);
    server.cli(&["RPUSH", "{taskora}:deferred", "Rr:0 =w"]);
    let listener = taskora::adapter::Signals::work(&adapter);
    assert!(adapter.sweep(&["other".into()], Retention::default()).await.expect("sweep").more);
    let mut none = exchange("full", 1, Vec::new(), 1);
    none.claim.as_mut().expect("a claim").limit = 0;
    let (wait, wake_early) = (Duration::from_secs(60), tokio::sync::Notify::new());
    let woken = tokio::time::timeout(PATIENCE, listener.wait(&none, wait, &wake_early)).await;
    woken.expect("whoever sweeps wakes a worker").expect("wait");
    assert_eq!(run(&adapter, "w", 32).await, (0..=2_000).collect::<Vec<_>>());
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_workflow_is_gone_with_all_that_belonged_to_it() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(RedisConfig::new(server.url()).test_clock()).await.expect("connect");
    let hour = Duration::from_secs(3_600);
    let large = NewNode { payload: vec![b'7'; 5_000], ..node(None) };
    let wide = NewWorkflow {
        ttl: Some(hour),
        ..flow("a", vec![large.clone(), large, node(Some(0))], vec![vec![0]])
    };
    let delayed = NewWorkflow { due: taskora::adapter::Due::After(hour * 2), ..chain("b", 3) };
    for flow in [wide, delayed, chord("c", 200), chain("d", 3), flow("e", Vec::new(), Vec::new())] {
        adapter.start(flow).await.expect("start");
    }
    let jobs = adapter.exchange(exchange("w", 1, Vec::new(), 3)).await.expect("claim").jobs;
    assert_eq!(jobs[0].payload.len(), 5_000);
    let line =
        taskora::LogEntry::new(taskora::LogLevel::Info, "sending", taskora::Timestamp::from_millis(1), 1);
    let notes = |place: usize| taskora::adapter::JobReport {
        lease: jobs[place].lease.clone(),
        progress: Some(b"1".to_vec()),
        logs: vec![line.clone()],
    };
    assert_eq!(adapter.note(vec![notes(0), notes(2)]).await.expect("note"), [true, true]);
    let retry = AttemptEnd::Retry { error: "no".into(), delay: hour };
    let settle = vec![settlement(&jobs[0], retry), settlement(&jobs[2], AttemptEnd::Fail("no".into()))];
    adapter.exchange(exchange("w", 2, settle, 0)).await.expect("settle");
    adapter.shift_clock(hour + hour).await.expect("shift the clock");
    let none = taskora::RetentionLimit::new(Duration::from_secs(60), 0);
    let retention = Retention::all(none);
    for worker in ["x", "y", "z"] {
        while adapter.sweep(&[TASK.into()], retention).await.expect("sweep").more {}
        drain(&adapter, worker).await;
        adapter.shift_clock(hour).await.expect("shift the clock");
    }
    while adapter.sweep(&[TASK.into()], retention).await.expect("sweep").more {}
    let mut keys: Vec<String> = server.cli(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    keys.retain(|key| !key.starts_with("{taskora}:call:"));
    keys.sort();
    assert_eq!(
        keys,
        ["clock", "front", "meta", "procs", "seq", "tasks"].map(|key| format!("{{taskora}}:{key}"))
    );
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_worker_that_dies_at_any_point_around_settle_leaves_a_workflow_that_ends() {
    let server = Server::start();
    let clocked = || RedisConfig::new(server.url()).test_clock();
    let adapter = RedisAdapter::connect(clocked()).await.expect("connect");
    adapter.start(chain("first", 3)).await.expect("start");
    run(&adapter, "first", 1).await;
    let mut died = 0;
    for answers in 0.. {
        let id = format!("w{answers}");
        assert!(answers < 20, "a chain of three takes no twenty calls");
        assert_eq!(adapter.start(chain(&id, 3)).await.expect("start"), Enqueued::New);
        let proxy = Proxy::start(server.port()).await;
        let config = RedisConfig::new(proxy.url()).test_clock().command_timeout(PATIENCE);
        let mortal = RedisAdapter::connect(config).await.expect("connect");
        // the call that is not answered is done, and the ones after it are never made
        proxy.let_through(answers);
        let finished = tokio::time::timeout(Duration::from_millis(500), run(&mortal, &id, 1)).await;
        drop(mortal);
        if finished.is_ok() {
            break;
        }
        died += 1;
        adapter.shift_clock(Duration::from_secs(31)).await.expect("shift the clock");
        while adapter.sweep(&[TASK.into()], Retention::default()).await.expect("sweep").more {}
        run(&adapter, &format!("{id}-other"), 1).await;
        let ended = adapter.workflow_ended(&id.as_str().into()).await.expect("ended").expect("known");
        assert_eq!(ended.state, WorkflowState::Completed, "{answers} answers");
        let record = adapter.workflow(&id.as_str().into(), true).await.expect("read").expect("known");
        let ends: Vec<_> = record.nodes.iter().map(|node| (node.state, node.attempts)).collect();
        assert_eq!(
            ends,
            vec![(Some(JobState::Completed), 1); 3],
            "each node completed once, {answers} answers"
        );
        assert_eq!(adapter.counts(TASK).await.expect("counts").active, 0);
    }
    assert!(died >= 4, "it died {died} times, and makes at least four calls");
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn an_entry_that_outlived_its_workflow_does_nothing_to_the_next_one_of_that_id() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    adapter.start(chain("w", 3)).await.expect("start");
    // to cancel its nodes, and to release those that wait for its second one
    server.cli(&["RPUSH", "{taskora}:deferred", "Xx:0 =w", "R1:0 =w"]);
    assert_eq!(run(&adapter, "w", 1).await, [0, 1, 2], "each in its turn");
    assert_eq!(server.cli(&["EXISTS", "{taskora}:deferred"]), "0");
    let ended = adapter.workflow_ended(&"w".into()).await.expect("ended").expect("known");
    assert_eq!(ended.state, WorkflowState::Completed);
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_lost_answer_does_not_make_a_cancelled_workflow_somebody_elses() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    for id in ["first", "w"] {
        adapter.start(chain(id, 3)).await.expect("start");
    }
    // which loads the script, so that it is its own answer that is lost
    adapter.cancel_workflow(&"first".into(), "done").await.expect("cancel");
    let proxy = Proxy::start(server.port()).await;
    let through = RedisAdapter::connect(proxy.url()).await.expect("connect");
    proxy.set(Fate::CutNext);
    let outcome = through.cancel_workflow(&"w".into(), "enough").await.expect("cancel");
    assert_eq!(outcome, CancelOutcome::Cancelled);
    let again = through.cancel_workflow(&"w".into(), "enough").await.expect("cancel");
    assert_eq!(again, CancelOutcome::AlreadyEnded(JobState::Cancelled));
    assert_clean(&adapter, "at the end").await;
}

/// What a step of a chain is made of comes with its claim, unless that is long or the claim is answered again; what comes is
/// what `node_results` says.
#[tokio::test]
async fn a_step_comes_with_the_result_before_it() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    adapter.start(chain("w", 3)).await.expect("start");
    let mut jobs = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(jobs[0].prior_result, None, "nothing is before the first step");
    let long = [b"\"", [b'x'; 5000].as_slice(), b"\""].concat();
    for (number, (result, known)) in
        (2..).zip([(b"17".to_vec(), Some((0, b"17".to_vec()))), (long.clone(), None)])
    {
        let end = settlement(&jobs[0], AttemptEnd::Complete(result.clone()));
        jobs = adapter.exchange(exchange("w", number, vec![end.clone()], 1)).await.expect("exchange").jobs;
        assert_eq!(jobs[0].prior_result, known);
        let again = adapter.exchange(exchange("w", number, vec![end], 1)).await.expect("again").jobs;
        assert_eq!((again.len(), &again[0].lease.id, &again[0].prior_result), (1, &jobs[0].lease.id, &None));
        let read = adapter.node_results(&"w".into(), &[u32::try_from(number).expect("few") - 2]).await;
        assert_eq!(read.expect("results"), [Some(result)]);
    }
    // nodes that wait for nobody, one after the other
    adapter.start(flow("group", vec![node(None); 2], Vec::new())).await.expect("start");
    let first = adapter.exchange(exchange("x", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let second = adapter.exchange(exchange("x", 2, vec![complete(&first[0])], 1)).await.expect("claim").jobs;
    assert_eq!((second[0].node.as_ref().map(|of| of.node), &second[0].prior_result), (Some(1), &None));
}

/// A node that cannot be read holds up its own workflow, and nothing else.
#[tokio::test]
async fn a_damaged_node_holds_up_nobody_else() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(server.url()).await.expect("connect");
    let completed = [Settled::Now(JobState::Completed)];
    for damage in ["", "x", "twelve bytes"] {
        let name = format!("w{}", damage.len());
        let damaged = |node| server.cli(&["HSET", &format!("{{taskora}}:wf:={name}"), node, damage]);
        let mut number = 0;
        let mut claims = async |settle, limit| {
            number += 1;
            adapter.exchange(exchange(&name, number, settle, limit)).await.expect("exchange")
        };
        adapter.start(chain(&name, 3)).await.expect("start");
        let first = claims(Vec::new(), 9).await.jobs;
        // the second step is in line when it is damaged
        assert_eq!(claims(vec![complete(&first[0])], 0).await.settled, completed);
        damaged("n1");
        adapter.enqueue(vec![job(&format!("plain of {name}"))]).await.expect("enqueue");
        let claimed = claims(Vec::new(), 9).await.jobs;
        assert_eq!(claimed.iter().map(|job| job.node.is_none()).collect::<Vec<_>>(), [true], "{claimed:?}");
        assert_eq!(claims(vec![complete(&claimed[0])], 0).await.settled, completed);
        adapter.cancel_workflow(&name.as_str().into(), "it is damaged").await.expect("cancelled");
        adapter.sweep(&[TASK.into()], Retention::default()).await.expect("swept");

        // one that runs, and what comes after it
        let name = format!("r{}", damage.len());
        adapter.start(chain(&name, 3)).await.expect("start");
        let running = adapter.exchange(exchange(&name, 1, Vec::new(), 9)).await.expect("claim").jobs;
        for node in ["n0", "n1"] {
            server.cli(&["HSET", &format!("{{taskora}}:wf:={name}"), node, damage]);
        }
        let end = vec![complete(&running[0])];
        assert_eq!(adapter.exchange(exchange(&name, 2, end, 9)).await.expect("settle").settled, completed);

        // one of whose node something was put off, as after the end of a node that is in very many joins
        server.cli(&["RPUSH", "{taskora}:deferred", &format!("J1:0 ={name}")]);
        adapter
            .exchange(exchange(&format!("any {name}"), 1, Vec::new(), 0))
            .await
            .expect("what was put off holds up nobody");
        assert_eq!(server.cli(&["EXISTS", "{taskora}:deferred"]), "0");

        // a record of a job that was handed out, and whose call is repeated
        adapter.enqueue(vec![job(&format!("lost of {name}"))]).await.expect("enqueue");
        let call = exchange(&format!("repeats {name}"), 1, Vec::new(), 1);
        assert_eq!(adapter.exchange(call.clone()).await.expect("claim").jobs.len(), 1);
        server.cli(&["HSET", "{taskora}:jobs", &format!("=lost of {name}"), "x"]);
        assert!(adapter.exchange(call).await.expect("the same answer, without it").jobs.is_empty());
    }
}

//! What only this adapter's workflows have: starts in several calls, bounded scripts, and how these meet.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use taskora::adapter::{AttemptEnd, Enqueued, Exchange, Jobs, NewNode, NewWorkflow, Workflows};
use taskora::workflow::WorkflowState;
use taskora::{JobState, Retention};
use taskora_redis::RedisAdapter;

use crate::flows::{chain, chord, flow, node, run};
use crate::kit::{PATIENCE, TASK, complete, drain, exchange, patient};
use crate::server::Server;
use crate::upkeep::assert_clean;

/// No call may run more commands inside Redis: about four milliseconds.
const LIMIT: usize = 2_000;
/// The last command that is looked at.
const MARK: &str = "that was all";

/// The most commands that one call has run inside Redis, and which call that was: read from what the server shows of each command, up
/// to the mark. Time would tell as much of what else the machine does.
fn longest_call(port: u16) -> std::thread::JoinHandle<(usize, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.write_all(b"MONITOR\r\n").expect("a command");
    let mut lines = BufReader::new(stream).lines().map(|line| line.expect("a line"));
    assert_eq!(lines.next().as_deref(), Some("+OK"));
    std::thread::spawn(move || {
        let (mut longest, mut count, mut call) = ((0, String::new()), 0, String::new());
        for line in lines.take_while(|line| !line.contains(MARK)) {
            if line.contains(" lua] ") {
                count += 1;
            } else {
                (count, call) = (0, line.chars().take(120).collect());
            }
            if count > longest.0 {
                longest = (count, call.clone());
            }
        }
        longest
    })
}

#[tokio::test]
async fn a_chord_of_ten_thousand_keeps_redis_for_a_moment_only() {
    const HEADERS: u32 = 10_000;
    let server = Server::with(&["--save", ""]);
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let longest = longest_call(server.port());
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
    let results = adapter.node_results(&"w".into(), &(0..1_000).collect::<Vec<_>>()).await.expect("results");
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
    while adapter.sweep(&[TASK.into()], Retention::default().workflows(none)).await.expect("sweep").more {}
    server.cli(&["ECHO", MARK]);
    let (commands, call) = longest.join().expect("what the server showed");
    assert!((10..=LIMIT).contains(&commands), "{commands} commands in {call}");
}

#[tokio::test]
async fn what_a_page_of_scattered_nodes_reads_is_bounded() {
    const NODES: u32 = 10_000;
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
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
        RedisAdapter::connect(patient(server.url())).await.expect("connect"),
        RedisAdapter::connect(patient(server.url())).await.expect("connect"),
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
    let first = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    first.start(flow("w", nodes, vec![vec![0], (1..=3_000).collect()])).await.expect("start");
    let mut workers = Vec::new();
    for number in 0..4 {
        let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
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
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let mut nodes = vec![node(None)];
    nodes.extend((0..1_000).map(|join| node(Some(join))));
    adapter.start(flow("w", nodes, vec![vec![0]; 1_000])).await.expect("start");
    assert_eq!(run(&adapter, "w", 32).await, (0..=1_000).collect::<Vec<_>>());
    let record = adapter.workflow(&"w".into(), true).await.expect("read").expect("known");
    assert_eq!((record.state, record.joins), (WorkflowState::Completed, vec![vec![0]; 1_000]));
    assert_clean(&adapter, "at the end").await;
}

#[tokio::test]
async fn a_workflow_is_gone_with_all_that_belonged_to_it() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect");
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
    let settle = vec![jobs[0].settlement(retry), jobs[2].settlement(AttemptEnd::Fail("no".into()))];
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
        ["clock", "front", "meta", "procs", "registry", "seq", "tasks"]
            .map(|key| format!("{{taskora}}:{key}"))
    );
    assert_clean(&adapter, "at the end").await;
}

/// What a step of a chain is made of comes with its claim, unless that is long or the claim is answered again; what comes is
/// what `node_results` says.
#[tokio::test]
async fn a_step_comes_with_the_result_before_it() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    adapter.start(chain("w", 3)).await.expect("start");
    let mut jobs = adapter.exchange(exchange("w", 1, Vec::new(), 1)).await.expect("claim").jobs;
    assert_eq!(jobs[0].prior_result, None, "nothing is before the first step");
    let long = [b"\"", [b'x'; 5000].as_slice(), b"\""].concat();
    for (number, (result, known)) in
        (2..).zip([(b"17".to_vec(), Some((0, b"17".to_vec()))), (long.clone(), None)])
    {
        let end = jobs[0].settlement(AttemptEnd::Complete(result.clone()));
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

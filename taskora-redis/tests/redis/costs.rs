//! How many commands a job costs inside Redis: a feature that a job does not use must not make it dearer.

use std::time::Duration;

use taskora::adapter::{
    Collect, Control, DeclaredLimit, GatedTask, Jobs, LimitKey, NewJob, PerKey, Rate, Signals,
};
use taskora_redis::RedisAdapter;

use crate::kit::{TASK, complete, exchange, job, patient};
use crate::server::Server;

/// How many commands the server has run since it started, those of functions included.
pub(crate) fn commands(server: &Server) -> u64 {
    let stats = server.cli(&["INFO", "commandstats"]);
    let calls = |line: &str| line.split_once("calls=")?.1.split_once(',')?.0.parse::<u64>().ok();
    stats.lines().filter(|line| !line.starts_with("cmdstat_info")).filter_map(calls).sum()
}

/// The commands of a dispatch into an idle line, of a claim, and of a settlement that claims the next job, which is there.
async fn costs(server: &Server, adapter: &RedisAdapter, round: u64) -> [u64; 3] {
    costs_of(server, adapter, round, None).await
}

async fn costs_of(server: &Server, adapter: &RedisAdapter, round: u64, key: Option<&str>) -> [u64; 3] {
    let worker = format!("w{round}");
    let limit_key = key.and_then(LimitKey::new);
    let [one, two] =
        ["a", "b"].map(|id| NewJob { limit_key: limit_key.clone(), ..job(&format!("{id}-{round}")) });
    let start = commands(server);
    adapter.enqueue(vec![one]).await.expect("enqueue");
    let stored = commands(server);
    let claimed = adapter.exchange(exchange(&worker, 1, Vec::new(), 1)).await.expect("claim").jobs;
    let has_claimed = commands(server);
    adapter.enqueue(vec![two]).await.expect("enqueue");
    let before = commands(server);
    let next = adapter.exchange(exchange(&worker, 2, vec![complete(&claimed[0])], 1)).await.expect("settle");
    let settled = commands(server);
    let last = exchange(&worker, 3, vec![complete(&next.jobs[0])], 0);
    adapter.exchange(last).await.expect("settle");
    [stored - start, has_claimed - stored, settled - before]
}

#[tokio::test]
async fn a_plain_job_pays_for_no_gate() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    costs(&server, &adapter, 0).await;
    let plain = costs(&server, &adapter, 1).await;
    assert_eq!(
        plain,
        [12, 14, 18],
        "only a job that finds its line idle asks whether its task is closed; each asks whether anybody listens"
    );

    // a gate with room
    let limited = GatedTask::new("report");
    adapter.set_limit(&limited, None, Some(1)).await.expect("set_limit");
    assert_eq!(costs(&server, &adapter, 2).await, plain, "beside a task with a limit");

    // a rate with room
    adapter.set_rate(&limited, None, Some(Rate::new(9, Duration::from_secs(60)))).await.expect("set_rate");
    assert_eq!(costs(&server, &adapter, 4).await, plain, "beside a task with a rate");
    adapter.set_rate(&limited, None, None).await.expect("set_rate");

    // a full one
    let jobs = ["r1", "r2"].map(|id| NewJob { task: "report".into(), ..job(id) });
    adapter.enqueue(jobs.to_vec()).await.expect("enqueue");
    let mut call = exchange("r", 1, Vec::new(), 9);
    let tasks = &mut call.claim.as_mut().expect("a claim").tasks;
    *tasks = tasks
        .iter()
        .map(|task| taskora::adapter::TaskClaim { task: "report".into(), ..task.clone() })
        .collect();
    assert_eq!(adapter.exchange(call).await.expect("claim").jobs.len(), 1);
    let beside = costs(&server, &adapter, 3).await;
    assert_eq!(beside, [12, 15, 20], "beside a task that is at its limit, exchanges look for closed gates");
}

#[tokio::test]
async fn a_plain_job_pays_for_no_watcher() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    costs(&server, &adapter, 0).await;
    let waiting = |id: &str| NewJob { task: "other".into(), ..job(id) };
    adapter.enqueue(vec![waiting("awaited"), waiting("watched")]).await.expect("enqueue");
    let awaits = tokio::spawn({
        let adapter = adapter.clone();
        async move { adapter.ended(&"awaited".into()).await }
    });
    while server.cli(&["HLEN", "{taskora}:waiters"]) != "1" {
        tokio::task::yield_now().await;
    }
    let beside = costs(&server, &adapter, 1).await;
    let mut news = adapter.watch(&"watched".into());
    news.wait_for(Option::is_some).await.expect("it is told");
    assert!(server.cli(&["HGET", "{taskora}:waiters", "=watched"]).ends_with('+'), "it is flagged");
    assert_eq!(
        costs(&server, &adapter, 2).await,
        beside,
        "beside a job that is watched as beside one that is awaited"
    );
    awaits.abort();
}

#[tokio::test]
async fn a_job_with_a_key_pays_for_its_lane() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    costs(&server, &adapter, 0).await;
    let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(PerKey::at_most(1)));
    adapter.declare_limits(vec![limit]).await.expect("declare_limits");
    assert_eq!(
        costs_of(&server, &adapter, 1, Some("acme")).await,
        [20, 29, 53],
        "its lane, its turn, its holder"
    );
    // jobs without a key, beside one that holds its key
    adapter.enqueue(vec![NewJob { limit_key: LimitKey::new("acme"), ..job("held") }]).await.expect("enqueue");
    assert_eq!(adapter.exchange(exchange("r", 1, Vec::new(), 1)).await.expect("claim").jobs.len(), 1);
    assert_eq!(
        costs(&server, &adapter, 2).await,
        [12, 21, 26],
        "a line with a gate is not read the short way"
    );
}

#[tokio::test]
async fn an_item_pays_for_what_gathers_and_the_others_do_not() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    costs(&server, &adapter, 0).await;
    let hour = Duration::from_secs(3600);
    let items = |round: u32, count: u32| {
        let item = |number| NewJob {
            limit_key: LimitKey::new("acme"),
            collect: Some(Collect::new(100, hour)),
            ..job(&format!("i{round}-{number}"))
        };
        (0..count).map(item).collect::<Vec<_>>()
    };
    let cost = async |jobs| {
        let before = commands(&server);
        adapter.enqueue(jobs).await.expect("enqueue");
        commands(&server) - before
    };
    let (first, next, many) = (cost(items(0, 1)).await, cost(items(1, 1)).await, cost(items(2, 97)).await);
    // fewer if the lane opens at the same millisecond as before
    assert!(first <= 32 && next <= 31 && many <= 31, "one change of the lane: {first}, {next}, {many}");
    // jobs without a key, beside items that gather
    assert_eq!(costs(&server, &adapter, 1).await, [11, 21, 25], "what gathers is looked for");
    let full = cost(items(3, 1)).await;
    let before = commands(&server);
    let claimed = adapter.exchange(exchange("r", 1, Vec::new(), 1)).await.expect("claim").jobs;
    let claim = commands(&server) - before;
    assert_eq!((claimed.len(), full, claim), (100, 35, 40), "whatever the size of the batch");
}

/// However many keys go at once, a call looks at a page.
#[tokio::test]
async fn what_a_call_does_for_batches_is_bounded() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect");
    let minute = Duration::from_secs(60);
    for round in 0..3 {
        for start in [0_u32, 500] {
            let item = |number| NewJob {
                limit_key: LimitKey::new(format!("key {number}")),
                collect: Some(Collect::new(9, minute)),
                ..job(&format!("{round}-{number}"))
            };
            adapter.enqueue((start..start + 500).map(item).collect()).await.expect("enqueue");
        }
    }
    adapter.shift_clock(minute + minute).await.expect("shift the clock");
    let (mut all, mut calls) = (0, 0);
    while all < 3_000 && calls < 100 {
        calls += 1;
        let before = commands(&server);
        let answer = adapter.exchange(exchange(&format!("w{calls}"), 1, Vec::new(), 100)).await;
        let jobs = answer.expect("claim").jobs.len();
        let count = commands(&server) - before;
        assert!(count < 6_000, "{count} commands for {jobs} jobs");
        all += jobs;
    }
    assert!(all == 3_000 && calls < 40, "{all} jobs in {calls} calls");
}

/// However many jobs and keys wait, a call looks at a page.
#[tokio::test]
async fn what_a_call_does_for_keys_is_bounded() {
    let server = Server::start();
    let adapter = RedisAdapter::connect(patient(server.url())).await.expect("connect");
    let declare = |max| vec![DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(PerKey::at_most(max)))];
    adapter.declare_limits(declare(1)).await.expect("declare_limits");
    for round in 0..10 {
        let one = |number: u32| NewJob {
            limit_key: LimitKey::new(format!("key {number}")),
            ..job(&format!("{round}-{number}"))
        };
        let page = |start: u32| (start..start + 500).map(one).collect();
        for start in [0, 500] {
            adapter.enqueue(page(start)).await.expect("enqueue");
        }
    }
    let mut worker = 0;
    let mut claim = async |limit| {
        worker += 1;
        let before = commands(&server);
        let jobs = adapter.exchange(exchange(&format!("w{worker}"), 1, Vec::new(), limit)).await;
        (jobs.expect("claim").jobs.len(), commands(&server) - before)
    };
    let (jobs, few) = claim(1).await;
    assert!(jobs == 1 && few < 50, "{few} commands");
    for _ in 0..2 {
        let (jobs, _) = claim(500).await;
        assert!(jobs >= 499);
    }
    let (jobs, none) = claim(500).await;
    assert!(jobs == 0 && none < 40, "all keys are held: {none} commands");
    // a higher limit of all keys opens the lanes page by page
    let before = commands(&server);
    adapter.declare_limits(declare(2)).await.expect("declare_limits");
    let declared = commands(&server) - before;
    assert!(declared < 1200, "{declared} commands");
    let mut all = 0;
    for _ in 0..20 {
        let (jobs, count) = claim(500).await;
        all += jobs;
        assert!(count < 7 * 500 + 1200, "{count} commands for {jobs} jobs");
    }
    assert_eq!(all, 1000);
}

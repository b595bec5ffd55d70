//! Lanes of many keys, and of keys with many jobs: who waits how long, and how much a call does.

use std::collections::HashMap;
use std::time::Duration;

use taskora::App;
use taskora::adapter::{
    ClaimedJob, Control, DeclaredLimit, GatedTask, Inspection, Jobs, LimitKey, NewJob, NewPause, PerKey,
};
use taskora_redis::RedisAdapter;

use crate::costs::commands;
use crate::kit::{TASK, complete, exchange, job, patient};
use crate::server::Server;

/// How many jobs run at once, and how many keys are new.
const SLOTS: usize = 20;
const KEYS: usize = 1_000;
/// The jobs of the key that floods the task; `TASKORA_LANE_BACKLOG` sets another number.
const BACKLOG: usize = 100_000;

/// A worker with all slots, and what it was given.
struct Bench {
    server: Server,
    adapter: RedisAdapter,
    number: u64,
    running: Vec<ClaimedJob>,
}

impl Bench {
    async fn start(per_key: PerKey) -> Self {
        let server = Server::start();
        let adapter = RedisAdapter::connect(patient(server.url()).test_clock()).await.expect("connect");
        let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(per_key));
        adapter.declare_limits(vec![limit]).await.expect("declare_limits");
        Self { server, adapter, number: 0, running: Vec::new() }
    }

    async fn put(&self, jobs: impl IntoIterator<Item = (String, String)>) {
        let jobs: Vec<NewJob> =
            jobs.into_iter().map(|(id, key)| NewJob { limit_key: LimitKey::new(key), ..job(&id) }).collect();
        for page in jobs.chunks(500) {
            self.adapter.enqueue(page.to_vec()).await.expect("enqueue");
        }
    }

    /// All that runs completes, and the slots are filled again, in one call; the keys of the new jobs, and how many commands it took.
    async fn round(&mut self) -> (Vec<String>, u64) {
        self.number += 1;
        let settle = self.running.iter().map(complete).collect();
        let before = commands(&self.server);
        let call = exchange("w", self.number, settle, SLOTS);
        self.running = self.adapter.exchange(call).await.expect("exchange").jobs;
        let count = commands(&self.server) - before;
        let key = |job: &ClaimedJob| job.limit_key.as_ref().expect("a key").as_str().to_owned();
        (self.running.iter().map(key).collect(), count)
    }
}

/// Declares that `report` had another name until now.
async fn rename(adapter: &RedisAdapter) {
    let renamed = GatedTask { task: "report".into(), aliases: vec![TASK.into()] };
    let limit = DeclaredLimit::none(renamed).per_key(Some(PerKey::fair()));
    adapter.declare_limits(vec![limit]).await.expect("declare_limits");
}

#[tokio::test]
async fn a_closed_key_is_forgotten_in_time_although_its_task_is_an_alias_now() {
    let mut bench = Bench::start(PerKey::fair()).await;
    let is_closed = |server: &Server| server.cli(&["HEXISTS", "{taskora}:gate:report", "uacme"]);
    bench.put([("a".to_owned(), "acme".to_owned())]).await;
    bench.round().await;
    let lease = &bench.running[0].lease;
    bench.adapter.close_key(lease, Duration::from_secs(60)).await.expect("close_key");
    bench.round().await;
    rename(&bench.adapter).await;
    assert_eq!(is_closed(&bench.server).trim(), "1", "the key is closed under the new name");
    bench.adapter.shift_clock(Duration::from_secs(61)).await.expect("shift_clock");
    bench.round().await;
    assert_eq!(is_closed(&bench.server).trim(), "0");
}

#[tokio::test]
async fn the_pause_of_a_key_ends_in_time_although_its_task_is_an_alias_now() {
    let mut bench = Bench::start(PerKey::fair()).await;
    let is_paused = |server: &Server| server.cli(&["HEXISTS", "{taskora}:gate:report", "pacme"]);
    let mut pause = NewPause::from("why");
    pause.lasting = Some(Duration::from_secs(60));
    let (task, key) = (GatedTask::new(TASK), LimitKey::new("acme").expect("a key"));
    bench.adapter.pause(&task, Some(&key), pause).await.expect("pause");
    rename(&bench.adapter).await;
    assert_eq!(is_paused(&bench.server).trim(), "1", "the key is paused under the new name");
    let report = App::new(bench.adapter.clone()).check().await.expect("check");
    assert!(report.is_clean(), "{report}");
    bench.adapter.shift_clock(Duration::from_secs(61)).await.expect("shift_clock");
    bench.round().await;
    assert_eq!(is_paused(&bench.server).trim(), "0");
}

#[tokio::test]
async fn a_key_that_floods_its_task_keeps_no_new_one_waiting() {
    let backlog =
        std::env::var("TASKORA_LANE_BACKLOG").map_or(BACKLOG, |text| text.parse().expect("a number"));
    for per_key in [PerKey::fair(), PerKey::at_most(2)] {
        let mut bench = Bench::start(per_key).await;
        bench.put((0..10).map(|number| (format!("first-{number}"), "flood".to_owned()))).await;
        let (_, few) = bench.round().await;
        bench.put((0..backlog).map(|number| (format!("flood-{number}"), "flood".to_owned()))).await;
        let (_, many) = bench.round().await;
        assert!(many <= few + 100, "{few} commands with ten jobs, {many} with {backlog}");
        bench.put((0..KEYS).map(|number| (format!("new-{number}"), format!("key {number}")))).await;

        let (mut left, mut rounds, mut most) = (KEYS, 0, 0);
        while left > 0 {
            let (keys, count) = bench.round().await;
            left -= keys.iter().filter(|key| *key != "flood").count();
            assert!(keys.len() == SLOTS || left == 0, "every slot is used");
            rounds += 1;
            most = most.max(count);
        }
        // two rounds of all keys would be 100 of these
        assert!(rounds <= KEYS / SLOTS + 2, "{rounds} claims of {SLOTS} jobs until all new keys had run");
        assert!(most < 60 * SLOTS as u64, "{most} commands");
        let waiting = bench.adapter.counts(TASK).await.expect("counts").waiting;
        assert!(waiting > backlog - 200, "{waiting}");
    }
}

#[tokio::test]
async fn a_key_that_trickles_gets_no_more_than_its_share() {
    const FULL: usize = 100;
    const CLAIMS: usize = 10_000;
    let mut bench = Bench::start(PerKey::at_most(1)).await;
    for number in 0..CLAIMS / FULL + 20 {
        bench.put((0..FULL).map(|key| (format!("{key}-{number}"), format!("full {key}")))).await;
    }
    bench.put([("trickle-0".to_owned(), "trickle".to_owned())]).await;
    let mut shares: HashMap<String, usize> = HashMap::new();
    for _ in 0..CLAIMS / SLOTS {
        let (keys, _) = bench.round().await;
        assert_eq!(keys.len(), SLOTS);
        for key in keys {
            let share = shares.entry(key.clone()).or_default();
            *share += 1;
            if key == "trickle" {
                bench.put([(format!("trickle-{share}"), key)]).await;
            }
        }
    }
    let trickle = shares.remove("trickle").expect("it runs, too");
    let (least, most) = (shares.values().min().expect("keys"), shares.values().max().expect("keys"));
    assert_eq!(shares.len(), FULL);
    assert!(most - least <= 1, "full keys have between {least} and {most}");
    assert!(trickle * 10 <= least * 11, "{trickle} beside {least}");
    assert!(trickle * 2 >= *least, "{trickle} beside {least}");
}

#[tokio::test]
async fn ten_thousand_keys_that_are_held_cost_a_claim_nothing() {
    let mut bench = Bench::start(PerKey::at_most(1)).await;
    let keys = 10 * KEYS;
    for number in 0..3 {
        bench.put((0..keys).map(|key| (format!("{key}-{number}"), format!("key {key}")))).await;
    }
    // all of them run
    let mut running = 0;
    while running < keys {
        bench.number += 1;
        let before = commands(&bench.server);
        let jobs =
            bench.adapter.exchange(exchange("w", bench.number, Vec::new(), 500)).await.expect("claim").jobs;
        let count = commands(&bench.server) - before;
        assert!(!jobs.is_empty() && count < 20 * 500, "{count} commands for {} jobs", jobs.len());
        running += jobs.len();
    }
    let (keys, count) = bench.round().await;
    assert!(keys.is_empty() && count < 40, "{keys:?}, {count} commands");
}

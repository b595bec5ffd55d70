//! Jobs.

use std::time::Duration;

use redis::Commands;
use taskora::JobState;
use taskora::adapter::{
    Collect, Control, DeclaredLimit, GatedTask, Inspection, JobQuery, Jobs, LimitKey, NewJob, PerKey, Signals,
};

use super::{ENVELOPE, Stage, is_kept, is_refused, key};
use crate::kit::{TASK, drain, exchange, job};

const ID: &[u8] = b"=a";
/// Where the flags and the task's name are in a record.
const FLAGS: usize = 7;
const NAME: usize = 14;

/// The record with these flags, and something between the task's name and the payload.
fn with(record: &[u8], flags: u8, between: &[u8]) -> Vec<u8> {
    let (head, payload) = record.split_at(NAME + TASK.len());
    let mut changed = [head, between, payload].concat();
    changed[FLAGS] |= flags;
    changed
}

/// An extension of one tag.
fn extension(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short");
    let tags = [&[tag][..], &length.to_be_bytes(), value].concat();
    [&u16::try_from(tags.len()).expect("short").to_be_bytes()[..], &tags].concat()
}

/// Each is what a later version may have made of the record.
fn records(today: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let head = &today[..NAME + TASK.len()];
    vec![
        ("another layout", [&[2], &today[1..]].concat()),
        ("another layout, with nothing that is known", b"\x02?".to_vec()),
        ("an unknown flag", with(today, 128, b"")),
        ("a tag that must be understood", with(today, 16, &extension(6, b"x"))),
        ("a rule of expiry that is longer", with(today, 16, &extension(4, &[0; 14]))),
        ("two tags, the second of which must be understood", {
            let tags = [&extension(1, b"xyz")[2..], &extension(10, b"")[2..]].concat();
            let length = u16::try_from(tags.len()).expect("short").to_be_bytes();
            with(today, 16, &[&length[..], &tags].concat())
        }),
        ("a payload in an envelope", [head, ENVELOPE].concat()),
    ]
}

#[tokio::test]
async fn a_record_of_a_later_version_waits_for_a_worker_that_can_read_it() {
    let mut stage = Stage::set().await;
    stage.adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let today = stage.field("jobs", ID);
    for (what, record) in records(&today) {
        let mut stage = Stage::set().await;
        stage.adapter.enqueue(vec![job("a")]).await.expect("enqueue");
        stage.set_field("jobs", ID, &record);
        // a claim meets it
        assert_eq!(stage.others().await, 0, "{what}: it is not run");
        assert!(stage.is_delayed(ID), "{what}: it is tried again");
        for _ in 0..3 {
            stage.shift(6).await;
            stage.sweep().await;
            assert_eq!(stage.others().await, 0, "{what}: it is not run");
        }
        // and so does a sweep, after a worker has died with it
        stage.shift(6).await;
        dies_with_it(&mut stage).await;
        stage.sweep().await;
        assert!(stage.is_delayed(ID) && !stage.has_ended(ID), "{what}: it is rescued");

        is_refused(stage.adapter.cancel(&"a".into(), "why"), what).await;
        is_refused(stage.adapter.ended(&"a".into()), what).await;
        is_refused(stage.adapter.job(&"a".into()), what).await;
        let page = stage.adapter.list(&JobQuery::new(TASK, JobState::Delayed)).await.expect("list");
        let listed: Vec<&str> = page.jobs.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(listed, ["a"], "{what}: it is listed");
        is_kept(&stage, what).await;
        assert_eq!(stage.field("jobs", ID), record, "{what}: it is as it was");

        // a worker comes that can read it
        stage.set_field("jobs", ID, &today);
        let info = stage.adapter.job(&"a".into()).await.expect("job").expect("known");
        assert_eq!((info.attempts, info.stalls), (0, 0), "{what}: nothing was used up");
        stage.shift(6).await;
        assert_eq!(drain(&stage.adapter, "newer").await, 1, "{what}");
        stage.is_checked_as(0, what).await;
    }
}

/// What costs several starts, and what gathers, as a version sees it that knows neither: a tag of an even number that it does not know.
#[tokio::test]
async fn a_job_that_costs_or_gathers_is_left_alone_by_who_does_not_know_that() {
    let collect = Some(Collect::new(2, Duration::ZERO));
    let limit_key = LimitKey::new("k");
    for (what, tag, job) in [
        ("a cost", 8, NewJob { cost: 5, ..job("a") }),
        ("a cost, with a key", 8, NewJob { cost: 5, limit_key: limit_key.clone(), ..job("a") }),
        ("an item", 6, NewJob { collect, limit_key, ..job("a") }),
    ] {
        let mut stage = Stage::set().await;
        let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(PerKey::fair()));
        stage.adapter.declare_limits(vec![limit]).await.expect("declare");
        stage.adapter.enqueue(vec![job]).await.expect("enqueue");
        let today = stage.field("jobs", ID);
        let mut unknown = today.clone();
        let length = if tag == 8 { 4 } else { 15 };
        let place = today.windows(3).position(|bytes| bytes == [tag, 0, length]).expect("its tag");
        unknown[place] = 10;
        stage.set_field("jobs", ID, &unknown);
        for _ in 0..3 {
            assert_eq!(stage.others().await, 0, "{what}: it is not run");
            assert!(!stage.has_ended(ID), "{what}");
            stage.shift(6).await;
            stage.sweep().await;
        }
        is_kept(&stage, what).await;
        assert_eq!(stage.field("jobs", ID), unknown, "{what}: it is as it was");
        stage.set_field("jobs", ID, &today);
        stage.shift(6).await;
        assert_eq!(drain(&stage.adapter, "newer").await, 1, "{what}");
        stage.is_checked_as(0, what).await;
    }
}

/// A claim by hand, whose worker is gone before it could put the job off.
async fn dies_with_it(stage: &mut Stage) {
    let delayed = key(&format!("delayed:{TASK}"));
    let active = key(&format!("active:{TASK}"));
    let past: Vec<u8> = stage.redis.hget(key("life"), ID).expect("hget");
    let token = u64::from_be_bytes(past[..8].try_into().expect("a token")) + 1;
    stage.redis.zrem::<_, _, ()>(&delayed, ID).expect("zrem");
    stage.redis.zrem::<_, _, ()>(key("due"), TASK).expect("zrem");
    stage.redis.zadd::<_, _, _, ()>(&active, "~".repeat(65), "+inf").expect("zadd");
    stage.redis.zadd::<_, _, _, ()>(&active, format!("=a:{token}"), 1).expect("zadd");
}

#[tokio::test]
async fn a_tag_that_may_be_ignored_is_ignored() {
    let mut stage = Stage::set().await;
    stage.adapter.enqueue(vec![job("a")]).await.expect("enqueue");
    let today = stage.field("jobs", ID);
    stage.set_field("jobs", ID, &with(&today, 16, &extension(1, b"whatever")));
    stage.is_checked_as(0, "an odd tag").await;
    let call = exchange("w", 1, Vec::new(), 1);
    let claimed = stage.adapter.exchange(call).await.expect("claim").jobs;
    assert_eq!(claimed[0].payload, job("a").payload);
}

/// It is known by its payload only, which the claim has to fetch.
#[tokio::test]
async fn a_large_payload_in_an_envelope_waits_for_a_worker_that_can_read_it() {
    let mut stage = Stage::set().await;
    let large = NewJob { payload: vec![b'1'; 5_000], ..job("a") };
    stage.adapter.enqueue(vec![large.clone()]).await.expect("enqueue");
    stage.set_field("blobs", ID, ENVELOPE);
    for _ in 0..3 {
        assert_eq!(stage.others().await, 0);
        assert!(stage.is_delayed(ID) && !stage.has_ended(ID));
        stage.shift(6).await;
        stage.sweep().await;
    }
    stage.is_checked_as(1, "a large payload").await;
    stage.set_field("blobs", ID, &large.payload);
    stage.shift(6).await;
    assert_eq!(drain(&stage.adapter, "newer").await, 1);
    assert!(stage.has_ended(ID));
}

#[tokio::test]
async fn a_way_to_end_that_nobody_knows_is_left_as_it_is() {
    let plain = [b"K".as_slice(), &[0; 20]].concat();
    let enveloped =
        [b"C".as_slice(), &[0, 0, 0, 1], &[0; 4], &[0, 0, 0, 0, 0, 1], &[0, 0, 0, 0, 0, 2], ENVELOPE];
    for (what, end) in [("an unknown end", plain), ("a result in an envelope", enveloped.concat())] {
        let mut stage = Stage::set().await;
        stage.adapter.enqueue(vec![job("a")]).await.expect("enqueue");
        assert_eq!(drain(&stage.adapter, "w").await, 1);
        stage.set_field("done", ID, &end);
        for _ in 0..3 {
            assert_eq!(stage.others().await, 0, "{what}");
            stage.shift(6).await;
            stage.sweep().await;
        }
        is_refused(stage.adapter.ended(&"a".into()), what).await;
        if end[0] == b'K' {
            is_refused(stage.adapter.job(&"a".into()), what).await;
            is_refused(stage.adapter.cancel(&"a".into(), "why"), what).await;
        }
        is_kept(&stage, what).await;
        assert_eq!(stage.field("done", ID), end, "{what}");
    }
}

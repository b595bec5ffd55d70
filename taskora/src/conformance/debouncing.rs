//! Keys whose jobs become one job, some time after the last of them.

use std::time::Duration;

use super::Fixture;
use super::admission_kit::{admit, admit_all};
use super::kit::{Caller, TASK, complete, ending, ids, info, job, put, retry, state, sweep};
use crate::adapter::{Admission, Admitted, Ending, JobCounts, NewJob, Rule};
use crate::job::JobState;
use crate::policy::{Retention, Ttl};

/// Long enough for a busy machine not to matter.
const DELAY: Duration = Duration::from_secs(300);
const MINUTE: Duration = Duration::from_secs(60);

fn debounced(id: &str) -> Admission {
    up_to(id, None)
}

fn up_to(id: &str, max_wait: Option<Duration>) -> Admission {
    let rule = Rule::Debounce { delay: DELAY, max_wait };
    Admission { job: job(id, TASK), key: "k".to_owned(), rule }
}

fn replaced(id: &str) -> Admitted {
    Admitted::Replaced(id.into())
}

pub(super) async fn s083_the_last_of_many_runs(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    assert_eq!(admit(&adapter, debounced("a")).await, Admitted::New);
    for id in ["b", "c", "d"] {
        f.advance(DELAY - MINUTE).await;
        assert!(worker.claim(9, &[TASK]).await.is_empty());
        assert_eq!(admit(&adapter, debounced(id)).await, replaced("a"));
        assert_eq!(state(&adapter, id).await, None);
    }
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { delayed: 1, ..JobCounts::default() });
    f.advance(DELAY - MINUTE).await;
    assert!(worker.claim(9, &[TASK]).await.is_empty());
    f.advance(MINUTE).await;
    let jobs = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["a"]);
    assert_eq!(jobs[0].payload, b"\"d\"");
}

pub(super) async fn s085_each_key_has_its_own_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let other = Admission { key: "k2".to_owned(), ..debounced("b") };
    let owned = super::admission_kit::unique("c", TASK);
    let admitted = admit_all(&adapter, [debounced("a"), other, owned, debounced("d")]).await;
    assert_eq!(admitted, [Admitted::New, Admitted::New, Admitted::New, replaced("a")]);
    f.advance(DELAY).await;
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["c", "a", "b"]);
}

pub(super) async fn constant_traffic_postpones_it_up_to_max_wait(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let max_wait = Some(DELAY * 2);
    admit(&adapter, up_to("a", max_wait)).await;
    let mut dues = Vec::new();
    for id in ["b", "c", "d"] {
        f.advance(DELAY - MINUTE).await;
        if id != "d" {
            assert_eq!(admit(&adapter, up_to(id, max_wait)).await, replaced("a"));
        }
        let info = info(&adapter, "a").await;
        dues.push(info.due_at.expect("delayed").since(info.created_at).as_secs() / 60);
    }
    assert_eq!(dues, [9, 10, 10], "the delay after the last, and no more than `max_wait` after the first");
    let jobs = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!(jobs[0].payload, b"\"c\"");
    assert_eq!(admit(&adapter, up_to("e", max_wait)).await, Admitted::New, "its time begins anew");
    let info = info(&adapter, "e").await;
    assert_eq!(info.due_at.expect("delayed").since(info.created_at), DELAY);
}

pub(super) async fn x24_a_due_job_that_nobody_started_keeps_its_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    admit(&adapter, debounced("a")).await;
    let due = info(&adapter, "a").await.due_at;
    f.advance(DELAY * 3).await;
    assert_eq!(admit(&adapter, debounced("b")).await, replaced("a"));
    assert_eq!(info(&adapter, "a").await.due_at, due);
    let jobs = Caller::new(&adapter).claim(9, &[TASK]).await;
    assert_eq!((ids(&jobs), &*jobs[0].payload), (vec!["a"], &b"\"b\""[..]));
}

pub(super) async fn x24_a_job_that_is_ready_is_left_alone(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    admit(&adapter, debounced("a")).await;
    f.advance(DELAY).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(state(&adapter, "a").await, Some(JobState::Waiting));
    assert_eq!(admit(&adapter, debounced("b")).await, Admitted::New);
    let a = worker.claim_one().await;
    assert_eq!(a.payload, b"\"a\"");
    assert_eq!(admit(&adapter, debounced("c")).await, replaced("b"));
    worker.settle(&a, retry("no", DELAY * 2)).await;
    assert_eq!(admit(&adapter, debounced("d")).await, replaced("b"), "not the one that is retried");
    f.advance(DELAY).await;
    let b = worker.claim_one().await;
    assert_eq!(b.payload, b"\"d\"");
    worker.settle(&b, complete("1")).await;
    f.advance(DELAY).await;
    assert_eq!(worker.claim_one().await.attempt, 2);
}

pub(super) async fn each_end_frees_a_debounced_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    admit(&adapter, debounced("a")).await;
    adapter.jobs().cancel(&"a".into(), "no").await.unwrap();
    let brief = NewJob { ttl: Some(Ttl::new(MINUTE)), ..job("b", TASK) };
    assert_eq!(admit(&adapter, Admission { job: brief, ..debounced("") }).await, Admitted::New);
    f.advance(DELAY + MINUTE).await;
    sweep(&adapter, &[TASK], Retention::default()).await;
    assert_eq!(ending(&adapter, "b").await, Ending::Expired);
    assert_eq!(admit(&adapter, debounced("c")).await, Admitted::New);
}

pub(super) async fn a_ttl_moves_with_the_due_time(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let brief = |id: &str| {
        let new = NewJob { ttl: Some(Ttl::new(MINUTE)), ..job(id, TASK) };
        Admission { job: new, ..debounced(id) }
    };
    admit(&adapter, brief("a")).await;
    for id in ["b", "c"] {
        f.advance(DELAY - MINUTE).await;
        assert_eq!(admit(&adapter, brief(id)).await, replaced("a"));
        let info = info(&adapter, "a").await;
        assert_eq!(info.expires_at.unwrap().since(info.due_at.unwrap()), MINUTE);
    }
}

pub(super) async fn a_worker_that_sleeps_wakes_for_a_postponed_job(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let mut worker = Caller::new(&adapter);
    let soon = |id: &str| Admission {
        rule: Rule::Debounce { delay: Duration::from_millis(200), max_wait: None },
        ..debounced(id)
    };
    admit(&adapter, soon("a")).await;
    let listener = adapter.signals().work();
    assert!(worker.claim(1, &[TASK]).await.is_empty());
    admit(&adapter, soon("b")).await;
    let job = super::kit::within(super::kit::PROMPT, "it is claimed when it is due", async {
        worker.next_job(&*listener, &[TASK]).await
    })
    .await;
    assert_eq!((job.lease.id.as_str(), &*job.payload), ("a", &b"\"b\""[..]));
}

pub(super) async fn thousands_of_keys_are_kept_apart(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("plain", TASK)]).await;
    let of = |n: usize, id: String| Admission { key: n.to_string(), ..debounced(&id) };
    for round in 0..2 {
        for page in 0..4 {
            let jobs = (page * 500..page * 500 + 500).map(|n| of(n, format!("{round}-{n}")));
            for (n, admitted) in admit_all(&adapter, jobs).await.into_iter().enumerate() {
                let first = format!("0-{}", page * 500 + n);
                assert_eq!(admitted, if round == 0 { Admitted::New } else { replaced(&first) });
            }
        }
    }
    f.advance(DELAY).await;
    let jobs = Caller::new(&adapter).claim(5_000, &[TASK]).await;
    assert_eq!(jobs.len(), 2_001);
    assert!(jobs[1..].iter().all(|job| job.payload.starts_with(b"\"1-")), "each has its newest payload");
}

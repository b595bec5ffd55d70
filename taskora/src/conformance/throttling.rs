//! Keys that let a limited number of jobs through per window.

use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::admission_kit::{admit, admit_all, unique};
use super::kit::{Caller, OTHER, TASK, delayed, ids, job, prioritised, put, state};
use crate::adapter::{Adapter, Admission, Admitted, JobCounts, NewJob, Rule};
use crate::job::JobState;

const WINDOW: Duration = Duration::from_secs(3_600);
/// The most time that the calls of a check take, even on a busy machine.
const SLACK: Duration = Duration::from_secs(60);

fn throttled(new: NewJob, key: &str, max: u32) -> Admission {
    Admission { job: new, key: key.to_owned(), rule: Rule::Throttle { max, window: WINDOW } }
}

/// Stores a job under the key `k`, which lets two through.
async fn of_two(adapter: &Arc<dyn Adapter>, id: &str) -> Admitted {
    admit(adapter, throttled(job(id, TASK), "k", 2)).await
}

/// The time until one more job is let through.
fn wait(admitted: &Admitted) -> Duration {
    match admitted {
        Admitted::Throttled { retry_in } => *retry_in,
        other => panic!("{other:?} is not throttled"),
    }
}

/// Asserts that a wait is this long, except for the time of the calls in between.
fn assert_about(wait: Duration, expected: Duration) {
    assert!(wait <= expected && wait + SLACK > expected, "{wait:?} is not {expected:?}");
}

pub(super) async fn s086_a_key_lets_so_many_through(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let jobs = ["a", "b", "c", "d"].map(|id| throttled(job(id, TASK), "k", 3));
    let admitted = admit_all(&adapter, jobs).await;
    assert_eq!(admitted[..3], [Admitted::New, Admitted::New, Admitted::New], "the third of one call as well");
    assert_about(wait(&admitted[3]), WINDOW);
    assert_about(wait(&admit(&adapter, throttled(job("e", TASK), "k", 3)).await), WINDOW);
    assert_eq!(ids(&Caller::new(&adapter).claim(9, &[TASK]).await), ["a", "b", "c"]);
    for id in ["d", "e"] {
        assert_eq!(state(&adapter, id).await, None, "nothing is left of `{id}`");
    }
}

pub(super) async fn x25_the_window_slides(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert_eq!(of_two(&adapter, "a").await, Admitted::New);
    f.advance(WINDOW / 2).await;
    assert_eq!(of_two(&adapter, "b").await, Admitted::New);
    assert_about(wait(&of_two(&adapter, "c").await), WINDOW / 2);
    f.advance(WINDOW / 2).await;
    assert_eq!(of_two(&adapter, "d").await, Admitted::New, "the first one is out of the window");
    assert_about(wait(&of_two(&adapter, "e").await), WINDOW / 2);
    f.advance(WINDOW).await;
    assert_eq!(of_two(&adapter, "f").await, Admitted::New);
    assert_eq!(of_two(&adapter, "g").await, Admitted::New);
    assert_about(wait(&of_two(&adapter, "h").await), WINDOW);
}

pub(super) async fn what_is_throttled_does_not_count(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let one = |id: &str| throttled(job(id, TASK), "k", 1);
    assert_eq!(admit(&adapter, one("a")).await, Admitted::New);
    for step in 1..4 {
        f.advance(WINDOW / 4).await;
        assert_about(wait(&admit(&adapter, one("b")).await), WINDOW / 4 * (4 - step));
    }
    f.advance(WINDOW / 4).await;
    assert_eq!(admit(&adapter, one("b")).await, Admitted::New, "the window was not extended");
}

pub(super) async fn s089_keys_and_tasks_do_not_mind_each_other(f: &impl Fixture) {
    let adapter = f.adapter().await;
    for (id, task, key) in [("a", TASK, "k"), ("b", TASK, "k2"), ("c", OTHER, "k"), ("d", TASK, "")] {
        assert_eq!(admit(&adapter, throttled(job(id, task), key, 1)).await, Admitted::New, "{id}");
    }
    assert_about(wait(&admit(&adapter, throttled(job("e", OTHER), "k", 1)).await), WINDOW);
}

pub(super) async fn what_was_let_through_is_used_up(f: &impl Fixture) {
    let adapter = f.adapter().await;
    assert_eq!(of_two(&adapter, "a").await, Admitted::New);
    assert_eq!(of_two(&adapter, "b").await, Admitted::New);
    adapter.jobs().cancel(&"a".into(), "no").await.unwrap();
    assert_about(wait(&of_two(&adapter, "c").await), WINDOW);
}

pub(super) async fn an_id_is_looked_at_before_its_throttled_key(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("other", OTHER)]).await;
    assert_eq!(of_two(&adapter, "a").await, Admitted::New);
    assert_eq!(of_two(&adapter, "a").await, Admitted::Duplicate("a".into()));
    assert_eq!(of_two(&adapter, "other").await, Admitted::Taken { task: OTHER.into() });
    assert_eq!(of_two(&adapter, "b").await, Admitted::New, "neither took a place");
    assert_eq!(of_two(&adapter, "a").await, Admitted::Duplicate("a".into()), "not throttled: it is stored");
    adapter.jobs().cancel(&"a".into(), "no").await.unwrap();
    let again = NewJob { replace_failed: true, ..job("a", TASK) };
    assert_about(wait(&admit(&adapter, throttled(again, "k", 2)).await), WINDOW);
    assert_eq!(state(&adapter, "a").await, Some(JobState::Cancelled), "it stays until another is stored");
}

pub(super) async fn a_job_that_is_let_through_is_like_any_other(f: &impl Fixture) {
    let adapter = f.adapter().await;
    put(&adapter, [job("plain", TASK)]).await;
    let admitted = admit_all(
        &adapter,
        [
            throttled(delayed("later", TASK, 30_000), "k", 9),
            throttled(prioritised("first", TASK, 5), "k", 9),
            throttled(NewJob { payload: vec![b'1'; 100_000], ..job("large", TASK) }, "k", 9),
        ],
    )
    .await;
    assert_eq!(admitted, vec![Admitted::New; 3]);
    let counts = adapter.inspection().counts(TASK).await.unwrap();
    assert_eq!(counts, JobCounts { waiting: 3, delayed: 1, ..JobCounts::default() });
    let mut worker = Caller::new(&adapter);
    let jobs = worker.claim(9, &[TASK]).await;
    assert_eq!(ids(&jobs), ["first", "plain", "large"]);
    assert_eq!(jobs[2].payload.len(), 100_000);
    f.advance(Duration::from_secs(30)).await;
    assert_eq!(ids(&worker.claim(9, &[TASK]).await), ["later"]);
}

pub(super) async fn of_many_callers_at_once_as_many_get_through(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let callers = (0..40).map(|n| {
        let adapter = Arc::clone(&adapter);
        tokio::spawn(async move { admit(&adapter, throttled(job(&n.to_string(), TASK), "k", 7)).await })
    });
    let mut stored = 0;
    for caller in callers.collect::<Vec<_>>() {
        stored += usize::from(caller.await.unwrap() == Admitted::New);
    }
    assert_eq!(stored, 7);
    assert_eq!(adapter.inspection().counts(TASK).await.unwrap().waiting, 7);
}

pub(super) async fn a_call_knows_what_it_has_stored(f: &impl Fixture) {
    let adapter = f.adapter().await;
    let one = |id: &str| throttled(job(id, TASK), "k", 1);
    let jobs = [one("a"), one("b"), unique("c", TASK), unique("d", TASK), one("a"), one("e")];
    let admitted = admit_all(&adapter, jobs).await;
    let [a, b, c, d, again, e] = &admitted[..] else { panic!("{admitted:?}") };
    assert_eq!((a, c, again), (&Admitted::New, &Admitted::New, &Admitted::Duplicate("a".into())));
    assert_eq!(d, &Admitted::Duplicate("c".into()));
    assert_about(wait(b), WINDOW);
    assert_about(wait(e), WINDOW);
}

//! Damage made by hand: a check names it and nothing else, a repair puts it right, and the job runs.

mod bench;
mod gathers;
mod jobs;
mod lanes;
mod passes;
mod schedules;
mod workflows;

use taskora::{App, CheckReport};
use taskora_redis::RedisAdapter;

/// What must hold of every store that nobody has damaged, whatever happens to it at the same time.
pub(crate) async fn assert_clean(adapter: &RedisAdapter, what: &str) -> CheckReport {
    let report = App::new(adapter.clone()).check().await.expect("check");
    assert!(report.is_clean(), "{what}: {report}");
    report
}

//! Environment variables that concern schedules. A process's own cannot be changed safely, so these tests run again in a child process.

use std::process::Command;

use super::*;

#[task(schedule(cron = "0 3 * * *"))]
async fn nightly() {}

#[task(schedule(every = "1m", enabled_by = "HEARTBEAT_ENABLED"))]
async fn heartbeat() {}

/// Runs this test in a process with these variables. `true`: this is that process.
fn is_in(test: &str, variables: &[(&str, &str)]) -> bool {
    const CHILD: &str = "TASKORA_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.arg(format!("environment::{test}")).args(["--exact", "--nocapture"]).env(CHILD, "1");
    let output = child.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let is_run = output.status.success() && text.contains("1 passed");
    assert!(is_run, "{text}{}", String::from_utf8_lossy(&output.stderr));
    false
}

/// The schedules, after a worker that has both tasks has run for an hour.
async fn after_an_hour(app: &App) -> Vec<ScheduleInfo> {
    let worker = Worker::builder(app).register_all(tasks![Nightly, Heartbeat]).start().await.unwrap();
    pass(HOUR).await;
    worker.shutdown().await.unwrap();
    app.schedules().list().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_any_variable_everything_ticks() {
    let [beat, nightly] = after_an_hour(&app()).await.try_into().unwrap();
    assert_eq!((beat.name.as_str(), beat.ran), ("heartbeat", 60));
    assert_eq!(nightly.times.to_string(), "cron 0 3 * * * UTC");
}

#[tokio::test(start_paused = true)]
async fn the_environment_names_a_time_zone() {
    if !is_in("the_environment_names_a_time_zone", &[("TASKORA_TIMEZONE", "Asia/Tokyo")]) {
        return;
    }
    let of = |schedules: Vec<ScheduleInfo>| schedules[1].times.to_string();
    assert_eq!(of(after_an_hour(&app()).await), "cron 0 3 * * * Asia/Tokyo");
    let berlin = App::builder(MemoryAdapter::new()).timezone("Europe/Berlin").build();
    assert_eq!(of(after_an_hour(&berlin).await), "cron 0 3 * * * Europe/Berlin", "the code has its way");
}

#[tokio::test(start_paused = true)]
async fn the_environment_names_no_time_zone() {
    if !is_in("the_environment_names_no_time_zone", &[("TASKORA_TIMEZONE", "Tokyo")]) {
        return;
    }
    let error = Worker::builder(&app()).register::<Nightly>().start().await.unwrap_err();
    assert_eq!(error.to_string(), "unknown time zone `Tokyo`; did you mean `Asia/Tokyo`?");
}

#[tokio::test(start_paused = true)]
async fn the_environment_turns_schedules_off() {
    if !is_in("the_environment_turns_schedules_off", &[("TASKORA_SCHEDULES", "off")]) {
        return;
    }
    let app = app();
    assert_eq!(after_an_hour(&app).await, [], "it declares none");
    app.schedules().upsert(named("stored").every(MINUTE).unwrap()).await.unwrap();
    let [stored] = after_an_hour(&app).await.try_into().unwrap();
    assert_eq!(stored.ran, 0, "it ticks none");
}

#[tokio::test(start_paused = true)]
async fn the_environment_turns_one_schedule_off() {
    if !is_in("the_environment_turns_one_schedule_off", &[("HEARTBEAT_ENABLED", "false")]) {
        return;
    }
    let [nightly] = after_an_hour(&app()).await.try_into().unwrap();
    assert_eq!(nightly.name, "nightly");
}

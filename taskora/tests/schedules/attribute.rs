//! Schedules that `#[task(schedule(..))]` declares.

use serde_json::Value;

use super::*;

#[derive(Debug, Serialize, Deserialize)]
enum Kind {
    Daily,
    Weekly { copies: u8 },
}

#[task(
    schedule(every = "10m", with(kind = Kind::Daily)),
    schedule(
        name = "weekly-report",
        cron = "0 * * * *",
        with(kind = Kind::Weekly { copies: 2 }, title = "a title".to_owned())
    )
)]
async fn report(kind: Kind, #[serde(default)] title: String, ctx: &Context, runs: State<Runs>) -> String {
    runs.note(ctx).await;
    format!("{kind:?} {title:?}")
}

#[tokio::test(start_paused = true)]
async fn two_schedules_of_a_task_tick_with_their_own_arguments() {
    let (app, runs) = (app(), Runs::default());
    let worker = Worker::builder(&app).state(runs.clone()).register::<Report>().start().await.unwrap();
    pass(HOUR).await;
    let mut times = runs.times();
    times.sort_unstable();
    assert_eq!(times, [600, 1_200, 1_800, 2_400, 3_000, 3_600, 3_600]);
    for (name, ran, result) in
        [("report", 6, r#"Daily """#), ("weekly-report", 1, r#"Weekly { copies: 2 } "a title""#)]
    {
        let info = info(&app, name).await;
        assert_eq!((info.task.as_str(), info.ran, info.is_in_code), ("report", ran, true));
        let last = app.job_raw(info.last_job.unwrap());
        assert_eq!(last.result().await.unwrap(), Value::from(result), "{name}");
    }
    worker.shutdown().await.unwrap();
}

#[task(
    schedule(name = "fixed", cron = "30 2 * * *", tz = "Europe/Berlin"),
    schedule(name = "hourly", cron = "0 * * * *", tz = "Europe/Berlin"),
    schedule(name = "period", every = "1h", offset = "30m")
)]
async fn over_the_change(ctx: &Context, runs: State<Runs>) {
    runs.note(ctx).await;
}

#[tokio::test(start_paused = true)]
async fn clocks_change_under_a_schedule_in_the_attribute() {
    // 18:00 UTC on the evenings before the changes of 2026, which are at 01:00 UTC
    for (evening, fixed) in [(1_774_720_800, 7 * 60), (1_792_864_800, 6 * 60 + 30)] {
        let (app, runs) = (app_at(evening), Runs::default());
        let worker = Worker::builder(&app).state(runs.clone()).register::<OverTheChange>().sweep(MINUTE);
        let worker = worker.start().await.unwrap();
        pass(12 * HOUR).await;
        worker.shutdown().await.unwrap();
        let ticks = runs.take();
        let minutes = |name: &str| -> Vec<u64> {
            let ticks = ticks.iter().flatten().filter(|tick| tick.schedule == name);
            ticks.map(|tick| (tick.at.as_millis() / 1_000 - evening) / 60).collect()
        };
        assert_eq!(
            minutes("fixed"),
            [fixed],
            "in March at 03:00, as there is no 02:30; in October at the first"
        );
        assert_eq!(minutes("hourly"), (1..=12).map(|hour| hour * 60).collect::<Vec<_>>());
        assert_eq!(minutes("period"), (0..12).map(|hour| hour * 60 + 30).collect::<Vec<_>>());
    }
}

#[task(schedule(name = "once", manual, run_on_start), schedule(name = "always", manual, run_on_start = always))]
async fn start_up(ctx: &Context, runs: State<Runs>) {
    runs.note(ctx).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_at_the_start_is_once_or_always() {
    let (app, runs) = (app(), Runs::default());
    for expected in [&["always", "once"][..], &["always"], &["always"]] {
        let worker = Worker::builder(&app).state(runs.clone()).register::<StartUp>().start().await.unwrap();
        pass(SECOND).await;
        worker.shutdown().await.unwrap();
        let mut names: Vec<_> = runs.take().into_iter().map(|tick| tick.unwrap().schedule).collect();
        names.sort();
        assert_eq!(names, expected);
    }
}

#[task(
    schedule(every = "1m"),
    schedule(name = "behind", every = "1m", overlap = queue),
    schedule(name = "beside", every = "1m", overlap = allow)
)]
async fn slow(ctx: &Context, runs: State<Runs>) {
    runs.note(ctx).await;
}

#[tokio::test(start_paused = true)]
async fn ticks_are_skipped_or_wait_or_run_beside_each_other() {
    let (app, runs) = (app(), Runs::gated());
    let worker = Worker::builder(&app).state(runs.clone()).register::<Slow>().start().await.unwrap();
    pass(3 * MINUTE).await;
    for (name, ran, skipped) in [("slow", 1, 2), ("behind", 2, 1), ("beside", 3, 0)] {
        let info = info(&app, name).await;
        assert_eq!((info.ran, info.skipped), (ran, skipped), "{name}");
    }
    assert_eq!(runs.count(), 5, "one of those behind waits");
    for _ in 0..6 {
        runs.gate.as_ref().unwrap().notify_one();
        sleep(Duration::from_millis(1)).await;
    }
    worker.shutdown().await.unwrap();
}

#[task(
    schedule(name = "newest", every = "1m"),
    schedule(name = "two", every = "1m", on_missed = catch_up(2), overlap = allow),
    schedule(name = "all", every = "1m", on_missed = catch_up),
    schedule(name = "recent", every = "1m", on_missed = catch_up, overlap = allow, max_late = "150s")
)]
async fn missing(ctx: &Context, runs: State<Runs>) {
    runs.note(ctx).await;
}

#[tokio::test(start_paused = true)]
async fn missed_ticks_run_as_the_attribute_says() {
    let (app, runs) = (app(), Runs::default());
    let start =
        async || Worker::builder(&app).state(runs.clone()).register::<Missing>().start().await.unwrap();
    let first = start().await;
    pass(SECOND).await;
    first.shutdown().await.unwrap();
    // five ticks go by
    pass(5 * MINUTE).await;
    let second = start().await;
    pass(SECOND).await;
    let ticks = runs.take();
    for (name, expected, missed) in [
        ("newest", &[5][..], 4),
        ("two", &[4, 5], 3),
        ("all", &[1, 2, 3, 4, 5], 0),
        ("recent", &[3, 4, 5], 2),
    ] {
        let of = ticks.iter().flatten().filter(|tick| tick.schedule == name);
        let minutes: Vec<_> = of.map(|tick| (tick.at.as_millis() / 1_000 - NEW_YEAR) / 60).collect();
        assert_eq!(minutes, expected, "{name}");
        assert_eq!(info(&app, name).await.missed, missed, "{name}");
    }
    second.shutdown().await.unwrap();
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = u32, retry = 4, schedule(name = "of the contract", every = "1m", with(number = 1)))]
struct Count {
    number: u32,
}

#[task(implements = Count, schedule(name = "of the function", every = "1m", with(number = 2)))]
async fn count(number: u32) -> u32 {
    number
}

#[tokio::test(start_paused = true)]
async fn a_contract_and_its_implementation_have_schedules() {
    let app = app();
    let worker = Worker::builder(&app).register_all(tasks![CountHandler]).start().await.unwrap();
    pass(MINUTE).await;
    for (name, number) in [("of the contract", 1), ("of the function", 2)] {
        let job = app.job_raw(info(&app, name).await.last_job.unwrap());
        assert_eq!(job.result().await.unwrap(), Value::from(number));
        assert_eq!(job.info().await.unwrap().unwrap().max_attempts, 4, "the contract's options hold");
    }
    worker.shutdown().await.unwrap();
}

#[task(schedule(cron = "0 3 * * *"))]
async fn nightly() {}

#[tokio::test(start_paused = true)]
async fn a_cron_expression_without_a_zone_follows_the_app() {
    let memory = || MemoryAdapter::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(NEW_YEAR));
    let tokyo = App::builder(memory()).timezone("Asia/Tokyo").build();
    for (app, zone, hour) in [(App::new(memory()), "UTC", 3), (tokyo, "Asia/Tokyo", 18)] {
        let worker = Worker::builder(&app).register::<Nightly>().start().await.unwrap();
        pass(SECOND).await;
        let info = info(&app, "nightly").await;
        assert_eq!(info.times.to_string(), format!("cron 0 3 * * * {zone}"));
        assert_eq!(info.next.unwrap().as_millis() / 1_000 - NEW_YEAR, hour * 3_600, "{zone}");
        worker.shutdown().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_may_leave_schedules_to_others() {
    let app = app();
    let quiet = Worker::builder(&app).register::<Nightly>().schedules(false).start().await.unwrap();
    pass(24 * HOUR).await;
    assert_eq!(app.schedules().list().await.unwrap(), []);
    quiet.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once_in_a_worker() {
    let beside = named("nightly").manual();
    let worker = worker(&app(), &Runs::default()).register::<Nightly>().schedule(beside);
    assert_eq!(worker.start().await.unwrap_err().to_string(), "two schedules are named `nightly`");
}

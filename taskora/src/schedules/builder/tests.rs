//! What is written, what is stored, and what is refused.

use super::*;
use crate::app::App;
use crate::memory::MemoryAdapter;

const MINUTE: Duration = Duration::from_secs(60);

fn nightly() -> Schedule {
    Schedule::new("nightly").run_raw("clean-up", serde_json::json!({"days": 30}))
}

fn stored(schedule: Schedule) -> Result<Definition, ScheduleError> {
    schedule.into_definition(App::new(MemoryAdapter::new()).setup(), "UTC")
}

fn text(schedule: Result<Schedule, ScheduleError>) -> String {
    let error = schedule.and_then(stored).unwrap_err();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[test]
fn what_is_written_is_what_is_stored() {
    let schedule = nightly()
        .cron(" 0 3 * * * ")
        .unwrap()
        .tz("Europe/Berlin")
        .unwrap()
        .on_missed(OnMissed::CatchUp)
        .max_late(MINUTE)
        .jitter(MINUTE)
        .overlap(Overlap::Allow)
        .priority(3)
        .meta("a", "1")
        .meta("a", "2")
        .run_on_start();
    let definition = stored(schedule).unwrap();
    let tz = "Europe/Berlin".to_owned();
    assert_eq!(definition.times, Timetable::Cron { expression: "0 3 * * *".into(), tz });
    assert_eq!((definition.on_missed, definition.overlap), (OnMissed::CatchUp, Overlap::Allow));
    assert_eq!((definition.max_late, definition.jitter), (Some(MINUTE), MINUTE));
    assert_eq!(definition.start, Start::Once);
    let target = &definition.target;
    assert_eq!((target.task.as_str(), target.priority), ("clean-up", 3));
    assert_eq!(target.payload, br#"{"days":30}"#);
    assert_eq!(target.meta, [("a".to_owned(), "2".to_owned())]);
    // and back
    let again = Schedule::from_definition("nightly", definition.clone()).unwrap();
    assert_eq!(stored(again).unwrap(), definition);
}

#[test]
fn a_contract_gives_its_options() {
    #[crate::task(retry = 4, priority = 7, stall(max = 2))]
    async fn report(tenant: u32) {
        let _ = tenant;
    }
    let schedule = Schedule::new("a").every(MINUTE).unwrap().run(Report { tenant: 7 });
    let target = stored(schedule).unwrap().target;
    assert_eq!((target.task.as_str(), target.payload), ("report", br#"{"tenant":7}"#.to_vec()));
    assert_eq!((target.max_attempts, target.priority, target.max_stalls), (4, 7, 2));
}

#[test]
fn the_apps_time_zone_is_that_of_expressions_without_one() {
    let app = App::new(MemoryAdapter::new());
    let definition = nightly().cron("@daily").unwrap().into_definition(app.setup(), "Asia/Tokyo").unwrap();
    assert_eq!(definition.times.to_string(), "cron @daily Asia/Tokyo");
}

#[test]
fn mistakes_are_told_as_the_compiler_does() {
    assert_eq!(
        text(nightly().cron("61 * * * *")),
        "invalid cron expression `61 * * * *`: minute `61` is outside 0–59"
    );
    assert_eq!(text(nightly().cron("0 0 30 2 *")), "`0 0 30 2 *` never happens");
    let berln = nightly().tz("Europe/Berln");
    assert_eq!(text(berln), "unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
    assert_eq!(
        text(nightly().every(Duration::from_millis(500))),
        "schedule `nightly`: `every = \"500ms\"`: a schedule ticks once a second at most"
    );
    let of = |schedule: Schedule| text(Ok(schedule));
    let every = || nightly().every(5 * MINUTE).unwrap();
    assert_eq!(
        of(every().jitter(10 * MINUTE)),
        "schedule `nightly`: `jitter` (10m) is not shorter than `every` (5m)"
    );
    assert_eq!(
        of(nightly().tz("UTC").unwrap().every(MINUTE).unwrap()),
        "schedule `nightly`: `tz` does nothing with `every`, which counts in UTC"
    );
    assert_eq!(
        of(every().on_missed(OnMissed::CatchUpNewest(0))),
        "schedule `nightly`: `catch_up(0)` is `skip`"
    );
    assert_eq!(of(nightly()), "schedule `nightly`: `schedule` takes one of `cron`, `every` and `manual`");
    let nothing = Schedule::new("nightly").manual();
    assert_eq!(of(nothing), "schedule `nightly` runs nothing; say what, as in `.run(Report { .. })`");
    assert_eq!(
        of(every().priority(2_000)),
        "schedule `nightly` cannot dispatch its job: invalid option: priority 2000 is outside -1000 to 1000"
    );
    let deep = Schedule::new("nightly").manual().run_raw("a\nb", Value::Null);
    assert!(of(deep).ends_with("a name cannot contain control characters"));
    assert_eq!(of(Schedule::new("").manual()), "schedule ``: a schedule's name cannot be empty");
}

#[test]
fn the_last_timetable_counts() {
    let cron = || nightly().cron("0 3 * * *").unwrap().tz("Europe/Berlin").unwrap();
    let times = |schedule| stored(schedule).unwrap().times.to_string();
    assert_eq!(times(cron().every(MINUTE).unwrap()), "every 1m");
    assert_eq!(times(cron().cron("5 3 * * *").unwrap()), "cron 5 3 * * * Europe/Berlin");
    let every = || nightly().every(MINUTE).unwrap().offset(Duration::from_secs(7));
    assert_eq!(times(every()), "every 1m, 7s later");
    assert_eq!(times(every().cron("@hourly").unwrap()), "cron @hourly UTC");
}

#[test]
fn debug_shows_no_payload() {
    let schedule =
        Schedule::new("a").manual().run_raw("task", serde_json::json!("secret")).meta("k", "secret");
    assert!(!format!("{schedule:?} {:?}", stored(schedule.clone())).contains("secret"));
}

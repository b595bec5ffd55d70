//! What happens when clocks change, by example.

use jiff::Timestamp;
use jiff::civil::DateTime;
use taskora_cron::{Cron, Times};

/// All ticks from one moment up to another, as `2026-03-29T03:00+02:00`, forward and backward.
fn ticks(cron: &str, zone: &str, from: &str, until: &str) -> Vec<String> {
    let times = Times::cron(Cron::parse(cron).unwrap(), zone).unwrap();
    let millis = |text: &str| {
        let at = text.parse::<DateTime>().unwrap().in_tz(zone).unwrap();
        at.timestamp().as_millisecond() as u64
    };
    let (from, until) = (millis(from), millis(until));
    let mut forward = Vec::new();
    let mut at = from - 1;
    while let Some(next) = times.next(at).filter(|next| *next <= until) {
        assert!(next > at);
        forward.push(next);
        at = next;
    }
    assert_eq!(times.missed(from - 1, until, usize::MAX), forward, "backward");
    assert_eq!(times.count(from - 1, until), forward.len() as u64);
    let show = |tick: u64| {
        let at = Timestamp::from_millisecond(tick as i64).unwrap().in_tz(zone).unwrap();
        at.strftime("%dT%H:%M%:z").to_string()
    };
    forward.into_iter().map(show).collect()
}

#[test]
fn berlin_forward() {
    let ticks = |cron| ticks(cron, "Europe/Berlin", "2026-03-28T12:00", "2026-03-30T12:00");
    // skipped: at the end of the gap
    assert_eq!(ticks("30 2 * * *"), ["29T03:00+02:00", "30T02:30+02:00"]);
    // several skipped times are one tick, also with a time that is not skipped
    assert_eq!(ticks("0,20,40 2 29 * *"), ["29T03:00+02:00"]);
    assert_eq!(ticks("0-40/20 2,3 29 * *"), ["29T03:00+02:00", "29T03:20+02:00", "29T03:40+02:00"]);
    // wildcards: what does not exist does not tick
    assert_eq!(ticks("*/30 2 * * *"), ["30T02:00+02:00", "30T02:30+02:00"]);
    assert_eq!(ticks("30 */2 29 * *")[..3], ["29T00:30+01:00", "29T04:30+02:00", "29T06:30+02:00"]);
    assert_eq!(ticks("15 * 29 * *")[..3], ["29T00:15+01:00", "29T01:15+01:00", "29T03:15+02:00"]);
    // the date of the skipped time counts
    assert_eq!(ticks("30 2 29 3 *"), ["29T03:00+02:00"]);
    // the last second before the change, and the first one after it
    assert_eq!(ticks("59 59 1 29 * *"), ["29T01:59+01:00"]);
    assert_eq!(ticks("0 0 3 29 * *"), ["29T03:00+02:00"]);
    // with seconds
    assert_eq!(ticks("5,10 30 2 * * *"), ["29T03:00+02:00", "30T02:30+02:00", "30T02:30+02:00"]);
}

#[test]
fn berlin_back() {
    let ticks = |cron| ticks(cron, "Europe/Berlin", "2026-10-24T12:00", "2026-10-26T12:00");
    // the first of the two
    assert_eq!(ticks("30 2 * * *"), ["25T02:30+02:00", "26T02:30+01:00"]);
    assert_eq!(ticks("30 1,2,3 25 * *"), ["25T01:30+02:00", "25T02:30+02:00", "25T03:30+01:00"]);
    // wildcards: both
    assert_eq!(
        ticks("*/30 2 25 * *"),
        ["25T02:00+02:00", "25T02:30+02:00", "25T02:00+01:00", "25T02:30+01:00"]
    );
    assert_eq!(ticks("0 * * * *").len(), 50);
}

#[test]
fn new_york_back_with_a_list() {
    assert_eq!(
        ticks("30 1,13 * * *", "America/New_York", "2026-10-31T14:00", "2026-11-02T00:00"),
        ["01T01:30-04:00", "01T13:30-05:00"]
    );
    assert_eq!(
        ticks("30 2,14 * * *", "America/New_York", "2026-03-07T15:00", "2026-03-09T00:00"),
        ["08T03:00-04:00", "08T14:30-04:00"]
    );
}

#[test]
fn santiago_has_a_day_without_midnight() {
    let ticks = |cron| ticks(cron, "America/Santiago", "2026-09-05T12:00", "2026-09-07T12:00");
    assert_eq!(ticks("0 0 * * *"), ["06T01:00-03:00", "07T00:00-03:00"]);
    assert_eq!(ticks("@daily"), ["06T01:00-03:00", "07T00:00-03:00"]);
    assert_eq!(ticks("59 23 * * SAT"), ["05T23:59-04:00"]);
}

#[test]
fn lord_howe_changes_by_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    assert_eq!(
        ticks("15 2 * * *", zone, "2026-10-03T12:00", "2026-10-05T12:00"),
        ["04T02:30+11:00", "05T02:15+11:00"]
    );
    assert_eq!(
        ticks("45 1 * * *", zone, "2026-04-04T12:00", "2026-04-06T12:00"),
        ["05T01:45+11:00", "06T01:45+10:30"]
    );
    assert_eq!(
        ticks("*/15 1 * * *", zone, "2026-04-05T00:00", "2026-04-05T12:00"),
        [
            "05T01:00+11:00",
            "05T01:15+11:00",
            "05T01:30+11:00",
            "05T01:45+11:00",
            "05T01:30+10:30",
            "05T01:45+10:30"
        ]
    );
}

#[test]
fn apia_lost_a_day() {
    let ticks = |cron| ticks(cron, "Pacific/Apia", "2011-12-29T09:00", "2011-12-31T20:00");
    assert_eq!(ticks("0 12 * * *"), ["29T12:00-10:00", "31T00:00+14:00", "31T12:00+14:00"]);
    assert_eq!(ticks("0 12 30 12 *"), ["31T00:00+14:00"]);
    assert_eq!(ticks("0 0 * * *"), ["31T00:00+14:00"]);
    assert_eq!(ticks("* 12 30 12 *"), [""; 0]);
}

#[test]
fn troll_changes_by_two_hours() {
    let zone = "Antarctica/Troll";
    assert_eq!(
        ticks("30 1,2 * * *", zone, "2026-03-28T12:00", "2026-03-30T12:00"),
        ["29T03:00+02:00", "30T01:30+02:00", "30T02:30+02:00"]
    );
    assert_eq!(
        ticks("30 1,2 * * *", zone, "2026-10-24T12:00", "2026-10-25T12:00"),
        ["25T01:30+02:00", "25T02:30+02:00"]
    );
    assert_eq!(ticks("0 * * * *", zone, "2026-10-25T00:30", "2026-10-25T03:30").len(), 5);
}

#[test]
fn nuuk_skips_the_last_hour_of_a_day() {
    // the gap ends with the day, so its tick is on the next one
    let ticks = |cron| ticks(cron, "America/Nuuk", "2026-03-27T12:00", "2026-03-29T12:00");
    assert_eq!(ticks("30 23 * * *"), ["27T23:30-02:00", "29T00:00-01:00"]);
    assert_eq!(ticks("0 0 * * *"), ["28T00:00-02:00", "29T00:00-01:00"]);
}

#[test]
fn time_begins_with_the_epoch() {
    let times = Times::cron(Cron::parse("0 0 29 2 *").unwrap(), "Asia/Manila").unwrap();
    assert_eq!(times.prev(0), None);
    // in November 1971, before the first leap day
    assert_eq!(times.prev(60_000_000_000), None);
}

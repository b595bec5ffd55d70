//! Periods, bounds, and what it costs.

use std::time::Duration;

use taskora_cron::{Cron, Times, zone_names};

const DAY: u64 = 24 * 60 * 60 * 1_000;
const YEAR: u64 = 365 * DAY;
const YEAR_2026: u64 = 1_767_225_600_000;

fn every(period: Duration, offset: Duration) -> Times {
    Times::every(period, offset).unwrap()
}

fn cron(expression: &str, zone: &str) -> Times {
    Times::cron(Cron::parse(expression).unwrap(), zone).unwrap()
}

#[test]
fn periods_are_multiples_since_the_epoch() {
    let times = every(Duration::from_secs(300), Duration::from_secs(30));
    assert_eq!(times.next(0), Some(30_000));
    assert_eq!(times.next(29_999), Some(30_000));
    assert_eq!(times.next(30_000), Some(330_000));
    assert_eq!(times.prev(30_000), None);
    assert_eq!(times.prev(30_001), Some(30_000));
    assert_eq!(times.prev(330_000), Some(30_000));
    assert_eq!(times.missed(0, 930_000, 2), [630_000, 930_000]);
    assert_eq!(times.missed(30_000, 329_999, 2), [0; 0]);
    assert_eq!(times.count(0, 930_000), 4);
    assert_eq!(times.count(30_000, 930_000), 3);
    assert_eq!(times.count(5, 5), 0);
    assert_eq!(times.count(6, 5), 0);

    // an offset longer than the period, and parts of a second
    let times = every(Duration::from_millis(1_500), Duration::from_secs(4));
    assert_eq!(times.next(0), Some(1_000));
    assert_eq!(times.next(1_000), Some(2_500));
}

#[test]
fn a_period_has_a_second_at_least() {
    let error = Times::every(Duration::from_millis(500), Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "`every = \"500ms\"`: a schedule ticks once a second at most");
    assert!(Times::every(Duration::from_nanos(999_999_999), Duration::ZERO).is_err());
    assert!(Times::every(Duration::from_secs(1), Duration::ZERO).is_ok());
}

#[test]
fn the_ends_of_time_are_no_ticks() {
    for times in [
        every(Duration::from_secs(1), Duration::ZERO),
        every(Duration::MAX, Duration::from_secs(7)),
        cron("* * * * * *", "UTC"),
        cron("0 0 29 2 *", "Europe/Berlin"),
    ] {
        for at in [0, 1, 999, 1_000, YEAR_2026, 253_402_207_200_000, i64::MAX as u64, u64::MAX - 1, u64::MAX]
        {
            assert!(times.next(at).is_none_or(|next| next > at), "{times:?} {at}");
            assert!(times.prev(at).is_none_or(|prev| prev < at), "{times:?} {at}");
            assert!(times.missed(at, u64::MAX, 2).len() <= 2);
            assert!(times.missed(u64::MAX, at, 2).is_empty());
        }
    }
    assert_eq!(cron("* * * * * *", "UTC").next(u64::MAX), None);
}

#[test]
fn missed_ticks_are_not_visited_one_by_one() {
    // one by one, the two thousand million seconds would take hours
    let times = cron("* * * * * *", "Europe/Berlin");
    let end = YEAR_2026 + 10 * YEAR;
    assert_eq!(times.missed(0, end, 3), [end - 2_000, end - 1_000, end]);
    assert_eq!(times.count(0, end), end / 1_000);
}

#[test]
fn rare_patterns_are_found() {
    // a fifth Monday in February: 2044 is after 2016
    let times = cron("0 0 ? 2 MON#5", "UTC");
    let next = times.next(YEAR_2026).unwrap();
    assert_eq!(next, 2_340_316_800_000);
    assert_eq!(times.prev(next), Some(1_456_704_000_000));
    // a leap year is left out in 2100
    let times = cron("0 0 29 2 *", "Australia/Lord_Howe");
    let leap_2096 = times.prev(4_102_444_800_000).unwrap();
    assert!(times.next(leap_2096).unwrap() - leap_2096 > 7 * YEAR);
}

#[test]
fn every_zone_has_data() {
    for zone in zone_names() {
        let times = cron("30 2 * * *", zone);
        let next = times.next(YEAR_2026).unwrap();
        assert!(next <= YEAR_2026 + DAY + DAY / 24, "{zone}");
        assert_eq!(times.prev(next + 1), Some(next), "{zone}");
    }
    let error = Times::cron(Cron::parse("@daily").unwrap(), "Europe/Berln").unwrap_err();
    assert_eq!(error.to_string(), "unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
}

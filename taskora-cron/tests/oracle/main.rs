//! The arithmetic against a brute force that looks at every minute of two years, in zones where clocks do unusual things.
//!
//! A run takes a random sample and prints its seed. `TASKORA_CRON_ORACLE=full` takes 200 patterns a zone,
//! `TASKORA_CRON_SEED=1234` a certain seed.

mod brute;

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use brute::{Clock, Pattern, Rng};
use jiff::Timestamp;
use taskora_cron::{Cron, Times};

const SAMPLE: usize = 8;
const ALL: usize = 200;

/// So many ticks in two years are not all asked for one by one; their count is compared, and a sample.
const MANY: usize = 10_000;

const DAY: i64 = 24 * 60 * 60;

fn seed() -> u64 {
    let chosen = env::var("TASKORA_CRON_SEED").ok().map(|seed| seed.parse().unwrap());
    chosen.unwrap_or_else(|| u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()))
}

fn compare(zone: &str, first_day: &str) {
    let seed = seed();
    println!("TASKORA_CRON_SEED={seed}");
    let mut rng = Rng(seed);
    let patterns = if env::var("TASKORA_CRON_ORACLE").is_ok_and(|run| run == "full") { ALL } else { SAMPLE };

    let data = jiff::tz::db().get(zone).unwrap();
    let first = format!("{first_day}T00:00Z").parse::<Timestamp>().unwrap().as_second();
    let last = first + 2 * 365 * DAY;
    let offset = |at| i64::from(data.to_offset(Timestamp::from_second(at).unwrap()).seconds());
    let clock = Clock::new(first, last, offset);
    // spans in which every tick is asked for, even if the pattern has many: three days around each change
    let spans = clock.changes().into_iter().map(|at| (at - 3 * DAY, at + 3 * DAY)).collect::<Vec<_>>();
    assert!(!spans.is_empty(), "no clock is changed in {zone}");

    for _ in 0..patterns {
        let pattern = Pattern::random(&mut rng);
        let text = &pattern.text;
        let expected = clock.ticks(&pattern);
        let cron = match Cron::parse(text) {
            Ok(cron) => cron,
            // the 31st of February: the oracle must not know better
            Err(error) if error.to_string() == format!("`{text}` never happens") => {
                assert_eq!(expected, [], "{text}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let times = Times::cron(cron, zone).unwrap();
        let millis = |second: i64| second as u64 * 1_000;
        let (start, end) = (millis(first), millis(last));

        let spans = if expected.len() > MANY { &spans } else { &vec![(first, last)] };
        for &(from, until) in spans {
            let expected =
                expected.iter().filter(|tick| (from..until).contains(tick)).map(|tick| millis(*tick));
            let (from, until) = (millis(from), millis(until));
            let mut at = from - 1;
            for tick in expected.clone() {
                assert_eq!(times.next(at), Some(tick), "`{text}` in {zone}: the first after {at}");
                at = tick;
            }
            let next = times.next(at);
            assert!(next.is_none_or(|next| next >= until), "`{text}` in {zone}: {next:?} after {at}");

            let mut at = until;
            for tick in expected.rev() {
                assert_eq!(times.prev(at), Some(tick), "`{text}` in {zone}: the last before {at}");
                at = tick;
            }
            let prev = times.prev(at);
            assert!(prev.is_none_or(|prev| prev < from), "`{text}` in {zone}: {prev:?} before {at}");
        }

        assert_eq!(times.count(start - 1, end - 1), expected.len() as u64, "`{text}` in {zone}: the count");
        for _ in 0..20 {
            // anywhere, also between two seconds
            let at = start + rng.next() % (end - start);
            let later = at + rng.next() % (end - at);
            let index = expected.partition_point(|tick| millis(*tick) <= at);
            let upto = expected.partition_point(|tick| millis(*tick) <= later);
            if let Some(&tick) = expected.get(index) {
                assert_eq!(times.next(at), Some(millis(tick)), "`{text}` in {zone}: next after {at}");
            }
            assert_eq!(times.count(at, later), (upto - index) as u64, "`{text}` in {zone}: {at} to {later}");
            let newest = expected[index.max(upto.saturating_sub(3))..upto].iter().map(|tick| millis(*tick));
            assert_eq!(
                times.missed(at, later, 3),
                newest.collect::<Vec<_>>(),
                "`{text}` in {zone}: {at} to {later}"
            );
        }
    }
}

macro_rules! zones {
    ($($test:ident: $zone:literal from $first_day:literal)*) => {
        $(#[test] fn $test() { compare($zone, $first_day); })*
    };
}

zones! {
    new_york: "America/New_York" from "2025-01-01"
    half_an_hour: "Australia/Lord_Howe" from "2025-01-01"
    offset_of_quarters: "Pacific/Chatham" from "2025-01-01"
    changes_at_midnight: "America/Santiago" from "2025-01-01"
    changes_on_a_friday: "Africa/Cairo" from "2024-01-01"
    two_hours: "Antarctica/Troll" from "2025-01-01"
    winter_time_is_the_exception: "Europe/Dublin" from "2025-01-01"
    four_changes_a_year: "Africa/Casablanca" from "2025-01-01"
    a_day_that_never_was: "Pacific/Apia" from "2011-01-01"
}

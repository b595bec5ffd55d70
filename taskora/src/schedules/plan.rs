//! Which ticks run now, which were missed, and when the next one is due: pure decisions.

use std::time::Duration;

use taskora_cron::Times;

use super::OnMissed;
use crate::job::millis;

/// A tick that is found within this time is not late, in milliseconds.
pub(crate) const ON_TIME: u64 = 1_000;
/// The limit of runs in one step.
pub(crate) const PAGE: usize = 100;

/// What a schedule says about ticks that were missed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'a> {
    /// Nothing: it never ticks by itself.
    pub(crate) times: Option<&'a Times>,
    pub(crate) on_missed: OnMissed,
    pub(crate) max_late: Option<Duration>,
}

/// One step of a schedule. All times are milliseconds since the Unix epoch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The ticks that run, the oldest first; [`PAGE`] at most.
    pub(crate) run: Vec<u64>,
    /// How many ticks were missed, and do not run.
    pub(crate) missed: u64,
    /// All ticks up to this time are dealt with.
    pub(crate) since: u64,
    /// The tick after them, which may be due as well. `None`: there is none.
    pub(crate) next: Option<u64>,
}

impl Rules<'_> {
    /// What to do at `now` if the tick of `next` is the first that nobody has dealt with. `next` is a tick also if the timetable does
    /// not name it: the run at the start, or a time by older rules of a time zone. `None` if it is not due.
    ///
    /// What it costs does not depend on how many ticks were missed.
    pub(crate) fn plan(&self, next: u64, now: u64) -> Option<Plan> {
        if next > now {
            return None;
        }
        let from = self.first_to_run(next, now);
        let (mut missed, mut tick) = (0, Some(next));
        if next < from {
            missed = 1 + self.count(next, from - 1);
            tick = self.next(from - 1);
        }
        let (mut run, mut since) = (Vec::new(), now);
        while let Some(due) = tick.filter(|tick| *tick <= now) {
            if run.len() == PAGE {
                break;
            }
            run.push(due);
            tick = self.next(due);
            if run.len() == PAGE && tick.is_some_and(|tick| tick <= now) {
                since = due;
            }
        }
        Some(Plan { run, missed, since, next: tick })
    }

    /// Ticks before this time do not run.
    fn first_to_run(&self, next: u64, now: u64) -> u64 {
        let on_time = now.saturating_sub(ON_TIME);
        let newest = match self.on_missed {
            OnMissed::Skip => 1,
            OnMissed::CatchUpNewest(newest) => u64::from(newest),
            OnMissed::CatchUp => u64::MAX,
        };
        let kept = self.newest(newest, next, now).min(on_time);
        let allowed = self.max_late.map_or(0, |late| now.saturating_sub(millis(late)).min(on_time));
        kept.max(allowed)
    }

    /// The time from which on there are `count` ticks up to `now`; 0 if there are fewer.
    fn newest(&self, count: u64, next: u64, now: u64) -> u64 {
        if self.count(next, now) < count {
            return 0;
        }
        // `low` has more ticks behind it, `high` does not
        let (mut low, mut high) = (next, now);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.count(middle, now) > count { low = middle } else { high = middle }
        }
        if self.count(low, now) > count { high + 1 } else { low + 1 }
    }

    fn next(&self, after: u64) -> Option<u64> {
        self.times.and_then(|times| times.next(after))
    }

    fn count(&self, after: u64, until: u64) -> u64 {
        self.times.map_or(0, |times| times.count(after, until))
    }
}

#[cfg(test)]
mod tests {
    use taskora_cron::Cron;

    use super::*;

    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const YEAR: u64 = 365 * 24 * 60 * MINUTE;
    /// 1 January 2026, 00:00 UTC.
    const START: u64 = 1_767_225_600_000;

    fn every(millis: u64) -> Times {
        Times::every(Duration::from_millis(millis), Duration::ZERO).unwrap()
    }

    fn cron(expression: &str, zone: &str) -> Times {
        Times::cron(Cron::parse(expression).unwrap(), zone).unwrap()
    }

    fn rules(times: &Times, on_missed: OnMissed) -> Rules<'_> {
        Rules { times: Some(times), on_missed, max_late: None }
    }

    /// What is decided at `now` of minutes, of which that of `START` is the first to look at.
    fn minutes(on_missed: OnMissed, now: u64) -> Plan {
        rules(&every(MINUTE), on_missed).plan(START, now).unwrap()
    }

    fn ticks(numbers: impl IntoIterator<Item = u64>) -> Vec<u64> {
        numbers.into_iter().map(|number| START + number * MINUTE).collect()
    }

    #[test]
    fn a_tick_runs_when_its_time_has_come() {
        let minute = every(MINUTE);
        let rules = rules(&minute, OnMissed::Skip);
        assert_eq!(rules.plan(START, START - 1), None);
        let on_time = |now| Plan { run: ticks([0]), missed: 0, since: now, next: Some(START + MINUTE) };
        for now in [START, START + SECOND, START + 30 * SECOND] {
            assert_eq!(rules.plan(START, now), Some(on_time(now)), "also if it is late");
        }
    }

    /// Five were missed, and nobody looked until half a minute after the fifth.
    #[test]
    fn of_missed_ticks_as_many_run_as_the_schedule_says() {
        let now = START + 4 * MINUTE + 30 * SECOND;
        let cases = [
            (OnMissed::Skip, 4..5, 4),               // s128
            (OnMissed::CatchUp, 0..5, 0),            // s127
            (OnMissed::CatchUpNewest(100), 0..5, 0), // s125
            (OnMissed::CatchUpNewest(5), 0..5, 0),
            (OnMissed::CatchUpNewest(4), 1..5, 1),
            (OnMissed::CatchUpNewest(2), 3..5, 3), // s126
            (OnMissed::CatchUpNewest(1), 4..5, 4),
        ];
        for (on_missed, run, missed) in cases {
            let expected = Plan { run: ticks(run), missed, since: now, next: Some(START + 5 * MINUTE) };
            assert_eq!(minutes(on_missed, now), expected, "{on_missed:?}");
        }
    }

    #[test]
    fn a_tick_that_is_on_time_runs_whatever_was_missed() {
        // 2.0, 1.0 and 0.0 seconds late
        let second = every(SECOND);
        let plan = rules(&second, OnMissed::Skip).plan(START, START + 2 * SECOND).unwrap();
        assert_eq!((plan.run, plan.missed), (vec![START + SECOND, START + 2 * SECOND], 1));
        let plan = minutes(OnMissed::Skip, START + 4 * MINUTE + SECOND);
        assert_eq!((plan.run, plan.missed), (ticks([4]), 4));
    }

    #[test]
    fn what_is_too_late_does_not_run() {
        let (minute, now) = (every(MINUTE), START + 4 * MINUTE + 30 * SECOND);
        let plan = |on_missed, late| {
            let max_late = Some(Duration::from_millis(late));
            let plan = Rules { max_late, ..rules(&minute, on_missed) }.plan(START, now).unwrap();
            assert_eq!(plan.next, Some(START + 5 * MINUTE));
            (plan.run, plan.missed)
        };
        assert_eq!(plan(OnMissed::CatchUp, 2 * MINUTE), (ticks(3..5), 3));
        assert_eq!(plan(OnMissed::CatchUpNewest(1), 2 * MINUTE), (ticks(4..5), 4));
        assert_eq!(plan(OnMissed::CatchUp, 30 * SECOND), (ticks(4..5), 4), "just not too late");
        assert_eq!(plan(OnMissed::Skip, 30 * SECOND - 1), (ticks([]), 5));
        // one on time is never too late
        let rules = Rules { max_late: Some(Duration::from_secs(1)), ..rules(&minute, OnMissed::Skip) };
        assert_eq!(rules.plan(START, START + SECOND).unwrap().run, ticks([0]));
    }

    #[test]
    fn many_runs_go_page_by_page_and_none_twice() {
        for (on_missed, first) in [(OnMissed::CatchUp, 0), (OnMissed::CatchUpNewest(250), 51)] {
            let now = START + 300 * MINUTE + 30 * SECOND;
            let (mut next, mut run, mut missed) = (START, Vec::new(), 0);
            while next <= now {
                let plan = rules(&every(MINUTE), on_missed).plan(next, now).unwrap();
                assert!(plan.run.len() <= PAGE);
                run.extend(plan.run);
                missed += plan.missed;
                next = plan.next.unwrap();
                // what a restart computes again is the same
                assert_eq!(every(MINUTE).next(plan.since), Some(next));
            }
            assert_eq!((run, missed), (ticks(first..301), first), "{on_missed:?}");
        }
    }

    /// This would take minutes if they were looked at one by one.
    #[test]
    fn years_of_missed_seconds_cost_nothing() {
        let now = START + 3 * YEAR + 500;
        let all = 3 * YEAR / SECOND + 1;
        for times in [every(SECOND), cron("* * * * * *", "Europe/Berlin")] {
            for (on_missed, runs) in [(OnMissed::Skip, 1), (OnMissed::CatchUpNewest(7), 7)] {
                let plan = rules(&times, on_missed).plan(START, now).unwrap();
                assert_eq!((plan.run.len() as u64, plan.missed), (runs, all - runs));
                assert_eq!(plan.run.last(), Some(&(now - 500)));
            }
        }
        let plan = rules(&every(SECOND), OnMissed::CatchUp).plan(START, now).unwrap();
        assert_eq!((plan.run.len(), plan.missed, plan.since), (PAGE, 0, START + 99 * SECOND));
    }

    #[test]
    fn ticks_follow_the_clocks_of_their_zone() {
        // 29 March 2026, 00:30 UTC in Berlin: the clock jumps from 02:00 to 03:00
        let hourly = cron("0 * * * *", "Europe/Berlin");
        let midnight = 1_774_738_800_000;
        let plan = rules(&hourly, OnMissed::CatchUp).plan(midnight, midnight + 4 * 60 * MINUTE).unwrap();
        assert_eq!(plan.run.len(), 5, "an hour is an hour");
        let fixed = cron("30 2 * * *", "Europe/Berlin");
        let next = fixed.next(midnight).unwrap();
        assert_eq!(next, midnight + 2 * 60 * MINUTE, "03:00, as there is no 02:30");
        let plan = rules(&fixed, OnMissed::CatchUp).plan(next, next + 5).unwrap();
        assert_eq!(plan.next, Some(next + (23 * 60 + 30) * MINUTE));
    }

    #[test]
    fn a_run_at_the_start_is_a_tick_that_the_timetable_does_not_name() {
        let now = START + 7;
        let manual = Rules { times: None, on_missed: OnMissed::Skip, max_late: None };
        assert_eq!(
            manual.plan(START, now),
            Some(Plan { run: vec![START], missed: 0, since: now, next: None })
        );
        let plan = rules(&every(MINUTE), OnMissed::Skip).plan(START + 7, START + 9).unwrap();
        assert_eq!((plan.run, plan.next), (vec![START + 7], Some(START + MINUTE)));
    }

    /// Against ticks that are looked at one by one.
    #[test]
    fn what_runs_and_what_was_missed_is_all_there_was() {
        let policies =
            [OnMissed::Skip, OnMissed::CatchUp, OnMissed::CatchUpNewest(1), OnMissed::CatchUpNewest(3)];
        let patterns =
            [every(7_000), every(SECOND), cron("*/5 * * * * *", "UTC"), cron("10,11,40 * * * * *", "UTC")];
        for times in &patterns {
            for on_missed in policies {
                for max_late in [None, Some(1_000), Some(9_500)] {
                    let rules =
                        Rules { max_late: max_late.map(Duration::from_millis), ..rules(times, on_missed) };
                    let next = times.next(START).unwrap();
                    for late in [0, 1, 999, 1_000, 1_001, 4_321, 12_000, 61_500] {
                        let now = next + late;
                        let all: Vec<u64> = std::iter::successors(Some(next), |tick| times.next(*tick))
                            .take_while(|tick| *tick <= now)
                            .collect();
                        let newest = match on_missed {
                            OnMissed::Skip => 1,
                            OnMissed::CatchUpNewest(newest) => newest as usize,
                            OnMissed::CatchUp => usize::MAX,
                        };
                        let runs = |(index, tick): (usize, &u64)| {
                            let late = now - tick;
                            let is_new = all.len() - index <= newest;
                            late <= ON_TIME || (is_new && max_late.is_none_or(|max| late <= max))
                        };
                        let expected: Vec<u64> =
                            all.iter().enumerate().filter(|at| runs(*at)).map(|(_, tick)| *tick).collect();
                        let plan = rules.plan(next, now).unwrap();
                        assert_eq!(plan.missed, (all.len() - expected.len()) as u64);
                        assert_eq!(plan.run, expected, "{times:?} {on_missed:?} {max_late:?} {late}");
                        assert_eq!((plan.since, plan.next), (now, times.next(now)));
                    }
                }
            }
        }
    }
}

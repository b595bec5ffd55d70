//! Finds a pattern's times on a clock without changes, in seconds since 1970 on that clock.

use crate::calendar::{MONTHS_OF_THE_CYCLE, Month};
use crate::fields::Fields;

const DAY: i64 = 24 * 60 * 60;

impl Fields {
    /// The first fitting time from `from` on.
    pub(crate) fn first_from(&self, from: i64) -> Option<i64> {
        let (today, time) = (from.div_euclid(DAY), from.rem_euclid(DAY));
        let (month, of_month) = Month::of(today);
        let mut days = self.days_in(month) & u64::MAX << of_month;
        if days & 1 << of_month != 0 {
            if let Some(time) = self.time_from(time) {
                return Some(today * DAY + time);
            }
            days &= !(1 << of_month);
        }
        let first_time = self.time_from(0)?;
        (0..=MONTHS_OF_THE_CYCLE).find_map(|ahead| {
            let month = Month(month.0 + ahead);
            let days = if ahead == 0 { days } else { self.days_in(month) };
            Some((month.base() + lowest(days)?) * DAY + first_time)
        })
    }

    /// The last fitting time up to `until`, itself included.
    pub(crate) fn last_until(&self, until: i64) -> Option<i64> {
        let (today, time) = (until.div_euclid(DAY), until.rem_euclid(DAY));
        let (month, of_month) = Month::of(today);
        let mut days = self.days_in(month) & ((2 << of_month) - 1);
        if days & 1 << of_month != 0 {
            if let Some(time) = self.time_until(time) {
                return Some(today * DAY + time);
            }
            days &= !(1 << of_month);
        }
        let last_time = self.time_until(DAY - 1)?;
        (0..=MONTHS_OF_THE_CYCLE).find_map(|back| {
            let month = Month(month.0 - back);
            let days = if back == 0 { days } else { self.days_in(month) };
            Some((month.base() + highest(days)?) * DAY + last_time)
        })
    }

    /// How many times fit from `from` up to `until`, without `until` itself.
    pub(crate) fn count(&self, from: i64, until: i64) -> u64 {
        if from >= until {
            return 0;
        }
        let (first, last) = (from.div_euclid(DAY), until.div_euclid(DAY));
        let whole_day = self.times_before(DAY);
        let (first_month, first_day) = Month::of(first);
        let (last_month, last_day) = Month::of(last);
        let days: u64 = (first_month.0..=last_month.0)
            .map(|month| {
                let mut days = self.days_in(Month(month));
                if month == first_month.0 {
                    days &= u64::MAX << first_day;
                }
                if month == last_month.0 {
                    days &= (1 << last_day) - 1;
                }
                u64::from(days.count_ones())
            })
            .sum();
        let fits = |month, day: i64| self.days_in(month) >> day & 1;
        days * whole_day + fits(last_month, last_day) * self.times_before(until.rem_euclid(DAY))
            - fits(first_month, first_day) * self.times_before(from.rem_euclid(DAY))
    }

    /// The first fitting second of a day from `time` on.
    fn time_from(&self, time: i64) -> Option<i64> {
        let (hour, minute, second) = split(time);
        let (first_minute, first_second) = (lowest(self.minutes)?, lowest(self.seconds)?);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = lowest(self.seconds & u64::MAX << second)
            {
                return Some(joined(hour, minute, second));
            }
            if let Some(minute) = lowest(self.minutes & u64::MAX << (minute + 1)) {
                return Some(joined(hour, minute, first_second));
            }
        }
        let hour = lowest(self.hours & u64::MAX << (hour + 1))?;
        Some(joined(hour, first_minute, first_second))
    }

    /// The last fitting second of a day up to `time`.
    fn time_until(&self, time: i64) -> Option<i64> {
        let (hour, minute, second) = split(time);
        let (last_minute, last_second) = (highest(self.minutes)?, highest(self.seconds)?);
        if self.hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = highest(self.seconds & ((2 << second) - 1))
            {
                return Some(joined(hour, minute, second));
            }
            if let Some(minute) = highest(self.minutes & ((1 << minute) - 1)) {
                return Some(joined(hour, minute, last_second));
            }
        }
        let hour = highest(self.hours & ((1 << hour) - 1))?;
        Some(joined(hour, last_minute, last_second))
    }

    /// How many seconds of a day fit before `time`.
    fn times_before(&self, time: i64) -> u64 {
        let (hour, minute, second) = split(time);
        let below = |values: u64, end: i64| u64::from((values & ((1 << end) - 1)).count_ones());
        let has = |values: u64, value: i64| values >> value & 1;
        let seconds = below(self.seconds, 60);
        below(self.hours, hour) * below(self.minutes, 60) * seconds
            + has(self.hours, hour)
                * (below(self.minutes, minute) * seconds
                    + has(self.minutes, minute) * below(self.seconds, second))
    }
}

fn split(time: i64) -> (i64, i64, i64) {
    (time / 3_600, time / 60 % 60, time % 60)
}

fn joined(hour: i64, minute: i64, second: i64) -> i64 {
    hour * 3_600 + minute * 60 + second
}

fn lowest(bits: u64) -> Option<i64> {
    (bits != 0).then(|| i64::from(bits.trailing_zeros()))
}

fn highest(bits: u64) -> Option<i64> {
    (bits != 0).then(|| i64::from(63 - bits.leading_zeros()))
}

//! The Gregorian calendar, in days since 1 January 1970.

/// After 400 years the calendar repeats, weekdays included.
pub(crate) const MONTHS_OF_THE_CYCLE: i64 = 400 * 12;

/// Days from 1 January of the year 0 to 1 January 1970.
const EPOCH: i64 = 719_528;

/// A month, counted from January of the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(pub(crate) i64);

impl Month {
    /// The month that a day is in, and which day of it that is (from 1).
    #[cfg(any(test, feature = "times"))]
    pub(crate) fn of(day: i64) -> (Self, i64) {
        let day_of_all = day + EPOCH;
        // the mean length of a year gives a year that is at most one off
        let mut year = (day_of_all * 400).div_euclid(146_097);
        while days_before_year(year) > day_of_all {
            year -= 1;
        }
        while days_before_year(year + 1) <= day_of_all {
            year += 1;
        }
        let mut month = Self(year * 12);
        let mut left = day_of_all - days_before_year(year);
        while left >= month.length() {
            left -= month.length();
            month.0 += 1;
        }
        (month, left + 1)
    }

    /// 1 for January.
    pub(crate) fn number(self) -> i64 {
        self.0.rem_euclid(12) + 1
    }

    pub(crate) fn length(self) -> i64 {
        match self.number() {
            2 if is_leap(self.year()) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }

    /// The day before its first one, so that adding a day of the month gives a day.
    pub(crate) fn base(self) -> i64 {
        let january = Self(self.year() * 12);
        let before: i64 = (january.0..self.0).map(|month| Self(month).length()).sum();
        days_before_year(self.year()) + before - EPOCH - 1
    }

    fn year(self) -> i64 {
        self.0.div_euclid(12)
    }
}

/// 0 for Sunday.
pub(crate) fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_before_year(year: i64) -> i64 {
    let last = year - 1;
    // the year 0 is a leap year
    365 * year + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_cycle_follows_the_one_before() {
        let (mut year, mut number, mut of_month) = (1900, 1, 1);
        let first = Month(1900 * 12).base() + 1;
        assert_eq!((first, weekday(first)), (-25_567, 1), "1 January 1900 was a Monday");
        for day in first..first + 146_097 {
            let (month, found) = Month::of(day);
            assert_eq!((month.year(), month.number(), found), (year, number, of_month), "{day}");
            assert_eq!(month.base() + found, day);
            of_month += 1;
            if of_month > month.length() {
                (number, of_month) = (number + 1, 1);
            }
            if number > 12 {
                (year, number) = (year + 1, 1);
            }
        }
        assert_eq!((year, weekday(first + 146_097)), (2300, 1));
    }
}

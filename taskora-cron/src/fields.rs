//! What an expression means: the values of its fields.

use crate::calendar::{Month, weekday};

/// The values of all fields: bit `n` for the value `n`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Fields {
    pub(crate) seconds: u64,
    pub(crate) minutes: u64,
    pub(crate) hours: u64,
    pub(crate) months: u64,
    pub(crate) days: Days,
    /// minute or hour begins with `*`: such a pattern follows the clock on the wall, whatever it shows
    pub(crate) wildcard: bool,
}

/// The days that a pattern names, by date and by weekday.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Days {
    pub(crate) dates: u64,
    /// `L`
    pub(crate) last: bool,
    pub(crate) weekdays: u64,
    /// `FRI#2` and `5L`: weekdays with the week of the month that they must be in, where 0 stands for the last
    pub(crate) nth: Vec<(u32, u32)>,
    /// both fields are given, and one that fits is enough
    pub(crate) either: bool,
}

impl Fields {
    /// The days of a month that fit: bit 1 for the first one.
    pub(crate) fn days_in(&self, month: Month) -> u64 {
        if self.months & 1 << month.number() == 0 {
            return 0;
        }
        let length = month.length();
        let base = month.base();
        let by_date = (self.days.dates & ((2 << length) - 1)) | u64::from(self.days.last) << length;
        let by_weekday = (1..=length)
            .filter(|day| {
                let weekday = weekday(base + day);
                self.days.weekdays & 1 << weekday != 0
                    || self.days.nth.iter().any(|(wanted, nth)| {
                        let fits = match i64::from(*nth) {
                            0 => day + 7 > length,
                            nth => (day - 1) / 7 + 1 == nth,
                        };
                        fits && i64::from(*wanted) == weekday
                    })
            })
            .fold(0, |days, day| days | 1 << day);
        if self.days.either { by_date | by_weekday } else { by_date & by_weekday }
    }
}

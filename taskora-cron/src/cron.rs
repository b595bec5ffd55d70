use std::fmt;
use std::str::FromStr;

use crate::calendar::{MONTHS_OF_THE_CYCLE, Month, weekday};
use crate::error::{CronError, CronErrorKind, Mistake};
use crate::parse;

/// A parsed and checked cron expression.
///
/// The [crate's documentation](crate) describes the syntax.
///
/// ```
/// use taskora_cron::Cron;
///
/// let cron = Cron::parse("0 9 * * MON-FRI")?;
/// assert_eq!(cron.to_string(), "0 9 * * MON-FRI");
///
/// let error = Cron::parse("61 * * * *").unwrap_err();
/// assert_eq!(error.to_string(), "invalid cron expression `61 * * * *`: minute `61` is outside 0–59");
/// assert_eq!(error.span(), 0..2);
///
/// assert_eq!(Cron::parse("0 0 30 2 *").unwrap_err().to_string(), "`0 0 30 2 *` never happens");
/// # Ok::<(), taskora_cron::CronError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cron {
    /// as it was written, without the spaces around it
    text: String,
    pub(crate) fields: Fields,
}

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

impl Cron {
    /// Parses a cron expression.
    ///
    /// # Errors
    ///
    /// [`CronError`] says what is wrong and where. A pattern that no date ever has is an error, too.
    pub fn parse(expression: &str) -> Result<Self, CronError> {
        let text = expression.trim_ascii();
        let fields = parse::fields(expression).map_err(|mistake| CronError::new(text, mistake))?;
        // the calendar repeats after these months, so a date that is in none of them never occurs
        if (0..MONTHS_OF_THE_CYCLE).all(|month| fields.days_in(Month(month)) == 0) {
            let span = 0..expression.len();
            let never = Mistake { kind: CronErrorKind::Never, span, text: String::new() };
            return Err(CronError::new(text, never));
        }
        Ok(Self { text: text.to_owned(), fields })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(expression: &str) -> Result<Self, CronError> {
        Self::parse(expression)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
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

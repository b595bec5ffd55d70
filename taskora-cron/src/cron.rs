use std::fmt;
use std::str::FromStr;

use crate::calendar::{MONTHS_OF_THE_CYCLE, Month};
use crate::error::{CronError, CronErrorKind, Mistake};
use crate::fields::Fields;
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

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::duration::duration_text;

/// What is wrong with a cron expression, and where.
///
/// Its text names the expression and the mistake: ``invalid cron expression `61 * * * *`: minute `61` is outside 0–59``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronError {
    expression: String,
    kind: CronErrorKind,
    span: Range<usize>,
    mistake: String,
}

/// The kinds of mistakes in a cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CronErrorKind {
    /// There are neither five nor six fields.
    Fields,
    /// A number or a step is outside the range of its field.
    Outside,
    /// A name is not that of a month, a weekday or an `@` expression.
    Name,
    /// A range ends before it begins.
    Backwards,
    /// Any other text that is not a valid field.
    Syntax,
    /// Each field is valid, but no date matches all of them, such as 30 February.
    Never,
}

impl CronError {
    /// What kind of mistake it is.
    #[must_use]
    pub fn kind(&self) -> CronErrorKind {
        self.kind
    }

    /// Which bytes of the expression are wrong.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(crate) fn new(expression: &str, mistake: Mistake) -> Self {
        let Mistake { kind, span, text } = mistake;
        Self { expression: expression.to_owned(), kind, span, mistake: text }
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expression, mistake, .. } = self;
        match self.kind {
            CronErrorKind::Never => write!(f, "`{expression}` never happens"),
            _ => write!(f, "invalid cron expression `{expression}`: {mistake}"),
        }
    }
}

impl std::error::Error for CronError {}

/// A period that is too short for a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodError(Duration);

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = duration_text(self.0);
        write!(f, "`every = \"{period}\"`: a schedule ticks once a second at most")
    }
}

impl std::error::Error for PeriodError {}

impl PeriodError {
    pub(crate) const fn of(period: Duration) -> Self {
        Self(period)
    }
}

/// A [`CronError`] that does not know the whole expression yet.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) kind: CronErrorKind,
    pub(crate) span: Range<usize>,
    pub(crate) text: String,
}

/// The candidate that was probably meant by `typed`, if the case of letters does not count.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase();
    let tolerated = match typed.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(&typed, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= tolerated)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be added, left out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut left = i + 1;
        let mut next = vec![left];
        for ((b, above_left), above) in other.chars().zip(&row).zip(row.iter().skip(1)) {
            left = (above_left + usize::from(a != b)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

/// `; did you mean X?`, or nothing.
pub(crate) fn hint(meant: Option<&str>) -> String {
    meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (one, other, letters) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("berln", "berlin", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(one, other), letters, "{one} {other}");
        }
    }
}

//! One field of an expression.

use crate::error::{CronErrorKind, Mistake, hint, nearest};
use crate::fields::Days;
use crate::token::Token;

/// What a field counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Weekday,
}

const SUNDAY: u32 = 7;

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Weekday => "weekday",
        }
    }

    fn bounds(self) -> (u32, u32) {
        match self {
            Self::Second | Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::Day => (1, 31),
            Self::Month => (1, 12),
            Self::Weekday => (0, SUNDAY),
        }
    }

    /// The last value that differs from all before: weekday 7 is weekday 0.
    fn last(self) -> u32 {
        if self == Self::Weekday { SUNDAY - 1 } else { self.bounds().1 }
    }

    /// Names of values, the lowest first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Month => {
                &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
            }
            Self::Weekday => &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
            _ => &[],
        }
    }
}

/// The values of a field: bit `n` for the value `n`. What names days in another way goes to `days`.
pub(crate) fn field(field: Token<'_>, unit: Unit, days: &mut Days) -> Result<u64, Mistake> {
    if field.text == "?" && matches!(unit, Unit::Day | Unit::Weekday) {
        return Ok(values(unit, unit.bounds().0, unit.last(), 1));
    }
    let mut all = 0;
    // a comma at the end has nothing behind it
    let nothing = Token { text: "", at: field.at + field.text.len() };
    let trailing = field.text.ends_with(',').then_some(nothing);
    for entry in field.split(|char| char == ',').chain(trailing) {
        let entry = Token { text: entry.text.strip_suffix(',').unwrap_or(entry.text), at: entry.at };
        if entry.text.is_empty() {
            let text = format!("{} `{}` has an empty entry", unit.name(), field.text);
            return Err(field.mistake(CronErrorKind::Syntax, text));
        }
        all |= match special(entry, unit, days)? {
            true => 0,
            false => plain(entry, unit)?,
        };
    }
    Ok(all)
}

/// Reads `L`, `5L` and `FRI#2`; `false` if the entry is none of these.
fn special(entry: Token<'_>, unit: Unit, days: &mut Days) -> Result<bool, Mistake> {
    let syntax = |text: String| Err(entry.mistake(CronErrorKind::Syntax, text));
    let text = entry.text;
    match unit {
        Unit::Day if text.eq_ignore_ascii_case("L") => {
            days.last = true;
            return Ok(true);
        }
        Unit::Day if text.ends_with(['W', 'w']) => {
            return syntax(format!("day `{text}`: the nearest working day is not supported"));
        }
        Unit::Weekday => {}
        _ => return Ok(false),
    }
    if let Some((weekday, nth)) = entry.halves('#') {
        let weekday = value(weekday, unit)? % SUNDAY;
        let Some(nth) = number(nth.text).filter(|nth| (1..=5).contains(nth)) else {
            let text = format!("weekday `{text}`: `{}` is outside 1–5", nth.text);
            return Err(nth.mistake(CronErrorKind::Outside, text));
        };
        days.nth.push((weekday, nth));
        return Ok(true);
    }
    let Some(weekday) = text.strip_suffix(['L', 'l']) else { return Ok(false) };
    if weekday.is_empty() {
        return syntax(format!("weekday `{text}`: say which weekday is the last one, as in `5L`"));
    }
    let weekday = value(Token { text: weekday, at: entry.at }, unit)? % SUNDAY;
    days.nth.push((weekday, 0));
    Ok(true)
}

/// Reads `5`, `1-5`, `*`, and each of them with a step.
fn plain(entry: Token<'_>, unit: Unit) -> Result<u64, Mistake> {
    let (body, step) = match entry.halves('/') {
        Some((body, step)) => (body, Some(self::step(step, unit)?)),
        None => (entry, None),
    };
    if body.text == "*" {
        return Ok(values(unit, unit.bounds().0, unit.last(), step.unwrap_or(1)));
    }
    let Some((from, until)) = body.halves('-') else {
        let only = value(body, unit)?;
        return Ok(match step {
            None => values(unit, only, only, 1),
            // `7/2` begins at Sunday, as `0/2` does
            Some(step) if only > unit.last() => values(unit, 0, unit.last(), step),
            Some(step) => values(unit, only, unit.last(), step),
        });
    };
    if from.text.is_empty() || until.text.is_empty() {
        let text = format!("{} `{}`: a range has two ends, as in `1-5`", unit.name(), body.text);
        return Err(body.mistake(CronErrorKind::Syntax, text));
    }
    let low = value(from, unit)?;
    let mut high = value(until, unit)?;
    // a week that is written with names may end with a Sunday
    if unit == Unit::Weekday && low > 0 && high == 0 && number(until.text).is_none() {
        high = SUNDAY;
    }
    if low > high {
        let (first, last) = (unit.bounds().0, unit.last());
        let text = format!(
            "{} range `{}` goes backwards; write two, as in `{}-{last},{first}-{}`",
            unit.name(),
            body.text,
            from.text,
            until.text,
        );
        return Err(body.mistake(CronErrorKind::Backwards, text));
    }
    Ok(values(unit, low, high, step.unwrap_or(1)))
}

fn values(unit: Unit, low: u32, high: u32, step: u32) -> u64 {
    let value = |value: u32| if unit == Unit::Weekday { value % SUNDAY } else { value };
    (low..=high).step_by(step.max(1) as usize).fold(0, |all, one| all | 1 << value(one))
}

fn value(token: Token<'_>, unit: Unit) -> Result<u32, Mistake> {
    let (name, text) = (unit.name(), token.text);
    let (low, high) = unit.bounds();
    if is_number(text) {
        return number(text).filter(|number| (low..=high).contains(number)).ok_or_else(|| {
            token.mistake(CronErrorKind::Outside, format!("{name} `{text}` is outside {low}–{high}"))
        });
    }
    if let Some((_, value)) = unit.names().iter().zip(low..).find(|(name, _)| name.eq_ignore_ascii_case(text))
    {
        return Ok(value);
    }
    let letters = !text.is_empty() && text.chars().all(char::is_alphabetic);
    if letters && !unit.names().is_empty() {
        // `MONDAY` begins with the name that is meant
        let start =
            text.get(..3).filter(|start| unit.names().iter().any(|name| name.eq_ignore_ascii_case(start)));
        let meant = nearest(start.unwrap_or(text), unit.names().iter().copied());
        return Err(token.mistake(CronErrorKind::Name, format!("unknown {name} `{text}`{}", hint(meant))));
    }
    let expected = match unit.names().first() {
        Some(first) => format!("a number from {low} to {high} or a name such as `{first}`"),
        None => format!("a number from {low} to {high}"),
    };
    let text = match text {
        "" => format!("{name}: {expected} is missing"),
        text => format!("{name} `{text}` is not {expected}"),
    };
    Err(token.mistake(CronErrorKind::Syntax, text))
}

fn step(token: Token<'_>, unit: Unit) -> Result<u32, Mistake> {
    let (name, text) = (unit.name(), token.text);
    let longest = unit.last() - unit.bounds().0;
    if !is_number(text) {
        let text = format!("{name} step `{text}` is not a number from 1 to {longest}");
        return Err(token.mistake(CronErrorKind::Syntax, text));
    }
    number(text).filter(|step| (1..=longest).contains(step)).ok_or_else(|| {
        let advice = if number(text) == Some(0) { "" } else { "; for a longer period, use `every`" };
        let text = format!("{name} step `{text}` is outside 1–{longest}{advice}");
        token.mistake(CronErrorKind::Outside, text)
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `None` also for a number that is too large to be anything here.
fn number(text: &str) -> Option<u32> {
    is_number(text).then(|| text.parse().ok()).flatten()
}

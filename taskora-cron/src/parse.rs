//! From text to [`Fields`].

use crate::error::{CronErrorKind, Mistake, hint, nearest};
use crate::field::{Unit, field};
use crate::fields::Fields;
use crate::token::Token;

/// Expressions with a name, and what they stand for.
const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Reads an expression; the spans of mistakes are bytes of it.
pub(crate) fn fields(expression: &str) -> Result<Fields, Mistake> {
    let whole = Token { text: expression, at: 0 };
    let mut words = Vec::new();
    for word in whole.split(|char| char.is_ascii_whitespace()) {
        let text = word.text.trim_ascii_end();
        if !text.is_empty() {
            words.push(Token { text, at: word.at });
        }
    }
    match *words.as_slice() {
        [name] if name.text.starts_with('@') => named(name),
        // `@every 5m`, for example
        [name, ..] if name.text.starts_with('@') && !is_named(name) => named(name),
        [minute, hour, day, month, weekday] => read(None, minute, hour, [day, month, weekday]),
        [second, minute, hour, day, month, weekday] => {
            read(Some(second), minute, hour, [day, month, weekday])
        }
        [] => Err(whole.mistake(CronErrorKind::Fields, format!("it is empty; {FIELDS}"))),
        [.., extra] if words.len() > 6 => {
            let n = words.len();
            Err(extra.mistake(CronErrorKind::Fields, format!("{n} fields are too many; {FIELDS}")))
        }
        [first, ..] => {
            let fields = if words.len() == 1 { "1 field is" } else { &format!("{} fields are", words.len()) };
            let end = words.last().map_or(0, |last| last.at + last.text.len());
            let text = expression.get(first.at..end).unwrap_or(expression);
            let all = Token { text, at: first.at };
            Err(all.mistake(CronErrorKind::Fields, format!("{fields} too few; {FIELDS}")))
        }
    }
}

const FIELDS: &str = "write five (minute, hour, day, month, weekday), or six with seconds first";

fn read(
    second: Option<Token<'_>>,
    minute: Token<'_>,
    hour: Token<'_>,
    [day, month, weekday]: [Token<'_>; 3],
) -> Result<Fields, Mistake> {
    let mut fields = Fields::default();
    fields.seconds = match second {
        Some(second) => field(second, Unit::Second, &mut fields.days)?,
        None => 1,
    };
    fields.minutes = field(minute, Unit::Minute, &mut fields.days)?;
    fields.hours = field(hour, Unit::Hour, &mut fields.days)?;
    fields.days.dates = field(day, Unit::Day, &mut fields.days)?;
    fields.months = field(month, Unit::Month, &mut fields.days)?;
    fields.days.weekdays = field(weekday, Unit::Weekday, &mut fields.days)?;
    fields.wildcard = [minute, hour].iter().any(|field| field.text.starts_with('*'));
    fields.days.either = ![day, weekday].iter().any(|field| field.text.starts_with(['*', '?']));
    Ok(fields)
}

fn is_named(name: Token<'_>) -> bool {
    NAMED.iter().any(|(known, _)| *known == name.text)
}

fn named(name: Token<'_>) -> Result<Fields, Mistake> {
    if let Some((_, stands_for)) = NAMED.iter().find(|(known, _)| *known == name.text) {
        return fields(stands_for);
    }
    let text = name.text;
    let advice = match text {
        "@reboot" => "; to run at a start, use `run_on_start`".to_owned(),
        "@every" => "; for a period, use `every`".to_owned(),
        _ => hint(nearest(text, NAMED.iter().map(|(known, _)| *known))),
    };
    Err(name.mistake(CronErrorKind::Name, format!("unknown name `{text}`{advice}")))
}

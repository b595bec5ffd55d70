//! Durations in options: `500ms`, `30s`, `0.5s`, `5m`, `2h`, `1d`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Units with their length in nanoseconds; `ms` stands before `m` and `s`, which end it.
const UNITS: [(&str, u128); 5] = [
    ("ms", NANOS_PER_SECOND / 1_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 60 * 60 * NANOS_PER_SECOND),
    ("d", 24 * 60 * 60 * NANOS_PER_SECOND),
];

/// Longer than any task needs, and short enough that adding it overflows no clock.
const LONGEST: u128 = 100 * 365 * 24 * 60 * 60 * NANOS_PER_SECOND;

/// Stores keep milliseconds, so a shorter duration would be zero.
const SHORTEST: u128 = NANOS_PER_SECOND / 1_000;

/// The duration that `text` means, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let nanos = nanos(text).ok_or_else(|| {
        format!(
            "invalid duration `{text}`; write a number and a unit, such as `500ms`, `30s`, `5m`, `2h` or `1d`"
        )
    })?;
    if nanos < SHORTEST {
        return Err(format!("duration `{text}` is too short; the shortest is `1ms`"));
    }
    if nanos > LONGEST {
        return Err(format!("duration `{text}` is too long; the longest is `36500d`"));
    }
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(u64::MAX);
    Ok(Duration::new(seconds, u32::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0)))
}

/// Whether `text` is a duration of nothing.
pub(crate) fn is_zero(text: &str) -> bool {
    nanos(text) == Some(0)
}

fn nanos(text: &str) -> Option<u128> {
    let (number, unit) = UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    // more digits than these are nanoseconds of a fraction, or more than the longest duration
    if whole.len() > 20 || fraction.len() > 15 {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = unit * fraction.parse::<u128>().ok()? / scale;
    Some(unit * whole.parse::<u128>().ok()? + fraction)
}

/// A duration as an expression.
pub(crate) fn expression(duration: Duration) -> TokenStream {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote_spanned!(Span::mixed_site()=> ::core::time::Duration::new(#seconds, #nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s324_every_unit_with_and_without_a_fraction() {
        for (text, millis) in [
            ("1ms", 1),
            ("500ms", 500),
            ("30s", 30_000),
            ("0.5s", 500),
            ("1.25s", 1_250),
            ("5m", 300_000),
            ("1.5m", 90_000),
            ("2h", 7_200_000),
            ("0.25h", 900_000),
            ("1d", 86_400_000),
            ("0.5d", 43_200_000),
            ("007s", 7_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("1.5ms"), Ok(Duration::from_micros(1_500)));
    }

    #[test]
    fn s325_everything_else_is_refused_with_its_text() {
        for text in [
            "abc", "30", "30x", "", "s", ".", ".s", ".5s", "5.s", "-1s", "+1s", "1e3s", "30 s", " 30s",
            "30s ", "30S", "inf", "infs", "NaN", "NaNs", "1.2.3s", "1m30s", "٣s", "1_000ms",
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.starts_with(&format!("invalid duration `{text}`; write")), "{message}");
        }
    }

    #[test]
    fn s325_nothing_and_eternity_are_refused() {
        for text in ["0s", "0ms", "0.0d", "0.4ms", "0.0001s"] {
            assert!(parse(text).unwrap_err().contains("too short"), "{text}");
        }
        assert!(is_zero("0s") && is_zero("0.0d") && !is_zero("0.4ms") && !is_zero("0"));
        assert_eq!(parse("36500d").unwrap().as_secs(), 36_500 * 24 * 60 * 60);
        for text in ["36501d", "99999999999999999999d"] {
            assert!(parse(text).unwrap_err().contains("too long"), "{text}");
        }
    }
}

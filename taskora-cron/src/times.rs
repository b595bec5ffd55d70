use std::time::Duration;

use jiff::tz::TimeZone;

use crate::stretch::{Stretch, zone};
use crate::{Cron, PeriodError, ZoneError};

/// After 400 years everything has been looked at once.
const SEARCHED: i64 = 400 * 366 * 24 * 60 * 60;

/// When a schedule ticks.
///
/// Points in time are milliseconds since the Unix epoch, in UTC. It keeps no state between calls and reads no clock, so
/// every process computes the same.
///
/// ```
/// use taskora_cron::{Cron, Times};
///
/// let times = Times::cron(Cron::parse("0 3 * * *")?, "Europe/Berlin")?;
/// let noon = 1_782_993_600_000; // 2 July 2026, 12:00 UTC
/// assert_eq!(times.next(noon), Some(1_783_040_400_000)); // 3 July, 03:00 in Berlin
/// assert_eq!(times.prev(noon), Some(1_782_954_000_000)); // 2 July, 03:00
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Times(Spec);

#[derive(Debug, Clone, PartialEq)]
enum Spec {
    Every { period: u64, offset: u64 },
    Cron { cron: Cron, zone: TimeZone },
}

impl Times {
    /// At the multiples of `period` since the Unix epoch, each of them `offset` later. Parts of a millisecond do not count.
    ///
    /// # Errors
    ///
    /// [`PeriodError`] if the period is shorter than a second.
    pub fn every(period: Duration, offset: Duration) -> Result<Self, PeriodError> {
        if period < Duration::from_secs(1) {
            return Err(PeriodError::of(period));
        }
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let period = millis(period);
        Ok(Self(Spec::Every { period, offset: millis(offset) % period }))
    }

    /// At the times of a cron expression, on the clocks of a time zone.
    ///
    /// # Errors
    ///
    /// [`ZoneError`] if there is no time zone of this name, or no data about it.
    pub fn cron(cron: Cron, time_zone: &str) -> Result<Self, ZoneError> {
        Ok(Self(Spec::Cron { cron, zone: zone(time_zone)? }))
    }

    /// The first tick that is later than `after`. `None` if there is none within 400 years, or before the year 10,000.
    #[must_use]
    pub fn next(&self, after: u64) -> Option<u64> {
        match &self.0 {
            Spec::Every { period, offset } => match after.checked_sub(*offset) {
                None => Some(*offset),
                Some(since) => after.checked_add(period - since % period),
            },
            Spec::Cron { cron, zone } => {
                let mut from = i64::try_from(after / 1_000).ok()?.checked_add(1)?;
                let end = from.checked_add(SEARCHED)?;
                while from < end {
                    let stretch = Stretch::at(zone, from)?;
                    if let Some(tick) = first(cron, &stretch, from) {
                        return u64::try_from(tick).ok()?.checked_mul(1_000);
                    }
                    from = stretch.end;
                }
                None
            }
        }
    }

    /// The last tick that is earlier than `before`. `None` if there is none since 1970.
    #[must_use]
    pub fn prev(&self, before: u64) -> Option<u64> {
        let last = before.checked_sub(1)?;
        match &self.0 {
            Spec::Every { period, offset } => Some(last - last.checked_sub(*offset)? % period),
            Spec::Cron { cron, zone } => {
                let mut until = i64::try_from(last / 1_000).ok()?;
                while until >= 0 {
                    let stretch = Stretch::at(zone, until)?;
                    if let Some(tick) = self::last(cron, &stretch, until) {
                        return u64::try_from(tick).ok()?.checked_mul(1_000);
                    }
                    until = stretch.start - 1;
                }
                None
            }
        }
    }

    /// The newest ticks that are later than `after` and not later than `until`: at most `newest` of them, the oldest first.
    ///
    /// The cost depends on `newest`, not on how many there are.
    #[must_use]
    pub fn missed(&self, after: u64, until: u64, newest: usize) -> Vec<u64> {
        let mut before = until.saturating_add(1);
        let mut ticks = Vec::new();
        while ticks.len() < newest
            && let Some(tick) = self.prev(before)
            && tick > after
        {
            ticks.push(tick);
            before = tick;
        }
        ticks.reverse();
        ticks
    }

    /// How many ticks are later than `after` and not later than `until`. They are not visited one by one.
    #[must_use]
    pub fn count(&self, after: u64, until: u64) -> u64 {
        if after >= until {
            return 0;
        }
        match &self.0 {
            Spec::Every { period, offset } => {
                let up_to = |at: u64| at.checked_sub(*offset).map_or(0, |since| since / period + 1);
                up_to(until) - up_to(after)
            }
            Spec::Cron { cron, zone } => {
                let second = |at: u64| i64::try_from(at / 1_000 + 1).unwrap_or(i64::MAX);
                let (mut from, end) = (second(after), second(until));
                let mut ticks = 0;
                while from < end
                    && let Some(stretch) = Stretch::at(zone, from)
                {
                    let end = end.min(stretch.end);
                    ticks += u64::from(from == stretch.start && ticks_for_skipped(cron, &stretch));
                    ticks += cron.fields.count(from_shown(cron, &stretch, from), end + stretch.offset);
                    from = end;
                }
                ticks
            }
        }
    }
}

/// The first tick of a stretch from `from` on, which is in it.
fn first(cron: &Cron, stretch: &Stretch, from: i64) -> Option<i64> {
    if from == stretch.start && ticks_for_skipped(cron, stretch) {
        return Some(from);
    }
    let tick = cron.fields.first_from(from_shown(cron, stretch, from))? - stretch.offset;
    (tick < stretch.end).then_some(tick)
}

/// The last tick of a stretch up to `until`, which is in it.
fn last(cron: &Cron, stretch: &Stretch, until: i64) -> Option<i64> {
    let tick = cron.fields.last_until(until + stretch.offset);
    tick.filter(|shown| *shown >= from_shown(cron, stretch, stretch.start))
        .map(|shown| shown - stretch.offset)
        .or_else(|| ticks_for_skipped(cron, stretch).then_some(stretch.start))
}

/// What the clock shows at `from`, or when it first shows something new after it, if it was put back.
fn from_shown(cron: &Cron, stretch: &Stretch, from: i64) -> i64 {
    let shown = from.max(stretch.start) + stretch.offset;
    if cron.fields.wildcard { shown } else { shown.max(stretch.fresh) }
}

/// Whether a tick at the beginning of a stretch stands for times that the clock skipped there, and only for these.
fn ticks_for_skipped(cron: &Cron, stretch: &Stretch) -> bool {
    let shown = stretch.shown();
    !cron.fields.wildcard
        && stretch.fresh < shown
        && cron.fields.first_from(shown) != Some(shown)
        && cron.fields.first_from(stretch.fresh).is_some_and(|skipped| skipped < shown)
}

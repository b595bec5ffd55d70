//! Time zones, as stretches of time between two changes of a clock.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::zones::ZoneError;

/// No zone is further from UTC than 26 hours, so a clock cannot have shown more than this much ahead of what it shows now.
const FURTHEST_BACK: i64 = 52 * 60 * 60;

/// Where time ends for the last stretch.
const FOREVER: i64 = i64::MAX / 4;

/// A span of time without a clock change; seconds since the epoch, and on the clock.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) start: i64,
    /// not included
    pub(crate) end: i64,
    /// how far the clock is ahead of UTC
    pub(crate) offset: i64,
    /// what the clock would show first, had it never been put back, and had it run through what it skipped at `start`
    pub(crate) fresh: i64,
}

impl Stretch {
    /// The stretch that a second is in; `None` after the year 9999.
    pub(crate) fn at(zone: &TimeZone, second: i64) -> Option<Self> {
        let at = Timestamp::from_second(second).ok()?;
        let offset = i64::from(zone.to_offset(at).seconds());
        let end = zone.following(at).next().map_or(FOREVER, |change| change.timestamp().as_second());
        let mut start = -FOREVER;
        let mut fresh = start + offset;
        let after = Timestamp::from_second(second + 1).ok()?;
        for change in zone.preceding(after) {
            let at = change.timestamp();
            let Ok(before) = Timestamp::from_second(at.as_second() - 1) else { break };
            if start == -FOREVER {
                start = at.as_second();
            }
            if at.as_second() < start - FURTHEST_BACK {
                break;
            }
            fresh = fresh.max(at.as_second() + i64::from(zone.to_offset(before).seconds()));
        }
        Some(Self { start, end, offset, fresh })
    }

    /// What the clock shows at `start`.
    pub(crate) fn shown(&self) -> i64 {
        self.start + self.offset
    }
}

/// The zone of this name: the system's, or else the bundled one.
pub(crate) fn zone(name: &str) -> Result<TimeZone, ZoneError> {
    let bundled = TimeZoneDatabase::bundled();
    let found = jiff::tz::db().get(name).or_else(|_| bundled.get(name)).ok();
    match (found, crate::check_zone(name)) {
        (Some(zone), Ok(())) => Ok(zone),
        // the system's data may be newer than the list
        (Some(zone), Err(_)) if zone.iana_name() == Some(name) => Ok(zone),
        (None, Ok(())) => Err(ZoneError::without_data(name)),
        (_, Err(unknown)) => Err(unknown),
    }
}

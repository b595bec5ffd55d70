//! Points in time as text, in UTC.

/// As ids of jobs have it: `20260329T030000Z`, with milliseconds if there are any.
pub(crate) fn compact(millis: u64) -> String {
    let Utc { year, month, day, hour, minute, second, millis } = Utc::of(millis);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}{fraction}Z")
}

/// As people read it: `2026-03-29T03:00:00Z`.
pub(crate) fn readable(millis: u64) -> String {
    let Utc { year, month, day, hour, minute, second, .. } = Utc::of(millis);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

struct Utc {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    millis: u64,
}

impl Utc {
    fn of(millis: u64) -> Self {
        let seconds = millis / 1_000;
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        // years begin in March, so that the leap day is the last one; 400 years are a cycle
        let days = days + 719_468;
        let (cycle, of_cycle) = (days / 146_097, days % 146_097);
        let year = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
        let of_year = of_cycle - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        Self {
            year: year + cycle * 400 + u64::from(month <= 2),
            month,
            day,
            hour: of_day / 3_600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            millis: millis % 1_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_utc() {
        let times = [
            (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
            (951_782_400_000, "20000229T000000Z", "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "20240229T235959.999Z", "2024-02-29T23:59:59Z"),
            (1_774_746_000_000, "20260329T010000Z", "2026-03-29T01:00:00Z"),
            (4_107_542_400_000, "21000301T000000Z", "2100-03-01T00:00:00Z"),
            (253_402_300_799_000, "99991231T235959Z", "9999-12-31T23:59:59Z"),
        ];
        for (millis, short, long) in times {
            assert_eq!((compact(millis).as_str(), readable(millis).as_str()), (short, long));
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut last = compact(0);
        for day in 1..200_000 {
            let next = compact(day * 86_400_000);
            assert!(next > last, "{last} {next}");
            last = next;
        }
        assert_eq!(last, "25170731T000000Z");
    }
}

//! The slow and obvious answer: every minute is looked at, and nothing is computed cleverly.

/// A small generator (splitmix64): the same numbers for the same seed, on every machine.
#[derive(Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: u32, high: u32) -> u32 {
        low + (self.next() % u64::from(high - low + 1)) as u32
    }

    pub(crate) fn one_in(&mut self, n: u32) -> bool {
        self.within(1, n) == 1
    }
}

/// One field: how it is written, and which values it has.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) text: String,
    values: Vec<bool>,
}

impl Field {
    fn star(&self) -> bool {
        self.text.starts_with(['*', '?'])
    }

    fn has(&self, value: u32) -> bool {
        self.values.get(value as usize).copied().unwrap_or(false)
    }
}

/// What days a day field names besides plain numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Special {
    LastDay,
    Last(u32),
    Nth(u32, u32),
}

/// A random pattern, whose meaning is known because it was made from it.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    seconds: Field,
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
    specials: Vec<Special>,
}

const MONTHS: [&str; 13] =
    ["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

fn part(rng: &mut Rng, low: u32, high: u32, names: &[&str]) -> Field {
    let mut values = vec![false; high as usize + 1];
    let name = |rng: &mut Rng, value: u32| match names.get(value as usize) {
        Some(name) if rng.one_in(2) => (*name).to_owned(),
        _ => value.to_string(),
    };
    let a = rng.within(low, high);
    let b = rng.within(a, high);
    let step = rng.within(1, high - low);
    let text = match rng.within(1, 6) {
        1 | 2 => {
            values[a as usize] = true;
            name(rng, a)
        }
        3 => {
            (a..=b).for_each(|v| values[v as usize] = true);
            format!("{}-{}", name(rng, a), name(rng, b))
        }
        4 => {
            (a..=b).step_by(step as usize).for_each(|v| values[v as usize] = true);
            format!("{}-{}/{step}", name(rng, a), name(rng, b))
        }
        5 => {
            (low..=high).step_by(step as usize).for_each(|v| values[v as usize] = true);
            format!("*/{step}")
        }
        _ => {
            (a..=high).step_by(step as usize).for_each(|v| values[v as usize] = true);
            format!("{}/{step}", name(rng, a))
        }
    };
    Field { text, values }
}

fn field(rng: &mut Rng, low: u32, high: u32, names: &[&str], stars: u32) -> Field {
    if rng.within(1, 100) <= stars {
        return Field { text: "*".to_owned(), values: vec![true; high as usize + 1] };
    }
    let mut made = part(rng, low, high, names);
    while rng.one_in(3) {
        let more = part(rng, low, high, names);
        made.text = format!("{},{}", made.text, more.text);
        made.values.iter_mut().zip(&more.values).for_each(|(all, one)| *all |= one);
    }
    made
}

fn small_hours(rng: &mut Rng) -> Field {
    let mut values = vec![false; 24];
    let mut texts = Vec::new();
    for _ in 0..rng.within(1, 3) {
        let hour = rng.within(0, 4);
        values[hour as usize] = true;
        texts.push(hour.to_string());
    }
    Field { text: texts.join(","), values }
}

impl Pattern {
    /// A random pattern of everything that can be written.
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let with_seconds = rng.one_in(4);
        let seconds = if with_seconds {
            // few of them, or there would be millions of ticks
            let (first, step) = (rng.within(0, 59), rng.within(20, 59));
            let mut values = vec![false; 60];
            let (text, all) = match rng.within(1, 3) {
                1 => (format!("{first}/{step}"), (first..60).step_by(step as usize)),
                2 => (format!("*/{step}"), (0..60).step_by(step as usize)),
                _ => (first.to_string(), (first..first + 1).step_by(1)),
            };
            all.for_each(|second| values[second as usize] = true);
            Field { text, values }
        } else {
            let mut values = vec![false; 60];
            values[0] = true;
            Field { text: "0".to_owned(), values }
        };
        let minutes = field(rng, 0, 59, &[], 10);
        // half of them are in the hours in which clocks change
        let hours = if rng.one_in(2) { small_hours(rng) } else { field(rng, 0, 23, &[], 30) };
        let mut days = field(rng, 1, 31, &[], 60);
        let months = field(rng, 1, 12, &MONTHS, 70);
        let mut weekdays = field(rng, 0, 6, &WEEKDAYS, 60);
        let mut specials = Vec::new();
        if rng.one_in(10) {
            let (text, special) = match rng.within(1, 3) {
                1 => ("L".to_owned(), Special::LastDay),
                2 => {
                    let (day, nth) = (rng.within(0, 6), rng.within(1, 5));
                    (format!("{}#{nth}", WEEKDAYS[day as usize]), Special::Nth(day, nth))
                }
                _ => {
                    let day = rng.within(0, 6);
                    (format!("{day}L"), Special::Last(day))
                }
            };
            let target = if special == Special::LastDay { &mut days } else { &mut weekdays };
            if target.text == "*" || rng.one_in(2) {
                *target = Field { text, values: vec![false; 32] };
            } else {
                target.text = format!("{},{text}", target.text);
            }
            specials.push(special);
        }
        if days.text == "*" && rng.one_in(5) {
            days.text = "?".to_owned();
        } else if weekdays.text == "*" && rng.one_in(5) {
            weekdays.text = "?".to_owned();
        }
        if weekdays.text == "0" {
            weekdays.text = "7".to_owned();
        }
        let mut texts = vec![&minutes, &hours, &days, &months, &weekdays];
        if with_seconds {
            texts.insert(0, &seconds);
        }
        let text = texts.iter().map(|field| field.text.as_str()).collect::<Vec<_>>().join(" ");
        Self { text, seconds, minutes, hours, days, months, weekdays, specials }
    }

    fn wildcard(&self) -> bool {
        self.minutes.star() || self.hours.star()
    }

    fn day(&self, day: &Day) -> bool {
        let by_day = self.days.has(day.day)
            || self.specials.iter().any(|special| *special == Special::LastDay && day.day == day.length);
        let by_weekday = self.weekdays.has(day.weekday)
            || self.specials.iter().any(|special| match *special {
                Special::LastDay => false,
                Special::Last(weekday) => weekday == day.weekday && day.day + 7 > day.length,
                Special::Nth(weekday, nth) => weekday == day.weekday && (day.day - 1) / 7 + 1 == nth,
            });
        let either = !self.days.star() && !self.weekdays.star();
        self.months.has(day.month) && if either { by_day || by_weekday } else { by_day && by_weekday }
    }
}

/// A day of the calendar; days are counted up one by one from 1 January 1970, a Thursday.
#[derive(Debug, Clone, Copy)]
struct Day {
    month: u32,
    day: u32,
    length: u32,
    weekday: u32,
}

fn calendar(days: usize) -> Vec<Day> {
    let (mut year, mut month, mut day, mut weekday) = (1970, 1, 1, 4);
    let mut all = Vec::with_capacity(days);
    for _ in 0..days {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        all.push(Day { month, day, length, weekday });
        day += 1;
        weekday = (weekday + 1) % 7;
        if day > length {
            (day, month) = (1, month + 1);
        }
        if month > 12 {
            (month, year) = (1, year + 1);
        }
    }
    all
}

/// What the clocks of a zone show, for each minute of a span of time.
#[derive(Debug)]
pub(crate) struct Clock {
    start: i64,
    /// seconds since 1970 as the wall clock counts them, by minute since `start`
    shown: Vec<i64>,
    calendar: Vec<Day>,
}

impl Clock {
    /// `offset` says how far a zone is ahead of UTC, in seconds, at a second since the epoch.
    pub(crate) fn new(start: i64, end: i64, offset: impl Fn(i64) -> i64) -> Self {
        assert!(start % 60 == 0 && end % 60 == 0);
        let shown = (start..end).step_by(60).map(|at| at + offset(at)).collect::<Vec<_>>();
        assert!(shown.iter().all(|shown| shown % 60 == 0), "the oracle looks at whole minutes");
        Self { start, shown, calendar: calendar(end as usize / 86_400 + 3) }
    }

    /// When the clock was changed, in seconds since the epoch.
    pub(crate) fn changes(&self) -> Vec<i64> {
        let jumps = self.shown.windows(2).zip(1..).filter(|(pair, _)| pair[1] != pair[0] + 60);
        jumps.map(|(_, minute): (_, i64)| self.start + 60 * minute).collect()
    }

    /// All ticks of a pattern, in seconds since the epoch.
    pub(crate) fn ticks(&self, pattern: &Pattern) -> Vec<i64> {
        let days = self.calendar.iter().map(|day| pattern.day(day)).collect::<Vec<_>>();
        let seconds = (0..60).filter(|second| pattern.seconds.has(*second)).collect::<Vec<_>>();
        let matches = |shown: i64| {
            days[(shown / 86_400) as usize]
                && pattern.hours.has((shown / 3_600 % 24) as u32)
                && pattern.minutes.has((shown / 60 % 60) as u32)
        };
        let wildcard = pattern.wildcard();
        let mut ticks = Vec::new();
        // the first minute that no clock has shown or skipped yet
        let mut fresh = self.shown[0];
        for (minute, &shown) in self.shown.iter().enumerate() {
            let at = self.start + 60 * minute as i64;
            let repeated = shown < fresh;
            let skipped = (fresh..shown).step_by(60).any(matches);
            fresh = fresh.max(shown + 60);
            if !wildcard && skipped {
                ticks.push(at);
            }
            if (wildcard || !repeated) && matches(shown) {
                ticks.extend(seconds.iter().map(|second| at + i64::from(*second)));
            }
        }
        ticks.dedup();
        ticks
    }
}

//! Schedules and their ticks; see `lua/lib/schedules.lua`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use taskora::adapter::{
    Declaration, Declared, DueSchedules, MAX_SCHEDULES, NewJob, NewTick, PutSchedule, RemoveOutcome,
    Schedules, StoredSchedule, Ticked, Triggered,
};
use taskora::schedules::Overlap;
use taskora::{AdapterError, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, letters, newer, nonsense, number};
use crate::arguments::Arguments;
use crate::codec::{
    Packed, SHOWN, check_schedule_name, pack, pack_schedule, pack_version, read_schedule, u48,
};
use crate::id;
use crate::scripts::SCRIPTS;

/// The most jobs of the ticks of one call, unless a single tick has more.
const MAX_JOBS: usize = 200;
/// The approximate limit of the bytes of one call, unless a single schedule has more.
const MAX_BYTES: usize = 1 << 20;

#[async_trait]
impl Schedules for RedisAdapter {
    async fn declare(&self, schedules: Vec<Declaration>) -> Result<Declared, AdapterError> {
        let what = "the answer to `declare`";
        let mut declared = Declared::default();
        for page in schedules.chunks(MAX_SCHEDULES) {
            let answer = self.inner.script(&SCRIPTS.declare, |call, _| {
                for schedule in page {
                    call.list(&schedule.name).list(&schedule.declared.0.to_be_bytes()[..]);
                }
            });
            let mut values = array(answer.await?, what)?.into_iter();
            declared.now = time(values.next(), what)?;
            let known = shown(values, what)?;
            if known.len() != page.len() {
                return Err(nonsense(format!("{what} is about {} of {} schedules", known.len(), page.len())));
            }
            declared.known.extend(known);
        }
        Ok(declared)
    }

    async fn put_schedules(&self, schedules: Vec<PutSchedule>) -> Result<Vec<bool>, AdapterError> {
        let packed: Result<Vec<Put>, String> = schedules.into_iter().map(Put::pack).collect();
        let packed = packed.map_err(AdapterError::Config)?;
        let mut put = Vec::with_capacity(packed.len());
        for page in pages(&packed, |put| (0, put.text.len())) {
            let size = page.iter().map(|put| put.text.len()).sum();
            let answer = self.inner.script_carrying(size, &SCRIPTS.put_schedules, |call, _| {
                for Put { name, expected, text, terms } in page {
                    call.list(name).list(expected).list(text).list(terms);
                }
            });
            let letters = letters(answer.await?, page.len(), "the answer to `put_schedules`")?;
            put.extend(letters.into_iter().map(|letter| letter == b'1'));
        }
        Ok(put)
    }

    async fn schedule(&self, name: &str) -> Result<(Timestamp, Option<StoredSchedule>), AdapterError> {
        let what = "the answer to `schedule`";
        let answer = self.inner.script(&SCRIPTS.schedule, |call, _| {
            call.put("name", name);
        });
        let mut values = array(answer.await?, what)?.into_iter();
        let now = time(values.next(), what)?;
        if values.len() == 1 {
            return Err(newer_schedule(name));
        }
        Ok((now, shown(values, what)?.into_iter().flatten().next()))
    }

    async fn list_schedules(&self) -> Result<Vec<StoredSchedule>, AdapterError> {
        let what = "the answer to `list_schedules`";
        // a page may have some of an earlier one again
        let (mut all, mut cursor) = (BTreeMap::new(), b"0".to_vec());
        loop {
            let answer = self.inner.script(&SCRIPTS.list_schedules, |call, _| {
                call.put("cursor", &cursor).put("count", MAX_SCHEDULES);
            });
            let mut values = array(answer.await?, what)?.into_iter();
            cursor = bytes(values.next().ok_or_else(|| nonsense(format!("{what} is empty")))?, what)?;
            let page = shown(values, what)?.into_iter().flatten();
            all.extend(page.map(|schedule| (schedule.name.clone(), schedule)));
            if cursor == b"0" {
                return Ok(all.into_values().collect());
            }
        }
    }

    async fn due_schedules(&self, worker: &str) -> Result<DueSchedules, AdapterError> {
        let what = "the answer to `due_schedules`";
        let answer = self.inner.script(&SCRIPTS.due_schedules, |call, _| {
            call.put("worker", worker);
        });
        let mut values = array(answer.await?, what)?.into_iter();
        let now = time(values.next(), what)?;
        let wait: i64 = number(&values.next().unwrap_or(Value::Nil), what)?;
        let schedules = shown(values, what)?.into_iter().flatten().collect();
        Ok(DueSchedules { now, schedules, next: u64::try_from(wait).ok().map(Duration::from_millis) })
    }

    async fn tick(&self, ticks: Vec<NewTick>) -> Result<Vec<Ticked>, AdapterError> {
        let packed: Result<Vec<Tick>, String> = ticks.into_iter().map(Tick::pack).collect();
        let packed = packed.map_err(AdapterError::Config)?;
        let mut ticked = Vec::with_capacity(packed.len());
        for page in pages(&packed, |tick| (tick.jobs.len(), tick.size())) {
            let size = page.iter().map(Tick::size).sum();
            let answer = self.inner.script_carrying(size, &SCRIPTS.tick, |call, _| {
                for tick in page {
                    tick.fill(call);
                }
            });
            let what = "the answer to `tick`";
            let answers = array(answer.await?, what)?;
            if answers.len() != page.len() {
                return Err(nonsense(format!("{what} is about {} of {} ticks", answers.len(), page.len())));
            }
            for answer in answers {
                ticked.push(read_ticked(&bytes(answer, what)?)?);
            }
        }
        Ok(ticked)
    }

    async fn trigger(&self, name: &str, job: NewJob, overlap: Overlap) -> Result<Triggered, AdapterError> {
        let job = pack(job).map_err(AdapterError::Config)?;
        let answer = self.inner.script_carrying(job.size(), &SCRIPTS.trigger, |call, _| {
            call.put("name", name).put("overlap", letter(overlap));
            push_job(call, &job, None);
        });
        match bytes(answer.await?, "the answer to `trigger`")?.split_first() {
            Some((b'1', _)) => Ok(Triggered::Stored),
            Some((b'0', _)) => Ok(Triggered::NotFound),
            Some((b'?', _)) => Err(newer_schedule(name)),
            Some((b'U', last)) => {
                let last = id::load(last).ok_or_else(|| nonsense("`trigger` names no job"))?;
                Ok(Triggered::Unfinished(last))
            }
            _ => Err(nonsense("the answer to `trigger` cannot be read")),
        }
    }

    async fn pause_schedule(&self, name: &str, reason: &str) -> Result<bool, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.pause_schedule, |call, _| {
            call.put("name", name).put("reason", reason);
        });
        match bytes(answer.await?, "the answer to `pause_schedule`")?.as_slice() {
            b"1" => Ok(true),
            b"?" => Err(newer_schedule(name)),
            _ => Ok(false),
        }
    }

    async fn remove_schedule(&self, name: &str) -> Result<RemoveOutcome, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.remove_schedule, |call, how| {
            call.put("again", u8::from(how.repeat)).put("name", name);
        });
        match bytes(answer.await?, "the answer to `remove_schedule`")?.as_slice() {
            b"R" => Ok(RemoveOutcome::Removed),
            b"D" => Ok(RemoveOutcome::Declared),
            b"?" => Err(newer_schedule(name)),
            _ => Ok(RemoveOutcome::NotFound),
        }
    }
}

fn newer_schedule(name: &str) -> AdapterError {
    newer(&format!("the schedule `{name}`"))
}

/// A time at the beginning of an answer.
fn time(value: Option<Value>, what: &str) -> Result<Timestamp, AdapterError> {
    number(&value.unwrap_or(Value::Nil), what).map(Timestamp::from_millis)
}

/// The schedules at the end of an answer; `None` for one that is not known, or whose values cannot be read.
fn shown(
    mut values: impl Iterator<Item = Value>,
    what: &str,
) -> Result<Vec<Option<StoredSchedule>>, AdapterError> {
    let mut all = Vec::new();
    while let Some(name) = values.next() {
        let mut next = || bytes(values.next().unwrap_or(Value::Nil), what);
        let values: [Vec<u8>; SHOWN] = [bytes(name, what)?, next()?, next()?, next()?];
        all.push(read_schedule(values));
    }
    Ok(all)
}

/// Splits a list so that no call takes long; `cost` is jobs and bytes of an entry.
fn pages<T>(list: &[T], cost: impl Fn(&T) -> (usize, usize)) -> Vec<&[T]> {
    let (mut pages, mut rest) = (Vec::new(), list);
    while !rest.is_empty() {
        let (mut jobs, mut bytes) = (0, 0);
        let fits = |entry: &&T| {
            let (more_jobs, more_bytes) = cost(entry);
            (jobs, bytes) = (jobs + more_jobs, bytes + more_bytes);
            jobs <= MAX_JOBS && bytes <= MAX_BYTES
        };
        let count = rest.iter().take(MAX_SCHEDULES).take_while(fits).count().max(1);
        let (page, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        pages.push(page);
        rest = after;
    }
    pages
}

/// A schedule to create or change, as the script takes it.
struct Put {
    name: String,
    expected: Vec<u8>,
    text: Vec<u8>,
    terms: Vec<u8>,
}

impl Put {
    fn pack(put: PutSchedule) -> Result<Self, String> {
        let PutSchedule { name, expected, definition, origin, since, next, resumes, declares } = put;
        check_schedule_name(&name)?;
        let flags = u8::from(next.is_some()) | u8::from(resumes) << 1 | u8::from(declares) << 2;
        let times = [since, next.unwrap_or_default()].map(|time| u48(time.as_millis()));
        let terms = [&[flags][..], &times.concat()].concat();
        Ok(Self { name, expected: pack_version(expected), text: pack_schedule(origin, &definition), terms })
    }
}

/// A tick, as the script takes it.
struct Tick {
    name: String,
    expected: Vec<u8>,
    terms: Vec<u8>,
    /// Each with the time of its tick.
    jobs: Vec<(Packed, Option<Timestamp>)>,
}

impl Tick {
    fn pack(tick: NewTick) -> Result<Self, String> {
        let NewTick { name, expected, since, next, missed, overlap, jobs, caught_up } = tick;
        let count = u16::try_from(jobs.len()).map_err(|_| "a tick has at most 65,535 jobs".to_owned())?;
        let caught_up = u16::try_from(caught_up).unwrap_or(count).min(count);
        let mut terms = vec![u8::from(next.is_some())];
        for number in [since.as_millis(), next.unwrap_or_default().as_millis(), missed] {
            terms.extend(u48(number));
        }
        terms.extend(count.to_be_bytes());
        terms.extend(caught_up.to_be_bytes());
        terms.extend(letter(overlap).bytes());
        let pack = |job: NewJob| {
            let at = job.tick.as_ref().and_then(|tick| tick.at);
            Ok((pack(job)?, at))
        };
        let jobs = jobs.into_iter().map(pack).collect::<Result<_, String>>()?;
        Ok(Self { name, expected: pack_version(Some(expected)), terms, jobs })
    }

    fn size(&self) -> usize {
        self.name.len() + self.jobs.iter().map(|(job, _)| job.size()).sum::<usize>()
    }

    fn fill(&self, call: &mut Arguments<'_>) {
        call.list(&self.name).list(&self.expected).list(&self.terms);
        for (job, at) in &self.jobs {
            push_job(call, job, *at);
        }
    }
}

fn push_job(call: &mut Arguments<'_>, job: &Packed, at: Option<Timestamp>) {
    call.list(&job.id).list(&job.rest).list(job.payload.as_deref().unwrap_or_default());
    call.list(job.due.as_deref().unwrap_or_default());
    match at {
        Some(at) => call.list(&u48(at.as_millis())[..]),
        None => call.list(""),
    };
}

/// What becomes of a run while the one before it has not ended, as `schedules.store` takes it.
const fn letter(overlap: Overlap) -> &'static str {
    match overlap {
        Overlap::Allow => "A",
        Overlap::Queue => "Q",
        // what a later version adds is read there
        _ => "S",
    }
}

fn read_ticked(answer: &[u8]) -> Result<Ticked, AdapterError> {
    if answer == b"-" {
        return Ok(Ticked::Stale);
    }
    let read = || {
        let (ran, skipped) = std::str::from_utf8(answer).ok()?.split_once(' ')?;
        Some(Ticked::Done { ran: ran.parse().ok()?, skipped: skipped.parse().ok()? })
    };
    read().ok_or_else(|| nonsense("the answer to `tick` cannot be read"))
}

//! Schedules among the operations. Times are in fives of seconds from the beginning of the case, by the clock of each store.

use std::time::SystemTime;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use taskora::Overlap;
use taskora::adapter::{
    Declaration, Due, Fingerprint, NewJob, NewTick, Origin, PutSchedule, ScheduleVersion, Schedules,
    StoredSchedule, TickStamp, Ticked,
};
use taskora::{AdapterError, Timestamp};

use super::operation::{JOBS, TASKS, Target, fives, task};
use super::pair::{Pair, both, same};

// leases that lapse together come back in the order of their ids, and stored ids of nodes sort before those of runs: so do these
const NAMES: [&str; 3] = ["m", "n", "größe"];
const DEFINITIONS: [&str; 2] = ["one", "another"];

/// What is done to one of them, or to all that are due.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Put {
        definition: u8,
        in_code: bool,
        /// How much later its next tick is.
        wait: Option<u8>,
        resumes: bool,
        /// It is expected not to be there.
        is_new: bool,
    },
    Declare {
        definition: u8,
    },
    /// Five seconds later, those that are due tick, but for one in three.
    Tick {
        overlap: Overlap,
        jobs: u8,
        task: u8,
        missed: u8,
        wait: Option<u8>,
        delayed: bool,
    },
    Trigger {
        job: u8,
        task: u8,
        overlap: Overlap,
    },
    Pause,
    Remove,
}

pub(super) fn change() -> impl Strategy<Value = (u8, Change)> {
    let overlap = || prop_oneof![Just(Overlap::Skip), Just(Overlap::Queue), Just(Overlap::Allow)];
    let wait = || prop::option::weighted(0.9, 0..4u8);
    let put = (0..2u8, any::<bool>(), wait(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(definition, in_code, wait, resumes, is_new)| Change::Put {
            definition,
            in_code,
            wait,
            resumes,
            is_new,
        },
    );
    let tick = (overlap(), 0..3u8, 0..TASKS.len() as u8, 0..3u8, wait(), prop::bool::weighted(0.2));
    let tick = tick.prop_map(|(overlap, jobs, task, missed, wait, delayed)| Change::Tick {
        overlap,
        jobs,
        task,
        missed,
        wait,
        delayed,
    });
    let trigger = (0..JOBS, 0..TASKS.len() as u8, overlap())
        .prop_map(|(job, task, overlap)| Change::Trigger { job, task, overlap });
    let change = prop_oneof![
        5 => put,
        1 => (0..2u8).prop_map(|definition| Change::Declare { definition }),
        6 => tick,
        2 => trigger,
        1 => Just(Change::Pause),
        1 => Just(Change::Remove),
    ];
    (0..NAMES.len() as u8, change)
}

/// The clock of one store.
#[derive(Clone, Copy)]
struct Clock(Timestamp);

impl Clock {
    fn at(self, number: u64) -> Timestamp {
        Timestamp::from_millis(self.0.as_millis() + 5_000 * number)
    }

    /// In fives; what is read from the clock itself is a little later than that.
    fn number(self, time: Timestamp) -> u64 {
        time.as_millis().saturating_sub(self.0.as_millis()) / 5_000
    }

    /// A schedule in a form that two stores can agree on.
    fn shown(self, schedule: &StoredSchedule) -> String {
        let StoredSchedule { name, definition, origin, is_declared, ran, skipped, missed, last_job, .. } =
            schedule;
        let times = [Some(schedule.since), schedule.next, schedule.last].map(|time| Some(self.number(time?)));
        let paused = schedule.paused.as_ref().map(|(at, reason)| (self.number(*at), reason));
        format!(
            "{name} {definition:?} {origin:?} {is_declared} {times:?} {paused:?} {last_job:?} {ran} {skipped} {missed}"
        )
    }
}

fn definition(number: u8) -> Vec<u8> {
    DEFINITIONS[usize::from(number) % DEFINITIONS.len()].as_bytes().to_vec()
}

impl Pair<'_> {
    fn schedule_clocks(&self) -> [Clock; 2] {
        let (_, memory, redis) = self.start;
        let since_epoch = memory.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let memory = Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(0));
        [Clock(memory), Clock(redis)]
    }

    /// The same call, with the times of each store.
    fn call_both<T>(
        &self,
        call: impl AsyncFn(&dyn Schedules, Clock) -> Result<T, AdapterError>,
    ) -> Result<[T; 2], String> {
        let [here, there] = self.schedule_clocks();
        let memory = self.memory.0.block_on(call(&self.memory.1, here));
        let redis = self.redis.0.block_on(call(&self.redis.1, there));
        Ok([
            memory.map_err(|error| format!("memory: {error}"))?,
            redis.map_err(|error| format!("redis: {error}"))?,
        ])
    }

    pub(super) fn change_schedule(&mut self, number: u8, change: &Change) -> Result<(), String> {
        let name = NAMES[usize::from(number) % NAMES.len()];
        match change {
            Change::Put { definition: content, in_code, wait, resumes, is_new } => {
                let now = self.passed;
                let put = async |store: &dyn Schedules, clock: Clock| {
                    let known = store.schedule(name).await?.1;
                    let definition = definition(*content);
                    let declared = Fingerprint::of(&definition);
                    let put = PutSchedule {
                        name: name.to_owned(),
                        expected: known.filter(|_| !is_new).map(|known| known.version()),
                        definition,
                        origin: if *in_code { Origin::Code { declared } } else { Origin::Api },
                        since: clock.at(now),
                        next: wait.map(|wait| clock.at(now + u64::from(wait))),
                        resumes: *resumes,
                        declares: *in_code,
                    };
                    store.put_schedules(vec![put]).await
                };
                let [memory, redis] = self.call_both(put)?;
                same("put", &memory, &redis)
            }
            Change::Declare { definition: content } => {
                let declared = Fingerprint::of(&definition(*content));
                let declaration = Declaration { name: name.to_owned(), declared };
                let declare = async |store: &dyn Schedules, clock: Clock| {
                    let known = store.declare(vec![declaration.clone()]).await?.known;
                    Ok(known
                        .iter()
                        .map(|known| known.as_ref().map(|known| clock.shown(known)))
                        .collect::<Vec<_>>())
                };
                let [memory, redis] = self.call_both(declare)?;
                same("declared", &memory, &redis)
            }
            Change::Tick { .. } => self.tick(change),
            Change::Trigger { job, task: of, overlap } => {
                // a UUID v7 does not come again
                let id = Target::Job((*job).max(1)).id();
                self.subjects.jobs.insert(id.clone());
                let stamp = TickStamp { schedule: name.to_owned(), at: None };
                let job = NewJob { tick: Some(stamp), ..NewJob::new(id, task(*of), "7") };
                both!(self, |adapter| Schedules::trigger(adapter, name, job.clone(), *overlap));
                Ok(())
            }
            Change::Pause => {
                both!(self, |adapter| adapter.pause_schedule(name, "why"));
                Ok(())
            }
            Change::Remove => {
                both!(self, |adapter| adapter.remove_schedule(name));
                Ok(())
            }
        }
    }

    fn tick(&mut self, change: &Change) -> Result<(), String> {
        let Change::Tick { overlap, jobs, task: of, missed, wait, delayed } = change else { return Ok(()) };
        // what was handed out before may be handed out again
        self.pass(fives(1))?;
        let now = self.passed;
        let due = async |store: &dyn Schedules, clock: Clock| {
            let mut due = store.due_schedules("worker").await?.schedules;
            due.sort_by(|a, b| a.name.cmp(&b.name));
            let due: Vec<(String, String, ScheduleVersion, Option<u64>)> = due
                .iter()
                .map(|one| {
                    (
                        one.name.clone(),
                        clock.shown(one),
                        one.version(),
                        one.next.map(|next| clock.number(next)),
                    )
                })
                .collect();
            Ok(due)
        };
        let [here, there] = self.call_both(due)?;
        let shown = |due: &[(String, String, ScheduleVersion, Option<u64>)]| {
            due.iter().map(|(_, shown, ..)| shown.clone()).collect::<Vec<_>>()
        };
        same("due", &shown(&here), &shown(&there))?;
        for ((name, _, memory, at), (_, _, redis, _)) in here.into_iter().zip(there) {
            if now.is_multiple_of(3) && name == NAMES[0] {
                continue;
            }
            let at = at.unwrap_or_default();
            let ids: Vec<String> = (0..*jobs).map(|number| format!("{name}@{at}.{number}")).collect();
            self.subjects.jobs.extend(ids.iter().map(|id| id.as_str().into()));
            let tick = async |store: &dyn Schedules, clock: Clock| {
                let is_memory = clock.0 == self.schedule_clocks()[0].0;
                let job = |id: &String| {
                    let stamp = TickStamp { schedule: name.clone(), at: Some(clock.at(at)) };
                    let due = if *delayed { Due::After(fives(2)) } else { Due::Now };
                    NewJob { tick: Some(stamp), due, ..NewJob::new(id.as_str(), task(*of), "8") }
                };
                let tick = NewTick {
                    name: name.clone(),
                    expected: if is_memory { memory } else { redis },
                    since: clock.at(at),
                    next: wait.map(|wait| clock.at(now + u64::from(wait))),
                    missed: (*missed).into(),
                    caught_up: usize::from(*jobs) / 2,
                    overlap: *overlap,
                    jobs: ids.iter().map(job).collect(),
                };
                // the second one is of something else by now, unless it is the same once more
                let twice = vec![tick.clone(), NewTick { jobs: Vec::new(), ..tick }];
                store.tick(twice).await
            };
            let [memory, redis] = self.call_both::<Vec<Ticked>>(tick)?;
            same("ticked", &memory, &redis)?;
        }
        Ok(())
    }

    /// Both know the same schedules.
    pub(super) fn compare_schedules(&self) -> Result<(), String> {
        let list = async |store: &dyn Schedules, clock: Clock| {
            let all = store.list_schedules().await?;
            Ok(all.iter().map(|schedule| clock.shown(schedule)).collect::<Vec<_>>())
        };
        let [memory, redis] = self.call_both(list)?;
        same("schedules", &memory, &redis)
    }
}

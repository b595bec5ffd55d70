//! Schedules of the world: `s1` ticks, `s2` ticks and is declared by code, `s3` is paused.

use taskora::Overlap;
use taskora::adapter::{
    Declaration, Fingerprint, NewTick, Origin, PutSchedule, SCHEDULES, Schedules, StoredSchedule, TickStamp,
    Ticked,
};

use super::*;

/// How far apart their ticks are.
pub(crate) const PERIOD: Duration = Duration::from_secs(100);

pub(crate) fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.as_millis() + u64::try_from(by.as_millis()).expect("a short time"))
}

/// A schedule as it is first put.
pub(crate) fn schedule(name: &str, now: Timestamp) -> PutSchedule {
    let definition = format!("definition of {name}").into_bytes();
    let declares = name == "s2";
    let declared = Fingerprint::of(&definition);
    PutSchedule {
        name: name.to_owned(),
        expected: None,
        definition,
        origin: if declares { Origin::Code { declared } } else { Origin::Api },
        since: now,
        next: Some(later(now, PERIOD)),
        resumes: false,
        declares,
    }
}

/// The run of a tick.
pub(crate) fn run(name: &str, at: Timestamp) -> NewJob {
    let stamp = TickStamp { schedule: name.to_owned(), at: Some(at) };
    NewJob { tick: Some(stamp), ..job(&format!("{name}@{}", at.as_millis())) }
}

/// The tick that is due, followed by one after `now`.
pub(crate) fn tick_of(schedule: &StoredSchedule, now: Timestamp) -> NewTick {
    let at = schedule.next.unwrap_or(now);
    NewTick {
        name: schedule.name.clone(),
        expected: schedule.version(),
        since: at,
        next: Some(later(now, PERIOD)),
        missed: 0,
        overlap: Overlap::Allow,
        jobs: vec![run(&schedule.name, at)],
        caught_up: 0,
    }
}

impl World {
    pub(super) async fn fill_schedules(&self) -> Outcome {
        let now = of("schedule", self.adapter.schedule("s1").await)?.0;
        let put = ["s1", "s2", "s3"].map(|name| schedule(name, now));
        let put = of("put", self.adapter.put_schedules(put.to_vec()).await)?;
        if put != [true; 3] {
            return Err(format!("put: {put:?}"));
        }
        of("pause", self.adapter.pause_schedule("s3", "why").await).map(drop)
    }

    /// What a running worker does: it declares its schedule, and makes all ticks that are due.
    pub(crate) async fn tick(&self) -> Outcome {
        let adapter = &self.adapter;
        let now = of("schedule", adapter.schedule("none").await)?.0;
        let put = schedule("s2", now);
        let declared = Fingerprint::of(&put.definition);
        let declaration = Declaration { name: "s2".to_owned(), declared };
        let known = of("declare", adapter.declare(vec![declaration]).await)?.known;
        if known == [None] {
            of("put", adapter.put_schedules(vec![put]).await)?;
        }
        for _ in 0..20 {
            let due = of("due", adapter.due_schedules("w").await)?;
            if due.schedules.is_empty() {
                return Ok(());
            }
            let ticks = due.schedules.iter().map(|schedule| tick_of(schedule, due.now)).collect();
            let ticked = of("tick", adapter.tick(ticks).await)?;
            if ticked.contains(&Ticked::Stale) {
                return Err(format!("ticks were refused: {ticked:?}"));
            }
        }
        Err("schedules are due for ever".into())
    }

    /// Schedules that are not what they should be.
    pub(super) async fn open_schedules(&self, except: &[&str]) -> Outcome<Vec<String>> {
        let mut open = Vec::new();
        for name in ["s1", "s2", "s3"].iter().filter(|name| !except.contains(name)) {
            let (now, known) = of("schedule", self.adapter.schedule(name).await)?;
            let is_well = match &known {
                Some(known) if *name == "s3" => known.paused.is_some() && known.next.is_none(),
                Some(known) => known.paused.is_none() && known.next.is_some_and(|next| next > now),
                None => false,
            };
            if !is_well {
                open.push(format!("{name} is {known:?}"));
            }
            let Some(last) = known.and_then(|known| known.last_job) else { continue };
            let run = of("job", self.adapter.job(&last).await)?;
            if run.as_ref().is_some_and(|run| !run.state.is_terminal()) {
                open.push(format!("{last} is {run:?}"));
            }
        }
        Ok(open)
    }

    pub(super) async fn remove_schedules(&self) -> Outcome {
        for schedule in of("list", self.adapter.list_schedules().await)? {
            of("remove", self.adapter.remove_schedule(&schedule.name).await)?;
        }
        Ok(())
    }
}

/// Tasks, and what stands for schedules.
pub(super) fn with_schedules<'a>(names: &[&'a str]) -> Vec<&'a str> {
    [names, &[SCHEDULES]].concat()
}

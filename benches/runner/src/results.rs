//! What was measured, and what follows from it.

use std::collections::BTreeMap;

use anyhow::Result;
use harness::Sample;
use serde::Serialize;

use crate::args::Args;
use crate::contenders::{NOT_CRASH_SAFE, RAW, TASKORA};
use crate::server::RedisServer;
use crate::workloads::{Unit, Workload};

/// A whole run; its JSON form is the bench's.
#[derive(Serialize)]
pub struct Results {
    pub redis: String,
    pub cpus: usize,
    pub cpu: String,
    pub date: String,
    pub quick: bool,
    /// Who could not take part, and why.
    pub skipped: Vec<String>,
    pub rows: Vec<Row>,
}

impl Results {
    pub fn new(server: &RedisServer, args: &Args, skipped: Vec<String>) -> Result<Self> {
        let cpus = std::thread::available_parallelism()?.get();
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cpu = cpu.map_or("unknown", |(_, name)| name).to_owned();
        Ok(Self {
            redis: server.version()?,
            cpus,
            cpu,
            date: today(),
            quick: args.quick,
            skipped,
            rows: Vec::new(),
        })
    }
}

fn today() -> String {
    let output = std::process::Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// One workload.
#[derive(Serialize)]
pub struct Row {
    pub workload: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    #[serde(skip)]
    pub measure: Unit,
    pub contenders: BTreeMap<&'static str, Cell>,
    /// taskora beside the best peer, or beside the workload that this one is a variant of; above 1 is better, whatever
    /// the unit.
    pub ratio: Option<Ratio>,
}

#[derive(Serialize)]
pub struct Ratio {
    pub to: &'static str,
    pub times: f64,
}

/// All rounds of one contender, with their medians.
#[derive(Default, Serialize)]
pub struct Cell {
    pub median: f64,
    /// Half the distance between the lowest and the highest round, relative to the median.
    pub spread: f64,
    pub redis_us: Option<f64>,
    pub client_us: Option<f64>,
    pub more: BTreeMap<String, f64>,
    /// Why there is nothing.
    pub refused: Option<String>,
    pub rounds: Vec<f64>,
    #[serde(skip)]
    samples: Vec<Sample>,
}

impl Row {
    pub fn new(workload: &Workload) -> Self {
        Self {
            workload: workload.id,
            title: workload.title,
            unit: workload.unit.name(),
            measure: workload.unit,
            contenders: BTreeMap::new(),
            ratio: None,
        }
    }

    pub fn is_refused(&self, contender: &str) -> bool {
        self.contenders.get(contender).is_some_and(|cell| cell.refused.is_some())
    }

    pub fn add(&mut self, contender: &'static str, sample: Sample) {
        let cell = self.contenders.entry(contender).or_default();
        if sample.refused.is_some() {
            // one failed round is enough: a median of the others would hide it
            *cell = Cell { refused: sample.refused, ..Cell::default() };
            return;
        }
        cell.rounds.push(sample.value);
        cell.samples.push(sample);
        cell.median = median(cell.rounds.iter().copied()).unwrap_or_default();
        let (low, high) = cell
            .rounds
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        cell.spread = if cell.median == 0.0 { 0.0 } else { (high - low) / 2.0 / cell.median };
        cell.redis_us = median(cell.samples.iter().filter_map(|sample| sample.redis_us));
        cell.client_us = median(cell.samples.iter().filter_map(|sample| sample.client_us));
        for name in cell.samples.iter().flat_map(|sample| sample.more.keys()) {
            let values = cell.samples.iter().filter_map(|sample| sample.more.get(name).copied());
            cell.more.insert(name.clone(), median(values).unwrap_or_default());
        }
        self.ratio = self.compare();
    }

    /// The rounds are compared in pairs, since the machine was in the same phase then.
    fn compare(&self) -> Option<Ratio> {
        if self.measure == Unit::CallsPerMinute {
            return None; // none at all is no better than a few, and makes no ratio
        }
        let own = self.contenders.get(TASKORA).filter(|cell| cell.refused.is_none())?;
        let latency = self.measure == Unit::Milliseconds;
        let peers = self.contenders.iter().filter(|(id, cell)| {
            let left_out = [TASKORA, RAW].contains(id) || latency && NOT_CRASH_SAFE.contains(id);
            !left_out && cell.refused.is_none()
        });
        let better = self.measure.more_is_better();
        let (peer, best) = peers.max_by(|(_, a), (_, b)| {
            if better { a.median.total_cmp(&b.median) } else { b.median.total_cmp(&a.median) }
        })?;
        Some(Ratio { to: peer, times: self.times(own, best)? })
    }

    /// For a workload that is a variant of another: taskora here beside taskora there.
    pub fn compare_with(&mut self, other: &Row) {
        if let (Some(own), Some(its)) = (self.contenders.get(TASKORA), other.contenders.get(TASKORA)) {
            self.ratio = self.times(own, its).map(|times| Ratio { to: other.workload, times });
        }
    }

    fn times(&self, own: &Cell, other: &Cell) -> Option<f64> {
        let better = self.measure.more_is_better();
        let pairs = own.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(own, other)| if better { own / other } else { other / own }))
            .filter(|times| times.is_finite())
    }
}

pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        Some(upper)
    } else {
        Some((upper + values.get(middle.checked_sub(1)?)?) / 2.0)
    }
}

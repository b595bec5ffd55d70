//! What was measured, and what follows from it.

use std::collections::BTreeMap;

use harness::Sample;
use serde::Serialize;

use crate::contenders::{AGAINST, RAW, TASKORA, is_crash_safe};
use crate::machine::Machine;
use crate::workloads::{Unit, Workload};

/// The further figure of a latency that is compared too.
pub const P99: &str = "p99";

/// A whole run; its JSON form is the bench's.
#[derive(Serialize)]
pub struct Results {
    pub machine: Machine,
    pub quick: bool,
    /// How long it took, without what had to be built.
    pub seconds: f64,
    /// Who could not take part, and why.
    pub skipped: Vec<String>,
    pub rows: Vec<Row>,
}

impl Results {
    pub fn new(machine: Machine, quick: bool, skipped: Vec<String>) -> Self {
        Self { machine, quick, seconds: 0.0, skipped, rows: Vec::new() }
    }
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
    /// taskora beside the raw ceiling, where there is one.
    pub of_ceiling: Option<f64>,
    /// The other checkout beside the workload that this one is a variant of.
    pub other_ratio: Option<f64>,
    /// taskora beside the other checkout.
    pub against: Option<Paired>,
}

/// Two contenders, compared round by round; above 1 is better, whatever the unit.
#[derive(Serialize)]
pub struct Paired {
    /// The ratio of the medians.
    pub medians: f64,
    /// The median of the ratios of the rounds.
    pub times: f64,
    pub lowest: f64,
    pub highest: f64,
}

#[derive(Serialize)]
pub struct Ratio {
    pub to: &'static str,
    pub times: f64,
    /// The same of the 99th percentile of a latency.
    pub p99: Option<f64>,
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
            of_ceiling: None,
            other_ratio: None,
            against: None,
        }
    }

    pub fn is_refused(&self, contender: &str) -> bool {
        self.contenders.get(contender).is_some_and(|cell| cell.refused.is_some())
    }

    pub fn add(&mut self, contender: &'static str, mut sample: Sample) {
        if self.measure == Unit::RedisMicros {
            // it is driven as a rate
            sample.value = sample.redis_us.take().unwrap_or_default();
        }
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
        self.against =
            self.cell(TASKORA).zip(self.cell(AGAINST)).and_then(|(own, other)| self.paired(own, other));
        self.of_ceiling = self.cell(TASKORA).zip(self.cell(RAW)).and_then(|(own, raw)| self.times(own, raw));
    }

    /// What was measured of a contender.
    pub fn cell(&self, contender: &str) -> Option<&Cell> {
        self.contenders.get(contender).filter(|cell| cell.refused.is_none())
    }

    fn compare(&self) -> Option<Ratio> {
        if self.measure == Unit::CallsPerMinute {
            return None; // none at all is no better than a few, and makes no ratio
        }
        let own = self.cell(TASKORA)?;
        let latency = self.measure == Unit::Milliseconds;
        let peers = self.contenders.iter().filter(|(id, cell)| {
            let left_out = [TASKORA, RAW].contains(id) || latency && !is_crash_safe(id);
            !left_out && cell.refused.is_none()
        });
        let better = self.measure.more_is_better();
        let (peer, best) = peers.max_by(|(_, a), (_, b)| {
            if better { a.median.total_cmp(&b.median) } else { b.median.total_cmp(&a.median) }
        })?;
        let p99 = own.further(P99).zip(best.further(P99)).and_then(|(own, best)| self.pairs(&own, &best));
        Some(Ratio { to: peer, times: self.times(own, best)?, p99: p99.filter(|_| latency) })
    }

    /// For a workload that is a variant of another: taskora here beside taskora there.
    pub fn compare_with(&mut self, other: &Row) {
        if let (Some(own), Some(its)) = (self.cell(TASKORA), other.cell(TASKORA)) {
            self.ratio = self.times(own, its).map(|times| Ratio { to: other.workload, times, p99: None });
        }
        self.other_ratio =
            self.cell(AGAINST).zip(other.cell(AGAINST)).and_then(|(own, its)| self.times(own, its));
    }

    fn paired(&self, own: &Cell, other: &Cell) -> Option<Paired> {
        let ratios = self.ratios(&own.rounds, &other.rounds);
        let (lowest, highest) = ratios
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
        let medians = self.ratios(&[own.median], &[other.median]);
        Some(Paired { medians: *medians.first()?, times: self.times(own, other)?, lowest, highest })
    }

    fn times(&self, own: &Cell, other: &Cell) -> Option<f64> {
        self.pairs(&own.rounds, &other.rounds)
    }

    /// Rounds are compared in pairs, since the machine was in the same phase then.
    fn pairs(&self, own: &[f64], other: &[f64]) -> Option<f64> {
        median(self.ratios(own, other).into_iter()).filter(|times| times.is_finite())
    }

    fn ratios(&self, own: &[f64], other: &[f64]) -> Vec<f64> {
        let better = self.measure.more_is_better();
        own.iter().zip(other).map(|(own, other)| if better { own / other } else { other / own }).collect()
    }
}

impl Cell {
    /// A further figure in each round.
    fn further(&self, name: &str) -> Option<Vec<f64>> {
        self.samples.iter().map(|sample| sample.more.get(name).copied()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads;

    fn row(workload: &str) -> Row {
        Row::new(workloads::all().iter().find(|known| known.id == workload).unwrap())
    }

    fn sample(value: f64, p99: f64) -> Sample {
        Sample {
            value,
            redis_us: Some(value / 2.0),
            more: [(P99.to_owned(), p99)].into(),
            ..Sample::default()
        }
    }

    #[test]
    fn a_rate_is_compared_with_the_best_peer_round_by_round() {
        let mut row = row("dispatch-64");
        for (own, best, raw) in [(100.0, 50.0, 200.0), (30.0, 10.0, 60.0), (80.0, 20.0, 100.0)] {
            row.add(TASKORA, sample(own, 0.0));
            row.add("oxana", sample(best, 0.0));
            row.add("apalis", sample(5.0, 0.0));
            row.add(RAW, sample(raw, 0.0));
        }
        let ratio = row.ratio.unwrap();
        assert_eq!((ratio.to, ratio.times, ratio.p99), ("oxana", 3.0, None));
        assert_eq!(row.of_ceiling, Some(0.5));
    }

    #[test]
    fn a_latency_is_compared_with_the_best_that_survives_crashes() {
        let mut row = row("latency");
        row.add(TASKORA, sample(0.2, 1.0));
        row.add("kojin", sample(0.1, 0.1));
        row.add("bullmq-rs", sample(0.4, 3.0));
        row.add("apalis", sample(100.0, 100.0));
        let ratio = row.ratio.unwrap();
        assert_eq!((ratio.to, ratio.times, ratio.p99), ("bullmq-rs", 2.0, Some(3.0)));
    }

    #[test]
    fn a_failed_round_is_not_hidden_by_the_others() {
        let mut row = row("retry");
        row.add(TASKORA, sample(1.0, 0.0));
        row.add(TASKORA, Sample::refused("it broke"));
        assert!(row.is_refused(TASKORA) && row.cell(TASKORA).is_none());
    }

    #[test]
    fn two_checkouts_are_compared_in_pairs_and_by_their_medians() {
        let mut row = row("dispatch-64");
        for (own, other) in [(100.0, 50.0), (30.0, 20.0), (80.0, 100.0)] {
            row.add(TASKORA, sample(own, 0.0));
            row.add(AGAINST, sample(other, 0.0));
        }
        let paired = row.against.unwrap();
        assert_eq!((paired.medians, paired.times, paired.lowest, paired.highest), (1.6, 1.5, 0.8, 2.0));
    }

    #[test]
    fn a_cost_is_what_redis_spent_and_less_is_better() {
        let (mut plain, mut chain) = (row("cost-plain"), row("cost-chain"));
        plain.add(TASKORA, sample(10.0, 0.0));
        chain.add(TASKORA, sample(20.0, 0.0));
        chain.compare_with(&plain);
        assert_eq!(chain.contenders[TASKORA].median, 10.0);
        assert_eq!(chain.ratio.unwrap().times, 0.5);
    }
}

//! Schedules.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Bench;
use crate::contender::{Contender, Setup};
use crate::{Sample, Times, handled};

/// When those that tick at once do: until then they are stored, and the worker has started.
const AT_ONCE: Duration = Duration::from_secs(15);

impl<C: Contender> Bench<'_, C> {
    /// Stores schedules, from a process that ends before anything is measured.
    pub(super) fn schedule(&self, count: usize, times: Times) -> Result<()> {
        let mut contender = self.connect()?;
        self.spawned(async move { contender.schedule(count, times).await })
    }

    /// How long after their times ticks run: the half of them, or, at once, the last one.
    pub(super) fn ticks(&mut self, schedules: usize, at_once: bool) -> Result<Sample> {
        self.schedule(schedules, if at_once { Times::AtOnce(AT_ONCE) } else { Times::EachSecond })?;
        self.start_worker(Setup { concurrency: 100, prefetch: 0, tasks: 1, gates: false })?;
        self.server.log_scripts()?;
        let deadline = Instant::now() + self.limit() + if at_once { AT_ONCE } else { Duration::ZERO };
        while Instant::now() < deadline && !(at_once && handled::count() >= schedules as u64) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let (lags, scripts) = (handled::lags(), self.server.logged_scripts()?);
        let at = |part: f64| {
            lags.get(((lags.len() as f64 * part) as usize).min(lags.len().saturating_sub(1))).copied()
        };
        let more = [
            ("p50", at(0.5)),
            ("p99", at(0.99)),
            ("longest", at(1.0)),
            ("ticks", Some(lags.len() as f64)),
            ("longest script ms", scripts.into_iter().max_by(f64::total_cmp).map(|us| us / 1e3)),
        ];
        Ok(Sample {
            value: at(if at_once { 1.0 } else { 0.5 }).context("no schedule ticked")?,
            more: more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
            ..Sample::default()
        })
    }
}

//! What workers have reported of a task.

use redis::Value;
use taskora::adapter::{HistoryStep, StoredHistory, StoredSlot, WorkerReport};
use taskora::{AdapterError, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, number};
use crate::arguments::Arguments;
use crate::codec::{Fingerprint, Texts, pack_sums, read_block, read_text};
use crate::scripts::SCRIPTS;

const WHAT: &str = "the answer to `history`";

impl RedisAdapter {
    pub(crate) async fn stored_history(
        &self,
        task: &str,
        step: HistoryStep,
        slots: usize,
    ) -> Result<StoredHistory, AdapterError> {
        let slots = slots.clamp(1, step.kept());
        let letter = match step {
            HistoryStep::Minute => "m",
            HistoryStep::TenMinutes => "t",
            HistoryStep::Hour => "h",
        };
        let answer = self.inner.script(&SCRIPTS.history, |call, _| {
            call.put("task", task).put("letter", letter).put("slots", slots);
        });
        let [now, first, blocks, texts] = exactly(answer.await?, WHAT)?;
        let now = Timestamp::from_millis(number(&now, WHAT)?);
        let texts = read_texts(texts)?;
        let mut known: Vec<(u64, StoredSlot)> = Vec::new();
        for (number, block) in (number::<u64>(&first, WHAT)?..).zip(array(blocks, WHAT)?) {
            let first = number.saturating_mul(slots_of_block(step));
            known.extend(read_block(&bytes(block, WHAT)?, first, step, &texts));
        }
        let newest = step.slot_at(now);
        let oldest = (newest + 1).saturating_sub(slots as u64);
        known.retain(|(number, _)| (oldest..=newest).contains(number));
        known.sort_by_key(|(number, _)| *number);
        known.dedup_by_key(|(number, _)| *number);
        Ok(StoredHistory { now, slots: known.into_iter().map(|(_, slot)| slot).collect() })
    }
}

/// How many slots are in a block.
const fn slots_of_block(step: HistoryStep) -> u64 {
    match step {
        HistoryStep::Minute => 10,
        HistoryStep::TenMinutes => 12,
        HistoryStep::Hour => 24,
    }
}

/// Fingerprints and texts, alternating. What cannot be read is left out.
fn read_texts(answer: Value) -> Result<Texts, AdapterError> {
    let (mut values, mut texts) = (array(answer, WHAT)?.into_iter(), Texts::new());
    while let (Some(name), Some(text)) = (values.next(), values.next()) {
        let fingerprint: Result<Fingerprint, _> = bytes(name, WHAT)?.try_into();
        if let (Ok(fingerprint), Some(text)) = (fingerprint, read_text(&bytes(text, WHAT)?)) {
            texts.insert(fingerprint, text);
        }
    }
    Ok(texts)
}

/// Writes the sums of a report: for each task its name, its numbers, how many texts follow, and fingerprints and texts of errors, alternating.
pub(crate) fn list_sums(call: &mut Arguments<'_>, report: Option<&WorkerReport>, is_repeat: bool) {
    // nobody knows whether a first try has added them: rather lost than counted twice
    let sums = report.filter(|_| !is_repeat).map_or(&[][..], |report| &report.sums);
    for sums in sums {
        let (numbers, texts) = pack_sums(sums);
        call.list(&*sums.task).list(numbers).list(texts.len());
        for (fingerprint, text) in texts {
            call.list(&fingerprint[..]).list(text);
        }
    }
}

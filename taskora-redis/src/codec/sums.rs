//! What workers have counted, as `lua/lib/sums.lua` adds it up.

use std::collections::HashMap;

use taskora::Timestamp;
use taskora::adapter::{Depth, ErrorSum, Histogram, HistoryStep, StoredSlot, Sums, TaskSums};

use super::reader::{Reader, text};

/// The layout of blocks, and of the texts of errors.
const LAYOUT: u8 = 1;
/// The fields of a slot.
const COMPLETED: u8 = 1;
const FAILED: u8 = 2;
const RETRIED: u8 = 3;
/// One more than there were, because a missing field counts as 0.
const WAITING: u8 = 4;
const DELAYED: u8 = 5;
const ACTIVE: u8 = 6;
/// The first of the buckets for waits, and for runs.
const WAITS: u8 = 16;
const RUNS: u8 = 40;
/// An error; its fingerprint follows.
const ERROR: u8 = 255;
/// Larger numbers are cut to this.
const MOST: u64 = 1 << 48;

/// Identifies the pattern of an error among those of its task.
pub(crate) type Fingerprint = [u8; 6];

/// The texts of errors, by their fingerprints.
pub(crate) type Texts = HashMap<Fingerprint, (String, String)>;

/// The sums of a task as the script takes them: numbers, and the texts of errors, each with its fingerprint.
pub(crate) fn pack_sums(sums: &TaskSums) -> (Vec<u8>, Vec<(Fingerprint, Vec<u8>)>) {
    let Sums { completed, failed, retried, waits, runs, errors, .. } = &sums.sums;
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    let mut put = |field: u8, value: u64| {
        if value > 0 {
            numbers.push(field);
            push_number(&mut numbers, value);
        }
    };
    for (field, value) in [(COMPLETED, *completed), (FAILED, *failed), (RETRIED, *retried)] {
        put(field, value);
    }
    for (first, histogram) in [(WAITS, waits), (RUNS, runs)] {
        (first..).zip(histogram.buckets()).for_each(|(field, count)| put(field, *count));
    }
    for ErrorSum { pattern, example, count, .. } in errors.iter() {
        let fingerprint = fingerprint(pattern);
        numbers.push(ERROR);
        numbers.extend(fingerprint);
        push_number(&mut numbers, *count);
        let mut text = u16::try_from(pattern.len()).unwrap_or_default().to_be_bytes().to_vec();
        text.extend(pattern.as_bytes());
        text.extend(example.as_bytes());
        texts.push((fingerprint, text));
    }
    (numbers, texts)
}

fn fingerprint(pattern: &str) -> Fingerprint {
    let hash = taskora::adapter::Fingerprint::of(pattern.as_bytes()).0;
    super::reader::u48(hash ^ (hash >> 48))
}

fn push_number(to: &mut Vec<u8>, value: u64) {
    let mut value = value.min(MOST);
    while value >= 128 {
        to.push((value % 128) as u8 | 128);
        value /= 128;
    }
    to.push(value as u8);
}

fn read_number(reader: &mut Reader<'_>) -> Option<u64> {
    let mut value = 0;
    for shift in (0..56).step_by(7) {
        let part = reader.u8()?;
        value |= u64::from(part % 128) << shift;
        if part < 128 {
            return Some(value);
        }
    }
    None
}

/// The slots of a block, by their numbers. One of another layout has none; what cannot be read is left out.
pub(crate) fn read_block(
    block: &[u8],
    first: u64,
    step: HistoryStep,
    texts: &Texts,
) -> Vec<(u64, StoredSlot)> {
    let mut reader = Reader(block);
    let mut slots = Vec::new();
    if reader.u8() != Some(LAYOUT) {
        return slots;
    }
    let mut next = || {
        let (place, length) = (reader.u8()?, reader.u16()?);
        Some((first.saturating_add(place.into()), reader.take(length.into())?))
    };
    while let Some((number, numbers)) = next() {
        slots.push((number, read_slot(numbers, step.begin_of(number), texts)));
    }
    slots
}

fn read_slot(numbers: &[u8], at: Timestamp, texts: &Texts) -> StoredSlot {
    let (mut slot, mut reader) = (StoredSlot::new(at), Reader(numbers));
    let (mut sampled, mut depth) = (false, Depth::default());
    while let Some(field) = reader.u8() {
        let fingerprint = if field == ERROR { reader.array::<6>() } else { None };
        let Some(value) = read_number(&mut reader) else { break };
        let sums = &mut slot.sums;
        match field {
            COMPLETED => sums.completed = value,
            FAILED => sums.failed = value,
            RETRIED => sums.retried = value,
            WAITING => (sampled, depth.waiting) = (true, value.saturating_sub(1)),
            DELAYED => depth.delayed = value,
            ACTIVE => depth.active = value,
            WAITS..RUNS => sums.waits.put(usize::from(field - WAITS), value),
            RUNS.. if usize::from(field - RUNS) < Histogram::BUCKETS => {
                sums.runs.put(usize::from(field - RUNS), value);
            }
            ERROR => {
                let known = fingerprint.and_then(|fingerprint| texts.get(&fingerprint));
                let (pattern, example) = known.map_or(("", ""), |(pattern, example)| (pattern, example));
                sums.errors.add(pattern, example, value);
            }
            // of a later version
            _ => {}
        }
    }
    slot.depth = sampled.then_some(depth);
    slot
}

/// The pattern of an error and an example; nothing if a later version has written them.
pub(crate) fn read_text(bytes: &[u8]) -> Option<(String, String)> {
    let mut reader = Reader(bytes);
    if reader.u8()? != LAYOUT {
        return None;
    }
    let (_noted, length) = (reader.u48()?, reader.u16()?);
    let pattern = text(reader.take(length.into())?);
    Some((pattern, text(reader.0)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sums() -> Sums {
        let mut sums = Sums::default();
        (sums.completed, sums.failed, sums.retried) = (300, 1, u64::MAX);
        sums.waits.put(0, 7);
        sums.waits.put(23, 1);
        sums.runs.count(Duration::from_secs(1));
        sums.runs.put(23, 128);
        sums.errors.add("no #", "no 7", 5);
        sums
    }

    #[test]
    fn sums_are_read_as_they_are_packed() {
        let (numbers, texts) = pack_sums(&TaskSums::new("t", sums()));
        let mut known = Texts::new();
        for (fingerprint, text) in texts {
            let stored = [&[LAYOUT, 0, 0, 0, 0, 0, 9][..], &text].concat();
            known.insert(fingerprint, read_text(&stored).expect("it is of this layout"));
        }
        let mut block = vec![LAYOUT, 3];
        block.extend(u16::try_from(numbers.len() + 6).unwrap().to_be_bytes());
        block.extend([&numbers[..], &[WAITING, 1, DELAYED, 2, ACTIVE, 3]].concat());
        let slots = read_block(&block, 60, HistoryStep::Minute, &known);
        let mut expected = StoredSlot::new(Timestamp::from_millis(63 * 60_000));
        (expected.sums, expected.depth) = (sums(), Some(Depth::new(0, 2, 3)));
        expected.sums.retried = MOST;
        assert_eq!(slots, [(63, expected)]);
        // without texts, the numbers of errors are still there
        let slots = read_block(&block, 60, HistoryStep::Minute, &Texts::new());
        assert_eq!(slots[0].1.sums.errors.clone().into_sorted()[0].count, 5);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let (numbers, _) = pack_sums(&TaskSums::new("t", sums()));
        let mut block = vec![LAYOUT, 0];
        block.extend(u16::try_from(numbers.len()).unwrap().to_be_bytes());
        block.extend(&numbers);
        for length in 0..block.len() {
            let cut = &block[..length];
            assert!(read_block(cut, 0, HistoryStep::Hour, &Texts::new()).is_empty(), "{length}");
        }
        for length in 0..numbers.len() {
            read_slot(&numbers[..length], Timestamp::default(), &Texts::new());
        }
        for byte in 0..=255 {
            read_block(
                &[LAYOUT, 0, 0, 9, byte, 255, 255, 255, 255, 255, 255, 255, 255],
                0,
                HistoryStep::Hour,
                &Texts::new(),
            );
        }
        // of a later version
        block[0] = 2;
        assert!(read_block(&block, 0, HistoryStep::Hour, &Texts::new()).is_empty());
        assert_eq!(read_text(&[2, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(read_text(&[1, 0]), None);
    }

    #[test]
    fn patterns_have_their_own_fingerprints() {
        let prints: std::collections::HashSet<_> =
            (0..1_000).map(|n| fingerprint(&format!("{n} {n}"))).collect();
        assert_eq!(prints.len(), 1_000);
        assert_eq!(fingerprint("no #"), fingerprint("no #"));
    }
}

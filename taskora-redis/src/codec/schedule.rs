//! What a schedule is, and its state, as `lua/lib/schedules.lua` describes them.

use taskora::Timestamp;
use taskora::adapter::{Fingerprint, Origin, ScheduleVersion, StoredSchedule};

use super::reader::{Reader, u48};
use crate::id;

const LAYOUT: u8 = 1;
const API: u8 = b'A';
const CODE: u8 = b'C';

/// How many values of an answer show a schedule.
pub(crate) const SHOWN: usize = 4;

/// What a schedule is.
pub(crate) fn pack_schedule(origin: Origin, definition: &[u8]) -> Vec<u8> {
    let (origin, Fingerprint(declared)) = match origin {
        Origin::Api => (API, Fingerprint(0)),
        Origin::Code { declared } => (CODE, declared),
    };
    let Fingerprint(own) = Fingerprint::of(definition);
    [&[LAYOUT, origin][..], &declared.to_be_bytes(), &own.to_be_bytes(), definition].concat()
}

/// What a schedule must be for a change to happen; `None`: not there.
pub(crate) fn pack_version(version: Option<ScheduleVersion>) -> Vec<u8> {
    let Some(ScheduleVersion { definition: Fingerprint(definition), next }) = version else {
        return Vec::new();
    };
    let next_millis = next.unwrap_or_default().as_millis();
    [&definition.to_be_bytes()[..], &[u8::from(next.is_some())], &u48(next_millis)].concat()
}

/// Reads a schedule: its name, what it is, its state, whether it is declared.
pub(crate) fn read_schedule([name, text, state, declared]: [Vec<u8>; SHOWN]) -> Option<StoredSchedule> {
    let mut reader = Reader(&text);
    let (layout, origin, fingerprint, _own) = (reader.u8()?, reader.u8()?, reader.u64()?, reader.u64()?);
    let origin = match origin {
        API => Origin::Api,
        CODE => Origin::Code { declared: Fingerprint(fingerprint) },
        _ => return None,
    };
    let definition = reader.0.to_vec();
    let mut reader = Reader(&state);
    if layout != LAYOUT || reader.u8()? != LAYOUT {
        return None;
    }
    let flags = reader.u8()?;
    let mut time = |flag: u8| {
        let at = Timestamp::from_millis(reader.u48()?);
        Some((flag == 0 || flags & flag != 0).then_some(at))
    };
    let (_signed, since, next, last, paused) = (time(0)?, time(0)??, time(1)?, time(2)?, time(4)?);
    let (ran, skipped, missed) = (reader.u48()?, reader.u48()?, reader.u48()?);
    let id_len = reader.u8()?;
    let last_job = reader.take(id_len.into())?;
    let last_job = if last_job.is_empty() { None } else { Some(id::load(last_job)?) };
    let reason = String::from_utf8_lossy(reader.0).into_owned();
    Some(StoredSchedule {
        name: String::from_utf8(name).ok()?,
        definition,
        origin,
        is_declared: declared == b"1",
        since,
        next,
        last,
        last_job,
        paused: paused.map(|at| (at, reason)),
        ran,
        skipped,
        missed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> Vec<u8> {
        let mut state = vec![LAYOUT, 1 | 2 | 4];
        for number in 1..=8 {
            state.extend(u48(number));
        }
        state.extend([4]);
        state.extend(b"=jobwhy");
        state
    }

    fn read(text: &[u8], state: &[u8]) -> Option<StoredSchedule> {
        read_schedule([b"name".to_vec(), text.to_vec(), state.to_vec(), b"1".to_vec()])
    }

    #[test]
    fn a_schedule_comes_back() {
        let origin = Origin::Code { declared: Fingerprint(7) };
        let time = Timestamp::from_millis;
        let expected = StoredSchedule {
            name: "name".to_owned(),
            definition: b"definition".to_vec(),
            origin,
            is_declared: true,
            since: time(2),
            next: Some(time(3)),
            last: Some(time(4)),
            last_job: Some("job".into()),
            paused: Some((time(5), "why".to_owned())),
            ran: 6,
            skipped: 7,
            missed: 8,
        };
        assert_eq!(read(&pack_schedule(origin, b"definition"), &state()), Some(expected));
    }

    #[test]
    fn cut_off_bytes_are_no_schedule_and_no_panic() {
        let (text, state) = (pack_schedule(Origin::Api, b""), state());
        for len in 0..text.len() {
            assert_eq!(read(&text[..len], &state), None, "{len}");
        }
        for len in 0..state.len() - 3 {
            assert_eq!(read(&text, &state[..len]), None, "{len}");
        }
    }
}

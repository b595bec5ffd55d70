//! What happened to a job, see `lua/lib/timeline.lua`.

use taskora::Timestamp;
use taskora::adapter::{Ending, Happened, PastStep};

use super::reader::{Reader, cut_text};

const LAYOUT: u8 = 1;

/// Steps, oldest first, as far as they can be read; none if a later version wrote them.
pub(crate) fn read_past(bytes: &[u8]) -> Vec<PastStep> {
    let mut reader = Reader(bytes);
    if reader.u8() != Some(LAYOUT) {
        return Vec::new();
    }
    std::iter::from_fn(|| step(&mut reader)).collect()
}

fn step(reader: &mut Reader<'_>) -> Option<PastStep> {
    let kind = reader.u8()?;
    let attempt = reader.u32()?;
    let started_at = Some(reader.u48()?).filter(|at| *at > 0).map(Timestamp::from_millis);
    let at = Timestamp::from_millis(reader.u48()?);
    let length = reader.u16()?;
    let text = reader.take(length.into())?;
    let (what, error) = match kind {
        b'R' => (Happened::Retried, Some(cut_text(text))),
        b'L' => (Happened::Released, None),
        b'K' => (Happened::Rescued, None),
        b'C' => (Happened::Completed, None),
        b'F' => (Happened::Failed, Some(cut_text(text))),
        b'S' => (Happened::Stalled, Reader(text).u32().map(Ending::stalled_message)),
        b'X' => (Happened::Cancelled, Some(cut_text(text))),
        b'E' => (Happened::Expired, None),
        b'V' => (Happened::Revived, None),
        _ => return None,
    };
    Some(PastStep { what, attempt, started_at, at, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let step = |kind: u8, text: &[u8]| {
            let length = u16::try_from(text.len()).expect("short").to_be_bytes();
            [&[kind][..], &[0, 0, 0, 7], &[0; 6], &[0, 0, 0, 0, 0, 9], &length, text].concat()
        };
        let good = step(b'R', b"no\xc3");
        let bytes = [&[LAYOUT][..], &good, &step(b'V', b"")].concat();
        let read = read_past(&bytes);
        let what: Vec<_> = read.iter().map(|step| (step.what, step.attempt, step.error.as_deref())).collect();
        assert_eq!(what, [(Happened::Retried, 7, Some("no")), (Happened::Revived, 7, None)]);
        for length in 0..bytes.len() {
            assert!(read.starts_with(&read_past(&bytes[..length])));
        }
        assert_eq!(read_past(&[&[2][..], &good].concat()), [], "of a later version");
        assert_eq!(read_past(&[&[LAYOUT][..], &step(b'?', b""), &good].concat()), []);
    }
}

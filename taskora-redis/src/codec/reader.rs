//! Reads packed values field by field.

use std::time::Duration;

/// The longest time that is stored, in milliseconds: exact in a double, with room for additions.
const FOREVER: u64 = 1 << 47;

/// A duration in whole milliseconds, rounded up, so that nothing is due early.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(FOREVER)
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A text that was cut somewhere, perhaps in a letter, which is left out.
pub(super) fn cut_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => {
            text(bytes.get(..error.valid_up_to()).unwrap_or_default())
        }
        _ => text(bytes),
    }
}

/// Reads big-endian numbers; `None` where the bytes are too short.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u48(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        bytes.get_mut(2..)?.copy_from_slice(self.take(6)?);
        Some(u64::from_be_bytes(bytes))
    }
}

/// The last six bytes of a number: how times are stored.
pub(crate) fn u48(number: u64) -> [u8; 6] {
    let [_, _, rest @ ..] = number.to_be_bytes();
    rest
}

//! What all records begin with, and how they grow.

use super::reader::Reader;

/// The longest name of a schedule, as [`PutSchedule::name`](taskora::adapter::PutSchedule::name) says.
const MAX_SCHEDULE: usize = 175;

/// The layout of records that this version writes.
pub(super) const LAYOUT: u8 = 1;

/// Reads an extension: its length (2), then tags (1), lengths (2) and values. Even tags must be understood: `None` if `see`
/// returns that it does not know one.
pub(super) fn read_extension(reader: &mut Reader<'_>, mut see: impl FnMut(u8, &[u8]) -> bool) -> Option<()> {
    let len = u16::from_be_bytes(reader.array()?);
    let mut rest = Reader(reader.take(len.into())?);
    while !rest.0.is_empty() {
        let tag = rest.u8()?;
        let len = u16::from_be_bytes(rest.array()?);
        let is_known = see(tag, rest.take(len.into())?);
        if tag.is_multiple_of(2) && !is_known {
            return None;
        }
    }
    Some(())
}

/// Says what is wrong with the name of a schedule.
pub(crate) fn check_schedule_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_SCHEDULE || name.chars().any(char::is_control) {
        return Err(format!(
            "a schedule's name must have 1 to {MAX_SCHEDULE} bytes and no control characters"
        ));
    }
    Ok(())
}

//! How ids are stored: a UUID as its 16 bytes, any other id as `=` and its text. Both sort as they did before.

use taskora::JobId;
use taskora::adapter::Lease;
use uuid::Uuid;

/// What begins the ids that are no UUIDs. A UUID that begins with this byte is stored as text too.
const TEXT: u8 = b'=';

/// The id as it is stored.
pub(crate) fn store(id: &JobId) -> Vec<u8> {
    let text = id.as_str();
    // only the usual spelling comes back as it was
    let is_usual = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    match Uuid::try_parse(text) {
        Ok(uuid) if is_usual && uuid.as_bytes().first() != Some(&TEXT) => uuid.into_bytes().to_vec(),
        _ => [&[TEXT], text.as_bytes()].concat(),
    }
}

/// The id that a stored one stands for; `None` if it is none of ours.
pub(crate) fn load(stored: &[u8]) -> Option<JobId> {
    match stored.strip_prefix(&[TEXT]) {
        Some(text) => std::str::from_utf8(text).ok().map(JobId::from),
        None => Uuid::from_slice(stored).ok().map(JobId::from),
    }
}

/// A lease as a member of its task's active set: the stored id, a colon, the token.
pub(crate) fn member(stored: &[u8], lease: &Lease) -> Vec<u8> {
    [stored, format!(":{}", lease.token).as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_come_back_and_sort_as_before() {
        let mut uuids: Vec<Uuid> = (0..2000u128)
            .map(|i| Uuid::from_u128(i.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)))
            .filter(|uuid| uuid.as_bytes()[0] != TEXT)
            .collect();
        uuids.extend([Uuid::nil(), Uuid::max(), Uuid::now_v7()]);
        uuids.sort();
        let stored: Vec<Vec<u8>> = uuids.iter().map(|uuid| store(&JobId::from(*uuid))).collect();
        assert!(stored.is_sorted());
        for (uuid, stored) in uuids.iter().zip(&stored) {
            assert_eq!(stored.len(), 16);
            assert_eq!(load(stored), Some(JobId::from(*uuid)));
        }
    }

    #[test]
    fn other_ids_come_back_letter_by_letter() {
        let odd =
            ["order-4711", "naïve:=", "0191F0B2-0000-7000-8000-000000000000", "=", "-", "15 bytes of text"];
        // as bytes this one would look like text
        for text in odd.into_iter().chain(["3d91f0b2-0000-7000-8000-000000000000"]) {
            let id = JobId::from(text);
            assert_eq!(store(&id), format!("={text}").into_bytes());
            assert_eq!(load(&store(&id)), Some(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for stored in [&b""[..], b"abc", b"17 bytes of bytes", b"=\xff"] {
            assert_eq!(load(stored), None, "{stored:?}");
        }
    }
}

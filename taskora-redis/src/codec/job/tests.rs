use std::time::Duration;

use super::*;
use crate::codec::{End, Life, u48};

fn job(payload: Vec<u8>) -> NewJob {
    NewJob {
        priority: -7,
        max_attempts: 3,
        meta: vec![("k".into(), "v".into())],
        ..NewJob::new("a", "send-email", payload)
    }
}

fn stored(packed: &Packed) -> Vec<u8> {
    let mut bytes = vec![LAYOUT];
    bytes.extend(u48(1_700_000_000_000));
    bytes.extend(&packed.rest);
    bytes
}

#[test]
fn a_record_comes_back() {
    let packed = pack(job(b"{}".to_vec())).expect("a valid job");
    let bytes = stored(&packed);
    let record = Record::read(&bytes).expect("a record");
    assert_eq!(record.created_at.as_millis(), 1_700_000_000_000);
    assert_eq!((record.priority, record.max_attempts, record.task), (-7, 3, "send-email"));
    assert_eq!(record.meta, [("k".to_owned(), "v".to_owned())]);
    assert_eq!(record.payload, Some(&b"{}"[..]));
}

#[test]
fn a_record_costs_14_bytes_beside_task_and_payload() {
    let mut job = job(vec![b'x'; 92]);
    job.meta.clear();
    let packed = pack(job).expect("a valid job");
    assert_eq!(stored(&packed).len(), 14 + 10 + 92);
}

#[test]
fn an_extension_comes_back() {
    let ttl = Some(Ttl::new(std::time::Duration::from_secs(9)));
    let key = LimitKey::new("k".repeat(200));
    let stamp = TickStamp { schedule: "nightly".into(), at: None };
    for (ttl, key) in [(ttl, key.clone()), (None, key)] {
        let packed =
            pack(NewJob { ttl, limit_key: key.clone(), tick: Some(stamp.clone()), ..job(b"{}".to_vec()) });
        let bytes = stored(&packed.expect("a valid job"));
        let record = Record::read(&bytes).expect("a record");
        assert_eq!((record.limit_key, record.tick.as_ref()), (key, Some(&stamp)));
        assert!(!Record::is_newer(&bytes, &[]) && record.payload == Some(&b"{}"[..]));
    }
}

#[test]
fn a_large_payload_is_kept_beside_the_record() {
    let packed = pack(job(vec![b'x'; INLINE + 1])).expect("a valid job");
    assert_eq!(packed.payload.as_ref().map(Vec::len), Some(INLINE + 1));
    assert!(Record::read(&stored(&packed)).expect("a record").payload.is_none());
}

#[test]
fn cut_off_bytes_are_no_record_and_no_panic() {
    let bytes = stored(&pack(job(b"{}".to_vec())).expect("a valid job"));
    for len in 0..bytes.len() - 2 {
        assert!(Record::read(&bytes[..len]).is_none(), "{len}");
    }
    for len in 0..21 {
        assert!(End::read(&b"C01234567890123456789"[..len]).is_none());
    }
    assert!(Life::read(b"short").is_none());
}

#[test]
fn a_rule_to_gather_takes_18_bytes() {
    let collect = Some(Collect::new(2, Duration::from_secs(1)).max_wait(Duration::from_secs(2)).serial());
    let limit_key = LimitKey::new("k");
    let plain = pack(NewJob { limit_key: limit_key.clone(), ..job(Vec::new()) }).expect("a valid job");
    let packed = pack(NewJob { limit_key, collect, ..job(Vec::new()) }).expect("a valid job");
    assert_eq!(packed.rest.len(), plain.rest.len() + 18);
    let rule = [6, 0, 15, 0, 0, 0, 0, 3, 232, 0, 0, 0, 0, 7, 208, 0, 2, 3];
    assert!(packed.rest.windows(18).any(|part| part == rule));
    assert!(!Record::is_newer(&stored(&packed), &[]));
    assert!(pack(NewJob { collect: Some(Collect::new(0, Duration::ZERO)), ..job(Vec::new()) }).is_err());
}

#[test]
fn a_cost_takes_7_bytes_and_a_cost_of_one_none() {
    let packed = |cost| pack(NewJob { cost, tick: None, ..job(Vec::new()) }).expect("a valid job");
    let plain = packed(1).rest.len();
    assert_eq!(packed(0).rest.len(), plain);
    // the first tag of a record comes with the length of all
    assert_eq!(packed(258).rest.len(), plain + 2 + 7);
    assert!(packed(258).rest.ends_with(&[0, 7, 8, 0, 4, 0, 0, 1, 2]));
    assert!(!Record::is_newer(&stored(&packed(258)), &[]));
    for (cost, read) in [(0, 1), (1, 1), (258, 258)] {
        assert_eq!(Record::read(&stored(&packed(cost))).expect("a record").cost, read);
    }
    assert!(plain_task(&packed(2).rest).is_none());
}

#[test]
fn names_that_cannot_be_stored_are_refused() {
    for name in ["", "a\nb", &"x".repeat(201)] {
        assert!(pack(NewJob { task: name.into(), ..job(Vec::new()) }).is_err(), "{name}");
    }
}

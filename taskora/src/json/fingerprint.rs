//! A hash of a payload that is the same in every process and every release.

use serde_json::Value;

/// FNV-1a.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

fn of_bytes(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(PRIME))
}

/// The fingerprint of JSON. The order of an object's fields does not matter, because a map may be written in any order. Text
/// that is not JSON counts as its bytes.
pub(crate) fn fingerprint(json: &[u8]) -> u64 {
    match serde_json::from_slice::<Value>(json) {
        Ok(value) => of_value(&value),
        Err(_) => of_bytes(OFFSET, json),
    }
}

/// The fingerprint of several values, in their order.
pub(crate) fn fingerprint_of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    values.into_iter().fold(OFFSET, |hash, json| of_bytes(hash, &fingerprint(json).to_be_bytes()))
}

fn of_value(value: &Value) -> u64 {
    match value {
        Value::Array(values) => values
            .iter()
            .fold(of_bytes(OFFSET, b"["), |hash, value| of_bytes(hash, &of_value(value).to_be_bytes())),
        Value::Object(fields) => fields.iter().fold(of_bytes(OFFSET, b"{"), |sum, (name, value)| {
            let field = of_bytes(of_bytes(OFFSET, name.as_bytes()), &of_value(value).to_be_bytes());
            sum.wrapping_add(field)
        }),
        Value::String(text) => of_bytes(of_bytes(OFFSET, b"\""), text.as_bytes()),
        other => of_bytes(OFFSET, other.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_another_order_is_the_same() {
        let of = |json: &str| fingerprint(json.as_bytes());
        assert_eq!(of(r#"{"a":1,"b":[1,{"c":2,"d":3}]}"#), of(r#"{"b":[1,{"d":3,"c":2}],"a":1}"#));
        for (one, other) in [
            ("[1,2]", "[2,1]"),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":1,"b":2}"#, r#"{"a":2,"b":1}"#),
            ("[]", "{}"),
            ("[[]]", "[]"),
            ("null", "\"null\""),
            ("x", "y"),
        ] {
            assert_ne!(of(one), of(other), "{one} {other}");
        }
        // stored keys outlive a release, so this must never change
        assert_eq!(of(r#"{"a":[null,1.5,"x"]}"#), 17_422_486_440_112_527_895);
    }
}

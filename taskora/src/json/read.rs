//! Reading stored JSON. An error gives the place and what was expected there, never the value: payloads and results do not
//! belong in errors and logs.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

/// Why stored JSON could not be read: "at `user.zip`: invalid type, expected u32".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The path; empty for the value as a whole.
    place: String,
    what: String,
}

impl Unreadable {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { place: String::new(), what: what.into() }
    }

    /// The same error, for a list whose element at this position could not be read.
    pub(crate) fn in_element(mut self, at: usize) -> Self {
        let dot = if self.place.is_empty() || self.place.starts_with('[') { "" } else { "." };
        self.place = format!("[{at}]{dot}{}", self.place);
        self
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.what)
        } else {
            write!(f, "at `{}`: {}", self.place, self.what)
        }
    }
}

impl std::error::Error for Unreadable {}

/// Reads a value.
pub(crate) fn read<'j, T: Deserialize<'j>>(json: &'j [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(json).map_err(|error| explain::<T>(json, error))
}

/// Reads the value again to learn where it goes wrong. The first read does not track the place, because that costs time.
#[cold]
fn explain<'j, T: Deserialize<'j>>(json: &'j [u8], error: serde_json::Error) -> Unreadable {
    let mut reader = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(tracked) => {
            let place = place(tracked.path());
            let what = describe(tracked.inner(), || mentioned(json, tracked.path()));
            Unreadable { place, what }
        }
        // there is trailing data after the value
        Ok(_) => Unreadable::new(describe(&error, Vec::new)),
    }
}

/// The path as far as it is known.
fn place(path: &Path) -> String {
    let mut place = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("[{index}]")),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(shown(name));
            }
            Segment::Unknown => break,
        }
    }
    place
}

/// A field's name. A map's key may be anything, so it is not shown unless it looks like a name.
fn shown(name: &str) -> &str {
    let is_name = name.len() <= 64 && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if is_name { name } else { "*" }
}

/// serde's message, without data from the JSON. `values` are the values that a type's own error may mention.
fn describe(error: &serde_json::Error, values: impl FnOnce() -> Vec<String>) -> String {
    let full = error.to_string();
    if !error.is_data() {
        return full; // invalid JSON, with the position
    }
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = full.strip_suffix(&position).unwrap_or(&full);
    // `invalid type: string "secret", expected u32`, ``unknown variant `secret`, expected ..``
    let of_serde = ["invalid type", "invalid value", "invalid length", "unknown variant", "unknown field"];
    if let Some(what) = of_serde.into_iter().find(|what| message.starts_with(what)) {
        let expected = message.rfind(", expected ").and_then(|at| message.get(at..));
        return format!("{what}{}", expected.unwrap_or_default());
    }
    if message.starts_with("missing field `") || message.starts_with("duplicate field `") {
        return message.to_owned();
    }
    if values().iter().any(|value| message.contains(value)) {
        return "invalid value".to_owned();
    }
    message.to_owned()
}

/// The texts and numbers at this place.
fn mentioned(json: &[u8], path: &Path) -> Vec<String> {
    let Ok(whole) = serde_json::from_slice::<Value>(json) else { return Vec::new() };
    let mut value = &whole;
    for segment in path.iter() {
        let next = match segment {
            Segment::Seq { index } => value.get(*index),
            Segment::Map { key } => value.get(key),
            Segment::Enum { variant } => value.get(variant),
            Segment::Unknown => None,
        };
        let Some(next) = next else { break };
        value = next;
    }
    let mut values = Vec::new();
    collect(value, &mut values);
    values
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) if !text.is_empty() => into.push(text.clone()),
        Value::Number(number) => into.push(number.to_string()),
        Value::Array(list) => list.iter().for_each(|value| collect(value, into)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, into)),
        Value::String(_) | Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::de::DeserializeOwned;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Mixed { parts: Vec<u8> },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct User {
        #[serde(rename = "zip-code")]
        _zip: u32,
        #[serde(default)]
        _friends: Vec<User>,
        #[serde(default)]
        _limits: HashMap<String, u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(try_from = "String")]
    struct Even;

    impl TryFrom<String> for Even {
        type Error = String;

        fn try_from(text: String) -> Result<Self, String> {
            match text.len() % 2 {
                0 => Ok(Self),
                _ if text.len() < 4 => Err("too short to say".to_owned()),
                _ => Err(format!("`{text}` is odd")),
            }
        }
    }

    fn message<T: DeserializeOwned + fmt::Debug>(json: &str) -> String {
        read::<T>(json.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_the_field_and_what_was_expected() {
        assert_eq!(message::<User>(r#"{"zip-code":"s3cret"}"#), "at `zip-code`: invalid type, expected u32");
        assert_eq!(message::<User>("{}"), "missing field `zip-code`");
        let friend = r#"{"zip-code":1,"_friends":[{"zip-code":2},{"zip-code":-4711}]}"#;
        assert_eq!(message::<User>(friend), "at `_friends[1].zip-code`: invalid value, expected u32");
        let incomplete = r#"{"zip-code":1,"_friends":[{}]}"#;
        assert_eq!(message::<User>(incomplete), "at `_friends[0]`: missing field `zip-code`");
        let parts = r#"{"mixed":{"parts":[1,2,300]}}"#;
        assert_eq!(message::<Colour>(parts), "at `mixed.parts[2]`: invalid value, expected u8");
        assert_eq!(message::<Vec<u32>>("[1,null]"), "at `[1]`: invalid type, expected u32");
        assert_eq!(read::<Vec<u32>>(b"[1]"), Ok(vec![1]));
        assert!(matches!(read(b"\"red\""), Ok(Colour::Red)));
        assert!(matches!(read(br#"{"mixed":{"parts":[7]}}"#), Ok(Colour::Mixed { parts }) if parts == [7]));
    }

    #[test]
    fn values_are_left_out() {
        assert_eq!(message::<u32>(r#""hun, expected ter2""#), "invalid type, expected u32");
        assert_eq!(message::<u8>("4711"), "invalid value, expected u8");
        assert_eq!(message::<Colour>(r#""s3cret""#), "unknown variant, expected `red` or `mixed`");
        let unknown = message::<User>(r#"{"zip-code":1,"s3cret":2}"#);
        assert!(
            unknown.ends_with("unknown field, expected one of `zip-code`, `_friends`, `_limits`"),
            "{unknown}"
        );
        // a type's own message stays, unless it repeats the value
        assert_eq!(message::<Even>(r#""s3crets""#), "invalid value");
        assert_eq!(message::<Even>(r#""s3c""#), "too short to say");
        assert_eq!(message::<Vec<Even>>(r#"["even","s3crets"]"#), "at `[1]`: invalid value");
        let key = r#"{"zip-code":1,"_limits":{"ada@example.com":1000}}"#;
        assert_eq!(message::<User>(key), "at `_limits.*`: invalid value, expected u8");
    }

    #[test]
    fn broken_json_is_described_by_its_position() {
        assert_eq!(message::<Vec<u32>>("[1"), "EOF while parsing a list at line 1 column 2");
        assert_eq!(message::<u32>("1 2"), "trailing characters at line 1 column 3");
    }

    #[test]
    fn an_element_of_a_list_is_part_of_the_place() {
        let error = read::<User>(br#"{"zip-code":"x"}"#).unwrap_err();
        assert_eq!(error.in_element(2).to_string(), "at `[2].zip-code`: invalid type, expected u32");
        let error = read::<Vec<u8>>(b"[true]").unwrap_err();
        assert_eq!(error.in_element(0).to_string(), "at `[0][0]`: invalid type, expected u8");
    }
}

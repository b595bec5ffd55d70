//! Checked reading of answers from Redis.

use redis::Value;
use taskora::AdapterError;

/// The error for an invalid answer.
pub(crate) fn nonsense(what: impl Into<String>) -> AdapterError {
    AdapterError::Protocol(what.into())
}

/// The error for data that a later version of taskora wrote. The data is left alone.
pub(crate) fn newer(what: &str) -> AdapterError {
    AdapterError::Incompatible(format!(
        "{what} was written by a later version of taskora; use a newer taskora-redis"
    ))
}

pub(crate) fn array(value: Value, what: &str) -> Result<Vec<Value>, AdapterError> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(nonsense(format!("{what} should be an array, but is {}", kind(&other)))),
    }
}

pub(crate) fn bytes(value: Value, what: &str) -> Result<Vec<u8>, AdapterError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        other => Err(nonsense(format!("{what} should be a string, but is {}", kind(&other)))),
    }
}

/// The bytes of an array of strings.
pub(crate) fn strings(value: Value, what: &str) -> Result<Vec<Vec<u8>>, AdapterError> {
    array(value, what)?.into_iter().map(|value| bytes(value, what)).collect()
}

pub(crate) fn text(value: Value, what: &str) -> Result<String, AdapterError> {
    String::from_utf8(bytes(value, what)?).map_err(|_| nonsense(format!("{what} is not UTF-8")))
}

pub(crate) fn number<T: TryFrom<i64>>(value: &Value, what: &str) -> Result<T, AdapterError> {
    match value {
        Value::Int(number) => {
            T::try_from(*number).map_err(|_| nonsense(format!("{what} is out of range: {number}")))
        }
        other => Err(nonsense(format!("{what} should be a number, but is {}", kind(other)))),
    }
}

/// An array of exactly `N` values.
pub(crate) fn exactly<const N: usize>(value: Value, what: &str) -> Result<[Value; N], AdapterError> {
    let values = array(value, what)?;
    let count = values.len();
    values.try_into().map_err(|_| nonsense(format!("{what} should have {N} values, but has {count}")))
}

/// One letter for each of `count` things.
pub(crate) fn letters(value: Value, count: usize, what: &str) -> Result<Vec<u8>, AdapterError> {
    let letters = bytes(value, what)?;
    if letters.len() == count {
        Ok(letters)
    } else {
        Err(nonsense(format!("{what}: {} answers for {count} questions", letters.len())))
    }
}

/// The kind of a value: never the value, which may hold what a payload holds.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a string",
        Value::Array(_) => "an array",
        _ => "something else",
    }
}

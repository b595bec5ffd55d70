//! Keys: they identify jobs of one task that must not be stored, or run, twice.

use std::borrow::Cow;

use uuid::Uuid;

/// What can be a key: a string, an integer, a `bool`, a `Uuid`, a tuple of two or three of these, or an `Option` of any. A
/// job whose key is `None` is dispatched as if there were no rule.
///
/// A key is stored as text, which operators can see: `(7, "eu")` is `7:eu`. It has at most 200 bytes
/// ([`Admission::MAX_KEY`](crate::adapter::Admission::MAX_KEY)), and is not encrypted.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key",
    label = "cannot be written as a key",
    note = "a key is a string, an integer, a `bool`, a `Uuid`, a tuple of two or three of these, or an `Option`"
)]
pub trait IntoKey {
    /// The key; `None` if there is none.
    #[doc(hidden)]
    fn into_key(self) -> Option<String>;
}

macro_rules! as_text {
    ($($type:ty),*) => {
        $(impl IntoKey for $type {
            fn into_key(self) -> Option<String> {
                Some(self.to_string())
            }
        })*
    };
}

as_text!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char, Uuid, &str);

impl IntoKey for String {
    fn into_key(self) -> Option<String> {
        Some(self)
    }
}

impl IntoKey for &String {
    fn into_key(self) -> Option<String> {
        Some(self.clone())
    }
}

impl IntoKey for Cow<'_, str> {
    fn into_key(self) -> Option<String> {
        Some(self.into_owned())
    }
}

impl<K: IntoKey> IntoKey for Option<K> {
    fn into_key(self) -> Option<String> {
        self?.into_key()
    }
}

impl<A: IntoKey, B: IntoKey> IntoKey for (A, B) {
    fn into_key(self) -> Option<String> {
        Some(format!("{}:{}", part(self.0)?, part(self.1)?))
    }
}

impl<A: IntoKey, B: IntoKey, C: IntoKey> IntoKey for (A, B, C) {
    fn into_key(self) -> Option<String> {
        Some(format!("{}:{}:{}", part(self.0)?, part(self.1)?, part(self.2)?))
    }
}

/// A part of a tuple, escaped so that no two tuples have the same text.
fn part(key: impl IntoKey) -> Option<String> {
    let key = key.into_key()?;
    Some(if key.contains(['\\', ':']) { key.replace('\\', "\\\\").replace(':', "\\:") } else { key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_they_are_read() {
        let id = Uuid::nil();
        let found = [
            "a:b".into_key(),
            String::new().into_key(),
            (-7_i64).into_key(),
            true.into_key(),
            id.into_key(),
            (7_u32, "eu").into_key(),
            ("a", 1_u8, false).into_key(),
            Some(5_u8).into_key(),
        ];
        let expected = ["a:b", "", "-7", "true", &id.to_string(), "7:eu", "a:1:false", "5"];
        assert_eq!(found.map(Option::unwrap), expected);
        assert_eq!(None::<u8>.into_key(), None);
        assert_eq!(("a", None::<u8>).into_key(), None);
    }

    #[test]
    fn different_tuples_are_different_keys() {
        let tuples = [("a:b", "c"), ("a", "b:c"), ("a\\", ":b:c"), ("a\\:b", "c")];
        let keys = tuples.map(|tuple| tuple.into_key().unwrap());
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{keys:?}");
    }
}

//! Keys: they identify jobs of one task that must not be stored, or run, twice.

use std::borrow::Cow;

use uuid::Uuid;

/// What can be a key: a string, an integer, a `bool`, a `Uuid`, a tuple of two or three of these, an `Option` of any, or a
/// reference to any. A job whose key is `None` is dispatched as if there were no rule, and is not limited by key.
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
    fn to_key(&self) -> Option<String>;
}

macro_rules! as_text {
    ($($type:ty),*) => {
        $(impl IntoKey for $type {
            fn to_key(&self) -> Option<String> {
                Some(self.to_string())
            }
        })*
    };
}

as_text!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, bool, char, Uuid, str, String);
as_text!(Cow<'_, str>);

impl<K: IntoKey + ?Sized> IntoKey for &K {
    fn to_key(&self) -> Option<String> {
        (**self).to_key()
    }
}

impl<K: IntoKey> IntoKey for Option<K> {
    fn to_key(&self) -> Option<String> {
        self.as_ref()?.to_key()
    }
}

impl<A: IntoKey, B: IntoKey> IntoKey for (A, B) {
    fn to_key(&self) -> Option<String> {
        let (a, b) = self;
        Some(format!("{}:{}", part(a)?, part(b)?))
    }
}

impl<A: IntoKey, B: IntoKey, C: IntoKey> IntoKey for (A, B, C) {
    fn to_key(&self) -> Option<String> {
        let (a, b, c) = self;
        Some(format!("{}:{}:{}", part(a)?, part(b)?, part(c)?))
    }
}

/// A part of a tuple, escaped so that no two tuples have the same text.
fn part(key: &impl IntoKey) -> Option<String> {
    let key = key.to_key()?;
    Some(if key.contains(['\\', ':']) { key.replace('\\', "\\\\").replace(':', "\\:") } else { key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_written_as_they_are_read() {
        let id = Uuid::nil();
        let found = [
            "a:b".to_key(),
            String::new().to_key(),
            (-7_i64).to_key(),
            true.to_key(),
            id.to_key(),
            (7_u32, "eu").to_key(),
            ("a", 1_u8, false).to_key(),
            Some(5_u8).to_key(),
            (&7_u32, &Some(String::from("eu"))).to_key(),
        ];
        let expected = ["a:b", "", "-7", "true", &id.to_string(), "7:eu", "a:1:false", "5", "7:eu"];
        assert_eq!(found.map(Option::unwrap), expected);
        assert_eq!(None::<u8>.to_key(), None);
        assert_eq!(("a", None::<u8>).to_key(), None);
    }

    #[test]
    fn different_tuples_are_different_keys() {
        let tuples = [("a:b", "c"), ("a", "b:c"), ("a\\", ":b:c"), ("a\\:b", "c")];
        let keys = tuples.map(|tuple| tuple.to_key().unwrap());
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{keys:?}");
    }
}

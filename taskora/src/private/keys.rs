//! What the keys of limits are made with.

use crate::dispatch::IntoKey;

/// The key as text.
pub fn key<K: IntoKey + ?Sized>(key: &K) -> Option<String> {
    key.to_key()
}

/// The key of a job, of a closure whose body was turned into text. The closure knows the type of its argument from here.
pub fn key_of<'a, T>(task: &'a T, key: impl FnOnce(&'a T) -> Option<String>) -> Option<String> {
    key(task)
}

/// The key of a job, of a function of the contract.
pub fn key_by<'a, T, K: IntoKey>(task: &'a T, key: impl FnOnce(&'a T) -> K) -> Option<String> {
    key(task).to_key()
}

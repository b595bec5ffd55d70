//! Builds a contract from the list of its arguments.

use std::iter::Enumerate;
use std::vec::IntoIter;

use serde_json::value::RawValue;

use super::{Unreadable, read};
use crate::contract::{Data, ReadArguments, Task};

/// A contract from the list of its arguments.
pub(crate) fn arguments<T: Task>(json: &[u8]) -> Result<T, Unreadable> {
    let list: Vec<&RawValue> = read(json)?;
    T::read_arguments(Arguments(list.into_iter().enumerate()))
}

struct Arguments<'j>(Enumerate<IntoIter<&'j RawValue>>);

impl ReadArguments for Arguments<'_> {
    type Error = Unreadable;

    fn start(&mut self, count: usize) -> Result<(), Unreadable> {
        let found = self.0.len();
        if found == count {
            return Ok(());
        }
        Err(Unreadable::new(format!("expected arguments: {count}, found: {found}")))
    }

    fn next<T: Data>(&mut self) -> Result<T, Unreadable> {
        let (at, json) = self.0.next().map_or((0, ""), |(at, argument)| (at, argument.get()));
        // it is already text, which `read` would check again
        serde_json::from_str(json).or_else(|_| read(json.as_bytes()).map_err(|error| error.in_element(at)))
    }

    fn custom<T>(&mut self) -> Result<T, Unreadable> {
        Err(Unreadable::new("an argument with a serde attribute such as `with` cannot stand alone"))
    }
}

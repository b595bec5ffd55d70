//! Arguments that are not written as their types are.
#![deny(warnings)]

use std::time::Duration;

use taskora::prelude::*;
use taskora::workflow::{Bound, Piped};

mod seconds {
    use super::*;

    pub fn serialize<S: taskora::__private::serde::Serializer>(
        value: &Opaque,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(value.0.as_secs())
    }

    pub fn deserialize<'de, D: taskora::__private::serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Opaque, D::Error> {
        Ok(Opaque(Duration::from_secs(<u64 as taskora::__private::serde::Deserialize>::deserialize(
            deserializer,
        )?)))
    }
}

/// Serde does not know it.
pub struct Opaque(Duration);

#[task]
async fn wait(#[serde(with = "seconds")] time: Opaque, reason: String) -> Wait {
    Wait { time, reason }
}

#[task]
async fn greet(
    /// Whom.
    #[serde(rename = "to", alias = "who", default)]
    name: String,
    greeting: String,
) {
    let _ = (name, greeting);
}

fn main() {
    let all = || Wait::s().reason("x").time(Opaque(Duration::from_secs(1)));
    let flow: Workflow<Bound, Wait> = all().then(Wait::s());
    let _: Workflow<Piped<Wait>, Wait> = Wait::s().then(all());
    let _ = flow;
    let _: Workflow<Piped<String>, ()> = chain((Greet::s().greeting("hi"),));
}

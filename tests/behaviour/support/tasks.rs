//! Tasks of several tests.

use taskora::prelude::*;

use super::Probe;

#[task]
pub(crate) async fn echo(text: String) -> String {
    text
}

impl From<&str> for Echo {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

/// Runs until the test opens the gate.
#[task]
pub(crate) async fn held(probe: State<Probe>) -> u32 {
    probe.saw("started");
    probe.gate().await;
    7
}

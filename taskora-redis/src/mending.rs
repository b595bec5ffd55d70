//! Scripts on a connection. If a key does not hold what it should, it is moved out of the way, and the call is repeated.

use redis::Value;
use taskora::AdapterError;

use crate::arguments::Arguments;
use crate::call::Try;
use crate::damage::is_damage;
use crate::link::Link;
use crate::scripts::Script;
use crate::set_aside::set_aside;

/// How often a call is repeated after a key was moved out of its way.
const MENDS: u32 = 3;

impl Link {
    /// Runs a script within the usual time. `fill` adds the arguments after the first.
    pub(crate) async fn script(
        &self,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<Value, AdapterError> {
        self.script_on(script, fill).await.map(|(_, value)| value)
    }

    /// Like [`Link::script`], and returns which connection was used.
    pub(crate) async fn script_on(
        &self,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<(u64, Value), AdapterError> {
        self.script_carrying(0, script, fill).await
    }

    /// Like [`Link::script_on`], with additional time for this many bytes of payloads and results.
    pub(crate) async fn script_carrying(
        &self,
        bytes: usize,
        script: &Script,
        fill: impl Fn(&mut Arguments<'_>, Try),
    ) -> Result<(u64, Value), AdapterError> {
        let build = |how| self.settings().call(script, how, &fill);
        let limit = self.settings().limit(bytes);
        let mut begun = std::time::Instant::now();
        let mut answer = self.send(script.name, limit, build).await;
        // a key may be damaged again while it is being repaired
        for _ in 0..MENDS {
            match &answer {
                Err(error) if is_damage(error) && Box::pin(set_aside(self, begun)).await? => {}
                _ => break,
            }
            begun = std::time::Instant::now();
            answer = self.send(script.name, limit, build).await;
        }
        answer
    }
}

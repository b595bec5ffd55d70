//! One call to Redis, between its failpoints.

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisError, Value};

use crate::fault::is_unknown;

/// Sends a call once. Every call to Redis goes through here or through [`ask_all`].
pub(crate) async fn ask(
    connection: &mut MultiplexedConnection,
    name: &'static str,
    cmd: &Cmd,
) -> Result<Value, RedisError> {
    // a script that the server does not know has not run: it is sent again with its source
    let has_run = |answer: &Value| !matches!(answer, Value::ServerError(error) if is_unknown(error.code(), error.details()));
    named(name, connection.req_packed_command(cmd), has_run).await
}

/// Sends calls together, once.
pub(crate) async fn ask_all(
    connection: &mut MultiplexedConnection,
    name: &'static str,
    commands: &Pipeline,
) -> Result<Vec<Value>, RedisError> {
    named(name, connection.req_packed_commands(commands, 0, commands.len()), |_| true).await
}

/// A call between its failpoints.
#[cfg_attr(
    not(feature = "failpoints"),
    expect(unused_variables, reason = "names and ends are for failpoints")
)]
async fn named<T>(
    name: &'static str,
    call: impl Future<Output = Result<T, RedisError>>,
    has_run: impl FnOnce(&T) -> bool,
) -> Result<T, RedisError> {
    #[cfg(feature = "failpoints")]
    crate::failpoint::reach(name, "before").await?;
    let answer = call.await;
    #[cfg(feature = "failpoints")]
    if answer.as_ref().map_or(true, has_run) {
        crate::failpoint::reach(name, "after").await?;
    }
    answer
}

/// How a command is sent this time.
#[derive(Clone, Copy, Default)]
pub(crate) struct Try {
    /// It may already have been carried out: an earlier answer was lost.
    pub(crate) repeat: bool,
    pub(crate) with_source: bool,
}

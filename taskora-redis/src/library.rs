//! The library of functions on a server: how a command is called, and how the library is loaded.

use std::sync::atomic::Ordering;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use taskora::AdapterError;

use crate::arguments::Arguments;
use crate::call::Try;
use crate::call::ask;
use crate::fault::judge_opening;
use crate::scripts::{LIBRARY, Script};
use crate::settings::Settings;

impl Settings {
    /// Whether commands are functions; otherwise each is a script.
    pub(crate) fn has_functions(&self) -> bool {
        self.functions.load(Ordering::Relaxed)
    }

    /// The call of a command.
    pub(crate) fn call(&self, script: &Script, how: Try, fill: impl Fn(&mut Arguments<'_>, Try)) -> Cmd {
        let mut cmd = self.call_of(script, how);
        fill(&mut Arguments::new(script.name, &mut cmd), how);
        cmd
    }

    /// The call of a command, up to its first argument.
    pub(crate) fn call_of(&self, script: &Script, how: Try) -> Cmd {
        let mut cmd = Cmd::new();
        if self.has_functions() {
            cmd.arg("FCALL").arg(&script.function);
        } else if how.with_source {
            cmd.arg("EVAL").arg(&script.alone().source);
        } else {
            cmd.arg("EVALSHA").arg(&script.alone().sha);
        }
        cmd.arg(1).arg(self.keys.prefix());
        cmd.arg(&self.place);
        cmd
    }

    /// Makes each command a script from now on. Logs that once.
    pub(crate) fn give_up_functions(&self, why: &str) {
        if self.functions.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                address = %self.address,
                why = why.split(", with args beginning with").next(),
                "the server refuses functions; each command runs as a script, which is slower. \
                 Allow the user `+fcall +function|load`"
            );
        }
    }
}

/// Whether a server's error says that functions may not be used.
pub(crate) fn refuses_functions(code: &str, detail: Option<&str>) -> bool {
    let detail = detail.unwrap_or_default().to_lowercase();
    let is_about = ["fcall", "function"].iter().any(|word| detail.contains(word));
    // what a function may not do is reported differently
    let is_within = detail.contains("called from script") || detail.contains("@user_function");
    is_about
        && !is_within
        && (code == "NOPERM" || detail.contains("unknown command") || detail.contains("unknown subcommand"))
}

/// Loads the library. If it exists already, or another process loads it at the same time, it is the same one.
pub(crate) async fn load(
    connection: &mut MultiplexedConnection,
    settings: &Settings,
    address: &str,
) -> Result<(), AdapterError> {
    let mut cmd = redis::cmd("FUNCTION");
    cmd.arg("LOAD").arg(&LIBRARY.source);
    let error = match ask(connection, "load", &cmd).await {
        Ok(Value::ServerError(error)) => error,
        Ok(_) => return Ok(()),
        Err(error) => return Err(judge_opening(&error, address, &settings.user)),
    };
    if error.details().is_some_and(|detail| detail.contains("already exists")) {
        return Ok(());
    }
    if refuses_functions(error.code(), error.details()) {
        settings.give_up_functions(error.details().unwrap_or_default());
        return Ok(());
    }
    Err(judge_opening(&error.into(), address, &settings.user))
}

//! The commands that run inside Redis: one library of functions, built from `lua/`.
//!
//! Redis builds the functions of a library once, and calls them by name. If the server refuses functions, each command is a
//! script: the same text, with a line at its end that calls the command.

use std::fmt::Write as _;
use std::sync::{LazyLock, OnceLock};

use crate::arguments::{ARGUMENTS, RECORD};
use crate::keys::NAMES;

/// A command, ready to be called.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    flags: &'static str,
    /// The name of its function.
    pub(crate) function: String,
    alone: OnceLock<Alone>,
}

/// A command as a script.
pub(crate) struct Alone {
    pub(crate) source: String,
    pub(crate) sha: String,
}

impl Script {
    /// The command as a script, for servers that refuse functions.
    pub(crate) fn alone(&self) -> &Alone {
        self.alone.get_or_init(|| {
            let mut source = match self.flags {
                "" => "#!lua\n".to_owned(),
                flags => format!("#!lua flags={flags}\n"),
            };
            source.push_str(&LIBRARY.body);
            let _ = writeln!(source, "return build(false)('{}', KEYS[1], ARGV)", self.name);
            let sha = redis::Script::new(&source).get_hash().to_owned();
            Alone { source, sha }
        })
    }
}

macro_rules! commands {
    ($($name:ident),+ $(,)?) => {
        /// All commands.
        pub(crate) struct Scripts { $(pub(crate) $name: Script),+ }

        /// All commands, by name.
        pub(crate) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
            $($name: script(stringify!($name))),+
        });

        const COMMANDS: &[(&str, &str)] = &[
            $((stringify!($name), include_str!(concat!("../lua/commands/", stringify!($name), ".lua")))),+
        ];
    };
}

macro_rules! modules {
    ($($name:ident),+ $(,)?) => {
        const MODULES: &[(&str, &str)] = &[
            $((stringify!($name), include_str!(concat!("../lua/lib/", stringify!($name), ".lua")))),+
        ];
    };
}

commands!(
    admit,
    cancel,
    cancel_workflow,
    catch_up,
    check,
    check_keys,
    check_logs,
    check_tasks,
    check_workflow,
    close_key,
    collected,
    confirm,
    counts,
    declare,
    declare_limits,
    discard,
    details,
    due_schedules,
    enqueue,
    exchange,
    fetch,
    flush,
    gate,
    handshake,
    history,
    inspect,
    list,
    listen,
    list_schedules,
    list_workflows,
    note,
    overview,
    pause_schedule,
    paused,
    processes,
    promote,
    put_schedules,
    quiet,
    raise_level,
    release_key,
    remove_schedule,
    renew,
    repair,
    replace,
    reprioritise,
    revive,
    schedule,
    set_gate,
    shift,
    sign,
    sign_off,
    stage_workflow,
    start_workflow,
    sweep,
    take_key,
    tick,
    trigger,
    watch,
    withdraw,
    workers,
    workflow,
);

// Each is a table of functions that all others may call, so their order does not matter.
modules!(
    act,
    active,
    caller,
    claim,
    cost,
    deferred,
    due,
    ends,
    entries,
    events,
    expiry,
    gate,
    gate_room,
    gather,
    history,
    intake,
    invariants,
    keyed,
    lanes,
    lanes_opening,
    line,
    listing,
    listing_jobs,
    merge,
    once,
    overview,
    pauses,
    processes,
    rate,
    record,
    registry,
    replay,
    retire,
    schedules,
    settle,
    snapshot,
    sums,
    timeline,
    tokens,
    turns,
    waiters,
    workers,
    workflow_move,
    workflow_read,
    workflow_release,
);

/// The library that holds all commands.
pub(crate) struct Library {
    /// The name contains a hash of the content, so that processes of several versions can each have their own library on one
    /// server.
    pub(crate) name: String,
    /// The argument of `FUNCTION LOAD`.
    pub(crate) source: String,
    /// The definition of `build`.
    body: String,
}

/// See [`Library`].
pub(crate) static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let body = body(cfg!(feature = "failpoints"));
    let hash = redis::Script::new(&body).get_hash().get(..12).unwrap_or_default().to_owned();
    let name = format!("taskora_{hash}");
    let mut source = format!("#!lua name={name}\n{body}");
    source.push_str(
        "local run\nlocal function call_of(command)\nreturn function(keys, args)\nrun = run or build(true)\n\
         return run(command, keys[1], args)\nend\nend\n",
    );
    for (command, text) in COMMANDS {
        let flags = match flags(text) {
            "" => String::new(),
            flags => format!(", flags = {{'{flags}'}}"),
        };
        let _ = writeln!(
            source,
            "redis.register_function{{function_name = '{name}_{command}', callback = call_of('{command}'){flags}}}"
        );
    }
    Library { name, source, body }
});

fn script(name: &'static str) -> Script {
    let text = COMMANDS.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| *text);
    let function = format!("{}_{name}", LIBRARY.name);
    Script { name, flags: flags(text), function, alone: OnceLock::new() }
}

/// The flags of a command, from the first line of its file.
fn flags(text: &'static str) -> &'static str {
    text.lines().next().and_then(|line| line.strip_prefix("-- flags: ")).unwrap_or_default()
}

/// For the layout test: the text of the library's functions, without the additions for tests.
#[doc(hidden)]
pub fn library_hash() -> String {
    redis::Script::new(&body(false)).get_hash().to_owned()
}

/// For tests: each command, and the name of its function.
#[doc(hidden)]
#[must_use]
pub fn functions() -> Vec<(&'static str, String)> {
    COMMANDS.iter().map(|(name, _)| (*name, format!("{}_{name}", LIBRARY.name))).collect()
}

/// The function `build(keeps_state)`, which builds everything and returns a function that calls commands.
fn body(with_failpoints: bool) -> String {
    let mut text = "local function build(KEEPS_STATE)\n".to_owned();
    add_file(&mut text, include_str!("../lua/prelude.lua"), &[]);
    text.push_str("local KEYS_OF = {");
    for (name, key) in NAMES {
        let _ = write!(text, "{name} = '{key}', ");
    }
    text.push_str("}\n");
    if with_failpoints {
        add_file(&mut text, include_str!("../lua/failpoint.lua"), &[]);
    }
    let mut tables: Vec<&str> = MODULES.iter().map(|(name, _)| table(name)).collect();
    tables.dedup();
    for table in &tables {
        let _ = writeln!(text, "local {table} = {{}}");
    }
    text.push_str("local commands = {}\n");
    for (_, file) in MODULES {
        add_file(&mut text, file, &[]);
    }
    for (name, file) in COMMANDS {
        let arguments = ARGUMENTS.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, names)| names);
        add_file(&mut text, file, arguments);
    }
    add_file(&mut text, include_str!("../lua/run.lua"), &[]);
    text.push_str("end\n");
    text
}

/// The table that contains a file's functions; a large table is spread over several files, such as `gate` and `gate_room`.
fn table(file: &'static str) -> &'static str {
    file.split_once('_').map_or(file, |(table, _)| table)
}

/// Adds a file as a separate block, except `prelude.lua` and `run.lua`.
fn add_file(text: &mut String, file: &str, arguments: &[&str]) {
    let is_block = file.lines().any(|line| line.starts_with("function "));
    if is_block {
        text.push_str("do\n");
    }
    file.lines().for_each(|line| add_line(text, line, arguments));
    if is_block {
        text.push_str("end\n");
    }
}

/// Leaves out what Redis does not need, and replaces names with numbers: `A.limit` is the position of an argument, `R.flags`
/// that of a field in a record.
fn add_line(text: &mut String, line: &str, arguments: &[&str]) {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with("--") {
        return;
    }
    let mut rest = line;
    while let Some(at) = next_name(rest) {
        let (before, after) = rest.split_at(at);
        text.push_str(before);
        let end = after.get(2..).and_then(|name| name.find(|c: char| !(c.is_ascii_lowercase() || c == '_')));
        let (name, tail) = after.split_at(end.map_or(after.len(), |end| end + 2));
        let number = match name.split_at(2) {
            // the first argument is the test clock
            ("A.", name) => arguments.iter().position(|known| *known == name).map(|place| place + 2),
            (_, name) => RECORD
                .iter()
                .position(|(known, _)| *known == name)
                .map(|place| 1 + RECORD.iter().take(place).map(|(_, size)| size).sum::<usize>()),
        };
        match number {
            Some(number) => {
                let _ = write!(text, "{number}");
            }
            None => text.push_str(name),
        }
        rest = tail;
    }
    text.push_str(rest);
    text.push('\n');
}

/// The position of the next `A.` or `R.` that is not the end of a longer name.
fn next_name(line: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    (0..bytes.len()).find(|at| {
        matches!(bytes.get(*at..at + 2), Some(b"A." | b"R."))
            && at
                .checked_sub(1)
                .and_then(|before| bytes.get(before))
                .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_' && *byte != b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_and_every_field_is_known() {
        let text = body(false);
        assert_eq!(next_name(&text), None, "an unknown name near {:?}", {
            let at = next_name(&text).unwrap_or(0);
            text.get(at.saturating_sub(40)..(at + 40).min(text.len()))
        });
        for (name, names) in ARGUMENTS {
            let (_, file) = COMMANDS.iter().find(|(known, _)| known == name).expect("a command");
            for argument in *names {
                assert!(file.contains(&format!("A.{argument}")), "`{name}` does not use `{argument}`");
            }
        }
    }

    #[test]
    fn every_key_is_known() {
        for (file, text) in COMMANDS.iter().chain(MODULES) {
            for (at, _) in text.match_indices("K.") {
                let name: String = text
                    .get(at + 2..)
                    .unwrap_or_default()
                    .chars()
                    .take_while(char::is_ascii_lowercase)
                    .collect();
                assert!(NAMES.iter().any(|(known, _)| *known == name), "`{file}` names the key `{name}`");
            }
        }
    }

    #[test]
    fn comments_are_left_out_and_names_become_numbers() {
        let mut text = String::new();
        for line in ["-- why", "  return argv[A.limit], byte(text, R.flags, S.A.x)"] {
            add_line(&mut text, line, &["worker", "limit"]);
        }
        assert_eq!(text, "return argv[3], byte(text, 8, S.A.x)\n");
    }
}

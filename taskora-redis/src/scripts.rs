//! The Lua scripts: read into the binary, put together from their includes, named by their SHA-1.

use std::sync::LazyLock;

use crate::keys::NAMES;

/// A script, ready to be sent.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) source: String,
    pub(crate) sha: String,
}

macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {
        /// All scripts.
        pub(crate) struct Scripts { $(pub(crate) $name: Script),+ }

        /// All scripts, put together at the first use.
        pub(crate) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| Scripts {
            $($name: build(stringify!($name), include_str!(concat!("../lua/", stringify!($name), ".lua")))),+
        });

        impl Scripts {
            /// Every script with its name.
            fn all(&self) -> Vec<(&'static str, &Script)> {
                vec![$((self.$name.name, &self.$name)),+]
            }
        }
    };
}

scripts!(
    enqueue,
    exchange,
    fetch,
    renew,
    note,
    cancel,
    sweep,
    watch,
    inspect,
    counts,
    handshake,
    shift,
    start_workflow,
    stage_workflow,
    cancel_workflow,
    workflow,
    catch_up,
    check,
    check_keys,
    check_logs,
    check_tasks,
    check_workflow,
    confirm,
    repair,
);

/// For the test of the layout: the names and SHA-1s of all scripts.
#[doc(hidden)]
pub fn script_hashes() -> Vec<(&'static str, String)> {
    SCRIPTS.all().into_iter().map(|(name, script)| (name, script.sha.clone())).collect()
}

const INCLUDES: &[(&str, &str)] = &[
    ("start", include_str!("../lua/include/start.lua")),
    ("record", include_str!("../lua/include/record.lua")),
    ("line", include_str!("../lua/include/line.lua")),
    ("moves", include_str!("../lua/include/moves.lua")),
    ("due", include_str!("../lua/include/due.lua")),
    ("own", include_str!("../lua/include/own.lua")),
    ("promote", include_str!("../lua/include/promote.lua")),
    ("life", include_str!("../lua/include/life.lua")),
    ("active", include_str!("../lua/include/active.lua")),
    ("finish", include_str!("../lua/include/finish.lua")),
    ("token", include_str!("../lua/include/token.lua")),
    ("place", include_str!("../lua/include/place.lua")),
    ("settle", include_str!("../lua/include/settle.lua")),
    ("repeat", include_str!("../lua/include/repeat.lua")),
    ("claim", include_str!("../lua/include/claim.lua")),
    ("flow", include_str!("../lua/include/flow.lua")),
    ("withdraw", include_str!("../lua/include/withdraw.lua")),
    ("release", include_str!("../lua/include/release.lua")),
    ("workflow", include_str!("../lua/include/workflow.lua")),
    ("todo", include_str!("../lua/include/todo.lua")),
    ("retire", include_str!("../lua/include/retire.lua")),
    ("facts", include_str!("../lua/include/facts.lua")),
    ("faults", include_str!("../lua/include/faults.lua")),
    ("pending", include_str!("../lua/include/pending.lua")),
    ("entry", include_str!("../lua/include/entry.lua")),
];

fn build(name: &'static str, text: &str) -> Script {
    let mut source = String::new();
    for line in text.lines() {
        let included =
            line.trim_start().strip_prefix("--- @include \"").and_then(|rest| rest.strip_suffix('"'));
        match included.and_then(|name| INCLUDES.iter().find(|(known, _)| *known == name)) {
            Some((_, include)) => include.lines().for_each(|line| add_line(&mut source, line)),
            None => add_line(&mut source, line),
        }
    }
    let sha = redis::Script::new(&source).get_hash().to_owned();
    Script { name, source, sha }
}

/// Leaves out what Redis need not keep, so that a better comment is not a new script, and spells the keys.
fn add_line(source: &mut String, line: &str) {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with("--") && !line.starts_with("--- @include") {
        return;
    }
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("K.") {
        let end = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (name, tail) = after.split_at(end);
        source.push_str(before);
        match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, key)) => {
                source.push_str("p .. '");
                source.push_str(key);
                source.push('\'');
            }
            None => {
                source.push_str("K.");
                source.push_str(name);
            }
        }
        rest = tail;
    }
    source.push_str(rest);
    source.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_include_and_every_key_is_known() {
        for (name, script) in SCRIPTS.all() {
            assert!(script.source.starts_with("#!lua"), "`{name}` has no shebang");
            assert!(!script.source.contains("@include"), "`{name}` includes something unknown");
            assert!(!script.source.contains("K."), "`{name}` names an unknown key");
        }
    }

    #[test]
    fn comments_are_left_out() {
        let script = build("test", "#!lua\n-- why\nreturn K.wait .. task\n");
        assert_eq!(script.source, "#!lua\nreturn p .. 'wait:' .. task\n");
    }
}

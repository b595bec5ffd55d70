//! The places of what Rust and Lua both read: the arguments of each command, and the fields of a record. Lua gets numbers in
//! the place of these names, and Rust checks their order as it writes them.

use redis::{Cmd, ToRedisArgs};

/// The arguments of each command, after the test clock. The last one may begin a list.
pub(crate) const ARGUMENTS: &[(&str, &[&str])] = &[
    ("admit", &["again", "jobs"]),
    ("cancel", &["again", "id", "reason"]),
    ("cancel_workflow", &["again", "id", "reason"]),
    ("check", &["role", "kind", "key", "task", "cursor", "count"]),
    ("check_keys", &["pattern", "cursor", "count"]),
    ("check_logs", &["ids"]),
    ("check_tasks", &["names"]),
    ("check_workflow", &["id", "from", "count"]),
    ("close_key", &["task", "lease", "id", "millis"]),
    ("collected", &["task", "aliases", "key", "from", "limit"]),
    ("confirm", &["suspects"]),
    ("counts", &["task"]),
    ("declare", &["schedules"]),
    ("discard", &["again", "jobs"]),
    ("due_schedules", &["worker"]),
    ("declare_limits", &["level", "limits"]),
    ("details", &["id", "most"]),
    ("enqueue", &["again", "alike", "count", "ids"]),
    (
        "exchange",
        &[
            "worker",
            "slot",
            "number",
            "keep_completed",
            "keep_failed",
            "keep_workflows",
            "limit",
            "room",
            "tasks",
            "names",
        ],
    ),
    ("fetch", &["most", "ids"]),
    ("flush", &["task", "aliases", "key"]),
    ("gate", &["task", "key"]),
    ("handshake", &["version", "min", "writer", "server", "process", "about"]),
    ("history", &["task", "letter", "slots"]),
    ("inspect", &["id"]),
    (
        "list",
        &[
            "task", "state", "part", "number", "entry", "limit", "most", "message", "payload", "prefix",
            "since", "latest", "meta",
        ],
    ),
    ("list_workflows", &["state", "number", "entry", "limit", "most"]),
    ("listen", &["kinds", "from", "count"]),
    ("list_schedules", &["cursor", "count"]),
    ("note", &["again", "keep", "notes"]),
    ("overview", &["cursor", "count"]),
    ("pause_schedule", &["name", "reason"]),
    ("promote", &["again", "id"]),
    ("put_schedules", &["schedules"]),
    ("raise_level", &["level", "force", "writer", "version", "min"]),
    ("release_key", &["field"]),
    ("remove_schedule", &["again", "name"]),
    ("renew", &["leases"]),
    ("repair", &["code", "role", "task", "entry", "more"]),
    ("replace", &["id", "reason", "new_id", "record", "payload"]),
    ("reprioritise", &["again", "id", "priority"]),
    ("revive", &["again", "jobs"]),
    ("quiet", &["worker", "quiet"]),
    ("schedule", &["name"]),
    ("paused", &["cursor", "count"]),
    ("set_gate", &["level", "task", "aliases", "what", "value", "lasting", "by"]),
    ("shift", &["by"]),
    ("sign", &["process", "about"]),
    ("sign_off", &["worker", "sums"]),
    ("stage_workflow", &["nonce", "life", "fields"]),
    ("start_workflow", &["again", "count", "first"]),
    (
        "sweep",
        &[
            "tasks",
            "from",
            "carry",
            "completed_age",
            "completed_keep",
            "failed_age",
            "failed_keep",
            "workflows_age",
            "workflows_keep",
            "process",
            "about",
            "worker",
            "worker_about",
            "history",
            "sums",
        ],
    ),
    ("take_key", &["task", "lease", "id", "key"]),
    ("tick", &["ticks"]),
    ("trigger", &["name", "overlap", "job"]),
    ("watch", &["tag", "watches", "ids"]),
    ("withdraw", &["again", "what", "reason", "ids"]),
    ("workers", &["cursor", "count", "jobs"]),
    ("workflow", &["id", "from", "count"]),
];

/// The fields of a record and their sizes, up to the task's name.
pub(crate) const RECORD: &[(&str, usize)] = &[
    ("layout", 1),
    ("created", 6),
    ("flags", 1),
    ("priority", 2),
    ("stalls", 1),
    ("attempts", 2),
    ("name_length", 1),
    ("name", 0),
];

/// The arguments of a call, written in their order.
pub(crate) struct Arguments<'a> {
    cmd: &'a mut Cmd,
    names: &'static [&'static str],
}

impl<'a> Arguments<'a> {
    /// Those of the command with this name.
    pub(crate) fn new(command: &str, cmd: &'a mut Cmd) -> Self {
        Self { cmd, names: names(command) }
    }

    /// The next argument; its name is checked in debug builds.
    pub(crate) fn put(&mut self, name: &str, value: impl ToRedisArgs) -> &mut Self {
        debug_assert_eq!(self.names.first(), Some(&name), "an argument out of its order");
        self.names = self.names.get(1..).unwrap_or_default();
        self.cmd.arg(value);
        self
    }

    /// All arguments, by their places.
    pub(crate) fn all(&mut self, values: &[Vec<u8>]) -> &mut Self {
        self.names = &[];
        for value in values {
            self.cmd.arg(value);
        }
        self
    }

    /// A value of the list that ends the arguments.
    pub(crate) fn list(&mut self, value: impl ToRedisArgs) -> &mut Self {
        debug_assert!(self.names.len() <= 1, "`{:?}` come before the list", self.names);
        self.cmd.arg(value);
        self
    }
}

/// The names of a command's arguments, in their order.
pub(crate) fn names(command: &str) -> &'static [&'static str] {
    ARGUMENTS.iter().find(|(known, _)| *known == command).map_or(&[], |(_, names)| names)
}

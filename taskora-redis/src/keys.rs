//! The names of all keys and channels; no other place spells one. Scripts write `K.wait`, and get the name from here.

/// A key's name in scripts, and its name in Redis after the prefix. A name that ends with a colon is followed by a task, an
/// id, a tag or a worker.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("meta", "meta"),
    ("clock", "clock"),
    ("seq", "seq"),
    ("front", "front"),
    ("jobs", "jobs"),
    ("blobs", "blobs"),
    ("life", "life"),
    ("past", "past"),
    ("cancel", "cancel"),
    ("done", "done"),
    ("progress", "progress"),
    ("log", "log:"),
    ("waiters", "waiters"),
    ("tasks", "tasks"),
    ("ready", "ready"),
    ("wait", "wait:"),
    ("prio", "prio:"),
    ("tombstones", "tombstones:"),
    ("lane", "lane:"),
    ("laned", "laned:"),
    ("turns", "turns:"),
    ("parked", "parked:"),
    ("opening", "opening:"),
    ("came", "came:"),
    ("rules", "rules:"),
    ("held", "held"),
    ("delayed", "delayed:"),
    ("ttls", "ttls:"),
    ("uniq", "uniq"),
    ("keyed", "keyed"),
    ("behind", "behind:"),
    ("throttle", "throttle:"),
    ("idem", "idem:"),
    ("due", "due"),
    ("timer", "timer"),
    ("active", "active:"),
    ("gate", "gate:"),
    ("closed", "closed"),
    ("opens", "opens"),
    ("rate", "rate:"),
    ("completed", "completed:"),
    ("failed", "failed:"),
    ("cancelled", "cancelled:"),
    ("expired", "expired:"),
    ("owncompleted", "owncompleted:"),
    ("ownfailed", "ownfailed:"),
    ("owncancelled", "owncancelled:"),
    ("ownexpired", "ownexpired:"),
    ("wake", "wake:"),
    ("call", "call:"),
    ("wf", "wf:"),
    ("wfdue", "wfdue"),
    ("wfdone", "wfdone"),
    ("wfgone", "wfgone"),
    ("wfrun", "wfrun"),
    ("noted", "noted:"),
    ("stage", "stage:"),
    ("deferred", "deferred"),
    ("sched", "sched"),
    ("schedrun", "schedrun"),
    ("schednext", "schednext"),
    ("wftimer", "wftimer"),
    ("procs", "procs"),
    ("registry", "registry"),
    ("history", "history:"),
    ("patterns", "patterns:"),
    ("workers", "workers"),
    ("damaged", "damaged"),
    ("aside", "aside:"),
    ("failpoint", "failpoint"),
    ("ears", "ears"),
    ("events", "events"),
    // channels
    ("push", "push:"),
    ("cancels", "cancels"),
    ("told", "told"),
];

/// The type of each key's value; names that are not listed are channels.
const TYPES: &[(&str, &str)] = &[
    ("meta", "hash"),
    ("clock", "string"),
    ("seq", "string"),
    ("front", "string"),
    ("jobs", "hash"),
    ("blobs", "hash"),
    ("life", "hash"),
    ("past", "hash"),
    ("cancel", "hash"),
    ("done", "hash"),
    ("progress", "hash"),
    ("log", "list"),
    ("waiters", "hash"),
    ("tasks", "set"),
    ("ready", "zset"),
    ("wait", "list"),
    ("prio", "zset"),
    ("tombstones", "set"),
    ("lane", "zset"),
    ("laned", "hash"),
    ("turns", "zset"),
    ("parked", "zset"),
    ("opening", "zset"),
    ("came", "zset"),
    ("rules", "hash"),
    ("held", "hash"),
    ("delayed", "zset"),
    ("ttls", "zset"),
    ("uniq", "hash"),
    ("keyed", "hash"),
    ("behind", "zset"),
    ("throttle", "list"),
    ("idem", "string"),
    ("due", "zset"),
    ("timer", "hash"),
    ("active", "zset"),
    ("gate", "hash"),
    ("closed", "set"),
    ("opens", "zset"),
    ("rate", "list"),
    ("completed", "list"),
    ("failed", "zset"),
    ("cancelled", "zset"),
    ("expired", "zset"),
    ("owncompleted", "list"),
    ("ownfailed", "zset"),
    ("owncancelled", "zset"),
    ("ownexpired", "zset"),
    ("wake", "list"),
    ("call", "string"),
    ("wf", "hash"),
    ("wfdue", "zset"),
    ("wfdone", "zset"),
    ("wfgone", "zset"),
    ("wfrun", "zset"),
    ("noted", "set"),
    ("stage", "hash"),
    ("deferred", "list"),
    ("sched", "hash"),
    ("schedrun", "hash"),
    ("schednext", "zset"),
    ("wftimer", "string"),
    ("procs", "hash"),
    ("registry", "hash"),
    ("history", "hash"),
    ("patterns", "hash"),
    ("workers", "hash"),
    ("ears", "string"),
    ("events", "stream"),
    ("damaged", "string"),
    ("failpoint", "string"),
];

/// The keys of one namespace. They share a hash tag, so that scripts are atomic on a cluster; a later version may put a
/// partition's number into it.
#[derive(Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { prefix: format!("{{{namespace}}}:") }
    }

    /// The prefix of all keys: the one key that scripts get.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The hash of a workflow.
    pub(crate) fn workflow(&self, stored: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), b"wf:", stored].concat()
    }

    pub(crate) fn log(&self, id: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), b"log:", id].concat()
    }

    pub(crate) fn wake(&self, task: &str) -> String {
        format!("{}wake:{task}", self.prefix)
    }

    /// A key by its name in scripts; `rest` follows a name that ends with a colon.
    pub(crate) fn of(&self, name: &str, rest: &[u8]) -> Vec<u8> {
        let (_, key) = NAMES.iter().find(|(known, _)| *known == name).unwrap_or(&("", ""));
        [self.prefix.as_bytes(), key.as_bytes(), rest].concat()
    }

    /// The name in scripts, the type and the rest of a key, if taskora writes such a key.
    pub(crate) fn read<'a>(&self, key: &'a [u8]) -> Option<(&'static str, &'static str, &'a [u8])> {
        let key = key.strip_prefix(self.prefix.as_bytes())?;
        TYPES.iter().find_map(|(name, kind)| {
            let (_, spelled) = NAMES.iter().find(|(known, _)| known == name)?;
            let rest = key.strip_prefix(spelled.as_bytes())?;
            (rest.is_empty() != spelled.ends_with(':')).then_some((*name, *kind, rest))
        })
    }

    /// The pattern of all keys, for `SCAN`.
    pub(crate) fn pattern(&self) -> String {
        let mut pattern = String::new();
        for letter in self.prefix.chars() {
            if matches!(letter, '*' | '?' | '[' | ']' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern + "*"
    }

    pub(crate) fn push_channel(&self, tag: &str) -> String {
        format!("{}push:{tag}", self.prefix)
    }

    pub(crate) fn cancel_channel(&self) -> String {
        format!("{}cancels", self.prefix)
    }

    pub(crate) fn event_channel(&self) -> String {
        format!("{}told", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_and_lua_spell_keys_the_same_way() {
        let keys = Keys::new("ns");
        let spelled = |name: &str| {
            let (_, key) = NAMES.iter().find(|(known, _)| *known == name).expect("a known name");
            format!("{{ns}}:{key}")
        };
        assert_eq!(keys.workflow(b"1"), (spelled("wf") + "1").into_bytes());
        assert_eq!(keys.log(b"1"), (spelled("log") + "1").into_bytes());
        assert_eq!(keys.wake("t"), spelled("wake") + "t");
        assert_eq!(keys.push_channel("a"), spelled("push") + "a");
        assert_eq!(keys.cancel_channel(), spelled("cancels"));
        assert_eq!(keys.event_channel(), spelled("told"));
    }

    #[test]
    fn keys_are_recognised() {
        let keys = Keys::new("n*s");
        for (name, kind) in TYPES {
            let colon = NAMES.iter().any(|(known, key)| known == name && key.ends_with(':'));
            let rest: &[u8] = if colon { b"a:b" } else { b"" };
            assert_eq!(keys.read(&keys.of(name, rest)), Some((*name, *kind, rest)));
            assert_eq!(keys.read(&keys.of(name, if colon { b"" } else { b"x" })), None, "{name}");
        }
        assert_eq!(keys.read(b"{ns}:jobs"), None);
        assert_eq!(keys.pattern(), "{n\\*s}:*");
    }
}

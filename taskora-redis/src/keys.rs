//! The names of all keys and channels: nothing else spells one. Scripts write `K.wait`, and get the name from here.

/// What scripts call a key, and what it is called in Redis, after the prefix. A name that ends with a colon is
/// followed by a task, an id, a tag or a worker.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("meta", "meta"),
    ("clock", "clock"),
    ("seq", "seq"),
    ("front", "front"),
    ("jobs", "jobs"),
    ("blobs", "blobs"),
    ("life", "life"),
    ("cancel", "cancel"),
    ("done", "done"),
    ("progress", "progress"),
    ("log", "log:"),
    ("waiters", "waiters"),
    ("tasks", "tasks"),
    ("ready", "ready"),
    ("wait", "wait:"),
    ("prio", "prio:"),
    ("stale", "stale:"),
    ("delayed", "delayed:"),
    ("due", "due"),
    ("timer", "timer"),
    ("active", "active:"),
    ("completed", "completed:"),
    ("failed", "failed:"),
    ("cancelled", "cancelled:"),
    ("expired", "expired:"),
    ("wake", "wake:"),
    ("call", "call:"),
    ("wf", "wf:"),
    ("wfdue", "wfdue"),
    ("wfdone", "wfdone"),
    ("wfgone", "wfgone"),
    ("noted", "noted:"),
    ("stage", "stage:"),
    ("todo", "todo"),
    // channels
    ("push", "push:"),
    ("cancels", "cancels"),
];

/// The keys of one namespace. They share a hash tag, so that scripts stay atomic on a cluster; a later version
/// may put a partition's number into it.
#[derive(Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { prefix: format!("{{{namespace}}}:") }
    }

    /// What all keys begin with: the one key that scripts are given.
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

    pub(crate) fn push_channel(&self, tag: &str) -> String {
        format!("{}push:{tag}", self.prefix)
    }

    pub(crate) fn cancel_channel(&self) -> String {
        format!("{}cancels", self.prefix)
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
    }
}

//! What an adapter has for each tokio runtime that uses it: a connection for commands, and the queue of callers that wait
//! for a turn on it.
//!
//! A connection is driven by the runtime that opened it: it ends with that runtime, and stands still while the runtime is
//! not driven. So no call relies on any runtime but its caller's.

use std::sync::{Arc, PoisonError, RwLock};

use taskora::AdapterError;
use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

use crate::coalescer::Coalescer;
use crate::codec::Packed;
use crate::codec::new_workflow::Plan;
use crate::connect::Use;
use crate::keyed::Keyed;
use crate::link::Link;
use crate::settings::Settings;

/// What the calls of one runtime share.
pub(crate) struct RuntimeConnections {
    pub(crate) commands: Arc<Link>,
    pub(crate) enqueues: Arc<Coalescer<Packed>>,
    pub(crate) starts: Arc<Coalescer<Plan>>,
    pub(crate) admissions: Arc<Coalescer<Keyed>>,
}

impl RuntimeConnections {
    fn new(settings: &Arc<Settings>) -> Self {
        let commands = Arc::new(Link::new(Arc::clone(settings), Use::Commands));
        Self {
            enqueues: Coalescer::new(Arc::clone(&commands)),
            starts: Coalescer::new(Arc::clone(&commands)),
            admissions: Coalescer::new(Arc::clone(&commands)),
            commands,
        }
    }
}

/// The connections of an adapter.
pub(crate) struct Connections {
    settings: Arc<Settings>,
    open: RwLock<Vec<Open>>,
}

struct Open {
    runtime: Id,
    connections: Arc<RuntimeConnections>,
    /// Its other end is in a tokio task that the runtime drops when it ends, and that ends with these connections.
    life: oneshot::Sender<()>,
}

impl Open {
    /// Whether these belong to this runtime. A new runtime may get the id of one that has ended.
    fn is_of(&self, runtime: Id) -> bool {
        self.runtime == runtime && !self.life.is_closed()
    }
}

impl Connections {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, open: RwLock::default() }
    }

    /// The connections of the current runtime; opened at the first call.
    pub(crate) fn here(&self) -> Result<Arc<RuntimeConnections>, AdapterError> {
        let runtime = Handle::try_current().map_err(|_| {
            AdapterError::Config(
                "the Redis adapter was called outside of a tokio runtime; call it from within one".to_owned(),
            )
        })?;
        let id = runtime.id();
        let find =
            |open: &[Open]| open.iter().find(|open| open.is_of(id)).map(|open| Arc::clone(&open.connections));
        if let Some(connections) = find(&self.open.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(connections);
        }
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = find(&open) {
            return Ok(connections);
        }
        open.retain(|open| !open.life.is_closed());
        let (life, end) = oneshot::channel();
        runtime.spawn(async { drop(end.await) });
        let connections = Arc::new(RuntimeConnections::new(&self.settings));
        open.push(Open { runtime: id, connections: Arc::clone(&connections), life });
        Ok(connections)
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::{Builder, Runtime};

    use super::*;
    use crate::config::RedisConfig;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    #[test]
    fn each_runtime_has_a_lane_as_long_as_it_lives() {
        let settings = RedisConfig::new("redis://localhost").check().expect("a valid configuration");
        let all = Connections::new(Arc::new(settings));
        let here = |runtime: &Runtime| runtime.block_on(async { all.here() }).expect("on a runtime");
        let count = || all.open.read().expect("no panic").len();
        let (one, other) = (runtime(), runtime());
        let first = here(&one);
        assert!(!Arc::ptr_eq(&first, &here(&other)) && Arc::ptr_eq(&first, &here(&one)));
        drop(other);
        for _ in 0..20 {
            here(&runtime());
            assert!(count() <= 2, "{} connections", count());
        }
        assert!(Arc::ptr_eq(&first, &here(&one)));
        assert!(matches!(all.here(), Err(AdapterError::Config(_))));
    }
}

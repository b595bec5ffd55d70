//! Where a world is played: a store that can be emptied, and its clock.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use taskora::adapter::{Adapter, Forward, NewNode, NewWorkflow};
use taskora::{App, MemoryAdapter, Ttl};
use taskora_redis::RedisAdapter;
use taskora_test_server::RedisServer;

pub(super) const TASK: &str = "step";
pub(super) const FLOW: &str = "flow";
/// Nodes of the workflow.
pub(super) const NODES: usize = 3;

/// The form of the workflow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The nodes that each node waits for.
    pub(super) after: [&'static [u32]; NODES],
    /// How long after it could run the last node becomes ready.
    pub(super) delay: Duration,
    pub(super) ttl: Option<Duration>,
    /// How long the last node may wait to be started.
    pub(super) last_ttl: Option<Duration>,
}

impl Shape {
    pub(super) const CHAIN: Self =
        Self { after: [&[], &[0], &[1]], delay: Duration::from_secs(5), ttl: None, last_ttl: None };
    pub(super) const DIAMOND: Self =
        Self { after: [&[], &[], &[0, 1]], delay: Duration::ZERO, ttl: None, last_ttl: None };

    pub(super) fn workflow(&self) -> NewWorkflow {
        let (mut joins, mut nodes) = (Vec::new(), Vec::new());
        for (number, after) in self.after.iter().enumerate() {
            let join = (!after.is_empty()).then(|| {
                joins.push(after.to_vec());
                u32::try_from(joins.len() - 1).expect("few joins")
            });
            nodes.push(NewNode {
                after: join,
                delay: if number == NODES - 1 { self.delay } else { Duration::ZERO },
                max_attempts: 2,
                ttl: self.last_ttl.filter(|_| number == NODES - 1).map(Ttl::new),
                ..NewNode::new(number.to_string(), TASK, "null")
            });
        }
        NewWorkflow { ttl: self.ttl, ..NewWorkflow::new(FLOW, nodes, joins, "0") }
    }
}

pub(super) enum Stage {
    /// On the clock of the test, which is paused.
    Memory,
    Redis(Box<(RedisServer, RedisAdapter)>),
}

impl Stage {
    pub(super) const fn memory() -> Self {
        Self::Memory
    }

    pub(super) async fn redis() -> Self {
        let server = RedisServer::start().unwrap_or_else(|error| panic!("{error}"));
        let config = crate::support::patient(server.url()).test_clock();
        let adapter = RedisAdapter::connect(config).await.unwrap_or_else(|error| panic!("{error}"));
        Self::Redis(Box::new((server, adapter)))
    }

    /// The store, empty.
    pub(super) fn empty(&self) -> Arc<dyn Adapter> {
        match self {
            Self::Memory => Arc::new(MemoryAdapter::new()),
            Self::Redis(stage) => {
                stage.0.command(&["FLUSHALL"]).expect("an empty server");
                Arc::new(stage.1.clone())
            }
        }
    }

    pub(super) async fn advance(&self, by: Duration) {
        match self {
            Self::Memory => tokio::time::advance(by).await,
            Self::Redis(stage) => stage.1.shift_clock(by).await.expect("shift the clock"),
        }
    }
}

/// The store that is looked at, as an app takes it.
#[derive(Debug)]
struct Shared(Arc<dyn Adapter>);

impl Forward for Shared {
    fn inner(&self) -> &dyn Adapter {
        &*self.0
    }
}

/// What is stored agrees with itself.
pub(super) async fn is_sound(adapter: &Arc<dyn Adapter>, path: &[impl Debug]) {
    let report = App::new(Shared(Arc::clone(adapter))).check().await.expect("check");
    assert!(report.is_clean(), "{report}: {path:?}");
}

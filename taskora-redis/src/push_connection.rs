//! The push connection: renewals, and the messages that Redis pushes. A separate thread drives it, so that leases are kept
//! while handlers block the threads of their runtime.

mod actor;
mod arrivals;
mod calls;
mod watches;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::PushInfo;
use taskora::AdapterError;
use taskora::adapter::{Cancellation, Ended, JobNews, RenewLease, Renewal};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;

use self::arrivals::Arrivals;
use self::watches::Watches;
use crate::connect::Use;
use crate::link::Link;
use crate::settings::Settings;

/// How many cancellations a slow listener may lag behind.
const CANCELS: usize = 4096;

type Answer = Result<Option<Ended>, AdapterError>;
type Renewals = Result<Vec<Renewal>, AdapterError>;

enum Request {
    Renew {
        leases: Vec<RenewLease>,
        answer: oneshot::Sender<Renewals>,
    },
    Await {
        id: Vec<u8>,
        answer: oneshot::Sender<Answer>,
    },
    Watch {
        id: Vec<u8>,
        watcher: watch::Sender<Option<JobNews>>,
    },
    Listen,
    /// Somebody listens to events.
    Follow,
}

/// The push connection's handle. The thread ends with the last handle.
pub(crate) struct PushConnection {
    address: String,
    requests: mpsc::UnboundedSender<Request>,
    cancels: broadcast::Sender<Cancellation>,
    connected: watch::Receiver<bool>,
    arrivals: Arrivals,
    /// A caller has asked for cancellations, and nobody has waited for the subscription yet.
    is_new: AtomicBool,
}

impl PushConnection {
    pub(crate) fn start(settings: Arc<Settings>) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (pushes, pushed) = mpsc::unbounded_channel();
        let (registered, outcomes) = mpsc::unbounded_channel();
        let (cancels, _) = broadcast::channel(CANCELS);
        let (is_connected, connected) = watch::channel(false);
        let arrivals = Arrivals::default();
        let actor =
            Actor::new(&settings, cancels.clone(), is_connected, registered, pushes, arrivals.clone());
        // without a thread the inbox is dropped, and every request is answered with an error
        let thread = std::thread::Builder::new().name("taskora-redis".to_owned());
        let spawned =
            thread.spawn(move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(actor.run(inbox, pushed, outcomes)),
                Err(error) => tracing::error!(%error, "cannot start a runtime for the push connection"),
            });
        if let Err(error) = spawned {
            tracing::error!(%error, "cannot start a thread for the push connection");
        }
        Self {
            address: settings.address.clone(),
            requests,
            cancels,
            connected,
            arrivals,
            is_new: AtomicBool::new(false),
        }
    }

    pub(crate) async fn renew(&self, leases: Vec<RenewLease>) -> Renewals {
        let (answer, reply) = oneshot::channel();
        let _ = self.requests.send(Request::Renew { leases, answer });
        reply.await.unwrap_or_else(|_| Err(self.gone()))
    }

    pub(crate) async fn ended(&self, id: Vec<u8>) -> Answer {
        let (answer, reply) = oneshot::channel();
        let _ = self.requests.send(Request::Await { id, answer });
        reply.await.unwrap_or_else(|_| Err(self.gone()))
    }

    pub(crate) fn watch(&self, id: Vec<u8>) -> watch::Receiver<Option<JobNews>> {
        let (watcher, news) = watch::channel(None);
        let _ = self.requests.send(Request::Watch { id, watcher });
        news
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Cancellation> {
        let receiver = self.cancels.subscribe();
        self.is_new.store(true, Ordering::Relaxed);
        let _ = self.requests.send(Request::Listen);
        receiver
    }

    /// Changes when there may be new events.
    pub(crate) fn arrivals(&self) -> watch::Receiver<u64> {
        let (receiver, is_new) = self.arrivals.subscribe();
        if is_new {
            let _ = self.requests.send(Request::Follow);
        }
        receiver
    }

    /// Waits until a new listener's channel is subscribed, for at most `limit`.
    pub(crate) async fn subscribed(&self, limit: Duration) {
        if !self.is_new.load(Ordering::Relaxed) {
            return;
        }
        let mut connected = self.connected.clone();
        // best effort: a worker that misses a cancellation learns it when it renews
        let _ = tokio::time::timeout(limit, connected.wait_for(|connected| *connected)).await;
        self.is_new.store(false, Ordering::Relaxed);
    }

    fn gone(&self) -> AdapterError {
        AdapterError::Unavailable {
            address: self.address.clone(),
            message: "the push connection's thread is gone".to_owned(),
        }
    }
}

/// The outcome of a registration: the ids, the connection on which it was made, and their tasks and ends.
struct Outcome {
    ids: Vec<Vec<u8>>,
    result: Result<Registered, AdapterError>,
}

/// What Redis has answered.
struct Registered {
    /// The connection.
    generation: u64,
    /// A task and an end for each id.
    ends: Vec<(String, Vec<u8>)>,
    /// A state and a progress for each of the first ids, which are watched.
    news: Vec<(Vec<u8>, Vec<u8>)>,
}

struct Actor {
    link: Arc<Link>,
    tag: String,
    cancel_channel: String,
    cancels: broadcast::Sender<Cancellation>,
    is_connected: watch::Sender<bool>,
    waits: HashMap<Vec<u8>, Vec<oneshot::Sender<Answer>>>,
    watches: Watches,
    /// When the deadlines of awaited workflows pass.
    deadlines: BTreeSet<(Instant, Vec<u8>)>,
    /// Awaited jobs that Redis has not been asked about on this connection.
    unregistered: VecDeque<Vec<u8>>,
    /// The connection on which the others were registered.
    generation: u64,
    /// When all were registered again, because the store forgets those who have registered long ago.
    refreshed: Instant,
    registering: bool,
    /// Registrations that have failed in a row.
    failures: u32,
    registered: mpsc::UnboundedSender<Outcome>,
    listening: bool,
    /// Receives pushes, and the news that the connection is lost.
    pushes: mpsc::UnboundedSender<(u64, PushInfo)>,
    arrivals: Arrivals,
}

impl Actor {
    fn new(
        settings: &Arc<Settings>,
        cancels: broadcast::Sender<Cancellation>,
        is_connected: watch::Sender<bool>,
        registered: mpsc::UnboundedSender<Outcome>,
        pushes: mpsc::UnboundedSender<(u64, PushInfo)>,
        arrivals: Arrivals,
    ) -> Self {
        let tag = uuid::Uuid::now_v7().simple().to_string();
        let cancel_channel = settings.keys.cancel_channel();
        let channels = vec![cancel_channel.clone(), settings.keys.push_channel(&tag)];
        let link = Link::new(Arc::clone(settings), Use::Pushes { channels, to: pushes.clone() });
        Self {
            link: Arc::new(link),
            tag,
            cancel_channel,
            cancels,
            is_connected,
            waits: HashMap::new(),
            watches: Watches::default(),
            deadlines: BTreeSet::new(),
            unregistered: VecDeque::new(),
            generation: 0,
            refreshed: Instant::now(),
            registering: false,
            failures: 0,
            registered,
            listening: false,
            pushes,
            arrivals,
        }
    }
}

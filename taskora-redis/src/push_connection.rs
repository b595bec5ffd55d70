//! The push connection: renewals, and what Redis pushes. A thread of its own drives it, so that a lease is kept while
//! handlers block the threads of their runtime.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{PushInfo, PushKind, Value};
use taskora::AdapterError;
use taskora::adapter::{Cancellation, Ended, RenewLease, Renewal};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::answer::{array, bytes, letters, nonsense, text};
use crate::codec::{End, Reader, millis};
use crate::config::Settings;
use crate::connect::Use;
use crate::fault::{again, pause};
use crate::id;
use crate::link::Link;
use crate::scripts::SCRIPTS;

/// Leases, or waits, in one call.
const PAGE: usize = 256;
/// Answers may be large: fewer of them go in one call.
const MAX_WAITS: usize = 64;
/// How often a connection is checked on which something is awaited, or cancellations are listened to. A silent one is noticed
/// after this and the time of one call.
const CHECK: Duration = Duration::from_secs(8);
/// How long this one sleeps at most.
const LONGEST: Duration = Duration::from_secs(3600);
/// Cancellations that a slow listener may be behind with.
const CANCELS: usize = 4096;

type Answer = Result<Option<Ended>, AdapterError>;
type Renewals = Result<Vec<Renewal>, AdapterError>;

enum Request {
    Renew { leases: Vec<RenewLease>, answer: oneshot::Sender<Renewals> },
    Await { id: Vec<u8>, answer: oneshot::Sender<Answer> },
    Listen,
}

/// The push connection's handle. The thread ends with the last of them.
pub(crate) struct PushConnection {
    address: String,
    requests: mpsc::UnboundedSender<Request>,
    cancels: broadcast::Sender<Cancellation>,
    connected: watch::Receiver<bool>,
    /// Somebody has asked for cancellations, and nobody has waited for the subscription yet.
    is_new: AtomicBool,
}

impl PushConnection {
    pub(crate) fn start(settings: Arc<Settings>) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (pushes, pushed) = mpsc::unbounded_channel();
        let (cancels, _) = broadcast::channel(CANCELS);
        let (is_connected, connected) = watch::channel(false);
        let tag = uuid::Uuid::now_v7().simple().to_string();
        let channels = vec![settings.keys.cancel_channel(), settings.keys.push_channel(&tag)];
        let purpose = Use::Pushes { channels, to: pushes.clone() };
        let link = Arc::new(Link::new(Arc::clone(&settings), purpose));
        let cancel_channel = settings.keys.cancel_channel();
        let (registered, outcomes) = mpsc::unbounded_channel();
        let actor = Actor {
            link,
            tag,
            cancel_channel,
            cancels: cancels.clone(),
            is_connected,
            waits: HashMap::new(),
            deadlines: BTreeSet::new(),
            unregistered: VecDeque::new(),
            generation: 0,
            registering: false,
            failures: 0,
            registered,
            listening: false,
            pushes,
        };
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

    pub(crate) fn listen(&self) -> broadcast::Receiver<Cancellation> {
        let receiver = self.cancels.subscribe();
        self.is_new.store(true, Ordering::Relaxed);
        let _ = self.requests.send(Request::Listen);
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

/// What came of a registration: the ids, the connection it was made on, and their tasks and ends.
struct Outcome {
    ids: Vec<Vec<u8>>,
    result: Result<Registered, AdapterError>,
}

/// The connection, then a task and an end for each id.
type Registered = (u64, Vec<(String, Vec<u8>)>);

struct Actor {
    link: Arc<Link>,
    tag: String,
    cancel_channel: String,
    cancels: broadcast::Sender<Cancellation>,
    is_connected: watch::Sender<bool>,
    waits: HashMap<Vec<u8>, Vec<oneshot::Sender<Answer>>>,
    /// When the deadlines of awaited workflows pass.
    deadlines: BTreeSet<(Instant, Vec<u8>)>,
    /// Awaited jobs that Redis has not been asked about on this connection.
    unregistered: VecDeque<Vec<u8>>,
    /// The connection that the others were registered on.
    generation: u64,
    registering: bool,
    /// Registrations that have failed in a row.
    failures: u32,
    registered: mpsc::UnboundedSender<Outcome>,
    listening: bool,
    /// Where this one is told that its connection is lost.
    pushes: mpsc::UnboundedSender<(u64, PushInfo)>,
}

impl Actor {
    async fn run(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Request>,
        mut pushed: mpsc::UnboundedReceiver<(u64, PushInfo)>,
        mut outcomes: mpsc::UnboundedReceiver<Outcome>,
    ) {
        let mut ticks = interval(CHECK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut moves = self.link.settings().route.moves();
        loop {
            tokio::select! {
                request = inbox.recv() => match request {
                    Some(request) => {
                        self.take(request);
                        // what has come together goes together
                        while let Ok(request) = inbox.try_recv() {
                            self.take(request);
                        }
                    }
                    None => return,
                },
                Some((generation, push)) = pushed.recv() => self.hear(generation, push),
                Some(outcome) = outcomes.recv() => self.settle(outcome),
                _ = ticks.tick() => self.check(),
                () = sleep_until(self.next_deadline()) => self.ask_about_late(),
                // its connection counts as lost
                _ = moves.changed() => {}
            }
            self.keep_up();
        }
    }

    fn next_deadline(&self) -> Instant {
        self.deadlines.first().map_or_else(|| Instant::now() + LONGEST, |(at, _)| *at)
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Renew { leases, answer } => {
                let link = Arc::clone(&self.link);
                tokio::spawn(async move {
                    let _ = answer.send(renew(&link, &leases).await);
                });
            }
            Request::Await { id, answer } => {
                let waits = self.waits.entry(id.clone()).or_default();
                waits.push(answer);
                if waits.len() == 1 {
                    self.unregistered.push_back(id);
                }
            }
            Request::Listen => self.listening = true,
        }
    }

    fn hear(&mut self, generation: u64, push: PushInfo) {
        match push.kind {
            PushKind::Disconnection => self.link.drop_generation(generation),
            // whatever was cancelled before was not heard on this connection
            PushKind::Subscribe if self.is_of_cancellations(push.data.first()) => {
                let _ = self.cancels.send(Cancellation::Missed);
            }
            PushKind::Message => {
                let mut data = push.data.into_iter();
                let (channel, Some(Value::BulkString(message))) = (data.next(), data.next()) else { return };
                if self.is_of_cancellations(channel.as_ref()) {
                    if let Some(id) = id::load(&message) {
                        let _ = self.cancels.send(Cancellation::Of(id));
                    }
                } else {
                    self.end_pushed(&message);
                }
            }
            _ => {}
        }
    }

    fn is_of_cancellations(&self, channel: Option<&Value>) -> bool {
        matches!(channel, Some(Value::BulkString(channel)) if channel == self.cancel_channel.as_bytes())
    }

    /// Length and id, length and task, and the end, unless it is too long to be pushed.
    fn end_pushed(&mut self, message: &[u8]) {
        let mut reader = Reader(message);
        let mut next = || {
            let len = reader.u8()?;
            Some(reader.take(len.into())?.to_vec())
        };
        let (Some(id), Some(Ok(task))) = (next(), next().map(String::from_utf8)) else {
            tracing::warn!("a pushed end cannot be read");
            return;
        };
        if !self.waits.contains_key(&id) {
            return;
        }
        match End::read(reader.0) {
            Some(end) => self.answer(&id, || Ok(Some(end.clone().ended(task.clone())))),
            None => self.unregistered.push_back(id),
        }
    }

    fn answer(&mut self, id: &[u8], answer: impl Fn() -> Answer) {
        for wait in self.waits.remove(id).unwrap_or_default() {
            let _ = wait.send(answer());
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        self.registering = false;
        self.failures = if outcome.result.is_ok() { 0 } else { self.failures.saturating_add(1) };
        match outcome.result {
            Ok((generation, ends)) => {
                if generation != self.generation {
                    // another connection than the one that the others were registered on
                    self.register_all();
                    self.generation = generation;
                    let asked: std::collections::HashSet<&Vec<u8>> = outcome.ids.iter().collect();
                    self.unregistered.retain(|id| !asked.contains(id));
                }
                for (id, (task, end)) in outcome.ids.iter().zip(ends) {
                    if task.is_empty() {
                        self.answer(id, || Ok(None));
                    } else if let Some(wait) = end.strip_prefix(b"+") {
                        self.wait_for_deadline(id.clone(), wait);
                    } else if !end.is_empty() {
                        match End::read(&end) {
                            Some(end) => self.answer(id, || Ok(Some(end.clone().ended(task.clone())))),
                            None => self.answer(id, || Err(End::unreadable(&end, "the job"))),
                        }
                    }
                }
            }
            Err(error) if error.is_retryable() => self.unregistered.extend(outcome.ids),
            Err(error) => {
                for id in &outcome.ids {
                    self.answer(id, || Err(again(&error)));
                }
            }
        }
    }

    /// When a workflow's deadline has passed, asking about it has the store end it.
    fn wait_for_deadline(&mut self, id: Vec<u8>, millis: &[u8]) {
        let wait = std::str::from_utf8(millis).ok().and_then(|millis| millis.parse().ok());
        if let Some(wait) = wait {
            // no timer is longer: the store is asked again, and says how long it is then
            let at = Instant::now() + Duration::from_millis(wait).min(LONGEST);
            self.deadlines.insert((at, id));
        }
    }

    /// Asks about the workflows whose deadlines have passed.
    fn ask_about_late(&mut self) {
        while let Some((at, _)) = self.deadlines.first()
            && *at <= Instant::now()
            && let Some((_, id)) = self.deadlines.pop_first()
        {
            if self.waits.contains_key(&id) {
                self.unregistered.push_back(id);
            }
        }
    }

    fn register_all(&mut self) {
        self.unregistered = self.waits.keys().cloned().collect();
    }

    /// Forgets who does not wait any more, and makes sure that the connection is alive while it matters.
    fn check(&mut self) {
        self.waits.retain(|_, waits| {
            waits.retain(|wait| !wait.is_closed());
            !waits.is_empty()
        });
        let generation = self.link.generation();
        if generation != 0 && (self.listening || !self.waits.is_empty()) {
            let (link, pushes) = (Arc::clone(&self.link), self.pushes.clone());
            tokio::spawn(async move {
                // every user may send it, whatever else it may not
                if link.send("ping", link.settings().command_timeout, |_| redis::cmd("HELLO")).await.is_err()
                {
                    // as if the connection had said so itself: a new one is made at once
                    let _ =
                        pushes.send((generation, PushInfo { kind: PushKind::Disconnection, data: vec![] }));
                }
            });
        }
    }

    /// Registers what is not registered, and connects again if somebody relies on it; one call at a time.
    fn keep_up(&mut self) {
        let live = self.link.generation();
        self.is_connected
            .send_if_modified(|connected| std::mem::replace(connected, live != 0) != (live != 0));
        if self.registering {
            return;
        }
        let is_lost = live != self.generation;
        if is_lost && !self.waits.is_empty() {
            self.register_all();
            self.generation = live;
        }
        let mut ids = Vec::new();
        while ids.len() < MAX_WAITS
            && let Some(id) = self.unregistered.pop_front()
        {
            // the waiting caller may be gone
            if self.waits.contains_key(&id) {
                ids.push(id);
            }
        }
        if ids.is_empty() && !(self.listening && live == 0) {
            return;
        }
        self.registering = true;
        let (link, tag, registered) = (Arc::clone(&self.link), self.tag.clone(), self.registered.clone());
        let failures = self.failures;
        tokio::spawn(async move {
            if failures > 0 {
                tokio::time::sleep(pause(failures)).await;
            }
            let result = register(&link, &tag, &ids).await;
            let _ = registered.send(Outcome { ids, result });
        });
    }
}

async fn register(link: &Link, tag: &str, ids: &[Vec<u8>]) -> Result<Registered, AdapterError> {
    if ids.is_empty() {
        return Ok((link.connect().await?, Vec::new()));
    }
    let (generation, answer) = link
        .script_on(&SCRIPTS.watch, |call, _| {
            call.put("tag", tag);
            for id in ids {
                call.list(id);
            }
        })
        .await?;
    let values = array(answer, "the answer to `watch`")?;
    if values.len() != 2 * ids.len() {
        return Err(nonsense("`watch` answered another number of jobs"));
    }
    let mut values = values.into_iter();
    let mut ends = Vec::with_capacity(ids.len());
    while let (Some(task), Some(end)) = (values.next(), values.next()) {
        ends.push((text(task, "a task's name")?, bytes(end, "the end of a job")?));
    }
    Ok((generation, ends))
}

async fn renew(link: &Link, leases: &[RenewLease]) -> Renewals {
    let mut renewals = Vec::with_capacity(leases.len());
    for page in leases.chunks(PAGE) {
        let answer = link
            .script(&SCRIPTS.renew, |call, _| {
                for RenewLease { lease, length } in page {
                    let id = id::store(&lease.id);
                    call.list(&*lease.task).list(id::member(&id, lease)).list(id).list(millis(*length));
                }
            })
            .await?;
        for letter in letters(answer, page.len(), "the answer to `renew`")? {
            renewals.push(match letter {
                b'E' => Renewal::Extended,
                b'C' => Renewal::Cancelled,
                b'L' => Renewal::Lost,
                other => return Err(nonsense(format!("a renewal ended in {other}"))),
            });
        }
    }
    Ok(renewals)
}

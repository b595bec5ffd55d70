//! A TCP proxy that does harm on demand, for all connections or for one kind of them.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

/// What a connection is for, as the proxy sees by what is said on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Scripts and reads.
    Commands,
    /// Waiting for work.
    Blocking,
    /// Renewals, and what is pushed.
    Pushes,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Commands, Self::Blocking, Self::Pushes];

    const fn place(self) -> usize {
        match self {
            Self::Commands => 0,
            Self::Blocking => 1,
            Self::Pushes => 2,
        }
    }

    /// By the first words that only one kind says; commands until then.
    fn told_by(request: &[u8]) -> Option<Self> {
        let says = |word: &[u8]| request.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
        if says(b"HELLO\r\n$1\r\n3") || says(b"SUBSCRIBE") {
            Some(Self::Pushes)
        } else if says(b"CLIENT\r\n$2\r\nID") || says(b"BLPOP") {
            Some(Self::Blocking)
        } else {
            None
        }
    }
}

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Pass,
    /// Answers arrive so much later.
    Late(Duration),
    /// Requests arrive, answers do not; connections stay open.
    Mute,
    /// Nothing arrives; connections stay open (half-open TCP). What was sent meanwhile arrives when it passes again, as with
    /// a network that comes back.
    BlackHole,
}

/// An answer that is to be lost, and its connection with it.
#[derive(Debug)]
struct Loss {
    /// What its request contains; the name of a function, for example.
    pattern: Vec<u8>,
    /// At which such request; 1 is the next.
    nth: u64,
}

#[derive(Debug, Clone)]
struct State {
    upstream: u16,
    fates: [Fate; 3],
    /// How often connections of each kind were ended.
    ends: [u64; 3],
    /// How often those of each kind became half-open.
    strandings: [u64; 3],
    /// They were ended by a reset.
    reset: bool,
    refuses: bool,
}

#[derive(Debug, Default)]
struct Counts {
    connections: HashMap<Kind, u64>,
    accepted: Vec<Instant>,
    losses: Vec<Loss>,
    lost: u64,
}

#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    counts: Mutex<Counts>,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy. It lives as long as the runtime on which it was started, and runs on a thread of its own: a scenario that is
/// busy with itself harms nobody.
#[derive(Debug, Clone)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Before the server at this port.
    ///
    /// # Errors
    /// If the machine has no port.
    pub async fn start(upstream: u16) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let state = State {
            upstream,
            fates: [Fate::Pass; 3],
            ends: [0; 3],
            strandings: [0; 3],
            reset: false,
            refuses: false,
        };
        let shared = Arc::new(Shared { state: watch::Sender::new(state), counts: Mutex::default() });
        let (alive, gone) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        let accepting = Arc::clone(&shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = gone => {}
                    accepted = accept(listener, accepting) => {
                        eprintln!("the proxy accepts no more connections: {accepted:?}");
                    }
                }
            });
        })?;
        Ok(Self { port, shared })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// From now on, what passes on every connection meets this fate.
    pub fn set(&self, fate: Fate) {
        self.shared.state.send_modify(|state| state.fates = [fate; 3]);
    }

    /// The same for one kind of connections.
    pub fn set_kind(&self, kind: Kind, fate: Fate) {
        self.shared.state.send_modify(|state| {
            if let Some(known) = state.fates.get_mut(kind.place()) {
                *known = fate;
            }
        });
    }

    /// Closes all connections that there are.
    pub fn cut(&self) {
        Kind::ALL.into_iter().for_each(|kind| self.end(kind, false));
    }

    /// Closes all connections of a kind.
    pub fn cut_kind(&self, kind: Kind) {
        self.end(kind, false);
    }

    /// Makes the connections of a kind that there are half-open, for as long as they last; new ones work.
    pub fn strand_kind(&self, kind: Kind) {
        self.shared.state.send_modify(|state| {
            if let Some(strandings) = state.strandings.get_mut(kind.place()) {
                *strandings += 1;
            }
        });
    }

    /// Resets all connections that there are (RST).
    pub fn reset(&self) {
        Kind::ALL.into_iter().for_each(|kind| self.end(kind, true));
    }

    fn end(&self, kind: Kind, reset: bool) {
        self.shared.state.send_modify(|state| {
            state.reset = reset;
            if let Some(ends) = state.ends.get_mut(kind.place()) {
                *ends += 1;
            }
        });
    }

    /// From now on, new connections are closed at once, or are not.
    pub fn refuse(&self, refuses: bool) {
        self.shared.state.send_modify(|state| state.refuses = refuses);
    }

    /// Sends new connections to another server, and cuts those to the old one: a failover behind one address.
    pub fn switch(&self, upstream: u16) {
        self.shared.state.send_modify(|state| state.upstream = upstream);
        self.cut();
    }

    /// Loses the answer to the n-th request from now on (1 is the next) that contains these bytes, and its connection with
    /// it: the server has done what was asked.
    pub fn lose(&self, pattern: impl Into<Vec<u8>>, nth: u64) {
        self.shared.counts().losses.push(Loss { pattern: pattern.into(), nth });
    }

    /// The same for a function of the adapter's library by its short name.
    ///
    /// # Errors
    /// If there is no such function.
    pub fn lose_script(&self, name: &str, nth: u64) -> Result<(), String> {
        let function = taskora_redis::functions().into_iter().find(|(known, _)| *known == name);
        let (_, function) = function.ok_or_else(|| format!("there is no function `{name}`"))?;
        // the end of the word belongs to it: one name may begin another
        self.lose(format!("{function}\r\n"), nth);
        Ok(())
    }

    /// Answers lost so far because of [`Proxy::lose`].
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.counts().lost
    }

    /// Connections that were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.counts().accepted.len() as u64
    }

    /// How long after this moment connections were accepted, in order.
    #[must_use]
    pub fn accepted_since(&self, moment: Instant) -> Vec<Duration> {
        let counts = self.shared.counts();
        counts.accepted.iter().filter_map(|at| at.checked_duration_since(moment)).collect()
    }

    /// Connections of a kind so far.
    #[must_use]
    pub fn connections(&self, kind: Kind) -> u64 {
        self.shared.counts().connections.get(&kind).copied().unwrap_or(0)
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        shared.counts().accepted.push(Instant::now());
        tokio::spawn(connection(client, Arc::clone(&shared)));
    }
}

async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let upstream = {
        let state = shared.state.borrow();
        if state.refuses {
            return;
        }
        state.upstream
    };
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await else { return };
    // a proxy that waits for company would be a fault of its own
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    relay(&mut client, &mut server, &shared).await;
    if shared.state.borrow().reset {
        let _ = client.set_zero_linger();
    }
}

/// Until either side, or an order, ends it.
async fn relay(client: &mut TcpStream, server: &mut TcpStream, shared: &Shared) {
    let mut orders = shared.state.subscribe();
    let began = orders.borrow_and_update().clone();
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let (mut requests, mut answers) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let (mut kind, mut is_counted, mut loses) = (Kind::Commands, false, false);
    loop {
        let state = orders.borrow_and_update().clone();
        let place = kind.place();
        if state.ends.get(place) != began.ends.get(place) {
            if loses {
                // the answer that was to be lost is lost with the connection
                shared.counts().lost += 1;
            }
            return;
        }
        let fate = state.fates.get(place).copied().unwrap_or(Fate::Pass);
        let is_stranded = state.strandings.get(place) != began.strandings.get(place);
        if is_stranded || fate == Fate::BlackHole {
            if orders.changed().await.is_err() {
                return;
            }
            continue;
        }
        tokio::select! {
            // an order goes before what was sent after it
            biased;
            changed = orders.changed() => if changed.is_err() { return },
            read = from_client.read(&mut requests) => {
                let Ok(count @ 1..) = read else { return };
                let Some(request) = requests.get(..count) else { return };
                let told = Kind::told_by(request);
                kind = told.unwrap_or(kind);
                if !is_counted && (told.is_some() || is_script(request)) {
                    is_counted = true;
                    *shared.counts().connections.entry(kind).or_default() += 1;
                }
                loses |= is_lost(shared, request);
                if to_server.write_all(request).await.is_err() {
                    return;
                }
            }
            read = from_server.read(&mut answers) => {
                let Ok(count @ 1..) = read else { return };
                if loses {
                    shared.counts().lost += 1;
                    return;
                }
                match fate {
                    Fate::Late(time) => tokio::time::sleep(time).await,
                    Fate::Mute => continue,
                    Fate::Pass | Fate::BlackHole => {}
                }
                let Some(answer) = answers.get(..count) else { return };
                if to_client.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether a command of the adapter is called.
fn is_script(request: &[u8]) -> bool {
    request.windows(7).any(|word| word == b"FCALL\r\n" || word == b"EVALSHA")
}

/// Whether the answer to this request is to be lost.
fn is_lost(shared: &Shared, request: &[u8]) -> bool {
    let mut counts = shared.counts();
    let mut is_lost = false;
    counts.losses.retain_mut(|loss| {
        let hits = request.windows(loss.pattern.len().max(1)).filter(|part| *part == loss.pattern).count();
        let hits = hits as u64;
        if hits == 0 || hits < loss.nth {
            loss.nth -= hits;
            return true;
        }
        is_lost = true;
        false
    });
    is_lost
}

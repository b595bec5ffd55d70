//! The connection on which Redis says that there are events, while somebody listens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::PushKind;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::connect::Use;
use crate::link::Link;
use crate::settings::Settings;

/// How often the connection is checked, and whether anybody listens.
const CHECK: Duration = Duration::from_secs(8);
/// The rest after a failure; connections have their own backoff beside it.
const REST: Duration = Duration::from_millis(100);

/// Changes when there may be new events. There is one while somebody listens.
#[derive(Clone, Default)]
pub(super) struct Arrivals(Arc<Mutex<Option<watch::Sender<u64>>>>);

impl Arrivals {
    /// Another listener, and whether it is the first one, so that somebody must follow.
    pub(super) fn subscribe(&self) -> (watch::Receiver<u64>, bool) {
        let mut current = self.lock();
        match &*current {
            Some(sender) => (sender.subscribe(), false),
            None => (current.insert(watch::channel(0).0).subscribe(), true),
        }
    }

    fn tell(&self) {
        if let Some(sender) = &*self.lock() {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// Ends this if nobody listens any more.
    fn has_ended(&self) -> bool {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|sender| sender.receiver_count() == 0) {
            *current = None;
        }
        current.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the channel until nobody listens any more.
pub(super) async fn follow(settings: Arc<Settings>, arrivals: Arrivals) {
    let (to, mut pushed) = mpsc::unbounded_channel();
    let channels = vec![settings.keys.event_channel()];
    let link = Link::new(settings, Use::Pushes { channels, to });
    let mut checks = interval(CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !arrivals.has_ended() {
        let Ok(generation) = link.connect().await else {
            sleep(REST).await;
            continue;
        };
        // what was told before the subscription
        arrivals.tell();
        loop {
            tokio::select! {
                Some((of, push)) = pushed.recv() => match push.kind {
                    PushKind::Message => arrivals.tell(),
                    PushKind::Disconnection => {
                        link.drop_generation(of);
                        if of == generation {
                            break;
                        }
                    }
                    _ => {}
                },
                _ = checks.tick() => {
                    if arrivals.has_ended() {
                        return;
                    }
                    // every user may send it, whatever its permissions
                    let limit = link.settings().command_timeout;
                    if link.send("ping", limit, |_| redis::cmd("HELLO")).await.is_err() {
                        link.drop_generation(generation);
                        break;
                    }
                }
            }
        }
    }
}

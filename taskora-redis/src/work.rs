//! A worker's ear: `BLPOP` on the wake-up keys of its tasks, on a connection of its own.
//!
//! Dropping a wait leaves its `BLPOP` under way, for the next wait to take up; a wake-up that comes when nobody waits
//! is given back at once, so that another worker has it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use taskora::AdapterError;
use taskora::adapter::{TaskName, WorkSignal};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::answer::{array, text};
use crate::config::Settings;
use crate::link::{Link, Use};
use crate::scripts::SCRIPTS;

/// The longest time that Redis is asked to hold an answer back: a dead connection is noticed that much later.
const BLOCK: Duration = Duration::from_secs(5);
/// How long an answer may be late.
const GRACE: Duration = Duration::from_secs(5);

type Woken = Result<Option<TaskName>, AdapterError>;

/// See the [module](self).
pub(crate) struct Ear {
    commands: Arc<Link>,
    blocking: Arc<Link>,
    pending: Option<Pending>,
}

/// A `BLPOP` under way.
struct Pending {
    tasks: Vec<TaskName>,
    listener: Listener,
}

/// Who is told what the `BLPOP` brings; `None` once it has brought something, or is given up.
type Listener = Arc<Mutex<Option<oneshot::Sender<Woken>>>>;

impl Ear {
    pub(crate) fn new(settings: Arc<Settings>, commands: Arc<Link>) -> Self {
        let blocking = Arc::new(Link::new(settings, Use::Blocking));
        Self { commands, blocking, pending: None }
    }

    /// An ear for the `BLPOP` that is under way for these tasks, or for a new one.
    fn listen(&mut self, tasks: &[TaskName], limit: Duration) -> oneshot::Receiver<Woken> {
        let (sender, woken) = oneshot::channel();
        if let Some(pending) = &self.pending {
            let mut listener = pending.listener.lock().unwrap_or_else(PoisonError::into_inner);
            if listener.is_some() {
                if pending.tasks == tasks {
                    *listener = Some(sender);
                    return woken;
                }
                // for other tasks: it must end before the next one can begin on the same connection
                *listener = None;
                if let Some(client) = self.blocking.client_id() {
                    tokio::spawn(unblock(Arc::clone(&self.commands), client));
                }
            }
        }
        let listener: Listener = Arc::new(Mutex::new(Some(sender)));
        self.pending = Some(Pending { tasks: tasks.to_vec(), listener: Arc::clone(&listener) });
        let (blocking, commands) = (Arc::clone(&self.blocking), Arc::clone(&self.commands));
        let tasks = tasks.to_vec();
        tokio::spawn(async move {
            let woken = block(&blocking, &tasks, limit.min(BLOCK), &listener).await;
            let listener = listener.lock().unwrap_or_else(PoisonError::into_inner).take();
            let unheard = match listener {
                Some(listener) => listener.send(woken).err(),
                None => Some(woken),
            };
            if let Some(Ok(Some(task))) = unheard {
                give_back(&commands, &task).await;
            }
        });
        woken
    }
}

#[async_trait]
impl WorkSignal for Ear {
    async fn wait(&mut self, tasks: &[TaskName], limit: Duration) -> Result<bool, AdapterError> {
        let deadline = Instant::now() + limit.min(Duration::from_secs(365 * 24 * 60 * 60));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if tasks.is_empty() {
                tokio::time::sleep(left).await;
                return Ok(false);
            }
            let woken = self.listen(tasks, left);
            let mut woken = Unheard { woken, commands: Arc::clone(&self.commands) };
            // a little longer than asked for: what Redis answers at the last moment is worth waiting for
            match timeout(left + Duration::from_millis(20), &mut woken.woken).await {
                Ok(Ok(result)) => {
                    self.pending = None;
                    if result?.is_some() {
                        return Ok(true);
                    }
                }
                // the task is gone with its runtime
                Ok(Err(_)) => self.pending = None,
                Err(_) => return Ok(false),
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }
}

/// Gives a wake-up back that came in the moment in which the wait was dropped.
struct Unheard {
    woken: oneshot::Receiver<Woken>,
    commands: Arc<Link>,
}

impl Drop for Unheard {
    fn drop(&mut self) {
        self.woken.close();
        if let Ok(Ok(Some(task))) = self.woken.try_recv()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let commands = Arc::clone(&self.commands);
            runtime.spawn(async move { give_back(&commands, &task).await });
        }
    }
}

/// Which task woke us, if any did in time.
async fn block(link: &Link, tasks: &[TaskName], limit: Duration, listener: &Listener) -> Woken {
    connect(link).await?;
    if listener.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
        // given up before it began
        return Ok(None);
    }
    let keys = &link.settings().keys;
    // Redis takes zero as for ever
    let seconds = limit.as_secs_f64().max(0.001);
    let answer = link.send(limit + GRACE, |_| {
        let mut cmd = redis::cmd("BLPOP");
        for task in tasks {
            cmd.arg(keys.wake(task));
        }
        cmd.arg(seconds);
        cmd
    });
    match answer.await {
        Ok((_, Value::Nil)) => Ok(None),
        Ok((_, answer)) => {
            let key = array(answer, "the answer to BLPOP")?.into_iter().next().unwrap_or(Value::Nil);
            Ok(keys.task_of_wake(&text(key, "a key")?).map(TaskName::from))
        }
        // with the connection a wake-up may have been lost: as soon as there is another one, look for work
        Err(error) if error.is_retryable() => {
            connect(link).await?;
            Ok(tasks.first().cloned())
        }
        Err(error) => Err(error),
    }
}

/// Connects within the usual time; only the wait itself may take long.
async fn connect(link: &Link) -> Result<(), AdapterError> {
    let settings = link.settings();
    let mut last_error = None;
    let attempts = async {
        loop {
            match link.connect().await {
                Err(error) if error.is_retryable() => last_error = Some(error),
                other => return other.map(|_| ()),
            }
        }
    };
    match timeout(settings.command_timeout, attempts).await {
        Ok(result) => result,
        Err(_) => Err(last_error.unwrap_or_else(|| AdapterError::Unavailable {
            address: settings.address.clone(),
            message: format!("no connection within {:?}", settings.command_timeout),
        })),
    }
}

/// Ends a `BLPOP`. If it has ended already, the next one ends early, which only makes its wait begin anew.
async fn unblock(commands: Arc<Link>, client: i64) {
    let build = |_| {
        let mut cmd = redis::cmd("CLIENT");
        cmd.arg("UNBLOCK").arg(client);
        cmd
    };
    // if this fails, the `BLPOP` ends by its own timeout
    if let Err(error) = commands.send(commands.settings().command_timeout, build).await {
        tracing::debug!(%error, "a wait for work could not be ended");
    }
}

async fn give_back(commands: &Link, task: &TaskName) {
    // if this fails, a sweep wakes somebody
    if let Err(error) = commands
        .script(&SCRIPTS.wake, |cmd, _| {
            cmd.arg(&**task);
        })
        .await
    {
        tracing::debug!(%error, "a wake-up could not be given back");
    }
}

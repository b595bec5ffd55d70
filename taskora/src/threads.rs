//! The threads of blocking handlers.
//!
//! They do not belong to tokio's blocking pool: a tokio runtime waits for its blocking threads when it ends, so a handler
//! that never returns would keep the process alive. Nothing waits for these threads.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::adapter::TaskName;

/// The work of a thread. It must not panic.
pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// How long an idle thread waits for the next job of its task before it ends.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The idle threads.
static IDLE: Mutex<Vec<Idle>> = Mutex::new(Vec::new());

struct Idle {
    /// A thread serves one task, because it is named after it.
    task: TaskName,
    thread: std::thread::ThreadId,
    work: Sender<Work>,
}

/// Does this work at once, on an idle thread or on a new one.
pub(crate) fn run(task: &TaskName, work: Work) -> io::Result<()> {
    let mut idle = idle();
    let free = idle.iter().rposition(|idle| idle.task == *task).map(|at| idle.swap_remove(at));
    drop(idle);
    let work = match free {
        None => work,
        Some(idle) => match idle.work.send(work) {
            Ok(()) => return Ok(()),
            Err(unsent) => unsent.0,
        },
    };
    start(task.clone(), work)
}

fn start(task: TaskName, work: Work) -> io::Result<()> {
    std::thread::Builder::new().name(format!("taskora-{task}")).spawn(move || serve(&task, work)).map(drop)
}

/// The main loop of a thread.
fn serve(task: &TaskName, first: Work) {
    let thread = std::thread::current().id();
    let (sender, receiver) = channel();
    first();
    loop {
        idle().push(Idle { task: task.clone(), thread, work: sender.clone() });
        match next(&receiver, thread) {
            Some(work) => work(),
            None => return,
        }
    }
}

fn next(receiver: &Receiver<Work>, thread: std::thread::ThreadId) -> Option<Work> {
    match receiver.recv_timeout(KEEP_ALIVE) {
        Ok(work) => return Some(work),
        Err(RecvTimeoutError::Disconnected) => return None,
        Err(RecvTimeoutError::Timeout) => {}
    }
    let mut idle = idle();
    if let Some(at) = idle.iter().position(|idle| idle.thread == thread) {
        idle.swap_remove(at);
        return None;
    }
    drop(idle);
    // this thread was just chosen: its work is on the way
    receiver.recv().ok()
}

fn idle() -> MutexGuard<'static, Vec<Idle>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread_of(task: &TaskName) -> (Option<String>, std::thread::ThreadId) {
        let (told, tells) = channel();
        let work = Box::new(move || {
            let thread = std::thread::current();
            told.send((thread.name().map(str::to_owned), thread.id())).unwrap();
        });
        run(task, work).unwrap();
        tells.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn is_idle(thread: std::thread::ThreadId) -> bool {
        idle().iter().any(|idle| idle.thread == thread)
    }

    #[test]
    fn a_thread_is_named_after_its_task_and_used_again_for_it() {
        let (one, other) = (TaskName::from("threads-one"), TaskName::from("threads-other"));
        let (name, first) = thread_of(&one);
        assert_eq!(name.as_deref(), Some("taskora-threads-one"));
        while !is_idle(first) {
            std::thread::yield_now();
        }
        let (name, second) = thread_of(&other);
        assert_eq!(name.as_deref(), Some("taskora-threads-other"));
        assert_ne!(second, first);
        assert_eq!(thread_of(&one).1, first);
    }

    #[test]
    fn a_thread_that_is_busy_keeps_no_work_waiting() {
        let task = TaskName::from("threads-busy");
        let (open, gate) = channel::<()>();
        run(&task, Box::new(move || gate.recv().unwrap())).unwrap();
        thread_of(&task);
        open.send(()).unwrap();
    }
}

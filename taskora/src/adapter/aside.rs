//! Yielding to other tokio tasks.

use std::future::poll_fn;
use std::mem::replace;
use std::task::Poll;

/// Lets tokio tasks that were woken earlier go first, once. The loops of adapters and of the worker use this instead of
/// tokio's `yield_now`: a task that yields with `yield_now` stays on its thread, so a handler that goes first and blocks the
/// thread would block the loop, too. After this function, another thread can take the loop over.
pub async fn step_aside() {
    let mut has_stepped = false;
    poll_fn(|cx| {
        if replace(&mut has_stepped, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::step_aside;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_blocks_the_thread_meanwhile_holds_nobody_up() {
        let (told, tell) = std::sync::mpsc::channel::<()>();
        let waiting = tokio::spawn(async move {
            // runs next on this thread, and blocks it until the other task says so
            let blocked = tokio::spawn(async move { tell.recv_timeout(Duration::from_secs(10)) });
            step_aside().await;
            told.send(()).map(|()| blocked)
        });
        let blocked = waiting.await.expect("no panic").expect("somebody waits for it");
        assert_eq!(blocked.await.expect("no panic"), Ok(()));
    }
}

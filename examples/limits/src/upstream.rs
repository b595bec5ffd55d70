//! Somebody else's API: it answers 20 requests in any half second, and all others with 429 and the time at which to come again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use taskora::prelude::*;

use crate::table::Row;

const PAGES: u32 = 60;
const MOST: usize = 20;
const WINDOW: Duration = Duration::from_millis(500);

/// The upstream, as its clients see it.
#[derive(Clone, Default)]
pub(crate) struct Upstream(Arc<Mutex<Requests>>);

#[derive(Default)]
struct Requests {
    answered: VecDeque<Instant>,
    all: usize,
    refused: usize,
}

impl Upstream {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page; or after what time to ask again, as the header `Retry-After` says it.
    fn get(&self, page: u32) -> Result<u32, Duration> {
        let mut requests = self.requests();
        requests.all += 1;
        while requests.answered.front().is_some_and(|at| at.elapsed() >= WINDOW) {
            requests.answered.pop_front();
        }
        if requests.answered.len() < MOST {
            requests.answered.push_back(Instant::now());
            return Ok(page);
        }
        requests.refused += 1;
        let first = requests.answered.front().map_or(Duration::ZERO, Instant::elapsed);
        Err(WINDOW.saturating_sub(first))
    }

    fn fetch(&self, page: u32, ctx: &Context) -> Result<u32, TaskError> {
        // this attempt is over; the next one starts when the upstream says
        self.get(page).map_err(|after| ctx.retry_after(after))
    }
}

/// Asks whenever there is a page to fetch.
#[task(retry(attempts = 100))]
pub(crate) async fn fetch_at_once(
    page: u32,
    ctx: &Context,
    upstream: State<Upstream>,
) -> Result<u32, TaskError> {
    upstream.fetch(page, ctx)
}

/// Asks no more often than the upstream answers. Requests take their time on the way, so it leaves some room.
#[task(rate(max = 18, per = "500ms"), retry(attempts = 100))]
pub(crate) async fn fetch_paced(
    page: u32,
    ctx: &Context,
    upstream: State<Upstream>,
) -> Result<u32, TaskError> {
    upstream.fetch(page, ctx)
}

async fn row<T: Task>(
    app: &App,
    upstream: &Upstream,
    how: &str,
    job: impl Fn(u32) -> T,
) -> Result<Row, taskora::Error>
where
    T::Output: Send,
{
    *upstream.requests() = Requests::default();
    let started = Instant::now();
    for handle in app.dispatch_many((0..PAGES).map(job)).await? {
        handle.result().await?;
    }
    let requests = upstream.requests();
    Ok(Row {
        what: "an upstream of 20 in 500 ms",
        how: how.to_owned(),
        dispatches: PAGES as usize,
        runs: requests.all,
        result: format!("{} answers of 429, in {:.1} s", requests.refused, started.elapsed().as_secs_f64()),
    })
}

pub(crate) async fn rows(app: &App, upstream: &Upstream) -> Result<Vec<Row>, taskora::Error> {
    let at_once = row(app, upstream, "retry_after", |page| FetchAtOnce { page }).await?;
    let paced = row(app, upstream, "rate(max = 18, per = \"500ms\")", |page| FetchPaced { page }).await?;
    Ok(vec![at_once, paced])
}

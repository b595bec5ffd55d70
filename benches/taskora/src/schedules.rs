//! Schedules, stored with `App::schedules`.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use harness::Times;
use taskora::Schedule;
use taskora::prelude::*;
use tokio::task::JoinSet;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Schedules that are stored at the same time.
const CALLERS: usize = 64;

/// The server runs on the same machine, so that both have one clock.
#[task]
pub(crate) async fn ticking(ctx: &Context) {
    let at = ctx.tick().map(|tick| tick.at.to_system_time());
    if let Some(lag) = at.and_then(|at| SystemTime::now().duration_since(at).ok()) {
        harness::lagged(lag);
    }
}

fn schedule(number: usize, times: Times) -> Result<Schedule> {
    let schedule = Schedule::new(format!("schedule-{number}")).run(Ticking {});
    Ok(match times {
        Times::EachSecond => schedule.every(Duration::from_secs(1))?,
        Times::Daily => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
            // in half a day
            let hour = (now.as_secs() / 3_600 + 12) % 24;
            schedule.cron(&format!("{} {hour} * * *", number % 60))?
        }
        Times::AtOnce(wait) => {
            let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? + wait;
            schedule.every(DAY)?.offset(Duration::from_secs(at.as_secs() % DAY.as_secs()))
        }
    })
}

pub(crate) async fn store(app: &App, count: usize, times: Times) -> Result<()> {
    // before any is stored, so that all of them have the same moment
    let all = (0..count).map(|number| schedule(number, times)).collect::<Result<Vec<_>>>()?;
    let mut callers = JoinSet::new();
    for some in all.chunks(count.div_ceil(CALLERS).max(1)) {
        let (app, some) = (app.clone(), some.to_vec());
        callers.spawn(async move {
            for schedule in some {
                app.schedules().upsert(schedule).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done??;
    }
    Ok(())
}

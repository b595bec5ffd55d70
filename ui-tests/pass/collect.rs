//! Contracts that collect, and the batches that implement them.
#![deny(warnings)]

use std::time::Duration;

use taskora::prelude::*;
use taskora::Collect;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Task, Serialize, Deserialize)]
#[task(output = usize, retry = 3, collect(key = |t| t.table, delay = "2s", max_size = 10, max_wait = "10s", serial))]
pub struct InsertRow {
    pub table: String,
    pub row: u32,
}

#[derive(Clone)]
struct Db;

#[derive(Debug, thiserror::Error)]
#[error("down")]
struct Down;

#[task(implements = InsertRow, batch, retry(never_on = Down), concurrency = 2, on_cancel = undo)]
async fn insert_rows(items: Vec<InsertRow>, ctx: &Context, _db: State<Db>) -> Result<usize, Down> {
    for (item, job) in items.iter().zip(ctx.items()) {
        match item.row {
            0 => job.fail("no row"),
            1 if job.attempt() < 3 => job.retry(),
            _ => {}
        }
    }
    Ok(items.len())
}

async fn undo(row: InsertRow, _ctx: Context) {
    let _ = row.table;
}

/// One group, with a key that some items lack, and by a function.
#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "1s"))]
struct Ping {}

#[task(implements = Ping, batch, blocking)]
fn pings(items: Vec<Ping>) {
    drop(items);
}

type Mails = Vec<Mail>;

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), ttl = "5s", priority = 3, schedule(every = "1h", with(to = None)), collect(key = Mail::key, delay = "1s"))]
struct Mail {
    to: Option<String>,
}

impl Mail {
    fn key(&self) -> Option<String> {
        self.to.clone()
    }
}

#[task(implements = Mail, batch)]
async fn mails(mails: Mails) {
    drop(mails);
}

fn main() {
    let rule = Collect::new(10, 2 * SECOND).max_wait(10 * SECOND).serial();
    assert_eq!(InsertRow::OPTIONS.collect(), Some(rule));
    assert_eq!(InsertRow { table: "orders".into(), row: 1 }.limit_key().as_deref(), Some("orders"));
    assert_eq!(Ping::OPTIONS.collect(), Some(Collect::new(100, SECOND)));
    assert_eq!(Ping {}.limit_key().as_deref(), Some("*"));
    assert_eq!(Mail { to: None }.limit_key(), None);
    let app = App::new(MemoryAdapter::new());
    let _ = Worker::builder(&app).state(Db).register_all(tasks![InsertRowsHandler, PingsHandler, MailsHandler]);
}

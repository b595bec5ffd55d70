//! The facade has another name, and nothing else may be named.
#![deny(warnings)]

// what goes to `::taskora` all the same finds nothing there
extern crate core as taskora;
extern crate taskora as queue;

mod facade {
    pub use queue::*;
}
use queue::{Context, FromRef, State};

#[derive(Clone, FromRef)]
#[from_ref(crate = ::queue)]
struct Mailer(String);

#[queue::task(crate = ::queue, retry(attempts = 2, delay = "1s", on = Failed), on_cancel = clean_up)]
async fn send(to: String, ctx: &Context, from: State<String>) -> Result<(), Failed> {
    let _ = (to, ctx, from);
    Err(Failed)
}

async fn clean_up(_: Send, _: Context) {}

#[queue::task(crate = crate::facade, schedule(cron = "@daily", tz = "Europe/Berlin", on_missed = catch_up, overlap = allow))]
async fn ping() {}

#[derive(queue::Task, queue::__private::serde::Serialize, queue::__private::serde::Deserialize)]
#[serde(crate = "queue::__private::serde")]
#[task(crate = ::queue, output = u32, schedule(manual, with(text = String::new())))]
struct Count {
    text: String,
}

#[queue::task(implements = Count, crate = ::queue, blocking, schedule(name = "b", every = "1m", with(text = String::new())))]
fn count(text: String) -> u32 {
    text.len() as u32
}

#[derive(Debug)]
struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Failed {}

fn main() {
    let _ = |app: &queue::App| {
        let _ = queue::Worker::builder(app)
            .state(Mailer(String::new()))
            .register::<Send>()
            .register::<Ping>()
            .register::<CountHandler>();
        app.dispatch(Count::s().text("text"))
    };
}

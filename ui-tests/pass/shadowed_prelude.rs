//! Names that everybody knows mean something else here.
#![deny(warnings)]
#![allow(
    non_camel_case_types,
    dead_code,
    unused_macros,
    unused_imports,
    reason = "the names are there to be met by mistake"
)]

mod shadows {
    pub struct Option;
    pub struct Some;
    pub struct None;
    pub struct Result;
    pub struct Ok;
    pub struct Err;
    pub struct String;
    pub struct Vec;
    pub struct Box;
    pub struct Duration;
    pub struct Scope;
    pub struct Handler;
    pub struct Task;
    pub struct S;
    pub struct T;
    pub trait Clone {}
    pub trait Into {}
    pub trait Send {}
    pub trait Sync {}
    pub trait Serialize {}
    pub trait Deserialize {}
    pub mod core {}
    pub mod std {}
    pub mod serde {}
    pub fn task() {}
    pub fn scope() {}
    pub fn error() {}
    macro_rules! concat {
        () => {};
    }
    macro_rules! file {
        () => {};
    }
    macro_rules! unreachable {
        () => {};
    }
    pub(crate) use {concat, file, unreachable};
}

use shadows::*;

mod arguments {
    pub type Small = i8;
}

type Owned = ::std::string::String;
type OwnResult<T> = ::std::result::Result<T, Owned>;
type Later = ::std::option::Option<::std::time::Duration>;

fn later(_: &Owned) -> Later {
    Later::None
}

async fn clean_up(_: SendEmail, _: ::taskora::Context) {}

#[::taskora::task(
    aliases = ["older"],
    retry(attempts = 3, delay = "1s", backoff = fixed, on = _, after = later),
    timeout = "1s",
    priority = 3,
    concurrency = 2,
    stall(lease = "10s", max = 2),
    on_cancel = clean_up,
    derive(::std::fmt::Debug)
)]
async fn send_email(
    task: Owned,
    scope: i64,
    send_email: i8,
    arguments: arguments::Small,
    a0: ::std::vec::Vec<Owned>,
    ctx: ::taskora::Context,
    error: &::taskora::State<i16>,
) -> OwnResult<()> {
    let _ = (task, scope, send_email, arguments, a0, ctx, error);
    OwnResult::Err(Owned::new())
}

#[::taskora::task(schedule(name = "often", every = "1m", jitter = "1s", overlap = allow, on_missed = catch_up(2)), schedule(cron = "@daily"))]
async fn ping() -> OwnResult<()> {
    OwnResult::Ok(())
}

#[::taskora::task(blocking)]
fn count(text: Owned, state: ::taskora::State<i16>) {
    let _ = (text, state);
}

#[derive(::taskora::Task, ::serde::Serialize, ::serde::Deserialize)]
#[task(output = Owned, retry = 3, schedule(cron = "@daily", tz = "UTC", with(task = Owned::new())))]
struct Resize {
    task: Owned,
    ok: ::std::option::Option<i8>,
}

#[::taskora::task(implements = Resize, concurrency = 3)]
async fn resize(ok: ::std::option::Option<i8>, task: Owned) -> Owned {
    let _ = ok;
    task
}

fn main() {
    let _ = |app: &::taskora::App| {
        ::taskora::Worker::builder(app)
            .state(0i16)
            .register::<SendEmail>()
            .register::<Ping>()
            .register::<Count>()
            .register::<ResizeHandler>()
    };
}

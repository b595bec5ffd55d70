//! What a function may return, and patterns over its error.
#![deny(warnings)]

use std::time::Duration;
use taskora::prelude::*;

#[derive(Debug, thiserror::Error)]
enum ApiError {
    #[error("busy")]
    Busy { after: Option<Duration> },
    #[error("gone")]
    Gone,
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn after(error: &ApiError) -> Option<Duration> {
    if let ApiError::Busy { after } = error { *after } else { None }
}

type ApiResult<T, E = ApiError> = Result<T, E>;

// the first parameter need not be the output
type FixedResult<const N: usize, T> = Result<[T; N], String>;

type HeldResult<'a, T> = Result<T, std::borrow::Cow<'a, str>>;

#[task(retry(
    attempts = 4,
    on = | ApiError::Busy { .. } | ApiError::Io(_),
    never_on = ApiError::Gone | ApiError::Busy { after: None },
    after = after,
))]
async fn call() -> ApiResult<String> {
    Ok(String::new())
}

#[task(retry(attempts = 2, never_on = _))]
async fn never() -> Result<(), &'static str> {
    Err("never")
}

#[task]
async fn aliased() -> ApiResult<u32, &'static str> {
    Ok(1)
}

#[task]
async fn text() -> Result<Option<String>, String> {
    Ok(None)
}

#[task]
async fn boxed() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

#[task]
async fn own() -> Result<u8, TaskError> {
    Ok("3".parse()?)
}

#[task]
async fn io() -> std::io::Result<Vec<u8>> {
    Ok(Vec::new())
}

#[task]
async fn wide() -> taskora::Result<std::collections::BTreeMap<String, (u8, bool)>> {
    Ok(Default::default())
}

#[task]
async fn fixed() -> FixedResult<4, u8> {
    Ok([0; 4])
}

#[task(retry(attempts = 2, on = _))]
async fn held() -> HeldResult<'static, u16> {
    Err("held".into())
}

#[task(blocking, retry(attempts = 2, on = _))]
fn plain() -> ApiResult<u8, std::num::ParseIntError> {
    "3".parse()
}

fn output<T: Task<Output = O>, O>() {}

fn main() {
    output::<Call, String>();
    output::<Io, Vec<u8>>();
    output::<Text, Option<String>>();
    output::<Plain, u8>();
    output::<Fixed, [u8; 4]>();
    output::<Held, u16>();
    let _ = |app: &App| {
        Worker::builder(app).register_all(taskora::tasks![Call, Never, Text, Boxed, Own, Io, Wide, Plain, Fixed, Held])
    };
}

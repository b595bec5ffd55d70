//! What people give an app in place of an adapter.

use std::future::Ready;

use taskora::prelude::*;

/// Stands for an adapter that has to be connected first.
fn connect() -> Ready<Result<MemoryAdapter, std::io::Error>> {
    std::future::ready(Ok(MemoryAdapter::new()))
}

fn main() {
    let _ = App::new("redis://localhost:6379");
    let _ = App::new(connect());
    let _ = App::builder(());
}

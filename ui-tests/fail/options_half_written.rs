//! An option that cannot be read hides no other one.

use taskora::prelude::*;

#[task(timeout = = "1s", name, aliases = ["a", 3], priority =, retires = 3)]
async fn one(id: u32) {
    let _ = id;
}

#[task(, stall, derive = Debug, retry(attempts = , delay = 1 s, on = , colour), concurrency = -1, blocking(now))]
fn two(id: u32) -> Result<(), std::fmt::Error> {
    let _ = id;
    Ok(())
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = Vec<u8, priority = 1001, retry = many, stall(max = "2", lease = 30s))]
struct Three {
    id: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = std::collections::HashMap<String, Vec<u8>>, concurrency = 2, crate = "taskora")]
struct Four {
    id: u32,
}

fn main() {}

//! What belongs to the worker is no payload, and the errors say what it is instead.

use taskora::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Database;

#[task]
async fn purge(table: String, database: &Database) {
    let _ = (table, database);
}

fn main() {}
